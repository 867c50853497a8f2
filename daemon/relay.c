/* SPDX-License-Identifier: MIT */

/* The relay between D and the connection: what the program wrote goes into the send ring as that
 * has room, so that S's own queue is the unsent data; what was received goes out to D as that has
 * room, so that the window closes when the program does not read.
 *
 * An end of file is half a close on either side. A reset must be made visible: S reads an orderly
 * end when D is closed, unless D then has octets unread, which it reads as ECONNRESET. */

#include "udp.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: readv sendmsg sendto shutdown ioctl close */

#define TURN_OCTETS (256 * 1024) /* each way, before others have their turn */
#define CHUNK       (128 * 1024)

static void on_d(void *user, int fd, uint32_t ready, weir_time now);

void relay_watch_d(struct socket *socket, uint32_t events)
{
    const uint32_t wanted = events | EPOLLERR; /* never 0, so that 0 means not watched */
    if (socket->d < 0 || socket->d_events == wanted)
        return;
    if (weir_loop_add_fd(socket->weird->loop, socket->d, events, on_d, socket) == 0)
        socket->d_events = wanted;
}

/* ---- The program's octets ---- */

enum outcome {
    DONE,    /* nothing more now */
    BLOCKED, /* the send ring is full, or D is */
    MORE,    /* the turn is over */
    ENDED,   /* the socket is over, and may be gone */
};

static enum outcome end_of_program(struct socket *socket, weir_time now)
{
    socket->read_eof = true;
    (void)weir_shutdown(socket->weird->weir, socket->handle, now);
    return DONE;
}

/* The program went without reading all it was sent. */
static enum outcome abort_conn(struct socket *socket, weir_time now)
{
    (void)weir_abort(socket->weird->weir, socket->handle, now);
    socket_over(socket);
    return ENDED;
}

