/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_SCAN_H
#define WEIR_DRILL_SCAN_H

/* Reading a script's text from left to right. There is no separate lexer: what `.` or `5` is
 * depends on where it stands, so the parser asks for what may come next.
 *
 * The first thing that cannot be read is noted in `error`, with its line, and from then on every
 * function here fails; a parser needs to look only at the end of what it read. */

#include "script.h"

struct scan {
    const char *at, *end;
    const char *path;
    unsigned line;
    bool failed;
    char *error; /* DRILL_ERROR_MAX */
    struct drill_arena *arena;
    const struct define *defines;
    unsigned define_count;
};

/* Notes the first complaint; always false, so that it can be returned. */
bool scan_fail(struct scan *scan, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Skips space and comments, but stands still before a directive. */
void scan_space(struct scan *scan);
bool scan_at_end(struct scan *scan);

/* After space: whether `text` comes next (look), and if so, past it (take); or it must (need). A
 * text that ends in a letter must not be followed by another. */
bool scan_look(struct scan *scan, const char *text);
bool scan_take(struct scan *scan, const char *text);
bool scan_need(struct scan *scan, const char *text);

/* After space: a run of letters, digits and underscores that does not begin with a digit; NULL if
 * there is none. It lives in the arena. */
const char *scan_word(struct scan *scan);

/* What a word stands for (-D), or the word itself. */
const char *scan_defined(const struct scan *scan, const char *word);

/* A number: decimal, 0x or octal, or a name that has a value (-D). Not there: false, no complaint.
 */
bool scan_number(struct scan *scan, int64_t *value);
bool scan_u32(struct scan *scan, uint32_t *value); /* must be there, and fit */

/* Seconds with at most nine decimals: 1, .5, 0.25, 1e-3 is not one. False if there is none. */
bool scan_seconds(struct scan *scan, weir_time *value);

/* Text up to `close`, which is passed; it must come. */
const char *scan_until(struct scan *scan, const char *close);

#endif
