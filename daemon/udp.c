/* SPDX-License-Identifier: MIT */

/* The life of UDP sockets, and which call is whose. */

#include "udp.h"

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

/* syscall: bind getsockname getsockopt setsockopt fcntl close */

#define PLACES        UINT32_C(0x7f800000) /* 127.128.0.0: the first socket's address */
#define PORT_LEAST    1024
#define PORT_SPREAD   60000 /* so that an address does not mean the next socket there at once */
#define EVENTS_TURN   64
#define EVENTS_OCTETS 8192
#define GONE_FOR      (200 * WEIR_MS) /* within this, what S has sent arrives at D */

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

struct udp_socket *udp_socket_at(const struct udp_host *host, const struct sockaddr_in *addr)
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
    struct udp_socket *socket = udp_socket_at(host, &addr);
    return socket != NULL && socket->cookie == socket_cookie(s) ? socket : NULL;
}

static bool has_room(const struct udp_host *host, const struct run *run)
{
    return host->count < UDP_SOCKETS_MAX && run->udp_count < host->weird->run_udp_max;
}

static struct udp_socket *make(struct udp_host *host, struct run *run, uint8_t family)
{
    if (!has_room(host, run))
        udp_sweep(host);
    if (!has_room(host, run))
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
    udp_group_defaults(socket);
    host->socket[socket->place] = socket;
    run->udp_count++;
    host->count++;
    return socket;
}

void udp_forget(struct udp_host *host, struct udp_socket *socket)
{
    if (socket->handle != WEIR_NO_HANDLE)
        (void)weir_release(host->weird->weir, socket->handle, weir_loop_clock());
    if (host->held > 0 && host->held_place == socket->place)
        host->held = 0;
    if (socket->gone_until != 0)
        host->gone_count--;
    host->socket[socket->place] = NULL;
    if (host->closing == socket)
        host->closing = NULL;
    if (socket->run != NULL)
        socket->run->udp_count--;
    host->count--;
    udp_cork_end(socket);
    free(socket);
}

static void forget_gone(void *user, weir_time now)
{
    struct udp_host *host = user;
    for (uint32_t i = 0; i < UDP_SOCKETS_MAX && host->gone_count > 0; i++) {
        struct udp_socket *socket = host->socket[i];
        if (socket != NULL && socket->gone_until != 0 && socket->gone_until <= now)
            udp_forget(host, socket);
    }
    if (host->gone_count > 0)
        weir_loop_set_timer(host->weird->loop, &host->gone_timer, now + GONE_FOR);
}

/* The kernel hands a datagram over a loopback on its own time: on a busy machine it may say that S
 * is gone, and only then bring what S has sent. Only a connected one sends by itself. */
void udp_leave(struct udp_host *host, struct udp_socket *socket)
{
    if (!socket->sends_itself) {
        udp_forget(host, socket);
        return;
    }
    if (socket->handle != WEIR_NO_HANDLE)
        (void)weir_release(host->weird->weir, socket->handle, weir_loop_clock());
    socket->handle = WEIR_NO_HANDLE;
    socket->gone_until = weir_loop_clock() + GONE_FOR;
    if (host->gone_count++ > 0)
        return;
    host->gone_timer.on_time = forget_gone;
    host->gone_timer.user = host;
    weir_loop_set_timer(host->weird->loop, &host->gone_timer, socket->gone_until);
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
    socket->cookie = socket_cookie(s);
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
    if (socket == NULL) {
        call_error(call, ENFILE); /* weir's limit or the run's, not this process's */
        return;
    }
    const int s = make_s(host, socket, flags);
    if (s < 0) {
        udp_forget(host, socket);
        call_error(call, ENOBUFS);
        return;
    }
    const int fd = call_give(call->run, call->id, s, -1, (flags & SOCK_CLOEXEC) != 0, true);
    close(s);
    socket->pid = call->pid;
    socket->fd = fd;
    if (fd < 0) {
        udp_forget(host, socket);
        if (fd != -ENOENT)
            call_error(call, -fd); /* EMFILE is the program's own limit */
    }
}

