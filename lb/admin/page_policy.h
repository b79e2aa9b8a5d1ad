/*
 * page_policy - the Content-Security-Policy of a page whose one style and one script stand in it:
 * exactly these may run, named by their hashes, and nothing else may be loaded, framed or sent
 * elsewhere. So text that finds a way into the page as markup stays without effect.
 */
#ifndef FLOTILLA_LB_ADMIN_PAGE_POLICY_H
#define FLOTILLA_LB_ADMIN_PAGE_POLICY_H

#include <stdbool.h>
#include <stddef.h>

enum { PAGE_POLICY_MAX = 512 };

/* False when the page has no style or no script, or OpenSSL fails: then the strictest policy, under
 * which the page does nothing. */
bool page_policy(const char *html, char out[PAGE_POLICY_MAX]);

#endif
