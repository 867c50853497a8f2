/* SPDX-License-Identifier: MIT */

/* Life and names of UDP sockets, and what passes between S and the network. */

#include "udp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* syscall: socket bind connect getsockname getsockopt setsockopt shutdown fcntl close */
/* syscall: recvmsg sendmsg recvfrom getrandom */

#define PLACES        UINT32_C(0x7f800000) /* 127.128.0.0: the first socket's address */
#define PORT_LEAST    1024
#define PORT_SPREAD   60000 /* so that an address does not mean the next socket there at once */
#define EVENT_MARK    (UINT64_C(1) << 63) /* of the cookies of our endpoints */
#define DRAIN_TURN    256
#define GIVE_TURN     64
#define FULL_RETRY    WEIR_MS
#define EPHEMERAL     32768u
#define EPHEMERALS    (60999u - EPHEMERAL + 1)
#define EVENTS_OCTETS 8192

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

/* ---- S ---- */

socklen_t udp_native(uint8_t family, const struct sockaddr_in *addr, struct sockaddr_in6 *native)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    *native = (struct sockaddr_in6){ .sin6_family = family };
    if (family == AF_INET) {
        memcpy(native, addr, sizeof *addr);
        return sizeof *addr;
    }
    native->sin6_port = addr->sin_port;
    memcpy(&native->sin6_addr, mapped, sizeof mapped);
    memcpy((uint8_t *)&native->sin6_addr + sizeof mapped, &addr->sin_addr, sizeof addr->sin_addr);
    return sizeof *native;
}

bool udp_native_read(const struct sockaddr_in6 *native, struct sockaddr_in *addr)
{
    if (native->sin6_family == AF_INET) {
        memcpy(addr, native, sizeof *addr);
        return true;
    }
    *addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = native->sin6_port };
    memcpy(&addr->sin_addr, (const uint8_t *)&native->sin6_addr + 12, sizeof addr->sin_addr);
    return native->sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&native->sin6_addr);
}

static uint64_t cookie_of(int s)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof cookie;
    return getsockopt(s, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static struct udp_socket *socket_at(const struct udp_host *host, const struct sockaddr_in *addr)
{
    const uint32_t place = ntohl(addr->sin_addr.s_addr) - PLACES;
    struct udp_socket *socket = place < UDP_SOCKETS_MAX ? host->socket[place] : NULL;
    return socket != NULL && socket->at.sin_port == addr->sin_port ? socket : NULL;
}

static struct udp_socket *identify(const struct udp_host *host, int s)
{
    struct sockaddr_in6 name;
    struct sockaddr_in addr;
    socklen_t len = sizeof name;
    memset(&name, 0, sizeof name);
    if (getsockname(s, (struct sockaddr *)&name, &len) < 0 || !udp_native_read(&name, &addr))
        return NULL;
    struct udp_socket *socket = socket_at(host, &addr);
    return socket != NULL && socket->cookie == cookie_of(s) ? socket : NULL;
}

static struct udp_socket *make(struct udp_host *host, struct run *run, uint8_t family)
{
    if (host->count == UDP_SOCKETS_MAX)
        return NULL;
    struct udp_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL)
        return NULL;
    while (host->socket[host->next % UDP_SOCKETS_MAX] != NULL)
        host->next++;
    socket->weird = host->weird;
    socket->run = run;
    socket->family = family;
    socket->place = host->next % UDP_SOCKETS_MAX;
    socket->at = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)(PORT_LEAST + host->next % PORT_SPREAD)),
        .sin_addr.s_addr = htonl(PLACES + socket->place),
    };
    host->next++;
    if (family == AF_INET)
        socket->local.ip = weir_ip_v4(0, 0, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        socket->mtu_discover[i] = IP_PMTUDISC_WANT;
        socket->ttl[i] = socket->tos[i] = -1;
    }
    host->socket[socket->place] = socket;
    host->count++;
    return socket;
}

static void forget(struct udp_host *host, struct udp_socket *socket)
{
    if (socket->handle != WEIR_NO_HANDLE)
        (void)weir_release(host->weird->weir, socket->handle, weir_loop_clock());
    if (host->held > 0 && host->held_place == socket->place)
        host->held = 0;
    host->socket[socket->place] = NULL;
    host->count--;
    free(socket);
}

