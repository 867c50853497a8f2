/* SPDX-License-Identifier: MIT */

/* Options of UDP sockets. S is a UDP socket of the kernel, so most are the kernel's and take effect
 * there; what is about the network is kept here as well, or instead. The rest is ENOPROTOOPT. */

#include "udp.h"

#include <errno.h>
#include <limits.h>
#include <netinet/udp.h>

/* Newer than the headers that weir is built with. */
#define NEW_SO_RCVMARK                75
#define NEW_SO_PASSPIDFD              76
#define NEW_SO_PEERPIDFD              77
#define NEW_SO_RCVPRIORITY            82
#define NEW_SO_PASSRIGHTS             83
#define NEW_IP_PROTOCOL               52
#define NEW_IP_RECVERR_RFC4884        26
#define NEW_IP_LOCAL_PORT_RANGE       51
#define NEW_UDPLITE_SEND_CSCOV        10
#define NEW_UDPLITE_RECV_CSCOV        11
#define NEW_IPV6_FLOWINFO             11
#define NEW_IPV6_ROUTER_ALERT_ISOLATE 30
#define NEW_IPV6_RECVERR_RFC4884      31
#define NEW_IPV6_FLOWINFO_SEND        33

/* syscall: setsockopt */

enum how {
    NATIVE, /* the kernel's, on S */
    MIRROR, /* the kernel's, and kept when it has taken it */
    FLAG,   /* kept here: 0 or 1 */
    TOLD,   /* a bit of enum udp_told */
    PATH,   /* IP_MTU: read only */
    PORT,   /* IP_PROTOCOL: read only, and the port of a datagram socket */
    DENIED, /* 0; anything else is for those who rule the network */
    NONE,   /* 0, and there is nothing else: the error `which` */
    FREE,   /* IPV6_FREEBIND: the same as IP_FREEBIND */
    WHOLE,  /* IPV6_DONTFRAG */
    CORK,   /* UDP_CORK */
    RANGE,  /* IP_LOCAL_PORT_RANGE */
    DEVICE, /* SO_BINDTOIFINDEX: there is one interface */
    FAMILY, /* IPV6_ADDRFORM: read only */
    WATCH,  /* the kernel's, which then tells of what S sent, if the bits `which` are set */
};

