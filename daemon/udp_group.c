/* SPDX-License-Identifier: MIT */

/* Multicast under `weir run`: which groups a socket has joined, and how it sends to groups (RFC
 * 3493, 5.2; Linux's ip(7) and ipv6(7)). The network is weir's, so the kernel hears none of this.
 *
 * An endpoint of weir is there while the socket is bound. What was joined before that is told to
 * the network then. */

#include "udp.h"

#include <errno.h>

#define DEFAULT_TTL 1
#define LO_INDEX    1 /* the loopback interface, in every namespace; groups are not heard there */

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

/* What a call asks for, whichever structure it came in. */
struct request {
    struct weir_ip group;
    struct weir_ip address; /* of the interface; any: by its index */
    int64_t index;          /* of the interface; 0: by its address */
};

/* ---- The interface ---- */

/* There is one beside the loopback. 0 or errno. */
static int check_iface(const struct call *call, const struct request *request, int error)
{
    const bool by_address = request->index == 0 && !address_any(&request->address);
    if (by_address)
        return net_is_local(call->weird, &request->address) ? 0 : error;
    return request->index == 0 || request->index == call->weird->udp->ifindex ? 0 : error;
}

/* ---- Membership ---- */

static bool is_group(const struct weir_ip *ip)
{
    return weir_ip_is_v4(ip) ? (ip->octet[12] & 0xf0) == 0xe0 : ip->octet[0] == 0xff;
}

static int errno_of_join(enum weir_error error)
{
    switch (error) {
    case WEIR_OK:
    case WEIR_IN_USE: /* it is in our table only once */
        return 0;
    case WEIR_NO_MEMORY:
        return ENOBUFS;
    default:
        return ENODEV;
    }
}

static int join_now(const struct udp_socket *socket, const struct weir_ip *group)
{
    const struct weird *weird = socket->weird;
    return errno_of_join(
        weir_udp_join(weird->weir, socket->handle, group, weird->iface + 1, weir_loop_clock()));
}

static int join(struct udp_socket *socket, const struct weir_ip *group)
{
    static const struct weir_ip none = { { 0 } };
    struct udp_group *place = NULL;
    for (unsigned i = UDP_GROUPS_MAX; i-- > 0;) {
        if (weir_ip_equal(&socket->group[i].ip, group))
            return EADDRINUSE;
        if (weir_ip_equal(&socket->group[i].ip, &none))
            place = &socket->group[i];
    }
    if (place == NULL)
        return ENOBUFS;
    const int error = socket->bound ? join_now(socket, group) : 0;
    if (error == 0)
        place->ip = *group;
    return error;
}

static int leave(struct udp_socket *socket, const struct weir_ip *group)
{
    for (unsigned i = 0; i < UDP_GROUPS_MAX; i++) {
        if (!weir_ip_equal(&socket->group[i].ip, group))
            continue;
        socket->group[i] = (struct udp_group){ { { 0 } } };
        if (socket->bound)
            (void)weir_udp_leave(socket->weird->weir, socket->handle, group,
                                 socket->weird->iface + 1, weir_loop_clock());
        return 0;
    }
    return EADDRNOTAVAIL;
}

static struct weir_ip ip_of(struct in_addr in)
{
    uint8_t octet[4];
    memcpy(octet, &in, sizeof octet);
    return weir_ip_v4(octet[0], octet[1], octet[2], octet[3]);
}

static struct weir_ip ip_of6(const struct in6_addr *in6)
{
    struct weir_ip ip;
    memcpy(ip.octet, in6, sizeof ip.octet);
    return ip;
}

/* struct ip_mreq, or the longer ip_mreqn. */
static int read_v4(const struct call *call, struct request *request)
{
    struct ip_mreqn asked = { .imr_ifindex = 0 };
    const int len = (int)call->arg[4];
    if (len < (int)sizeof(struct ip_mreq))
        return EINVAL;
    const size_t part = len < (int)sizeof asked ? sizeof(struct ip_mreq) : sizeof asked;
    if (!memory_read(call->pid, call->arg[3], &asked, part))
        return EFAULT;
    request->group = ip_of(asked.imr_multiaddr);
    request->address = ip_of(asked.imr_address);
    request->index = asked.imr_ifindex;
    return 0;
}

