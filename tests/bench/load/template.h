/*
 * template - a PUBLISH that is encoded once and sent many times: only its packet id and the stamp
 * in its payload differ.
 *
 * The stamp, at the payload's start: when it was due (ns), who sent it, its number.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_TEMPLATE_H
#define FLOTILLA_TESTS_BENCH_LOAD_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"
#include "tests/bench/load/conn.h"

#define STAMP_SIZE 24u

struct stamp {
    uint64_t due_ns, from, number;
};

struct template
{
    uint8_t *bytes; /* the whole packet */
    size_t len, id_at, stamp_at;
    uint8_t qos;
};

struct template_options {
    enum mqtt_version version;
    uint8_t qos;
    bool retain;
    const char *topic;
    struct mqtt_slice props; /* of 5.0 */
    size_t payload;          /* bytes, at least STAMP_SIZE */
};

/* Makes room and encodes; a template that was used before may be made anew. */
void template_make(struct template *t, const struct template_options *o);
/* Appends one message; its packet id follows from its number. */
void template_send(const struct template *t, struct conn *c, const struct stamp *stamp);
void template_free(struct template *t);

/* False when the payload is too short for one. */
bool stamp_read(struct mqtt_slice payload, struct stamp *out);

#endif
