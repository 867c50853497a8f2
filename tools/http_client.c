/* SPDX-License-Identifier: MIT */
#include "http_client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SPAN_MAX 64

/* ---- The end ---- */

static void client_over(struct http_client *client, weir_time now)
{
    if (client->over)
        return;
    client->over = true;
    client->ended = now;
    weir_loop_clear_timer(client->loop, &client->watchdog);
    weir_shutdown(client->weir, client->handle, now);
    weir_loop_stop(client->loop);
}

__attribute__((format(printf, 3, 4))) static bool client_fail(struct http_client *client,
                                                              weir_time now, const char *format,
                                                              ...)
{
    if (client->over)
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(client->wrong, sizeof client->wrong, format, args);
    va_end(args);
    client->failed = true;
    weir_abort(client->weir, client->handle, now);
    client_over(client, now);
    return false;
}

static void client_ended_early(struct http_client *client, weir_time now)
{
    if (client->response.has_length && client->in_content)
        client_fail(client, now, "the connection ended after %" PRIu64 " of %" PRIu64 " octets",
                    client->octets, client->response.length);
    else if (client->in_content)
        client_fail(client, now, "the connection ended in the middle of the content");
    else
        client_fail(client, now, "the connection ended without an answer");
}

/* ---- Content ---- */

/* Writes the whole of what the pieces show. Blocking: a slow disk closes the window by itself. */
static bool write_all(struct http_client *client, struct iovec *pieces, unsigned count,
                      weir_time now)
{
    while (count > 0) {
        const ssize_t written = writev(client->out, pieces, (int)count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return client_fail(client, now, "output: %s", strerror(errno));
        client->octets += (uint64_t)written;
        size_t left = (size_t)written;
        while (count > 0 && left >= pieces->iov_len) {
            left -= pieces->iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + left;
            pieces->iov_len -= left;
        }
    }
    return true;
}

/* How much of `len` octets belongs to the content, as far as its length says. */
static size_t within_content(const struct http_client *client, uint64_t ahead, size_t len)
{
    if (!client->response.has_length)
        return len;
    const uint64_t left = client->response.length - client->octets - ahead;
    return left < len ? (size_t)left : len;
}

static bool content_complete(const struct http_client *client)
{
    if (client->response.chunked)
        return client->chunks.done;
    return client->response.has_length && client->octets == client->response.length;
}

static bool take_chunked(struct http_client *client, const uint8_t *data, size_t len, weir_time now)
{
    while (len > 0 && !client->chunks.done) {
        size_t content;
        const size_t used = http_chunks_next(&client->chunks, data, len, &content);
        if (client->chunks.bad)
            return client_fail(client, now, "the chunked coding is broken");
        struct iovec piece = { (void *)(uintptr_t)(data + used), content };
        if (content > 0 && !write_all(client, &piece, 1, now))
            return false;
        data += used + content;
        len -= used + content;
    }
    return true;
}

/* Content that lies in the receive ring goes to the output in one writev. */
static bool take_content(struct http_client *client, const struct weir_span *spans, unsigned count,
                         weir_time now)
{
    struct iovec pieces[SPAN_MAX];
    unsigned piece_count = 0;
    uint64_t ahead = 0;
    for (unsigned i = 0; i < count; i++) {
        if (client->response.chunked) {
            if (!take_chunked(client, spans[i].base, spans[i].len, now))
                return false;
            continue;
        }
        const size_t len = within_content(client, ahead, spans[i].len);
        if (len == 0)
            break;
        pieces[piece_count++] = (struct iovec){ spans[i].base, len };
        ahead += len;
    }
    return write_all(client, pieces, piece_count, now);
}

/* ---- The head of the answer ---- */

static bool begin_content(struct http_client *client, size_t used, weir_time now)
{
    struct http_response *response = &client->response;
    if (response->status == 204 || response->status == 304) {
        response->has_length = true;
        response->chunked = false;
        response->length = 0;
    }
    client->in_content = true;
    struct weir_span rest = { (uint8_t *)client->head + used, client->head_len - used };
    if (response->status >= 300) {
        client_over(client, now); /* the page that explains it is not what was asked for */
        return true;
    }
    client->out = client->config->open_out(client->config->user);
    if (client->out < 0)
        return client_fail(client, now, "output: %s", strerror(-client->out));
    if (!take_content(client, &rest, 1, now))
        return false;
    if (content_complete(client))
        client_over(client, now);
    return true;
}

static bool take_head(struct http_client *client, weir_time now)
{
    size_t got = 0;
    const enum weir_error error =
        weir_recv(client->weir, client->handle, client->head + client->head_len,
                  sizeof client->head - client->head_len, &got, now);
    if (error == WEIR_AGAIN)
        return false;
    if (error != WEIR_OK)
        return client_fail(client, now, "%s", weir_error_text(error));
    if (got == 0) {
        client_ended_early(client, now);
        return false;
    }
    client->head_len += got;
    client->active = now;
    size_t used = 0;
    for (;;) {
        const char *wrong =
            http_response_parse(client->head, client->head_len, &client->response, &used);
        if (wrong != NULL && *wrong != '\0')
            return client_fail(client, now, "%s", wrong);
        if (wrong != NULL) {
            client->response.status = 0;
            return true;
        }
        if (client->response.status >= 200)
            return begin_content(client, used, now);
        client->head_len -= used; /* 1xx: the real one follows (RFC 9110, 15.2) */
        memmove(client->head, client->head + used, client->head_len);
        if (client->head_len == 0)
            return true;
    }
}

/* ---- Events ---- */

static void send_request(struct http_client *client, weir_time now)
{
    while (client->request_off < client->request_len) {
        size_t done = 0;
        const enum weir_error error =
            weir_send(client->weir, client->handle, client->request + client->request_off,
                      client->request_len - client->request_off, 0, &done, now);
        if (error != WEIR_OK)
            return; /* an error comes as an event of its own */
        client->request_off += done;
    }
}

static bool receive(struct http_client *client, weir_time now)
{
    if (!client->in_content)
        return take_head(client, now);
    struct weir_span spans[SPAN_MAX];
    unsigned count = SPAN_MAX;
    const enum weir_error error = weir_recv_view(client->weir, client->handle, spans, &count);
    if (error == WEIR_AGAIN)
        return false;
    if (error != WEIR_OK)
        return client_fail(client, now, "%s", weir_error_text(error));
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += spans[i].len;
    if (len == 0) {
        const bool by_close = !client->response.has_length && !client->response.chunked;
        if (by_close) /* an answer without length lasts until the peer closes */
            client_over(client, now);
        else
            client_ended_early(client, now);
        return false;
    }
    client->active = now;
    if (!take_content(client, spans, count, now))
        return false;
    if (weir_recv_took(client->weir, client->handle, len, now) != WEIR_OK)
        return client_fail(client, now, "the connection was lost");
    if (content_complete(client))
        client_over(client, now);
    return true;
}

/* After the transfer: what still comes is not wanted; both directions shall end. */
static void wait_for_end(struct http_client *client, const struct weir_event *event, weir_time now)
{
    char waste[4096];
    size_t got = 0;
    while (weir_recv(client->weir, client->handle, waste, sizeof waste, &got, now) == WEIR_OK &&
           got > 0)
        continue;
    if ((event->ready & (WEIR_HANGUP | WEIR_ERROR)) != 0) {
        client->closed = true;
        weir_loop_stop(client->loop);
    }
}

void http_client_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct http_client *client = user;
    (void)weir;
    if (event->handle != client->handle)
        return;
    if (!client->over && (event->ready & WEIR_CONNECTED) != 0 && client->connected == 0) {
        client->connected = now;
        client->active = now;
    }
    if (!client->over && client->connected != 0)
        send_request(client, now);
    if (!client->over && (event->ready & (WEIR_READABLE | WEIR_EOF)) != 0)
        while (!client->over && receive(client, now))
            continue;
    if (!client->over && (event->ready & WEIR_ERROR) != 0) {
        const enum weir_error error = weir_error_take(client->weir, client->handle);
        client_fail(client, now, "%s%s", weir_error_text(error),
                    client->connected == 0 ? "" : " in the middle of the transfer");
    }
    if (client->over)
        wait_for_end(client, event, now);
}

