/* SPDX-License-Identifier: MIT */
#include "packet.h"

#include "base/csum.h"
#include "base/octets.h"

#include <string.h>

static bool all_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* ---- TCP ---- */

static void read_option(struct tcp_option *option, const uint8_t *p, uint8_t len)
{
    option->kind = p[0];
    option->len = len;
    option->form = FORM_PLAIN;
    if (p[0] == 2 && len == 4) {
        option->form = FORM_MSS;
        option->val = get_u16(p + 2);
    } else if (p[0] == 3 && len == 3) {
        option->form = FORM_WSCALE;
        option->val = p[2];
    } else if (p[0] == 4 && len == 2) {
        option->form = FORM_SACKOK;
    } else if (p[0] == 5 && len >= 10 && len <= 34 && len % 8 == 2) {
        option->form = FORM_SACK;
        option->blocks = len / 8u;
        for (unsigned i = 0; i < option->blocks * 2; i++)
            option->sack[i] = get_u32(p + 2 + (size_t)4 * i);
    } else if (p[0] == 8 && len == 10) {
        option->form = FORM_TS;
        option->val = get_u32(p + 2);
        option->ecr = get_u32(p + 6);
    } else {
        memcpy(option->data, p + 2, len - 2u);
    }
}

static bool read_options(struct packet *is, const uint8_t *p, size_t len)
{
    while (len > 0) {
        struct tcp_option *option = &is->option[is->option_count];
        uint8_t taken = 1;
        if (p[0] <= 1) {
            option->form = p[0] == 0 ? FORM_EOL : FORM_NOP;
            option->kind = p[0];
        } else {
            if (len < 2 || p[1] < 2 || p[1] > len)
                return false;
            taken = p[1];
            read_option(option, p, taken);
        }
        is->option_count++;
        if (p[0] == 0)
            return all_zero(p, len);
        p += taken;
        len -= taken;
    }
    return true;
}

static const char *read_tcp(struct seen *seen, const uint8_t *p, size_t len)
{
    struct packet *is = &seen->is;
    if (len < 20)
        return "a short TCP header";
    const size_t head = (size_t)(p[12] >> 4) * 4;
    if (head < 20 || head > len)
        return "a wrong data offset";
    if ((p[12] & 0x0e) != 0)
        return "reserved bits that are set";
    is->proto = PROTO_TCP;
    seen->from_port = (uint16_t)get_u16(p);
    seen->to_port = (uint16_t)get_u16(p + 2);
    is->has_seq = is->has_win = is->has_urg = true;
    is->seq = get_u32(p + 4);
    is->ack = get_u32(p + 8);
    is->flags = get_u16(p + 12) & 0x1ff;
    is->has_ack = (is->flags & SEG_ACK) != 0;
    is->win = get_u16(p + 14);
    is->urg = get_u16(p + 18);
    is->len = (uint32_t)(len - head);
    seen->text_zero = all_zero(p + head, len - head);
    return read_options(is, p + 20, head - 20) ? NULL : "malformed TCP options";
}

/* ---- the others ---- */

static const char *read_udp(struct seen *seen, const uint8_t *p, size_t len)
{
    if (len < 8 || get_u16(p + 4) != len)
        return "a wrong UDP length";
    seen->is.proto = PROTO_UDP;
    seen->from_port = (uint16_t)get_u16(p);
    seen->to_port = (uint16_t)get_u16(p + 2);
    seen->is.len = (uint32_t)(len - 8);
    seen->text_zero = all_zero(p + 8, len - 8);
    return NULL;
}

static const char *read_icmp(struct seen *seen, const uint8_t *p, size_t len)
{
    if (len < 8)
        return "a short ICMP header";
    seen->is.proto = PROTO_ICMP;
    seen->icmp_type = p[0];
    seen->icmp_code = p[1];
    seen->is.icmp = icmp_by_number(seen->v6, p[0], p[1]);
    seen->is.mtu = seen->v6 ? get_u32(p + 4) : get_u16(p + 6);
    seen->text_zero = true;
    /* The ports it quotes: whose packet it complains of. */
    const uint8_t *quote = p + 8;
    const size_t ip = seen->v6 ? 40 : 20;
    if (len >= 8 + ip + 4) {
        seen->to_port = (uint16_t)get_u16(quote + ip);
        seen->from_port = (uint16_t)get_u16(quote + ip + 2);
    }
    return NULL;
}

static bool sum_holds(const struct seen *seen, unsigned proto, const uint8_t *p, size_t len)
{
    const size_t skip = seen->v6 ? 0 : 12;
    csum32 total = 0;
    if (proto != 1) {
        total = csum_add(total, seen->from.octet + skip, 16 - skip);
        total = csum_add(total, seen->to.octet + skip, 16 - skip);
        total = csum_add16(total, (uint16_t)proto);
        total = csum_add16(total, (uint16_t)len);
    }
    return csum_fold(csum_add(total, p, len)) == 0;
}

static const char *read_ip4(struct seen *seen, const uint8_t *data, size_t len, unsigned *proto)
{
    if (len < 20 || data[0] != 0x45)
        return "an IPv4 header with options, or none";
    if (get_u16(data + 2) != len)
        return "a wrong IPv4 total length";
    if (csum_fold(csum_add(0, data, 20)) != 0)
        return "a wrong IPv4 header checksum";
    seen->from = weir_ip_v4(data[12], data[13], data[14], data[15]);
    seen->to = weir_ip_v4(data[16], data[17], data[18], data[19]);
    seen->is.tos = data[1];
    seen->is.ttl = data[8];
    *proto = data[9];
    return NULL;
}

static const char *read_ip6(struct seen *seen, const uint8_t *data, size_t len, unsigned *proto)
{
    if (len < 40 || get_u16(data + 4) != len - 40)
        return "a wrong IPv6 payload length";
    seen->v6 = true;
    memcpy(seen->from.octet, data + 8, 16);
    memcpy(seen->to.octet, data + 24, 16);
    seen->is.tos = (uint8_t)(get_u16(data) >> 4);
    seen->is.flow = get_u32(data) & 0xfffff;
    seen->is.ttl = data[7];
    *proto = data[6];
    return NULL;
}

bool packet_read(const uint8_t *data, size_t len, struct seen *seen, const char **wrong)
{
    unsigned proto = 0;
    memset(seen, 0, sizeof *seen);
    seen->merged = 1;
    *wrong = len == 0              ? "nothing in it"
             : (data[0] >> 4) == 4 ? read_ip4(seen, data, len, &proto)
             : (data[0] >> 4) == 6 ? read_ip6(seen, data, len, &proto)
                                   : "no IP version that exists";
    if (*wrong != NULL)
        return false;
    seen->is.has_tos = seen->is.has_ttl = true;
    seen->is.has_flow = seen->v6;
    const size_t head = seen->v6 ? 40 : 20;
    const uint8_t *p = data + head;
    len -= head;
    if (proto == 6)
        *wrong = read_tcp(seen, p, len);
    else if (proto == 17)
        *wrong = read_udp(seen, p, len);
    else if (proto == 1 || proto == 58)
        *wrong = read_icmp(seen, p, len);
    else
        *wrong = "a protocol that is not TCP, UDP or ICMP";
    if (*wrong == NULL && !sum_holds(seen, proto, p, len))
        *wrong = "a wrong checksum";
    return *wrong == NULL;
}
