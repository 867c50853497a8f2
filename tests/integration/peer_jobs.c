/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE 65536 /* octets asked for at once */

static const char *const error_name[WEIR_ERROR_COUNT] = {
    [WEIR_OK] = "0",
    [WEIR_AGAIN] = "EAGAIN",
    [WEIR_BAD_HANDLE] = "EBADF",
    [WEIR_INVALID] = "EINVAL",
    [WEIR_NO_MEMORY] = "ENOBUFS",
    [WEIR_IN_USE] = "EADDRINUSE",
    [WEIR_NOT_LOCAL] = "EADDRNOTAVAIL",
    [WEIR_NET_UNREACH] = "ENETUNREACH",
    [WEIR_HOST_UNREACH] = "EHOSTUNREACH",
    [WEIR_NOT_CONN] = "ENOTCONN",
    [WEIR_IS_CONN] = "EISCONN",
    [WEIR_IN_PROGRESS] = "EINPROGRESS",
    [WEIR_REFUSED] = "ECONNREFUSED",
    [WEIR_RESET] = "ECONNRESET",
    [WEIR_ABORTED] = "ECONNABORTED",
    [WEIR_TIMED_OUT] = "ETIMEDOUT",
    [WEIR_PIPE] = "EPIPE",
    [WEIR_TOO_LONG] = "EMSGSIZE",
    [WEIR_NO_PROTO] = "ENOPROTOOPT",
    [WEIR_ACCESS] = "EACCES",
    [WEIR_PROTOCOL] = "EPROTO",
};

const char *peer_error_name(enum weir_error error)
{
    const unsigned i = error;
    return i < WEIR_ERROR_COUNT && error_name[i] != NULL ? error_name[i] : "EUNKNOWN";
}

void peer_reply(const char *tag, const char *format, ...)
{
    va_list args;
    printf("%s ", tag);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static void finish(struct peer_job *job, const char *word)
{
    job->active = false;
    peer_reply(job->tag, "%s %llu", word, (unsigned long long)job->done);
}

static void fail(struct peer_job *job, enum weir_error error)
{
    job->active = false;
    peer_reply(job->tag, "error %s %llu", peer_error_name(error), (unsigned long long)job->done);
}

static void progress_open(struct peer *peer, struct peer_socket *socket)
{
    const unsigned ready = weir_ready_now(peer->weir, socket->handle);
    if (ready & WEIR_CONNECTED)
        finish(&socket->open, "ok");
    else if (ready & (WEIR_ERROR | WEIR_HANGUP))
        fail(&socket->open, weir_error_take(peer->weir, socket->handle));
}

static void progress_accept(struct peer *peer, struct peer_socket *socket, weir_time now)
{
    struct peer_socket *conn = &peer->socket[socket->accept.waiting];
    const enum weir_error error = weir_accept(peer->weir, socket->handle, &conn->handle, now);
    if (error == WEIR_AGAIN)
        return;
    if (error == WEIR_OK) {
        conn->kind = PEER_CONN;
        finish(&socket->accept, "ok");
        return;
    }
    *conn = (struct peer_socket){ 0 };
    fail(&socket->accept, error);
}

static void progress_send(struct peer *peer, struct peer_socket *socket, weir_time now)
{
    struct peer_job *job = &socket->send;
    while (job->left > 0) {
        size_t sent = 0;
        const size_t want = job->left < PIECE ? (size_t)job->left : PIECE;
        const enum weir_error error =
            weir_send(peer->weir, socket->handle, job->from, want, 0, &sent, now);
        if (error == WEIR_AGAIN)
            return;
        if (error != WEIR_OK) {
            fail(job, error);
            return;
        }
        job->from += sent;
        job->left -= sent;
        job->done += sent;
    }
    finish(job, "ok");
}

/* False: the file could not be written, which is nobody's fault but the machine's. */
static bool store(const struct peer_job *job, const uint8_t *octets, size_t len)
{
    while (job->fd >= 0 && len > 0) {
        const ssize_t written = write(job->fd, octets, len);
        if (written <= 0)
            return false;
        octets += written;
        len -= (size_t)written;
    }
    return true;
}

static void progress_recv(struct peer *peer, struct peer_socket *socket, weir_time now)
{
    static uint8_t octets[PIECE];
    struct peer_job *job = &socket->recv;
    while (job->left > 0) {
        size_t got = 0;
        const size_t room = job->left < PIECE ? (size_t)job->left : PIECE;
        const enum weir_error error =
            weir_recv(peer->weir, socket->handle, octets, room, &got, now);
        if (error == WEIR_AGAIN)
            return;
        if (job->fd >= 0 && (error != WEIR_OK || got == 0))
            close(job->fd);
        if (error != WEIR_OK) {
            fail(job, error);
            return;
        }
        if (got == 0) {
            finish(job, "eof");
            return;
        }
        if (!store(job, octets, got)) {
            fail(job, WEIR_NO_MEMORY);
            return;
        }
        job->left -= got;
        job->done += got;
    }
    if (job->fd >= 0)
        close(job->fd);
    finish(job, "ok");
}

static void progress_datagram(struct peer *peer, struct peer_socket *socket)
{
    static uint8_t octets[PEER_DATAGRAM];
    struct peer_job *job = &socket->recv;
    struct weir_datagram info;
    enum weir_error error = weir_udp_recv(peer->weir, socket->handle, octets, sizeof octets, &info);
    if (error == WEIR_AGAIN) {
        error = weir_error_take(peer->weir, socket->handle);
        if (error == WEIR_OK)
            return;
    }
    if (error == WEIR_OK && store(job, octets, info.len)) {
        job->done = info.len;
        finish(job, "ok");
    } else {
        fail(job, error);
    }
    if (job->fd >= 0)
        close(job->fd);
}

enum weir_error peer_ping_next(struct peer *peer, struct peer_socket *socket, weir_time now)
{
    socket->ping_seq++;
    return weir_ping_send(peer->weir, socket->handle, &socket->ping_to, socket->ping_seq,
                          peer->data, socket->ping_len, now);
}

static void progress_ping(struct peer *peer, struct peer_socket *socket, weir_time now)
{
    static uint8_t octets[PEER_DATAGRAM];
    struct peer_job *job = &socket->recv;
    struct weir_datagram info;
    enum weir_error error = weir_udp_recv(peer->weir, socket->handle, octets, sizeof octets, &info);
    if (error == WEIR_AGAIN) {
        error = weir_error_take(peer->weir, socket->handle);
        if (error == WEIR_OK)
            return;
    } else if (error == WEIR_OK) {
        const bool same = info.len == socket->ping_len && info.seq == socket->ping_seq &&
                          memcmp(octets, peer->data, info.len) == 0;
        job->done += same;
        if (!same)
            error = WEIR_INVALID;
        else if (job->done < socket->ping_count)
            error = peer_ping_next(peer, socket, now);
    }
    if (error != WEIR_OK)
        fail(job, error);
    else if (job->done == socket->ping_count)
        finish(job, "ok");
}

void peer_progress(struct peer *peer, struct peer_socket *socket, weir_time now)
{
    if (socket->open.active)
        progress_open(peer, socket);
    if (socket->accept.active)
        progress_accept(peer, socket, now);
    if (socket->send.active)
        progress_send(peer, socket, now);
    if (!socket->recv.active)
        return;
    if (socket->kind == PEER_CONN)
        progress_recv(peer, socket, now);
    else if (socket->kind == PEER_UDP)
        progress_datagram(peer, socket);
    else if (socket->kind == PEER_PING)
        progress_ping(peer, socket, now);
}
