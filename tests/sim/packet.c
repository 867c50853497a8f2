/* SPDX-License-Identifier: MIT */
#include "sim/packet.h"

#include <string.h>

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* The plainest form of RFC 1071: two octets at a time. */
static uint32_t sum_run(uint32_t sum, const uint8_t *p, size_t len)
{
    uint64_t wide = sum;
    for (size_t i = 0; i + 1 < len; i += 2)
        wide += get16(p + i);
    if (len % 2 != 0)
        wide += (uint32_t)p[len - 1] << 8;
    while (wide > 0xffff)
        wide = (wide & 0xffff) + (wide >> 16);
    return (uint32_t)wide;
}

static uint32_t pseudo_sum(const struct sim_packet *packet)
{
    const unsigned skip = packet->v4 ? 12 : 0;
    uint32_t sum = sum_run(0, packet->src.octet + skip, 16 - skip);
    sum = sum_run(sum, packet->dst.octet + skip, 16 - skip);
    return sum + packet->proto + (packet->l4_len & 0xffff);
}

static bool has_pseudo(const struct sim_packet *packet)
{
    return packet->proto != SIM_ICMP4 && packet->proto != SIM_IGMP;
}

bool sim_packet_sum_ok(const struct sim_packet *packet, const uint8_t *data)
{
    if (packet->arp || packet->fragment)
        return true;
    uint32_t sum = has_pseudo(packet) ? pseudo_sum(packet) : 0;
    return sum_run(sum, data + packet->l4_off, packet->l4_len) == 0xffff;
}

/* Where the transport sum stands from the start of its header. */
static unsigned sum_place(const struct sim_packet *packet)
{
    return packet->proto == SIM_TCP ? 16 : packet->proto == SIM_UDP ? 6 : 2;
}

static void put_sum(uint8_t *at, uint32_t sum)
{
    const uint32_t field = ~sum & 0xffff;
    at[0] = (uint8_t)(field >> 8);
    at[1] = (uint8_t)field;
}

void sim_packet_fix_sums(const struct sim_packet *packet, uint8_t *data)
{
    if (packet->arp)
        return;
    if (packet->v4) {
        uint8_t *ip = data + packet->ip_off;
        ip[10] = ip[11] = 0;
        put_sum(ip + 10, sum_run(0, ip, (ip[0] & 15u) * 4));
    }
    if (packet->fragment)
        return;
    uint8_t *l4 = data + packet->l4_off;
    uint8_t *field = l4 + sum_place(packet);
    field[0] = field[1] = 0;
    put_sum(field, sum_run(has_pseudo(packet) ? pseudo_sum(packet) : 0, l4, packet->l4_len));
    if (packet->proto == SIM_UDP && get16(field) == 0)
        field[0] = field[1] = 0xff;
}

bool sim_packet_mark(const struct sim_packet *packet, uint8_t *data)
{
    if (packet->arp || packet->ecn == 0)
        return false;
    uint8_t *ip = data + packet->ip_off;
    if (!packet->v4) {
        ip[1] |= 0x30;
        return true;
    }
    ip[1] |= 3;
    ip[10] = ip[11] = 0;
    put_sum(ip + 10, sum_run(0, ip, (ip[0] & 15u) * 4));
    return true;
}

void sim_packet_complete(uint8_t *data, size_t len, unsigned csum_start, unsigned csum_offset)
{
    const uint32_t sum = sum_run(0, data + csum_start, len - csum_start);
    uint8_t *field = data + csum_start + csum_offset;
    put_sum(field, sum);
    if (csum_offset == 6 && get16(field) == 0)
        field[0] = field[1] = 0xff; /* UDP: 0 would say that there is no sum */
}

