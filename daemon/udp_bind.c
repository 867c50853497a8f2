/* SPDX-License-Identifier: MIT */

/* bind, connect, shutdown and names of UDP sockets. */

#include "udp.h"

#include <errno.h>
#include <sys/socket.h>

/* syscall: connect shutdown */

#define EPHEMERAL     32768u
#define EPHEMERAL_END 61000u

/* ---- bind ---- */

static bool overlap(const struct udp_socket *a, const struct weir_ip *ip,
                    const struct udp_socket *b)
{
    const struct weir_ip *other = &b->local.ip;
    if (weir_ip_equal(ip, other))
        return true;
    const bool four = weir_ip_is_v4(ip), other_four = weir_ip_is_v4(other);
    if (four == other_four)
        return address_any(ip) || address_any(other);
    if (four)
        return address_any(other) && !b->v6only;
    return address_any(ip) && !a->v6only;
}

static bool is_taken(struct udp_socket *socket, const struct weir_addr *addr)
{
    struct udp_host *host = socket->weird->udp;
    for (uint32_t i = 0; i < UDP_SOCKETS_MAX; i++) {
        struct udp_socket *other = host->socket[i];
        if (other == NULL || other == socket || !other->bound || other->gone_until != 0 ||
            other->local.port != addr->port || !overlap(socket, &addr->ip, other))
            continue;
        if ((socket->reuse_addr && other->reuse_addr) || (socket->reuse_port && other->reuse_port))
            continue;
        if (!udp_is_gone(host, other))
            return true;
        udp_leave(host, other);
    }
    return false;
}

static bool draw_port(struct udp_socket *socket, struct weir_addr *addr)
{
    /* IP_LOCAL_PORT_RANGE makes the range of all narrower, where the two meet. */
    const uint32_t least = socket->ports & UINT16_MAX, most = socket->ports >> 16;
    const uint32_t first = least > EPHEMERAL && least < EPHEMERAL_END ? least : EPHEMERAL;
    const uint32_t end = most >= first && most < EPHEMERAL_END ? most + 1 : EPHEMERAL_END;
    uint32_t start = 0;
    (void)random_fill(socket->weird, &start, sizeof start);
    for (uint32_t i = 0; i < end - first; i++) {
        addr->port = (uint16_t)(first + (start + i) % (end - first));
        if (!is_taken(socket, addr))
            return true;
    }
    return false;
}

unsigned udp_open_flags(const struct udp_socket *socket)
{
    return WEIR_UDP_REUSEADDR | WEIR_UDP_REPORTS | (socket->reuse_port ? WEIR_UDP_REUSEPORT : 0) |
           (socket->v6only ? WEIR_UDP_V6ONLY : 0) | (socket->freebind ? WEIR_UDP_ANYWHERE : 0);
}

/* 0 or errno. */
static int take_address(struct udp_socket *socket, const struct weir_addr *addr)
{
    struct weir *weir = socket->weird->weir;
    struct weir_addr wanted = *addr;
    if (wanted.port != 0 ? is_taken(socket, &wanted) : !draw_port(socket, &wanted))
        return EADDRINUSE;
    const unsigned flags = udp_open_flags(socket);
    enum weir_error error = weir_udp_open_with(weir, &wanted, flags, &socket->handle);
    if (error == WEIR_NO_MEMORY) { /* perhaps by those of whose end the word is on its way */
        udp_sweep(socket->weird->udp);
        error = weir_udp_open_with(weir, &wanted, flags, &socket->handle);
    }
    if (error != WEIR_OK)
        return weir_errno(error);
    (void)weir_set_cookie(weir, socket->handle, UDP_EVENT_MARK | socket->place);
    socket->local = wanted;
    socket->bound = true;
    socket->port_given = addr->port != 0;
    socket->address_given = !address_any(&addr->ip);
    udp_options_apply(socket);
    return 0;
}

int udp_autobind(struct udp_socket *socket)
{
    const struct weir_addr any = { .ip = socket->local.ip };
    return socket->bound ? 0 : take_address(socket, &any);
}

void udp_call_bind(struct call *call, struct udp_socket *socket)
{
    struct weir_addr addr;
    bool unspec;
    int error = address_read(call, call->arg[1], call->arg[2], &addr, &unspec);
    if (error == 0 && unspec && !address_any(&addr.ip))
        error = EAFNOSUPPORT;
    if (error == 0 && socket->v6only && weir_ip_is_v4(&addr.ip) && socket->family == AF_INET6)
        error = EINVAL;
    if (error == 0 && socket->bound)
        error = EINVAL;
    if (error == 0 && !address_may_bind(call, addr.port))
        error = EACCES;
    if (error == 0)
        error = take_address(socket, &addr);
    if (error == 0 && socket->family == AF_INET6 && socket->address_given &&
        !weir_ip_is_v4(&addr.ip))
        socket->v6only = true; /* as Linux tells it from then on */
    call_answer(call->run, call->id, -error);
}

