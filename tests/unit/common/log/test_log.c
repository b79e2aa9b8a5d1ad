/* Log lines through a pipe, as a reader gets them: one write a line, well-formed whatever a peer
 * sent. */
#include "common/log/log.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_fds[2];
static char line[65536];

static int setup(void **state)
{
    (void)state;
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
    log_set_fd(pipe_fds[1]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_set_fd(2);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* What has been written since, "" when nothing. */
static const char *written(void)
{
    ssize_t n = read(pipe_fds[0], line, sizeof(line) - 1);
    line[n > 0 ? n : 0] = '\0';
    return line;
}

/* The text line behind its time stamp and space. */
static const char *written_text(void)
{
    const char *text = written();
    assert_true(strlen(text) > 25);
    return text + 25;
}

static cJSON *written_json(void)
{
    const char *text = written();
    size_t len = strlen(text);
    assert_true(len > 0 && len <= 4096);
    assert_int_equal(text[len - 1], '\n');
    assert_ptr_equal(strchr(text, '\n'), text + len - 1);
    cJSON *json = cJSON_ParseWithOpts(text, NULL, 0);
    if (json == NULL)
        fail_msg("not JSON: %s", text);
    return json;
}

static void assert_json(const cJSON *json, const char *key, const char *value)
{
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, key)), value);
}

static void text_line_is_time_level_event_and_fields(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    LOG_WARN("server_down", KV_STR("server", "broker1"), KV_UINT("streak", 3), KV_INT("delta", -4),
             KV_BOOL("up", false), KV_DOUBLE("load", 0.25), KV_STR("none", NULL));
    const char *text = written();
    assert_int_equal(strlen("2026-11-24T06:39:48.123Z "), 25);
    for (int i = 0; i < 25; i++) { /* digits where digits belong */
        char shape = "0000-00-00T00:00:00.000Z "[i];
        if (shape == '0')
            assert_in_range(text[i], '0', '9');
        else
            assert_int_equal(text[i], shape);
    }
    assert_string_equal(text + 25, "WARN server_down server=broker1 streak=3 delta=-4 up=false "
                                   "load=0.25 none=-\n");
    LOG_ERROR("plain");
    assert_string_equal(written_text(), "ERROR plain\n");
}

static void text_values_are_quoted_and_escaped(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *shown;
    } cases[] = {
        {"plain-1.2:3/a_b", 15, "plain-1.2:3/a_b"},
        {"", 0, "\"\""},
        {"two words", 9, "\"two words\""},
        {"a=b", 3, "\"a=b\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"l1\nl2\r\t", 7, "\"l1\\nl2\\r\\t\""},
        {"\x1b[31m", 5, "\"\\x1b[31m\""},
        {"a\0b", 3, "\"a\\x00b\""},
        {"\x7f", 1, "\"\\x7f\""},
        {"gr\xc3\xbc\xc3\x9f", 6, "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xe2\x82\xac\xf0\x9f\x9a\xa2", 7, "\"\xe2\x82\xac\xf0\x9f\x9a\xa2\""},
        {"\xff\xfe", 2, "\"\\xff\\xfe\""},
        {"\xc3", 1, "\"\\xc3\""},                            /* cut short */
        {"\xc0\xaf", 2, "\"\\xc0\\xaf\""},                   /* overlong */
        {"\xe0\x80\xaf", 3, "\"\\xe0\\x80\\xaf\""},          /* overlong */
        {"\xed\xa0\x80", 3, "\"\\xed\\xa0\\x80\""},          /* a surrogate */
        {"\xf4\x90\x80\x80", 4, "\"\\xf4\\x90\\x80\\x80\""}, /* beyond U+10FFFF */
        {"\xc2\x9b"
         "31m",
         5, "\"\\xc2\\x9b31m\""},                       /* a C1 control, which terminals obey */
        {"a\xe2\x80\xa8z", 5, "\"a\\xe2\\x80\\xa8z\""}, /* U+2028, an end of line */
        {"a\xe2\x80\xaez", 5, "\"a\\xe2\\x80\\xaez\""}, /* U+202E, from right to left */
        {"a\xe2\x81\xa7z", 5, "\"a\\xe2\\x81\\xa7z\""}, /* U+2067, likewise */
        {"a\xe2\x80\x94z", 5, "\"a\xe2\x80\x94z\""},    /* U+2014, a dash */
    };

    (void)state;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[128];
        snprintf(expected, sizeof(expected), "INFO e v=%s\n", cases[i].shown);
        LOG_INFO("e", KV_BYTES("v", cases[i].bytes, cases[i].len));
        assert_string_equal(written_text(), expected);
    }
}

