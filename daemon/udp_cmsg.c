/* SPDX-License-Identifier: MIT */

/* What stands beside a datagram: addresses, TTL and DS field both ways, and what the kernel knows
 * of S (times, drops, errors). */

#include "udp_words.h"

#include "cmsg.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>

/* ---- What sendmsg was given ---- */

static int read_int(const struct cmsghdr *c, int least, int most, int *value)
{
    uint8_t octet;
    if (c->cmsg_len == CMSG_LEN(sizeof *value)) {
        memcpy(value, CMSG_DATA(c), sizeof *value);
    } else if (c->cmsg_len == CMSG_LEN(sizeof octet) && c->cmsg_level == IPPROTO_IP &&
               c->cmsg_type == IP_TOS) {
        memcpy(&octet, CMSG_DATA(c), sizeof octet);
        *value = octet;
    } else {
        return EINVAL;
    }
    return *value >= least && *value <= most ? 0 : EINVAL;
}

static int read_ip(const struct cmsghdr *c, struct udp_beside *beside)
{
    struct in_pktinfo info;
    switch (c->cmsg_type) {
    case IP_PKTINFO:
        if (c->cmsg_len != CMSG_LEN(sizeof info))
            return EINVAL;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        beside->from = weir_ip_v4(0, 0, 0, 0);
        memcpy(beside->from.octet + 12, &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
        return 0;
    case IP_TTL:
        return read_int(c, 1, 255, &beside->ttl);
    case IP_TOS:
        return read_int(c, 0, 255, &beside->tos);
    default:
        return EINVAL;
    }
}

static int read_ip6(const struct cmsghdr *c, struct udp_beside *beside)
{
    struct in6_pktinfo info;
    switch (c->cmsg_type) {
    case IPV6_PKTINFO:
        if (c->cmsg_len < CMSG_LEN(sizeof info))
            return EINVAL;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        memcpy(beside->from.octet, &info.ipi6_addr, sizeof beside->from.octet);
        return 0;
    case IPV6_HOPLIMIT:
        return read_int(c, -1, 255, &beside->ttl);
    case IPV6_TCLASS:
        return read_int(c, -1, 255, &beside->tos);
    default:
        return EINVAL;
    }
}

static int read_udp(const struct cmsghdr *c, struct udp_beside *beside)
{
    if (c->cmsg_type != UDP_SEGMENT || c->cmsg_len != CMSG_LEN(sizeof beside->segment))
        return EINVAL;
    memcpy(&beside->segment, CMSG_DATA(c), sizeof beside->segment);
    return 0;
}

static int read_socket(const struct cmsghdr *c, struct udp_beside *beside)
{
    if ((c->cmsg_type != SO_TIMESTAMPING_OLD && c->cmsg_type != SO_TIMESTAMPING_NEW) ||
        c->cmsg_len != CMSG_LEN(sizeof beside->stamps))
        return EINVAL;
    memcpy(&beside->stamps, CMSG_DATA(c), sizeof beside->stamps);
    return (beside->stamps & ~UDP_STAMPS_ASKED) != 0 ? EINVAL : 0;
}

int udp_cmsg_read(const struct udp_socket *socket, const void *control, size_t len,
                  struct udp_beside *beside)
{
    struct msghdr message = { .msg_control = (void *)(uintptr_t)control, .msg_controllen = len };
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        const size_t before = (size_t)((const uint8_t *)c - (const uint8_t *)control);
        if (c->cmsg_len < sizeof *c || c->cmsg_len > len - before)
            return EINVAL;
        int error = 0;
        if (c->cmsg_level == IPPROTO_IP)
            error = read_ip(c, beside);
        else if (c->cmsg_level == IPPROTO_IPV6 && socket->family == AF_INET6)
            error = read_ip6(c, beside);
        else if (c->cmsg_level == IPPROTO_UDP)
            error = read_udp(c, beside);
        else if (c->cmsg_level == SOL_SOCKET)
            error = read_socket(c, beside);
        if (error != 0)
            return error;
    }
    return 0;
}

/* ---- What recvmsg tells ---- */

/* Who says so and what, in the words of the datagram's own family. */
static void put_error(struct cmsg_writing *w, const struct udp_telling *telling,
                      const struct cmsghdr *c)
{
    struct {
        struct sock_extended_err error;
        struct sockaddr_in6 offender;
    } said = { 0 };
    const bool six = telling->socket->family == AF_INET6;
    const size_t len =
        sizeof said.error + (six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    struct sockaddr_in id;
    struct weir_addr offender, to;
    memcpy(&said, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0) < len ? c->cmsg_len - CMSG_LEN(0) : len);
    if (said.error.ee_origin == SO_EE_ORIGIN_ICMP && udp_native_read(&said.offender, &id) &&
        udp_id_read(telling->host->ids, id.sin_addr, &offender, &to)) {
        udp_icmp_kind(&offender, &said.error.ee_type, &said.error.ee_code);
        if (!weir_ip_is_v4(&offender.ip))
            said.error.ee_origin = SO_EE_ORIGIN_ICMP6;
        if (said.error.ee_origin == SO_EE_ORIGIN_ICMP6 && said.error.ee_type == 1 &&
            said.error.ee_code == 1)
            said.error.ee_errno = EACCES;
        if (six)
            memcpy(&said.offender.sin6_addr, offender.ip.octet, sizeof offender.ip.octet);
        else
            memcpy(&((struct sockaddr_in *)&said.offender)->sin_addr, offender.ip.octet + 12, 4);
    }
    cmsg_put(w, c->cmsg_level, c->cmsg_type, &said, len);
}

