/* SPDX-License-Identifier: MIT */
#include "capture_packet.h"

#include <netinet/in.h>
#include <string.h>

#define ETHERTYPE_IP4  0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IP6  0x86dd
#define ETHERTYPE_QINQ 0x88a8
#define PPP_IP4        0x0021
#define PPP_IP6        0x0057

#define VLANS_MAX      4 /* tags of one frame */
#define EXTENSIONS_MAX 8 /* extension headers of one packet */

#define ICMP4_QUOTE 8 /* octets of an ICMP header before what it quotes, in both versions */

/* What is left of a frame while headers are taken off it. */
struct rest {
    const uint8_t *at;
    uint32_t have;  /* octets kept */
    uint32_t whole; /* octets there were */
};

static bool take(struct rest *rest, uint32_t len)
{
    if (rest->have < len)
        return false;
    rest->at += len;
    rest->have -= len;
    rest->whole -= len;
    return true;
}

/* ---- Links ---- */

/* The ethertype behind a header of `type`, VLAN tags taken off; 0: cut off. */
static uint16_t after_vlans(struct rest *rest, uint16_t type, struct packet *packet)
{
    for (unsigned i = 0; i < VLANS_MAX && (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ); i++) {
        if (rest->have < 4)
            return 0;
        if (packet->vlan == 0)
            packet->vlan = packet_u16(rest->at) & 0xfff;
        type = packet_u16(rest->at + 2);
        (void)take(rest, 4);
    }
    return type;
}

static uint16_t by_version(const struct rest *rest)
{
    if (rest->have == 0)
        return 0;
    const unsigned version = rest->at[0] >> 4;
    return version == 4 ? ETHERTYPE_IP4 : version == 6 ? ETHERTYPE_IP6 : 0;
}

/* A family in the byte order of the machine that captured: AF_INET is 2 everywhere, AF_INET6 is not
 * the same anywhere, so the packet's own version decides. */
static uint16_t take_null(struct rest *rest)
{
    return take(rest, 4) ? by_version(rest) : 0;
}

static uint16_t take_ppp(struct rest *rest)
{
    if (rest->have >= 2 && rest->at[0] == 0xff && rest->at[1] == 0x03)
        (void)take(rest, 2);
    if (rest->have < 2)
        return 0;
    const uint16_t protocol = packet_u16(rest->at);
    (void)take(rest, 2);
    return protocol == PPP_IP4 ? ETHERTYPE_IP4 : protocol == PPP_IP6 ? ETHERTYPE_IP6 : 0;
}

/* A header of `len` octets whose ethertype stands at `type_at`. */
static uint16_t take_typed(struct rest *rest, uint32_t len, uint32_t type_at, struct packet *packet)
{
    if (rest->have < len)
        return 0;
    const uint16_t type = packet_u16(rest->at + type_at);
    (void)take(rest, len);
    return after_vlans(rest, type, packet);
}

static uint16_t take_link(struct rest *rest, uint32_t link, struct packet *packet)
{
    switch (link) {
    case CAPTURE_ETHERNET:
        return take_typed(rest, 14, 12, packet);
    case CAPTURE_SLL:
        return take_typed(rest, 16, 14, packet);
    case CAPTURE_SLL2:
        return take_typed(rest, 20, 0, packet);
    case CAPTURE_NULL:
    case CAPTURE_LOOP:
        return take_null(rest);
    case CAPTURE_PPP:
    case CAPTURE_PPP_HDLC:
        return take_ppp(rest);
    case CAPTURE_RAW:
    case CAPTURE_RAW_OLD:
    case CAPTURE_RAW_BSD:
    case CAPTURE_IPV4:
    case CAPTURE_IPV6:
        return by_version(rest);
    default:
        return 0;
    }
}

/* ---- Transport ---- */

static void sack_option(struct packet_tcp *tcp, const uint8_t *value, unsigned len)
{
    for (unsigned i = 0; i + 8 <= len && tcp->sack_count < PACKET_SACKS; i += 8)
        tcp->sack[tcp->sack_count++] =
            (struct packet_sack){ packet_u32(value + i), packet_u32(value + i + 4) };
}

