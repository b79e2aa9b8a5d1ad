/* Line by line: what the table (mosquitto_keys.c) says of its key is done with its value. */
#include "broker/convert/convert.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "broker/auth/files/line_file.h"
#include "broker/base/broker_config.h"
#include "broker/convert/conversion.h"
#include "broker/convert/convert_finish.h"
#include "broker/convert/convert_yaml.h"
#include "broker/convert/mosquitto_keys.h"
#include "common/log/log.h"
#include "common/mqtt/mqtt.h"

enum { NUMBER_MAX_DIGITS = 12 };

struct line {
    unsigned number;
    const struct mosquitto_key *key;
    const char *name, *value;
};

/* ---- remarks --------------------------------------------------------------------------------- */

/* The output may be shown to others. */
static bool is_secret(const char *name)
{
    static const char *const secrets[] = {"password", "remote_password", "local_password",
                                          "bridge_psk"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        if (strcmp(name, secrets[i]) == 0)
            return true;
    return strncmp(name, "auth_opt_", 9) == 0 || strncmp(name, "plugin_opt_", 11) == 0;
}

static void remark(struct conversion *c, const struct line *l, const char *why)
{
    conversion_add_remark(c, l->number, "%.80s %.200s: %s", l->name,
                          is_secret(l->name) ? "..." : l->value, why);
}

static void remark_none(struct conversion *c, const struct line *l)
{
    const char *note = l->key->note;
    if (l->key->always != NULL && strcmp(l->key->always, l->value) == 0)
        conversion_add_remark(c, l->number, "%.80s %.200s: as always here", l->name, l->value);
    else
        conversion_add_remark(c, l->number, "%.80s %.200s: none; %s", l->name,
                              is_secret(l->name) ? "..." : l->value, note);
}

/* ---- values ---------------------------------------------------------------------------------- */

static struct conversion_listener *present(struct conversion *c)
{
    return c->listeners[c->listener_count - 1];
}

/* mosquitto takes 1 and 0, too. */
static const char *as_bool(const struct config_field *f, const char *text)
{
    if (f->kind != CONFIG_BOOL)
        return text;
    return strcmp(text, "1") == 0 ? "true" : strcmp(text, "0") == 0 ? "false" : text;
}

static void set(struct conversion *c, const struct line *l, const char *text)
{
    const char *ours = l->key->ours;
    const struct config_field *f = mosquitto_our_field(ours);
    bool of_listener = strncmp(ours, "listeners.", 10) == 0;
    if (f == NULL) {
        conversion_add_remark(c, l->number, "%.80s %.200s: none yet; %s", l->name, l->value,
                              l->key->note);
        return;
    }
    if (!mosquitto_our_key_takes(f, as_bool(f, text))) {
        conversion_add_remark(c, l->number, "%.80s %.200s: not a value of %s; %s", l->name,
                              l->value, ours, l->key->note);
        return;
    }
    conversion_set(c, of_listener ? &present(c)->values : &c->values, ours, as_bool(f, text),
                   l->number);
}

/* Digits only, and what follows them. */
static bool read_number(const char *text, uint64_t *out, const char **rest)
{
    size_t digits = 0;
    *out = 0;
    for (; isdigit((unsigned char)text[digits]) && digits < NUMBER_MAX_DIGITS; digits++)
        *out = *out * 10 + (uint64_t)(text[digits] - '0');
    *rest = text + digits;
    return digits > 0;
}

/* A number with what ours is called behind it, as "%llu<unit>". */
static void set_number(struct conversion *c, const struct line *l, uint64_t number,
                       const char *unit)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu%s", (unsigned long long)number, unit);
    set(c, l, text);
}

typedef void take_fn(struct conversion *c, const struct line *l);

static void take_plain(struct conversion *c, const struct line *l)
{
    set(c, l, l->value);
}

/* The whole value is a number; else there is a remark. */
static bool take_number(struct conversion *c, const struct line *l, uint64_t *out)
{
    const char *rest;
    if (read_number(l->value, out, &rest) && *rest == '\0')
        return true;
    remark(c, l, "not a number");
    return false;
}

