/* SPDX-License-Identifier: MIT */

/* The relay between D and the connection: what the program wrote goes into the send ring as that
 * has room, so that S's own queue is the unsent data; what was received goes out to D as that has
 * room, so that the window closes when the program does not read.
 *
 * An end of file is half a close on either side. A reset must be made visible: S reads an orderly
 * end when D is closed, unless D then has octets unread, which it reads as ECONNRESET. */

#include "ends.h"
#include "gate.h"
#include "udp.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: readv sendmsg shutdown ioctl getsockopt setsockopt */

#define TURN_OCTETS (256 * 1024) /* each way, before others have their turn */
#define CHUNK       (128 * 1024)

static void on_d(void *user, int fd, uint32_t ready, weir_time now);

void relay_watch_d(struct socket *socket, uint32_t events)
{
    const uint32_t wanted = events | EPOLLERR; /* never 0, so that 0 means not watched */
    if (socket->d < 0 || socket->d_events == wanted || end_both(socket))
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
    if (!socket->aborts)
        (void)weir_shutdown(socket->weird->weir, socket->handle, now);
    return DONE;
}

static enum outcome abort_now(struct socket *socket, weir_time now)
{
    (void)weir_abort(socket->weird->weir, socket->handle, now);
    socket_over(socket);
    return ENDED;
}

/* What was to be sent has had its turn. */
static void abort_waiting(void *user, weir_time now)
{
    struct weird *weird = user;
    while (weird->aborts != 0) {
        struct socket *socket = &weird->pool[weird->aborts - 1];
        relay_forget(socket);
        (void)abort_now(socket, now);
    }
}

void relay_forget(struct socket *socket)
{
    struct weird *weird = socket->weird;
    const uint32_t number = (uint32_t)(socket - weird->pool) + 1;
    uint32_t *at = &weird->aborts;
    if (!socket->waits_to_abort)
        return;
    while (*at != number)
        at = &weird->pool[*at - 1].aborts_next;
    *at = socket->aborts_next;
    socket->waits_to_abort = false;
}

/* A reset by the program: it set SO_LINGER to 0, or went without reading all it was sent. What it
 * wrote before goes out first as far as the window lets it, as it would have gone out of Linux when
 * it was written. The rest is thrown away. */
static enum outcome abort_conn(struct socket *socket, weir_time now)
{
    struct weird *weird = socket->weird;
    struct weir_status status;
    if (weir_status(weird->weir, socket->handle, &status) != WEIR_OK || status.unsent == 0)
        return abort_now(socket, now);
    weir_loop_remove_fd(weird->loop, socket->d);
    end_forget(socket);
    socket->d_events = 0;
    socket->waits_to_abort = true;
    socket->aborts_next = weird->aborts;
    weird->aborts = (uint32_t)(socket - weird->pool) + 1;
    weird->abort_timer.on_time = abort_waiting;
    weird->abort_timer.user = weird;
    /* After this round's output. */
    weir_loop_set_timer(weird->loop, &weird->abort_timer, now + 1);
    return ENDED;
}

/* Whether the next octet of D is one that the program sent with MSG_OOB. Reading stops before it.
 */
static bool is_urgent(const struct socket *socket)
{
    int at = 0;
    return socket->urgent_out && !socket->marked && ioctl(socket->d, SIOCATMARK, &at) == 0 &&
           at != 0;
}

static unsigned flags_of(struct socket *socket, size_t len, bool urgent)
{
    if (urgent)
        socket->urgent_out = false;
    if (len > 0) {
        socket->holds = len <= socket->more;
        socket->more -= socket->holds ? (uint32_t)len : socket->more;
    }
    return (urgent ? WEIR_URG : 0u) | (socket->holds ? WEIR_MORE : 0u);
}

/* Whether the loop will tell of what D still has, so that there is no need to read until nothing
 * comes any more. At weird's end the nothing itself is what we want to see. */
static bool tells_again(const struct socket *socket)
{
    return !socket->hung_up && !end_both(socket) && !socket->weird->ending;
}