static int read_v6(const struct call *call, struct request *request)
{
    struct ipv6_mreq asked;
    if ((int)call->arg[4] < (int)sizeof asked)
        return EINVAL;
    if (!memory_read(call->pid, call->arg[3], &asked, sizeof asked))
        return EFAULT;
    request->group = ip_of6(&asked.ipv6mr_multiaddr);
    request->index = asked.ipv6mr_interface;
    return 0;
}

/* struct group_req, which serves both families. */
static int read_any(const struct call *call, struct request *request)
{
    struct group_req asked;
    const bool six = (int)call->arg[1] == IPPROTO_IPV6;
    if ((int)call->arg[4] < (int)sizeof asked)
        return EINVAL;
    if (!memory_read(call->pid, call->arg[3], &asked, sizeof asked))
        return EFAULT;
    if (asked.gr_group.ss_family != (six ? AF_INET6 : AF_INET))
        return six ? EADDRNOTAVAIL : EINVAL;
    request->group = six ? ip_of6(&((const struct sockaddr_in6 *)&asked.gr_group)->sin6_addr)
                         : ip_of(((const struct sockaddr_in *)&asked.gr_group)->sin_addr);
    request->index = asked.gr_interface;
    return 0;
}

static int set_membership(const struct call *call, struct udp_socket *socket)
{
    struct request request = { .index = 0 };
    const int name = (int)call->arg[2];
    const bool six = (int)call->arg[1] == IPPROTO_IPV6;
    const bool any = name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP;
    int error = any   ? read_any(call, &request)
                : six ? read_v6(call, &request)
                      : read_v4(call, &request);
    if (error == 0 && (!is_group(&request.group) || weir_ip_is_v4(&request.group) == six))
        error = EINVAL;
    if (error == 0)
        error = check_iface(call, &request, ENODEV);
    if (error != 0)
        return error;
    const bool leaves =
        name == MCAST_LEAVE_GROUP || name == (six ? IPV6_DROP_MEMBERSHIP : IP_DROP_MEMBERSHIP);
    return leaves ? leave(socket, &request.group) : join(socket, &request.group);
}

/* ---- How it sends ---- */

static int set_iface4(const struct call *call, struct udp_socket *socket)
{
    struct request request = { .index = 0 };
    struct in_addr address;
    const int len = (int)call->arg[4];
    if (len < (int)sizeof address)
        return EINVAL;
    if (len >= (int)sizeof(struct ip_mreq)) {
        const int error = read_v4(call, &request);
        if (error != 0)
            return error;
    } else if (memory_read(call->pid, call->arg[3], &address, sizeof address)) {
        request.address = ip_of(address);
    } else {
        return EFAULT;
    }
    const int error = check_iface(call, &request, EADDRNOTAVAIL);
    if (error == 0)
        socket->sends.address = request.index == 0 ? request.address : weir_ip_v4(0, 0, 0, 0);
    return error;
}

static int set_iface6(const struct call *call, struct udp_socket *socket, int value)
{
    const struct request request = { .index = value };
    if (value != LO_INDEX && check_iface(call, &request, ENODEV) != 0)
        return ENODEV;
    if (value == LO_INDEX) /* there is nobody to send to */
        return EADDRNOTAVAIL;
    socket->sends.index = value;
    return 0;
}

static int set_ttl(struct udp_socket *socket, bool six, int value)
{
    if (value < -1 || value > UINT8_MAX)
        return EINVAL;
    socket->sends.ttl[six] = (uint8_t)(value < 0 ? DEFAULT_TTL : value);
    return 0;
}

/* IPv6 takes 0 and 1 only where IPv4 takes anything; with the other option it is the other way. */
static int set_flag(bool *flag, bool strict, int value)
{
    if (strict && value != 0 && value != 1)
        return EINVAL;
    *flag = value != 0;
    return 0;
}

