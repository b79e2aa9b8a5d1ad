/* memory_read: the retained values that a filter matches, in chunks, as the reader asks for them. */
#include "broker/store/memory_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/store/retained_tree.h"

enum { CHUNK = 256, CHUNK_BYTES = 256 * 1024 }; /* messages, bytes */

struct reader {
    struct retained_tree *tree;
    struct store_retained_read *read;
    int values, chunks, done;
    int cancel_at; /* the value with this number; 0: never */
};

static int set_up(void **state)
{
    struct reader *r = calloc(1, sizeof(*r));
    r->tree = retained_tree_new(7);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct reader *r = *state;
    retained_tree_free(r->tree);
    free(r);
    return 0;
}

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void put(struct reader *r, const char *prefix, int count, uint32_t payload)
{
    static uint8_t bytes[100000];
    for (int i = 0; i < count; i++) {
        char topic[32];
        snprintf(topic, sizeof(topic), "%s/%d", prefix, i);
        struct mqtt_publish p = {.topic = text(topic), .payload = {bytes, payload}};
        struct message *m = message_new(&p, (struct message_id){1, 1}, text(""));
        assert_true(retained_tree_put(r->tree, m));
        message_unref(m);
    }
}

static void on_value(void *arg, const struct message *m)
{
    struct reader *r = arg;
    r->values++;
    if (r->values == r->cancel_at)
        memory_read_cancel(r->read);
    else
        retained_tree_remove(r->tree, m->topic); /* a reader may change the tree */
}

static void on_chunk(void *arg, struct store_retained_read *read)
{
    struct reader *r = arg;
    r->chunks++;
    r->read = read;
}

static void on_done(void *arg, enum store_status status)
{
    struct reader *r = arg;
    assert_int_equal(status, STORE_OK);
    r->done++;
}

static void start(struct reader *r, const char *filter)
{
    static struct store store;
    struct memory_read_request request = {
        .filter = text(filter), .each = on_value, .chunk = on_chunk, .done = on_done, .arg = r};
    struct store_retained_read *read = memory_read_start(&store, r->tree, &request);
    assert_non_null(read);
    if (r->done == 0)
        assert_ptr_equal(read->store, &store);
}

static void few_values_are_told_at_once(void **state)
{
    struct reader *r = *state;
    put(r, "a", 3, 1);
    put(r, "b", 3, 1);
    start(r, "a/#");
    assert_int_equal(r->values, 3);
    assert_int_equal(r->chunks, 0);
    assert_int_equal(r->done, 1);
}

static void there_may_be_none(void **state)
{
    struct reader *r = *state;
    start(r, "a");
    assert_int_equal(r->values, 0);
    assert_int_equal(r->done, 1);
}

static void the_next_chunk_waits_until_it_is_asked_for(void **state)
{
    struct reader *r = *state;
    put(r, "a", 2 * CHUNK + 1, 1);
    start(r, "#");
    assert_int_equal(r->values, CHUNK);
    assert_int_equal(r->chunks, 1);
    memory_read_continue(r->read);
    assert_int_equal(r->values, 2 * CHUNK);
    assert_int_equal(r->chunks, 2);
    assert_int_equal(r->done, 0);
    memory_read_continue(r->read);
    assert_int_equal(r->values, 2 * CHUNK + 1);
    assert_int_equal(r->chunks, 2);
    assert_int_equal(r->done, 1);
}

static void a_chunk_ends_by_its_bytes_too(void **state)
{
    struct reader *r = *state;
    put(r, "a", 4, 100000);
    start(r, "#");
    assert_int_equal(r->values, 3); /* the third one goes beyond */
    assert_int_equal(r->chunks, 1);
    memory_read_continue(r->read);
    assert_int_equal(r->values, 4);
    assert_int_equal(r->done, 1);
}

/* Looking takes time also where nothing is found. */
static void and_by_what_was_looked_at(void **state)
{
    struct reader *r = *state;
    put(r, "a", 10000, 1);
    put(r, "a/9", 1, 1);
    start(r, "a/+/0");
    assert_int_equal(r->done, 0);
    while (r->done == 0)
        memory_read_continue(r->read);
    assert_true(r->chunks >= 2);
    assert_int_equal(r->values, 1);
}

static void a_read_that_is_cancelled_tells_nothing_more(void **state)
{
    struct reader *r = *state;
    put(r, "a", 3 * CHUNK, 1);
    start(r, "#");
    memory_read_cancel(r->read); /* between two chunks */
    assert_int_equal(r->done, 0);
    r->values = 0;
    r->chunks = 0;
    start(r, "#");
    r->cancel_at = CHUNK + 10; /* in the midst of one */
    memory_read_continue(r->read);
    assert_int_equal(r->values, CHUNK + 10);
    assert_int_equal(r->chunks, 1);
    assert_int_equal(r->done, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(few_values_are_told_at_once),
        TEST(there_may_be_none),
        TEST(the_next_chunk_waits_until_it_is_asked_for),
        TEST(a_chunk_ends_by_its_bytes_too),
        TEST(and_by_what_was_looked_at),
        TEST(a_read_that_is_cancelled_tells_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
