/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_JSON_H
#define WEIR_TOOLS_JSON_H

/* Writes JSON (RFC 8259) as it comes, without keeping it: an array of a million objects needs no
 * more memory than one. The caller closes what it opens; deeper than JSON_DEPTH is a mistake. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH 16

struct json {
    FILE *file;
    unsigned depth;
    bool one_line;           /* all of it in one: set it after json_begin */
    bool filled[JSON_DEPTH]; /* something stands there already */
};

void json_begin(struct json *json, FILE *file);

/* `key` NULL within an array, and at the top. */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_end_object(struct json *json);
void json_end_array(struct json *json);
/* What is no UTF-8 is written octet for octet as U+0080..U+00FF. */
void json_string(struct json *json, const char *key, const char *text);
void json_unsigned(struct json *json, const char *key, uint64_t value);
void json_signed(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);
/* `value` thousandths, written with three decimals: rounding is the caller's. */
void json_milli(struct json *json, const char *key, int64_t value);
void json_finish(struct json *json); /* the last line's end */

#endif