/* RFC 9293, 3.1 and 3.2; RFC 7323; RFC 2018. */
static const char *parse_option(struct sim_packet *packet, const uint8_t *p, unsigned len)
{
    const bool syn = packet->flags & SIM_SYN;
    switch (p[0]) {
    case 2:
        packet->has_mss = true;
        packet->mss = len == 4 ? get16(p + 2) : 0;
        return len != 4 || !syn ? "mss option of a wrong length, or not on a syn" : NULL;
    case 3:
        packet->has_wscale = true;
        packet->wscale = len == 3 ? p[2] : 255;
        return packet->wscale > 14 || !syn ? "window scale option malformed, or not on a syn"
                                           : NULL;
    case 4:
        packet->sack_ok = true;
        return len != 2 || !syn ? "sack-permitted malformed, or not on a syn" : NULL;
    case 5:
        if (len < 10 || (len - 2) % 8 != 0 || syn)
            return "sack option malformed, or on a syn";
        packet->sack_count = (len - 2) / 8;
        for (unsigned i = 0; i < packet->sack_count; i++) {
            packet->sack[i][0] = get32(p + 2 + i * 8);
            packet->sack[i][1] = get32(p + 6 + i * 8);
        }
        return NULL;
    case 8:
        if (len != 10)
            return "timestamps of a wrong length";
        packet->has_ts = true;
        packet->tsval = get32(p + 2);
        packet->tsecr = get32(p + 6);
        return NULL;
    case 28: /* RFC 5482 */
        return len != 4 ? "user timeout of a wrong length" : NULL;
    case 172: /* RFC 9768 */
    case 174:
        if (len > 11 || len % 3 != 2 || (syn && !(packet->flags & SIM_ACK)))
            return "accurate ecn option malformed, or on a first syn";
        return NULL;
    default:
        return "a tcp option nobody asked for";
    }
}

static const char *parse_options(struct sim_packet *packet, const uint8_t *p, unsigned len)
{
    uint32_t seen = 0;
    for (unsigned i = 0; i < len;) {
        if (p[i] == 0)
            return all_zero(p + i, len - i) ? NULL : "octets after the end of options";
        if (p[i] == 1) {
            i++;
            continue;
        }
        if (i + 1 >= len || p[i + 1] < 2 || i + p[i + 1] > len)
            return "tcp option runs over the header";
        if (p[i] < 32 && (seen >> p[i] & 1) != 0)
            return "the same tcp option twice";
        seen |= p[i] < 32 ? 1u << p[i] : 0;
        const char *wrong = parse_option(packet, p + i, p[i + 1]);
        if (wrong != NULL)
            return wrong;
        i += p[i + 1];
    }
    return NULL;
}

static const char *parse_tcp(struct sim_packet *packet, const uint8_t *p, unsigned len)
{
    if (len < 20)
        return "tcp header cut";
    packet->sport = get16(p);
    packet->dport = get16(p + 2);
    packet->seq = get32(p + 4);
    packet->ack = get32(p + 8);
    packet->flags = p[13];
    packet->window = get16(p + 14);
    packet->urgent = get16(p + 18);
    const unsigned header = (p[12] >> 4) * 4u;
    if (header < 20 || header > len)
        return "tcp data offset";
    packet->data_off = packet->l4_off + header;
    packet->data_len = len - header;
    packet->accurate = p[12] & 1; /* RFC 9768's AE */
    if ((p[12] & 14) != 0)
        return "reserved bits set";
    if (packet->sport == 0 || packet->dport == 0)
        return "port 0";
    if (!(packet->flags & SIM_ACK) && packet->ack != 0)
        return "ack number without ack";
    if (!(packet->flags & SIM_URG) && packet->urgent != 0)
        return "urgent pointer without urg";
    if ((packet->flags & SIM_SYN) && (packet->flags & (SIM_FIN | SIM_RST)))
        return "syn with fin or rst";
    return parse_options(packet, p + 20, header - 20);
}

static const char *parse_udp(struct sim_packet *packet, const uint8_t *p, unsigned len)
{
    if (len < 8)
        return "udp header cut";
    packet->sport = get16(p);
    packet->dport = get16(p + 2);
    packet->data_off = packet->l4_off + 8;
    packet->data_len = len - 8;
    return get16(p + 4) != len && !packet->fragment ? "udp length" : NULL;
}

static const char *parse_l4(struct sim_packet *packet, const uint8_t *data)
{
    const uint8_t *p = data + packet->l4_off;
    if (packet->frag_off > 0)
        return packet->l4_len == 0 ? "empty fragment" : NULL;
    switch (packet->proto) {
    case SIM_TCP:
        return packet->fragment ? "fragmented tcp" : parse_tcp(packet, p, packet->l4_len);
    case SIM_UDP:
        return parse_udp(packet, p, packet->l4_len);
    case SIM_ICMP4:
    case SIM_ICMP6:
        if (packet->l4_len < 4 || (packet->proto == SIM_ICMP4) != packet->v4)
            return "icmp cut, or of the other family";
        packet->icmp_type = p[0];
        packet->icmp_code = p[1];
        return NULL;
    case SIM_IGMP: /* RFC 3376, 4: never forwarded */
        return packet->l4_len < 8 || !packet->v4 ? "igmp cut, or over ipv6" : NULL;
    default:
        return "a protocol weir does not speak";
    }
}

