/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Segments as text, as octets, and back. Nothing of the stack's own code is used: what is compared
 * here shall not be wrong in the same way. */

static const struct {
    char letter;
    unsigned flag;
} flag_names[] = { { 'S', SYN }, { 'F', FIN }, { 'R', RST }, { 'P', PSH }, { 'U', URG },
                   { 'E', ECE }, { 'W', CWR }, { 'A', AE },  { '.', ACK } };

/* ---- octets ---- */

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

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint32_t sum_octets(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    return sum;
}

static unsigned fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* Of the addresses of a packet. */
static uint32_t pseudo(const uint8_t *packet, unsigned proto, size_t len)
{
    const bool v6 = packet[0] >> 4 == 6;
    const uint32_t sum = v6 ? sum_octets(0, packet + 8, 32) : sum_octets(0, packet + 12, 8);
    return sum + proto + (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);
}

uint8_t pattern(uint32_t place, bool other)
{
    const uint32_t mixed = place * UINT32_C(2654435761);
    return (uint8_t)((mixed >> 24) ^ (other ? 0xff : 0));
}

size_t ip_header(const struct t *t, uint8_t *packet, unsigned proto, size_t len)
{
    const struct weir_ip src = peer_ip(t), dst = our_ip(t);
    const size_t head = t->v6 ? 40 : 20;
    memset(packet, 0, head);
    if (t->v6) {
        packet[0] = 0x60;
        packet[1] = (uint8_t)(t->ecn << 4);
        put16(packet + 4, (unsigned)len);
        packet[6] = (uint8_t)proto;
        packet[7] = 64;
        memcpy(packet + 8, src.octet, 16);
        memcpy(packet + 24, dst.octet, 16);
        return head;
    }
    packet[0] = 0x45;
    packet[1] = (uint8_t)t->ecn;
    put16(packet + 2, (unsigned)(head + len));
    packet[6] = 0x40;
    packet[8] = 64;
    packet[9] = (uint8_t)proto;
    memcpy(packet + 12, src.octet + 12, 4);
    memcpy(packet + 16, dst.octet + 12, 4);
    return head;
}

void fix_sums(uint8_t *packet, size_t len)
{
    const bool v6 = packet[0] >> 4 == 6;
    const size_t head = v6 ? 40 : (packet[0] & 15u) * 4u;
    const unsigned proto = v6 ? packet[6] : packet[9];
    const size_t off = head + (proto == 6 ? 16 : 2);
    if (!v6) {
        put16(packet + 10, 0);
        put16(packet + 10, fold(sum_octets(0, packet, head)));
    }
    put16(packet + off, 0);
    const uint32_t sum = proto == 1 ? 0 : pseudo(packet, proto, len - head);
    put16(packet + off, fold(sum_octets(sum, packet + head, len - head)));
}

size_t build(struct t *t, uint8_t *packet, const struct seg *seg, const uint8_t *opts,
             size_t opts_len)
{
    const size_t head = t->v6 ? 40 : 20;
    uint8_t *tcp = packet + head;
    const size_t padded = (opts_len + 3) / 4 * 4;
    put16(tcp, seg->sport);
    put16(tcp + 2, seg->dport);
    put32(tcp + 4, seg->seq);
    put32(tcp + 8, seg->ack);
    tcp[12] = (uint8_t)((20 + padded) / 4 << 4 | ((seg->flags & AE) != 0));
    tcp[13] = (uint8_t)seg->flags;
    put16(tcp + 14, seg->wnd);
    put16(tcp + 16, 0);
    put16(tcp + 18, seg->urg);
    memcpy(tcp + 20, opts, opts_len);
    memset(tcp + 20 + opts_len, 0, padded - opts_len);
    const uint32_t place = seg->seq - t->peers[t->peer].isn + ((seg->flags & SYN) ? 1u : 0u);
    for (uint32_t i = 0; i < seg->len; i++)
        tcp[20 + padded + i] = pattern(place + i, t->other);
    const size_t len = 20 + padded + seg->len;
    ip_header(t, packet, 6, len);
    fix_sums(packet, head + len);
    if (t->bad_sum)
        tcp[17] ^= 1;
    return head + len;
}