static void put_addresses(struct cmsg_writing *w, const struct udp_telling *telling, bool v4)
{
    const struct udp_socket *socket = telling->socket;
    const struct weir_ip *to = &telling->to->ip;
    const bool lo = v4 ? to->octet[12] == 127 : to->octet[0] == 0 && to->octet[15] == 1;
    const unsigned ifindex = lo ? 1 : telling->host->ifindex;
    if ((socket->told & TOLD_PKTINFO) != 0 && v4) {
        struct in_pktinfo info = { .ipi_ifindex = (int)ifindex };
        memcpy(&info.ipi_addr, to->octet + 12, sizeof info.ipi_addr);
        info.ipi_spec_dst = info.ipi_addr;
        if ((to->octet[12] & 0xf0) == 0xe0 || to->octet[15] == 0xff) /* a group: we are this */
            memcpy(&info.ipi_spec_dst, telling->host->own4.octet + 12, sizeof info.ipi_spec_dst);
        cmsg_put(w, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    struct in6_pktinfo info6 = { .ipi6_ifindex = ifindex };
    memcpy(&info6.ipi6_addr, to->octet, sizeof info6.ipi6_addr);
    if ((socket->told & TOLD_PKTINFO6) != 0)
        cmsg_put(w, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof info6);
    if ((socket->told & TOLD_2292PKTINFO6) != 0 && !v4)
        cmsg_put(w, IPPROTO_IPV6, IPV6_2292PKTINFO, &info6, sizeof info6);
}

/* Where it was sent, as an address with a port. */
static void put_destination(struct cmsg_writing *w, const struct udp_telling *telling, bool v4)
{
    const struct weir_addr *to = telling->to;
    struct sockaddr_in six_less = { .sin_family = AF_INET, .sin_port = htons(to->port) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(to->port) };
    memcpy(&six_less.sin_addr, to->ip.octet + 12, sizeof six_less.sin_addr);
    memcpy(&six.sin6_addr, to->ip.octet, sizeof six.sin6_addr);
    if (v4 && (telling->socket->told & TOLD_ORIGDST) != 0)
        cmsg_put(w, IPPROTO_IP, IP_ORIGDSTADDR, &six_less, sizeof six_less);
    if (!v4 && (telling->socket->told & TOLD_ORIGDST6) != 0)
        cmsg_put(w, IPPROTO_IPV6, IPV6_ORIGDSTADDR, &six, sizeof six);
}

static void put_ttl(struct cmsg_writing *w, const struct udp_socket *socket, bool v4, int ttl)
{
    if (v4 && (socket->told & TOLD_TTL) != 0)
        cmsg_put(w, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    if (!v4 && (socket->told & TOLD_HOPLIMIT6) != 0)
        cmsg_put(w, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof ttl);
    if (!v4 && (socket->told & TOLD_2292HOPLIMIT6) != 0)
        cmsg_put(w, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &ttl, sizeof ttl);
}

static void put_tos(struct cmsg_writing *w, const struct udp_socket *socket, bool v4, uint8_t tos)
{
    const int tclass = tos;
    if (v4 && (socket->told & TOLD_TOS) != 0)
        cmsg_put(w, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    if (!v4 && (socket->told & TOLD_TCLASS6) != 0)
        cmsg_put(w, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof tclass);
}

uint16_t udp_cmsg_piece(const struct msghdr *native)
{
    const struct cmsghdr *c = cmsg_find(native, IPPROTO_UDP, UDP_GRO);
    int piece = 0;
    if (c != NULL)
        memcpy(&piece, CMSG_DATA(c), sizeof piece);
    return (uint16_t)piece;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): `w` writes through both. */
size_t udp_cmsg_write(const struct udp_telling *telling, uint8_t *control, size_t room, bool *cut)
{
    struct cmsg_writing w = { control, room, 0, cut };
    struct msghdr *native = telling->native;
    const bool error = (native->msg_flags & MSG_ERRQUEUE) != 0;
    const bool named = native->msg_namelen != 0;
    const bool v4 = named && weir_ip_is_v4(&telling->to->ip);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(native); c != NULL; c = CMSG_NXTHDR(native, c))
        if (c->cmsg_level == SOL_SOCKET)
            cmsg_put(&w, SOL_SOCKET, c->cmsg_type, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    const int piece = udp_cmsg_piece(native);
    if (piece > 0)
        cmsg_put(&w, IPPROTO_UDP, UDP_GRO, &piece, sizeof piece);
    if (named && !error)
        put_addresses(&w, telling, v4);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(native); c != NULL; c = CMSG_NXTHDR(native, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL && named && !error) {
            int ttl;
            memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
            put_ttl(&w, telling->socket, v4, ttl);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS && named && !error) {
            put_tos(&w, telling->socket, v4, *CMSG_DATA(c));
        } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                   (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            put_error(&w, telling, c);
        }
    }
    if (named && !error)
        put_destination(&w, telling, v4);
    return w.len;
}
