/* SPDX-License-Identifier: MIT */
#include "http.h"

#include "args.h"
#include "base/octets.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } texts[] = {
        { HTTP_OK, "OK" },
        { HTTP_PARTIAL, "Partial Content" },
        { HTTP_MOVED, "Moved Permanently" },
        { HTTP_BAD_REQUEST, "Bad Request" },
        { HTTP_FORBIDDEN, "Forbidden" },
        { HTTP_NOT_FOUND, "Not Found" },
        { HTTP_BAD_METHOD, "Method Not Allowed" },
        { HTTP_TIMEOUT, "Request Timeout" },
        { HTTP_CONTENT_TOO_LARGE, "Content Too Large" },
        { HTTP_URI_TOO_LONG, "URI Too Long" },
        { HTTP_BAD_RANGE, "Range Not Satisfiable" },
        { HTTP_HEAD_TOO_LARGE, "Request Header Fields Too Large" },
        { HTTP_SERVER_ERROR, "Internal Server Error" },
        { HTTP_NOT_IMPLEMENTED, "Not Implemented" },
        { HTTP_BUSY, "Service Unavailable" },
        { HTTP_BAD_VERSION, "HTTP Version Not Supported" },
    };
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "";
}

/* A stretch of the head; nothing in a head ends with a zero. */
struct text {
    const char *at;
    size_t len;
};

/* Cuts the first line off `rest`. A bare LF ends a line too (RFC 9112, 2.2); a CR anywhere else
 * would let two parsers disagree, so it stays in the line and is found there. */
static bool take_line(struct text *rest, struct text *line)
{
    const char *end = rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
    if (end == NULL)
        return false;
    line->at = rest->at;
    line->len = (size_t)(end - rest->at);
    rest->at = end + 1;
    rest->len -= line->len + 1;
    if (line->len > 0 && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

/* tchar of RFC 9110, 5.6.2 */
static bool is_token(struct text text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.at[i];
        const bool alnum =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == '\0' || strchr(marks, c) == NULL))
            return false;
    }
    return text.len > 0;
}

