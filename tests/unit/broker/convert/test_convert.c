/* convert: what lines of a mosquitto.conf become. */
#include "broker/convert/convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/temp_file.h"

/* Good until the next call. Without the first line, which names the file. */
static const char *convert(const char *text)
{
    static char *made;
    size_t size = 0;
    char err[300];
    free(made);
    made = NULL;
    temp_file_write(text, strlen(text));
    FILE *out = open_memstream(&made, &size);
    assert_non_null(out);
    if (!convert_mosquitto(temp_file, out, err, sizeof(err)))
        fail_msg("%s", err);
    assert_int_equal(fclose(out), 0);
    assert_memory_equal(made, "# From /tmp/", 12);
    return strchr(made, '\n') + 1;
}

static void assert_has(const char *yaml, const char *part)
{
    if (strstr(yaml, part) == NULL)
        fail_msg("'%s' isn't in\n%s", part, yaml);
}

static void assert_lacks(const char *yaml, const char *part)
{
    if (strstr(yaml, part) != NULL)
        fail_msg("'%s' is in\n%s", part, yaml);
}

static void an_empty_file_is_a_broker_for_this_machine(void **state)
{
    (void)state;
    assert_string_equal(convert("# nothing\n"), "\nlisteners:\n  - bind: \"localhost:1883\"\n"
                                                "auth:\n  anonymous: true\n");
    assert_has(convert("allow_anonymous false\n"), "anonymous: false");
}

