/* SPDX-License-Identifier: MIT */

/* tools/http.c: requests and responses, good and bad. */

#include "http.h"
#include "tap.h"

#include <string.h>

#define H "Host: x\r\n"

/* ---- Requests ---- */

static const struct {
    const char *text;
    unsigned status;
    const char *path; /* for HTTP_OK */
    bool keep_alive;
} requests[] = {
    { "GET / HTTP/1.1\r\n" H "\r\n", 200, "/", true },
    { "HEAD / HTTP/1.1\r\n" H "\r\n", 200, "/", true },
    { "GET / HTTP/1.1\n"
      "Host: x\n\n",
      200, "/", true },
    { "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 200, "/", true },
    { "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200, "/", false },
    { "GET / HTTP/1.1\r\n" H "Connection: x, Close\r\n\r\n", 200, "/", false },
    { "GET / HTTP/1.0\r\n\r\n", 200, "/", false },
    { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "/", true },
    { "GET http://x/y HTTP/1.1\r\n" H "\r\n", 200, "/y", true },
    { "GET http://x HTTP/1.1\r\n" H "\r\n", 200, "/", true },
    { "GET /a?b/../c HTTP/1.1\r\n" H "\r\n", 200, "/a", true },
    { "GET /a%20b%3f HTTP/1.1\r\n" H "\r\n", 200, "/a b?", true },
    { "GET /a/./b//c/ HTTP/1.1\r\n" H "\r\n", 200, "/a/b/c/", true },
    { "GET /a/../b HTTP/1.1\r\n" H "\r\n", 200, "/b", true },
    { "GET /a/b/.. HTTP/1.1\r\n" H "\r\n", 200, "/a/", true },
    { "GET /a/b/. HTTP/1.1\r\n" H "\r\n", 200, "/a/b/", true },
    { "GET /a/.. HTTP/1.1\r\n" H "\r\n", 200, "/", true },
    { "GET // HTTP/1.1\r\n" H "\r\n", 200, "/", true },
    { "GET /... HTTP/1.1\r\n" H "\r\n", 200, "/...", true },
    { "GET / HTTP/1.1\r\nhOST:x\r\nContent-Length: 0\r\n\r\n", 200, "/", true },
    { "GET / HTTP/1.1\r\n" H "X: a\tb\r\n\r\n", 200, "/", true },
    /* not yet */
    { "", 0, NULL, false },
    { "\r\n", 0, NULL, false },
    { "GET / HTTP/1.1\r\n" H "\r", 0, NULL, false },
    { "GET / HTTP/1.1\r\n" H, 0, NULL, false },
    { "GET /", 0, NULL, false },
    /* out of the directory */
    { "GET /.. HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /../etc/passwd HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /a/../../etc HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /%2e%2e/etc HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /%2E./etc HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /..%2fetc HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /a%00b HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    /* malformed */
    { "GET /%zz HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /% HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /%4 HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET a HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET * HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET  / HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET / x HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET /\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1\r\n" H "\r\n", 400, NULL, false },
    { "GET / http/1.1\r\n" H "\r\n", 400, NULL, false },
    { "GET / HTTP/1.1 \r\n" H "\r\n", 400, NULL, false },
    { "G(T / HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { " GET / HTTP/1.1\r\n" H "\r\n", 400, NULL, false },
    { "\x16\x03\x01\x02\n\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H H "\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H "X : y\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H "X\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H ": y\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H "X: y\r\n folded\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H "Content-Length: x\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 1\r\n\r\n", 400, NULL, false },
    { "GET / HTTP/1.1\r\n" H "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL,
      false },
    /* understood, and refused */
    { "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", 413, NULL, false },
    { "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 501, NULL, false },
    { "POST / HTTP/1.1\r\n" H "\r\n", 405, NULL, true },
    { "get / HTTP/1.1\r\n" H "\r\n", 405, NULL, true },
    { "OPTIONS * HTTP/1.1\r\n" H "\r\n", 405, NULL, true },
    { "GET / HTTP/2.0\r\n" H "\r\n", 505, NULL, false },
};

static void test_requests(void)
{
    for (unsigned i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct http_request request;
        size_t used = 4711;
        const size_t len = strlen(requests[i].text);
        const unsigned status = http_request_parse(requests[i].text, len, &request, &used);
        const bool right =
            status == requests[i].status &&
            (status != 200 || (strcmp(request.path, requests[i].path) == 0 && used == len)) &&
            ((status != 200 && status != 405) || request.keep_alive == requests[i].keep_alive);
        CHECK(right, "request %u: status %u (%u)", i, requests[i].status, status);
    }
}

/* A head that comes octet by octet is never judged before its end, and then the same. */
static void test_pieces(void)
{
    static const char text[] = "GET /a HTTP/1.1\r\n" H "Range: bytes=1-2\r\n\r\nGET /b";
    const size_t end = sizeof text - 1 - 6;
    struct http_request request;
    size_t used = 0, early = 0;
    for (size_t len = 0; len < end; len++)
        early += http_request_parse(text, len, &request, &used) != HTTP_INCOMPLETE;
    CHECK(early == 0, "no prefix of a head is judged");
    CHECK(http_request_parse(text, sizeof text - 1, &request, &used) == HTTP_OK && used == end,
          "what follows a head is left alone");
}

static void test_limits(void)
{
    static char text[HTTP_HEAD_MAX + 1];
    struct http_request request;
    size_t used;
    memset(text, 'x', sizeof text);
    memcpy(text, "GET /", 5);
    CHECK(http_request_parse(text, HTTP_HEAD_MAX - 1, &request, &used) == HTTP_INCOMPLETE,
          "a request line may fill the buffer but for one octet");
    CHECK(http_request_parse(text, HTTP_HEAD_MAX, &request, &used) == HTTP_URI_TOO_LONG,
          "a request line that fills it is 414");
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    CHECK(http_request_parse(text, HTTP_HEAD_MAX, &request, &used) == HTTP_HEAD_TOO_LARGE,
          "a field that fills it is 431");
    size_t len = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n");
    for (unsigned i = 0; i <= HTTP_FIELD_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "A: b\r\n");
    len += (size_t)snprintf(text + len, sizeof text - len, "\r\n");
    CHECK(http_request_parse(text, len, &request, &used) == HTTP_HEAD_TOO_LARGE,
          "too many fields are 431");
    len = (size_t)snprintf(text, sizeof text, "GET /%*s HTTP/1.1\r\n" H "\r\n", 0, "");
    memset(text + 5, 'y', HTTP_PATH_MAX);
    memcpy(text + 5 + HTTP_PATH_MAX, " HTTP/1.1\r\n" H "\r\n", 22);
    len = 5 + HTTP_PATH_MAX + 22;
    CHECK(http_request_parse(text, len, &request, &used) == HTTP_URI_TOO_LONG,
          "a path that does not fit is 414");
}

static void test_ranges(void)
{
    static const struct {
        const char *value;
        bool taken, fits;
        uint64_t first, len;
    } rows[] = {
        { "bytes=0-9", true, true, 0, 10 },
        { "bytes=10-", true, true, 10, 90 },
        { "bytes=-10", true, true, 90, 10 },
        { "bytes=-200", true, true, 0, 100 },
        { "bytes=99-200", true, true, 99, 1 },
        { "bytes=99-99", true, true, 99, 1 },
        { "Bytes= 5-6 ", true, true, 5, 2 },
        { "bytes=100-", true, false, 0, 0 },
        { "bytes=100-200", true, false, 0, 0 },
        { "bytes=-0", true, false, 0, 0 },
        { "bytes=18446744073709551615-", true, false, 0, 0 },
        { "bytes=0-18446744073709551615", true, true, 0, 100 },
        /* ignored: the whole is always right */
        { "bytes=9-0", false, false, 0, 0 },
        { "bytes=0-1,3-4", false, false, 0, 0 },
        { "bytes=a-b", false, false, 0, 0 },
        { "bytes=-", false, false, 0, 0 },
        { "bytes=", false, false, 0, 0 },
        { "lines=0-1", false, false, 0, 0 },
        { "bytes=18446744073709551616-", false, false, 0, 0 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_request request;
        char text[256];
        size_t used;
        uint64_t first = 0, len = 0;
        const int text_len =
            snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" H "Range: %s\r\n\r\n", rows[i].value);
        const bool parsed = http_request_parse(text, (size_t)text_len, &request, &used) == HTTP_OK;
        const bool fits = request.has_range && http_range_fit(&request, 100, &first, &len);
        CHECK(parsed && request.has_range == rows[i].taken && fits == rows[i].fits &&
                  (!fits || (first == rows[i].first && len == rows[i].len)),
              "range %s of 100", rows[i].value);
    }
    struct http_request request = { .has_range = true, .range_suffix = true, .range_first = 5 };
    uint64_t first, len;
    CHECK(!http_range_fit(&request, 0, &first, &len), "no range fits an empty file");
}

/* ---- Responses ---- */

static const struct {
    const char *text;
    int outcome; /* 1 good, 0 more is needed, -1 refused */
    unsigned status;
    bool has_length, chunked;
    uint64_t length;
} responses[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 1, 200, true, false, 5 },
    { "HTTP/1.0 404\r\n\r\n", 1, 404, false, false, 0 },
    { "HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n", 1, 200, false, true, 0 },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 1, 200, false,
      true, 5 },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 1, 200, true, false, 5 },
    { "", 0, 0, false, false, 0 },
    { "HTT", 0, 0, false, false, 0 },
    { "HTTP/1.1 200 OK\r\n", 0, 0, false, false, 0 },
    { "SSH-2.0-x\r\n", -1, 0, false, false, 0 },
    { "HTTP/2.0 200 OK\r\n\r\n", -1, 0, false, false, 0 },
    { "HTTP/1.1 2x0 OK\r\n\r\n", -1, 0, false, false, 0 },
    { "HTTP/1.1 2000 OK\r\n\r\n", -1, 0, false, false, 0 },
    { "HTTP/1.1 099 OK\r\n\r\n", -1, 0, false, false, 0 },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n", -1, 0, false, false, 0 },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", -1, 0, false, false, 0 },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", -1, 0, false, false, 0 },
    { "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", -1, 0, false, false, 0 },
};

static void test_responses(void)
{
    for (unsigned i = 0; i < sizeof responses / sizeof responses[0]; i++) {
        struct http_response r;
        size_t used = 0;
        const size_t len = strlen(responses[i].text);
        const char *wrong = http_response_parse(responses[i].text, len, &r, &used);
        const int outcome = wrong == NULL ? 1 : *wrong == '\0' ? 0 : -1;
        const bool right = outcome == responses[i].outcome &&
                           (outcome != 1 || (r.status == responses[i].status && used == len &&
                                             r.has_length == responses[i].has_length &&
                                             r.chunked == responses[i].chunked &&
                                             (!r.has_length || r.length == responses[i].length)));
        CHECK(right, "response %u", i);
    }
}

/* ---- Chunks ---- */

/* Feeds `text` in pieces of `step` octets; what came out, or "bad", or "more". */
static const char *unchunk(const char *text, size_t step, char *out)
{
    struct http_chunks chunks = { 0 };
    size_t len = strlen(text), out_len = 0;
    const uint8_t *data = (const uint8_t *)text;
    while (len > 0 && !chunks.done && !chunks.bad) {
        const size_t piece = len < step ? len : step;
        size_t content;
        const size_t used = http_chunks_next(&chunks, data, piece, &content);
        memcpy(out + out_len, data + used, content);
        out_len += content;
        data += used + content;
        len -= used + content;
    }
    out[out_len] = '\0';
    return chunks.bad ? "bad" : chunks.done ? out : "more";
}

static void test_chunks(void)
{
    static const struct {
        const char *text, *content;
    } rows[] = {
        { "5\r\nhello\r\n0\r\n\r\n", "hello" },
        { "5\nhello\n0\n\n", "hello" },
        { "2\r\nhe\r\n3;ext=\"x\"\r\nllo\r\n0\r\n\r\n", "hello" },
        { "A\r\n0123456789\r\n00\r\nTrailer: x\r\nMore: y\r\n\r\n", "0123456789" },
        { "0\r\n\r\n", "" },
        { "0;x\r\n\r\nrest", "" },
        { "5\r\nhello\r\n0\r\n", "more" },
        { "5\r\nhello\r\n0\r\nTrailer: x\r\n", "more" },
        { "5\r\nhel", "more" },
        { "5\r\nhelloX\r\n", "bad" },
        { "\r\n", "bad" },
        { "x\r\n", "bad" },
        { "-1\r\n", "bad" },
        { "5x\r\n", "bad" },
        { "10000000000000000\r\n", "bad" },
    };
    char out[64];
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t step = 1; step <= 7; step += 3)
            CHECK(strcmp(unchunk(rows[i].text, step, out), rows[i].content) == 0,
                  "chunks %u in steps of %zu: %s", i, step, rows[i].content);

    static char trailer[8192];
    memset(trailer, 'x', sizeof trailer - 1);
    memcpy(trailer, "0\r\n", 3);
    CHECK(strcmp(unchunk(trailer, sizeof trailer, out), "bad") == 0,
          "endless trailers are refused");
}

static void test_escapes(void)
{
    char text[64];
    http_escape_path("/a b?\"<\xc3\xa4/~", text, sizeof text);
    CHECK(strcmp(text, "/a%20b%3F%22%3C%C3%A4/~") == 0, "a path is escaped: %s", text);
    http_escape_html("<a href=\"'&", text, sizeof text);
    CHECK(strcmp(text, "&lt;a href=&quot;&#39;&amp;") == 0, "HTML is escaped: %s", text);
    CHECK(http_escape_path("          ", text, 8) <= 7 && strlen(text) <= 7, "room is kept to");
    CHECK(http_escape_html("\"\"\"\"\"\"\"\"\"\"", text, 8) <= 7, "room is kept to");
}

int main(void)
{
    test_requests();
    test_pieces();
    test_limits();
    test_ranges();
    test_responses();
    test_chunks();
    test_escapes();
    return tap_done();
}
