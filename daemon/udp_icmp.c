/* SPDX-License-Identifier: MIT */

/* An ICMP error about a datagram of a program, made again for S. What it means for S, and whether
 * the program hears of it at once, in its error queue or not at all, is the kernel's to say. */

#include "udp.h"

#include "heads.h"

/* syscall: sendmsg */

#define IP_HEAD_LEN   20
#define UDP_HEAD_LEN  8
#define ICMP_HEAD_LEN 8
#define QUOTE_AT      (IP_HEAD_LEN + ICMP_HEAD_LEN)
#define PACKET_MAX    (QUOTE_AT + IP_HEAD_LEN + UDP_HEAD_LEN + WEIR_QUOTE_MAX)
#define TTL           64

static void put_ip(uint8_t *at, uint8_t protocol, size_t len, struct in_addr from,
                   struct in_addr to)
{
    memset(at, 0, IP_HEAD_LEN);
    at[0] = 0x45;
    put_u16(at + 2, (uint16_t)len);
    at[8] = TTL;
    at[9] = protocol;
    memcpy(at + 12, &from, sizeof from);
    memcpy(at + 16, &to, sizeof to);
    put_u16(at + 10, head_sum(at, IP_HEAD_LEN));
}

/* ICMPv6's types as ICMP has them: those with the same consequences. */
static void kind_for_v4(const struct weir_udp_report *report, uint8_t *type, uint8_t *code)
{
    static const uint8_t unreach[] = { 0, 13, 1, 1, 3, 13, 13 };
    *type = report->type;
    *code = report->code;
    if (weir_ip_is_v4(&report->to.ip))
        return;
    switch (report->type) {
    case 1:
        *type = 3;
        *code = report->code < sizeof unreach ? unreach[report->code] : 1;
        break;
    case 2:
        *type = 3;
        *code = 4;
        break;
    case 3:
        *type = 11;
        break;
    default:
        *type = report->code == 1 ? 3 : 12;
        *code = report->code == 1 ? 2 : 0;
    }
}

void udp_icmp_kind(const struct weir_addr *offender, uint8_t *type, uint8_t *code)
{
    *type = (uint8_t)(offender->port >> 8);
    *code = (uint8_t)offender->port;
}

void udp_icmp_report(struct udp_host *host, struct udp_socket *socket,
                     const struct weir_udp_report *report)
{
    uint8_t packet[PACKET_MAX] = { 0 }, type, code;
    const struct weir_addr offender = { .ip = report->reporter,
                                        .port = (uint16_t)(report->type << 8 | report->code) };
    kind_for_v4(report, &type, &code);
    if (report->error == WEIR_TOO_LONG && socket->connected)
        return; /* it would shrink the path between S and D */
    const struct in_addr to = socket->connected ? socket->peer.sin_addr
                                                : udp_id_of(host->ids, &report->to, &socket->local);
    const size_t udp_len = UDP_HEAD_LEN + report->len;
    const size_t len = QUOTE_AT + IP_HEAD_LEN + udp_len;
    put_ip(packet, IPPROTO_ICMP, len, udp_id_of(host->ids, &offender, &report->to),
           socket->at.sin_addr);

    uint8_t *icmp = packet + IP_HEAD_LEN;
    uint8_t *udp = packet + QUOTE_AT + IP_HEAD_LEN;
    icmp[0] = type;
    icmp[1] = code;
    put_u16(icmp + 6, report->mtu < UINT16_MAX ? (uint16_t)report->mtu : UINT16_MAX);
    put_ip(packet + QUOTE_AT, IPPROTO_UDP, IP_HEAD_LEN + udp_len, socket->at.sin_addr, to);
    memcpy(udp, &socket->at.sin_port, 2);
    memcpy(udp + 2, &host->at.sin_port, 2);
    put_u16(udp + 4, (uint16_t)udp_len);
    memcpy(udp + UDP_HEAD_LEN, report->data, report->len);
    put_u16(icmp + 2, head_sum(icmp, len - IP_HEAD_LEN));
    struct sockaddr_in at = socket->at;
    struct iovec iov = { packet, len };
    const struct msghdr message = {
        .msg_name = &at, .msg_namelen = sizeof at, .msg_iov = &iov, .msg_iovlen = 1
    };
    (void)sendmsg(host->raw, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