static void tcp_option(struct packet_tcp *tcp, unsigned kind, const uint8_t *value, unsigned len)
{
    if (kind == 2 && len == 2) {
        tcp->mss = packet_u16(value);
        tcp->options |= PACKET_HAS_MSS;
    } else if (kind == 3 && len == 1) {
        tcp->wscale = value[0] > 14 ? 14 : value[0]; /* RFC 7323, 2.3 */
        tcp->options |= PACKET_HAS_WSCALE;
    } else if (kind == 4 && len == 0) {
        tcp->options |= PACKET_HAS_SACK_OK;
    } else if (kind == 5) {
        sack_option(tcp, value, len);
    } else if (kind == 8 && len == 8) {
        tcp->tsval = packet_u32(value);
        tcp->tsecr = packet_u32(value + 4);
        tcp->options |= PACKET_HAS_TS;
    }
}

static void tcp_options(struct packet_tcp *tcp, const uint8_t *at, unsigned len)
{
    while (len > 0 && at[0] != 0) {
        const unsigned size = at[0] == 1 ? 1 : len >= 2 ? at[1] : 0;
        if (size == 0 || size > len || (at[0] != 1 && size < 2))
            return;
        if (at[0] != 1)
            tcp_option(tcp, at[0], at + 2, size - 2);
        at += size;
        len -= size;
    }
}

static void read_tcp(struct packet *packet)
{
    const uint8_t *at = packet->l4;
    if (packet->have < 20)
        return;
    const unsigned header = (at[12] >> 4) * 4u;
    packet->malformed = header < 20 || header > packet->l4_len;
    if (packet->malformed)
        return;
    packet->kind = PACKET_TCP;
    packet->from.port = packet_u16(at);
    packet->to.port = packet_u16(at + 2);
    struct packet_tcp *tcp = &packet->tcp;
    tcp->seq = packet_u32(at + 4);
    tcp->ack = packet_u32(at + 8);
    tcp->flags = (uint16_t)(at[13] | (at[12] & 1u) << 8);
    tcp->window = packet_u16(at + 14);
    tcp->urgent = packet_u16(at + 18);
    tcp->len = packet->l4_len - header;
    const unsigned kept = header < packet->have ? header : packet->have;
    tcp_options(tcp, at + 20, kept - 20);
}

static void read_transport(struct packet *packet)
{
    switch (packet->protocol) {
    case IPPROTO_TCP:
        read_tcp(packet);
        break;
    case IPPROTO_UDP:
        if (packet->have < 8)
            return;
        packet->kind = PACKET_UDP;
        packet->from.port = packet_u16(packet->l4);
        packet->to.port = packet_u16(packet->l4 + 2);
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if (packet->have >= 4 && (packet->protocol == IPPROTO_ICMPV6) == packet->v6)
            packet->kind = PACKET_ICMP;
        break;
    default:
        break;
    }
}

/* ---- IP ---- */

static void read_ip4(struct rest *rest, struct packet *packet)
{
    const uint8_t *at = rest->at;
    packet->kind = PACKET_IP;
    packet->ip = at;
    if (rest->have < 20 || at[0] >> 4 != 4) {
        packet->malformed = true;
        return;
    }
    const uint32_t header = (at[0] & 15u) * 4;
    packet->ip_len = packet_u16(at + 2);
    if (packet->ip_len == 0)
        packet->ip_len = rest->whole; /* a card was to fill it in */
    packet->tos = at[1];
    packet->ip_id = packet_u16(at + 4);
    packet->ttl = at[8];
    packet->protocol = at[9];
    packet->from.ip = weir_ip_v4(at[12], at[13], at[14], at[15]);
    packet->to.ip = weir_ip_v4(at[16], at[17], at[18], at[19]);
    if (header < 20 || packet->ip_len < header || rest->have < header) {
        packet->malformed = header < 20 || packet->ip_len < header;
        return;
    }
    const unsigned offset = packet_u16(at + 6);
    packet->fragment = (offset & 0x3fff) != 0;
    packet->l4 = at + header;
    packet->l4_len = packet->ip_len - header;
    packet->have = rest->have - header;
    if (packet->have > packet->l4_len)
        packet->have =
            packet->l4_len; /* what fills a short Ethernet frame up is not of the packet */
    if ((offset & 0x1fff) == 0)
        read_transport(packet);
}

