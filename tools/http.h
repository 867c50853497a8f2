/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_HTTP_H
#define WEIR_TOOLS_HTTP_H

/* HTTP/1.1 messages (RFC 9110, RFC 9112) as text: heads are taken apart here, chunks are undone.
 *
 * Nothing here reads or writes; the octets come from whoever has them. A peer may send anything:
 * every length has a limit, and what is not understood gets a status code. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX  8192 /* octets of a request's or response's head */
#define HTTP_PATH_MAX  2048
#define HTTP_FIELD_MAX 100 /* header fields of a head */

enum http_status {
    HTTP_INCOMPLETE = 0, /* not a status: more octets are needed */
    HTTP_OK = 200,
    HTTP_PARTIAL = 206,
    HTTP_MOVED = 301,
    HTTP_BAD_REQUEST = 400,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_BAD_METHOD = 405,
    HTTP_TIMEOUT = 408,
    HTTP_CONTENT_TOO_LARGE = 413,
    HTTP_URI_TOO_LONG = 414,
    HTTP_BAD_RANGE = 416,
    HTTP_HEAD_TOO_LARGE = 431,
    HTTP_SERVER_ERROR = 500,
    HTTP_NOT_IMPLEMENTED = 501,
    HTTP_BUSY = 503,
    HTTP_BAD_VERSION = 505,
};

/* "Not Found"; "" for a code that is not in the list above. */
const char *http_status_text(unsigned status);

struct http_request {
    bool head;       /* HEAD, not GET */
    bool keep_alive; /* the connection stays open after the answer */
    bool has_range;  /* one range of octets was asked for, in the form that the next three give */
    bool range_suffix;
    uint64_t range_first; /* suffix: how many octets from the end */
    uint64_t range_last;  /* inclusive; UINT64_MAX: to the end */
    char path[HTTP_PATH_MAX];
    /* Decoded, without query; begins with "/", ends with "/" if the target did, and holds no
     * empty, "." or ".." segment and no zero octet. */
};

/* Reads the head of a request from the first `len` octets of a connection.
 *
 * HTTP_OK: `request` is filled and `*used` octets belong to it. HTTP_INCOMPLETE: call again with
 * more. Anything else is the status to answer with, after which the connection must be closed
 * (405 alone leaves it in order, `*used` and `keep_alive` are set then). Bodies are refused. */
enum http_status http_request_parse(const char *text, size_t len, struct http_request *request,
                                    size_t *used);

/* Fits the range to a file of `size` octets: [*first, *first + *len). False: 416. */
bool http_range_fit(const struct http_request *request, uint64_t size, uint64_t *first,
                    uint64_t *len);

struct http_response {
    unsigned status;
    bool has_length;
    bool chunked;
    bool keep_alive;
    uint64_t length;
    char location[HTTP_PATH_MAX]; /* "" if not given */
};

/* Reads the head of a response. Returns NULL when it is complete, with `*used` set; "" when more
 * octets are needed; else what is wrong, for a person. */
const char *http_response_parse(const char *text, size_t len, struct http_response *response,
                                size_t *used);

/* Undoes the chunked coding (RFC 9112, 7.1) octet by octet. All zero to begin with. */
struct http_chunks {
    unsigned state;
    unsigned line_len; /* octets of extensions and trailers so far; bounded */
    unsigned digits;   /* of the size */
    uint64_t left;     /* octets of the current chunk still to come */
    bool done;         /* the last chunk and the trailers have been read */
    bool bad;          /* not the chunked coding; nothing more is taken */
};

/* Takes octets until a run of content begins, and says how many. `*content` is then the length of
 * that run, which follows them in `data` and which the caller takes too; 0 means that `data` is
 * used up, or the end was reached, or the coding is bad. */
size_t http_chunks_next(struct http_chunks *chunks, const uint8_t *data, size_t len,
                        size_t *content);

/* Writes `path` as it goes into a URL or an attribute of HTML: what is not unreserved (RFC 3986)
 * and not "/" becomes %XX. Returns the length; `text` is cut, not overrun, if it is too short. */
size_t http_escape_path(const char *path, char *text, size_t room);

/* Writes `words` as text of an HTML page. */
size_t http_escape_html(const char *words, char *text, size_t room);

#endif