static int make_s(struct udp_host *host, struct udp_socket *socket, int flags)
{
    const int on = 1;
    struct sockaddr_in6 name;
    const int s = udp_maker_take(host, socket->family);
    if (s < 0)
        return -1;
    const socklen_t len = udp_native(socket->family, &socket->at, &name);
    /* TTL and DS field are always told; whether the program is told is ours to say. */
    if (bind(s, (struct sockaddr *)&name, len) < 0 ||
        setsockopt(s, IPPROTO_IP, IP_RECVTTL, &on, sizeof on) < 0 ||
        setsockopt(s, IPPROTO_IP, IP_RECVTOS, &on, sizeof on) < 0 ||
        fcntl(s, F_SETFL, O_RDWR | ((flags & SOCK_NONBLOCK) != 0 ? O_NONBLOCK : 0)) < 0) {
        close(s);
        return -1;
    }
    socket->cookie = cookie_of(s);
    return s;
}

static int refused(int family, int protocol)
{
    if (protocol == (family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        return EACCES; /* as where net.ipv4.ping_group_range has nobody */
    return protocol == 0 || protocol == IPPROTO_UDP ? 0 : EPROTONOSUPPORT;
}

void udp_call_socket(struct call *call)
{
    struct udp_host *host = call->weird->udp;
    const int family = (int)call->arg[0], flags = (int)call->arg[1];
    const int error = host == NULL ? EPROTONOSUPPORT : refused(family, (int)call->arg[2]);
    if (error != 0) {
        call_error(call, error);
        return;
    }
    struct udp_socket *socket = make(host, call->run, (uint8_t)family);
    const int s = socket != NULL ? make_s(host, socket, flags) : -1;
    if (s < 0) {
        if (socket != NULL)
            forget(host, socket);
        call_error(call, ENOBUFS);
        return;
    }
    const int fd = call_give(call->run, call->id, s, -1, (flags & SOCK_CLOEXEC) != 0, true);
    close(s);
    if (fd < 0) {
        forget(host, socket);
        if (fd != -ENOENT)
            call_error(call, -fd); /* EMFILE is the program's own limit */
    }
}

/* ---- The end of S ---- */

/* Its address can be had again: nobody holds it. The kernel's word about it comes a moment later.
 */
static bool is_gone(const struct udp_host *host, const struct udp_socket *made)
{
    const int probe = udp_maker_take((struct udp_host *)(uintptr_t)host, AF_INET);
    const bool gone =
        probe >= 0 && bind(probe, (const struct sockaddr *)&made->at, sizeof made->at) == 0;
    if (probe >= 0)
        close(probe);
    return gone;
}

static void read_event(struct udp_host *host, const struct nlmsghdr *head)
{
    const struct inet_diag_msg *gone = NLMSG_DATA(head);
    if (head->nlmsg_len < NLMSG_LENGTH(sizeof *gone))
        return;
    const unsigned word = gone->idiag_family == AF_INET6 ? 3 : 0; /* of a mapped address */
    const uint32_t place = ntohl(gone->id.idiag_src[word]) - PLACES;
    const uint64_t cookie = (uint64_t)gone->id.idiag_cookie[1] << 32 | gone->id.idiag_cookie[0];
    struct udp_socket *socket = place < UDP_SOCKETS_MAX ? host->socket[place] : NULL;
    if (socket != NULL && socket->cookie == cookie)
        forget(host, socket);
}

/* Some words were lost: ask about each. */
static void sweep(struct udp_host *host)
{
    for (uint32_t i = 0; i < UDP_SOCKETS_MAX; i++)
        if (host->socket[i] != NULL && is_gone(host, host->socket[i]))
            forget(host, host->socket[i]);
}

static void on_events(void *user, int fd, uint32_t ready, weir_time now)
{
    static _Alignas(struct nlmsghdr) char octets[EVENTS_OCTETS];
    struct udp_host *host = user;
    (void)ready;
    /* What it sent before it went comes first. */
    if (!udp_drain(host, now))
        return;
    for (unsigned i = 0; i < GIVE_TURN; i++) {
        const ssize_t got = recv(fd, octets, sizeof octets, MSG_DONTWAIT);
        if (got < 0 && errno == ENOBUFS)
            sweep(host);
        size_t left = got > 0 ? (size_t)got : 0;
        if (left == 0)
            return;
        for (const struct nlmsghdr *head = (const void *)octets; NLMSG_OK(head, left);
             head = NLMSG_NEXT(head, left))
            read_event(host, head);
    }
}

void udp_forget_run(struct weird *weird, const struct run *run)
{
    struct udp_host *host = weird->udp;
    if (host == NULL)
        return;
    for (unsigned i = 0; i < host->wait_top; i++)
        if (host->wait[i].job.id != 0 && host->wait[i].job.run == run)
            udp_wait_end(&host->wait[i]);
    for (uint32_t i = 0; i < UDP_SOCKETS_MAX; i++)
        if (host->socket[i] != NULL && host->socket[i]->run == run)
            host->socket[i]->run = NULL;
}

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
        if (other == NULL || other == socket || !other->bound || other->local.port != addr->port ||
            !overlap(socket, &addr->ip, other))
            continue;
        if ((socket->reuse_addr && other->reuse_addr) || (socket->reuse_port && other->reuse_port))
            continue;
        if (!is_gone(host, other))
            return true;
        (void)udp_drain(host, weir_loop_clock());
        forget(host, other);
    }
    return false;
}

