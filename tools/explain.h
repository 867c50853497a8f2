/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_EXPLAIN_H
#define WEIR_TOOLS_EXPLAIN_H

/* Pages on states, flags, options, errors and settings, in English and Chinese: what each means,
 * who must act, which command shows it, and what is often said of it wrongly. The texts stand in
 * tools/explain and are compiled in (explain/compile.py); the English of errors comes from
 * errno_table.c, and what a setting is to weir from sysctl_table.c, so that neither is said twice.
 */

#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum explain_kind {
    EXPLAIN_STATE,
    EXPLAIN_FLAG,
    EXPLAIN_OPTION,  /* of a TCP header */
    EXPLAIN_SOCKOPT, /* of a socket */
    EXPLAIN_ERRNO,
    EXPLAIN_SYSCTL,
    EXPLAIN_KINDS
};

enum explain_lang {
    EXPLAIN_EN,
    EXPLAIN_ZH,
    EXPLAIN_LANGS
};

/* UTF-8. A text that is NULL is made from a table, or is the same for all of a kind. */
struct explain_page {
    enum explain_kind kind;
    const char *names; /* the first is the heading; separated by spaces */
    const char *title[EXPLAIN_LANGS], *means[EXPLAIN_LANGS], *who[EXPLAIN_LANGS],
        *see[EXPLAIN_LANGS], *myth[EXPLAIN_LANGS];
};

extern const struct explain_page explain_pages[];
extern const unsigned explain_page_count;

/* Pages that `word` names: in any case, '_' for '-', settings also without "net.ipv4." and the
 * like, errors also by number and as Winsock has them. How many; at most `max`. If letters' cases
 * tell them apart (TCP_FASTOPEN, tcp_fastopen), only the one. */
unsigned explain_find(const char *word, const struct explain_page **pages, unsigned max);

/* Names near to `word`, as "A, B or C"; "" if none is. Returns `text`. */
char *explain_near(const char *word, char *text, size_t room);

/* The first name of a page. */
#define EXPLAIN_NAME_MAX 64
char *explain_name(const struct explain_page *page, char text[EXPLAIN_NAME_MAX]);

const char *explain_title(const struct explain_page *page, enum explain_lang lang);

void explain_print(const struct explain_page *page, enum explain_lang lang, FILE *file);
void explain_json(const struct explain_page *page, enum explain_lang lang, struct json *json);
void explain_list(enum explain_lang lang, FILE *file);

#endif