/* ---- The end of S ---- */

/* Its address can be had again: nobody holds it. The kernel's word about it comes a moment later.
 */
bool udp_is_gone(struct udp_host *host, const struct udp_socket *made)
{
    const int probe = udp_maker_take(host, AF_INET);
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
    if (socket != NULL && socket->cookie == cookie && socket->gone_until == 0)
        udp_leave(host, socket);
}

/* Asks about each: words were lost, or are late. */
void udp_sweep(struct udp_host *host)
{
    for (uint32_t i = 0; i < UDP_SOCKETS_MAX; i++)
        if (host->socket[i] != NULL && udp_is_gone(host, host->socket[i]))
            udp_forget(host, host->socket[i]);
}

static void on_events(void *user, int fd, uint32_t ready, weir_time now)
{
    static _Alignas(struct nlmsghdr) char octets[EVENTS_OCTETS];
    struct udp_host *host = user;
    (void)ready;
    /* What it sent before it went comes first. */
    if (!udp_drain(host, now))
        return;
    for (unsigned i = 0; i < EVENTS_TURN; i++) {
        const ssize_t got = octets_recv(fd, octets, sizeof octets, 0);
        if (got < 0 && errno == ENOBUFS)
            udp_sweep(host);
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

/* ---- Dispatch ---- */

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

const struct udp_socket *udp_owner(const struct weird *weird, uint64_t cookie)
{
    const struct udp_host *host = weird->udp;
    if (host == NULL || (cookie & UDP_EVENT_MARK) == 0)
        return NULL;
    return host->socket[cookie % UDP_SOCKETS_MAX];
}

/* Octets and nothing else are asked for. */
static bool is_plain(const struct call *call)
{
    return call->arg[4] == 0 && call->arg[2] > 0 &&
           ((int)call->arg[3] & (MSG_TRUNC | MSG_ERRQUEUE)) == 0;
}

/* The kernel's word that S is gone comes a moment later, and who closes and then sends there is to
 * hear that nobody listens. */
static void look_closed(struct udp_host *host, struct udp_socket *next)
{
    struct udp_socket *closed = host->closing;
    host->closing = NULL;
    if (closed != NULL && closed->gone_until == 0 && udp_is_gone(host, closed))
        udp_leave(host, closed);
    host->closing = next;
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
    if (socket->fd != (int)call->arg[0]) { /* else one thread is as good as another */
        socket->pid = call->pid;
        socket->fd = (int)call->arg[0];
    }
    if (host->closing != NULL || call->nr == __NR_close)
        look_closed(host, call->nr == __NR_close ? socket : NULL);
    switch (call->nr) {
    case __NR_bind:
        udp_call_bind(call, socket);
        return true;
    case __NR_connect:
        udp_call_connect(call, socket);
        return true;
    case __NR_getsockname:
    case __NR_getpeername:
        udp_call_name(call, socket);
        return true;
    case __NR_shutdown:
        udp_call_shutdown(call, socket);
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
    case __NR_write:
    case __NR_writev:
        udp_call_send(call, socket);
        return true;
    case __NR_recvfrom:
        if (is_plain(call)) { /* `weir run --exact`; S knows all that can be said */
            call_continue(call);
            return true;
        }
        udp_call_recv(call, socket);
        return true;
    case __NR_recvmsg:
    case __NR_recvmmsg:
        udp_call_recv(call, socket);
        return true;
    default: /* listen, accept: the kernel refuses them as it should */
        if (!call_interfaces(call))
            call_continue(call);
        return true;
    }
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
    struct sockaddr_in hole = { .sin_port = 0 };
    (void)getsockname(host->hole, (struct sockaddr *)&hole, &len);
    host->hole_port = hole.sin_port;
    (void)getsockname(host->d, (struct sockaddr *)&host->at, &len);
    weird->udp = host;
    return udp_watch_d(host, EPOLLIN) &&
           weir_loop_add_fd(weird->loop, host->events, EPOLLIN, on_events, host) == 0;
}

void udp_end(struct weird *weird)
{
    if (weird->udp != NULL)
        free(weird->udp->ids);
}
