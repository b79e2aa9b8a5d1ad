/* memory_sessions: whose a client id is, how long its session stays, and when its will is due. */
#include "broker/store/memory_sessions.h"
#include "tests/unit/broker/store/memory_bed.h"

static void join_delayed(struct world *w, struct store_hold *h, struct message *will,
                         uint32_t delay_s)
{
    struct store_connect_request req = {.hold = h, .will = {.message = will, .delay_s = delay_s}};
    store_connect(w->store, &req, on_connected, w);
    assert_false(w->failed);
}

static void a_durable_session_keeps_its_queue_while_its_client_is_away(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    join(w, &h, false, NULL);
    assert_false(w->result.session_present);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    publish(w, "t", "1", false, "d");
    publish(w, "t", "2", false, "d");
    assert_int_equal(w->wakes, 0);
    join(w, &h, false, NULL);
    assert_true(w->result.session_present);
    publish(w, "t", "3", false, "d");
    assert_int_equal(w->wakes, 1);
    store_fetch(w->store, &h, w->result.next_sequence, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 3);
    assert_int_equal(w->entries[0].sequence, 1);
    store_ack(w->store, &h, 1);
    store_release(w->store, &h, 2, done, NULL);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, NULL);
    assert_int_equal(w->result.released_count, 1);
    assert_int_equal(w->result.released[0], 2);
    assert_int_equal(w->result.next_sequence, 3);
    store_fetch(w->store, &h, 3, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 1);
    assert_true(w->entries[0].duplicate);
    store_complete(w->store, &h, 2);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, NULL);
    assert_int_equal(w->result.released_count, 0);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
}

static void a_clean_start_drops_what_was(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    join(w, &h, false, NULL);
    publish(w, "t", "1", false, "d");
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    struct store_hold clean = hold("d", false);
    join(w, &clean, true, NULL);
    assert_false(w->result.session_present);
    store_disconnect(w->store, &clean, false, 0, done, NULL);
    join(w, &h, false, NULL);
    assert_false(w->result.session_present);
    store_fetch(w->store, &h, 1, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 0);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
}

static void a_will_is_published_once_unless_the_client_said_goodbye(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", false);
    join(w, &h, true, will);
    store_disconnect(w->store, &h, true, 0, done, NULL);
    assert_int_equal(w->wills, 1);
    join(w, &h, true, will);
    store_disconnect(w->store, &h, false, 0, done, NULL);
    assert_int_equal(w->wills, 1);
    assert_int_equal(will->refs, 1);
    message_unref(will);
}

static void a_delayed_will_is_cancelled_by_the_clients_return(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", true);
    join(w, &h, false, will);
    h.will_grace_s = 1;
    store_disconnect(w->store, &h, true, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, will);
    assert_int_equal(w->wills, 0);
    store_disconnect(w->store, &h, true, STORE_EXPIRES_NEVER, done, NULL);
    for (int i = 0; i < 400 && w->wills == 0; i++) {
        usleep(10000);
        input(w);
    }
    assert_int_equal(w->wills, 1);
    message_unref(will);
}

static void a_delayed_will_is_due_when_a_clean_start_ends_the_session(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", true);
    join_delayed(w, &h, will, 30);
    store_disconnect(w->store, &h, true, STORE_EXPIRES_NEVER, done, NULL);
    assert_int_equal(w->wills, 0);
    struct store_hold clean = hold("c", false);
    join(w, &clean, true, NULL);
    assert_int_equal(w->wills, 1);
    store_disconnect(w->store, &clean, false, 0, done, NULL);
    message_unref(will);
}

/* The new session is durable as well. */
static void a_clean_start_begins_a_new_durable_session(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", true);
    join_delayed(w, &h, will, 30);
    publish(w, "t", "1", false, "c");
    store_disconnect(w->store, &h, true, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, true, NULL);
    assert_false(w->result.session_present);
    assert_int_equal(w->result.next_sequence, 1);
    assert_int_equal(w->wills, 1);
    store_fetch(w->store, &h, 1, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 0);
    publish(w, "t", "2", false, "c");
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, NULL);
    assert_true(w->result.session_present);
    store_fetch(w->store, &h, w->result.next_sequence, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 1);
    store_disconnect(w->store, &h, false, 0, done, NULL);
    message_unref(will);
}

/* A drained broker's client comes back, to whatever session. */
static void a_will_of_grace_is_cancelled_by_a_clean_start_too(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    for (int durable = 0; durable < 2; durable++) {
        struct store_hold h = hold("c", durable);
        join(w, &h, !durable, will);
        h.will_grace_s = 30;
        store_disconnect(w->store, &h, true, 0, done, NULL);
        struct store_hold clean = hold("c", false);
        join(w, &clean, true, NULL);
        assert_int_equal(w->wills, 0);
        store_disconnect(w->store, &clean, false, 0, done, NULL);
    }
    message_unref(will);
}

static void a_will_waits_no_longer_than_its_session(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", false);
    join_delayed(w, &h, will, 3600); /* the session ends with the connection */
    store_disconnect(w->store, &h, true, 0, done, NULL);
    assert_int_equal(w->wills, 1);
    h = hold("c", true);
    join_delayed(w, &h, will, 3600);
    store_disconnect(w->store, &h, true, 0, done, NULL);
    assert_int_equal(w->wills, 2);
    join_delayed(w, &h, will, 3600);
    store_disconnect(w->store, &h, true, 1, done, NULL);
    assert_int_equal(w->wills, 2);
    for (int i = 0; i < 400 && w->wills == 2; i++) {
        usleep(10000);
        input(w);
    }
    assert_int_equal(w->wills, 3);
    message_unref(will);
}

