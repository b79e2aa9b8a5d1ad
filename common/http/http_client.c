#include "common/http/http_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct http_request {
    struct http_client *client;
    CURL *easy;
    char *body; /* wiped when it is over */
    size_t body_len;
    char *answer;
    size_t answer_len;
    bool too_large;
    char err[CURL_ERROR_SIZE];
    http_done_fn *done;
    void *arg;
    LIST_ENTRY(http_request) link;
};

struct former {
    struct curl_slist *headers;
    struct former *next;
};

struct http_client {
    struct event_base *base;
    struct http_client_config config;
    CURLM *multi;
    struct curl_slist *headers;
    struct former *former; /* headers that requests under way may have */
    struct event *timer;
    char *ca_file;
    uint32_t under_way;
    LIST_HEAD(, http_request) requests;
};

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void forget_former(struct http_client *c)
{
    while (c->former != NULL) {
        struct former *f = c->former;
        c->former = f->next;
        curl_slist_free_all(f->headers);
        free(f);
    }
}

static void free_request(struct http_request *r)
{
    struct http_client *c = r->client;
    LIST_REMOVE(r, link);
    c->under_way--;
    if (r->easy != NULL) {
        curl_multi_remove_handle(r->client->multi, r->easy);
        curl_easy_cleanup(r->easy);
    }
    OPENSSL_clear_free(r->body, r->body_len);
    free(r->answer);
    free(r);
    if (c->under_way == 0)
        forget_former(c);
}

void http_request_cancel(struct http_request *r)
{
    free_request(r);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_request *r = arg;
    size_t len = size * count;
    r->too_large = len > r->client->config.max_answer - r->answer_len;
    char *grown = r->too_large ? NULL : realloc(r->answer, r->answer_len + len + 1);
    if (grown == NULL)
        return 0; /* ends it */
    memcpy(grown + r->answer_len, bytes, len);
    r->answer = grown;
    r->answer_len += len;
    grown[r->answer_len] = '\0';
    return len;
}

static void tell(struct http_request *r, CURLcode result)
{
    struct http_answer answer = {.body = r->answer != NULL ? r->answer : "", .len = r->answer_len};
    if (result == CURLE_OK)
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (result != CURLE_OK && r->too_large)
        answer.err = "the answer is too long";
    else if (result != CURLE_OK)
        answer.err = r->err[0] != '\0' ? r->err : curl_easy_strerror(result);
    r->done(r->arg, &answer);
}

static void take_results(struct http_client *c)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        struct http_request *r = NULL;
        CURLcode result = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&r);
        tell(r, result);
        free_request(r);
    }
}

static bool set_up(struct http_request *r, const char *url)
{
    const struct http_client *c = r->client;
    CURL *e = r->easy;
    bool ok =
        curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_NOPROXY, "*") == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        /* or whoever gives up waits for the thread that looks the name up */
        curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->config.timeout_ms) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->body) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_WRITEDATA, r) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->err) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_PRIVATE, r) == CURLE_OK;
    if (c->ca_file != NULL)
        ok = ok && curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file) == CURLE_OK;
    return ok;
}