/* A program that waits to write is to find out that nobody takes it: S must be writable for that.
 */
static void drop_written(int d)
{
    static char octets[CHUNK];
    while (octets_recv(d, octets, sizeof octets, 0) > 0)
        continue;
}

/* TCP takes no more. What came before the end the program can still read, if it is slow; its writes
 * fail from now on. */
static enum outcome no_more_out(struct socket *socket, enum weir_error error, weir_time now)
{
    struct weir_span span[1];
    unsigned count = 1;
    if (weir_recv_view(socket->weird->weir, socket->handle, span, &count) != WEIR_OK ||
        count == 0 || socket->gave_eof || socket->deaf) {
        relay_failed(socket, error, now);
        return ENDED;
    }
    socket->late = error;
    socket->read_eof = true;
    (void)shutdown(socket->d, SHUT_RD);
    drop_written(socket->d);
    return DONE;
}

/* The end of what a program wrote needs no room, and when memory is short it is the ends of others
 * that make some. */
static enum outcome without_room(struct socket *socket, weir_time now)
{
    char octet;
    const ssize_t got = octets_recv(socket->d, &octet, 1, MSG_PEEK);
    if (got == 0)
        return end_of_program(socket, now);
    if (got < 0 && errno == ECONNRESET)
        return abort_conn(socket, now);
    return BLOCKED;
}

static enum outcome pump_out(struct socket *socket, weir_time now)
{
    struct weir *weir = socket->weird->weir;
    for (size_t total = 0; total < TURN_OCTETS;) {
        if (socket->read_eof)
            return DONE;
        if (end_reached(socket))
            return end_of_program(socket, now);
        struct weir_span span[WEIR_SPANS];
        struct iovec iov[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        const bool urgent = is_urgent(socket);
        const enum weir_error error =
            weir_send_room(weir, socket->handle, urgent ? 1 : CHUNK, span, &count);
        if (error == WEIR_AGAIN)
            return without_room(socket, now);
        if (error != WEIR_OK)
            return no_more_out(socket, error, now);
        size_t room = 0;
        for (unsigned i = 0; i < count; i++) {
            iov[i] = (struct iovec){ span[i].base, span[i].len };
            room += span[i].len;
        }
        const ssize_t got = readv(socket->d, iov, (int)count);
        if (got == 0)
            return end_of_program(socket, now);
        if (got < 0 && errno == ECONNRESET)
            return abort_conn(socket, now);
        if (got < 0 && socket->weird->ending)
            return end_of_program(socket, now); /* what comes now nobody takes any more */
        /* With nothing there the room goes back to those who have something to send. */
        const size_t len = got < 0 ? 0 : (size_t)got;
        const unsigned flags = flags_of(socket, len, urgent && len > 0);
        if (weir_send_put(weir, socket->handle, len, flags, now) != WEIR_OK || got < 0)
            return DONE;
        total += len;
        if (len < room && tells_again(socket))
            return DONE;
    }
    return MORE;
}

/* ---- The peer's octets ---- */

/* Writes to S. Up to the urgent octet, if there is one ahead; that goes with MSG_OOB, as which it
 * stays: S then has its own mark. */
static ssize_t give(struct socket *socket, struct iovec *iov, unsigned count, size_t len)
{
    uint32_t ahead;
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const bool urgent =
        weir_urgent(socket->weird->weir, socket->handle, &ahead) == WEIR_OK && ahead <= len;
    if (urgent) {
        size_t left = ahead;
        for (unsigned i = 0; i < count; i++) {
            iov[i].iov_len = iov[i].iov_len < left ? iov[i].iov_len : left;
            left -= iov[i].iov_len;
        }
        flags |= MSG_OOB;
    }
    const struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
    const ssize_t put = sendmsg(socket->d, &message, flags);
    if (put > 0 && urgent && (size_t)put == ahead) {
        socket->urgent_in = true;
        socket->after_urgent = 0;
    } else if (put > 0) {
        socket->after_urgent += (uint32_t)put;
    }
    return put;
}

/* The program does not keep up: from here on more may wait for it. False: that was done before. */
static bool widen(struct socket *socket)
{
    const int room = D_SNDBUF_WIDE;
    if (socket->wide)
        return false;
    socket->wide = true;
    return setsockopt(socket->d, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0;
}

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
        if (count == 0 && socket->late != WEIR_OK) {
            relay_failed(socket, socket->late, now);
            return ENDED;
        }
        if (count == 0) {
            end_give(socket);
            return DONE;
        }
        size_t len = 0;
        for (unsigned i = 0; i < count; i++) {
            iov[i] = (struct iovec){ span[i].base, span[i].len };
            len += span[i].len;
        }
        if (socket->shut_rd && socket->read_eof && !socket->hung_up) {
            /* RFC 1122, 4.2.2.13: octets that nobody can take any more are answered by a reset. */
            (void)weir_abort(weir, socket->handle, now);
            relay_failed(socket, WEIR_RESET, now);
            return ENDED;
        }
        if (!socket->deaf) {
            const ssize_t put = give(socket, iov, count, len);
            if (put < 0 && errno == EAGAIN && widen(socket))
                continue;
            if (put < 0 && errno == EAGAIN)
                return BLOCKED;
            socket->deaf = put < 0; /* EPIPE: it has shut down its reading */
            len = put >= 0 ? (size_t)put : len;
        }
        socket->dropped = socket->deaf;
        if (socket->deaf && socket->hung_up)
            return DONE; /* unread data at a close */
        if (weir_recv_took(weir, socket->handle, len, now) != WEIR_OK)
            return DONE;
        socket->data_at = now;
        total += len;
    }
    weir_rearm(weir, socket->handle);
    return MORE;
}