/* ---- reading what comes out ---- */

static bool read_option(struct seg *seg, const uint8_t *p, unsigned len)
{
    switch (p[0]) {
    case 2:
        seg->has_mss = true;
        seg->mss = get16(p + 2);
        return len == 4;
    case 3:
        seg->has_ws = true;
        seg->ws = p[2];
        return len == 3;
    case 4:
        seg->has_sackok = true;
        return len == 2;
    case 5:
        seg->sack_count = (len - 2) / 8;
        for (unsigned i = 0; i < seg->sack_count * 2 && i < 8; i++)
            seg->sack[i] = get32(p + 2 + 4 * i);
        return (len - 2) % 8 == 0 && len > 2 && len <= 34;
    case 8:
        seg->has_ts = true;
        seg->tsval = get32(p + 2);
        seg->tsecr = get32(p + 6);
        return len == 10;
    case 172: /* RFC 9768 */
    case 174:
        return len <= 11 && len % 3 == 2;
    case 28:
        seg->has_uto = true;
        seg->uto = (unsigned)p[2] << 8 | p[3];
        return len == 4;
    default:
        return false;
    }
}

/* RFC 9293 MUST-68, MUST-69: every option sent has a length that fits; after the end are zeros. */
static const char *read_options(struct seg *seg, const uint8_t *p, size_t room)
{
    size_t i = 0;
    seg->opts_len = (unsigned)room;
    while (i < room) {
        if (p[i] == 0) {
            for (; i < room; i++)
                if (p[i] != 0)
                    return "something follows the end of the options";
            return NULL;
        }
        if (p[i] == 1) {
            i++;
            continue;
        }
        if (i + 1 >= room || p[i + 1] < 2 || i + p[i + 1] > room ||
            !read_option(seg, p + i, p[i + 1]))
            return "a malformed or unknown option";
        i += p[i + 1];
    }
    return NULL;
}

static void find_peer(struct t *t, struct seg *seg)
{
    seg->peer = (int)seg->dport - PEER_PORT;
    if (seg->peer < 0 || seg->peer >= PEERS_MAX)
        seg->peer = 0;
    struct peer *peer = &t->peers[seg->peer];
    if (seg->flags & SYN) {
        peer->known = true;
        peer->base = peer->nxt = seg->seq;
    }
    const uint32_t end =
        seg->seq + seg->len + ((seg->flags & SYN) ? 1u : 0u) + ((seg->flags & FIN) ? 1u : 0u);
    if (peer->known && (int32_t)(end - peer->nxt) > 0 && !(seg->flags & RST))
        peer->nxt = end;
    if (seg->has_ts)
        peer->ts_seen = seg->tsval;
}

static const char *read_tcp(struct t *t, struct seg *seg, const uint8_t *p, size_t len)
{
    if (len < 20)
        return "a TCP header is cut off";
    const size_t head = (size_t)(p[12] >> 4) * 4;
    if (head < 20 || head > len)
        return "an impossible data offset";
    seg->sport = get16(p);
    seg->dport = get16(p + 2);
    seg->seq = get32(p + 4);
    seg->ack = get32(p + 8);
    seg->flags = p[13] | (unsigned)(p[12] & 1) << 8;
    seg->wnd = get16(p + 14);
    seg->urg = get16(p + 18);
    seg->len = (uint32_t)(len - head);
    if (p[12] & 0x0e)
        return "reserved bits are set";
    const char *wrong = read_options(seg, p + 20, head - 20);
    if (wrong != NULL)
        return wrong;
    if (seg->has_mss && !(seg->flags & SYN)) /* RFC 9293 MUST-65 */
        return "an MSS option outside a SYN";
    find_peer(t, seg);
    const uint32_t place = seg->seq - t->peers[seg->peer].base + ((seg->flags & SYN) ? 1u : 0u);
    seg->text_ok = true;
    for (uint32_t i = 0; i < seg->len; i++)
        seg->text_ok = seg->text_ok && p[head + i] == pattern(place + i, false);
    return seg->text_ok ? NULL : "octets that were never written";
}

