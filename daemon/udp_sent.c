/* SPDX-License-Identifier: MIT */

/* What the kernel tells of what S sent: when it left (SO_TIMESTAMPING), and that its octets are no
 * longer needed (MSG_ZEROCOPY).
 *
 * What a connected S sends by itself the kernel knows of. What weird sends for it is sent once
 * more, by S, to where nobody reads: so the kernel counts it, takes the time and puts into S's
 * error queue what the program asked for, and poll says so. That weird read the octets before is
 * what the kernel says as well: over the loopback they are copied (SO_EE_CODE_ZEROCOPY_COPIED). */

#include "udp_words.h"

#include "cmsg.h"
#include "heads.h"

#include <linux/errqueue.h>

/* syscall: sendmsg */

/* Of a frame that the kernel gives back. */
#define TYPE_AT     12
#define ETHER_LEN   14
#define HEAD4_LEN   20
#define HEAD6_LEN   40
#define UDP_LEN     8
#define FRAME_LEAST (ETHER_LEN + HEAD4_LEN + UDP_LEN)

void udp_sent_tell(const struct udp_job *job, const struct weir_addr *to,
                   const struct udp_sent *sent)
{
    const struct udp_socket *socket = job->socket;
    const struct udp_host *host = job->host;
    if (!socket->watched && sent->stamps < 0)
        return;
    const struct sockaddr_in id = {
        .sin_family = AF_INET,
        .sin_port = host->hole_port,
        .sin_addr = udp_id_of(host->ids, to, &socket->local),
    };
    struct sockaddr_in6 name;
    const socklen_t name_len = udp_native(socket->family, &id, &name);
    union {
        char octets[CMSG_SPACE(sizeof(uint32_t))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct iovec iov = { (void *)(uintptr_t)sent->data, sent->len };
    struct msghdr message = {
        .msg_name = &name, .msg_namelen = name_len, .msg_iov = &iov, .msg_iovlen = 1
    };
    if (sent->stamps >= 0) {
        message.msg_control = control.octets;
        message.msg_controllen = sizeof control.octets;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        *c = (struct cmsghdr){ CMSG_LEN(sizeof(uint32_t)), SOL_SOCKET, SO_TIMESTAMPING_OLD };
        memcpy(CMSG_DATA(c), &sent->stamps, sizeof(uint32_t));
    }
    (void)sendmsg(job->s, &message, MSG_DONTWAIT | MSG_NOSIGNAL | (sent->flags & MSG_ZEROCOPY));
}

/* ---- The frame that comes back ---- */

bool udp_sent_is_frame(const struct msghdr *native)
{
    const struct cmsghdr *c = cmsg_find(native, IPPROTO_IP, IP_RECVERR);
    struct sock_extended_err error;
    if (c == NULL)
        c = cmsg_find(native, IPPROTO_IPV6, IPV6_RECVERR);
    if (c == NULL)
        return false;
    memcpy(&error, CMSG_DATA(c), sizeof error);
    return error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING;
}

static void name_v4(uint8_t *head, const struct weir_ip *from, const struct weir_ip *to)
{
    memcpy(head + 12, from->octet + 12, 4);
    memcpy(head + 16, to->octet + 12, 4);
    put_u16(head + 10, 0);
    put_u16(head + 10, head_sum(head, HEAD4_LEN));
}

/* In place of what is at `head`, which lacks the difference in front of UDP's. */
static void name_v6(uint8_t *head, const struct weir_ip *from, const struct weir_ip *to)
{
    const uint8_t tos = head[1], ttl = head[8];
    uint8_t len[2] = { 0 };
    memcpy(len, head + HEAD6_LEN + 4, sizeof len);
    memset(head, 0, 8);
    head[0] = (uint8_t)(0x60 | tos >> 4);
    head[1] = (uint8_t)(tos << 4);
    memcpy(head + 4, len, sizeof len);
    head[6] = IPPROTO_UDP;
    head[7] = ttl;
    memcpy(head + 8, from->octet, sizeof from->octet);
    memcpy(head + 24, to->octet, sizeof to->octet);
}

size_t udp_sent_rename(const struct udp_host *host, uint8_t *frame, size_t len, size_t room)
{
    struct weir_addr to, from;
    struct in_addr id;
    uint8_t *head = frame + ETHER_LEN;
    if (len < FRAME_LEAST || frame[TYPE_AT] != 0x08 || frame[TYPE_AT + 1] != 0 || head[0] != 0x45)
        return len;
    memcpy(&id, head + 16, sizeof id);
    if (!udp_id_read(host->ids, id, &to, &from))
        return len;
    const bool v4 = weir_ip_is_v4(&to.ip);
    if (address_any(&from.ip))
        from.ip = net_is_local(host->weird, &to.ip) ? to.ip : v4 ? host->own4 : from.ip;
    put_u16(head + HEAD4_LEN, from.port);
    put_u16(head + HEAD4_LEN + 2, to.port);
    if (v4) {
        name_v4(head, &from.ip, &to.ip);
        return len;
    }
    const size_t more = HEAD6_LEN - HEAD4_LEN;
    const size_t rest = len - ETHER_LEN - HEAD4_LEN;
    const size_t kept = room - len >= more ? rest : rest - (more - (room - len));
    memmove(head + HEAD6_LEN, head + HEAD4_LEN, kept);
    frame[TYPE_AT] = 0x86;
    frame[TYPE_AT + 1] = 0xdd;
    name_v6(head, &from.ip, &to.ip);
    return ETHER_LEN + HEAD6_LEN + rest;
}
