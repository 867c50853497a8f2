/* SPDX-License-Identifier: MIT */

/* Addresses as Linux reads and writes them, and who has which port. */

#include "parts.h"

#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

/* syscall: readv */

#define PORT_FIRST 32768u
#define PORT_COUNT (60999u - PORT_FIRST + 1)

#define UNPRIVILEGED_PORT 1024 /* as net.ipv4.ip_unprivileged_port_start */
#define PROC_STATUS_MAX   4096
#define RANDOM_AT_ONCE    256

bool random_fill(const struct weird *weird, void *to, size_t len)
{
    static uint8_t drawn[RANDOM_AT_ONCE];
    static size_t left; /* at the end of it; what is given out is forgotten here */
    if (left < len) {
        const struct iovec iov = { drawn, sizeof drawn };
        left = 0;
        if (len > sizeof drawn || readv(weird->random, &iov, 1) != (ssize_t)sizeof drawn)
            return false;
        left = sizeof drawn;
    }
    uint8_t *from = drawn + sizeof drawn - left;
    memcpy(to, from, len);
    memset(from, 0, len);
    left -= len;
    return true;
}

bool address_any(const struct weir_ip *ip)
{
    static const struct weir_ip any = { { 0 } };
    const struct weir_ip any4 = weir_ip_v4(0, 0, 0, 0);
    return weir_ip_equal(ip, &any) || weir_ip_equal(ip, &any4);
}

/* ---- In and out of the program ---- */

static int read_v4(const struct sockaddr_storage *given, struct weir_addr *addr)
{
    const struct sockaddr_in *in = (const void *)given;
    const uint8_t *octet = (const void *)&in->sin_addr;
    addr->ip = weir_ip_v4(octet[0], octet[1], octet[2], octet[3]);
    addr->port = ntohs(in->sin_port);
    return 0;
}

static int read_v6(const struct sockaddr_storage *given, struct weir_addr *addr)
{
    const struct sockaddr_in6 *in6 = (const void *)given;
    memcpy(addr->ip.octet, &in6->sin6_addr, sizeof addr->ip.octet);
    addr->port = ntohs(in6->sin6_port);
    addr->iface = in6->sin6_scope_id != 0 ? 1 : 0; /* we have one interface */
    return 0;
}

int address_read(const struct call *call, uint64_t at, uint64_t len, struct weir_addr *addr,
                 bool *unspec)
{
    struct sockaddr_storage given;
    const int32_t size = (int32_t)len;
    memset(&given, 0, sizeof given);
    *addr = (struct weir_addr){ 0 };
    *unspec = false;
    if (size < 0 || (size_t)size > sizeof given)
        return EINVAL;
    if (size > 0 && !memory_read(call->pid, at, &given, (size_t)size))
        return EFAULT;
    if ((size_t)size < sizeof given.ss_family)
        return EINVAL;
    *unspec = given.ss_family == AF_UNSPEC;
    if (call->family == AF_INET) {
        if ((size_t)size < sizeof(struct sockaddr_in))
            return *unspec && call->nr != __NR_bind ? 0 : EINVAL;
        if (given.ss_family != AF_INET && !*unspec)
            return EAFNOSUPPORT;
        return read_v4(&given, addr);
    }
    if (*unspec && call->nr != __NR_bind)
        return 0;
    if (given.ss_family == AF_INET && call->nr != __NR_bind) { /* as Linux allows */
        if ((size_t)size < sizeof(struct sockaddr_in))
            return EINVAL;
        return call->socket != NULL && call->socket->kept[KEPT_V6ONLY] ? EAFNOSUPPORT
                                                                       : read_v4(&given, addr);
    }
    if (given.ss_family != AF_INET6)
        return (size_t)size < 24 ? EINVAL : EAFNOSUPPORT;
    return (size_t)size < 24 ? EINVAL : read_v6(&given, addr); /* 24: RFC 2133's, without scope */
}

int address_write(pid_t pid, uint8_t family, const struct weir_addr *addr, uint64_t at,
                  uint64_t len_at)
{
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } given;
    int32_t room;
    memset(&given, 0, sizeof given);
    int32_t size;
    if (family == AF_INET) {
        given.in.sin_family = AF_INET;
        given.in.sin_port = htons(addr->port);
        if (weir_ip_is_v4(&addr->ip))
            memcpy(&given.in.sin_addr, addr->ip.octet + 12, 4);
        size = sizeof given.in;
    } else {
        given.in6.sin6_family = AF_INET6;
        given.in6.sin6_port = htons(addr->port);
        memcpy(&given.in6.sin6_addr, addr->ip.octet, sizeof addr->ip.octet);
        given.in6.sin6_scope_id = addr->iface;
        size = sizeof given.in6;
    }
    if (!memory_read(pid, len_at, &room, sizeof room))
        return EFAULT;
    if (room < 0)
        return EINVAL;
    const size_t part = (size_t)(room < size ? room : size);
    if (part > 0 && !memory_write(pid, at, &given, part))
        return EFAULT;
    return memory_write(pid, len_at, &size, sizeof size) ? 0 : EFAULT;
}

/* ---- Ports ---- */

static bool overlap(const struct socket *a, const struct weir_ip *ip, const struct socket *b)
{
    const struct weir_ip *other = &b->local.ip;
    if (weir_ip_equal(ip, other))
        return true;
    const bool four = weir_ip_is_v4(ip), other_four = weir_ip_is_v4(other);
    if (four == other_four)
        return address_any(ip) || address_any(other);
    /* Of different families: only a dual-stack "any" covers an IPv4 address. */
    if (four)
        return address_any(other) && !b->kept[KEPT_V6ONLY];
    return address_any(ip) && !a->kept[KEPT_V6ONLY];
}

