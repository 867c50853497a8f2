/* SPDX-License-Identifier: MIT */
#include "wire/mld.h"

#include "wire/cursor.h"
#include "wire/ip6.h"

#define QUERY2_MIN 28 /* a query of version 2, without sources */

static bool is_zero(const struct weir_ip *ip)
{
    static const struct weir_ip zero;
    return weir_ip_equal(ip, &zero);
}

/* RFC 3810, 8.1: the version of a query is told by its length. */
static enum wire_error read_query(struct rd *r, size_t len, uint32_t code,
                                  struct group_message *out)
{
    out->version = 1;
    out->max_resp_ms = code;
    if (len == MLD_LEN)
        return WIRE_OK;
    if (len < QUERY2_MIN)
        return WIRE_BAD;
    out->version = 2;
    out->max_resp_ms = wire_group_code(code, 16);
    rd_skip(r, 2); /* robustness and interval of the querier */
    const uint16_t sources = rd_u16(r);
    rd_skip(r, (size_t)sources * MLD_ADDRESS); /* our answer covers them all */
    return r->ran_out ? WIRE_SHORT : WIRE_OK;
}

enum wire_error wire_mld_parse(const struct icmp6_head *icmp, struct group_message *out)
{
    *out = (struct group_message){ .type = icmp->type };
    if (icmp->type == MLD_REPORT2)
        return WIRE_OK;
    struct rd r = rd_begin(icmp->body, icmp->len);
    out->group = rd_ip6(&r);
    if (r.ran_out)
        return WIRE_SHORT;
    const bool general = icmp->type == MLD_QUERY && is_zero(&out->group);
    if (!general && out->group.octet[0] != 0xff)
        return WIRE_BAD;
    return icmp->type == MLD_QUERY ? read_query(&r, ICMP_HEAD + icmp->len, icmp->rest >> 16, out)
                                   : WIRE_OK;
}

size_t wire_mld_emit(uint8_t *p, size_t room, uint8_t type, const struct weir_ip *group)
{
    struct wr w = wr_begin(p, room);
    wr_u8(&w, type);
    wr_u8(&w, 0);
    wr_u16(&w, 0);
    wr_u32(&w, 0);
    wr_ip6(&w, group);
    return w.ran_out ? 0 : MLD_LEN;
}

size_t wire_mld_report_emit(uint8_t *p, size_t room, const struct group_record *record,
                            unsigned count)
{
    struct wr w = wr_begin(p, room);
    wr_u8(&w, MLD_REPORT2);
    wr_u8(&w, 0);
    wr_u32(&w, 0); /* the checksum, and reserved */
    wr_u16(&w, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        wr_u8(&w, (uint8_t)record[i].kind);
        wr_u8(&w, 0);  /* no auxiliary data */
        wr_u16(&w, 0); /* no sources */
        wr_ip6(&w, &record[i].group);
    }
    return w.ran_out ? 0 : ICMP_HEAD + (size_t)count * (4 + MLD_ADDRESS);
}

size_t wire_mld_alert_emit(uint8_t *p, size_t room)
{
    enum {
        ROUTER_ALERT = 5,
        PAD_N = 1,
        ICMP6 = 58
    };
    struct wr w = wr_begin(p, room);
    wr_u8(&w, ICMP6); /* what follows */
    wr_u8(&w, 0);     /* eight octets */
    wr_u8(&w, ROUTER_ALERT);
    wr_u8(&w, 2);
    wr_u16(&w, 0); /* MLD */
    wr_u8(&w, PAD_N);
    wr_u8(&w, 0);
    return w.ran_out ? 0 : MLD_ALERT_LEN;
}
