/* output: what is put in comes out in order, whatever the transport takes at a time. */
#include "broker/net/output.h"

#include "broker/net/transport.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fake {
    struct transport base;
    uint8_t *got;
    size_t len, takes, room;
};

static ssize_t fake_writev(struct transport *t, const struct iovec *iov, int count)
{
    struct fake *f = (struct fake *)t;
    size_t took = 0;
    if (f->room == 0) {
        errno = EAGAIN;
        return -1;
    }
    size_t most = f->takes < f->room ? f->takes : f->room;
    for (int i = 0; i < count && took < most; i++) {
        size_t n = iov[i].iov_len < most - took ? iov[i].iov_len : most - took;
        memcpy(f->got + f->len, iov[i].iov_base, n);
        f->len += n;
        took += n;
    }
    f->room -= took;
    return (ssize_t)took;
}

static const struct transport_ops fake_ops = {.writev = fake_writev};

static void bytes_come_out_in_order_in_any_portion(void **state)
{
    (void)state;
    static uint8_t got[2000000];
    static uint8_t expected[2000000];
    static const size_t portions[] = {1, 7, 1000, 65536, 1 << 20};
    for (size_t p = 0; p < sizeof(portions) / sizeof(portions[0]); p++) {
        struct chunk_pool pool = {0};
        struct output o = {0};
        struct fake f = {.base.ops = &fake_ops, .got = got, .takes = portions[p], .room = SIZE_MAX};
        size_t total = 0;
        for (size_t i = 0; i < 300; i++) {
            size_t len = i * 7 % 500 + 1 + (i == 100 ? 100000 : 0);
            uint8_t *at = output_put(&o, &pool, len);
            assert_non_null(at);
            memset(at, (int)i, len);
            memset(expected + total, (int)i, len);
            total += len;
            if (i % 50 == 0) {
                struct mqtt_publish publish = {.payload = {(const uint8_t *)"payload", 7}};
                struct message *m =
                    message_new(&publish, (struct message_id){0}, (struct mqtt_slice){0});
                assert_true(output_put_message(&o, &pool, m, m->payload));
                message_unref(m);
                memcpy(expected + total, "payload", 7);
                total += 7;
            }
        }
        assert_int_equal(o.pending, total);
        size_t written;
        f.room = total / 2;
        assert_int_equal(output_write(&o, &pool, &f.base, &written), OUTPUT_BLOCKED);
        assert_int_equal(written, total / 2);
        f.room = SIZE_MAX;
        assert_int_equal(output_write(&o, &pool, &f.base, &written), OUTPUT_EMPTY);
        assert_int_equal(f.len, total);
        assert_memory_equal(got, expected, total);
        assert_int_equal(o.pending, 0);
        assert_int_equal(pool.pending, 0);
        chunk_pool_fini(&pool);
    }
}

static void a_cleared_output_lets_go_of_its_messages(void **state)
{
    (void)state;
    struct chunk_pool pool = {0};
    struct output o = {0};
    struct mqtt_publish publish = {.payload = {(const uint8_t *)"payload", 7}};
    struct message *m = message_new(&publish, (struct message_id){0}, (struct mqtt_slice){0});
    output_put_message(&o, &pool, m, m->payload);
    assert_int_equal(m->refs, 2);
    output_clear(&o, &pool);
    assert_int_equal(m->refs, 1);
    assert_int_equal(pool.pending, 0);
    message_unref(m);
    chunk_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_in_order_in_any_portion),
        cmocka_unit_test(a_cleared_output_lets_go_of_its_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