struct option {
    int level, name;
    enum how how;
    int which; /* enum udp_told, or an error */
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
    { SOL_SOCKET, SO_BINDTOIFINDEX, DEVICE, 0 },
    { SOL_SOCKET, SO_DEBUG, NATIVE, 0 },
    { SOL_SOCKET, SO_BSDCOMPAT, NATIVE, 0 },
    { SOL_SOCKET, SO_PASSCRED, NATIVE, 0 },
    { SOL_SOCKET, SO_PASSSEC, NATIVE, 0 },
    { SOL_SOCKET, SO_PEERCRED, NATIVE, 0 },
    { SOL_SOCKET, SO_PEERGROUPS, NATIVE, 0 },
    { SOL_SOCKET, SO_WIFI_STATUS, NATIVE, 0 },
    { SOL_SOCKET, SO_NOFCS, NATIVE, 0 },
    { SOL_SOCKET, SO_SELECT_ERR_QUEUE, NATIVE, 0 },
    { SOL_SOCKET, SO_BUSY_POLL, NATIVE, 0 },
    { SOL_SOCKET, SO_PREFER_BUSY_POLL, NATIVE, 0 },
    { SOL_SOCKET, SO_BUSY_POLL_BUDGET, NATIVE, 0 },
    { SOL_SOCKET, SO_MAX_PACING_RATE, NATIVE, 0 },
    { SOL_SOCKET, SO_BPF_EXTENSIONS, NATIVE, 0 },
    { SOL_SOCKET, SO_INCOMING_CPU, NATIVE, 0 },
    { SOL_SOCKET, SO_INCOMING_NAPI_ID, NATIVE, 0 },
    { SOL_SOCKET, SO_CNX_ADVICE, NATIVE, 0 },
    { SOL_SOCKET, SO_NETNS_COOKIE, NATIVE, 0 },
    { SOL_SOCKET, SO_BUF_LOCK, NATIVE, 0 },
    { SOL_SOCKET, SO_RESERVE_MEM, NATIVE, 0 },
    { SOL_SOCKET, SO_TXREHASH, NATIVE, 0 },
    { SOL_SOCKET, NEW_SO_RCVMARK, NATIVE, 0 },
    { SOL_SOCKET, NEW_SO_PASSPIDFD, NATIVE, 0 },
    { SOL_SOCKET, NEW_SO_PEERPIDFD, NATIVE, 0 },
    { SOL_SOCKET, NEW_SO_RCVPRIORITY, NATIVE, 0 },
    { SOL_SOCKET, NEW_SO_PASSRIGHTS, NATIVE, 0 },
    { IPPROTO_IP, IP_TTL, MIRROR, 0 },
    { IPPROTO_IP, IP_TOS, MIRROR, 0 },
    { IPPROTO_IP, IP_MTU_DISCOVER, MIRROR, 0 },
    { IPPROTO_IP, IP_RECVERR, NATIVE, 0 },
    { IPPROTO_IP, IP_FREEBIND, MIRROR, 0 },
    { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, NATIVE, 0 },
    { IPPROTO_IP, IP_MTU, PATH, 0 },
    { IPPROTO_IP, IP_HDRINCL, NATIVE, 0 },
    { IPPROTO_IP, IP_ROUTER_ALERT, NATIVE, 0 },
    { IPPROTO_IP, IP_RECVOPTS, NATIVE, 0 },
    { IPPROTO_IP, IP_RETOPTS, NATIVE, 0 },
    { IPPROTO_IP, IP_PASSSEC, NATIVE, 0 },
    { IPPROTO_IP, IP_TRANSPARENT, DENIED, 0 },
    { IPPROTO_IP, IP_RECVORIGDSTADDR, TOLD, TOLD_ORIGDST },
    { IPPROTO_IP, IP_MINTTL, NATIVE, 0 },
    { IPPROTO_IP, IP_NODEFRAG, NATIVE, 0 },
    { IPPROTO_IP, IP_CHECKSUM, NATIVE, 0 },
    { IPPROTO_IP, NEW_IP_PROTOCOL, PORT, 0 },
    { IPPROTO_IP, IP_RECVFRAGSIZE, NONE, ENOPROTOOPT },
    { IPPROTO_IP, NEW_IP_RECVERR_RFC4884, NONE, ENOPROTOOPT },
    { IPPROTO_IP, IP_UNICAST_IF, NONE, EADDRNOTAVAIL },
    { IPPROTO_IP, NEW_IP_LOCAL_PORT_RANGE, RANGE, 0 },
    { IPPROTO_UDP, NEW_UDPLITE_SEND_CSCOV, NATIVE, 0 },
    { IPPROTO_UDP, NEW_UDPLITE_RECV_CSCOV, NATIVE, 0 },
    { IPPROTO_UDP, UDP_CORK, CORK, 0 },
    { IPPROTO_UDP, UDP_ENCAP, NONE, ENOPROTOOPT },
    { IPPROTO_UDP, UDP_NO_CHECK6_TX, MIRROR, 0 },
    { IPPROTO_UDP, UDP_NO_CHECK6_RX, MIRROR, 0 },
    { IPPROTO_UDP, UDP_SEGMENT, MIRROR, 0 },
    { IPPROTO_UDP, UDP_GRO, MIRROR, 0 },
    { IPPROTO_IP, IP_PKTINFO, TOLD, TOLD_PKTINFO },
    { IPPROTO_IP, IP_RECVTTL, TOLD, TOLD_TTL },
    { IPPROTO_IP, IP_RECVTOS, TOLD, TOLD_TOS },
    { IPPROTO_IPV6, IPV6_V6ONLY, FLAG, 0 },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS, MIRROR, 0 },
    { IPPROTO_IPV6, IPV6_TCLASS, MIRROR, 0 },
    { IPPROTO_IPV6, IPV6_MTU_DISCOVER, MIRROR, 0 },
    { IPPROTO_IPV6, IPV6_RECVERR, MIRROR, 0 },
    { IPPROTO_IPV6, IPV6_MTU, PATH, 0 },
    { IPPROTO_IPV6, IPV6_FREEBIND, FREE, 0 },
    { IPPROTO_IPV6, IPV6_2292HOPOPTS, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_2292DSTOPTS, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_2292RTHDR, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, NEW_IPV6_FLOWINFO, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, NEW_IPV6_ROUTER_ALERT_ISOLATE, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, NEW_IPV6_RECVERR_RFC4884, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_RECVHOPOPTS, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_RECVRTHDR, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_RECVDSTOPTS, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_RECVPATHMTU, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_RECVFRAGSIZE, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_MINHOPCOUNT, NATIVE, 0 }, /* which means nothing to UDP */
    { IPPROTO_IPV6, IPV6_ROUTER_ALERT, NATIVE, 0 },
    { IPPROTO_IPV6, IPV6_ADDRFORM, FAMILY, 0 },
    { IPPROTO_IPV6, NEW_IPV6_FLOWINFO_SEND, NONE, ENOPROTOOPT },
    { IPPROTO_IPV6, IPV6_UNICAST_IF, NONE, EADDRNOTAVAIL },
    { SOL_SOCKET, SO_ZEROCOPY, WATCH, 1 },
    { SOL_SOCKET, SO_TIMESTAMPING_OLD, WATCH, UDP_STAMPS_SENT },
    { SOL_SOCKET, SO_TIMESTAMPING_NEW, WATCH, UDP_STAMPS_SENT },
    { IPPROTO_IPV6, IPV6_TRANSPARENT, DENIED, 0 },
    { IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, TOLD, TOLD_ORIGDST6 },
    { IPPROTO_IPV6, IPV6_DONTFRAG, WHOLE, 0 },
    { IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, NATIVE, 0 },
    { IPPROTO_IPV6, IPV6_2292PKTINFO, TOLD, TOLD_2292PKTINFO6 },
    { IPPROTO_IPV6, IPV6_2292HOPLIMIT, TOLD, TOLD_2292HOPLIMIT6 },
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

