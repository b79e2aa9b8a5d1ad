/* What one line alone can't say: which listeners there are, and where state is kept. */
#include "broker/convert/convert_finish.h"

#include <stdio.h>
#include <string.h>

#include "broker/convert/conversion.h"
#include "broker/convert/mosquitto_keys.h"
#include "common/log/log.h"

enum { TEXT_MAX = 512 };

static const char default_port[] = "1883";
static const char stored_file[] = "flotilla.db"; /* mosquitto.db is another format */

static void finish_storage(struct conversion *c)
{
    const struct conversion_value *p = &c->persistence;
    const struct conversion_value *at = &c->location;
    bool is_there = p->text != NULL && mosquitto_our_field(p->path) != NULL;
    char file[TEXT_MAX];
    if (at->text != NULL && !is_there)
        conversion_add_remark(c, at->line, "persistence_location %.200s: none%s", at->text,
                              p->text != NULL ? " yet" : "; nothing is kept in a file");
    if (p->text != NULL && !is_there)
        conversion_add_remark(c, p->line,
                              "persistence true: none yet; with redis.url sessions outlive the "
                              "broker");
    if (!is_there)
        return;
    const char *folder = at->text != NULL ? at->text : "";
    bool needs_slash = folder[0] != '\0' && folder[strlen(folder) - 1] != '/';
    snprintf(file, sizeof(file), "%.400s%s%s", folder, needs_slash ? "/" : "", stored_file);
    conversion_set(c, &c->values, p->path, file, p->line);
}

/* Its lines mustn't disappear. What stands before the first listener is for mosquitto's default one, which
 * it doesn't start beside others. */
static void remark_left_out(struct conversion *c, const struct conversion_listener *l)
{
    const char *why = l == c->listeners[0] ? "it stands before the first listener, and is for none"
                                           : "its listener is left out";
    for (size_t i = 0; i < l->values.count; i++)
        conversion_add_remark(c, l->values.items[i].line, "%s: %s", l->values.items[i].path, why);
    if (l->client_ca.text != NULL)
        conversion_add_remark(c, l->client_ca.line, "cafile %.200s: %s", l->client_ca.text, why);
}

static void make_bind(struct conversion *c, struct conversion_listener *l)
{
    char text[TEXT_MAX];
    const char *host = l->host != NULL ? l->host : l->family != NULL ? l->family : "*";
    bool wants_brackets = strchr(host, ':') != NULL && host[0] != '[';
    snprintf(text, sizeof(text), "%s%.300s%s:%s", wants_brackets ? "[" : "", host,
             wants_brackets ? "]" : "", l->port[0] != '\0' ? l->port : default_port);
    conversion_keep(c, &l->bind, text);
    if (mosquitto_our_key_takes(mosquitto_our_field("listeners.bind"), text))
        return;
    l->is_left_out = true;
    conversion_add_remark(c, l->line, "listener %.300s: not an address and port", text);
}

static void finish_listener(struct conversion *c, struct conversion_listener *l)
{
    const struct conversion_value *ca = &l->client_ca;
    if (!l->is_left_out)
        make_bind(c, l);
    if (l->is_left_out)
        remark_left_out(c, l);
    if (l->is_left_out || ca->text == NULL)
        return;
    if (mosquitto_our_field(ca->path) == NULL)
        conversion_add_remark(c, ca->line, "cafile %.200s: none yet", ca->text);
    else if (!l->wants_certificate)
        conversion_add_remark(c, ca->line,
                              "cafile %.200s: clients' certificates aren't asked for "
                              "(require_certificate)",
                              ca->text);
    else
        conversion_set(c, &l->values, ca->path, ca->text, ca->line);
}

/* Without any listener mosquitto lets in whoever is on this machine. */
static void be_local(struct conversion *c)
{
    conversion_keep(c, &c->listeners[0]->host, "localhost");
    if (conversion_get(&c->values, "auth.anonymous") == NULL)
        conversion_set(c, &c->values, "auth.anonymous", "true", 0);
}

void convert_finish(struct conversion *c)
{
    if (!c->wants_default && c->listener_count > 1)
        c->listeners[0]->is_left_out = true;
    else if (!c->wants_default)
        be_local(c);
    for (size_t i = 0; i < c->listener_count; i++)
        finish_listener(c, c->listeners[i]);
    finish_storage(c);
    if (c->log_level >= 0)
        conversion_set(c, &c->values, "log.level", log_level_names[c->log_level], 0);
}
