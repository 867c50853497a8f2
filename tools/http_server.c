/* SPDX-License-Identifier: MIT */
#include "http_server.h"

#include "http.h"
#include "http_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define BACKLOG      1024
#define SPAN_MAX     64          /* pieces of a send ring filled by one readv */
#define TURN_OCTETS  (1u << 20)  /* what one connection may queue before others have their turn */
#define DRAIN_OCTETS (64u << 10) /* read and thrown away after the last answer */
#define SILENCE      (30 * WEIR_SECOND) /* in the middle of a request or an answer */
#define KEPT         (15 * WEIR_SECOND) /* between two requests */
#define LINGER       (5 * WEIR_SECOND)  /* for the peer's FIN after ours */
#define BIG_CONNS    64                 /* so many may queue as much as the stack allows (4 MiB), */
#define SMALL_QUEUE  (512 << 10) /* the others this: together less than host.c gives the rings */
#define SWEEP        WEIR_SECOND

enum phase {
    PHASE_REQUEST, /* reading a head */
    PHASE_TEXT,    /* sending what lies in `text` */
    PHASE_FILE,    /* sending `left` octets of the file */
    PHASE_DRAIN,   /* our FIN is on its way; what still comes is thrown away, so that the peer reads
                      the answer and not a reset */
};

struct conn {
    struct http_server *server;
    struct conn *next;
    struct conn **link; /* what points here */
    weir_handle handle;
    weir_time active; /* when something last moved */
    uint64_t acked;   /* octets the peer had acknowledged when that was last looked at */
    enum phase phase;
    bool keep_alive;
    size_t head_len;
    char *text; /* the head of the answer, and a short body */
    size_t text_len, text_off;
    int file; /* -1: no file follows */
    uint64_t offset, left;
    uint64_t drained;
    char head[HTTP_HEAD_MAX];
};

struct http_server {
    struct weir_loop *loop;
    struct weir *weir;
    weir_handle listener;
    int root;
    bool verbose;
    unsigned conn_count;
    struct conn *conns;
    struct weir_loop_timer sweep;
    uint64_t answers, octets;
};

/* ---- Connections ---- */

static void conn_free(struct conn *conn)
{
    if (conn->file >= 0)
        close(conn->file);
    free(conn->text);
    *conn->link = conn->next;
    if (conn->next != NULL)
        conn->next->link = conn->link;
    conn->server->conn_count--;
    free(conn);
}

/* The connection is over for us; what is queued still leaves, unless it is to be cut off. */
static void conn_end(struct conn *conn, bool abort, weir_time now)
{
    if (abort)
        weir_abort(conn->server->weir, conn->handle, now);
    weir_release(conn->server->weir, conn->handle, now);
    struct http_server *server = conn->server;
    const bool was_full = server->conn_count == HTTP_SERVER_CONN_MAX;
    conn_free(conn);
    if (was_full) /* the next in the accept queue was told of already */
        weir_rearm(server->weir, server->listener);
}

static void conn_add(struct http_server *server, weir_handle handle, weir_time now)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        weir_abort(server->weir, handle, now);
        weir_release(server->weir, handle, now);
        return;
    }
    conn->server = server;
    conn->handle = handle;
    conn->active = now;
    conn->file = -1;
    conn->next = server->conns;
    conn->link = &server->conns;
    if (conn->next != NULL)
        conn->next->link = &conn->next;
    server->conns = conn;
    server->conn_count++;
    weir_set_cookie(server->weir, handle, (uint64_t)(uintptr_t)conn);
    if (server->conn_count > BIG_CONNS)
        weir_set(server->weir, handle, WEIR_OPT_SNDBUF, SMALL_QUEUE, now);
}

/* ---- Answers ---- */

static void date_text(time_t when, char text[64])
{
    struct tm utc;
    gmtime_r(&when, &utc);
    strftime(text, 64, "%a, %d %b %Y %H:%M:%S GMT", &utc);
}

