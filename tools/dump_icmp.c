/* SPDX-License-Identifier: MIT */

/* ICMP, ICMPv6 and ARP in tcpdump's words. */

#include "dump_parts.h"

#include <netinet/in.h>

#define QUOTE 8 /* octets of a header before what it quotes */

void dump_arp(const struct dump *dump, const struct packet *packet)
{
    const uint8_t *at = packet->l4;
    char asked[SOCKET_HOST_MAX], tells[SOCKET_HOST_MAX];
    if (packet->have < 28 || packet_u16(at + 2) != 0x0800 || at[4] != 6 || at[5] != 4) {
        fprintf(dump->out, "unknown, length %u", packet->l4_len);
        return;
    }
    const struct weir_ip sender = dump_ip4(at + 14), target = dump_ip4(at + 24);
    const unsigned operation = packet_u16(at + 6);
    if (dump->verbose > 0)
        fputs("Ethernet (len 6), IPv4 (len 4), ", dump->out);
    dump_host(dump, &target, asked);
    dump_host(dump, &sender, tells);
    if (operation == 1 && memcmp(at + 14, at + 24, 4) == 0)
        fprintf(dump->out, "Announcement %s", tells);
    else if (operation == 1 && memcmp(at + 14, "\0\0\0", 4) == 0)
        fprintf(dump->out, "Probe %s", asked);
    else if (operation == 1)
        fprintf(dump->out, "Request who-has %s tell %s", asked, tells);
    else if (operation == 2)
        fprintf(dump->out, "Reply %s is-at %02x:%02x:%02x:%02x:%02x:%02x", tells, at[8], at[9],
                at[10], at[11], at[12], at[13]);
    else
        fprintf(dump->out, "operation %u", operation);
    /* As long as it is in the frame: ARP has no length, and Ethernet fills a short frame up. */
    fprintf(dump->out, ", length %u", packet->l4_len);
}

/* ---- ICMP ---- */

static const char *protocol_text(uint8_t protocol)
{
    return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : NULL;
}

/* Whom the quoted packet went to: its address, protocol and port. False if it is not there. */
static bool quoted4(const struct packet *packet, struct weir_ip *to, uint8_t *protocol,
                    unsigned *port)
{
    const uint8_t *at = packet->l4 + QUOTE;
    if (packet->have < QUOTE + 20)
        return false;
    const unsigned header = (at[0] & 15u) * 4;
    *to = dump_ip4(at + 16);
    *protocol = at[9];
    *port = packet->have >= QUOTE + header + 4 ? packet_u16(at + header + 2) : 0;
    return true;
}

static void unreachable4(const struct dump *dump, const struct packet *packet)
{
    static const char *const other[] = {
        [5] = "source route failed",
        [6] = "unknown network",
        [7] = "unknown host",
        [8] = "isolated",
        [9] = "net %s unreachable - admin prohibited",
        [10] = "admin prohibited",
        [11] = "net unreachable for TOS",
        [12] = "host unreachable for TOS",
        [13] = "admin prohibited filter",
        [14] = "host precedence violation",
        [15] = "precedence cutoff",
    };
    FILE *out = dump->out;
    const uint8_t code = packet->l4[1];
    struct weir_ip to;
    uint8_t protocol;
    unsigned port;
    char host[SOCKET_HOST_MAX];
    if (!quoted4(packet, &to, &protocol, &port)) {
        fprintf(out, "unreachable - #%u", code);
        return;
    }
    dump_host(dump, &to, host);
    if (code == 0)
        fprintf(out, "net %s unreachable", host);
    else if (code == 1)
        fprintf(out, "host %s unreachable", host);
    else if (code == 2)
        fprintf(out, "%s protocol %u unreachable", host, protocol);
    else if (code == 3 && protocol_text(protocol) != NULL)
        fprintf(out, "%s %s port %u unreachable", host, protocol_text(protocol), port);
    else if (code == 3)
        fprintf(out, "%s protocol %u port %u unreachable", host, protocol, port);
    else if (code == 4 && packet_u16(packet->l4 + 6) != 0)
        fprintf(out, "%s unreachable - need to frag (mtu %u)", host, packet_u16(packet->l4 + 6));
    else if (code == 4)
        fprintf(out, "%s unreachable - need to frag", host);
    else if (code == 9)
        fprintf(out, "net %s unreachable - admin prohibited", host);
    else if (code == 10 || code == 13)
        fprintf(out, "host %s unreachable - %s", host, other[code]);
    else if (code < sizeof other / sizeof other[0])
        fprintf(out, "%s unreachable - %s", host, other[code]);
    else
        fprintf(out, "%s unreachable - #%u", host, code);
}

/* What an error quotes, on lines of its own. */
static void quote4(struct dump *dump, const struct packet *packet)
{
    const struct capture_frame inside = { .link = CAPTURE_RAW,
                                          .data = packet->l4 + QUOTE,
                                          .len = packet->have - QUOTE,
                                          .whole_len = packet->l4_len - QUOTE };
    if (packet->have >= QUOTE + 20)
        dump_quoted(dump, &inside);
}

