/* SPDX-License-Identifier: MIT */
#include "sim/packet.h"

#include <string.h>

/* What devices and routers do to packets: cut, merge, complain. */

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}

/* Sets the length of the packet whose frame now has `len` octets, and the sums. */
static void set_length(uint8_t *data, size_t len, bool ethernet)
{
    uint8_t *ip = data + (ethernet ? 14 : 0);
    const size_t total = len - (ethernet ? 14 : 0);
    if (ip[0] >> 4 == 4) {
        put16(ip + 2, (unsigned)total);
        /* The parser wants a right header sum before it reads on. */
        struct sim_packet bare = { .v4 = true, .fragment = true, .ip_off = ethernet ? 14 : 0 };
        sim_packet_fix_sums(&bare, data);
    } else {
        put16(ip + 4, (unsigned)(total - 40));
    }
    struct sim_packet packet;
    if (sim_packet_parse(&packet, data, len, ethernet) == NULL)
        sim_packet_fix_sums(&packet, data);
}

size_t sim_packet_cut(const struct sim_packet *packet, const uint8_t *data, unsigned gso_size,
                      unsigned piece, uint8_t *out)
{
    const size_t from = (size_t)piece * gso_size;
    if (from >= packet->data_len)
        return 0;
    const size_t left = packet->data_len - from;
    const size_t take = left < gso_size ? left : gso_size;
    memcpy(out, data, packet->data_off);
    memcpy(out + packet->data_off, data + packet->data_off + from, take);

    uint8_t *tcp = out + packet->l4_off;
    put32(tcp + 4, packet->seq + (uint32_t)from);
    if (take < left)
        tcp[13] &= (uint8_t) ~(SIM_FIN | SIM_PSH);
    if (packet->v4) {
        uint8_t *id = out + packet->ip_off + 4;
        put16(id, (unsigned)(id[0] << 8 | id[1]) + piece);
    }
    set_length(out, packet->data_off + take, packet->ip_off != 0);
    return packet->data_off + take;
}

/* The same headers but for what changes from segment to segment of one flow. */
static bool same_flow(const struct sim_packet *a, const uint8_t *x, const struct sim_packet *b,
                      const uint8_t *y)
{
    if (a->proto != SIM_TCP || b->proto != SIM_TCP || a->data_off != b->data_off || a->v4 != b->v4)
        return false;
    if (memcmp(&a->src, &b->src, 16) != 0 || memcmp(&a->dst, &b->dst, 16) != 0)
        return false;
    if (a->sport != b->sport || a->dport != b->dport || a->ack != b->ack || a->window != b->window)
        return false;
    if (a->ecn != b->ecn || a->accurate || b->accurate)
        return false;
    const unsigned options = a->data_off - a->l4_off - 20;
    return memcmp(x + a->l4_off + 20, y + b->l4_off + 20, options) == 0;
}

bool sim_packet_merge(uint8_t *data, size_t *len, size_t room, const uint8_t *next, size_t next_len,
                      bool ethernet)
{
    struct sim_packet a, b;
    if (sim_packet_parse(&a, data, *len, ethernet) != NULL ||
        sim_packet_parse(&b, next, next_len, ethernet) != NULL)
        return false;
    if (!same_flow(&a, data, &b, next) || a.flags != SIM_ACK || a.data_len == 0 || b.data_len == 0)
        return false;
    if ((b.flags & ~(SIM_PSH | SIM_FIN)) != SIM_ACK || b.seq != a.seq + a.data_len)
        return false;
    if (*len + b.data_len > room || a.ip_len + b.data_len > 65535)
        return false;
    memcpy(data + *len, next + b.data_off, b.data_len);
    *len += b.data_len;
    data[a.l4_off + 13] |= b.flags;
    set_length(data, *len, ethernet);
    return true;
}

size_t sim_packet_forge(const struct sim_packet *packet, const uint8_t *data,
                        const struct sim_forgery *forgery, uint8_t *out)
{
    memcpy(out, data, packet->data_off);
    uint8_t *tcp = out + packet->l4_off;
    put32(tcp + 4, forgery->seq);
    put32(tcp + 8, forgery->ack);
    tcp[13] = forgery->flags;
    put16(tcp + 18, 0);
    set_length(out, packet->data_off, packet->ip_off != 0);
    return packet->data_off;
}

static size_t too_big_v4(const struct sim_packet *packet, const uint8_t *ip, uint16_t mtu,
                         uint8_t *out)
{
    const unsigned quoted = packet->ip_len < 548 ? packet->ip_len : 548;
    memset(out, 0, 28);
    out[0] = 0x45;
    put16(out + 2, 28 + quoted);
    out[8] = 64;
    out[9] = SIM_ICMP4;
    memcpy(out + 12, (const uint8_t[]){ 10, 9, 9, 9 }, 4);
    memcpy(out + 16, ip + 12, 4);
    out[20] = 3;
    out[21] = 4;
    put16(out + 26, mtu);
    memcpy(out + 28, ip, quoted);
    return 28 + quoted;
}

static size_t too_big_v6(const struct sim_packet *packet, const uint8_t *ip, uint16_t mtu,
                         uint8_t *out)
{
    static const uint8_t router[16] = { 0xfd, 9, 9, [15] = 9 };
    const unsigned quoted = packet->ip_len < 1232 ? packet->ip_len : 1232;
    memset(out, 0, 48);
    out[0] = 0x60;
    put16(out + 4, 8 + quoted);
    out[6] = SIM_ICMP6;
    out[7] = 64;
    memcpy(out + 8, router, 16);
    memcpy(out + 24, ip + 8, 16);
    out[40] = 2;
    put32(out + 44, mtu);
    memcpy(out + 48, ip, quoted);
    return 48 + quoted;
}

size_t sim_packet_too_big(const struct sim_packet *packet, const uint8_t *data, uint16_t mtu,
                          bool ethernet, uint8_t *out)
{
    if (packet->arp || !packet->df || packet->frag_off > 0)
        return 0;
    if (packet->proto == SIM_ICMP4 && packet->icmp_type != 0 && packet->icmp_type != 8)
        return 0;
    if (packet->proto == SIM_ICMP6 && packet->icmp_type < 128)
        return 0;
    size_t link = 0;
    if (ethernet) {
        /* The router stands in the cable: it answers with the other station's address. */
        memcpy(out, data + 6, 6);
        memcpy(out + 6, data, 6);
        memcpy(out + 12, data + 12, 2);
        link = 14;
    }
    const uint8_t *ip = data + packet->ip_off;
    const size_t len = packet->v4 ? too_big_v4(packet, ip, mtu, out + link)
                                  : too_big_v6(packet, ip, mtu, out + link);
    set_length(out, link + len, ethernet);
    return link + len;
}
