/* SipHash-2-4 against the vectors that its authors give: key 00 01 ... 0f, input 00 01 02 ... */
#include "common/base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void it_gives_the_authors_results(void **state)
{
    static const struct {
        size_t len;
        uint64_t result;
    } vectors[] = {
        {0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
        {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u},
    };
    uint8_t key[SIPHASH_KEY_SIZE];
    uint8_t input[16];

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        key[i] = input[i] = i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_true(siphash(key, input, vectors[i].len) == vectors[i].result);
}

static void every_bit_of_the_key_counts(void **state)
{
    uint8_t key[SIPHASH_KEY_SIZE] = {0};
    uint64_t plain = siphash(key, "device", 6);
    (void)state;
    for (unsigned bit = 0; bit < 128; bit++) {
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(siphash(key, "device", 6) != plain);
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_the_authors_results),
        cmocka_unit_test(every_bit_of_the_key_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