struct http_request *http_client_post(struct http_client *c, const char *url, const char *json,
                                      size_t len, http_done_fn *done, void *arg)
{
    if (c->under_way >= c->config.max_requests)
        return NULL;
    struct http_request *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    *r = (struct http_request){.client = c, .body_len = len, .done = done, .arg = arg};
    LIST_INSERT_HEAD(&c->requests, r, link);
    c->under_way++;
    r->body = OPENSSL_malloc(len + 1);
    if (r->body != NULL)
        memcpy(r->body, json, len);
    r->easy = curl_easy_init();
    if (r->body != NULL && r->easy != NULL && set_up(r, url) &&
        curl_multi_add_handle(c->multi, r->easy) == CURLM_OK)
        return r;
    free_request(r);
    return NULL;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct http_client *c = arg;
    int running;
    int ready = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
                ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(c->multi, fd, ready, &running);
    take_results(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http_client *c = arg;
    int running;
    (void)fd, (void)what;
    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_results(c);
}

/* libcurl wants to hear of a socket, or no more. Its event is the socket's own pointer. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
    struct http_client *c = arg;
    struct event *event = of_socket;
    short wanted = EV_PERSIST;
    (void)easy;
    if (event != NULL)
        event_free(event);
    curl_multi_assign(c->multi, fd, NULL);
    if (what == CURL_POLL_REMOVE)
        return 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        wanted |= EV_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        wanted |= EV_WRITE;
    event = event_new(c->base, fd, wanted, on_socket, c);
    if (event == NULL || event_add(event, NULL) != 0) {
        if (event != NULL)
            event_free(event);
        return -1;
    }
    curl_multi_assign(c->multi, fd, event);
    return 0;
}

static int watch_time(CURLM *multi, long ms, void *arg)
{
    struct http_client *c = arg;
    struct timeval at = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    (void)multi;
    if (ms < 0)
        return event_del(c->timer);
    return event_add(c->timer, &at);
}

/* NULL when out of memory. */
static struct curl_slist *make_headers(const char *authorization)
{
    char line[4200];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (headers == NULL || authorization == NULL || authorization[0] == '\0')
        return headers;
    snprintf(line, sizeof(line), "Authorization: %.4096s", authorization);
    struct curl_slist *longer = curl_slist_append(headers, line);
    OPENSSL_cleanse(line, sizeof(line));
    if (longer == NULL)
        curl_slist_free_all(headers);
    return longer;
}

bool http_client_set_authorization(struct http_client *c, const char *authorization)
{
    struct curl_slist *headers = make_headers(authorization);
    struct former *former = headers != NULL ? malloc(sizeof(*former)) : NULL;
    if (former == NULL) {
        curl_slist_free_all(headers);
        return false;
    }
    *former = (struct former){.headers = c->headers, .next = c->former};
    c->former = former;
    c->headers = headers;
    if (c->under_way == 0)
        forget_former(c);
    return true;
}

struct http_client *http_client_new(struct event_base *base,
                                    const struct http_client_config *config)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
    struct http_client *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->base = base;
    c->config = *config;
    LIST_INIT(&c->requests);
    c->timer = evtimer_new(base, on_timer, c);
    c->multi = curl_multi_init();
    if (config->ca_file != NULL && config->ca_file[0] != '\0')
        c->ca_file = strdup(config->ca_file);
    bool named = config->ca_file == NULL || config->ca_file[0] == '\0' || c->ca_file != NULL;
    c->headers = make_headers(config->authorization);
    if (c->timer == NULL || c->multi == NULL || !named || c->headers == NULL) {
        http_client_free(c);
        return NULL;
    }
    c->config.ca_file = c->config.authorization = NULL; /* the caller's */
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, watch_time);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    return c;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    while (!LIST_EMPTY(&c->requests))
        free_request(LIST_FIRST(&c->requests));
    if (c->multi != NULL)
        curl_multi_cleanup(c->multi);
    if (c->timer != NULL)
        event_free(c->timer);
    curl_slist_free_all(c->headers);
    forget_former(c);
    free(c->ca_file);
    free(c);
}

uint32_t http_client_under_way(const struct http_client *c)
{
    return c->under_way;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool is_this_machine(const char *host)
{
    uint8_t address[4];
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, address) == 1 && address[0] == 127);
}

static bool may_get_secrets(CURLU *url)
{
    char *scheme = NULL;
    char *host = NULL;
    char *user = NULL;
    bool may = false;
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_USER, &user, 0) != CURLUE_OK)
        may =
            strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_this_machine(host));
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    return may;
}

const char *http_client_check_url(const char *text)
{
    static const char wish[] =
        "an address like https://auth.example.org/mqtt (http only for this machine: "
        "127.0.0.1, [::1], localhost)";
    CURLU *url = curl_url();
    bool good = url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                may_get_secrets(url);
    curl_url_cleanup(url);
    return good ? NULL : wish;
}
