/* SPDX-License-Identifier: MIT */

/* TCP_FASTOPEN_CONNECT and MSG_FASTOPEN: the first octets go with the SYN (RFC 7413), if a cookie
 * of the server's is known; else the SYN asks for one, and they follow it. */

#include "ends.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: readv */

#define OCTETS_MAX 65536 /* of one call; a short count is ordinary on a stream */

static char octets[OCTETS_MAX];

/* Up to OCTETS_MAX of the program's; -1: not its memory. */
static ssize_t gather(pid_t pid, uint64_t at, uint64_t len)
{
    const size_t part = len < sizeof octets ? (size_t)len : sizeof octets;
    return part == 0 || memory_read(pid, at, octets, part) ? (ssize_t)part : -1;
}

/* ---- TCP_FASTOPEN_CONNECT ---- */

static bool client_enabled(const struct weir *weir)
{
    struct weir_config config;
    weir_config_now(weir, &config);
    return (config.fastopen & WEIR_FASTOPEN_CLIENT) != 0;
}

void fast_ask(struct socket *socket, weir_time now)
{
    const enum weir_option which = socket->kept[KEPT_FASTOPEN_NO_COOKIE] != 0
                                       ? WEIR_OPT_FASTOPEN_NO_COOKIE
                                       : WEIR_OPT_FASTOPEN;
    (void)weir_set(socket->weird->weir, socket->handle, which, 1, now);
}

bool fast_defer(struct call *call, const struct weir_addr *addr)
{
    struct socket *socket = call->socket;
    const struct weir *weir = call->weird->weir;
    const bool plain = socket->kept[KEPT_FASTOPEN_NO_COOKIE] != 0 && client_enabled(weir);
    if ((!plain && !weir_fastopen_known(weir, &addr->ip, call->now)) ||
        !socket_meet(socket, call->s))
        return false;
    socket->remote = *addr;
    socket->state = SOCKET_CONNECTING;
    socket->fast = true;
    relay_watch_d(socket, EPOLLIN);
    call_value(call, 0);
    return true;
}

/* What the program has written, into the SYN as far as it goes. */
static void fill_syn(struct socket *socket, weir_time now)
{
    struct weir *weir = socket->weird->weir;
    struct weir_span span[WEIR_SPANS];
    struct iovec iov[WEIR_SPANS];
    unsigned count = WEIR_SPANS;
    if (weir_send_room(weir, socket->handle, OCTETS_MAX, span, &count) != WEIR_OK)
        return; /* it follows the handshake */
    for (unsigned i = 0; i < count; i++)
        iov[i] = (struct iovec){ span[i].base, span[i].len };
    const ssize_t got = readv(socket->d, iov, (int)count);
    (void)!weir_send_put(weir, socket->handle, got > 0 ? (size_t)got : 0, 0, now);
}

void fast_begin(struct socket *socket, weir_time now)
{
    char octet;
    if (socket->handle == WEIR_NO_HANDLE) {
        if (octets_recv(socket->d, &octet, 1, MSG_PEEK) <= 0) { /* closed without a word */
            socket_over(socket);
            return;
        }
        const struct weir_addr remote = socket->remote;
        const enum weir_error error = connect_open(socket, &remote, now);
        if (error != WEIR_OK) {
            relay_failed(socket, error, now);
            return;
        }
        fill_syn(socket, now);
    }
    /* The rest waits for the handshake; an end would be told of again and again. */
    if (socket->hung_up) {
        weir_loop_remove_fd(socket->weird->loop, socket->d);
        socket->d_events = 0;
    } else {
        relay_watch_d(socket, 0);
    }
}

/* ---- MSG_FASTOPEN ---- */

static int error_of(const struct call *call, const struct fast_message *message,
                    struct weir_addr *addr)
{
    bool unspec = false;
    if (!client_enabled(call->weird->weir))
        return EOPNOTSUPP;
    if (call->socket->state == SOCKET_CONNECTED)
        return EISCONN;
    if (call->socket->state == SOCKET_CONNECTING)
        return EALREADY;
    if (message->name == 0)
        return EINVAL;
    const int error = address_read(call, message->name, message->name_len, addr, &unspec);
    if (error != 0 || unspec)
        return error != 0 ? error : EOPNOTSUPP;
    return addr->port == 0 ? ECONNREFUSED : 0;
}

static void start(struct call *call, const struct fast_message *message,
                  const struct weir_addr *addr)
{
    struct socket *socket = call->socket;
    size_t done = 0;
    const ssize_t len = gather(call->pid, message->at, message->len);
    const enum weir_error error = len < 0 ? WEIR_INVALID : connect_open(socket, addr, call->now);
    if (error != WEIR_OK) {
        call_error(call, len < 0                 ? EFAULT
                         : error == WEIR_INVALID ? ENETUNREACH
                                                 : weir_errno(error));
        return;
    }
    /* As Linux: the SYN's octets are taken now, the rest after the handshake. */
    int64_t room = 0;
    if (socket->kept[KEPT_FASTOPEN_CONNECT] == 0)
        fast_ask(socket, call->now);
    (void)weir_get(call->weird->weir, socket->handle, WEIR_OPT_FASTOPEN, &room);
    const size_t want = len < room ? (size_t)len : (size_t)room;
    if (want > 0 &&
        weir_send(call->weird->weir, socket->handle, octets, want, 0, &done, call->now) != WEIR_OK)
        done = 0;
    if (message->waits) {
        struct parked *parked = connect_wait(call, false);
        if (parked != NULL) {
            parked->addr = message->at;
            parked->addrlen = message->len;
            parked->fast = 1 + (uint32_t)done;
        }
    } else if (!connect_hold(socket, call->s)) {
        socket_over(socket);
        call_error(call, ENOBUFS);
    } else {
        call_answer(call->run, call->id, done > 0 ? (int64_t)done : -EINPROGRESS);
    }
}

bool fast_send(struct call *call, const struct fast_message *message)
{
    struct weir_addr addr;
    const enum socket_state state = call->socket->state;
    if (state != SOCKET_FRESH && state != SOCKET_CONNECTING && state != SOCKET_CONNECTED)
        return false;
    if (state == SOCKET_CONNECTED && call->socket->fresh_success) { /* the connect's second half */
        call->socket->fresh_success = false;
        return false;
    }
    const int error = error_of(call, message, &addr);
    if (error != 0)
        call_error(call, error);
    else
        start(call, message, &addr);
    return true;
}

int64_t fast_finish(const struct parked *parked, int s)
{
    const uint32_t done = parked->fast - 1;
    const ssize_t len = gather(parked->pid, parked->addr + done, parked->addrlen - done);
    const ssize_t sent = len > 0 ? octets_send(s, octets, (size_t)len, 0) : 0;
    return done + (sent > 0 ? sent : 0);
}