static int give_nothing(const struct call *call)
{
    const int32_t none = 0;
    int32_t room;
    if (!memory_read(call->pid, call->arg[4], &room, sizeof room))
        return EFAULT;
    if (room < 0)
        return EINVAL;
    return memory_write(call->pid, call->arg[4], &none, sizeof none) ? 0 : EFAULT;
}

static int get_path_mtu(const struct call *call, const struct udp_socket *socket)
{
    if (!socket->connected)
        return ENOTCONN;
    const int lo = socket->family == AF_INET ? UINT16_MAX : UINT16_MAX + 1;
    return give_int(call,
                    net_is_local(call->weird, &socket->remote.ip) ? lo : call->weird->dev->mtu);
}

static int get_kept(const struct call *call, const struct udp_socket *socket,
                    const struct option *option)
{
    switch (option->how) {
    case TOLD:
        return give_int(call, (socket->told & option->which) != 0);
    case FLAG:
        return give_int(call, socket->v6only);
    case PORT:
        return give_int(call, socket->bound ? socket->local.port : 0);
    case RANGE:
        return give_int(call, (int)socket->ports);
    case DEVICE:
        return give_int(call, socket->device);
    case FAMILY:
        return socket->connected ? give_int(call, socket->family) : ENOTCONN;
    case FREE:
        return give_int(call, socket->freebind);
    case WHOLE:
        return give_int(call, socket->whole6);
    case CORK:
        return give_int(call, socket->corked);
    case DENIED:
    case NONE:
        return give_int(call, 0);
    default:
        return get_path_mtu(call, socket);
    }
}