/* ---- connect ---- */

static void release_address(struct udp_socket *socket)
{
    if (!socket->address_given)
        socket->local.ip =
            socket->family == AF_INET ? weir_ip_v4(0, 0, 0, 0) : (struct weir_ip){ { 0 } };
    if (socket->port_given)
        return;
    (void)weir_release(socket->weird->weir, socket->handle, weir_loop_clock());
    socket->handle = WEIR_NO_HANDLE;
    socket->bound = false;
    socket->local.port = 0;
}

static void disconnect(struct call *call, struct udp_socket *socket)
{
    const struct sockaddr_in6 nobody = { .sin6_family = AF_UNSPEC };
    if (socket->bound)
        (void)weir_udp_connect(call->weird->weir, socket->handle, NULL);
    (void)connect(call->s, (const struct sockaddr *)&nobody, sizeof nobody);
    socket->connected = false;
    socket->peer.sin_port = 0;
    socket->remote = (struct weir_addr){ 0 };
    if (socket->bound)
        release_address(socket);
}

/* Everybody on one of our links, or on this one. */
static bool is_broadcast(const struct weird *weird, const struct weir_ip *ip)
{
    const struct weir_ip all = weir_ip_v4(255, 255, 255, 255);
    struct weir_address_info info;
    for (unsigned i = 0; weir_address_info(weird->weir, i, &info); i++) {
        struct weir_ip last = info.ip;
        if (!weir_ip_is_v4(&info.ip) || info.prefix_len > 30)
            continue;
        for (unsigned bit = 96 + info.prefix_len; bit < 128; bit++)
            last.octet[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
        if (weir_ip_equal(&last, ip))
            return true;
    }
    return weir_ip_equal(ip, &all);
}

/* 0 or errno; after an error the socket is as it was. */
static int fix_peer(struct call *call, struct udp_socket *socket, const struct weir_addr *to)
{
    struct weird *weird = call->weird;
    struct weir_status status;
    struct sockaddr_in6 name;
    int error = udp_autobind(socket);
    if (error != 0)
        return error;
    const enum weir_error wrong = weir_udp_connect(weird->weir, socket->handle, to);
    if (wrong != WEIR_OK) {
        if (socket->connected)
            (void)weir_udp_connect(weird->weir, socket->handle, &socket->remote);
        /* A source that cannot be the one, such as 127.0.0.1 to elsewhere, is EINVAL. */
        return wrong == WEIR_INVALID     ? ENETUNREACH
               : wrong == WEIR_NOT_LOCAL ? EINVAL
                                         : weir_errno(wrong);
    }
    if (weir_status(weird->weir, socket->handle, &status) == WEIR_OK)
        socket->local = status.local;
    socket->remote = *to;
    socket->connected = socket->sends_itself = true;
    socket->peer = weird->udp->at;
    socket->peer.sin_addr = udp_id_of(weird->udp->ids, to, &socket->local);
    const socklen_t len = udp_native(socket->family, &socket->peer, &name);
    return connect(call->s, (struct sockaddr *)&name, len) < 0 ? errno : 0;
}

void udp_call_connect(struct call *call, struct udp_socket *socket)
{
    struct weir_addr addr;
    bool unspec;
    int error = address_read(call, call->arg[1], call->arg[2], &addr, &unspec);
    if (error == 0 && unspec) {
        disconnect(call, socket);
        call_value(call, 0);
        return;
    }
    const bool v4 = weir_ip_is_v4(&addr.ip);
    if (error == 0 && address_any(&addr.ip))
        addr.ip = v4 ? weir_ip_v4(127, 0, 0, 1) : (struct weir_ip){ { [15] = 1 } };
    if (error == 0 && v4 && socket->v6only)
        error = ENETUNREACH;
    if (error == 0 && !socket->broadcast && is_broadcast(call->weird, &addr.ip))
        error = EACCES;
    if (error == 0)
        error = fix_peer(call, socket, &addr);
    call_answer(call->run, call->id, -error);
}

/* ---- The other calls ---- */

void udp_call_name(struct call *call, const struct udp_socket *socket)
{
    /* Who is connected to port 0 may send there, and has no peer. */
    if (call->nr == __NR_getpeername && (!socket->connected || socket->remote.port == 0)) {
        call_error(call, ENOTCONN);
        return;
    }
    const struct weir_addr *addr = call->nr == __NR_getpeername ? &socket->remote : &socket->local;
    call_answer(call->run, call->id,
                -address_write(call->pid, socket->family, addr, call->arg[1], call->arg[2]));
}

void udp_call_shutdown(struct call *call, struct udp_socket *socket)
{
    const int how = (int)call->arg[1];
    const int error = shutdown(call->s, how) < 0 ? errno : 0;
    /* As on Linux: one that is not connected gets an error, and is shut down all the same. */
    if ((error == 0 || error == ENOTCONN) && how != SHUT_RD)
        socket->shut_write = true;
    call_answer(call->run, call->id, -error);
}
