/* The scripts of groups on a real Redis: what is taken is found again by who has it, in pieces, however much it is. */
#include "tests/unit/broker/fleet/group/group_bench.h"

static const struct member clean = {.client = "cl", .epoch = "5", .node = "n1"};
static const struct member durable = {.client = "dur", .epoch = "6", .node = "n1", .durable = true};
static const struct member other = {.client = "ot", .epoch = "7", .node = "n2"};

/* The numbers of all that is due of one member, in pieces; how many pieces. */
static unsigned due_pieces(struct bench *b, const char *kind, unsigned *found)
{
    unsigned pieces = 0;
    *found = 0;
    for (bool more = true; more; pieces++) {
        const redisReply *r = bench_due(b);
        more = r->element[1]->integer > 0;
        for (size_t i = 3; i + 4 < r->elements; i += 5) {
            assert_true(r->element[i + 4]->elements <= 1000);
            if (strcmp(r->element[i]->str, kind) == 0)
                *found += (unsigned)r->element[i + 4]->elements / 2;
        }
    }
    return pieces;
}

static unsigned reap_all(struct bench *b, const char *node)
{
    unsigned calls = 1;
    while (bench_reap(b, node)->element[0]->integer > 0)
        calls++;
    return calls;
}

/* ---- how long a script takes ------------------------------------------------------------------- */

/* Of hundreds of calls: a machine that does much else may hold any of them up. */
enum { A_FEW = 10 };

/* Redis does nothing else meanwhile, for nobody. */
static void no_script_takes_long_however_much_is_taken(void **state)
{
    enum { EACH = 50000 };
    struct bench *b = *state;
    unsigned found;
    bench_join(b, &clean);
    bench_join(b, &durable);
    bench_append(b, 'A', 2 * EACH, false);
    bench_take_many(b, &durable, EACH);
    bench_take_many(b, &clean, EACH);
    bench_join(b, &other);
    bench_command(b, "CONFIG SET slowlog-log-slower-than 100000");
    bench_command(b, "SLOWLOG RESET");
    bench_leave(b, &other, "c");
    assert_true(reap_all(b, "n1") >= EACH / 500);
    assert_int_equal(bench_number(b, "ZCARD " BUCKET "w:" GROUP), EACH);
    assert_true(due_pieces(b, "a", &found) >= EACH / 500);
    assert_int_equal(found, EACH); /* each once, though none of it has moved */
    assert_true(bench_number(b, "SLOWLOG LEN") < A_FEW);
}

static void joining_costs_the_same_in_a_large_group(void **state)
{
    enum { MEMBERS = 20000 };
    struct bench *b = *state;
    char client[16];
    struct member m = clean;
    for (int i = 0; i < MEMBERS; i++) {
        snprintf(client, sizeof(client), "c%d", i);
        m.client = client;
        bench_join(b, &m);
    }
    bench_command(b, "CONFIG SET slowlog-log-slower-than 100000");
    bench_append(b, 'A', 4, true);
    assert_int_equal(bench_take(b, &m, "4", true)->elements, 2 + 2);
    assert_int_equal(bench_number(b, "HGET " BUCKET "c:" GROUP " m"), MEMBERS);
    bench_leave(b, &m, "c");
    assert_true(reap_all(b, "n1") >= MEMBERS / 500);
    assert_int_equal(bench_number(b, "HLEN " BUCKET "m:" GROUP), 0);
    assert_true(bench_number(b, "SLOWLOG LEN") < A_FEW);
}

/* ---- the indexes ------------------------------------------------------------------------------- */

static void nothing_stays_in_the_indexes_when_all_is_finished(void **state)
{
    struct bench *b = *state;
    char number[2][32];
    const redisReply *r;
    bench_join(b, &clean);
    bench_append(b, 'B', 2, true);
    r = bench_take(b, &clean, "2", true);
    for (int i = 0; i < 2; i++)
        snprintf(number[i], sizeof(number[i]), "%s", r->element[2 + 2 * i]->str);
    assert_int_equal(bench_number(b, "ZCARD " BUCKET "tn:n1:" GROUP), 2);
    assert_int_equal(bench_number(b, "HLEN " BUCKET "tp:" GROUP), 2);
    bench_done(b, &clean, "f", number[0], '2');
    bench_done(b, &clean, "f", number[0], '2'); /* a repeat */
    bench_done(b, &clean, "b", number[1], '2');
    assert_int_equal(bench_number(b, "EXISTS " BUCKET "tn:n1:" GROUP " " BUCKET "tp:" GROUP), 0);
    assert_int_equal(bench_number(b, "ZCARD " BUCKET "w:" GROUP), 1);
    bench_leave(b, &clean, "c");
    assert_int_equal(bench_number(b, "KEYS " BUCKET "*" GROUP), 0);
}

