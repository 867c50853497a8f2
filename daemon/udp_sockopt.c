/* SPDX-License-Identifier: MIT */

/* Options of UDP sockets. S is a UDP socket of the kernel, so most are the kernel's and take effect
 * there; what is about the network is kept here as well, or instead. The rest is ENOPROTOOPT. */

#include "udp.h"

#include <errno.h>
#include <limits.h>

/* syscall: setsockopt */

enum how {
    NATIVE, /* the kernel's, on S */
    MIRROR, /* the kernel's, and kept when it has taken it */
    FLAG,   /* kept here: 0 or 1 */
    TOLD,   /* a bit of enum udp_told */
    PATH,   /* IP_MTU: read only */
};

struct option {
    int level, name;
    enum how how;
    int which; /* enum udp_told */
};

static const struct option options[] = {
    { SOL_SOCKET, SO_REUSEADDR, MIRROR, 0 },
    { SOL_SOCKET, SO_REUSEPORT, MIRROR, 0 },
    { SOL_SOCKET, SO_BROADCAST, MIRROR, 0 },
    { SOL_SOCKET, SO_NO_CHECK, MIRROR, 0 },
    { SOL_SOCKET, SO_DONTROUTE, NATIVE, 0 },
    { SOL_SOCKET, SO_PRIORITY, NATIVE, 0 },
    { SOL_SOCKET, SO_MARK, NATIVE, 0 },
    { SOL_SOCKET, SO_KEEPALIVE, NATIVE, 0 },
    { SOL_SOCKET, SO_LINGER, NATIVE, 0 },
    { SOL_SOCKET, SO_OOBINLINE, NATIVE, 0 },
    { SOL_SOCKET, SO_SNDBUF, NATIVE, 0 },
    { SOL_SOCKET, SO_RCVBUF, NATIVE, 0 },
    { SOL_SOCKET, SO_SNDBUFFORCE, NATIVE, 0 },
    { SOL_SOCKET, SO_RCVBUFFORCE, NATIVE, 0 },
    { SOL_SOCKET, SO_RCVTIMEO_OLD, NATIVE, 0 },
    { SOL_SOCKET, SO_SNDTIMEO_OLD, NATIVE, 0 },
    { SOL_SOCKET, SO_RCVTIMEO_NEW, NATIVE, 0 },
    { SOL_SOCKET, SO_SNDTIMEO_NEW, NATIVE, 0 },
    { SOL_SOCKET, SO_RCVLOWAT, NATIVE, 0 },
    { SOL_SOCKET, SO_SNDLOWAT, NATIVE, 0 },
    { SOL_SOCKET, SO_TIMESTAMP_OLD, NATIVE, 0 },
    { SOL_SOCKET, SO_TIMESTAMPNS_OLD, NATIVE, 0 },
    { SOL_SOCKET, SO_TIMESTAMP_NEW, NATIVE, 0 },
    { SOL_SOCKET, SO_TIMESTAMPNS_NEW, NATIVE, 0 },
    { SOL_SOCKET, SO_ERROR, NATIVE, 0 },
    { SOL_SOCKET, SO_TYPE, NATIVE, 0 },
    { SOL_SOCKET, SO_PROTOCOL, NATIVE, 0 },
    { SOL_SOCKET, SO_DOMAIN, NATIVE, 0 },
    { SOL_SOCKET, SO_ACCEPTCONN, NATIVE, 0 },
    { SOL_SOCKET, SO_COOKIE, NATIVE, 0 },
    { SOL_SOCKET, SO_RXQ_OVFL, NATIVE, 0 },
    { SOL_SOCKET, SO_PEEK_OFF, NATIVE, 0 },
    { SOL_SOCKET, SO_MEMINFO, NATIVE, 0 },
    { SOL_SOCKET, SO_ATTACH_FILTER, NATIVE, 0 },
    { SOL_SOCKET, SO_ATTACH_BPF, NATIVE, 0 },
    { SOL_SOCKET, SO_DETACH_FILTER, NATIVE, 0 },
    { SOL_SOCKET, SO_LOCK_FILTER, NATIVE, 0 },
    { SOL_SOCKET, SO_BINDTODEVICE, NATIVE, 0 },
    { IPPROTO_IP, IP_TTL, MIRROR, 0 },
    { IPPROTO_IP, IP_TOS, MIRROR, 0 },
    { IPPROTO_IP, IP_MTU_DISCOVER, MIRROR, 0 },
    { IPPROTO_IP, IP_RECVERR, NATIVE, 0 },
    { IPPROTO_IP, IP_FREEBIND, MIRROR, 0 },
    { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, NATIVE, 0 },
    { IPPROTO_IP, IP_MTU, PATH, 0 },
    { IPPROTO_IP, IP_PKTINFO, TOLD, TOLD_PKTINFO },
    { IPPROTO_IP, IP_RECVTTL, TOLD, TOLD_TTL },
    { IPPROTO_IP, IP_RECVTOS, TOLD, TOLD_TOS },
    { IPPROTO_IPV6, IPV6_V6ONLY, FLAG, 0 },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS, MIRROR, 0 },
    { IPPROTO_IPV6, IPV6_TCLASS, MIRROR, 0 },
    { IPPROTO_IPV6, IPV6_MTU_DISCOVER, MIRROR, 0 },
    { IPPROTO_IPV6, IPV6_RECVERR, MIRROR, 0 },
    { IPPROTO_IPV6, IPV6_MTU, PATH, 0 },
    { IPPROTO_IPV6, IPV6_RECVPKTINFO, TOLD, TOLD_PKTINFO6 },
    { IPPROTO_IPV6, IPV6_RECVHOPLIMIT, TOLD, TOLD_HOPLIMIT6 },
    { IPPROTO_IPV6, IPV6_RECVTCLASS, TOLD, TOLD_TCLASS6 },
};