static void watchdog(void *user, weir_time now)
{
    struct http_client *client = user;
    const weir_time limit = client->active + client->config->silence;
    if (now < limit) {
        weir_loop_set_timer(client->loop, &client->watchdog, limit);
        return;
    }
    const long long seconds = client->config->silence / WEIR_SECOND;
    if (client->connected == 0)
        client_fail(client, now, "no answer for %lld s", seconds);
    else
        client_fail(client, now, "the server was silent for %lld s", seconds);
}

int http_client_start(struct http_client *client, struct weir_loop *loop, struct weir *weir,
                      const struct http_client_config *config)
{
    char authority[URL_AUTHORITY_MAX];
    const weir_time now = weir_loop_clock();
    *client = (struct http_client){ .config = config, .loop = loop, .weir = weir, .out = -1 };
    client->request_len =
        (size_t)snprintf(client->request, sizeof client->request,
                         "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: weir\r\n"
                         "Accept: */*\r\nConnection: close\r\n\r\n",
                         config->url->target, url_authority(config->url, authority));
    client->began = client->active = now;
    const enum weir_error error = weir_connect(weir, NULL, &config->remote, &client->handle, now);
    if (error != WEIR_IN_PROGRESS && error != WEIR_OK) {
        snprintf(client->wrong, sizeof client->wrong, "%s", weir_error_text(error));
        return -1;
    }
    client->watchdog = (struct weir_loop_timer){ .on_time = watchdog, .user = client };
    weir_loop_set_timer(loop, &client->watchdog, now + config->silence);
    return 0;
}

void http_client_close(struct http_client *client)
{
    weir_loop_clear_timer(client->loop, &client->watchdog);
    weir_release(client->weir, client->handle, weir_loop_clock());
}
