/* Why a file or its content can't be used, in OpenSSL's words and the system's. */
#include "common/tls/tls_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "tests/unit/temp_file.h"

static void the_oldest_reason_is_told_and_the_queue_is_empty(void **state)
{
    (void)state;
    char why[64];
    ERR_raise(ERR_LIB_PEM, PEM_R_NO_START_LINE);
    ERR_raise(ERR_LIB_PEM, PEM_R_BAD_END_LINE);
    assert_string_equal(tls_error(why, sizeof(why)), "no start line");
    assert_int_equal(ERR_peek_error(), 0);
}

static void an_error_of_the_system_is_in_its_own_words(void **state)
{
    (void)state;
    char why[64];
    ERR_raise(ERR_LIB_SYS, ENOENT);
    assert_string_equal(tls_error(why, sizeof(why)), strerror(ENOENT));
}

static void an_error_without_a_text_is_unknown_and_none_is_nothing(void **state)
{
    (void)state;
    char why[64] = "left over";
    ERR_raise(ERR_LIB_USER, 77);
    assert_string_equal(tls_error(why, sizeof(why)), "unknown error");
    assert_string_equal(tls_error(why, sizeof(why)), "");
}

static void a_reason_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    char why[4];
    ERR_raise(ERR_LIB_PEM, PEM_R_NO_START_LINE);
    assert_string_equal(tls_error(why, sizeof(why)), "no ");
}

static void a_file_is_opened_or_its_key_and_name_are_told(void **state)
{
    (void)state;
    char err[128] = "";
    temp_file_write("text", 4);
    FILE *file = tls_file_open("key", temp_file, err, sizeof(err));
    assert_non_null(file);
    assert_int_equal(fgetc(file), 't');
    fclose(file);
    assert_string_equal(err, "");
    assert_null(tls_file_open("key", "/nowhere/key.pem", err, sizeof(err)));
    assert_string_equal(err, "key '/nowhere/key.pem': No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_reason_is_told_and_the_queue_is_empty),
        cmocka_unit_test(an_error_of_the_system_is_in_its_own_words),
        cmocka_unit_test(an_error_without_a_text_is_unknown_and_none_is_nothing),
        cmocka_unit_test(a_reason_that_does_not_fit_is_cut),
        cmocka_unit_test_setup_teardown(a_file_is_opened_or_its_key_and_name_are_told,
                                        temp_file_make, temp_file_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