static const struct option *find(const struct call *call)
{
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].level == (int)call->arg[1] && options[i].name == (int)call->arg[2] &&
            (options[i].level != IPPROTO_IPV6 || call->family == AF_INET6))
            return &options[i];
    return NULL;
}

/* ---- get ---- */

int udp_option_write(const struct call *call, int value, bool address)
{
    int32_t room;
    if (!memory_read(call->pid, call->arg[4], &room, sizeof room))
        return EFAULT;
    if (room < 0)
        return EINVAL;
    int32_t part = room < (int32_t)sizeof value ? room : (int32_t)sizeof value;
    /* The network layer gives a small number as one octet to those who have room for that only. */
    if (!address && (int)call->arg[1] == IPPROTO_IP && part > 0 && part < (int32_t)sizeof value &&
        value >= 0 && value <= 255)
        part = 1;
    if (part > 0 && !memory_write(call->pid, call->arg[3], &value, (size_t)part))
        return EFAULT;
    return memory_write(call->pid, call->arg[4], &part, sizeof part) ? 0 : EFAULT;
}

static int give_int(const struct call *call, int value)
{
    return udp_option_write(call, value, false);
}

static int get_path_mtu(const struct call *call, const struct udp_socket *socket)
{
    if (!socket->connected)
        return ENOTCONN;
    const bool lo = net_is_local(call->weird, &socket->remote.ip);
    return give_int(call, lo ? UINT16_MAX + 1 : call->weird->dev->mtu);
}

void udp_call_getsockopt(struct call *call, struct udp_socket *socket)
{
    const struct option *option = find(call);
    if (udp_group_get(call, socket))
        return;
    const int level = (int)call->arg[1];
    int error = level < 0 ? EINVAL : ENOPROTOOPT;
    if (level == IPPROTO_IPV6 && call->family == AF_INET) {
        error = EOPNOTSUPP;
    } else if (option == NULL) {
        if (level != SOL_SOCKET && level != IPPROTO_IP && level != IPPROTO_IPV6 &&
            level != IPPROTO_UDP) { /* the kernel says what it says to a UDP socket */
            call_continue(call);
            return;
        }
    } else if (option->how == NATIVE || option->how == MIRROR) {
        call_continue(call);
        return;
    } else if (option->how == TOLD) {
        error = give_int(call, (socket->told & option->which) != 0);
    } else if (option->how == FLAG) {
        error = give_int(call, socket->v6only);
    } else {
        error = get_path_mtu(call, socket);
    }
    call_answer(call->run, call->id, -error);
}