static void a_partition_of_which_something_is_taken_doesnt_move(void **state)
{
    struct bench *b = *state;
    char number[32];
    bench_join(b, &clean);
    bench_append(b, 'A', 4, true);
    snprintf(number, sizeof(number), "%s", bench_take(b, &clean, "1", true)->element[2]->str);
    assert_non_null(strstr(number, ":0"));
    bench_join(b, &other);
    bench_leave(b, &clean, "0"); /* it has unsubscribed, and not acknowledged yet */
    bench_append(b, 'A', 4, true);
    assert_int_equal(bench_take(b, &other, "64", true)->elements, 2 + 2 * 6);
    bench_done(b, &clean, "f", number, '1');
    assert_int_equal(bench_take(b, &other, "64", true)->elements, 2 + 2);
}

/* As a broker of before left them. */
static void forget_the_indexes(struct bench *b)
{
    bench_command(b, "DEL " BUCKET "mn:n1:" GROUP " " BUCKET "tn:n1:" GROUP " " BUCKET "tp:" GROUP);
    bench_command(b, "EVAL redis.call('DEL',KEYS[1]..ARGV[1]..'\\0'..ARGV[2]) 1 " BUCKET
                     " tc:dur " GROUP);
    bench_command(b, "HDEL " BUCKET "c:" GROUP " i m");
}

static void what_is_from_before_the_indexes_is_put_into_them(void **state)
{
    enum { EACH = 1000 };
    struct bench *b = *state;
    unsigned found, pieces = 1;
    bench_join(b, &clean);
    bench_join(b, &durable);
    bench_append(b, 'A', 2 * EACH, false);
    bench_take_many(b, &clean, EACH);
    bench_take_many(b, &durable, EACH);
    forget_the_indexes(b);
    assert_string_equal(bench_reap(b, "n1")->element[2]->str, GROUP);
    assert_int_equal(bench_number(b, "HLEN " BUCKET "m:" GROUP), 2); /* not yet */
    while (BENCH_CALL(b, SCRIPT_GROUP_INDEX, GROUP)->integer == 0)
        pieces++;
    assert_true(pieces >= 2 * EACH / 500);
    assert_int_equal(bench_number(b, "HGET " BUCKET "c:" GROUP " m"), 2);
    reap_all(b, "n1");
    assert_int_equal(bench_number(b, "HLEN " BUCKET "m:" GROUP), 1); /* the durable one is away */
    assert_int_equal(bench_number(b, "ZCARD " BUCKET "w:" GROUP), EACH);
    due_pieces(b, "a", &found);
    assert_int_equal(found, EACH);
}

/* ---- members that come and go ------------------------------------------------------------------ */

/* What its session gave back when it left, with an answer that its node never got, nobody else knows of. */
static void what_former_connections_took_is_looked_after_when_a_client_is_back(void **state)
{
    struct bench *b = *state;
    struct member back = durable;
    unsigned found;
    bench_join(b, &durable);
    bench_append(b, 'A', 6, false);
    bench_take_many(b, &durable, 3); /* an earlier call */
    bench_take_many(b, &durable, 3);
    bench_leave(b, &durable, "1");
    back.epoch = "8";
    back.node = "n2";
    bench_join(b, &back);
    due_pieces(b, "a", &found);
    assert_int_equal(found, 6);
    bench_join(b, &back); /* the same connection, said again */
    due_pieces(b, "a", &found);
    assert_int_equal(found, 0);
}

/* They would look only after some seconds. */
static void what_a_member_leaves_is_offered_to_hungry_nodes(void **state)
{
    struct bench *b = *state;
    bench_join(b, &clean);
    bench_append(b, 'A', 3, false);
    bench_take_many(b, &clean, 3); /* and the answer is lost */
    bench_join(b, &other);
    assert_int_equal(bench_take(b, &other, "16", false)->elements, 2);
    assert_true(bench_has(bench_leave(b, &clean, "c"), "n2"));
    assert_int_equal(bench_take(b, &other, "16", false)->elements, 2 + 2 * 3);
}