struct answer {
    enum http_status status;
    const char *type; /* NULL: no Content-Type */
    uint64_t length;
    const char *body; /* NULL: from the file, or none (HEAD) */
    size_t body_len;
    char fields[HTTP_PATH_MAX * 3 + 256]; /* more header fields, each with its CRLF */
};

__attribute__((format(printf, 2, 3))) static void answer_field(struct answer *answer,
                                                               const char *format, ...)
{
    const size_t len = strlen(answer->fields);
    va_list args;
    va_start(args, format);
    vsnprintf(answer->fields + len, sizeof answer->fields - len, format, args);
    va_end(args);
}

/* Puts the head and a short body into `text`, from where it is sent. False: no memory. */
static bool conn_answer(struct conn *conn, const struct answer *answer)
{
    char date[64], type[128] = "";
    date_text(time(NULL), date);
    if (answer->type != NULL)
        snprintf(type, sizeof type, "Content-Type: %s\r\n", answer->type);
    const int head_len =
        asprintf(&conn->text,
                 "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: weir\r\n%s%sContent-Length: %" PRIu64
                 "\r\nConnection: %s\r\n\r\n",
                 (int)answer->status, http_status_text(answer->status), date, type, answer->fields,
                 answer->length, conn->keep_alive ? "keep-alive" : "close");
    if (head_len < 0) {
        conn->text = NULL;
        return false;
    }
    conn->text_len = (size_t)head_len;
    if (answer->body_len > 0) {
        char *whole = realloc(conn->text, conn->text_len + answer->body_len);
        if (whole == NULL)
            return false;
        memcpy(whole + conn->text_len, answer->body, answer->body_len);
        conn->text = whole;
        conn->text_len += answer->body_len;
    }
    conn->text_off = 0;
    conn->phase = PHASE_TEXT;
    conn->server->answers++;
    conn->server->octets += answer->body_len + conn->left;
    return true;
}

/* An answer that says only its status, as a short page. */
static bool answer_status(struct conn *conn, enum http_status status, bool head, const char *fields)
{
    char page[256];
    const int len =
        snprintf(page, sizeof page,
                 "<!DOCTYPE html>\n<html><head><title>%d %s</title></head>"
                 "<body><h1>%d %s</h1></body></html>\n",
                 (int)status, http_status_text(status), (int)status, http_status_text(status));
    struct answer answer = {
        .status = status,
        .type = "text/html; charset=utf-8",
        .length = (uint64_t)len,
        .body = page,
        .body_len = head ? 0 : (size_t)len,
    };
    answer_field(&answer, "%s", fields);
    return conn_answer(conn, &answer);
}

static bool answer_directory(struct conn *conn, const struct http_request *request, int fd)
{
    const size_t path_len = strlen(request->path);
    if (request->path[path_len - 1] != '/') {
        /* Relative links on the page only work below the name with its slash. */
        char escaped[HTTP_PATH_MAX * 3 + 8], fields[HTTP_PATH_MAX * 3 + 64];
        http_escape_path(request->path, escaped, sizeof escaped);
        snprintf(fields, sizeof fields, "Location: %s/\r\n", escaped);
        return answer_status(conn, HTTP_MOVED, request->head, fields);
    }
    size_t len = 0;
    char *page = http_file_listing(fd, request->path, &len);
    if (page == NULL)
        return answer_status(conn, HTTP_SERVER_ERROR, request->head, "");
    const struct answer answer = {
        .status = HTTP_OK,
        .type = "text/html; charset=utf-8",
        .length = len,
        .body = page,
        .body_len = request->head ? 0 : len,
    };
    const bool done = conn_answer(conn, &answer);
    free(page);
    return done;
}