static bool draw_port(struct udp_socket *socket, struct weir_addr *addr)
{
    uint32_t start = 0;
    (void)getrandom(&start, sizeof start, 0);
    for (uint32_t i = 0; i < EPHEMERALS; i++) {
        addr->port = (uint16_t)(EPHEMERAL + (start + i) % EPHEMERALS);
        if (!is_taken(socket, addr))
            return true;
    }
    return false;
}

/* 0 or errno. */
static int take_address(struct udp_socket *socket, const struct weir_addr *addr)
{
    struct weir *weir = socket->weird->weir;
    struct weir_addr wanted = *addr;
    if (wanted.port != 0 ? is_taken(socket, &wanted) : !draw_port(socket, &wanted))
        return EADDRINUSE;
    const unsigned flags =
        WEIR_UDP_REUSEADDR | WEIR_UDP_REPORTS | (socket->reuse_port ? WEIR_UDP_REUSEPORT : 0) |
        (socket->v6only ? WEIR_UDP_V6ONLY : 0) | (socket->freebind ? WEIR_UDP_ANYWHERE : 0);
    const enum weir_error error = weir_udp_open_with(weir, &wanted, flags, &socket->handle);
    if (error != WEIR_OK)
        return errno_of(error);
    (void)weir_set_cookie(weir, socket->handle, EVENT_MARK | socket->place);
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

static void call_bind_udp(struct call *call, struct udp_socket *socket)
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
    if (error == 0)
        error = take_address(socket, &addr);
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
                                         : errno_of(wrong);
    }
    if (weir_status(weird->weir, socket->handle, &status) == WEIR_OK)
        socket->local = status.local;
    socket->remote = *to;
    socket->connected = true;
    socket->peer = weird->udp->at;
    socket->peer.sin_addr = udp_id_of(weird->udp->ids, to, &socket->local);
    const socklen_t len = udp_native(socket->family, &socket->peer, &name);
    return connect(call->s, (struct sockaddr *)&name, len) < 0 ? errno : 0;
}

static void call_connect_udp(struct call *call, struct udp_socket *socket)
{
    struct weir_addr addr;
    bool unspec;
    int error = address_read(call, call->arg[1], call->arg[2], &addr, &unspec);
    (void)udp_drain(call->weird->udp, call->now); /* for the peer of before */
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

static void call_name_udp(struct call *call, const struct udp_socket *socket)
{
    if (call->nr == __NR_getpeername && !socket->connected) {
        call_error(call, ENOTCONN);
        return;
    }
    const struct weir_addr *addr = call->nr == __NR_getpeername ? &socket->remote : &socket->local;
    call_answer(call->run, call->id,
                -address_write(call->pid, socket->family, addr, call->arg[1], call->arg[2]));
}

static void call_shutdown_udp(struct call *call, struct udp_socket *socket)
{
    const int how = (int)call->arg[1];
    const int error = shutdown(call->s, how) < 0 ? errno : 0;
    if (error == 0 && how != SHUT_RD)
        socket->shut_write = true;
    call_answer(call->run, call->id, -error);
}

/* One of a weird that is gone, by where it is bound. */
static bool looks_ours(int s)
{
    struct sockaddr_in6 name;
    struct sockaddr_in addr;
    socklen_t len = sizeof name;
    memset(&name, 0, sizeof name);
    return getsockname(s, (struct sockaddr *)&name, &len) == 0 && udp_native_read(&name, &addr) &&
           ntohl(addr.sin_addr.s_addr) - PLACES < UDP_SOCKETS_MAX;
}

static void answer_lost(const struct call *call)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (call->nr == __NR_getsockopt && (int)call->arg[1] == SOL_SOCKET) {
        call_continue(call);
        return;
    }
    (void)getsockopt(call->s, SOL_SOCKET, SO_ERROR, &error, &len);
    call_error(call, error != 0 ? error : ENETDOWN);
}