static int set_one(const struct call *call, struct udp_socket *socket)
{
    const bool six = (int)call->arg[1] == IPPROTO_IPV6;
    const int name = (int)call->arg[2];
    int value;
    if (!six && name == IP_MULTICAST_IF)
        return set_iface4(call, socket);
    const bool empty = !six && (int)call->arg[4] < 1;
    const int error = empty ? EINVAL : udp_option_read(call, &value);
    if (error != 0)
        return error;
    if (name == (six ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL))
        return set_ttl(socket, six, value);
    if (name == (six ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP))
        return set_flag(&socket->sends.loop[six], six, value);
    if (name == (six ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL))
        return set_flag(&socket->sends.all[six], !six, value);
    return set_iface6(call, socket, value);
}

/* ---- Both ---- */

enum which {
    OTHER,
    MEMBERSHIP,
    SENDING
};

static enum which which_of(const struct call *call)
{
    const int name = (int)call->arg[2];
    if ((int)call->arg[1] == IPPROTO_IPV6 && call->family != AF_INET6)
        return OTHER;
    if ((int)call->arg[1] == IPPROTO_IP) {
        if (name == IP_MULTICAST_IF || name == IP_MULTICAST_TTL || name == IP_MULTICAST_LOOP ||
            name == IP_MULTICAST_ALL)
            return SENDING;
        return name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP ||
                       name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP
                   ? MEMBERSHIP
                   : OTHER;
    }
    if ((int)call->arg[1] != IPPROTO_IPV6)
        return OTHER;
    if (name == IPV6_MULTICAST_IF || name == IPV6_MULTICAST_HOPS || name == IPV6_MULTICAST_LOOP ||
        name == IPV6_MULTICAST_ALL)
        return SENDING;
    return name == IPV6_ADD_MEMBERSHIP || name == IPV6_DROP_MEMBERSHIP ||
                   name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP
               ? MEMBERSHIP
               : OTHER;
}

bool udp_group_set(struct call *call, struct udp_socket *socket)
{
    const enum which which = which_of(call);
    if (which == OTHER)
        return false;
    const int error = which == MEMBERSHIP ? set_membership(call, socket) : set_one(call, socket);
    if (error == 0 && which == SENDING)
        udp_group_apply(socket);
    call_answer(call->run, call->id, -error);
    return true;
}

bool udp_group_get(struct call *call, const struct udp_socket *socket)
{
    const bool six = (int)call->arg[1] == IPPROTO_IPV6;
    const int name = (int)call->arg[2];
    int value;
    if (which_of(call) != SENDING)
        return false;
    if (name == (six ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL))
        value = socket->sends.ttl[six];
    else if (name == (six ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP))
        value = socket->sends.loop[six];
    else if (name == (six ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL))
        value = socket->sends.all[six];
    else if (six)
        value = socket->sends.index;
    else /* an address, as it stands in memory */
        memcpy(&value, socket->sends.address.octet + 12, sizeof value);
    const bool address = !six && name == IP_MULTICAST_IF;
    call_answer(call->run, call->id, -udp_option_write(call, value, address));
    return true;
}

void udp_group_defaults(struct udp_socket *socket)
{
    socket->sends = (struct udp_sends){ .address = weir_ip_v4(0, 0, 0, 0),
                                        .ttl = { DEFAULT_TTL, DEFAULT_TTL },
                                        .loop = { true, true },
                                        .all = { socket->family == AF_INET, true } };
}

void udp_group_apply(struct udp_socket *socket)
{
    static const struct weir_ip none = { { 0 } };
    struct weir *weir = socket->weird->weir;
    const bool six = socket->family == AF_INET6;
    const weir_time now = weir_loop_clock();
    if (!socket->bound)
        return;
    (void)weir_set(weir, socket->handle, WEIR_OPT_GROUP_TTL, socket->sends.ttl[six], now);
    (void)weir_set(weir, socket->handle, WEIR_OPT_GROUP_LOOP, socket->sends.loop[six], now);
    (void)weir_set(weir, socket->handle, WEIR_OPT_GROUP_ALL, socket->sends.all[six], now);
    for (unsigned i = 0; i < UDP_GROUPS_MAX; i++)
        if (!weir_ip_equal(&socket->group[i].ip, &none))
            (void)join_now(socket, &socket->group[i].ip);
}