static bool answer_file(struct conn *conn, const struct http_request *request,
                        const struct http_file *file, const char *name)
{
    struct answer answer = { .status = HTTP_OK, .type = http_file_type(name) };
    char modified[64];
    uint64_t first = 0, length = file->size;
    if (request->has_range && !http_range_fit(request, file->size, &first, &length)) {
        char fields[64];
        snprintf(fields, sizeof fields, "Content-Range: bytes */%" PRIu64 "\r\n", file->size);
        return answer_status(conn, HTTP_BAD_RANGE, false, fields);
    }
    if (request->has_range) {
        answer.status = HTTP_PARTIAL;
        answer_field(&answer, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", first,
                     first + length - 1, file->size);
    }
    date_text(file->modified, modified);
    answer_field(&answer, "Last-Modified: %s\r\nAccept-Ranges: bytes\r\n", modified);
    answer.length = length;
    if (!request->head && length > 0) {
        conn->file = dup(file->fd);
        if (conn->file < 0)
            return answer_status(conn, HTTP_BUSY, false, "");
        conn->offset = first;
        conn->left = length;
    }
    return conn_answer(conn, &answer);
}

static bool answer_path(struct conn *conn, const struct http_request *request)
{
    struct http_file file;
    const enum http_status status = http_file_open(conn->server->root, request->path, &file);
    if (status != HTTP_OK)
        return answer_status(conn, status, request->head, "");
    const size_t path_len = strlen(request->path);
    const bool is_index = request->path[path_len - 1] == '/';
    const bool done =
        file.is_dir ? answer_directory(conn, request, file.fd)
                    : answer_file(conn, request, &file, is_index ? "index.html" : request->path);
    close(file.fd);
    return done;
}

static void log_answer(const struct conn *conn, const struct http_request *request,
                       enum http_status parsed)
{
    struct weir_status status;
    char ip[WEIR_IP_TEXT_MAX], path[HTTP_PATH_MAX * 3 + 8];
    if (!conn->server->verbose || weir_status(conn->server->weir, conn->handle, &status) != WEIR_OK)
        return;
    /* Escaped: a path is whatever the peer likes, and this goes to a terminal. */
    http_escape_path(parsed == HTTP_OK ? request->path : "", path, sizeof path);
    printf("%s %.3s %s %s\n", weir_ip_text(&status.remote.ip, ip), conn->text + 9,
           parsed != HTTP_OK ? "?"
           : request->head   ? "HEAD"
                             : "GET",
           path);
    fflush(stdout);
}

/* ---- The phases: each returns false when it can do no more now, or the connection is gone ---- */

static bool refused(struct conn *conn, enum weir_error error, weir_time now)
{
    if (error != WEIR_AGAIN && error != WEIR_NO_MEMORY)
        conn_end(conn, true, now);
    return false;
}

static bool start_answer(struct conn *conn, weir_time now)
{
    struct http_request request;
    size_t used = 0;
    const enum http_status parsed = http_request_parse(conn->head, conn->head_len, &request, &used);
    if (parsed == HTTP_INCOMPLETE)
        return false;
    conn->keep_alive = request.keep_alive;
    bool done;
    if (parsed == HTTP_OK)
        done = answer_path(conn, &request);
    else
        done = answer_status(conn, parsed, request.head,
                             parsed == HTTP_BAD_METHOD ? "Allow: GET, HEAD\r\n" : "");
    if (!done) {
        conn_end(conn, true, now);
        return false;
    }
    log_answer(conn, &request, parsed);
    conn->head_len -= used;
    memmove(conn->head, conn->head + used, conn->head_len);
    return true;
}

/* Reads until a head is complete. A pipelined request may be in the buffer already, so it is
 * looked at before anything is read; while an answer is being sent nothing is. */
