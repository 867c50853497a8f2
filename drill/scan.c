/* SPDX-License-Identifier: MIT */
#include "scan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

#define BLOCK_SIZE 16384

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    max_align_t data[];
};

void *arena_take(struct drill_arena *arena, size_t size)
{
    struct arena_block *block = arena->first;
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (block == NULL || block->size - block->used < size) {
        const size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = calloc(1, sizeof *block + room);
        if (block == NULL)
            abort();
        block->size = room;
        block->next = arena->first;
        arena->first = block;
    }
    void *piece = (char *)block->data + block->used;
    block->used += size;
    return piece;
}

char *arena_text(struct drill_arena *arena, const char *text, size_t len)
{
    char *copy = arena_take(arena, len + 1);
    memcpy(copy, text, len);
    return copy;
}

void arena_drop(struct drill_arena *arena)
{
    while (arena->first != NULL) {
        struct arena_block *next = arena->first->next;
        free(arena->first);
        arena->first = next;
    }
}

/* ---- text ---- */

bool scan_fail(struct scan *scan, const char *format, ...)
{
    if (scan->failed)
        return false;
    scan->failed = true;
    const int n = snprintf(scan->error, DRILL_ERROR_MAX, "%s:%u: ", scan->path, scan->line);
    if (n > 0 && n < DRILL_ERROR_MAX) {
        va_list args;
        va_start(args, format);
        vsnprintf(scan->error + n, (size_t)(DRILL_ERROR_MAX - n), format, args);
        va_end(args);
    }
    scan->at = scan->end;
    return false;
}

static size_t left(const struct scan *scan)
{
    return (size_t)(scan->end - scan->at);
}

static bool begins(const struct scan *scan, const char *text)
{
    const size_t len = strlen(text);
    return left(scan) >= len && memcmp(scan->at, text, len) == 0;
}

static void step(struct scan *scan, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*scan->at++ == '\n')
            scan->line++;
}

static void skip_line(struct scan *scan)
{
    while (left(scan) > 0 && *scan->at != '\n')
        scan->at++;
}

static void skip_comment(struct scan *scan)
{
    const unsigned line = scan->line;
    step(scan, 2);
    while (left(scan) > 0 && !begins(scan, "*/"))
        step(scan, 1);
    if (left(scan) == 0) {
        scan->line = line;
        scan_fail(scan, "this comment does not end");
        return;
    }
    step(scan, 2);
}

void scan_space(struct scan *scan)
{
    while (left(scan) > 0) {
        if (isspace((unsigned char)*scan->at))
            step(scan, 1);
        else if (begins(scan, "//:"))
            return;
        else if (begins(scan, "//") || *scan->at == '#')
            skip_line(scan);
        else if (begins(scan, "/*"))
            skip_comment(scan);
        else
            return;
    }
}

bool scan_at_end(struct scan *scan)
{
    scan_space(scan);
    return left(scan) == 0;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

bool scan_look(struct scan *scan, const char *text)
{
    scan_space(scan);
    const size_t len = strlen(text);
    if (!begins(scan, text))
        return false;
    return !is_word(text[len - 1]) || left(scan) == len || !is_word(scan->at[len]);
}

bool scan_take(struct scan *scan, const char *text)
{
    if (!scan_look(scan, text))
        return false;
    step(scan, strlen(text));
    return true;
}

bool scan_need(struct scan *scan, const char *text)
{
    if (scan_take(scan, text))
        return true;
    const size_t len = strcspn(scan->at, " \t\r\n");
    const size_t rest = left(scan);
    return scan_fail(scan, "expected '%s' before '%.*s'", text,
                     (int)(len < rest ? (len < 20 ? len : 20) : rest), scan->at);
}

const char *scan_word(struct scan *scan)
{
    scan_space(scan);
    if (left(scan) == 0 || !is_word(*scan->at) || isdigit((unsigned char)*scan->at))
        return NULL;
    size_t len = 0;
    while (len < left(scan) && is_word(scan->at[len]))
        len++;
    const char *word = arena_text(scan->arena, scan->at, len);
    scan->at += len;
    return word;
}

const char *scan_defined(const struct scan *scan, const char *word)
{
    for (unsigned i = 0; i < scan->define_count; i++)
        if (strcmp(scan->defines[i].name, word) == 0)
            return scan->defines[i].value;
    return word;
}

/* ---- numbers ---- */

#define SECONDS_MAX 100000000 /* three years: a longer number is not read to its end */

static bool parse_number(const char *text, size_t len, size_t *used, int64_t *value)
{
    uint64_t number = 0;
    unsigned base = 10;
    size_t i = 0;
    if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') &&
        isxdigit((unsigned char)text[2])) {
        base = 16;
        i = 2;
    } else if (len > 1 && text[0] == '0' && isdigit((unsigned char)text[1])) {
        base = 8;
    }
    const size_t first = i;
    for (; i < len; i++) {
        const char c = text[i];
        const unsigned digit = isdigit((unsigned char)c)    ? (unsigned)(c - '0')
                               : isxdigit((unsigned char)c) ? (unsigned)(tolower(c) - 'a') + 10
                                                            : base;
        if (digit >= base)
            break;
        if (number > (UINT64_MAX >> 8))
            return false;
        number = number * base + digit;
    }
    *used = i;
    *value = (int64_t)number;
    return i > first;
}