/* ---- Ends ---- */

/* Closes D so that S reads `error` as ECONNRESET behind what it has not read yet. */
void relay_failed(struct socket *socket, enum weir_error error, weir_time now)
{
    if (error == WEIR_PIPE && !socket->gave_eof) /* nothing more to send; the rest goes on */
        error = WEIR_RESET;
    socket->error = weir_errno(error);
    if (end_reset(socket)) {
        socket_over(socket);
        return;
    }
    if (socket->handle != WEIR_NO_HANDLE)
        (void)weir_release(socket->weird->weir, socket->handle, now);
    socket->handle = WEIR_NO_HANDLE;
    relay_watch_d(socket, 0);
}

/* Whether S went without having read everything: behind the mark we do not read that. */
static bool end_unread(const struct socket *socket)
{
    int error = 0;
    socklen_t len = sizeof error;
    struct weir_status status;
    if (weir_status(socket->weird->weir, socket->handle, &status) != WEIR_OK ||
        status.state == WEIR_TIME_WAIT || status.state == WEIR_CLOSED)
        return false;
    return socket->marked && getsockopt(socket->d, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
           error == ECONNRESET;
}

/* S is gone: what it wrote is still sent, then it is over. */
static void last_words(struct socket *socket, weir_time now)
{
    struct weird *weird = socket->weird;
    struct weir_span span[1];
    unsigned count = 1;
    const bool unread =
        weir_recv_view(weird->weir, socket->handle, span, &count) == WEIR_OK && count > 0;
    socket->aborts = (socket->linger && socket->linger_seconds == 0) || socket->dropped ||
                     (unread && !socket->deaf);
    enum outcome outcome = MORE;
    while (outcome == MORE)
        outcome = pump_out(socket, now);
    if (socket->aborts && outcome != ENDED) {
        (void)abort_conn(socket, now);
    } else if (outcome == BLOCKED) { /* the loop would tell of the hang-up again and again */
        weir_loop_remove_fd(weird->loop, socket->d);
        socket->d_events = 0;
    } else if (outcome == DONE && end_unread(socket)) {
        (void)abort_conn(socket, now);
    } else if (outcome == DONE && socket->lingers) { /* linger.c ends it */
        weir_loop_remove_fd(weird->loop, socket->d);
        socket->d_events = 0;
    } else if (outcome == DONE) {
        socket_over(socket);
    }
}

void relay_pump(struct socket *socket, weir_time now)
{
    if (socket->state != SOCKET_CONNECTED || socket->d < 0 || socket->waits_to_abort)
        return;
    if (socket->owed_reset) {
        if (socket->hung_up)
            socket_over(socket);
        return;
    }
    if (socket->hung_up) {
        last_words(socket, now);
        return;
    }
    const enum outcome in = pump_in(socket, now);
    if (in == ENDED)
        return;
    enum outcome out = pump_out(socket, now);
    while (out == MORE && end_both(socket)) /* D is out of the loop: nobody calls again */
        out = pump_out(socket, now);
    if (out == ENDED)
        return;
    const bool listen_in = !socket->read_eof && out != BLOCKED;
    relay_watch_d(socket, (listen_in ? EPOLLIN : 0u) | (in == BLOCKED ? EPOLLOUT : 0u));
    exact_look(socket, now);
}

/* D is asked by the loop what it has for us, and need not be by us. */
static bool may_only_receive(const struct socket *socket)
{
    return socket->state == SOCKET_CONNECTED && socket->d >= 0 && !socket->owed_reset &&
           tells_again(socket) && (socket->d_events & EPOLLIN) != 0;
}

static void receive(struct socket *socket, weir_time now)
{
    const enum outcome in = pump_in(socket, now);
    if (in == ENDED)
        return;
    if (tells_again(socket)) {
        relay_watch_d(socket, EPOLLIN | (in == BLOCKED ? EPOLLOUT : 0u));
        exact_look(socket, now);
    } else {
        relay_pump(socket, now); /* that was the peer's end */
    }
}

static void on_d(void *user, int fd, uint32_t ready, weir_time now)
{
    struct socket *socket = user;
    (void)fd;
    if ((ready & (EPOLLHUP | EPOLLERR)) != 0)
        socket->hung_up = true;
    if (socket->state == SOCKET_CONNECTING && socket->fast)
        fast_begin(socket, now);
    else if (socket->state == SOCKET_CONNECTING && socket->hung_up)
        socket_over(socket); /* closed before there was a connection */
    else
        relay_pump(socket, now);
}

/* The program's own bound, if there is one, was set when the connection began. */
static void bound_window(const struct socket *socket, weir_time rtt_min, weir_time now)
{
    const bool given =
        (socket->option_set >> WEIR_OPT_RCVBUF & 1) != 0 || socket->kept[KEPT_WINDOW_CLAMP] != 0;
    if (rtt_min > 0 && rtt_min <= NEAR && !given)
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_RCVBUF, NEAR_WINDOW, now);
}

void relay_start(struct socket *socket, weir_time rtt_min, weir_time now)
{
    socket->data_at = now;
    bound_window(socket, rtt_min, now);
    relay_watch_d(socket, EPOLLIN);
    if (may_only_receive(socket))
        receive(socket, now);
    else
        relay_pump(socket, now);
}

/* ---- What the stack says ---- */

void relay_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct weird *weird = user;
    if (dhcp_event(weird, event, now))
        return;
    if (udp_event(weird, event, now) || gate_event(weird, event, now))
        return;
    struct socket *socket = socket_find(weird, event->cookie);
    if (socket == NULL || socket->handle != event->handle)
        return;
    if (socket->state == SOCKET_LISTENING)
        listener_event(socket, now);
    else if (socket->waits_to_abort)
        return;
    else if (socket->state == SOCKET_CONNECTING)
        connect_event(socket, event->ready, now);
    else if (socket->gave_eof && (event->ready & WEIR_ERROR) != 0)
        relay_failed(socket, weir_error_take(weir, event->handle), now);
    else if ((event->ready & (WEIR_ERROR | WEIR_HANGUP)) == 0 && may_only_receive(socket))
        receive(socket, now);
    else
        relay_pump(socket, now);
}
