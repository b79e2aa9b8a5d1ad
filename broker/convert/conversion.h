/*
 * conversion - what the lines of a mosquitto.conf become: values of ours, listeners, and remarks on
 * lines that have no equal.
 *
 * Ownership: conversion_fini frees all. Paths are those of mosquitto_keys.c.
 * Errors:    out of memory sets `failed`; the caller looks at the end.
 */
#ifndef FLOTILLA_BROKER_CONVERT_CONVERSION_H
#define FLOTILLA_BROKER_CONVERT_CONVERSION_H

#include <stdbool.h>
#include <stddef.h>

/* A value of a line; `line` 0: there was none. */
struct conversion_value {
    const char *path;
    char *text;
    unsigned line;
};

/* Each path once: fewer than there are keys. */
enum { CONVERSION_VALUES = 64, CONVERSION_LISTENERS = 256 };

struct conversion_values {
    struct conversion_value items[CONVERSION_VALUES];
    size_t count;
};

struct conversion_listener {
    struct conversion_values values;
    char port[8];       /* empty: mosquitto's default */
    char *host;         /* NULL: all addresses */
    const char *family; /* "0.0.0.0", "[::]"; NULL: both */
    struct conversion_value client_ca;
    bool wants_certificate;
    bool is_left_out; /* a Unix socket, say */
    unsigned line;
    char *bind; /* what it is here, once all lines are read */
};

struct conversion_remark {
    unsigned line;
    char *text;
};

struct conversion {
    struct conversion_values values;
    /* The first is the one that mosquitto has by default, and which `port` names. */
    struct conversion_listener *listeners[CONVERSION_LISTENERS];
    size_t listener_count;
    bool wants_default; /* `port` or `bind_address` was given */
    struct conversion_value persistence, location;
    int log_level;                     /* enum log_level; -1: not said */
    struct conversion_remark *remarks; /* by line */
    size_t remark_count;
    bool failed;
};

bool conversion_init(struct conversion *c);
void conversion_fini(struct conversion *c);

/* The last one counts. */
void conversion_set(struct conversion *c, struct conversion_values *in, const char *path,
                    const char *text, unsigned line);
/* NULL: it isn't set. */
const char *conversion_get(const struct conversion_values *in, const char *path);
/* Something whose path begins so is set. */
bool conversion_has_below(const struct conversion_values *in, const char *prefix);
/* Replaces *to with a copy. */
void conversion_keep(struct conversion *c, char **to, const char *text);
/* The one that lines are about from now on; NULL when there are too many, or out of memory. */
struct conversion_listener *conversion_add_listener(struct conversion *c);
/* What isn't ASCII or UTF-8 becomes '?', as YAML wants it. */
void conversion_add_remark(struct conversion *c, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