/* RFC 9293 MUST-2: every sum is right. */
const char *read_packet(struct t *t, struct seg *seg, const uint8_t *p, size_t len)
{
    const size_t head = t->v6 ? 40 : 20;
    *seg = (struct seg){ .when = t->now };
    if (len < head || p[0] != (t->v6 ? p[0] : 0x45) || p[0] >> 4 != (t->v6 ? 6 : 4))
        return "not an IP packet of this family, or one with options";
    const size_t said = t->v6 ? get16(p + 4) + 40u : get16(p + 2);
    if (said != len || len > t->mtu)
        return "a wrong IP length, or longer than the MTU";
    if (!t->v6 && fold(sum_octets(0, p, 20)) != 0)
        return "a wrong IP header sum";
    const struct weir_ip src = our_ip(t), dst = peer_ip(t);
    const unsigned at = t->v6 ? 8 : 12, width = t->v6 ? 16 : 4;
    if (memcmp(p + at, src.octet + 16 - width, width) != 0 ||
        memcmp(p + at + width, dst.octet + 16 - width, width) != 0)
        return "wrong addresses";
    const unsigned proto = t->v6 ? p[6] : p[9];
    seg->ttl = t->v6 ? p[7] : p[8];
    seg->tos = t->v6 ? (p[0] & 15u) << 4 | p[1] >> 4 : p[1];
    seg->ip_id = t->v6 ? 0 : get16(p + 4);
    const uint32_t sum = proto == 1 ? 0 : pseudo(p, proto, len - head);
    if (fold(sum_octets(sum, p + head, len - head)) != 0)
        return "a wrong checksum";
    seg->icmp = proto == 1 || proto == 58;
    if (seg->icmp) {
        seg->icmp_type = p[head];
        seg->icmp_code = p[head + 1];
        return NULL;
    }
    return proto == 6 ? read_tcp(t, seg, p + head, len - head) : "an unexpected protocol";
}

/* ---- text ---- */

static void show_opts(const struct t *t, const struct seg *seg, bool outward, char *text,
                      size_t room)
{
    const struct peer *peer = &t->peers[seg->peer];
    size_t n = 0;
    text[0] = 0;
    if (seg->has_mss)
        n += (size_t)snprintf(text + n, room - n, "mss %u,", seg->mss);
    if (seg->has_sackok)
        n += (size_t)snprintf(text + n, room - n, "sackok,");
    if (seg->has_ts && (seg->tsecr == 0 || !outward))
        n += (size_t)snprintf(text + n, room - n, "ts * -,");
    else if (seg->has_ts)
        n += (size_t)snprintf(text + n, room - n, "ts * %u,", seg->tsecr - ts_base(t));
    if (seg->has_ws)
        n += (size_t)snprintf(text + n, room - n, "ws %u,", seg->ws);
    for (unsigned i = 0; i < seg->sack_count && i < 4; i++) {
        const uint32_t zero = outward ? peer->isn : peer->base;
        n += (size_t)snprintf(text + n, room - n, "%s%u:%u%s", i == 0 ? "sack " : " ",
                              seg->sack[2 * i] - zero, seg->sack[2 * i + 1] - zero,
                              i + 1 == seg->sack_count ? "," : "");
    }
    if (n > 0)
        text[n - 1] = 0;
}

