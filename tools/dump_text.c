/* SPDX-License-Identifier: MIT */
#include "dump_text.h"

#include "base/siphash.h"
#include "dump_parts.h"
#include "terminal.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#define NS_A_SECOND     1000000000
#define OCTETS_A_LINE   16
#define OCTETS_SHOWN    65535u
#define ETHERNET_HEADER 14u
#define TALKS_TRIED     16u /* places that a pair of ends may have */

/* The first numbers of a pair of ends, from which others are counted. */
struct dump_talk {
    struct weir_addr a, b;
    uint32_t a_first, b_first;
    bool used;
};

bool dump_begin(struct dump *dump)
{
    dump->talks = calloc(DUMP_TALKS, sizeof *dump->talks);
    return dump->talks != NULL;
}

void dump_end(struct dump *dump)
{
    free(dump->talks);
}

/* ---- Times and names ---- */

static void put_clock(const struct dump *dump, int64_t when, bool local)
{
    const time_t seconds = (time_t)(when / NS_A_SECOND);
    struct tm at;
    char text[32];
    if (local)
        localtime_r(&seconds, &at);
    else
        gmtime_r(&seconds, &at);
    strftime(text, sizeof text, dump->time == DUMP_TIME_DATE ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S",
             &at);
    fprintf(dump->out, "%s.%06d ", text, (int)(when % NS_A_SECOND / 1000));
}

static void put_time(struct dump *dump, int64_t when)
{
    if (when < 0)
        when = 0;
    switch (dump->time) {
    case DUMP_TIME_NONE:
        break;
    case DUMP_TIME_EPOCH:
        fprintf(dump->out, "%" PRId64 ".%06" PRId64 " ", when / NS_A_SECOND,
                when % NS_A_SECOND / 1000);
        break;
    case DUMP_TIME_DELTA:
    case DUMP_TIME_SINCE: {
        const int64_t delta = dump->any ? when - dump->before : 0;
        fputs(delta < 0 ? "-" : " ", dump->out);
        put_clock(dump, delta < 0 ? -delta : delta, false);
        break;
    }
    default:
        put_clock(dump, when, true);
        break;
    }
    if (!dump->any || dump->time != DUMP_TIME_SINCE)
        dump->before = when;
    dump->any = true;
}

char *dump_host(const struct dump *dump, const struct weir_ip *ip, char text[SOCKET_HOST_MAX])
{
    return dump->numeric ? weir_ip_text(ip, text) : socket_resolve(ip, text);
}

static void put_port(const struct dump *dump, uint16_t port, uint8_t protocol)
{
    const char *name = dump->numeric ? NULL : socket_service(port, protocol == IPPROTO_TCP);
    if (name != NULL)
        fputs(name, dump->out);
    else
        fprintf(dump->out, "%u", port);
}

void dump_endpoint(const struct dump *dump, const struct weir_addr *addr, uint8_t protocol)
{
    char host[SOCKET_HOST_MAX];
    fprintf(dump->out, "%s.", dump_host(dump, &addr->ip, host));
    put_port(dump, addr->port, protocol);
}

/* ---- TCP ---- */

static bool is_same(const struct weir_addr *a, const struct weir_addr *b)
{
    return a->port == b->port && weir_ip_equal(&a->ip, &b->ip);
}

/* The place of a pair of ends, in either direction: where it stands, or else a free one of those
 * where it may, or else the first. */
static struct dump_talk *talk_of(const struct dump *dump, const struct packet *packet)
{
    static const struct siphash_key key = { 0, 0 };
    const uint64_t word[4] = { siphash13(&key, &packet->from.ip, sizeof packet->from.ip),
                               siphash13(&key, &packet->to.ip, sizeof packet->to.ip),
                               packet->from.port, packet->to.port };
    const uint64_t pair[2] = { word[0] * 31 + word[2], word[1] * 31 + word[3] };
    const uint64_t sum = pair[0] + pair[1];
    const unsigned first = (unsigned)(siphash13(&key, &sum, sizeof sum) % DUMP_TALKS);
    struct dump_talk *free_one = NULL;
    for (unsigned i = 0; i < TALKS_TRIED; i++) {
        struct dump_talk *talk = &dump->talks[(first + i) % DUMP_TALKS];
        const bool same = (is_same(&talk->a, &packet->from) && is_same(&talk->b, &packet->to)) ||
                          (is_same(&talk->b, &packet->from) && is_same(&talk->a, &packet->to));
        if (talk->used && same)
            return talk;
        if (!talk->used && free_one == NULL)
            free_one = talk;
    }
    return free_one != NULL ? free_one : &dump->talks[first];
}