static const char *parse_ip4(struct sim_packet *packet, const uint8_t *data, size_t len)
{
    const uint8_t *ip = data + packet->ip_off;
    const size_t rest = len - packet->ip_off;
    packet->v4 = true;
    if (rest < 20 || (ip[0] & 15) < 5)
        return "ipv4 header cut";
    const unsigned header = (ip[0] & 15u) * 4;
    packet->ip_len = get16(ip + 2);
    if (packet->ip_len != rest || header > packet->ip_len)
        return "ipv4 total length is not the frame's";
    if (sum_run(0, ip, header) != 0xffff)
        return "ipv4 header sum";
    if (ip[6] & 0x80)
        return "ipv4 reserved bit";
    packet->df = ip[6] & 0x40;
    packet->frag_off = (get16(ip + 6) & 0x1fffu) * 8;
    packet->fragment = packet->frag_off != 0 || (ip[6] & 0x20);
    if (packet->fragment && packet->df)
        return "fragment with df";
    packet->ecn = ip[1] & 3;
    if (ip[8] == 0)
        return "ttl 0";
    packet->proto = ip[9];
    packet->src = weir_ip_v4(ip[12], ip[13], ip[14], ip[15]);
    packet->dst = weir_ip_v4(ip[16], ip[17], ip[18], ip[19]);
    packet->l4_off = packet->ip_off + header;
    packet->l4_len = packet->ip_len - header;
    return parse_l4(packet, data);
}

/* The only extension headers weir emits: hop-by-hop with a router alert (MLD), and fragment. */
static const char *parse_ip6_chain(struct sim_packet *packet, const uint8_t *data, uint8_t next)
{
    unsigned at = packet->ip_off + 40;
    const unsigned end = packet->ip_off + packet->ip_len;
    while (next == 0 || next == 44) {
        if (at + 8 > end)
            return "ipv6 extension cut";
        const uint8_t *p = data + at;
        if (next == 44) {
            packet->fragment = true;
            packet->frag_off = get16(p + 2) & 0xfff8u;
            if (p[1] != 0 || (p[3] & 6) != 0)
                return "ipv6 fragment header: reserved bits";
        }
        at += next == 44 ? 8u : (p[1] + 1u) * 8;
        next = p[0];
    }
    if (at > end)
        return "ipv6 extension runs over the packet";
    packet->proto = next;
    packet->l4_off = at;
    packet->l4_len = end - at;
    return parse_l4(packet, data);
}

static const char *parse_ip6(struct sim_packet *packet, const uint8_t *data, size_t len)
{
    const uint8_t *ip = data + packet->ip_off;
    const size_t rest = len - packet->ip_off;
    if (rest < 40)
        return "ipv6 header cut";
    packet->ip_len = get16(ip + 4) + 40u;
    packet->df = true;
    packet->ecn = ip[1] >> 4 & 3;
    if (packet->ip_len != rest)
        return "ipv6 payload length is not the frame's";
    if (ip[7] == 0)
        return "hop limit 0";
    memcpy(packet->src.octet, ip + 8, 16);
    memcpy(packet->dst.octet, ip + 24, 16);
    return parse_ip6_chain(packet, data, ip[6]);
}

static const char *parse_arp(struct sim_packet *packet, const uint8_t *p, size_t len)
{
    static const uint8_t start[6] = { 0, 1, 8, 0, 6, 4 };
    packet->arp = true;
    if (len < 28 || memcmp(p, start, sizeof start) != 0 || p[6] != 0 || p[7] < 1 || p[7] > 2)
        return "arp malformed";
    return all_zero(p + 28, len - 28) ? NULL : "arp padding is not zero";
}

const char *sim_packet_parse(struct sim_packet *packet, const uint8_t *data, size_t len,
                             bool ethernet)
{
    memset(packet, 0, sizeof *packet);
    packet->ip_off = ethernet ? 14 : 0;
    if (len < packet->ip_off + 20)
        return "frame cut";
    const uint16_t type = ethernet ? get16(data + 12) : 0;
    if (ethernet && (data[6] & 1))
        return "group address as source station";
    if (type == 0x0806)
        return parse_arp(packet, data + 14, len - 14);
    const uint8_t version = data[packet->ip_off] >> 4;
    if (version == 4 && (!ethernet || type == 0x0800))
        return parse_ip4(packet, data, len);
    if (version == 6 && (!ethernet || type == 0x86dd))
        return parse_ip6(packet, data, len);
    return "neither arp nor ip";
}
