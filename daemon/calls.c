/* SPDX-License-Identifier: MIT */

/* socket, bind, listen, shutdown, getsockname, getpeername. */

#include "ends.h"
#include "sockopt.h"
#include "udp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

/* syscall: listen shutdown fcntl close */

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

void call_socket(struct call *call)
{
    const int family = (int)call->arg[0], flags = (int)call->arg[1];
    const int protocol = (int)call->arg[2];
    if (protocol == IPPROTO_MPTCP) {
        call_error(call, EPROTONOSUPPORT); /* programs then ask for plain TCP */
        return;
    }
    if ((family == AF_INET || family == AF_INET6) && (flags & 0xf) == SOCK_DGRAM &&
        (flags & ~(0xf | SOCK_CLOEXEC | SOCK_NONBLOCK)) == 0) {
        udp_call_socket(call);
        return;
    }
    if ((family != AF_INET && family != AF_INET6) || (flags & 0xf) != SOCK_STREAM ||
        (flags & ~(0xf | SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0 ||
        (protocol != 0 && protocol != IPPROTO_TCP)) {
        call_continue(call);
        return;
    }
    struct socket *socket = socket_make(call->weird, call->run, (uint8_t)family);
    if (socket == NULL) {
        call_error(call, ENFILE); /* weir's limit or the run's, not this process's */
        return;
    }
    const int s = socket_make_s(socket, flags & SOCK_NONBLOCK);
    if (s < 0) {
        socket_free(socket);
        call_error(call, s == -EMFILE ? ENFILE : ENOBUFS);
        return;
    }
    const int fd = call_give(call->run, call->id, s, -1, (flags & SOCK_CLOEXEC) != 0, true);
    close(s);
    if (fd < 0) {
        socket_free(socket);
        if (fd != -ENOENT)
            call_error(call, -fd); /* EMFILE is the program's own limit */
        return;
    }
    socket->pid = call->pid;
    socket->fd = fd;
}

/* With the name it can be seen at once when the port is free again. */
static int bind_named(const struct call *call, const struct weir_addr *addr)
{
    const int error = socket_name_s(call->socket, call->s);
    return error != 0 ? error : address_bind(call->socket, addr);
}

void call_bind(struct call *call)
{
    struct weir_addr addr;
    bool unspec;
    const int error = address_read(call, call->arg[1], call->arg[2], &addr, &unspec);
    struct socket *socket = call->socket;
    if (error != 0)
        call_error(call, error);
    else if (unspec && !address_any(&addr.ip))
        call_error(call, EAFNOSUPPORT);
    else if (socket == NULL || socket->bound || socket->state != SOCKET_FRESH)
        call_error(call, EINVAL);
    else if (!address_may_bind(call, addr.port))
        call_error(call, EACCES);
    else
        call_answer(call->run, call->id, -bind_named(call, &addr));
}

/* ---- listen ---- */

static int start_listening(struct socket *socket, int s, unsigned backlog, weir_time now)
{
    struct weird *weird = socket->weird;
    if (!socket->bound || socket->local.port == 0) {
        socket->kept[KEPT_NO_PORT] = 0; /* a listener needs its port now */
        const struct weir_addr any = { .ip = socket->local.ip };
        const int error = address_bind(socket, &any);
        if (error != 0)
            return error;
    }
    option_keys_begin(socket);
    const bool six_only = socket->family == AF_INET6 && socket->kept[KEPT_V6ONLY];
    const unsigned flags = WEIR_LISTEN_DEFER | WEIR_LISTEN_COOKIES |
                           (six_only ? WEIR_LISTEN_V6ONLY : 0) |
                           (socket->kept[KEPT_REUSEPORT] ? WEIR_LISTEN_REUSEPORT : 0);
    enum weir_error error =
        weir_listen(weird->weir, &socket->local, backlog, flags, &socket->handle);
    if (error == WEIR_IN_USE || error == WEIR_NO_MEMORY) {
        /* Perhaps by those that their programs have closed, which we are not told. */
        sockets_sweep(weird);
        error = weir_listen(weird->weir, &socket->local, backlog, flags, &socket->handle);
    }
    if (error != WEIR_OK)
        return weir_errno(error);
    int failed = socket_name_s(socket, s);
    if (failed == 0 && listen(s, (int)backlog) < 0)
        failed = errno;
    if (failed != 0) {
        (void)weir_release(weird->weir, socket->handle, now);
        socket->handle = WEIR_NO_HANDLE;
        return failed;
    }
    (void)weir_set_cookie(weird->weir, socket->handle, socket->id);
    queue_begin(socket, s, backlog);
    socket->state = SOCKET_LISTENING;
    options_apply(socket, now);
    sweep_timer_set(weird);
    return 0;
}

/* On a socket that listens already: another limit for its queue. */
static int listen_again(const struct call *call, unsigned backlog)
{
    if (listen(call->s, (int)backlog) < 0)
        return errno;
    (void)weir_listen_backlog(call->weird->weir, call->socket->handle, backlog);
    call->socket->backlog = backlog;
    return 0;
}

void call_listen(struct call *call)
{
    struct socket *socket = call->socket;
    const unsigned asked = (unsigned)call->arg[1];
    const unsigned backlog = asked < 4096 ? asked : 4096; /* somaxconn; negative is as much */
    if (socket == NULL)
        call_error(call, EINVAL);
    else if (socket->state == SOCKET_LISTENING)
        call_answer(call->run, call->id, -listen_again(call, backlog));
    else if (socket->state == SOCKET_FRESH)
        call_answer(call->run, call->id, -start_listening(socket, call->s, backlog, call->now));
    else
        call_error(call, EINVAL);
}

/* ---- shutdown ---- */

static int stop_listening(struct call *call, int how)
{
    struct socket *socket = call->socket;
    if (how == SHUT_WR)
        return 0;
    (void)shutdown(call->s, SHUT_RD); /* those who wait in accept hear of it */
    (void)weir_release(call->weird->weir, socket->handle, call->now);
    socket->handle = WEIR_NO_HANDLE;
    socket->state = SOCKET_DEAD;
    socket->bound = socket->bound && socket->port_given;
    if (call_renew(call)) /* it may listen again */
        socket->state = SOCKET_FRESH;
    return 0;
}

/* The connection is over for the program; that of a TIME-WAIT is, too. */
static bool call_is_closed(const struct call *call)
{
    return call_state(call) == CALL_CLOSED;
}

void call_shutdown(struct call *call)
{
    struct socket *socket = call->socket;
    const int how = (int)call->arg[1];
    if (how < SHUT_RD || how > SHUT_RDWR) {
        call_error(call, EINVAL);
    } else if (socket != NULL && socket->state == SOCKET_LISTENING) {
        call_answer(call->run, call->id, -stop_listening(call, how));
    } else if (socket != NULL && socket->state == SOCKET_CONNECTING) {
        socket_over(socket); /* as Linux does: the connect is given up */
        call_value(call, 0);
    } else if (socket == NULL || socket->state != SOCKET_CONNECTED || call_is_closed(call)) {
        call_error(call, ENOTCONN);
    } else {
        socket->fresh_success = false;
        call_answer(call->run, call->id, -end_shut(socket, call->s, how));
        relay_pump(socket, call->now);
    }
}

/* ---- Names ---- */

void call_name(struct call *call)
{
    const struct socket *socket = call->socket;
    struct weir_addr addr = { 0 };
    if (call->nr == __NR_getpeername) {
        if (socket == NULL || socket->state != SOCKET_CONNECTED || call_is_closed(call)) {
            call_error(call, ENOTCONN);
            return;
        }
        addr = socket->remote;
    } else if (socket != NULL) {
        addr = socket->local;
    }
    call_answer(call->run, call->id,
                -address_write(call->pid, call->family, &addr, call->arg[1], call->arg[2]));
}
