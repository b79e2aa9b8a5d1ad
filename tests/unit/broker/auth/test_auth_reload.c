/* auth_reload: each start has the files read once from then on, and an end tells nobody. */
#include "broker/auth/auth_reload.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "broker/auth/auth_files.h"
#include "broker/base/broker_config.h"
#include "tests/unit/temp_file.h"

struct bed {
    struct event_base *base;
    struct broker_config config;
    struct auth_reload *reload;
    int read, failed;
    struct auth_files last;
    char err[256];
};

static void on_read(void *arg, struct auth_files *files, struct broker_config *config,
                    const char *err)
{
    struct bed *b = arg;
    (void)config;
    if (files == NULL) {
        b->failed++;
        snprintf(b->err, sizeof(b->err), "%s", err);
        return;
    }
    b->read++;
    auth_files_free(&b->last);
    b->last = *files;
}

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    b->base = event_base_new();
    b->reload = auth_reload_new(b->base, &b->config, 7, on_read, b);
    *state = b;
    return temp_file_make(state) == 0 && b->reload != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    auth_reload_free(b->reload);
    auth_files_free(&b->last);
    event_base_free(b->base);
    free(b);
    return temp_file_remove(state);
}

static void write_text(const char *text)
{
    temp_file_write(text, strlen(text));
}

static void wait_for(struct bed *b, int read, int failed)
{
    while (b->read < read || b->failed < failed)
        event_base_loop(b->base, EVLOOP_ONCE);
    assert_int_equal(b->read, read);
    assert_int_equal(b->failed, failed);
}

static void the_files_that_the_program_was_given_are_read(void **state)
{
    struct bed *b = *state;
    write_text("topic read a\n");
    b->config.auth.acl_file = temp_file;
    b->config.auth.anonymous = true;
    assert_true(auth_reload_start(b->reload));
    wait_for(b, 1, 0);
    assert_true(b->last.anonymous);
    assert_non_null(b->last.acl);
    assert_null(b->last.passwd);
}

static void what_cant_be_read_is_said_in_a_sentence(void **state)
{
    struct bed *b = *state;
    write_text("nonsense\n");
    b->config.auth.acl_file = temp_file;
    assert_true(auth_reload_start(b->reload));
    wait_for(b, 0, 1);
    assert_non_null(strstr(b->err, temp_file));
    write_text("topic read a\n"); /* and it can be tried again */
    assert_true(auth_reload_start(b->reload));
    wait_for(b, 1, 1);
}

static void where_there_is_a_configuration_it_is_read_again_too(void **state)
{
    struct bed *b = *state;
    write_text("auth: { anonymous: true }\nlisteners: [{ bind: '127.0.0.1:1883' }]\n");
    b->config.file = temp_file;
    assert_true(auth_reload_start(b->reload));
    wait_for(b, 1, 0);
    assert_true(b->last.anonymous);
    write_text("auth: { anonymous: maybe }\n");
    assert_true(auth_reload_start(b->reload));
    wait_for(b, 1, 1);
    assert_non_null(strstr(b->err, "anonymous"));
}

/* They may have changed behind its back. */
static void a_start_while_one_is_under_way_reads_once_more(void **state)
{
    struct bed *b = *state;
    assert_true(auth_reload_start(b->reload));
    assert_true(auth_reload_start(b->reload));
    assert_true(auth_reload_start(b->reload));
    wait_for(b, 2, 0);
    event_base_loop(b->base, EVLOOP_NONBLOCK);
    assert_int_equal(b->read, 2);
    assert_true(auth_reload_start(b->reload));
    wait_for(b, 3, 0);
}

static void nobody_is_told_of_what_the_end_came_before(void **state)
{
    struct bed *b = *state;
    write_text("topic read a\n");
    b->config.auth.acl_file = temp_file;
    assert_true(auth_reload_start(b->reload));
    auth_reload_free(b->reload);
    b->reload = NULL;
    event_base_loop(b->base, EVLOOP_NONBLOCK);
    assert_int_equal(b->read + b->failed, 0);
}

static int note_readable(const struct event_base *base, const struct event *ev, void *arg)
{
    (void)base;
    if ((event_get_events(ev) & EV_READ) != 0)
        *(int *)arg = event_get_fd(ev);
    return 0;
}

/* The thread is done, and the loop hasn't heard of it. */
static void wait_for_thread(struct bed *b)
{
    int fd = -1;
    event_base_foreach_event(b->base, note_readable, &fd);
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&answer, 1, 10000), 1);
}

/* By the sanitizer's word: nobody else has what was read. */
static void what_was_read_before_the_end_is_freed(void **state)
{
    struct bed *b = *state;
    write_text("topic read a\n");
    b->config.auth.acl_file = temp_file;
    assert_true(auth_reload_start(b->reload));
    wait_for_thread(b);
    auth_reload_free(b->reload);
    b->reload = NULL;
    assert_int_equal(b->read + b->failed, 0);
}

/* In the thread, or at once where there is none yet: nothing is left in either case. */
static void what_is_replaced_is_freed(void **state)
{
    struct bed *b = *state;
    char err[128];
    write_text("topic read a\n");
    b->config.auth.acl_file = temp_file;
    for (int i = 0; i < 2; i++) {
        struct auth_files old;
        assert_true(auth_files_load(&b->config.auth, 7, &old, err, sizeof(err)));
        auth_reload_dispose(b->reload, &old);
        assert_true(auth_reload_start(b->reload));
        wait_for(b, i + 1, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_files_that_the_program_was_given_are_read),
        TEST(what_cant_be_read_is_said_in_a_sentence),
        TEST(where_there_is_a_configuration_it_is_read_again_too),
        TEST(a_start_while_one_is_under_way_reads_once_more),
        TEST(nobody_is_told_of_what_the_end_came_before),
        TEST(what_was_read_before_the_end_is_freed),
        TEST(what_is_replaced_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
