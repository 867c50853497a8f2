/* SPDX-License-Identifier: MIT */
#include "wire/follow.h"

#include "wire/cursor.h"
#include "wire/tcp.h"

#define IP4_LEN       20
#define IP4_LEN_AT    2
#define IP4_FRAG_AT   6
#define IP4_PROTO_AT  9
#define IP4_ENDS_AT   12
#define IP4_ENDS_LEN  8
#define IP4_FRAG_BITS 0x3fff /* more fragments, and the offset */
#define IP6_LEN       40
#define IP6_LEN_AT    4
#define IP6_NEXT_AT   6
#define IP6_ENDS_AT   8
#define IP6_ENDS_LEN  32
#define PROTO_TCP     6
#define PORTS_LEN     4
#define SEQ_AT        4
#define OFFSET_AT     12
#define FLAGS_AT      13
#define TS_LEN        32         /* a header with timestamps and nothing else */
#define TS_ALIGNED    0x0101080a /* NOP NOP, kind and length */

/* Octets of a plain IP header with TCP behind it; 0: another one. */
static size_t ip_plain(const uint8_t *p)
{
    if (p[0] == 0x45 && p[IP4_PROTO_AT] == PROTO_TCP &&
        (get_u16(p + IP4_FRAG_AT) & IP4_FRAG_BITS) == 0)
        return IP4_LEN;
    return p[0] >> 4 == 6 && p[IP6_NEXT_AT] == PROTO_TCP ? IP6_LEN : 0;
}

/* The same of a TCP header. */
static size_t tcp_plain(const uint8_t *p)
{
    if ((p[FLAGS_AT] & ~(TCP_PSH | TCP_ECE | TCP_CWR)) != TCP_ACK)
        return 0;
    const size_t len = (p[OFFSET_AT] >> 4) * 4u;
    return len == TCP_HEAD_MIN || (len == TS_LEN && get_u32(p + TCP_HEAD_MIN) == TS_ALIGNED) ? len
                                                                                             : 0;
}

bool wire_follow_learn(struct wire_follow *follow, const uint8_t *frame, size_t link_len,
                       size_t len)
{
    if (len > WIRE_FOLLOW_MAX || len < link_len + IP4_LEN + TCP_HEAD_MIN)
        return false;
    const size_t ip_len = ip_plain(frame + link_len);
    if (ip_len == 0 || len < link_len + ip_len + TCP_HEAD_MIN)
        return false;
    const uint8_t *tcp = frame + link_len + ip_len;
    const size_t tcp_len = len - link_len - ip_len;
    if ((tcp[OFFSET_AT] >> 4) * 4u != tcp_len || tcp_plain(tcp) != tcp_len)
        return false;
    memcpy(follow->head, frame, len);
    follow->len = (uint8_t)len;
    follow->link_len = (uint8_t)link_len;
    return true;
}

static bool ends_fit(const uint8_t *p, const uint8_t *before, size_t ip_len, size_t len)
{
    if (ip_len == IP4_LEN)
        return get_u16(p + IP4_LEN_AT) == len &&
               memcmp(p + IP4_ENDS_AT, before + IP4_ENDS_AT, IP4_ENDS_LEN) == 0;
    return get_u16(p + IP6_LEN_AT) == len - IP6_LEN &&
           memcmp(p + IP6_ENDS_AT, before + IP6_ENDS_AT, IP6_ENDS_LEN) == 0;
}

bool wire_follow_fits(const struct wire_follow *follow, const uint8_t *frame, size_t len,
                      seq32 *seq)
{
    if (len <= follow->len || memcmp(frame, follow->head, follow->link_len) != 0)
        return false;
    const uint8_t *p = frame + follow->link_len, *before = follow->head + follow->link_len;
    const size_t ip_len = ip_plain(p);
    if (ip_len == 0 || ip_len != ip_plain(before) ||
        !ends_fit(p, before, ip_len, len - follow->link_len))
        return false;
    const uint8_t *tcp = p + ip_len;
    if (follow->link_len + ip_len + tcp_plain(tcp) != follow->len ||
        memcmp(tcp, before + ip_len, PORTS_LEN) != 0)
        return false;
    *seq = get_u32(tcp + SEQ_AT);
    return true;
}