static void on_refused(void *arg, enum store_status status, const struct store_connect_result *r)
{
    assert_null(r);
    *(enum store_status *)arg = status;
}

static void on_answer(void *arg, enum store_status status, const struct store_connect_result *r)
{
    (void)r;
    *(enum store_status *)arg = status;
}

static enum store_status join_as(struct world *w, struct store_hold *h, const char *user,
                                 bool clean)
{
    enum store_status status = STORE_OK;
    struct store_connect_request req = {.hold = h, .clean_start = clean};
    h->user = user;
    store_connect(w->store, &req, on_answer, &status);
    return status;
}

static void a_session_belongs_to_its_user(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    struct store_hold other = hold("d", true);
    struct store_hold clean = hold("d", false);
    assert_int_equal(join_as(w, &h, "alice", false), STORE_OK);
    assert_int_equal(join_as(w, &other, "bob", false), STORE_NOT_OWNER);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    assert_int_equal(join_as(w, &other, "bob", false), STORE_NOT_OWNER);
    assert_int_equal(join_as(w, &other, NULL, false), STORE_NOT_OWNER);
    assert_int_equal(join_as(w, &clean, "bob", true), STORE_NOT_OWNER);
    other.any_user = true;
    assert_int_equal(join_as(w, &other, "bob", false), STORE_OK);
    store_disconnect(w->store, &other, false, 0, done, NULL); /* it has ended */
    assert_int_equal(join_as(w, &h, NULL, false), STORE_OK);
    assert_int_equal(join_as(w, &other, NULL, false), STORE_OK);
    other.any_user = false;
    assert_int_equal(join_as(w, &other, "", false), STORE_NOT_OWNER);
    store_disconnect(w->store, &other, false, 0, done, NULL);
}

static void another_users_connection_doesnt_cancel_a_delayed_will(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "offline", false);
    struct store_hold h = hold("c", false);
    h.user = "alice";
    join(w, &h, true, will);
    h.will_grace_s = 3600;
    store_disconnect(w->store, &h, true, 0, done, NULL);
    struct store_hold other = hold("c", true);
    assert_int_equal(join_as(w, &other, "bob", false), STORE_OK);
    assert_int_equal(w->wills, 1);
    store_disconnect(w->store, &other, false, 0, done, NULL);
    message_unref(will);
}

static void one_durable_session_too_many_is_refused(void **state)
{
    struct world *w = *state;
    static struct store_hold holds[SESSION_LIMIT + 1]; /* the store has them until it is freed */
    char ids[SESSION_LIMIT + 1][8];
    for (int i = 0; i <= SESSION_LIMIT; i++) {
        snprintf(ids[i], sizeof(ids[i]), "s%d", i);
        holds[i] = hold(ids[i], true);
    }
    for (int i = 0; i < SESSION_LIMIT; i++)
        join(w, &holds[i], false, NULL);
    enum store_status status = STORE_OK;
    struct store_connect_request req = {.hold = &holds[SESSION_LIMIT]};
    store_connect(w->store, &req, on_refused, &status);
    assert_int_equal(status, STORE_FULL);
    store_disconnect(w->store, &holds[0], false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &holds[0], false, NULL); /* one that is there already is no new one */
    store_disconnect(w->store, &holds[0], false, 0, done, NULL);
    join(w, &holds[SESSION_LIMIT], false, NULL);
}

static uint64_t expired(struct world *w)
{
    static const uint64_t mine[STORE_TOTAL_COUNT];
    struct store_totals totals;
    store_totals(w->store, mine, take_totals, &totals);
    return totals.expired;
}

static void an_expired_session_is_gone(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("c", true);
    join(w, &h, false, NULL);
    store_disconnect(w->store, &h, false, 1, done, NULL);
    for (int i = 0; i < 400 && w->ended == 0; i++) {
        usleep(10000);
        input(w);
    }
    assert_int_equal(w->ended, 1);
    assert_int_equal(expired(w), 1);
    join(w, &h, false, NULL);
    assert_false(w->result.session_present);
    store_disconnect(w->store, &h, false, 0, done, NULL);
    assert_int_equal(expired(w), 1); /* that one ended with its connection */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMORY_TEST(a_durable_session_keeps_its_queue_while_its_client_is_away),
        MEMORY_TEST(a_clean_start_drops_what_was),
        MEMORY_TEST(a_will_is_published_once_unless_the_client_said_goodbye),
        MEMORY_TEST(a_delayed_will_is_cancelled_by_the_clients_return),
        MEMORY_TEST(a_delayed_will_is_due_when_a_clean_start_ends_the_session),
        MEMORY_TEST(a_clean_start_begins_a_new_durable_session),
        MEMORY_TEST(a_will_of_grace_is_cancelled_by_a_clean_start_too),
        MEMORY_TEST(a_will_waits_no_longer_than_its_session),
        MEMORY_TEST(a_session_belongs_to_its_user),
        MEMORY_TEST(another_users_connection_doesnt_cancel_a_delayed_will),
        MEMORY_TEST(one_durable_session_too_many_is_refused),
        MEMORY_TEST(an_expired_session_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