static void take_seconds(struct conversion *c, const struct line *l)
{
    uint64_t n;
    if (take_number(c, l, &n))
        set_number(c, l, n, "s");
}

static void take_keep_alive(struct conversion *c, const struct line *l)
{
    uint64_t n;
    if (take_number(c, l, &n))
        set_number(c, l, n * 1500, "ms");
}

static void take_payload(struct conversion *c, const struct line *l)
{
    uint64_t n;
    if (take_number(c, l, &n))
        set_number(c, l, n + 65536, "");
}

static void take_expiry(struct conversion *c, const struct line *l)
{
    static const struct {
        char unit;
        unsigned hours;
    } units[] = {{'h', 1}, {'d', 24}, {'w', 7 * 24}, {'m', 30 * 24}, {'y', 365 * 24}};
    uint64_t n;
    const char *rest;
    if (read_number(l->value, &n, &rest) && strlen(rest) == 1)
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (units[i].unit == rest[0]) {
                set_number(c, l, n * units[i].hours, "h");
                return;
            }
    remark(c, l, "not a number with h, d, w, m or y");
}

static void take_log_type(struct conversion *c, const struct line *l)
{
    static const struct {
        const char *type;
        enum log_level level;
    } types[] = {{"all", LOG_LEVEL_DEBUG},        {"debug", LOG_LEVEL_DEBUG},
                 {"information", LOG_LEVEL_INFO}, {"notice", LOG_LEVEL_INFO},
                 {"warning", LOG_LEVEL_WARN},     {"error", LOG_LEVEL_ERROR}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(l->value, types[i].type) != 0)
            continue;
        if (c->log_level < 0 || (int)types[i].level < c->log_level)
            c->log_level = (int)types[i].level;
        return;
    }
    remark(c, l, "none; there are levels only");
}

/* ---- listeners ------------------------------------------------------------------------------- */

/* False: it isn't one; the remark says so. */
static bool take_port_number(struct conversion *c, const struct line *l, const char *text,
                             char port[8], const char **rest)
{
    uint64_t n;
    if (!read_number(text, &n, rest) || (**rest != '\0' && **rest != ' ' && **rest != '\t') ||
        n > UINT16_MAX) {
        remark(c, l, "not a port");
        return false;
    }
    snprintf(port, 8, "%u", (uint16_t)n);
    return true;
}

static void take_listener(struct conversion *c, const struct line *l)
{
    const char *host = l->value;
    struct conversion_listener *now = conversion_add_listener(c);
    if (now == NULL) {
        remark(c, l, "too many listeners");
        return;
    }
    now->line = l->number;
    now->is_left_out = !take_port_number(c, l, l->value, now->port, &host);
    if (now->is_left_out)
        return;
    host += strspn(host, " \t");
    if (strcmp(now->port, "0") == 0) {
        now->is_left_out = true;
        remark(c, l, "none; there are no Unix sockets");
    } else if (host[0] != '\0') {
        conversion_keep(c, &now->host, host);
    }
}

static void take_port(struct conversion *c, const struct line *l)
{
    const char *rest;
    c->wants_default = true;
    c->listeners[0]->line = l->number;
    take_port_number(c, l, l->value, c->listeners[0]->port, &rest);
}

static void take_bind_address(struct conversion *c, const struct line *l)
{
    c->wants_default = true;
    c->listeners[0]->line = l->number;
    conversion_keep(c, &c->listeners[0]->host, l->value);
}

static void take_socket_domain(struct conversion *c, const struct line *l)
{
    if (strcmp(l->value, "ipv4") == 0)
        present(c)->family = "0.0.0.0";
    else if (strcmp(l->value, "ipv6") == 0)
        present(c)->family = "[::]";
    else
        remark(c, l, "not ipv4 or ipv6");
}

static void take_protocol(struct conversion *c, const struct line *l)
{
    set(c, l, strcmp(l->value, "websockets") == 0 ? "websocket" : l->value);
}

