/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- ICMP ---- */

static const struct icmp_name icmp_names[] = {
    { "unreachable", "net_unreachable", 3, 0, 1, 0 },
    { "unreachable", "host_unreachable", 3, 1, 1, 3 },
    { "unreachable", "protocol_unreachable", 3, 2, 4, 1 },
    { "unreachable", "port_unreachable", 3, 3, 1, 4 },
    { "unreachable", "frag_needed", 3, 4, 2, 0 },
    { "unreachable", "source_route_failed", 3, 5, 1, 5 },
    { "unreachable", "net_unknown", 3, 6, 1, 0 },
    { "unreachable", "host_unknown", 3, 7, 1, 3 },
    { "unreachable", "source_host_isolated", 3, 8, 1, 3 },
    { "unreachable", "net_prohibited", 3, 9, 1, 1 },
    { "unreachable", "host_prohibited", 3, 10, 1, 1 },
    { "unreachable", "net_unreachable_for_tos", 3, 11, -1, -1 },
    { "unreachable", "host_unreachable_for_tos", 3, 12, -1, -1 },
    { "unreachable", "filtered", 3, 13, 1, 1 },
    { "unreachable", "admin_prohibited", 3, 13, 1, 1 },
    { "unreachable", "no_route", 3, 0, 1, 0 },
    { "unreachable", "not_neighbour", -1, -1, 1, 2 },
    { "unreachable", "addr_unreachable", 3, 1, 1, 3 },
    { "unreachable", "address_unreachable", 3, 1, 1, 3 },
    { "packet_too_big", "", 3, 4, 2, 0 },
    { "source_quench", "", 4, 0, -1, -1 },
    { "redirect", "", 5, 0, -1, -1 },
    { "echo_request", "", 8, 0, 128, 0 },
    { "echo_reply", "", 0, 0, 129, 0 },
    { "time_exceeded", "", 11, 0, 3, 0 },
    { "time_exceeded", "exceeded_in_transit", 11, 0, 3, 0 },
    { "time_exceeded", "reassembly", 11, 1, 3, 1 },
    { "parameter_problem", "", 12, 0, 4, 0 },
    { "param_problem", "", 12, 0, 4, 0 },
};
#define ICMP_NAMES (sizeof icmp_names / sizeof icmp_names[0])

const struct icmp_name *icmp_by_name(const char *type, const char *code)
{
    for (unsigned i = 0; i < ICMP_NAMES; i++)
        if (strcmp(icmp_names[i].type, type) == 0 && strcmp(icmp_names[i].code, code) == 0)
            return &icmp_names[i];
    return NULL;
}

static const struct icmp_name *icmp_first(const char *type)
{
    for (unsigned i = 0; i < ICMP_NAMES; i++)
        if (strcmp(icmp_names[i].type, type) == 0)
            return &icmp_names[i];
    return NULL;
}

bool icmp_type_known(const char *type)
{
    return icmp_first(type) != NULL;
}

const struct icmp_name *icmp_by_number(bool v6, unsigned type, unsigned code)
{
    for (unsigned i = 0; i < ICMP_NAMES; i++) {
        const struct icmp_name *name = &icmp_names[i];
        if ((v6 ? name->type6 : name->type4) == (int)type &&
            (v6 ? name->code6 : name->code4) == (int)code)
            return name;
    }
    return NULL;
}

/* ---- the brackets before a packet: [ect0], [tos 0x10, ttl 3] ---- */

static void parse_tos(struct scan *scan, struct packet *packet, const char *word)
{
    static const struct {
        const char *name;
        uint8_t tos;
    } marks[] = { { "noecn", 0 }, { "nonect", 0 }, { "ect1", 1 }, { "ect0", 2 }, { "ce", 3 } };
    packet->has_tos = true;
    if (strcmp(word, "tos") == 0) {
        uint32_t tos = 0;
        if (scan_u32(scan, &tos) && tos > 255)
            scan_fail(scan, "tos %u is more than 255", tos);
        packet->tos = (uint8_t)tos;
        return;
    }
    packet->ecn_only = true;
    if (strcmp(word, "ecn") == 0) {
        packet->ect_any = true;
        packet->tos = 2;
        return;
    }
    for (unsigned i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (strcmp(word, marks[i].name) == 0) {
            packet->tos = marks[i].tos;
            return;
        }
    }
    scan_fail(scan, "[%s] is not known here", word);
}

static void parse_ip(struct scan *scan, struct packet *packet)
{
    if (!scan_take(scan, "["))
        return;
    do {
        const char *word = scan_word(scan);
        uint32_t value = 0;
        if (word == NULL) {
            scan_fail(scan, "a word is missing after '['");
        } else if (strcmp(word, "ttl") == 0) {
            packet->has_ttl = true;
            if (scan_u32(scan, &value) && (value == 0 || value > 255))
                scan_fail(scan, "ttl %u is not in 1..255", value);
            packet->ttl = (uint8_t)value;
        } else if (strcmp(word, "flowlabel") == 0) {
            packet->has_flow = scan_u32(scan, &packet->flow);
        } else {
            parse_tos(scan, packet, word);
        }
    } while (!scan->failed && scan_take(scan, ","));
    scan_need(scan, "]");
}

/* ---- TCP ---- */