bool udp_answer(struct call *call)
{
    struct udp_host *host = call->weird->orphaned ? NULL : call->weird->udp;
    struct udp_socket *socket = host != NULL ? identify(host, call->s) : NULL;
    if (socket == NULL) {
        const bool lost = looks_ours(call->s);
        if (lost)
            answer_lost(call);
        return lost;
    }
    call->family = socket->family;
    switch (call->nr) {
    case __NR_bind:
        call_bind_udp(call, socket);
        return true;
    case __NR_connect:
        call_connect_udp(call, socket);
        return true;
    case __NR_getsockname:
    case __NR_getpeername:
        call_name_udp(call, socket);
        return true;
    case __NR_shutdown:
        call_shutdown_udp(call, socket);
        return true;
    case __NR_getsockopt:
        udp_call_getsockopt(call, socket);
        return true;
    case __NR_setsockopt:
        udp_call_setsockopt(call, socket);
        return true;
    case __NR_sendto:
    case __NR_sendmsg:
    case __NR_sendmmsg:
        udp_call_send(call, socket);
        return true;
    case __NR_recvfrom:
    case __NR_recvmsg:
    case __NR_recvmmsg:
        udp_call_recv(call, socket);
        return true;
    default: /* listen, accept: the kernel refuses them as it should */
        call_continue(call);
        return true;
    }
}

/* ---- From S to the network ---- */

struct weir_udp_how udp_how(const struct udp_socket *socket, const struct weir_ip *to)
{
    const unsigned kind = !weir_ip_is_v4(to);
    const int discover = socket->mtu_discover[kind];
    return (struct weir_udp_how){
        .ttl = (uint8_t)(socket->ttl[kind] > 0 ? socket->ttl[kind] : 0),
        .tos = (uint8_t)(socket->tos[kind] > 0 ? socket->tos[kind] : 0),
        .tos_given = true,
        .whole = discover == IP_PMTUDISC_DO || discover == IP_PMTUDISC_PROBE,
    };
}

/* False: weir has no room now. */
static bool send_out(struct udp_host *host, struct udp_socket *socket, size_t len, weir_time now)
{
    if (!socket->connected || !socket->bound)
        return true;
    const struct weir_udp_how how = udp_how(socket, &socket->remote.ip);
    return weir_udp_send_as(host->weird->weir, socket->handle, &how, host->out, len, now) !=
           WEIR_AGAIN;
}

static void on_d(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)fd;
    (void)ready;
    (void)udp_drain(user, now);
}

static bool watch_d(struct udp_host *host, uint32_t events)
{
    return weir_loop_add_fd(host->weird->loop, host->d, events, on_d, host) == 0;
}

static void retry_full(void *user, weir_time now)
{
    struct udp_host *host = user;
    (void)watch_d(host, EPOLLIN);
    (void)udp_drain(host, now);
}

static bool drain_held(struct udp_host *host, weir_time now)
{
    struct udp_socket *socket = host->socket[host->held_place];
    if (host->held > 0 && socket != NULL && !send_out(host, socket, host->held - 1, now))
        return false;
    host->held = 0;
    return true;
}

bool udp_drain(struct udp_host *host, weir_time now)
{
    bool room = drain_held(host, now);
    for (unsigned i = 0; room && i < DRAIN_TURN; i++) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        const ssize_t got = recvfrom(host->d, host->out, sizeof host->out, MSG_DONTWAIT,
                                     (struct sockaddr *)&from, &len);
        if (got < 0 && errno == EAGAIN)
            return true;
        struct udp_socket *socket = got >= 0 ? socket_at(host, &from) : NULL;
        if (socket != NULL && !send_out(host, socket, (size_t)got, now)) {
            host->held = (size_t)got + 1;
            host->held_place = socket->place;
            room = false;
        }
    }
    if (!room) { /* the rest waits in D, and then what S sends is dropped, as by a full link */
        (void)watch_d(host, 0);
        host->full_timer.on_time = retry_full;
        host->full_timer.user = host;
        weir_loop_set_timer(host->weird->loop, &host->full_timer, now + FULL_RETRY);
    }
    return false;
}