static void listeners_have_their_addresses(void **state)
{
    static const struct {
        const char *lines, *bind;
    } rows[] = {
        {"listener 1883", "\"*:1883\""},
        {"listener 1884 127.0.0.1", "\"127.0.0.1:1884\""},
        {"listener 1884  ::1 ", "\"[::1]:1884\""},
        {"listener 8883\nsocket_domain ipv4", "\"0.0.0.0:8883\""},
        {"listener 8883\nsocket_domain ipv6", "\"[::]:8883\""},
        {"port 1885", "\"*:1885\""},
        {"bind_address 10.1.2.3", "\"10.1.2.3:1883\""},
        {"port 2000\nbind_address localhost", "\"localhost:2000\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *yaml = convert(rows[i].lines);
        assert_has(yaml, rows[i].bind);
        assert_lacks(yaml, "anonymous");
    }
}

static void what_follows_a_listener_is_its_own(void **state)
{
    const char *yaml = convert("port 1883\nmax_connections 10\nlistener 9001\nprotocol websockets\n"
                               "max_connections -1\nlistener 1884\nmax_connections 20\n");
    (void)state;
    assert_has(yaml, "  - bind: \"*:1883\"\n    max_connections: 10\n"
                     "  - bind: \"*:9001\"\n    protocol: websocket\n"
                     "  - bind: \"*:1884\"\n    max_connections: 20\n");
    assert_has(yaml, "line 5: max_connections -1: as always here");
}

static void the_default_listener_isnt_started_beside_others(void **state)
{
    const char *yaml = convert("max_connections 10\nlistener 1884\n");
    (void)state;
    assert_has(yaml, "listeners:\n  - bind: \"*:1884\"\n");
    assert_lacks(yaml, "max_connections: 10");
    assert_has(yaml, "line 1: listeners.max_connections: it stands before the first listener");
}

static void nor_does_a_line_of_a_listener_that_is_left_out_get_lost(void **state)
{
    const char *yaml = convert("listener 0 /run/m.sock\nmax_connections 7\nlistener 1883\n");
    (void)state;
    assert_has(yaml, "line 2: listeners.max_connections: its listener is left out");
    assert_has(yaml, "listeners:\n  - bind: \"*:1883\"\n");
    assert_lacks(yaml, "max_connections: 7");
}

static void values_are_written_as_ours(void **state)
{
    static const struct {
        const char *line, *ours;
    } rows[] = {
        {"acl_file /etc/mosquitto/acl file", "  acl_file: \"/etc/mosquitto/acl file\"\n"},
        {"password_file C:\\x\"y", "  password_file: \"C:\\\\x\\\"y\"\n"},
        {"connection_messages false", "log:\n  connections: false\n"},
        {"allow_anonymous 1", "  anonymous: true\n"},
        {"max_keepalive 60", "  max_keep_alive: 90000ms\n"},
        {"message_size_limit 1000", "  max_packet_size: 66536\n"},
        {"persistent_client_expiration 2m", "  session_expiry: 1440h\n"},
        {"persistent_client_expiration 14d", "  session_expiry: 336h\n"},
        {"max_queued_messages 5000", "  max_queued_messages: 5000\n"},
        {"sys_interval 30", "sys_interval: 30s\n"},
        {"retain_available false", "mqtt:\n  retain: false\n"},
        {"log_type error\nlog_type warning", "  level: warn\n"},
        {"log_type all", "  level: debug\n"},
        {"clientid_prefixes dev-", "  client_id_prefixes: [\"dev-\"]\n"},
        {"allow_zero_length_clientid false", "  allow_empty_client_id: false\n"},
        {"sys_interval 1\nsys_interval 2", "sys_interval: 2s\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_has(convert(rows[i].line), rows[i].ours);
}

static void what_has_no_equal_is_named_with_its_line(void **state)
{
    static const struct {
        const char *line, *remark;
    } rows[] = {
        {"queue_qos0_messages true", "line 2: queue_qos0_messages true: none; QoS 0"},
        {"queue_qos0_messages false", "line 2: queue_qos0_messages false: as always here"},
        {"max_qos 3", "line 2: max_qos 3: not a value of mqtt.max_qos"},
        {"max_inflight_messages 0", "line 2: max_inflight_messages 0: not a value of"},
        {"sys_interval soon", "line 2: sys_interval soon: not a number"},
        {"persistent_client_expiration 5", "not a number with h, d, w, m or y"},
        {"listener 0 /run/mosquitto.sock", "line 2: listener 0 /run/mosquitto.sock: none; there"},
        {"listener x", "line 2: listener x: not a port"},
        {"listener 70000", "line 2: listener 70000: not a port"},
        {"lissener 1883", "line 2: lissener 1883: not a key of mosquitto.conf"},
        {"log_type websockets", "line 2: log_type websockets: none"},
        {"pid_file", "line 2: pid_file : none"},
        {"acl_file \xff", "line 2: acl_file ?: not UTF-8"},
        {"remote_password hunter2", "line 2: remote_password ...: none; there are no bridges"},
        {"auth_opt_pg_password hunter2", "line 2: auth_opt_pg_password ...: none"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[200];
        snprintf(text, sizeof(text), "# first\n%s\n", rows[i].line);
        const char *yaml = convert(text);
        assert_has(yaml, rows[i].remark);
        assert_lacks(yaml, "hunter2");
    }
}

static void remarks_are_in_the_order_of_the_lines(void **state)
{
    const char *yaml = convert("cafile /ca\nlistener 1883\npid_file /x\nuser y\n");
    (void)state;
    const char *first = strstr(yaml, "line 1: cafile");
    const char *second = strstr(yaml, "line 3: pid_file");
    assert_true(first != NULL && second != NULL && first < second);
    assert_true(second < strstr(yaml, "line 4: user"));
}

static void a_file_that_cant_be_read_is_named(void **state)
{
    char err[300];
    (void)state;
    assert_false(convert_mosquitto("/nonexistent/mosquitto.conf", stdout, err, sizeof(err)));
    assert_string_equal(err,
                        "/nonexistent/mosquitto.conf: cannot be read: No such file or directory");
    temp_file_write("port 1\0", 7);
    assert_false(convert_mosquitto(temp_file, stdout, err, sizeof(err)));
    assert_non_null(strstr(err, ":1: expected text in UTF-8"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_file_make, temp_file_remove)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_file_is_a_broker_for_this_machine),
        TEST(listeners_have_their_addresses),
        TEST(what_follows_a_listener_is_its_own),
        TEST(the_default_listener_isnt_started_beside_others),
        TEST(nor_does_a_line_of_a_listener_that_is_left_out_get_lost),
        TEST(values_are_written_as_ours),
        TEST(what_has_no_equal_is_named_with_its_line),
        TEST(remarks_are_in_the_order_of_the_lines),
        TEST(a_file_that_cant_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