static void json_line_has_ecs_names(void **state)
{
    (void)state;
    log_init("flotilla-lb", LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    LOG_DEBUG("server_down", KV_STR("server", "a \"b\""), KV_UINT("big", 1234567),
              KV_BOOL("up", true), KV_DOUBLE("nan", (double)NAN), KV_STR("none", NULL));
    cJSON *json = written_json();
    assert_int_equal(strlen(cJSON_GetStringValue(cJSON_GetObjectItem(json, "@timestamp"))), 24);
    assert_json(json, "log.level", "debug");
    assert_json(json, "message", "server_down");
    assert_json(json, "event.action", "server_down");
    assert_json(json, "service.name", "flotilla-lb");
    assert_json(json, "flotilla.server", "a \"b\"");
    assert_json(json, "flotilla.none", "-");
    assert_true(cJSON_GetObjectItem(json, "flotilla.big")->valueint == 1234567);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "flotilla.up")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "flotilla.nan")));
    cJSON_Delete(json);
}

static void json_is_valid_whatever_a_peer_sends(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    for (int first = 0; first < 256; first++) {
        unsigned char bytes[6] = {(unsigned char)first, 0x80, '"', '\\', 0, (unsigned char)first};
        LOG_INFO("e", KV_BYTES("v", bytes, sizeof(bytes)));
        cJSON *json = written_json();
        assert_non_null(cJSON_GetStringValue(cJSON_GetObjectItem(json, "flotilla.v")));
        cJSON_Delete(json);
    }
    LOG_INFO("e", KV_BYTES("v", "\xff\n", 2));
    cJSON *json = written_json();
    assert_json(json, "flotilla.v", "\\xff\n");
    cJSON_Delete(json);
}

static void long_values_are_cut_and_long_lines_leave_fields_out(void **state)
{
    char value[3000];
    (void)state;
    memset(value, '"', sizeof(value)); /* doubles when escaped */
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    LOG_INFO("e", KV_BYTES("v", value, sizeof(value)), KV_UINT("after", 1));
    cJSON *json = written_json();
    const char *shown = cJSON_GetStringValue(cJSON_GetObjectItem(json, "flotilla.v"));
    assert_int_equal(strlen(shown), 512 + 3);
    assert_string_equal(shown + 512, "...");
    assert_non_null(cJSON_GetObjectItem(json, "flotilla.after"));
    assert_null(cJSON_GetObjectItem(json, "flotilla.truncated"));
    cJSON_Delete(json);

    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        log_init("test", LOG_LEVEL_INFO, (enum log_format)format);
        LOG_INFO("e", KV_BYTES("a", value, sizeof(value)), KV_BYTES("b", value, sizeof(value)),
                 KV_BYTES("c", value, sizeof(value)), KV_BYTES("d", value, sizeof(value)),
                 KV_BYTES("e", value, sizeof(value)), KV_UINT("after", 1));
        if (format == LOG_FORMAT_TEXT) {
            const char *text = written_text();
            assert_true(strlen(text) <= 4096 - 25);
            assert_non_null(strstr(text, " after=1 truncated=true\n"));
            continue;
        }
        json = written_json();
        assert_non_null(cJSON_GetObjectItem(json, "flotilla.c"));
        assert_null(cJSON_GetObjectItem(json, "flotilla.e"));
        assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "flotilla.truncated")));
        cJSON_Delete(json);
    }
}