static void take_client_ca(struct conversion *c, const struct line *l)
{
    struct conversion_value *ca = &present(c)->client_ca;
    conversion_keep(c, &ca->text, l->value);
    ca->path = l->key->ours;
    ca->line = l->number;
}

static void take_client_auth(struct conversion *c, const struct line *l)
{
    bool wants = strcmp(l->value, "true") == 0 || strcmp(l->value, "1") == 0;
    present(c)->wants_certificate = wants;
    if (wants)
        set(c, l, "required");
    else
        remark_none(c, l);
}

static void take_tls_version(struct conversion *c, const struct line *l)
{
    const char *version = strncmp(l->value, "tlsv", 4) == 0 ? l->value + 4 : l->value;
    set(c, l, version);
}

/* ---- what is kept over a restart ------------------------------------------------------------- */

static void take_persistence(struct conversion *c, const struct line *l)
{
    if (strcmp(l->value, "true") != 0 && strcmp(l->value, "1") != 0) {
        remark_none(c, l);
        return;
    }
    conversion_keep(c, &c->persistence.text, l->value);
    c->persistence.path = l->key->ours;
    c->persistence.line = l->number;
}

static void take_location(struct conversion *c, const struct line *l)
{
    conversion_keep(c, &c->location.text, l->value);
    c->location.line = l->number;
}

/* ---- a line ---------------------------------------------------------------------------------- */

static take_fn *const takers[MOSQUITTO_HOWS] = {
    [HOW_NONE] = remark_none,
    [HOW_PLAIN] = take_plain,
    [HOW_SECONDS] = take_seconds,
    [HOW_EXPIRY] = take_expiry,
    [HOW_KEEP_ALIVE] = take_keep_alive,
    [HOW_PAYLOAD] = take_payload,
    [HOW_LOG_TYPE] = take_log_type,
    [HOW_LISTENER] = take_listener,
    [HOW_PORT] = take_port,
    [HOW_BIND_ADDRESS] = take_bind_address,
    [HOW_SOCKET_DOMAIN] = take_socket_domain,
    [HOW_PROTOCOL] = take_protocol,
    [HOW_CLIENT_CA] = take_client_ca,
    [HOW_CLIENT_AUTH] = take_client_auth,
    [HOW_TLS_VERSION] = take_tls_version,
    [HOW_PERSISTENCE] = take_persistence,
    [HOW_PERSISTENCE_LOCATION] = take_location,
};

static void take_line(struct conversion *c, unsigned number, char *text)
{
    size_t len = strcspn(text, " \t");
    char *value = line_trim(text + len);
    struct line l = {.number = number, .name = text, .value = value};
    if (text[len] != '\0')
        text[len] = '\0';
    l.key = mosquitto_key_find(text);
    if (l.key == NULL)
        remark(c, &l, "not a key of mosquitto.conf");
    else if (!mqtt_utf8_valid((const uint8_t *)value, strlen(value)))
        remark(c, &l, "not UTF-8");
    else if (l.key->how != HOW_NONE && l.key->always != NULL && strcmp(l.key->always, value) == 0)
        remark_none(c, &l);
    else
        takers[l.key->how](c, &l);
}

bool convert_mosquitto(const char *path, FILE *out, char *err, size_t errlen)
{
    struct conversion c;
    struct line_file f;
    bool ok = conversion_init(&c) && line_file_open(&f, path, err, errlen);
    if (!ok && c.failed) {
        snprintf(err, errlen, "out of memory");
        return false;
    }
    for (char *text; ok && (text = line_file_next(&f)) != NULL;)
        take_line(&c, f.number, text);
    ok = ok && line_file_ok(&f);
    line_file_fini(&f);
    if (ok)
        convert_finish(&c);
    if (c.failed)
        snprintf(err, errlen, "%s: out of memory", path);
    ok = ok && !c.failed;
    if (ok)
        convert_yaml_write(&c, path, out);
    conversion_fini(&c);
    return ok;
}