const char *show(const struct t *t, const struct seg *seg, bool outward)
{
    static char text[400];
    char opts[200], flags[12];
    const struct peer *peer = &t->peers[seg->peer];
    if (seg->icmp) {
        snprintf(text, sizeof text, "icmp %u/%u", seg->icmp_type, seg->icmp_code);
        return text;
    }
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++)
        if (seg->flags & flag_names[i].flag)
            flags[n++] = flag_names[i].letter;
    if (n == 0)
        flags[n++] = '-';
    flags[n] = 0;
    show_opts(t, seg, outward, opts, sizeof opts);
    const uint32_t seq = seg->seq - (outward ? peer->base : peer->isn);
    const uint32_t ack = seg->ack - (outward ? peer->isn : peer->base);
    int len = snprintf(text, sizeof text, "%s %d", flags, (int32_t)seq);
    if (seg->len > 0)
        len += snprintf(text + len, sizeof text - (size_t)len, ":%d", (int32_t)(seq + seg->len));
    if (seg->flags & ACK)
        len += snprintf(text + len, sizeof text - (size_t)len, " ack %d", (int32_t)ack);
    len += snprintf(text + len, sizeof text - (size_t)len, " win %u", seg->wnd);
    if (seg->flags & URG)
        len += snprintf(text + len, sizeof text - (size_t)len, " urg %u", seg->urg);
    len += snprintf(text + len, sizeof text - (size_t)len, " <%s>", opts);
    if (outward)
        snprintf(text + len, sizeof text - (size_t)len, " (%s)", weir_why_text(seg->why));
    return text;
}

/* A sum of decimal numbers: "1+1000-3". Returns where it ends. */
static const char *number(const char *s, uint32_t *value)
{
    char *end;
    *value = (uint32_t)strtoll(s, &end, 10);
    while (end != s && (*end == '+' || *end == '-')) {
        char *next;
        *value += (uint32_t)strtoll(end, &next, 10);
        end = next;
    }
    return end;
}

