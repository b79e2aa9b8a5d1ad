/*
 * service - the control thread of flotilla-lb: its event loop, ticks and signals, from start to end.
 *
 * Data flow: main makes it, lb/reload.c brings the configuration into force, service_run turns the
 *            loop until a signal ends it. Traffic is the workers'.
 * Ownership: struct control and everything in it.
 * Errors:    logged (start_failed).
 */
#ifndef FLOTILLA_LB_SERVICE_H
#define FLOTILLA_LB_SERVICE_H

struct control;

/* NULL: the reason was logged. Nothing is bound or started before reload_first. */
struct control *service_new(const char *config_path);
void service_free(struct control *c);

/* Until a signal ends it. */
void service_run(struct control *c);

#endif
