/*
 * line_file - reads a text file of one entry per line: the password file and the ACL file.
 *
 * Lines come without blanks at both ends; empty ones and those that start with '#' are left out, and
 * so is a byte order mark at the start of the file. One that an entry begins with elsewhere (files
 * were put together) is an error: the entry would quietly mean something else.
 * Errors:    each is one sentence with the file, and the line where there is one, in the `err`
 *            given to line_file_open: "conf/acl:3: expected ...". The first one stays.
 * Ownership: embedded in the reader; line_file_fini releases it. A line is valid until the next.
 * Limits:    a regular file of 1 GiB, lines of 256 KiB.
 * Threads:   reads and waits for the disk: with large files not in the loop's thread.
 */
#ifndef FLOTILLA_BROKER_AUTH_FILES_LINE_FILE_H
#define FLOTILLA_BROKER_AUTH_FILES_LINE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct line_file {
    const char *path; /* borrowed */
    FILE *stream;
    char *text;      /* the current line */
    size_t bytes;    /* read so far */
    unsigned number; /* of the current line, from 1 */
    char *err;       /* borrowed */
    size_t errlen;
    bool failed;
};

bool line_file_open(struct line_file *f, const char *path, char *err, size_t errlen);
/* The next entry, NUL-terminated, the caller may change it; NULL at the end or after an error. */
char *line_file_next(struct line_file *f);
/* Reports an error at the current line; returns false. */
bool line_file_fail(struct line_file *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* True when everything was read without an error. */
bool line_file_ok(const struct line_file *f);
void line_file_fini(struct line_file *f);

/* Cuts blanks (space, tab, CR, LF) off both ends, in place. */
char *line_trim(char *text);

#endif