static bool phase_request(struct conn *conn, weir_time now)
{
    for (;;) {
        if (conn->head_len > 0 && start_answer(conn, now))
            return true;
        if (conn->head_len == HTTP_HEAD_MAX) /* the parser refuses a full buffer */
            return false;
        size_t got = 0;
        const enum weir_error error =
            weir_recv(conn->server->weir, conn->handle, conn->head + conn->head_len,
                      HTTP_HEAD_MAX - conn->head_len, &got, now);
        if (error != WEIR_OK)
            return refused(conn, error, now);
        if (got == 0) {
            conn_end(conn, false, now);
            return false;
        }
        conn->head_len += got;
        conn->active = now;
    }
}

static bool answer_over(struct conn *conn, weir_time now)
{
    free(conn->text);
    conn->text = NULL;
    if (conn->file >= 0)
        close(conn->file);
    conn->file = -1;
    conn->phase = conn->keep_alive ? PHASE_REQUEST : PHASE_DRAIN;
    if (!conn->keep_alive)
        weir_shutdown(conn->server->weir, conn->handle, now);
    return true;
}

static bool phase_text(struct conn *conn, weir_time now)
{
    while (conn->text_off < conn->text_len) {
        size_t done = 0;
        const enum weir_error error =
            weir_send(conn->server->weir, conn->handle, conn->text + conn->text_off,
                      conn->text_len - conn->text_off, conn->file >= 0 ? WEIR_MORE : 0, &done, now);
        if (error != WEIR_OK)
            return refused(conn, error, now);
        conn->text_off += done;
        conn->active = now;
    }
    if (conn->file < 0)
        return answer_over(conn, now);
    conn->phase = PHASE_FILE;
    return true;
}

/* One read from the file into the send ring; how many octets, 0 for "not now", -1: it is over. */
static ssize_t fill_ring(struct conn *conn, size_t want, weir_time now)
{
    struct weir_span spans[SPAN_MAX];
    struct iovec pieces[SPAN_MAX];
    unsigned count = SPAN_MAX;
    struct weir *weir = conn->server->weir;
    enum weir_error error = weir_send_room(weir, conn->handle, want, spans, &count);
    if (error != WEIR_OK) {
        const bool wait = error == WEIR_AGAIN || error == WEIR_NO_MEMORY;
        refused(conn, error, now);
        return wait ? 0 : -1;
    }
    for (unsigned i = 0; i < count; i++)
        pieces[i] = (struct iovec){ spans[i].base, spans[i].len };
    const ssize_t got = preadv(conn->file, pieces, (int)count, (off_t)conn->offset);
    if (got <= 0) { /* the file shrank or cannot be read: the promised length cannot be kept */
        conn_end(conn, true, now);
        return -1;
    }
    conn->offset += (uint64_t)got;
    conn->left -= (uint64_t)got;
    error = weir_send_put(weir, conn->handle, (size_t)got, conn->left > 0 ? WEIR_MORE : 0, now);
    if (error != WEIR_OK) {
        conn_end(conn, true, now);
        return -1;
    }
    conn->active = now;
    return got;
}

static bool phase_file(struct conn *conn, weir_time now)
{
    size_t turn = TURN_OCTETS;
    while (conn->left > 0 && turn > 0) {
        const size_t want = conn->left < turn ? (size_t)conn->left : turn;
        const ssize_t got = fill_ring(conn, want, now);
        if (got <= 0)
            return false;
        turn -= (size_t)got;
    }
    if (conn->left == 0)
        return answer_over(conn, now);
    weir_rearm(conn->server->weir, conn->handle); /* still writable: come back */
    return false;
}

static bool phase_drain(struct conn *conn, weir_time now)
{
    char waste[4096];
    size_t got = 0;
    enum weir_error error;
    while ((error = weir_recv(conn->server->weir, conn->handle, waste, sizeof waste, &got, now)) ==
           WEIR_OK) {
        conn->drained += got;
        if (got == 0 || conn->drained > DRAIN_OCTETS) {
            conn_end(conn, false, now);
            return false;
        }
    }
    return refused(conn, error, now);
}