static enum outcome pump_out(struct socket *socket, weir_time now)
{
    struct weir *weir = socket->weird->weir;
    for (size_t total = 0; total < TURN_OCTETS;) {
        if (socket->read_eof)
            return DONE;
        struct weir_span span[WEIR_SPANS];
        struct iovec iov[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        const enum weir_error error = weir_send_room(weir, socket->handle, CHUNK, span, &count);
        if (error == WEIR_AGAIN)
            return BLOCKED;
        if (error != WEIR_OK) {
            relay_failed(socket, error, now);
            return ENDED;
        }
        for (unsigned i = 0; i < count; i++)
            iov[i] = (struct iovec){ span[i].base, span[i].len };
        const ssize_t got = readv(socket->d, iov, (int)count);
        if (got == 0)
            return end_of_program(socket, now);
        if (got < 0 && errno == ECONNRESET)
            return abort_conn(socket, now);
        /* With nothing there the room goes back to those who have something to send. */
        const size_t len = got < 0 ? 0 : (size_t)got;
        if (weir_send_put(weir, socket->handle, len, 0, now) != WEIR_OK || got < 0)
            return DONE;
        total += (size_t)got;
    }
    return MORE;
}

/* ---- The peer's octets ---- */

static enum outcome pump_in(struct socket *socket, weir_time now)
{
    struct weir *weir = socket->weird->weir;
    for (size_t total = 0; total < TURN_OCTETS;) {
        if (socket->gave_eof)
            return DONE;
        struct weir_span span[WEIR_SPANS];
        struct iovec iov[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        const enum weir_error error = weir_recv_view(weir, socket->handle, span, &count);
        if (error == WEIR_AGAIN)
            return DONE;
        if (error != WEIR_OK) {
            relay_failed(socket, error, now);
            return ENDED;
        }
        if (count == 0) {
            socket->gave_eof = true;
            (void)shutdown(socket->d, SHUT_WR);
            return DONE;
        }
        size_t len = 0;
        for (unsigned i = 0; i < count; i++) {
            iov[i] = (struct iovec){ span[i].base, span[i].len };
            len += span[i].len;
        }
        if (!socket->deaf) {
            const struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
            const ssize_t put = sendmsg(socket->d, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (put < 0 && errno == EAGAIN)
                return BLOCKED;
            socket->deaf = put < 0; /* EPIPE: it has shut down its reading */
            len = put >= 0 ? (size_t)put : len;
        }
        if (socket->deaf && socket->hung_up)
            return DONE; /* unread data at a close */
        if (weir_recv_took(weir, socket->handle, len, now) != WEIR_OK)
            return DONE;
        total += len;
    }
    weir_rearm(weir, socket->handle);
    return MORE;
}

/* ---- Ends ---- */

/* Closes D so that S reads `error` as ECONNRESET behind what it has not read yet. */
void relay_failed(struct socket *socket, enum weir_error error, weir_time now)
{
    (void)now;
    int unread = 0;
    if (error == WEIR_PIPE && !socket->gave_eof) /* nothing more to send; the rest goes on */
        error = WEIR_RESET;
    socket->error = errno_of(error);
    if (socket->d >= 0 && ioctl(socket->d, FIONREAD, &unread) == 0 && unread == 0) {
        const int s = socket_fetch(socket);
        if (s >= 0) {
            (void)send(s, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
            close(s);
        }
    }
    socket_over(socket);
}

/* S is gone, or both its directions are: what it wrote is still sent, then it is over. */
static void last_words(struct socket *socket, weir_time now)
{
    struct weird *weird = socket->weird;
    struct weir_span span[1];
    unsigned count = 1;
    if (socket->linger && socket->linger_seconds == 0) {
        (void)abort_conn(socket, now);
        return;
    }
    const bool unread =
        weir_recv_view(weird->weir, socket->handle, span, &count) == WEIR_OK && count > 0;
    if (unread && !socket->deaf) {
        socket_over(socket); /* releasing it resets */
        return;
    }
    enum outcome outcome = MORE;
    while (outcome == MORE)
        outcome = pump_out(socket, now);
    if (outcome == BLOCKED) { /* the loop would tell of the hang-up again and again */
        weir_loop_remove_fd(weird->loop, socket->d);
        socket->d_events = 0;
    } else if (outcome == DONE) {
        socket_over(socket);
    }
}

void relay_pump(struct socket *socket, weir_time now)
{
    if (socket->state != SOCKET_CONNECTED || socket->d < 0)
        return;
    if (socket->hung_up) {
        last_words(socket, now);
        return;
    }
    const enum outcome in = pump_in(socket, now);
    if (in == ENDED)
        return;
    const enum outcome out = pump_out(socket, now);
    if (out == ENDED)
        return;
    const bool listen_in = !socket->read_eof && out != BLOCKED;
    relay_watch_d(socket, (listen_in ? EPOLLIN : 0u) | (in == BLOCKED ? EPOLLOUT : 0u));
}

static void on_d(void *user, int fd, uint32_t ready, weir_time now)
{
    struct socket *socket = user;
    (void)fd;
    if ((ready & (EPOLLHUP | EPOLLERR)) != 0)
        socket->hung_up = true;
    if (socket->state == SOCKET_CONNECTING && socket->hung_up)
        socket_over(socket); /* closed before there was a connection */
    else
        relay_pump(socket, now);
}

void relay_start(struct socket *socket, weir_time now)
{
    relay_watch_d(socket, EPOLLIN);
    relay_pump(socket, now);
}

/* ---- What the stack says ---- */

void relay_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct weird *weird = user;
    if (udp_event(weird, event, now))
        return;
    struct socket *socket = socket_find(weird, event->cookie);
    if (socket == NULL || socket->handle != event->handle)
        return;
    if (socket->state == SOCKET_LISTENING)
        listener_event(socket, now);
    else if (socket->state == SOCKET_CONNECTING)
        connect_event(socket, event->ready, now);
    else if (socket->gave_eof && (event->ready & WEIR_ERROR) != 0)
        relay_failed(socket, weir_error_take(weir, event->handle), now);
    else
        relay_pump(socket, now);
}
