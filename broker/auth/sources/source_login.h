/*
 * source_login - what sources share that have passwords, or tokens, checked by login.c: its verdicts as
 * answers.
 *
 * How it is used: source_login_expect(wait), then source_login_answer(wait, login_check...(&wait->login)).
 * An answer that comes later goes on by itself; `cancel` is source_login_cancel.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_LOGIN_H
#define FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_LOGIN_H

#include "broker/auth/login/login.h"
#include "broker/auth/sources/source.h"

/* Borrows what `r` points to. */
struct login_request source_login_request(const struct source_request *r);
/* Before wait->login is given to login.c. */
void source_login_expect(struct source_wait *wait);
/* LOGIN_OK: the stamp becomes the grant's. */
enum source_answer source_login_answer(struct source_wait *wait, enum login_verdict verdict);
void source_login_cancel(struct source *s, struct source_wait *wait);

#endif