/* What is sent besides the datagram: nothing. */
static bool is_empty(const struct call *call)
{
    const int level = (int)call->arg[1], name = (int)call->arg[2];
    if (level == IPPROTO_IP)
        return name == IP_OPTIONS;
    return level == IPPROTO_IPV6 && call->family == AF_INET6 &&
           (name == IPV6_HOPOPTS || name == IPV6_RTHDRDSTOPTS || name == IPV6_RTHDR ||
            name == IPV6_DSTOPTS);
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
    } else if (is_empty(call)) {
        error = give_nothing(call);
    } else if (option == NULL) {
        if (level != SOL_SOCKET && level != IPPROTO_IP && level != IPPROTO_IPV6 &&
            level != IPPROTO_UDP) { /* the kernel says what it says to a UDP socket */
            call_continue(call);
            return;
        }
    } else if (option->how == NATIVE || option->how == MIRROR || option->how == WATCH) {
        call_continue(call);
        return;
    } else {
        error = get_kept(call, socket, option);
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
    const int name = (int)call->arg[2];
    if ((int)call->arg[1] == IPPROTO_IPV6 && (name == IPV6_DONTFRAG || name == IPV6_RECVFRAGSIZE))
        return len < 0 ? EINVAL : 0;
    if ((int)call->arg[1] != IPPROTO_IP || len < 0 || name == IP_UNICAST_IF ||
        name == NEW_IP_LOCAL_PORT_RANGE)
        return EINVAL;
    if (len == 0) /* 0, to most */
        return name == IP_TTL || name == IP_FREEBIND || name == IP_TRANSPARENT ? EINVAL : 0;
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
    } else if (option->level == IPPROTO_UDP && option->name == UDP_GRO) {
        socket->joins = value != 0;
    } else if (option->level == IPPROTO_UDP && option->name == UDP_NO_CHECK6_TX) {
        socket->no_sum6 = value != 0;
    } else if (option->level == IPPROTO_UDP && option->name == UDP_NO_CHECK6_RX) {
        socket->takes_no_sum6 = value != 0;
        udp_options_apply(socket);
    } else if (option->level == IPPROTO_UDP) {
        socket->segment = (uint16_t)value;
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

static void set_told(struct udp_socket *socket, int bit, bool on)
{
    socket->told = (uint16_t)(on ? socket->told | bit : socket->told & ~bit);
}

/* What was held back goes now. S holds back what it sends by itself. */
static int set_cork(const struct call *call, struct udp_socket *socket, int value)
{
    if (setsockopt(call->s, IPPROTO_UDP, UDP_CORK, &value, sizeof value) < 0)
        return errno;
    socket->corked = value != 0;
    socket->corks = socket->corks || (socket->connected && socket->corked);
    if (!socket->corked && socket->cork != NULL)
        udp_send_corked(socket, call->s, call->now);
    return 0;
}

/* As Linux it takes a range that begins behind its end only if one of the two is not given. */
static int set_range(struct udp_socket *socket, uint32_t value)
{
    const uint32_t least = value & UINT16_MAX, most = value >> 16;
    if (least != 0 && most != 0 && least > most)
        return EINVAL;
    socket->ports = value;
    return 0;
}

static int set_device(struct udp_socket *socket, int index)
{
    if (index < 0)
        return EINVAL;
    if (index != 0 && (unsigned)index != socket->weird->udp->ifindex)
        return ENODEV; /* nothing would ever come from there */
    socket->device = index;
    return 0;
}

static int set_kept(const struct call *call, struct udp_socket *socket, const struct option *option,
                    int value)
{
    switch (option->how) {
    case PATH:
    case PORT:
    case FAMILY:
        return ENOPROTOOPT;
    case RANGE:
        return set_range(socket, (uint32_t)value);
    case DEVICE:
        return set_device(socket, value);
    case DENIED:
        return value != 0 ? EPERM : 0;
    case NONE:
        return value != 0 ? option->which : 0;
    case FLAG:
        if (socket->bound)
            return EINVAL;
        socket->v6only = value != 0;
        return 0;
    case FREE:
        socket->freebind = value != 0;
        return 0;
    case WHOLE:
        socket->whole6 = value != 0;
        return 0;
    case CORK:
        return set_cork(call, socket, value);
    default:
        set_told(socket, option->which, value != 0);
        return 0;
    }
}

void udp_call_setsockopt(struct call *call, struct udp_socket *socket)
{
    const struct option *option = find(call);
    const int level = (int)call->arg[1], len = (int)call->arg[4];
    int value = 0;
    if (udp_group_set(call, socket))
        return;
    if (option != NULL && option->how == NATIVE) {
        call_continue(call);
        return;
    }
    if (len == 0 && is_empty(call)) {
        call_error(call, 0);
        return;
    }
    int error = udp_option_read(call, &value);
    if (option != NULL && option->how == WATCH) {
        socket->watched = socket->watched || (error == 0 && (value & option->which) != 0);
        call_continue(call);
        return;
    }
    if (option == NULL && (error == 0 || (level != SOL_SOCKET && level != IPPROTO_UDP)))
        error = ENOPROTOOPT;
    if (error == 0)
        error = option->how == MIRROR ? set_mirror(call, socket, option, value)
                                      : set_kept(call, socket, option, value);
    call_answer(call->run, call->id, -error);
}

void udp_options_apply(struct udp_socket *socket)
{
    if (socket->bound) {
        const weir_time now = weir_loop_clock();
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_BROADCAST, socket->broadcast,
                       now);
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_NO_CHECK6,
                       socket->takes_no_sum6, now);
    }
    udp_group_apply(socket);
}