static bool may_share(const struct socket *a, const struct socket *b)
{
    if (a->kept[KEPT_REUSEPORT] && b->kept[KEPT_REUSEPORT])
        return true;
    return a->kept[KEPT_REUSEADDR] && b->kept[KEPT_REUSEADDR] && a->state != SOCKET_LISTENING &&
           b->state != SOCKET_LISTENING;
}

/* Another socket stands in the way. One that nobody holds any more does not: it is cleared away. */
static bool is_taken(const struct socket *socket, const struct weir_addr *addr)
{
    struct weird *weird = socket->weird;
    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        struct socket *other = weird->socket[i];
        if (other == NULL || other == socket || !other->bound || other->local.port != addr->port)
            continue;
        if (!overlap(socket, &addr->ip, other) || may_share(socket, other))
            continue;
        if (other->cookie == 0 && socket->kept[KEPT_REUSEADDR])
            continue; /* a connection that was accepted */
        if (!socket_gone(other))
            return true;
        socket_free(other);
    }
    return false;
}

void address_leave(const struct socket *socket)
{
    const uint16_t port = socket->local.port;
    if (!socket->kept[KEPT_REUSEADDR])
        socket->weird->strict_port[port / 8] |= (uint8_t)(1u << port % 8);
}

/* Whether a socket that is bound there would have an address of a connection. */
static bool covers(const struct socket *socket, const struct weir_ip *ip,
                   const struct weir_ip *conn)
{
    if (weir_ip_equal(ip, conn))
        return true;
    return address_any(ip) && (weir_ip_is_v4(ip) == weir_ip_is_v4(conn) ||
                               (weir_ip_is_v4(conn) && !socket->kept[KEPT_V6ONLY]));
}

/* Connections that nobody owns any more, TIME-WAIT among them, keep a port of their address unless
 * both they and the new socket said SO_REUSEADDR. */
static bool lingers(const struct socket *socket, const struct weir_addr *addr)
{
    const uint16_t port = addr->port;
    bool any = false;
    uint64_t cursor = 0;
    struct weir_status status;
    weir_handle handle;
    uint8_t *strict = &socket->weird->strict_port[port / 8];
    const uint8_t bit = (uint8_t)(1u << port % 8);
    if (socket->kept[KEPT_REUSEPORT] || (socket->kept[KEPT_REUSEADDR] && (*strict & bit) == 0))
        return false;
    while (weir_list(socket->weird->weir, &cursor, &status, &handle)) {
        if (status.local.port != port || status.state == WEIR_SYN_RECEIVED ||
            status.state == WEIR_LISTEN)
            continue;
        any = true;
        if (covers(socket, &addr->ip, &status.local.ip))
            return true;
    }
    if (!any)
        *strict &= (uint8_t)~bit;
    return false;
}

static int draw_port(const struct socket *socket, struct weir_addr *addr)
{
    /* IP_LOCAL_PORT_RANGE makes the range of all narrower, where the two meet. */
    const uint32_t least = (uint32_t)socket->kept[KEPT_PORTS] & UINT16_MAX;
    const uint32_t most = (uint32_t)socket->kept[KEPT_PORTS] >> 16;
    const uint32_t end = PORT_FIRST + PORT_COUNT;
    const uint32_t first = least > PORT_FIRST && least < end ? least : PORT_FIRST;
    const uint32_t count = (most >= first && most < end ? most + 1 : end) - first;
    uint32_t start = 0;
    (void)random_fill(socket->weird, &start, sizeof start);
    for (uint32_t i = 0; i < count; i++) {
        addr->port = (uint16_t)(first + (start + i) % count);
        if (!is_taken(socket, addr) && !lingers(socket, addr))
            return 0;
    }
    return EADDRINUSE;
}

/* CAP_NET_BIND_SERVICE, of a run whose programs have theirs from weird's host. What is in a user
 * namespace of its own has that capability, too, but only there; so it counts only in a run that
 * root has begun. */
bool call_capable(const struct call *call, unsigned capability)
{
    char path[32], text[PROC_STATUS_MAX];
    unsigned long long effective = 0;
    if (call->weird->one_run)
        return true;
    snprintf(path, sizeof path, "/proc/%d/status", (int)call->pid);
    const char *at = call->run->any_port && file_read(path, text, sizeof text)
                         ? strstr(text, "\nCapEff:")
                         : NULL;
    return at != NULL && sscanf(at, "\nCapEff: %llx", &effective) == 1 &&
           (effective >> capability & 1) != 0;
}

bool address_may_bind(const struct call *call, uint16_t port)
{
    return port == 0 || port >= UNPRIVILEGED_PORT || call_capable(call, CAP_NET_BIND_SERVICE);
}

int address_bind(struct socket *socket, const struct weir_addr *addr)
{
    struct weir_addr wanted = *addr;
    if (!address_any(&wanted.ip) && !net_is_local(socket->weird, &wanted.ip) &&
        !socket->kept[KEPT_FREEBIND])
        return EADDRNOTAVAIL;
    if (wanted.port != 0) {
        if (is_taken(socket, &wanted) || lingers(socket, &wanted))
            return EADDRINUSE;
    } else if (!socket->kept[KEPT_NO_PORT] && draw_port(socket, &wanted) != 0) {
        return EADDRINUSE;
    }
    socket->local = wanted;
    socket->bound = true;
    socket->port_given = addr->port != 0;
    socket->address_given = !address_any(&addr->ip);
    if (socket->family == AF_INET6 && socket->address_given && !weir_ip_is_v4(&addr->ip))
        socket->kept[KEPT_V6ONLY] = 1; /* as Linux tells it from then on */
    return 0;
}