/* ---- set ---- */

int udp_option_read(const struct call *call, int *value)
{
    const int len = (int)call->arg[4];
    uint8_t octet;
    *value = 0;
    if (len >= (int)sizeof *value)
        return memory_read(call->pid, call->arg[3], value, sizeof *value) ? 0 : EFAULT;
    if ((int)call->arg[1] != IPPROTO_IP || len < 0)
        return EINVAL;
    if (len == 0) /* 0, to most */
        return (int)call->arg[2] == IP_TTL || (int)call->arg[2] == IP_FREEBIND ? EINVAL : 0;
    if (!memory_read(call->pid, call->arg[3], &octet, sizeof octet))
        return EFAULT;
    *value = octet;
    return 0;
}

static void keep(struct udp_socket *socket, const struct option *option, int value)
{
    const unsigned six = option->level == IPPROTO_IPV6;
    if (option->level == SOL_SOCKET) {
        if (option->name == SO_REUSEADDR)
            socket->reuse_addr = value != 0;
        else if (option->name == SO_REUSEPORT)
            socket->reuse_port = value != 0;
        else if (option->name == SO_NO_CHECK)
            socket->no_sum = value != 0;
        else
            socket->broadcast = value != 0;
        udp_options_apply(socket);
    } else if (option->name == (six ? IPV6_UNICAST_HOPS : IP_TTL)) {
        socket->ttl[six] = value;
    } else if (option->name == (six ? IPV6_TCLASS : IP_TOS)) {
        socket->tos[six] = value;
    } else if (option->name == (six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER)) {
        socket->mtu_discover[six] = value;
    } else if (!six && option->name == IP_FREEBIND) {
        socket->freebind = value != 0;
    }
}

/* The kernel judges the value. */
static int set_mirror(const struct call *call, struct udp_socket *socket,
                      const struct option *option, int value)
{
    if (setsockopt(call->s, option->level, option->name, &value, sizeof value) < 0)
        return errno;
    keep(socket, option, value);
    /* Our errors come to S as ICMP, whatever they were in the network. */
    if (option->level == IPPROTO_IPV6 && option->name == IPV6_RECVERR)
        (void)setsockopt(call->s, IPPROTO_IP, IP_RECVERR, &value, sizeof value);
    return 0;
}

static int set_kept(struct udp_socket *socket, const struct option *option, int value)
{
    if (option->how == PATH)
        return ENOPROTOOPT;
    if (option->how == FLAG) {
        if (socket->bound)
            return EINVAL;
        socket->v6only = value != 0;
        return 0;
    }
    socket->told =
        (uint8_t)(value != 0 ? socket->told | option->which : socket->told & ~option->which);
    return 0;
}

void udp_call_setsockopt(struct call *call, struct udp_socket *socket)
{
    const struct option *option = find(call);
    int value = 0;
    if (udp_group_set(call, socket))
        return;
    if (option != NULL && option->how == NATIVE) {
        call_continue(call);
        return;
    }
    int error = udp_option_read(call, &value);
    if (option == NULL && (error == 0 || (int)call->arg[1] != SOL_SOCKET))
        error = ENOPROTOOPT;
    if (error == 0)
        error = option->how == MIRROR ? set_mirror(call, socket, option, value)
                                      : set_kept(socket, option, value);
    call_answer(call->run, call->id, -error);
}

void udp_options_apply(struct udp_socket *socket)
{
    if (socket->bound)
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_BROADCAST, socket->broadcast,
                       weir_loop_clock());
    udp_group_apply(socket);
}
