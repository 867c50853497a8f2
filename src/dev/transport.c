/* SPDX-License-Identifier: MIT */
#include "dev/transport.h"

#include "base/csum.h"
#include "base/octets.h"

#define ETHER_LEN      14
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTO_TCP      6
#define PROTO_UDP      17
#define EXT_MAX        8 /* extension headers looked behind */

#define TCP_CSUM_AT 16
#define UDP_CSUM_AT 6

struct transport {
    size_t off, end;
    size_t address_off, address_len; /* source and destination, one behind the other */
    uint8_t proto;
};

static bool find_ip4(const uint8_t *frame, size_t len, struct transport *t)
{
    const uint8_t *ip = frame + ETHER_LEN;
    if (len < ETHER_LEN + 20 || ip[0] >> 4 != 4 || (get_u16(ip + 6) & 0x3fff) != 0)
        return false; /* fragments carry no whole sum */
    t->proto = ip[9];
    t->off = ETHER_LEN + (size_t)(ip[0] & 15) * 4;
    t->end = ETHER_LEN + get_u16(ip + 2);
    t->address_off = ETHER_LEN + 12;
    t->address_len = 8;
    return true;
}

static bool find_ip6(const uint8_t *frame, size_t len, struct transport *t)
{
    const uint8_t *ip = frame + ETHER_LEN;
    if (len < ETHER_LEN + 40 || ip[0] >> 4 != 6)
        return false;
    t->proto = ip[6];
    t->off = ETHER_LEN + 40;
    t->end = ETHER_LEN + 40 + get_u16(ip + 4);
    t->address_off = ETHER_LEN + 8;
    t->address_len = 32;
    for (unsigned i = 0; i < EXT_MAX && (t->proto == 0 || t->proto == 43 || t->proto == 60); i++) {
        if (t->off + 2 > len)
            return false;
        t->proto = frame[t->off];
        t->off += ((size_t)frame[t->off + 1] + 1) * 8;
    }
    return true;
}

static bool find(const uint8_t *frame, size_t len, struct transport *t)
{
    if (len < ETHER_LEN)
        return false;
    const unsigned ethertype = get_u16(frame + 12);
    const bool found = ethertype == ETHERTYPE_IPV4   ? find_ip4(frame, len, t)
                       : ethertype == ETHERTYPE_IPV6 ? find_ip6(frame, len, t)
                                                     : false;
    return found && t->end <= len && t->off < t->end;
}

static csum32 pseudo_sum(const uint8_t *frame, const struct transport *t)
{
    csum32 sum = csum_add(0, frame + t->address_off, t->address_len);
    sum = csum_add16(sum, t->proto);
    return csum_add16(sum, (uint16_t)(t->end - t->off)); /* at most 65,535, as is a frame */
}

/* Where the sum's field is; 0 if there is none. UDP over IPv4 may go without. */
static size_t field_at(const uint8_t *frame, const struct transport *t)
{
    if (t->proto == PROTO_TCP && t->off + TCP_CSUM_AT + 2 <= t->end)
        return t->off + TCP_CSUM_AT;
    if (t->proto == PROTO_UDP && t->off + UDP_CSUM_AT + 2 <= t->end &&
        get_u16(frame + t->off + UDP_CSUM_AT) != 0)
        return t->off + UDP_CSUM_AT;
    return 0;
}

void transport_complete(uint8_t *frame, size_t len)
{
    struct transport t;
    const size_t field = find(frame, len, &t) ? field_at(frame, &t) : 0;
    if (field == 0)
        return;
    frame[field] = frame[field + 1] = 0;
    uint16_t sum = csum_fold(csum_add(pseudo_sum(frame, &t), frame + t.off, t.end - t.off));
    if (sum == 0 && t.proto == PROTO_UDP)
        sum = 0xffff;
    frame[field] = (uint8_t)(sum >> 8);
    frame[field + 1] = (uint8_t)sum;
}

bool transport_sum_is_open(const uint8_t *frame, size_t len)
{
    struct transport t;
    const size_t field = find(frame, len, &t) ? field_at(frame, &t) : 0;
    if (field == 0)
        return false;
    const csum32 pseudo = pseudo_sum(frame, &t);
    /* The field is compared first: of the frames that are as they should be, next to none goes on
     * to have all of it summed. */
    const uint16_t open = (uint16_t)~csum_fold(pseudo);
    return get_u16(frame + field) == open &&
           csum_fold(csum_add(pseudo, frame + t.off, t.end - t.off)) != 0;
}