/* Where the numbers of this segment are counted from: its own and the other end's. */
static void first_numbers(struct dump *dump, const struct packet *packet, uint32_t *seq,
                          uint32_t *ack)
{
    const struct packet_tcp *tcp = &packet->tcp;
    struct dump_talk *talk = talk_of(dump, packet);
    *seq = *ack = 0;
    if (dump->absolute || (tcp->flags & PACKET_ACK) == 0)
        return;
    const bool forth =
        talk->used && is_same(&talk->a, &packet->from) && is_same(&talk->b, &packet->to);
    const bool back =
        talk->used && is_same(&talk->b, &packet->from) && is_same(&talk->a, &packet->to);
    if ((!forth && !back) || (tcp->flags & PACKET_SYN) != 0) {
        *talk = (struct dump_talk){ packet->from, packet->to, tcp->seq, tcp->ack - 1, true };
        return;
    }
    *seq = forth ? talk->a_first : talk->b_first;
    *ack = forth ? talk->b_first : talk->a_first;
}

/* The end's first number, for its SACK blocks; also where its own line shows whole numbers. */
static uint32_t sack_base(const struct dump *dump, const struct packet *packet)
{
    const struct dump_talk *talk = talk_of(dump, packet);
    if (dump->absolute || (packet->tcp.flags & PACKET_ACK) == 0)
        return 0;
    return is_same(&talk->a, &packet->from) ? talk->b_first : talk->a_first;
}

static void put_sacks(const struct dump *dump, const uint8_t *value, unsigned len, uint32_t base)
{
    fprintf(dump->out, " %u ", len / 8);
    for (unsigned i = 0; i + 8 <= len; i += 8)
        fprintf(dump->out, "{%u:%u}", packet_u32(value + i) - base,
                packet_u32(value + i + 4) - base);
}

static void put_option(const struct dump *dump, unsigned kind, const uint8_t *value, unsigned len,
                       uint32_t base)
{
    FILE *out = dump->out;
    if (kind == 2 && len == 2)
        fprintf(out, "mss %u", packet_u16(value));
    else if (kind == 3 && len == 1)
        fprintf(out, "wscale %u", value[0]);
    else if (kind == 4)
        fputs("sackOK", out);
    else if (kind == 5) {
        fputs("sack", out);
        put_sacks(dump, value, len, base);
    } else if (kind == 8 && len == 8)
        fprintf(out, "TS val %u ecr %u", packet_u32(value), packet_u32(value + 4));
    else if (kind == 34 && len == 0)
        fputs("tfo  cookiereq", out);
    else {
        fprintf(out, kind == 34 ? "tfo  cookie " : kind == 254 ? "exp-" : "unknown-%u", kind);
        for (unsigned i = 0; i < len; i++)
            fprintf(out, i == 0 && kind != 34 ? " 0x%02x" : "%02x", value[i]);
    }
}

static void put_options(const struct dump *dump, const struct packet *packet, unsigned header)
{
    const uint8_t *at = packet->l4 + 20;
    unsigned len = (header < packet->have ? header : packet->have) - 20;
    const uint32_t base = sack_base(dump, packet);
    char between = '[';
    if (header <= 20)
        return;
    fputs(", options ", dump->out);
    while (len > 0) {
        const unsigned size = at[0] <= 1 ? 1 : len >= 2 ? at[1] : 0;
        if (size == 0 || size > len || (at[0] > 1 && size < 2))
            break;
        fputc(between, dump->out);
        between = ',';
        if (at[0] <= 1)
            fputs(at[0] == 0 ? "eol" : "nop", dump->out);
        else
            put_option(dump, at[0], at + 2, size - 2, base);
        if (at[0] == 0)
            break;
        at += size;
        len -= size;
    }
    if (between == '[')
        fputc('[', dump->out);
    fputc(']', dump->out);
}