static void multibyte_characters_are_not_cut_in_half(void **state)
{
    char value[3001];
    (void)state;
    for (size_t i = 0; i < 3000; i += 3)
        memcpy(value + i, "\xe2\x82\xac", 3);
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    LOG_INFO("e", KV_BYTES("v", value, 3000));
    cJSON *json = written_json();
    assert_int_equal(strlen(cJSON_GetStringValue(cJSON_GetObjectItem(json, "flotilla.v"))),
                     1023 + 3);
    cJSON_Delete(json);
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    LOG_INFO("quiet");
    log_event(LOG_LEVEL_INFO, "quiet", (const struct log_kv[]){{.kind = LOG_KIND_END}});
    assert_string_equal(written(), "");
    assert_false(log_enabled(LOG_LEVEL_INFO));
    log_init("test", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    LOG_DEBUG("loud");
    assert_string_equal(written_text(), "DEBUG loud\n");
}

static void levels_and_formats_have_names(void **state)
{
    (void)state;
    assert_string_equal(log_level_names[LOG_LEVEL_WARN], "warn");
    assert_string_equal(log_level_names[LOG_LEVEL_ERROR], "error");
    assert_string_equal(log_format_names[LOG_FORMAT_JSON], "json");
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void burst_of_one_call_site_is_limited_and_counted(void **state)
{
    static const struct log_kv none[] = {{.kind = LOG_KIND_END}};
    struct log_limit limit = {0};
    (void)state;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < 25; i++)
        log_event_limited(&limit, LOG_LEVEL_INFO, "bad_packet", none);
    assert_int_equal(count_lines(written()), 10);
    assert_int_equal(limit.suppressed, 15);

    limit.window_start_ms -= 10000; /* as if ten seconds had passed */
    log_event_limited(&limit, LOG_LEVEL_INFO, "bad_packet", none);
    assert_string_equal(written_text(), "INFO bad_packet suppressed=15\n");
    log_event_limited(&limit, LOG_LEVEL_INFO, "bad_packet", none);
    assert_string_equal(written_text(), "INFO bad_packet\n");
}

static void call_sites_are_limited_separately(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < 20; i++) {
        LOG_LIMITED(LOG_LEVEL_INFO, "one", KV_UINT("i", i));
        LOG_LIMITED(LOG_LEVEL_INFO, "other");
    }
    assert_int_equal(count_lines(written()), 20);
}

static void errno_survives_logging(void **state)
{
    struct log_limit limit = {0};
    (void)state;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_set_fd(-1);
    errno = ENOENT;
    LOG_INFO("lost");
    assert_int_equal(errno, ENOENT);
    log_event_limited(&limit, LOG_LEVEL_INFO, "lost",
                      (const struct log_kv[]){{.kind = LOG_KIND_END}});
    assert_int_equal(errno, ENOENT);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 100; i++)
        LOG_INFO("threads", KV_STR("who", arg), KV_INT("i", i));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    pthread_t threads[4];
    char *at = line;
    (void)state;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, (void *)(uintptr_t) "me"), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    /* 400 lines of less than 200 bytes: more than one read, less than the pipe's 64 KiB is kept, so
     * only whole lines can be lost */
    written();
    for (char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        cJSON *json = cJSON_Parse(at);
        assert_non_null(json);
        cJSON_Delete(json);
    }
    assert_true(at - line > 20000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(text_line_is_time_level_event_and_fields),
        TEST(text_values_are_quoted_and_escaped),
        TEST(json_line_has_ecs_names),
        TEST(json_is_valid_whatever_a_peer_sends),
        TEST(long_values_are_cut_and_long_lines_leave_fields_out),
        TEST(multibyte_characters_are_not_cut_in_half),
        TEST(lines_below_the_level_are_not_written),
        TEST(levels_and_formats_have_names),
        TEST(burst_of_one_call_site_is_limited_and_counted),
        TEST(call_sites_are_limited_separately),
        TEST(errno_survives_logging),
        TEST(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