static void where_nothing_waits_nobody_is_woken(void **state)
{
    struct bench *b = *state;
    bench_join(b, &clean);
    bench_join(b, &other);
    assert_int_equal(bench_leave(b, &clean, "c")->elements, 0);
}

/* Of a group of the configuration; the first member comes too late for it. */
static void what_was_kept_for_too_long_isnt_given_out(void **state)
{
    struct bench *b = *state;
    bench_append(b, 'A', 700, false);
    BENCH_CALL(b, SCRIPT_GROUP_JOIN, GROUP, "ot", "7", "n2", "0", "-60000"); /* not even a moment */
    bench_append(b, 'A', 1, false);
    assert_int_equal(bench_take(b, &other, "16", false)->element[1]->integer, 1); /* a piece */
    assert_int_equal(bench_number(b, "ZCARD " BUCKET "w:" GROUP), 201);
    assert_int_equal(bench_take(b, &other, "16", false)->elements, 2);
    assert_int_equal(bench_number(b, "HGET " BUCKET "c:" GROUP " b"), 0);
    assert_int_equal(bench_number(b, "HEXISTS " BUCKET "c:" GROUP " k"), 0);
}

/* ---- who may read it --------------------------------------------------------------------------- */

/* Takes one and says that it may not read it; how many ended. */
static long long deny(struct bench *b, const struct member *m)
{
    char number[32];
    const redisReply *r = bench_take(b, m, "1", false);
    assert_int_equal(r->elements, 4);
    snprintf(number, sizeof(number), "%s", r->element[2]->str);
    return bench_done(b, m, "d", number, '1')->element[0]->integer;
}

static void what_a_member_may_not_read_is_for_the_others(void **state)
{
    struct bench *b = *state;
    const redisReply *r;
    bench_join(b, &clean);
    bench_join(b, &other);
    bench_append(b, 'A', 1, false);
    assert_int_equal(deny(b, &clean), 0);
    bench_append(b, 'B', 1, false);
    r = bench_take(b, &clean, "16", false);
    assert_int_equal(r->elements, 4); /* the second one */
    assert_int_equal(r->element[1]->integer, 2);
    assert_int_equal(bench_take(b, &clean, "16", false)->element[1]->integer, 2);
    assert_int_equal(bench_take(b, &other, "16", false)->elements, 4);
}

static void what_no_member_may_read_ends(void **state)
{
    struct bench *b = *state;
    bench_join(b, &clean);
    bench_join(b, &other);
    bench_append(b, 'A', 1, false);
    assert_int_equal(deny(b, &clean), 0);
    assert_int_equal(deny(b, &other), 1);
    assert_int_equal(bench_number(b, "EXISTS " BUCKET "d:" GROUP " " BUCKET "w:" GROUP), 0);
    assert_int_equal(bench_number(b, "HLEN " BUCKET "e:" GROUP), 0);
    assert_int_equal(bench_number(b, "HGET " BUCKET "c:" GROUP " b"), 0);
}

static void who_has_left_doesnt_count_among_those_that_were_tried(void **state)
{
    struct bench *b = *state;
    struct member third = {.client = "th", .epoch = "8", .node = "n2"};
    bench_join(b, &clean);
    bench_join(b, &other);
    bench_join(b, &third);
    bench_append(b, 'A', 1, false);
    assert_int_equal(deny(b, &clean), 0);
    bench_leave(b, &clean, "c");
    assert_int_equal(deny(b, &other), 0); /* the third one wasn't tried */
    bench_leave(b, &third, "c");
    assert_int_equal(deny(b, &other), 1); /* it is asked once more, and is the only one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BENCH(no_script_takes_long_however_much_is_taken),
        IN_BENCH(joining_costs_the_same_in_a_large_group),
        IN_BENCH(nothing_stays_in_the_indexes_when_all_is_finished),
        IN_BENCH(a_partition_of_which_something_is_taken_doesnt_move),
        IN_BENCH(what_is_from_before_the_indexes_is_put_into_them),
        IN_BENCH(what_former_connections_took_is_looked_after_when_a_client_is_back),
        IN_BENCH(what_a_member_leaves_is_offered_to_hungry_nodes),
        IN_BENCH(where_nothing_waits_nobody_is_woken),
        IN_BENCH(what_was_kept_for_too_long_isnt_given_out),
        IN_BENCH(what_a_member_may_not_read_is_for_the_others),
        IN_BENCH(what_no_member_may_read_ends),
        IN_BENCH(who_has_left_doesnt_count_among_those_that_were_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
