/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <inttypes.h>
#include <stdlib.h>

void json_begin(struct json *json, FILE *file)
{
    *json = (struct json){ .file = file };
}

/* The length of the UTF-8 sequence that begins here (RFC 3629), or 0 if there is none. */
static unsigned utf8_len(const unsigned char *at)
{
    const unsigned len = at[0] < 0x80                    ? 1
                         : (at[0] & 0xe0) == 0xc0        ? 2
                         : (at[0] & 0xf0) == 0xe0        ? 3
                         : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                         : 0;
    for (unsigned i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if (len == 2 && at[0] < 0xc2)
        return 0; /* overlong */
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

static void quoted(struct json *json, const char *text)
{
    putc('"', json->file);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        const unsigned len = utf8_len(at);
        if (*at == '"' || *at == '\\')
            fprintf(json->file, "\\%c", *at);
        else if (len == 0 || *at < 0x20 || *at == 0x7f)
            fprintf(json->file, "\\u%04x", *at);
        else
            fwrite(at, 1, len, json->file);
        at += len > 1 ? len : 1;
    }
    putc('"', json->file);
}

static void next(struct json *json, const char *key)
{
    if (json->filled[json->depth])
        putc(',', json->file);
    if (json->depth == 1 && json->filled[1] && !json->one_line)
        putc('\n', json->file); /* so that a long list has lines */
    json->filled[json->depth] = true;
    if (key == NULL)
        return;
    quoted(json, key);
    putc(':', json->file);
}

static void open_one(struct json *json, const char *key, char bracket)
{
    next(json, key);
    putc(bracket, json->file);
    if (++json->depth == JSON_DEPTH)
        abort();
    json->filled[json->depth] = false;
}

static void close_one(struct json *json, char bracket)
{
    if (json->depth == 0)
        abort();
    json->depth--;
    putc(bracket, json->file);
}

void json_object(struct json *json, const char *key)
{
    open_one(json, key, '{');
}

void json_array(struct json *json, const char *key)
{
    open_one(json, key, '[');
}

void json_end_object(struct json *json)
{
    close_one(json, '}');
}

void json_end_array(struct json *json)
{
    close_one(json, ']');
}

void json_string(struct json *json, const char *key, const char *text)
{
    next(json, key);
    quoted(json, text);
}

void json_unsigned(struct json *json, const char *key, uint64_t value)
{
    next(json, key);
    fprintf(json->file, "%" PRIu64, value);
}

void json_signed(struct json *json, const char *key, int64_t value)
{
    next(json, key);
    fprintf(json->file, "%" PRId64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
    next(json, key);
    fputs(value ? "true" : "false", json->file);
}

void json_milli(struct json *json, const char *key, int64_t value)
{
    const uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    next(json, key);
    fprintf(json->file, "%s%" PRIu64 ".%03" PRIu64, value < 0 ? "-" : "", size / 1000, size % 1000);
}

void json_finish(struct json *json)
{
    putc('\n', json->file);
}
