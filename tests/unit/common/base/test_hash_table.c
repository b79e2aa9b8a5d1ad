/* hash_table: what was put in is found until it is taken out, through every growth. */
#include "common/base/hash_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 5000 };

struct item {
    uint32_t number;
    struct hash_link link;
    bool seen;
};

/* Few different hashes, so that chains are long and mixed. */
static uint32_t hash_of(uint32_t number)
{
    return (number % 1000) * 2654435761u;
}

static struct item *find(const struct hash_table *t, uint32_t number)
{
    for (struct hash_link *l = hash_table_chain(t, hash_of(number)); l != NULL; l = l->next)
        if (HASH_OWNER(l, struct item, link)->number == number)
            return HASH_OWNER(l, struct item, link);
    return NULL;
}

static struct item *fill(struct hash_table *t)
{
    struct item *items = calloc(COUNT, sizeof(*items));
    assert_non_null(items);
    assert_true(hash_table_init(t));
    for (uint32_t i = 0; i < COUNT; i++) {
        items[i].number = i;
        hash_table_add(t, &items[i].link, hash_of(i));
    }
    return items;
}

static void everything_is_found_after_growing(void **state)
{
    (void)state;
    struct hash_table t;
    struct item *items = fill(&t);
    assert_int_equal(t.count, COUNT);
    assert_true(t.mask >= COUNT / 2);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ptr_equal(find(&t, i), &items[i]);
    assert_null(find(&t, COUNT));
    hash_table_fini(&t);
    free(items);
}

/* No addition may take long, so none may move everything. */
static void it_grows_by_a_bucket_at_a_time(void **state)
{
    (void)state;
    struct hash_table t;
    struct item *items = calloc(COUNT, sizeof(*items));
    assert_non_null(items);
    assert_true(hash_table_init(&t));
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t before = t.size;
        items[i].number = i;
        hash_table_add(&t, &items[i].link, hash_of(i));
        assert_true(t.size - before <= 1);
        assert_true(t.count <= t.size);
        for (uint32_t k = i % 61; k <= i; k += 61)
            assert_ptr_equal(find(&t, k), &items[k]);
    }
    hash_table_fini(&t);
    free(items);
}

static void one_after_the_other_is_found_while_more_come(void **state)
{
    (void)state;
    struct hash_table t;
    struct item *items = fill(&t);
    struct item *more = calloc(COUNT, sizeof(*more));
    assert_non_null(more);
    uint32_t at = 0;
    uint32_t gone = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        more[i].number = COUNT + i;
        if (i % 2 == 0)
            hash_table_add(&t, &more[i].link, hash_of(more[i].number));
        hash_table_remove(&t, hash_table_any(&t, &at));
        gone++;
    }
    assert_int_equal(t.count, COUNT + COUNT / 2 - gone);
    for (struct hash_link *l; (l = hash_table_any(&t, &at)) != NULL; gone++)
        hash_table_remove(&t, l);
    assert_int_equal(gone, COUNT + COUNT / 2);
    hash_table_fini(&t);
    free(more);
    free(items);
}

static void what_is_removed_is_gone_and_nothing_else(void **state)
{
    (void)state;
    struct hash_table t;
    struct item *items = fill(&t);
    for (uint32_t i = 0; i < COUNT; i += 3)
        hash_table_remove(&t, &items[i].link);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ptr_equal(find(&t, i), i % 3 == 0 ? NULL : &items[i]);
    hash_table_fini(&t);
    free(items);
}

static void see_and_remove_even(void *arg, struct hash_link *link)
{
    struct item *item = HASH_OWNER(link, struct item, link);
    assert_false(item->seen);
    item->seen = true;
    if (item->number % 2 == 0)
        hash_table_remove(arg, link);
}

static void each_may_remove_its_own(void **state)
{
    (void)state;
    struct hash_table t;
    struct item *items = fill(&t);
    hash_table_each(&t, see_and_remove_even, &t);
    assert_int_equal(t.count, COUNT / 2);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(items[i].seen);
        assert_ptr_equal(find(&t, i), i % 2 == 0 ? NULL : &items[i]);
    }
    hash_table_fini(&t);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_found_after_growing),
        cmocka_unit_test(it_grows_by_a_bucket_at_a_time),
        cmocka_unit_test(one_after_the_other_is_found_while_more_come),
        cmocka_unit_test(what_is_removed_is_gone_and_nothing_else),
        cmocka_unit_test(each_may_remove_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