static bool defined_number(struct scan *scan, int64_t *value)
{
    size_t len = 0;
    while (len < left(scan) && is_word(scan->at[len]))
        len++;
    for (unsigned i = 0; i < scan->define_count; i++) {
        const struct define *define = &scan->defines[i];
        size_t used;
        if (strlen(define->name) != len || memcmp(define->name, scan->at, len) != 0 ||
            !parse_number(define->value, strlen(define->value), &used, value) ||
            define->value[used] != '\0')
            continue;
        scan->at += len;
        return true;
    }
    return false;
}

bool scan_number(struct scan *scan, int64_t *value)
{
    scan_space(scan);
    if (left(scan) == 0)
        return false;
    size_t used;
    if (!isdigit((unsigned char)*scan->at))
        return isalpha((unsigned char)*scan->at) && defined_number(scan, value);
    if (!parse_number(scan->at, left(scan), &used, value))
        return scan_fail(scan, "a number that cannot be read");
    scan->at += used;
    return true;
}

bool scan_u32(struct scan *scan, uint32_t *value)
{
    int64_t number = 0;
    if (!scan_number(scan, &number))
        return scan_fail(scan, "a number is missing");
    if (number < 0 || number > UINT32_MAX)
        return scan_fail(scan, "%lld does not fit 32 bits", (long long)number);
    *value = (uint32_t)number;
    return true;
}

bool scan_seconds(struct scan *scan, weir_time *value)
{
    scan_space(scan);
    const char *p = scan->at;
    weir_time whole = 0, part = 0;
    unsigned digits = 0;
    while (p < scan->end && isdigit((unsigned char)*p) && whole < SECONDS_MAX) {
        whole = whole * 10 + (*p++ - '0');
        digits++;
    }
    /* `0...0.3`: three dots are not a fraction. */
    if (p + 1 < scan->end && *p == '.' && isdigit((unsigned char)p[1])) {
        weir_time unit = WEIR_SECOND;
        for (p++; p < scan->end && isdigit((unsigned char)*p); p++, digits++) {
            unit /= 10;
            part += (*p - '0') * unit;
        }
    } else if (p + 1 < scan->end && *p == '.' && digits > 0 && p[1] != '.') {
        p++; /* "1." */
    }
    if (digits == 0)
        return false;
    scan->at = p;
    *value = whole * WEIR_SECOND + part;
    return true;
}

const char *scan_until(struct scan *scan, const char *close)
{
    const char *from = scan->at;
    const unsigned line = scan->line;
    while (left(scan) > 0 && !begins(scan, close))
        step(scan, 1);
    if (left(scan) == 0) {
        scan->line = line;
        scan_fail(scan, "'%s' is missing", close);
        return "";
    }
    const char *text = arena_text(scan->arena, from, (size_t)(scan->at - from));
    step(scan, strlen(close));
    return text;
}