void dump_icmp4(struct dump *dump, const struct packet *packet)
{
    const uint8_t *at = packet->l4;
    FILE *out = dump->out;
    char host[SOCKET_HOST_MAX];
    bool quotes = true;
    fputs("ICMP ", out);
    if ((at[0] == 0 || at[0] == 8) && packet->have >= 8) {
        fprintf(out, "echo %s, id %u, seq %u", at[0] == 8 ? "request" : "reply", packet_u16(at + 4),
                packet_u16(at + 6));
        quotes = false;
    } else if (at[0] == 3) {
        unreachable4(dump, packet);
    } else if (at[0] == 11) {
        fprintf(out, "time exceeded %s", at[1] == 0 ? "in-transit" : "ip reassembly time exceeded");
    } else if (at[0] == 5 && packet->have >= QUOTE + 20) {
        const struct weir_ip to = dump_ip4(at + QUOTE + 16), by = dump_ip4(at + 4);
        fprintf(out, "redirect %s to %s ", dump_host(dump, &to, host), at[1] == 0 ? "net" : "host");
        fputs(dump_host(dump, &by, host), out);
    } else {
        fprintf(out, "type-#%u", at[0]);
        quotes = false;
    }
    fprintf(out, ", length %u", packet->l4_len);
    if (quotes && dump->verbose > 0 && packet->have >= QUOTE + 20)
        quote4(dump, packet);
}

/* ---- ICMPv6 ---- */

static void unreachable6(const struct dump *dump, const struct packet *packet)
{
    static const char *const text[] = { "unreachable route", "unreachable prohibited",
                                        "beyond scope", "unreachable address" };
    const uint8_t *at = packet->l4 + QUOTE;
    const uint8_t code = packet->l4[1];
    char host[SOCKET_HOST_MAX];
    fputs("destination unreachable", dump->out);
    if (packet->have < QUOTE + 40)
        return;
    const struct weir_ip to = dump_ip6(at + 24);
    dump_host(dump, &to, host);
    if (code < 4) {
        fprintf(dump->out, ", %s %s", text[code], host);
        return;
    }
    const bool fragment = at[6] == IPPROTO_FRAGMENT;
    const unsigned offset = fragment ? 48 : 40;
    const uint8_t protocol = fragment && packet->have >= QUOTE + 48 ? at[40] : at[6];
    if (code == 4 && protocol_text(protocol) != NULL && packet->have >= QUOTE + offset + 4)
        fprintf(dump->out, ", unreachable port, %s %s port %u", host, protocol_text(protocol),
                packet_u16(at + offset + 2));
    else
        fprintf(dump->out, ", unknown unreach code (%u)", code);
}

static void echo6(const struct dump *dump, const struct packet *packet)
{
    fprintf(dump->out, "echo %s", packet->l4[0] == 128 ? "request" : "reply");
    if (packet->have >= 8)
        fprintf(dump->out, ", id %u, seq %u", packet_u16(packet->l4 + 4),
                packet_u16(packet->l4 + 6));
}

static void exceeded6(const struct dump *dump, const struct packet *packet)
{
    char host[SOCKET_HOST_MAX];
    fputs("time exceeded", dump->out);
    if (packet->have < QUOTE + 40)
        return;
    const struct weir_ip to = dump_ip6(packet->l4 + QUOTE + 24);
    dump_host(dump, &to, host);
    if (packet->l4[1] == 0)
        fprintf(dump->out, " in-transit for %s", host);
    else
        fputs(" in-reassembly", dump->out);
}

static void neighbour6(const struct dump *dump, const struct packet *packet)
{
    const bool asks = packet->l4[0] == 135;
    char host[SOCKET_HOST_MAX];
    fprintf(dump->out, "neighbor %s", asks ? "solicitation" : "advertisement");
    if (packet->have < 24)
        return;
    const struct weir_ip target = dump_ip6(packet->l4 + 8);
    fprintf(dump->out, ", %s %s", asks ? "who has" : "tgt is", dump_host(dump, &target, host));
}

void dump_icmp6(struct dump *dump, const struct packet *packet)
{
    const uint8_t *at = packet->l4;
    FILE *out = dump->out;
    fputs("ICMP6, ", out);
    switch (at[0]) {
    case 1:
        unreachable6(dump, packet);
        break;
    case 2:
        fprintf(out, "packet too big, mtu %u", packet->have >= 8 ? packet_u32(at + 4) : 0);
        break;
    case 3:
        exceeded6(dump, packet);
        break;
    case 128:
    case 129:
        echo6(dump, packet);
        break;
    case 133:
        fputs("router solicitation", out);
        break;
    case 134:
        fputs("router advertisement", out);
        break;
    case 135:
    case 136:
        neighbour6(dump, packet);
        break;
    case 137:
        fputs("redirect", out);
        break;
    case 143:
        fprintf(out, "multicast listener report v2, %u group record(s)",
                packet->have >= 8 ? packet_u16(at + 6) : 0);
        break;
    default:
        fprintf(out, "type-#%u", at[0]);
        break;
    }
    fprintf(out, ", length %u", packet->l4_len);
}