static void parse_flags(struct scan *scan, struct packet *packet)
{
    static const struct {
        char letter;
        unsigned flag;
    } letters[] = {
        { 'F', SEG_FIN }, { 'S', SEG_SYN }, { 'R', SEG_RST }, { 'P', SEG_PSH }, { '.', SEG_ACK },
        { 'U', SEG_URG }, { 'E', SEG_ECE }, { 'W', SEG_CWR }, { 'A', SEG_AE },
    };
    scan_space(scan);
    const char *from = scan->at;
    if (scan->at < scan->end && *scan->at == '-') {
        scan->at++;
        return;
    }
    while (scan->at < scan->end && !isspace((unsigned char)*scan->at)) {
        const char c = *scan->at;
        unsigned flag = 0;
        for (unsigned i = 0; i < sizeof letters / sizeof letters[0]; i++)
            if (letters[i].letter == c)
                flag = letters[i].flag;
        if (c >= '0' && c <= '7') /* the ACE counter: its bits are AE, CWR and ECE */
            flag = (unsigned)(c - '0') << 6;
        else if (flag == 0)
            break;
        packet->flags |= flag;
        scan->at++;
    }
    if (scan->at == from || (scan->at < scan->end && !isspace((unsigned char)*scan->at)))
        scan_fail(scan, "flags are letters of FSRP.UEWA, an ACE digit, or '-'");
}

/* SEQ:END(LEN) */
static void parse_range(struct scan *scan, struct packet *packet)
{
    uint32_t end = 0;
    if (!scan_u32(scan, &packet->seq) || !scan_need(scan, ":") || !scan_u32(scan, &end) ||
        !scan_need(scan, "(") || !scan_u32(scan, &packet->len) || !scan_need(scan, ")"))
        return;
    packet->has_seq = true;
    if (packet->seq + packet->len != end)
        scan_fail(scan, "%u:%u is %u octets, not %u", packet->seq, end, end - packet->seq,
                  packet->len);
    else if (packet->len > 65495)
        scan_fail(scan, "%u octets are more than a packet holds", packet->len);
}

static void parse_tcp(struct scan *scan, struct packet *packet)
{
    packet->proto = PROTO_TCP;
    parse_flags(scan, packet);
    parse_range(scan, packet);
    if (scan_take(scan, "ack"))
        packet->has_ack = scan_take(scan, "*") ? false : scan_u32(scan, &packet->ack);
    if (scan_take(scan, "win"))
        packet->has_win = scan_take(scan, "*") ? false : scan_u32(scan, &packet->win);
    if (packet->win > UINT16_MAX)
        scan_fail(scan, "win %u does not fit the header", packet->win);
    if (scan_take(scan, "urg"))
        packet->has_urg = scan_u32(scan, &packet->urg);
    if (packet->urg > UINT16_MAX)
        scan_fail(scan, "urg %u does not fit the header", packet->urg);
    if (scan_take(scan, "<"))
        parse_options(scan, packet);
}

/* ---- the others ---- */

/* icmp TYPE [CODE] [mtu N] [[SEQ:END(LEN)]] */
static void parse_icmp(struct scan *scan, struct packet *packet)
{
    packet->proto = PROTO_ICMP;
    const char *type = scan_word(scan), *code = "";
    if (type == NULL || !icmp_type_known(type)) {
        scan_fail(scan, "no ICMP type is called '%s'", type != NULL ? type : "");
        return;
    }
    if (!scan_look(scan, "mtu") && !scan_look(scan, "[")) {
        const char *back = scan->at;
        const char *word = scan_word(scan);
        if (word != NULL)
            code = scan_defined(scan, word);
        else
            scan->at = back;
    }
    packet->icmp = icmp_by_name(type, code);
    if (packet->icmp == NULL && code[0] == '\0') /* the first of its kind: code 0 */
        packet->icmp = icmp_first(type);
    if (packet->icmp == NULL)
        scan_fail(scan, "no ICMP code of %s is called '%s'", type, code);
    if (scan_take(scan, "mtu"))
        scan_u32(scan, &packet->mtu);
    if (scan_take(scan, "[")) {
        if (scan_take(scan, "udp")) {
            scan_need(scan, "(");
            scan_u32(scan, &packet->len);
            scan_need(scan, ")");
        } else {
            parse_range(scan, packet);
        }
        scan_need(scan, "]");
    }
}

static void parse_udp(struct scan *scan, struct packet *packet)
{
    packet->proto = PROTO_UDP;
    if (scan_need(scan, "(") && scan_u32(scan, &packet->len) && packet->len > 65507)
        scan_fail(scan, "%u octets are more than a datagram holds", packet->len);
    scan_need(scan, ")");
}

struct packet *parse_packet(struct scan *scan)
{
    static const char *const foreign[] = { "ipv4", "ipv6", "gre", "mpls", "vxlan" };
    struct packet *packet = arena_take(scan->arena, sizeof *packet);
    parse_ip(scan, packet);
    for (unsigned i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (scan_look(scan, foreign[i]))
            scan_fail(scan, "packets in packets (%s) are not understood", foreign[i]);
    if (scan_take(scan, "udp"))
        parse_udp(scan, packet);
    else if (scan_take(scan, "icmp") || scan_take(scan, "icmpv6"))
        parse_icmp(scan, packet);
    else
        parse_tcp(scan, packet);
    return packet;
}
