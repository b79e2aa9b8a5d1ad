/*
 * login_queue - which of the waiting logins is hashed next, so that guessing slows down only
 * guesses.
 *
 * Logins that come from one source (an address, a /64) for one user name are a group. Groups stand
 * in one of four ranks, by whether their user name, and their source, had wrong passwords of late:
 *
 *     rank  name   source   who                                                  share
 *     0     clean  clean    everybody, as long as nobody attacks                    8
 *     1     clean  failed   others behind the NAT of who guesses                    4
 *     2     failed clean    the owner of the name that is guessed at                2
 *     3     failed failed   who guesses, or who shares address and name with him    1
 *
 * Ranks that have logins are served in proportion to their shares, so none starves; groups of a
 * rank in turn, so that one who sends many doesn't push out one who sends few. In a group with
 * failures the newest and the oldest alternate: a right password that comes behind a heap of wrong
 * ones of the same name and source is next but one. A failure moves groups that wait already.
 *
 * When there are too many, login_queue_crowded chooses the login to be refused: one of the longest
 * group of the worst rank, never one of a better rank than the newcomer's.
 *
 * Pure: no I/O and no clock. Memory: one allocation per group.
 * Ownership: logins are embedded by login.c and taken out before they are freed.
 */
#ifndef FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_QUEUE_H
#define FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { LOGIN_RANKS = 4 };

struct id_set;
struct login_group;
struct login_queue;

/* Who asks. Keys are hashes; source 0: not to be told apart. */
struct login_origin {
    uint64_t source, name;
    bool source_failed, name_failed;
};

struct login_place {
    TAILQ_ENTRY(login_place) link;
    struct login_group *group; /* NULL: doesn't wait */
};

struct login_queue *login_queue_new(void);
/* It is empty. */
void login_queue_free(struct login_queue *q);

/* False when out of memory. */
bool login_queue_push(struct login_queue *q, struct login_place *place,
                      const struct login_origin *origin);
/* NULL: nobody waits. */
struct login_place *login_queue_pop(struct login_queue *q);
void login_queue_remove(struct login_queue *q, struct login_place *place);
/* A password of these sources and this name was wrong: waiting logins with one of them are moved.
 * One walk over the groups, however many sources there are. */
void login_queue_failed(struct login_queue *q, struct id_set *sources, uint64_t name);

/* The login to be refused in favour of a newcomer; NULL: the newcomer itself. */
struct login_place *login_queue_crowded(const struct login_queue *q,
                                        const struct login_origin *newcomer);

size_t login_queue_count(const struct login_queue *q);
/* Those of the newcomer's rank and better ones: what would be hashed first, more or less. */
size_t login_queue_ahead(const struct login_queue *q, const struct login_origin *newcomer);

#endif