uint16_t dump_checksum(const struct packet *packet)
{
    uint8_t pseudo[40] = { 0 };
    const unsigned half = packet->v6 ? 16 : 4;
    memcpy(pseudo, packet->from.ip.octet + 16 - half, half);
    memcpy(pseudo + half, packet->to.ip.octet + 16 - half, half);
    pseudo[2 * half + 2] = (uint8_t)(packet->l4_len >> 8);
    pseudo[2 * half + 3] = (uint8_t)packet->l4_len;
    pseudo[2 * half + 1] = (uint8_t)(packet->l4_len >> 16);
    uint32_t sum = packet->protocol;
    for (unsigned i = 0; i < 2 * half + 4; i += 2)
        sum += packet_u16(pseudo + i);
    for (uint32_t i = 0; i < packet->l4_len; i++)
        sum += i % 2 == 0 ? (uint32_t)packet->l4[i] << 8 : packet->l4[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* What stands there, and what should. */
static void put_checksum(const struct dump *dump, const struct packet *packet, unsigned at)
{
    if (packet->have < packet->l4_len || packet->fragment)
        return;
    const uint16_t found = packet_u16(packet->l4 + at);
    const uint16_t rest = dump_checksum(packet);
    fprintf(dump->out, ", cksum 0x%04x ", found);
    /* What is left over goes into the field: one's complement, as the sum itself. */
    uint32_t right = (uint32_t)found + rest;
    right = (right & 0xffff) + (right >> 16);
    if (rest == 0)
        fputs("(correct)", dump->out);
    else
        fprintf(dump->out, "(incorrect -> 0x%04x)", right);
}

static void put_tcp(struct dump *dump, const struct packet *packet)
{
    const struct packet_tcp *tcp = &packet->tcp;
    const unsigned header = (packet->l4[12] >> 4) * 4u;
    char flags[PACKET_FLAGS_MAX];
    uint32_t seq, ack;
    if (dump->quick) {
        fprintf(dump->out, "tcp %u", tcp->len);
        return;
    }
    first_numbers(dump, packet, &seq, &ack);
    fprintf(dump->out, "Flags [%s]", packet_flags_text(tcp->flags, flags));
    if (dump->verbose > 0)
        put_checksum(dump, packet, 16);
    if (tcp->len > 0 || dump->verbose > 1 ||
        (tcp->flags & (PACKET_SYN | PACKET_FIN | PACKET_RST)) != 0) {
        fprintf(dump->out, ", seq %u", tcp->seq - seq);
        if (tcp->len > 0)
            fprintf(dump->out, ":%u", tcp->seq - seq + tcp->len);
    }
    if ((tcp->flags & PACKET_ACK) != 0)
        fprintf(dump->out, ", ack %u", tcp->ack - ack);
    fprintf(dump->out, ", win %u", tcp->window);
    if ((tcp->flags & PACKET_URG) != 0)
        fprintf(dump->out, ", urg %u", tcp->urgent);
    if (header > packet->have) {
        fputs(" [|tcp]", dump->out);
        return;
    }
    put_options(dump, packet, header);
    fprintf(dump->out, ", length %u", tcp->len);
}

static void put_udp(const struct dump *dump, const struct packet *packet)
{
    const unsigned len = packet_u16(packet->l4 + 4);
    if (dump->verbose > 0 && packet->have >= packet->l4_len && !packet->fragment) {
        const uint16_t found = packet_u16(packet->l4 + 6);
        const uint16_t rest = dump_checksum(packet);
        uint32_t right = (uint32_t)found + rest;
        right = (right & 0xffff) + (right >> 16);
        if (found == 0)
            fputs("[no cksum] ", dump->out);
        else if (rest == 0)
            fputs("[udp sum ok] ", dump->out);
        else
            fprintf(dump->out, "[bad udp cksum 0x%04x -> 0x%04x!] ", found, right);
    }
    fprintf(dump->out, "UDP, length %u", len >= 8 ? len - 8 : 0);
}

/* ---- IP ---- */

static void put_protocol(const struct dump *dump, uint8_t protocol)
{
    static const char *const name[256] = {
        [0] = "Options",
        [IPPROTO_ICMP] = "ICMP",
        [IPPROTO_IGMP] = "IGMP",
        [IPPROTO_TCP] = "TCP",
        [IPPROTO_UDP] = "UDP",
        [IPPROTO_FRAGMENT] = "Fragment",
        [IPPROTO_ICMPV6] = "ICMPv6",
    };
    fprintf(dump->out, "%s (%u)", name[protocol] != NULL ? name[protocol] : "unknown", protocol);
}

static void put_ip4_head(const struct dump *dump, const struct packet *packet)
{
    static const char *const ecn[] = { "", ",ECT(1)", ",ECT(0)", ",CE" };
    const unsigned offset = packet_u16(packet->ip + 6);
    fprintf(dump->out, "(tos 0x%x%s, ttl %u, id %u, offset %u, flags [%s%s%s], proto ", packet->tos,
            ecn[packet->tos & 3], packet->ttl, packet->ip_id, (offset & 0x1fff) * 8,
            (offset & 0x2000) != 0 ? "+" : "", (offset & 0x6000) == 0x6000 ? ", " : "",
            (offset & 0x4000) != 0   ? "DF"
            : (offset & 0x2000) != 0 ? ""
                                     : "none");
    put_protocol(dump, packet->protocol);
    fprintf(dump->out, ", length %u)\n    ", packet->ip_len);
}

static void put_ip6_head(const struct dump *dump, const struct packet *packet)
{
    const uint32_t first = packet_u32(packet->ip);
    fputc('(', dump->out);
    if ((first & 0x0ff00000) != 0)
        fprintf(dump->out, "class 0x%02x, ", first >> 20 & 0xff);
    if ((first & 0xfffff) != 0)
        fprintf(dump->out, "flowlabel 0x%05x, ", first & 0xfffff);
    fprintf(dump->out, "hlim %u, next-header ", packet->ttl);
    put_protocol(dump, packet->ip[6]);
    fprintf(dump->out, " payload length: %u) ", packet_u16(packet->ip + 4));
}

static void put_hosts(const struct dump *dump, const struct packet *packet)
{
    char from[SOCKET_HOST_MAX], to[SOCKET_HOST_MAX];
    fprintf(dump->out, "%s > %s: ", dump_host(dump, &packet->from.ip, from),
            dump_host(dump, &packet->to.ip, to));
}

static bool is_options(const struct packet *packet)
{
    return packet->v6 && packet->l4 != NULL && packet->ip[6] == IPPROTO_HOPOPTS;
}

/* " frag (offset|length)" of IPv6. Returns whether more can be said of it. */
static void put_fragment6(const struct dump *dump, const struct packet *packet)
{
    const uint8_t *at = packet->ip + 40;
    fprintf(dump->out, "frag (%u|%u)", packet_u16(at + 2) & 0xfff8u, packet->ip_len - 48);
}

/* Also of a TCP header that is cut off behind its ports. */
static void put_endpoints(const struct dump *dump, const struct packet *packet)
{
    struct weir_addr from = packet->from, to = packet->to;
    from.port = packet_u16(packet->l4);
    to.port = packet_u16(packet->l4 + 2);
    dump_endpoint(dump, &from, packet->protocol);
    fputs(" > ", dump->out);
    dump_endpoint(dump, &to, packet->protocol);
    fputs(": ", dump->out);
}

static void put_transport(struct dump *dump, const struct packet *packet)
{
    const bool fragment6 = packet->v6 && packet->fragment && packet->ip[6] == IPPROTO_FRAGMENT;
    const bool cut_tcp = packet->protocol == IPPROTO_TCP && packet->kind == PACKET_IP &&
                         !packet->malformed && packet->have >= 4;
    const bool ports = packet->kind == PACKET_TCP || packet->kind == PACKET_UDP || cut_tcp;
    if (ports && !fragment6) {
        put_endpoints(dump, packet);
    } else {
        put_hosts(dump, packet);
    }
    if (is_options(packet))
        fputs("HBH ", dump->out);
    if (fragment6) {
        put_fragment6(dump, packet);
        if (ports)
            fprintf(dump->out, " %u > %u: ", packet->from.port, packet->to.port);
    }
    if (packet->kind == PACKET_TCP)
        put_tcp(dump, packet);
    else if (packet->kind == PACKET_UDP)
        put_udp(dump, packet);
    else if (packet->kind == PACKET_ICMP && packet->v6)
        dump_icmp6(dump, packet);
    else if (packet->kind == PACKET_ICMP)
        dump_icmp4(dump, packet);
    else if (packet->l4 == NULL && !fragment6)
        fputs("[|ip]", dump->out);
    else if (!fragment6 && packet->protocol == IPPROTO_TCP && !packet->fragment)
        fputs(" [|tcp]", dump->out);
    else if (!fragment6)
        fprintf(dump->out, "ip-proto-%u", packet->protocol);
}

static void put_ip(struct dump *dump, const struct packet *packet)
{
    if (packet->malformed && packet->ip_len == 0) {
        fputs("[|ip]", dump->out);
        return;
    }
    if (dump->verbose > 0 && packet->v6)
        put_ip6_head(dump, packet);
    else if (dump->verbose > 0)
        put_ip4_head(dump, packet);
    put_transport(dump, packet);
}

/* ---- The line ---- */

static void put_mac(const struct dump *dump, const uint8_t *at)
{
    fprintf(dump->out, "%02x:%02x:%02x:%02x:%02x:%02x", at[0], at[1], at[2], at[3], at[4], at[5]);
}

static void put_link(const struct dump *dump, const struct capture_frame *frame,
                     const struct packet *packet)
{
    const char *const name = packet->kind == PACKET_ARP ? "ARP" : packet->v6 ? "IPv6" : "IPv4";
    if (frame->link != CAPTURE_ETHERNET || frame->len < ETHERNET_HEADER) {
        fputs(packet->v6 ? "ip6: " : "ip: ", dump->out);
        return;
    }
    put_mac(dump, frame->data + 6);
    fputs(" > ", dump->out);
    put_mac(dump, frame->data);
    if (packet->vlan != 0)
        fprintf(dump->out,
                ", ethertype 802.1Q (0x8100), length %u: vlan %u, p %u, ethertype %s"
                " (0x%04x), ",
                frame->whole_len, packet->vlan, frame->data[ETHERNET_HEADER] >> 5, name,
                packet->ethertype);
    else
        fprintf(dump->out, ", ethertype %s (0x%04x), length %u: ",
                packet->kind == PACKET_OTHER ? "Unknown" : name, packet->ethertype,
                frame->whole_len);
}

static void put_octets(const struct dump *dump, const uint8_t *at, uint32_t len)
{
    FILE *out = dump->out;
    if (dump->octets == DUMP_OCTETS_ASCII) {
        for (uint32_t i = 0; i < len; i++) {
            const bool shown = (at[i] >= 0x20 && at[i] < 0x7f) || at[i] == '\n' || at[i] == '\t';
            if (at[i] == '\r' && (i + 1 == len || at[i + 1] == '\n'))
                continue; /* as tcpdump: lines of text protocols end in both */
            fputc(shown ? at[i] : '.', out);
        }
        fputc('\n', out);
        return;
    }
    for (uint32_t i = 0; i < len; i += OCTETS_A_LINE) {
        const uint32_t count = len - i < OCTETS_A_LINE ? len - i : OCTETS_A_LINE;
        unsigned width = 0;
        fprintf(out, "\t0x%04x: ", i);
        for (uint32_t k = 0; k < count; k++)
            width += (unsigned)fprintf(out, k % 2 == 0 ? " %02x" : "%02x", at[i + k]);
        if (dump->octets == DUMP_OCTETS_BOTH) {
            fprintf(out, "%*s  ", (int)(40 - width), "");
            for (uint32_t k = 0; k < count; k++)
                fputc(at[i + k] > 0x20 && at[i + k] < 0x7f ? at[i + k] : '.', out);
        }
        fputc('\n', out);
    }
}

void dump_quoted(const struct dump *dump, const struct capture_frame *inside)
{
    struct dump quoting = *dump;
    struct packet packet;
    packet_dissect(inside, &packet);
    if (packet.ip == NULL)
        return;
    quoting.absolute = true;
    fputs("\n\t", dump->out);
    if (!dump->link)
        fputs("IP ", dump->out);
    put_ip(&quoting, &packet);
}

void dump_packet(struct dump *dump, const struct capture_frame *frame)
{
    struct packet packet;
    char comment[2 * CAPTURE_COMMENT_MAX];
    packet_dissect(frame, &packet);
    if (dump->numbered)
        fprintf(dump->out, "%5" PRIu64 "  ", ++dump->count);
    put_time(dump, frame->when);
    const bool is_ip = packet.ip != NULL;
    if (dump->link)
        put_link(dump, frame, &packet);
    else if (packet.kind == PACKET_ARP)
        fputs("ARP, ", dump->out);
    else if (is_ip)
        fputs(packet.v6 ? "IP6 " : "IP ", dump->out);
    if (packet.kind == PACKET_ARP)
        dump_arp(dump, &packet);
    else if (is_ip)
        put_ip(dump, &packet);
    else
        fprintf(dump->out, "ethertype 0x%04x, length %u", packet.ethertype, frame->whole_len);
    if (frame->comment[0] != '\0')
        fprintf(dump->out, "  # %s", terminal_safe(frame->comment, comment, sizeof comment));
    fputc('\n', dump->out);
    if (dump->octets == DUMP_OCTETS_NONE)
        return;
    const uint8_t *inner = is_ip ? packet.ip : packet.kind == PACKET_ARP ? packet.l4 : frame->data;
    const uint8_t *from = dump->link_octets ? frame->data : inner;
    uint32_t len = frame->len - (uint32_t)(from - frame->data);
    if (is_ip && !dump->link_octets && len > packet.ip_len)
        len = packet.ip_len;
    put_octets(dump, from, len < OCTETS_SHOWN ? len : OCTETS_SHOWN);
}