static const char *skip(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

/* `key` and a number. */
static bool take(const char **s, const char *key, uint32_t *value)
{
    const size_t n = strlen(key);
    if (strncmp(*s, key, n) != 0 || (*s)[n] != ' ')
        return false;
    *s = skip(number(skip(*s + n), value));
    return true;
}

static const char *take_stamp(const struct t *t, const char *s, struct wanted *w, bool ecr)
{
    uint32_t value = 0;
    s = skip(s);
    if (*s == '*') {
        w->any_tsval |= !ecr;
        w->any_tsecr |= ecr;
        s++;
    } else if (*s == '-') {
        s++;
    } else if (*s == '=') {
        value = t->peers[t->peer].ts_seen;
        s++;
    } else {
        s = number(s, &value);
        value += ts_base(t);
    }
    *(ecr ? &w->seg.tsecr : &w->seg.tsval) = value;
    return s;
}

static const char *take_sack(const char *s, struct wanted *w)
{
    while (w->seg.sack_count < 4) {
        s = skip(s);
        uint32_t *block = &w->seg.sack[2 * w->seg.sack_count];
        s = number(s, &block[0]);
        if (*s != ':')
            break;
        s = number(s + 1, &block[1]);
        w->seg.sack_count++;
        if (*s != ' ')
            break;
    }
    return s;
}

static const char *take_hex(const char *s, struct wanted *w)
{
    unsigned octet;
    int n;
    for (s++; w->raw_len < sizeof w->raw && sscanf(s, "%2x%n", &octet, &n) == 1 && n == 2; s += 2)
        w->raw[w->raw_len++] = (uint8_t)octet;
    return s;
}

static bool take_option(const struct t *t, const char **at, struct wanted *w)
{
    const char *s = *at;
    uint32_t value;
    if (take(&s, "mss", &value)) {
        w->seg.has_mss = true;
        w->seg.mss = value;
    } else if (take(&s, "ws", &value)) {
        w->seg.has_ws = true;
        w->seg.ws = value;
    } else if (strncmp(s, "sackok", 6) == 0) {
        w->seg.has_sackok = true;
        s += 6;
    } else if (strncmp(s, "ts ", 3) == 0) {
        w->seg.has_ts = true;
        s = take_stamp(t, take_stamp(t, s + 3, w, false), w, true);
    } else if (strncmp(s, "sack ", 5) == 0) {
        s = take_sack(s + 5, w);
    } else if (strncmp(s, "nop", 3) == 0 || strncmp(s, "eol", 3) == 0) {
        w->raw[w->raw_len++] = *s == 'n';
        s += 3;
    } else if (*s == 'x') {
        s = take_hex(s, w);
    } else {
        return false;
    }
    *at = skip(s);
    return true;
}

static bool take_list(const struct t *t, const char **at, struct wanted *w)
{
    const char *s = skip(*at);
    w->has_opts = true;
    while (*s != '>' && *s != 0) {
        if (!take_option(t, &s, w))
            return false;
        if (*s == ',')
            s = skip(s + 1);
    }
    *at = *s == '>' ? skip(s + 1) : s;
    return true;
}

bool read_text(const struct t *t, const char *s, struct wanted *w)
{
    *w = (struct wanted){ 0 };
    for (s = skip(s); *s != ' ' && *s != 0; s++)
        for (unsigned i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++)
            if (*s == flag_names[i].letter)
                w->seg.flags |= flag_names[i].flag;
    uint32_t end = 0;
    s = number(skip(s), &w->seg.seq);
    if (*s == ':') {
        s = number(s + 1, &end);
        w->seg.len = end - w->seg.seq;
    }
    s = skip(s);
    while (*s != 0) {
        if (take(&s, "ack", &w->seg.ack))
            w->has_ack = true;
        else if (take(&s, "win", &w->seg.wnd))
            w->has_win = true;
        else if (take(&s, "urg", &w->seg.urg))
            w->has_urg = true;
        else if (*s != '<' || (s++, !take_list(t, &s, w)))
            return false;
    }
    return true;
}

size_t make_options(const struct t *t, const struct wanted *w, uint8_t opts[40])
{
    const struct seg *seg = &w->seg;
    const struct peer *peer = &t->peers[t->peer];
    size_t n = 0;
    if (seg->has_mss) {
        memcpy(opts + n, "\x02\x04", 2);
        put16(opts + n + 2, seg->mss);
        n += 4;
    }
    if (seg->has_sackok) {
        memcpy(opts + n, "\x04\x02", 2);
        n += 2;
    }
    if (seg->has_ts) {
        memcpy(opts + n, "\x08\x0a", 2);
        put32(opts + n + 2, seg->tsval);
        put32(opts + n + 6, seg->tsecr);
        n += 10;
    }
    if (seg->has_ws) {
        memcpy(opts + n, "\x03\x03", 2);
        opts[n + 2] = (uint8_t)seg->ws;
        n += 3;
    }
    if (seg->sack_count > 0) {
        opts[n++] = 5;
        opts[n++] = (uint8_t)(2 + 8 * seg->sack_count);
        for (unsigned i = 0; i < 2 * seg->sack_count; i++, n += 4)
            put32(opts + n, seg->sack[i] + peer->base);
    }
    memcpy(opts + n, w->raw, w->raw_len);
    return n + w->raw_len;
}

/* Whether `seg` is what `w` wants; the first thing that is not goes to `what`. */
bool matches(const struct t *t, const struct wanted *w, const struct seg *seg, const char **what)
{
    const struct seg *e = &w->seg;
    const struct peer *peer = &t->peers[seg->peer];
    const struct {
        const char *name;
        bool same;
    } checks[] = {
        { "peer", seg->peer == t->peer },
        { "flags", seg->flags == e->flags },
        { "seq", seg->seq - peer->base == e->seq },
        { "len", seg->len == e->len },
        { "ack", !w->has_ack || seg->ack - peer->isn == e->ack },
        { "win", !w->has_win || seg->wnd == e->wnd },
        { "urg", !w->has_urg || seg->urg == e->urg },
        { "which options",
          !w->has_opts || (seg->has_mss == e->has_mss && seg->has_ws == e->has_ws &&
                           seg->has_sackok == e->has_sackok && seg->has_ts == e->has_ts &&
                           seg->sack_count == e->sack_count) },
        { "mss", !w->has_opts || seg->mss == e->mss },
        { "ws", !w->has_opts || seg->ws == e->ws },
        { "tsval", !e->has_ts || w->any_tsval || seg->tsval == e->tsval },
        { "tsecr", !e->has_ts || w->any_tsecr || seg->tsecr == e->tsecr },
    };
    for (unsigned i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        *what = checks[i].name;
        if (!checks[i].same)
            return false;
    }
    *what = "sack";
    for (unsigned i = 0; i < 2 * e->sack_count; i++)
        if (seg->sack[i] - peer->isn != e->sack[i])
            return false;
    return true;
}
