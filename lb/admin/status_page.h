/*
 * status_page - the one HTML page of the HTTP port: no external resource, refreshed through
 * fetch("/api/servers") once per second.
 */
#ifndef FLOTILLA_LB_ADMIN_STATUS_PAGE_H
#define FLOTILLA_LB_ADMIN_STATUS_PAGE_H

extern const char status_page[];

#endif
