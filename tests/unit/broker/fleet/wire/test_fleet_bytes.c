/* fleet_bytes: what is written comes back, a reader never goes past the end, and an error stays. */
#include "broker/fleet/wire/fleet_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct mqtt_slice slice(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

static void numbers_of_every_size_come_back(void **state)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    struct fleet_bytes b = {0};
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        fleet_bytes_varint(&b, numbers[i]);
        fleet_bytes_u64(&b, numbers[i]);
    }
    struct fleet_reader r = fleet_reader_of(b.data, b.len);
    for (size_t i = 0; i < 8; i++) {
        assert_true(fleet_reader_varint(&r) == numbers[i]);
        assert_true(fleet_reader_u64(&r) == numbers[i]);
    }
    assert_false(r.failed);
    fleet_bytes_fini(&b);
}

/* Seven bits a byte, the least significant first; fixed numbers are big-endian. */
static void numbers_are_written_as_the_header_says(void **state)
{
    static const uint8_t expected[] = {0x7f, 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0x01, 0x02, 0x2a};
    struct fleet_bytes b = {0};
    (void)state;
    fleet_bytes_varint(&b, 127);
    fleet_bytes_varint(&b, 128);
    fleet_bytes_u64(&b, 0x0102);
    fleet_bytes_u8(&b, 42);
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    fleet_bytes_fini(&b);
}

static void slices_come_back_empty_ones_too(void **state)
{
    struct fleet_bytes b = {0};
    (void)state;
    fleet_bytes_slice(&b, slice(""));
    fleet_bytes_slice(&b, slice("abc"));
    struct fleet_reader r = fleet_reader_of(b.data, b.len);
    assert_int_equal(fleet_reader_slice(&r).len, 0);
    assert_true(fleet_reader_more(&r));
    struct mqtt_slice s = fleet_reader_slice(&r);
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.data, "abc", 3);
    assert_false(fleet_reader_more(&r));
    assert_false(r.failed);
    fleet_bytes_fini(&b);
}

/* Each kind: exactly enough is read, one byte less isn't, and what follows reads as zero. */
static void a_reader_past_the_end_fails_and_stays_so(void **state)
{
    static const uint8_t bytes[] = {2, 'a', 'b', 9, 9, 9, 9, 9};
    struct fleet_reader r = fleet_reader_of(bytes, 8);
    (void)state;
    assert_true(fleet_reader_u64(&r) == 0x0261620909090909u);
    assert_false(r.failed);
    assert_int_equal(fleet_reader_u8(&r), 0);
    assert_true(r.failed);
    r = fleet_reader_of(bytes, 7);
    assert_true(fleet_reader_u64(&r) == 0);
    assert_true(r.failed);
    assert_int_equal(fleet_reader_u8(&r), 0); /* although there is one */
    assert_false(fleet_reader_more(&r));
    r = fleet_reader_of(bytes, 3);
    assert_int_equal(fleet_reader_slice(&r).len, 2);
    assert_false(r.failed);
    r = fleet_reader_of(bytes, 2);
    assert_null(fleet_reader_slice(&r).data);
    assert_true(r.failed);
}

static void a_number_without_end_is_refused(void **state)
{
    static const uint8_t ten[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
    static const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1};
    static const uint8_t cut[] = {0x80, 0x80};
    struct fleet_reader r = fleet_reader_of(ten, sizeof(ten));
    (void)state;
    assert_true(fleet_reader_varint(&r) == (uint64_t)1 << 63);
    assert_false(r.failed);
    r = fleet_reader_of(eleven, sizeof(eleven));
    assert_true(fleet_reader_varint(&r) == 0);
    assert_true(r.failed);
    r = fleet_reader_of(cut, sizeof(cut));
    fleet_reader_varint(&r);
    assert_true(r.failed);
}

/* Of which no slice can tell: it isn't cut to 32 bits. */
static void a_length_above_32_bits_is_refused(void **state)
{
    struct fleet_bytes b = {0};
    (void)state;
    fleet_bytes_varint(&b, ((uint64_t)1 << 32) + 1);
    fleet_bytes_u8(&b, 'a');
    struct fleet_reader r = fleet_reader_of(b.data, b.len);
    assert_null(fleet_reader_slice(&r).data);
    assert_true(r.failed);
    fleet_bytes_fini(&b);
}

static void a_writer_that_failed_writes_nothing_until_it_is_reset(void **state)
{
    struct fleet_bytes b = {0};
    (void)state;
    fleet_bytes_u8(&b, 1);
    b.failed = true;
    fleet_bytes_u8(&b, 2);
    assert_int_equal(b.len, 1);
    fleet_bytes_reset(&b, SIZE_MAX);
    fleet_bytes_u8(&b, 3);
    assert_int_equal(b.len, 1);
    assert_int_equal(b.data[0], 3);
    fleet_bytes_fini(&b);
}

static void it_grows_to_what_is_put(void **state)
{
    static uint8_t large[1000];
    struct fleet_bytes b = {0};
    (void)state;
    memset(large, 7, sizeof(large));
    fleet_bytes_put(&b, NULL, 0);
    assert_null(b.data);
    fleet_bytes_u8(&b, 1);
    fleet_bytes_put(&b, large, sizeof(large)); /* more than twice what it has */
    assert_int_equal(b.len, 1001);
    assert_memory_equal(b.data + 1, large, sizeof(large));
    fleet_bytes_fini(&b);
}

/* Emptied, it keeps as much memory as it is told, and no more. */
static void a_reset_keeps_memory_up_to_a_bound(void **state)
{
    struct fleet_bytes b = {0};
    (void)state;
    fleet_bytes_u8(&b, 1);
    size_t size = b.size;
    fleet_bytes_reset(&b, size);
    assert_non_null(b.data);
    assert_int_equal(b.len, 0);
    fleet_bytes_reset(&b, size - 1);
    assert_null(b.data);
    assert_int_equal(b.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_size_come_back),
        cmocka_unit_test(numbers_are_written_as_the_header_says),
        cmocka_unit_test(slices_come_back_empty_ones_too),
        cmocka_unit_test(a_reader_past_the_end_fails_and_stays_so),
        cmocka_unit_test(a_number_without_end_is_refused),
        cmocka_unit_test(a_length_above_32_bits_is_refused),
        cmocka_unit_test(a_writer_that_failed_writes_nothing_until_it_is_reset),
        cmocka_unit_test(it_grows_to_what_is_put),
        cmocka_unit_test(a_reset_keeps_memory_up_to_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