static void conn_run(struct conn *conn, weir_time now)
{
    static bool (*const phases[])(struct conn *, weir_time) = {
        [PHASE_REQUEST] = phase_request,
        [PHASE_TEXT] = phase_text,
        [PHASE_FILE] = phase_file,
        [PHASE_DRAIN] = phase_drain,
    };
    while (phases[conn->phase](conn, now))
        continue;
}

/* ---- The server ---- */

static void accept_all(struct http_server *server, weir_time now)
{
    weir_handle handle;
    while (server->conn_count < HTTP_SERVER_CONN_MAX &&
           weir_accept(server->weir, server->listener, &handle, now) == WEIR_OK)
        conn_add(server, handle, now);
}

void http_server_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct http_server *server = user;
    (void)weir;
    if (event->handle == server->listener)
        accept_all(server, now);
    else if (event->cookie != 0)
        conn_run((struct conn *)(uintptr_t)event->cookie, now);
}

/* A peer that takes long but takes something is not silent, even if there is no room to queue more
 * for it yet. */
static void notice_progress(struct conn *conn, weir_time now)
{
    struct weir_status status;
    if (weir_status(conn->server->weir, conn->handle, &status) != WEIR_OK)
        return;
    if (status.octets_acked != conn->acked)
        conn->active = now;
    conn->acked = status.octets_acked;
}

static void conn_silent(struct conn *conn, weir_time now)
{
    const bool started = conn->phase == PHASE_REQUEST && conn->head_len > 0;
    conn->keep_alive = false;
    conn->active = now;
    if (started && answer_status(conn, HTTP_TIMEOUT, false, ""))
        conn_run(conn, now);
    else /* draining: all is queued, and the stack sees to the rest by itself */
        conn_end(conn, conn->phase == PHASE_TEXT || conn->phase == PHASE_FILE, now);
}

static void sweep(void *user, weir_time now)
{
    struct http_server *server = user;
    struct conn *next;
    for (struct conn *conn = server->conns; conn != NULL; conn = next) {
        next = conn->next;
        const bool between = conn->phase == PHASE_REQUEST && conn->head_len == 0;
        const weir_time limit = conn->phase == PHASE_DRAIN ? LINGER : between ? KEPT : SILENCE;
        notice_progress(conn, now);
        if (now - conn->active >= limit)
            conn_silent(conn, now);
    }
    weir_loop_set_timer(server->loop, &server->sweep, now + SWEEP);
}

int http_server_open(struct http_server **opened, struct weir_loop *loop, struct weir *weir,
                     const struct http_server_config *config, char why[WEIR_LINE_MAX])
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        snprintf(why, WEIR_LINE_MAX, "out of memory");
        return -1;
    }
    server->loop = loop;
    server->weir = weir;
    server->verbose = config->verbose;
    server->root = open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (server->root < 0) {
        snprintf(why, WEIR_LINE_MAX, "%.100s: %s", config->directory, strerror(errno));
        free(server);
        return -1;
    }
    const struct weir_addr any = { .port = config->port };
    const enum weir_error error = weir_listen(weir, &any, BACKLOG, 0, &server->listener);
    if (error != WEIR_OK) {
        snprintf(why, WEIR_LINE_MAX, "port %u: %s", config->port, weir_error_text(error));
        close(server->root);
        free(server);
        return -1;
    }
    server->sweep = (struct weir_loop_timer){ .on_time = sweep, .user = server };
    weir_loop_set_timer(loop, &server->sweep, weir_loop_clock() + SWEEP);
    *opened = server;
    return 0;
}

void http_server_totals(const struct http_server *server, uint64_t *answers, uint64_t *octets)
{
    *answers = server->answers;
    *octets = server->octets;
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    const weir_time now = weir_loop_clock();
    while (server->conns != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): conn_free unlinks it. */
        conn_end(server->conns, true, now);
    weir_release(server->weir, server->listener, now);
    weir_loop_clear_timer(server->loop, &server->sweep);
    close(server->root);
    free(server);
}