static bool is_word(struct text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

static struct text trim(struct text text)
{
    while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Splits "Name: value". No space before the colon, no folded lines (RFC 9112, 5.1 and 5.2): both
 * are how requests are smuggled. */
static bool split_field(struct text line, struct text *name, struct text *value)
{
    const char *colon = memchr(line.at, ':', line.len);
    if (colon == NULL)
        return false;
    *name = (struct text){ line.at, (size_t)(colon - line.at) };
    *value = trim((struct text){ colon + 1, line.len - name->len - 1 });
    for (size_t i = 0; i < value->len; i++) {
        const unsigned char c = (unsigned char)value->at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return is_token(*name);
}

/* Whether a comma-separated list holds `word`. */
static bool list_holds(struct text list, const char *word)
{
    while (list.len > 0) {
        const char *comma = memchr(list.at, ',', list.len);
        const size_t len = comma != NULL ? (size_t)(comma - list.at) : list.len;
        if (is_word(trim((struct text){ list.at, len }), word))
            return true;
        const size_t skip = comma != NULL ? len + 1 : len;
        list.at += skip;
        list.len -= skip;
    }
    return false;
}

static bool text_number(struct text text, uint64_t *number)
{
    char digits[24];
    if (text.len >= sizeof digits)
        return false;
    memcpy(digits, text.at, text.len);
    digits[text.len] = '\0';
    return args_number(digits, 0, UINT64_MAX, number);
}

/* ---- Requests ---- */

/* Undoes %XX. A coded zero or slash names no file that exists, and is refused. */
static bool decode(struct text coded, char *path)
{
    size_t len = 0;
    for (size_t i = 0; i < coded.len; i++) {
        char c = coded.at[i];
        if (c <= ' ' || c == 0x7f)
            return false;
        if (c == '%') {
            const int high = i + 2 < coded.len ? hex_digit(coded.at[i + 1]) : -1;
            const int low = i + 2 < coded.len ? hex_digit(coded.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            if (c == '\0' || c == '/')
                return false;
            i += 2;
        }
        path[len++] = c;
    }
    path[len] = '\0';
    return true;
}

/* Removes empty and "." segments and resolves ".."; false if that would leave the root. */
static bool normalise(char *path)
{
    char *out = path;
    const char *in = path;
    bool slash = true; /* whether the path names a directory by its form */
    while (*in != '\0') {
        const size_t len = strcspn(in, "/");
        const bool more = in[len] == '/';
        if (len == 2 && in[0] == '.' && in[1] == '.') {
            if (out == path)
                return false;
            do {
                out--;
            } while (*out != '/');
            slash = true;
        } else if (len == 0 || (len == 1 && in[0] == '.')) {
            slash = true;
        } else {
            *out = '/';
            memmove(out + 1, in, len); /* out + 1 <= in: there was a slash before `in` */
            out += len + 1;
            slash = more;
        }
        in += len + more;
    }
    if (slash)
        *out++ = '/';
    *out = '\0';
    return true;
}

static enum http_status parse_target(struct text target, struct http_request *request)
{
    /* "http://host/path", which every server must understand (RFC 9112, 3.2.2) */
    if (target.len > 7 && strncasecmp(target.at, "http://", 7) == 0) {
        const char *slash = memchr(target.at + 7, '/', target.len - 7);
        const char *end = target.at + target.len;
        target.at = slash != NULL ? slash : "/";
        target.len = slash != NULL ? (size_t)(end - slash) : 1;
    }
    if (target.len == 0 || target.at[0] != '/')
        return HTTP_BAD_REQUEST;
    const char *query = memchr(target.at, '?', target.len);
    if (query != NULL)
        target.len = (size_t)(query - target.at);
    if (target.len >= sizeof request->path)
        return HTTP_URI_TOO_LONG;
    /* The leading slash is left out here and put back by normalise, which needs the room. */
    char *path = request->path;
    if (!decode(target, path) || path[0] != '/')
        return HTTP_BAD_REQUEST;
    return normalise(path) ? HTTP_OK : HTTP_BAD_REQUEST;
}

/* "GET /path HTTP/1.1", single spaces */
static enum http_status parse_request_line(struct text line, struct http_request *request,
                                           bool *minor_1)
{
    const char *space = memchr(line.at, ' ', line.len);
    if (space == NULL)
        return HTTP_BAD_REQUEST;
    const struct text method = { line.at, (size_t)(space - line.at) };
    struct text target = { space + 1, line.len - method.len - 1 };
    space = memchr(target.at, ' ', target.len);
    if (!is_token(method) || space == NULL)
        return HTTP_BAD_REQUEST;
    const struct text version = { space + 1, target.len - (size_t)(space - target.at) - 1 };
    target.len = (size_t)(space - target.at);

    if (version.len != 8 || memcmp(version.at, "HTTP/", 5) != 0 || version.at[6] != '.')
        return HTTP_BAD_REQUEST;
    const char major = version.at[5], minor = version.at[7];
    if (major < '0' || major > '9' || minor < '0' || minor > '9')
        return HTTP_BAD_REQUEST;
    if (major != '1')
        return HTTP_BAD_VERSION;
    *minor_1 = minor != '0';

    request->head = method.len == 4 && memcmp(method.at, "HEAD", 4) == 0;
    if (!request->head && (method.len != 3 || memcmp(method.at, "GET", 3) != 0))
        return HTTP_BAD_METHOD;
    return parse_target(target, request);
}

/* "bytes=0-99", "bytes=100-", "bytes=-50". Anything else, several ranges too, may be ignored (RFC
 * 9110, 14.2): the whole file is always a correct answer. */
static void parse_range(struct text value, struct http_request *request)
{
    if (value.len < 7 || strncasecmp(value.at, "bytes=", 6) != 0)
        return;
    const struct text range = trim((struct text){ value.at + 6, value.len - 6 });
    const char *dash = memchr(range.at, '-', range.len);
    if (dash == NULL)
        return;
    const struct text first = { range.at, (size_t)(dash - range.at) };
    const struct text last = { dash + 1, range.len - first.len - 1 };

    uint64_t from = 0, to = UINT64_MAX;
    request->range_suffix = first.len == 0;
    if (request->range_suffix && !text_number(last, &from))
        return;
    if (!request->range_suffix && !text_number(first, &from))
        return;
    if (!request->range_suffix && last.len > 0 && (!text_number(last, &to) || to < from))
        return;
    request->range_first = from;
    request->range_last = to;
    request->has_range = true;
}

/* What the fields of a request say, before it is judged. */
struct request_fields {
    unsigned hosts;
    bool close, keep_alive;
    bool coded, bad_length, if_range;
    bool has_length;
    uint64_t length;
};

static void request_field(struct request_fields *fields, struct http_request *request,
                          struct text name, struct text value)
{
    if (is_word(name, "host")) {
        fields->hosts++;
    } else if (is_word(name, "connection")) {
        fields->close |= list_holds(value, "close");
        fields->keep_alive |= list_holds(value, "keep-alive");
    } else if (is_word(name, "transfer-encoding")) {
        fields->coded = true;
    } else if (is_word(name, "content-length")) {
        uint64_t length = 0;
        if (!text_number(value, &length) || (fields->has_length && length != fields->length))
            fields->bad_length = true;
        fields->has_length = true;
        fields->length = length;
    } else if (is_word(name, "range") && !request->head) {
        parse_range(value, request);
    } else if (is_word(name, "if-range")) {
        fields->if_range = true;
    }
}

static enum http_status judge(const struct request_fields *fields, struct http_request *request,
                              bool minor_1)
{
    if (fields->hosts > 1 || (minor_1 && fields->hosts == 0)) /* RFC 9112, 3.2 */
        return HTTP_BAD_REQUEST;
    if (fields->bad_length || (fields->coded && fields->has_length))
        return HTTP_BAD_REQUEST;
    if (fields->coded)
        return HTTP_NOT_IMPLEMENTED;
    if (fields->has_length && fields->length > 0)
        return HTTP_CONTENT_TOO_LARGE;
    if (fields->if_range) /* no validators are given out, so none can match */
        request->has_range = false;
    request->keep_alive = !fields->close && (minor_1 || fields->keep_alive);
    return HTTP_OK;
}

/* The end of the head, or 0. Looking for it first means that a head is only ever judged whole. */
static size_t head_len(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\n')
            continue;
        if (i + 1 < len && text[i + 1] == '\n')
            return i + 2;
        if (i + 2 < len && text[i + 1] == '\r' && text[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

enum http_status http_request_parse(const char *text, size_t len, struct http_request *request,
                                    size_t *used)
{
    memset(request, 0, sizeof *request);
    /* Empty lines before a request are left over from an older one (RFC 9112, 2.2). */
    size_t skip = 0;
    while (skip < len && (text[skip] == '\r' || text[skip] == '\n'))
        skip++;
    const size_t head = head_len(text + skip, len - skip);
    if (head == 0 && len < HTTP_HEAD_MAX)
        return HTTP_INCOMPLETE;
    if (head == 0 || skip + head > HTTP_HEAD_MAX)
        return memchr(text + skip, '\n', len - skip) != NULL ? HTTP_HEAD_TOO_LARGE
                                                             : HTTP_URI_TOO_LONG;

    struct text rest = { text + skip, head }, line = { text, 0 };
    bool minor_1 = false;
    take_line(&rest, &line);
    const enum http_status first = parse_request_line(line, request, &minor_1);
    if (first != HTTP_OK && first != HTTP_BAD_METHOD)
        return first;

    struct request_fields fields = { 0 };
    for (unsigned count = 0; take_line(&rest, &line) && line.len > 0; count++) {
        struct text name, value;
        if (count == HTTP_FIELD_MAX)
            return HTTP_HEAD_TOO_LARGE;
        if (!split_field(line, &name, &value))
            return HTTP_BAD_REQUEST;
        request_field(&fields, request, name, value);
    }
    const enum http_status judged = judge(&fields, request, minor_1);
    *used = skip + head;
    if (judged != HTTP_OK)
        return judged;
    return first;
}

bool http_range_fit(const struct http_request *request, uint64_t size, uint64_t *first,
                    uint64_t *len)
{
    if (request->range_suffix) {
        const uint64_t want = request->range_first < size ? request->range_first : size;
        *first = size - want;
        *len = want;
        return want > 0;
    }
    if (request->range_first >= size)
        return false;
    const uint64_t last = request->range_last < size ? request->range_last : size - 1;
    *first = request->range_first;
    *len = last - request->range_first + 1;
    return true;
}

/* ---- Responses ---- */

static const char *response_field(struct http_response *response, struct text name,
                                  struct text value)
{
    if (is_word(name, "content-length")) {
        uint64_t length;
        if (!text_number(value, &length))
            return "its Content-Length is not a number";
        if (response->has_length && length != response->length)
            return "it gives two different lengths";
        response->has_length = true;
        response->length = length;
    } else if (is_word(name, "transfer-encoding")) {
        if (!is_word(value, "chunked"))
            return "it uses a transfer coding other than chunked";
        response->chunked = true;
    } else if (is_word(name, "connection")) {
        if (list_holds(value, "close"))
            response->keep_alive = false;
    } else if (is_word(name, "location") && value.len < sizeof response->location) {
        memcpy(response->location, value.at, value.len);
        response->location[value.len] = '\0';
    }
    return NULL;
}

/* "HTTP/1.1 200 OK"; the phrase may be missing */
static const char *parse_status_line(struct text line, struct http_response *response)
{
    if (line.len < 12 || memcmp(line.at, "HTTP/1.", 7) != 0 || line.at[8] != ' ')
        return "the answer is not HTTP/1";
    uint64_t status;
    if (!text_number((struct text){ line.at + 9, 3 }, &status) || status < 100)
        return "its status is not a number";
    if (line.len > 12 && line.at[12] != ' ')
        return "its status is not a number";
    response->status = (unsigned)status;
    response->keep_alive = line.at[7] != '0';
    return NULL;
}

const char *http_response_parse(const char *text, size_t len, struct http_response *response,
                                size_t *used)
{
    static const char not_http[] = "the answer is not HTTP/1";
    memset(response, 0, sizeof *response);
    const size_t begin = len < 7 ? len : 7;
    if (memcmp(text, "HTTP/1.", begin) != 0)
        return not_http;
    const size_t head = head_len(text, len);
    if (head == 0)
        return len < HTTP_HEAD_MAX ? "" : "the head of the answer is too long";

    struct text rest = { text, head }, line = { text, 0 };
    take_line(&rest, &line);
    const char *wrong = parse_status_line(line, response);
    while (wrong == NULL && take_line(&rest, &line) && line.len > 0) {
        struct text name, value;
        if (!split_field(line, &name, &value))
            wrong = "a header field of the answer is malformed";
        else
            wrong = response_field(response, name, value);
    }
    if (response->chunked)
        response->has_length = false; /* RFC 9112, 6.3: the coding wins */
    *used = head;
    return wrong;
}

/* ---- Chunks ---- */

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_DATA,
    CHUNK_DATA_END,
    CHUNK_TRAILER
};
#define CHUNK_LINE_MAX   4096 /* octets of a line with its extensions, or of all trailers */
#define CHUNK_DIGITS_MAX 15   /* 2^60 octets are not a chunk but an attack on our arithmetic */

static void chunk_enter(struct http_chunks *chunks, enum chunk_state state)
{
    chunks->state = state;
    chunks->line_len = 0;
    chunks->digits = 0;
}

static void chunk_size_octet(struct http_chunks *chunks, char c)
{
    const int digit = hex_digit(c);
    if (digit >= 0 && chunks->digits < CHUNK_DIGITS_MAX) {
        chunks->left = chunks->left * 16 + (unsigned)digit;
        chunks->digits++;
    } else if (digit >= 0 || chunks->digits == 0) {
        chunks->bad = true;
    } else if (c == '\n') {
        chunk_enter(chunks, chunks->left > 0 ? CHUNK_DATA : CHUNK_TRAILER);
    } else if (c == ';' || c == '\r' || c == ' ' || c == '\t') {
        chunk_enter(chunks, CHUNK_EXTENSION);
    } else {
        chunks->bad = true;
    }
}

static void chunk_octet(struct http_chunks *chunks, char c)
{
    chunks->line_len++;
    switch ((enum chunk_state)chunks->state) {
    case CHUNK_SIZE:
        chunk_size_octet(chunks, c);
        break;
    case CHUNK_EXTENSION:
        if (c == '\n')
            chunk_enter(chunks, chunks->left > 0 ? CHUNK_DATA : CHUNK_TRAILER);
        break;
    case CHUNK_DATA:
        break;
    case CHUNK_DATA_END:
        if (c == '\n')
            chunk_enter(chunks, CHUNK_SIZE);
        else if (c != '\r')
            chunks->bad = true;
        break;
    case CHUNK_TRAILER: /* `digits` counts the octets of the current line */
        if (c == '\n') {
            chunks->done = chunks->digits == 0;
            chunks->digits = 0;
        } else if (c != '\r') {
            chunks->digits++;
        }
        break;
    }
    if (chunks->line_len > CHUNK_LINE_MAX)
        chunks->bad = true;
}

size_t http_chunks_next(struct http_chunks *chunks, const uint8_t *data, size_t len,
                        size_t *content)
{
    *content = 0;
    size_t used = 0;
    while (used < len && !chunks->done && !chunks->bad) {
        if (chunks->state != CHUNK_DATA) {
            chunk_octet(chunks, (char)data[used++]);
            continue;
        }
        const size_t rest = len - used;
        *content = chunks->left < rest ? (size_t)chunks->left : rest;
        chunks->left -= *content;
        if (chunks->left == 0)
            chunk_enter(chunks, CHUNK_DATA_END);
        return used;
    }
    return used;
}

/* ---- Escapes ---- */

size_t http_escape_path(const char *path, char *text, size_t room)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    size_t len = 0;
    for (const char *p = path; *p != '\0' && len + 4 <= room; p++) {
        if (strchr(plain, *p) != NULL)
            text[len++] = *p;
        else
            len += (size_t)snprintf(text + len, room - len, "%%%02X", (unsigned)(unsigned char)*p);
    }
    if (room > 0)
        text[len] = '\0';
    return len;
}

size_t http_escape_html(const char *words, char *text, size_t room)
{
    size_t len = 0;
    for (const char *p = words; *p != '\0' && len + 7 <= room; p++) {
        const char *entity = *p == '&'    ? "&amp;"
                             : *p == '<'  ? "&lt;"
                             : *p == '>'  ? "&gt;"
                             : *p == '"'  ? "&quot;"
                             : *p == '\'' ? "&#39;"
                                          : NULL;
        if (entity == NULL) {
            text[len++] = *p;
            continue;
        }
        const size_t entity_len = strlen(entity);
        memcpy(text + len, entity, entity_len);
        len += entity_len;
    }
    if (room > 0)
        text[len] = '\0';
    return len;
}
