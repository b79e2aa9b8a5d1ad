/* mosquitto_keys: the table is sound, and docs/from-mosquitto.md has its rows. */
#include "broker/convert/mosquitto_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/broker_config.h"

enum { DOC_MAX = 256 * 1024 };

static char doc[DOC_MAX];

static int read_doc(void **state)
{
    (void)state;
    FILE *f = fopen(TEST_SOURCE_DIR "/docs/from-mosquitto.md", "r");
    if (f == NULL)
        return -1;
    doc[fread(doc, 1, sizeof(doc) - 1, f)] = '\0';
    return fclose(f);
}

/* As the document writes it: what is a listener's own, of one of the list. */
static void write_ours(const struct mosquitto_key *k, char *out, size_t size)
{
    static const char list[] = "listeners.";
    size_t len = sizeof(list) - 1;
    if (k->ours == NULL && k->always == NULL)
        snprintf(out, size, "none");
    else if (k->ours == NULL)
        snprintf(out, size, "always `%s`", k->always);
    else if (strncmp(k->ours, list, len) == 0)
        snprintf(out, size, "`listeners[].%s`", k->ours + len);
    else
        snprintf(out, size, "`%s`", k->ours);
}

static void the_document_has_a_row_for_each_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < mosquitto_key_count; i++) {
        const struct mosquitto_key *k = &mosquitto_keys[i];
        char ours[128];
        char row[1024];
        write_ours(k, ours, sizeof(ours));
        snprintf(row, sizeof(row), "\n| `%s` | %s | %s |\n", k->name, ours, k->note);
        if (strstr(doc, row) == NULL)
            fail_msg("docs/from-mosquitto.md lacks the row:%s", row);
    }
}

static void and_no_others(void **state)
{
    size_t rows = 0;
    (void)state;
    for (const char *at = doc; (at = strstr(at, "\n| `")) != NULL; at++)
        rows++;
    assert_int_equal(rows, mosquitto_key_count);
}

/* Those that come with other parts of the program may be missing: then the converter says so. */
static bool may_be_missing(const char *path)
{
    return strncmp(path, "listeners.tls.", 14) == 0 || strcmp(path, "store.file") == 0;
}

static void what_is_called_ours_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < mosquitto_key_count; i++) {
        const char *ours = mosquitto_keys[i].ours;
        if (ours != NULL && mosquitto_our_field(ours) == NULL && !may_be_missing(ours))
            fail_msg("%s is not a key of broker.yaml", ours);
    }
    assert_null(mosquitto_our_field("auth.nothing"));
    assert_null(mosquitto_our_field("nothing"));
    assert_null(mosquitto_our_field("auth.acl_file.x"));
    assert_string_equal(mosquitto_our_field("listeners.bind")->key, "bind");
}

static void each_key_is_found_by_its_own_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < mosquitto_key_count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s", mosquitto_keys[i].name);
        char *star = strchr(name, '*');
        if (star != NULL)
            *star = 'x';
        assert_ptr_equal(mosquitto_key_find(name), &mosquitto_keys[i]);
    }
    assert_null(mosquitto_key_find("listeners"));
    assert_null(mosquitto_key_find(""));
}

static void values_are_those_of_our_table(void **state)
{
    (void)state;
    assert_true(mosquitto_our_key_takes(mosquitto_our_field("mqtt.max_qos"), "1"));
    assert_false(mosquitto_our_key_takes(mosquitto_our_field("mqtt.max_qos"), "3"));
    assert_false(mosquitto_our_key_takes(mosquitto_our_field("mqtt"), "1"));
    assert_true(mosquitto_our_key_takes(mosquitto_our_field("listeners.bind"), "*:1883"));
    assert_false(mosquitto_our_key_takes(mosquitto_our_field("listeners.bind"), "nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_has_a_row_for_each_key),
        cmocka_unit_test(and_no_others),
        cmocka_unit_test(what_is_called_ours_is_there),
        cmocka_unit_test(each_key_is_found_by_its_own_row),
        cmocka_unit_test(values_are_those_of_our_table),
    };
    return cmocka_run_group_tests(tests, read_doc, NULL);
}