/* ---- From the network to S ---- */

void udp_give(struct udp_host *host, const struct udp_socket *socket, struct in_addr id,
              const struct weir_datagram *info, const void *data, size_t len)
{
    struct sockaddr_in to = socket->at;
    union {
        char octets[CMSG_SPACE(sizeof(struct in_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct iovec iov = { (void *)(uintptr_t)data, len };
    struct msghdr message = { .msg_name = &to,
                              .msg_namelen = sizeof to,
                              .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.octets,
                              .msg_controllen = sizeof control.octets };
    const struct in_pktinfo from = { .ipi_spec_dst = id };
    const int ttl = info->ttl != 0 ? info->ttl : 1, tos = info->tos;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    *c = (struct cmsghdr){ CMSG_LEN(sizeof from), IPPROTO_IP, IP_PKTINFO };
    memcpy(CMSG_DATA(c), &from, sizeof from);
    c = CMSG_NXTHDR(&message, c);
    *c = (struct cmsghdr){ CMSG_LEN(sizeof ttl), IPPROTO_IP, IP_TTL };
    memcpy(CMSG_DATA(c), &ttl, sizeof ttl);
    c = CMSG_NXTHDR(&message, c);
    *c = (struct cmsghdr){ CMSG_LEN(sizeof tos), IPPROTO_IP, IP_TOS };
    memcpy(CMSG_DATA(c), &tos, sizeof tos);
    (void)sendmsg(host->d, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What a connected S takes comes from what it is connected to. */
static struct in_addr id_for(struct udp_host *host, const struct udp_socket *socket,
                             const struct weir_datagram *info)
{
    if (socket->connected)
        return socket->peer.sin_addr;
    return udp_id_of(host->ids, &info->from, &info->to);
}

bool udp_event(struct weird *weird, const struct weir_event *event, weir_time now)
{
    struct udp_host *host = weird->udp;
    struct weir_udp_report report;
    (void)now;
    if ((event->cookie & EVENT_MARK) == 0 || host == NULL)
        return false;
    struct udp_socket *socket = host->socket[event->cookie % UDP_SOCKETS_MAX];
    if (socket == NULL || socket->handle != event->handle)
        return true;
    while (weir_udp_report(weird->weir, socket->handle, &report))
        udp_icmp_report(host, socket, &report);
    for (unsigned i = 0; i < GIVE_TURN; i++) {
        struct weir_datagram info;
        if (weir_udp_recv(weird->weir, socket->handle, host->in, sizeof host->in, &info) != WEIR_OK)
            return true;
        udp_give(host, socket, id_for(host, socket, &info), &info, host->in, info.len);
    }
    weir_rearm(weird->weir, socket->handle);
    return true;
}

/* ---- Start ---- */

bool udp_open(struct weird *weird, char why[WEIR_LINE_MAX])
{
    /* Shared with the keeper, which answers those who wait when we cannot. */
    struct udp_host *host = mmap(NULL, sizeof *host, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    socklen_t len = sizeof host->at;
    if (host == MAP_FAILED || (host->ids = udp_ids_new()) == NULL) {
        snprintf(why, WEIR_LINE_MAX, "no memory");
        return false;
    }
    host->weird = weird;
    host->ifindex = if_nametoindex(weird->dev->name);
    struct weir_address_info info;
    for (unsigned i = 0; weir_address_info(weird->weir, i, &info); i++)
        if (weir_ip_is_v4(&info.ip) && host->own4.octet[15] == 0)
            host->own4 = info.ip;
    if (!udp_maker_start(host, why)) {
        free(host->ids);
        (void)munmap(host, sizeof *host);
        return false;
    }
    (void)getsockname(host->d, (struct sockaddr *)&host->at, &len);
    weird->udp = host;
    return watch_d(host, EPOLLIN) &&
           weir_loop_add_fd(weird->loop, host->events, EPOLLIN, on_events, host) == 0;
}