/* Takes extension headers off; false if the transport header is not here. */
static bool take_extensions(struct rest *rest, struct packet *packet)
{
    for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
        uint32_t len;
        const uint8_t next = packet->protocol;
        if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
            next != IPPROTO_FRAGMENT)
            return true;
        if (rest->have < 8)
            return false;
        packet->protocol = rest->at[0];
        len = next == IPPROTO_FRAGMENT ? 8 : (rest->at[1] + 1u) * 8;
        if (next == IPPROTO_FRAGMENT) {
            packet->fragment = true;
            if ((packet_u16(rest->at + 2) & 0xfff8) != 0)
                return false;
        }
        if (!take(rest, len))
            return false;
    }
    return false;
}

static void read_ip6(struct rest *rest, struct packet *packet)
{
    const uint8_t *at = rest->at;
    packet->kind = PACKET_IP;
    packet->ip = at;
    packet->v6 = true;
    if (rest->have < 40 || at[0] >> 4 != 6) {
        packet->malformed = true;
        return;
    }
    const uint32_t payload = packet_u16(at + 4);
    packet->ip_len = payload != 0 ? payload + 40 : rest->whole;
    packet->tos = (uint8_t)(packet_u16(at) >> 4);
    packet->protocol = at[6];
    packet->ttl = at[7];
    memcpy(packet->from.ip.octet, at + 8, 16);
    memcpy(packet->to.ip.octet, at + 24, 16);
    /* From here on `whole` is the packet's own length, and nothing kept lies beyond it. */
    rest->whole = packet->ip_len;
    if (rest->have > rest->whole)
        rest->have = rest->whole;
    if (rest->whole < 40) {
        packet->malformed = true;
        return;
    }
    (void)take(rest, 40);
    if (!take_extensions(rest, packet))
        return;
    if (rest->whole > packet->ip_len) { /* extension headers longer than the packet */
        packet->malformed = true;
        return;
    }
    packet->l4 = rest->at;
    packet->l4_len = rest->whole;
    packet->have = rest->have;
    read_transport(packet);
}

static void read_network(struct rest *rest, uint16_t type, struct packet *packet)
{
    packet->ethertype = type;
    if (type == ETHERTYPE_IP4)
        read_ip4(rest, packet);
    else if (type == ETHERTYPE_IP6)
        read_ip6(rest, packet);
    else if (type == ETHERTYPE_ARP && rest->have > 0) {
        packet->kind = PACKET_ARP;
        packet->l4 = rest->at;
        packet->have = rest->have;
        packet->l4_len = rest->whole;
    }
}

void packet_dissect(const struct capture_frame *frame, struct packet *packet)
{
    struct rest rest = { frame->data, frame->len, frame->whole_len };
    *packet = (struct packet){ .kind = PACKET_OTHER };
    read_network(&rest, take_link(&rest, frame->link, packet), packet);
}

bool packet_dissect_quoted(const struct packet *icmp, struct packet *quoted)
{
    *quoted = (struct packet){ .kind = PACKET_OTHER };
    if (icmp->kind != PACKET_ICMP || icmp->have < ICMP4_QUOTE + 20)
        return false;
    struct rest rest = { icmp->l4 + ICMP4_QUOTE, icmp->have - ICMP4_QUOTE,
                         icmp->l4_len - ICMP4_QUOTE };
    read_network(&rest, by_version(&rest), quoted);
    if (quoted->l4 == NULL || quoted->have < 8 || quoted->protocol != IPPROTO_TCP)
        return false;
    quoted->from.port = packet_u16(quoted->l4);
    quoted->to.port = packet_u16(quoted->l4 + 2);
    quoted->tcp.seq = packet_u32(quoted->l4 + 4);
    return true;
}

char *packet_flags_text(uint16_t flags, char text[PACKET_FLAGS_MAX])
{
    /* tcpdump's order: the bits from the lowest, ACK as a dot. */
    static const char letter[] = "FSRP.UEWe";
    unsigned len = 0;
    for (unsigned i = 0; i < sizeof letter - 1; i++)
        if (flags >> i & 1)
            text[len++] = letter[i];
    if (len == 0)
        memcpy(text, "none", len = 4);
    text[len] = '\0';
    return text;
}
