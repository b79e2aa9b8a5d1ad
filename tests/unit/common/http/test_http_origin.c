/* Where a request may come from: the Host it names, and the page that had it sent. */
#include "common/http/http_origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/http.h>
#include <event2/http_struct.h>

#include "common/config/config_schema.h"

#define MOST_HEADERS 3

struct headers {
    struct {
        const char *key, *value;
    } all[MOST_HEADERS];
};

static void on_done(struct evhttp_request *req, void *arg)
{
    (void)req;
    (void)arg;
}

/* A request as evhttp hands it over. `uri` NULL: one whose line couldn't be read. */
static struct evhttp_request *request(int major, int minor, const char *uri,
                                      const struct headers *headers)
{
    struct evhttp_request *req = evhttp_request_new(on_done, NULL);
    assert_non_null(req);
    req->major = (char)major;
    req->minor = (char)minor;
    if (uri != NULL) {
        req->uri_elems = evhttp_uri_parse(uri);
        assert_non_null(req->uri_elems);
    }
    for (size_t i = 0; i < MOST_HEADERS && headers->all[i].key != NULL; i++)
        assert_int_equal(evhttp_add_header(evhttp_request_get_input_headers(req),
                                           headers->all[i].key, headers->all[i].value),
                         0);
    return req;
}

static enum http_origin_host host_of(int major, int minor, const char *uri,
                                     const struct headers *headers)
{
    char *names[] = {"lb"};
    const struct config_strings ours = {.items = names, .count = 1};
    struct evhttp_request *req = request(major, minor, uri, headers);
    enum http_origin_host verdict = http_origin_host(req, &ours);
    evhttp_request_free(req);
    return verdict;
}

static bool is_foreign(const struct headers *headers)
{
    struct evhttp_request *req = request(1, 1, "/", headers);
    bool foreign = http_origin_is_foreign(req);
    evhttp_request_free(req);
    return foreign;
}

static void addresses_and_listed_names_are_ours(void **state)
{
    (void)state;
    assert_int_equal(host_of(1, 1, "/", &(struct headers){{{"Host", "127.0.0.1:9901"}}}),
                     HTTP_ORIGIN_OURS);
    assert_int_equal(host_of(1, 1, "/", &(struct headers){{{"hOST", "lb"}}}), HTTP_ORIGIN_OURS);
    assert_int_equal(host_of(1, 1, "/", &(struct headers){{{"Host", "evil.example"}}}),
                     HTTP_ORIGIN_OTHER);
    assert_int_equal(host_of(1, 1, NULL, &(struct headers){{{"Host", "lb"}}}), HTTP_ORIGIN_OURS);
}

static void each_host_is_looked_at_whichever_comes_first(void **state)
{
    (void)state;
    assert_int_equal(
        host_of(1, 1, "/", &(struct headers){{{"Host", "lb"}, {"Host", "evil.example"}}}),
        HTTP_ORIGIN_OTHER);
    assert_int_equal(
        host_of(1, 1, "/", &(struct headers){{{"Host", "evil.example"}, {"Host", "lb"}}}),
        HTTP_ORIGIN_OTHER);
    assert_int_equal(host_of(1, 1, "/", &(struct headers){{{"Host", "lb"}, {"Host", "lb"}}}),
                     HTTP_ORIGIN_OURS);
}

static void a_host_in_the_request_line_counts_as_well(void **state)
{
    (void)state;
    assert_int_equal(host_of(1, 1, "http://evil.example/", &(struct headers){{{"Host", "lb"}}}),
                     HTTP_ORIGIN_OTHER);
    assert_int_equal(host_of(1, 1, "http://lb/", &(struct headers){{{"Host", "lb"}}}),
                     HTTP_ORIGIN_OURS);
    assert_int_equal(host_of(1, 1, "http://lb/", &(struct headers){{{"Host", "evil.example"}}}),
                     HTTP_ORIGIN_OTHER);
}

static void only_versions_before_1_1_need_no_host(void **state)
{
    (void)state;
    const struct headers none = {{{"X-Host", "lb"}}};
    assert_int_equal(host_of(1, 1, "/", &none), HTTP_ORIGIN_UNNAMED);
    assert_int_equal(host_of(2, 0, "/", &none), HTTP_ORIGIN_UNNAMED);
    assert_int_equal(host_of(1, 0, "/", &none), HTTP_ORIGIN_OURS);
    assert_int_equal(host_of(0, 9, "/", &none), HTTP_ORIGIN_OURS);
    assert_int_equal(host_of(1, 1, "http://lb/", &none), HTTP_ORIGIN_UNNAMED);
    assert_int_equal(host_of(1, 0, "/", &(struct headers){{{"Host", "evil.example"}}}),
                     HTTP_ORIGIN_OTHER);
}

static void programs_are_not_foreign(void **state)
{
    (void)state;
    assert_false(is_foreign(&(struct headers){{{"Host", "lb"}}}));
    assert_false(is_foreign(&(struct headers){{{"Host", "lb"}, {"Referer", "http://evil"}}}));
}

static void a_page_of_another_origin_is_foreign(void **state)
{
    static const struct {
        const char *origin;
        bool foreign;
    } cases[] = {
        {"http://lb:9901", false},
        {"https://LB:9901", false},
        {"http://lb", true},
        {"http://lb:9902", true},
        {"http://evil.example", true},
        {"null", true},
        {"http://lb:9901.evil", true},
        {"lb:9901", true},
        {"", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            is_foreign(&(struct headers){{{"Host", "lb:9901"}, {"Origin", cases[i].origin}}}),
            cases[i].foreign);
    assert_true(is_foreign(&(struct headers){{{"Origin", "http://lb"}}})); /* no Host to compare */
}

static void a_browser_says_how_the_page_stands_to_us(void **state)
{
    (void)state;
    assert_false(
        is_foreign(&(struct headers){{{"Host", "lb"}, {"Sec-Fetch-Site", "same-origin"}}}));
    assert_false(is_foreign(&(struct headers){{{"Host", "lb"}, {"sec-fetch-site", "None"}}}));
    assert_true(is_foreign(&(struct headers){{{"Host", "lb"}, {"Sec-Fetch-Site", "same-site"}}}));
    assert_true(is_foreign(&(struct headers){{{"Host", "lb"}, {"Sec-Fetch-Site", "cross-site"}}}));
    assert_true(is_foreign(&(struct headers){{{"Host", "lb"}, {"Sec-Fetch-Site", ""}}}));
}

static void one_header_of_several_is_enough_to_be_foreign(void **state)
{
    (void)state;
    assert_true(is_foreign(&(struct headers){
        {{"Host", "lb"}, {"Origin", "http://lb"}, {"Origin", "http://evil.example"}}}));
    assert_true(is_foreign(&(struct headers){
        {{"Host", "lb"}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://lb"}}}));
    assert_false(is_foreign(&(struct headers){
        {{"Host", "lb"}, {"Sec-Fetch-Site", "same-origin"}, {"Origin", "http://lb"}}}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_listed_names_are_ours),
        cmocka_unit_test(each_host_is_looked_at_whichever_comes_first),
        cmocka_unit_test(a_host_in_the_request_line_counts_as_well),
        cmocka_unit_test(only_versions_before_1_1_need_no_host),
        cmocka_unit_test(programs_are_not_foreign),
        cmocka_unit_test(a_page_of_another_origin_is_foreign),
        cmocka_unit_test(a_browser_says_how_the_page_stands_to_us),
        cmocka_unit_test(one_header_of_several_is_enough_to_be_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
