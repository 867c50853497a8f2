/* SPDX-License-Identifier: MIT */
#include "wire/icmp6.h"

#include "base/assert.h"
#include "wire/cursor.h"

/* Neighbour discovery: RFC 4861, 4. The message's type is data in a few places only; its fields are
 * read straight down. */

enum {
    OPT_SLLA = 1,
    OPT_TLLA = 2,
    OPT_PREFIX = 3,
    OPT_MTU = 5,
    OPT_RDNSS = 25
};

enum {
    NA_ROUTER = 0x80,
    NA_SOLICITED = 0x40,
    NA_OVERRIDE = 0x20
};
enum {
    RA_MANAGED = 0x80,
    RA_OTHER = 0x40
};
enum {
    PREFIX_ON_LINK = 0x80,
    PREFIX_AUTONOMOUS = 0x40
};

#define PREFIX_BITS_MAX 128

/* Lengths in units of 8 octets, header of the option included. */
enum {
    LLA_UNITS = 1,
    PREFIX_UNITS = 4,
    MTU_UNITS = 1,
    RDNSS_UNITS_MIN = 3
};

static bool read_prefix(struct rd *r, struct nd_message *out)
{
    struct nd_prefix prefix = { 0 };
    prefix.len = rd_u8(r);
    const uint8_t flags = rd_u8(r);
    prefix.on_link = (flags & PREFIX_ON_LINK) != 0;
    prefix.autonomous = (flags & PREFIX_AUTONOMOUS) != 0;
    prefix.valid_s = rd_u32(r);
    prefix.preferred_s = rd_u32(r);
    rd_skip(r, 4); /* reserved */
    prefix.prefix = rd_ip6(r);
    if (prefix.len > PREFIX_BITS_MAX)
        return false;
    if (out->prefix_count < ND_PREFIX_MAX)
        out->prefix[out->prefix_count] = prefix;
    out->prefix_count++; /* at most ND_OPTIONS_MAX times */
    return true;
}

static void read_rdnss(struct rd *r, unsigned count, struct nd_message *out)
{
    rd_skip(r, 2); /* reserved */
    out->rdnss_lifetime_s = rd_u32(r);
    out->rdnss_count = (uint8_t)(count < ND_RDNSS_MAX ? count : ND_RDNSS_MAX);
    memset(out->rdnss, 0, sizeof out->rdnss);
    for (unsigned i = 0; i < out->rdnss_count; i++)
        out->rdnss[i] = rd_ip6(r);
}

/* One option of `units` times 8 octets, whose kind and length have been read from `r`. */
static bool read_option(struct rd *r, uint8_t kind, uint8_t units, struct nd_message *out)
{
    switch (kind) {
    case OPT_SLLA:
        out->has |= ND_HAS_SLLA;
        rd_bytes(r, out->slla, ETH_ADDR);
        return units == LLA_UNITS;
    case OPT_TLLA:
        out->has |= ND_HAS_TLLA;
        rd_bytes(r, out->tlla, ETH_ADDR);
        return units == LLA_UNITS;
    case OPT_PREFIX:
        return units == PREFIX_UNITS && read_prefix(r, out);
    case OPT_MTU:
        out->has |= ND_HAS_MTU;
        rd_skip(r, 2); /* reserved */
        out->mtu = rd_u32(r);
        return units == MTU_UNITS;
    case OPT_RDNSS: /* RFC 8106, 5.1: one unit, and two for each address */
        if (units < RDNSS_UNITS_MIN || units % 2 == 0)
            return false;
        out->has |= ND_HAS_RDNSS;
        read_rdnss(r, (units - 1u) / 2, out);
        return true;
    default: /* RFC 4861, 4.6: options we do not know are skipped */
        return true;
    }
}

static enum wire_error read_options(struct rd *r, struct nd_message *out)
{
    for (unsigned count = 0; r->left > 0; count++) {
        if (count == ND_OPTIONS_MAX)
            return WIRE_MANY;
        struct rd head = *r;
        const uint8_t kind = rd_u8(&head);
        const uint8_t units = rd_u8(&head);
        const uint8_t *option = rd_skip(r, (size_t)units * 8);
        if (units == 0 || option == NULL)
            return WIRE_OPTION;
        struct rd body = rd_begin(option + 2, (size_t)units * 8 - 2);
        if (!read_option(&body, kind, units, out))
            return WIRE_OPTION;
    }
    return WIRE_OK;
}

static bool target_is_valid(const struct weir_ip *target)
{
    static const struct weir_ip any;
    return target->octet[0] != 0xff && !weir_ip_equal(target, &any) && !weir_ip_is_v4(target);
}

enum wire_error wire_nd_parse(const struct icmp6_head *icmp, struct nd_message *out)
{
    struct rd r = rd_begin(icmp->body, icmp->len);
    *out = (struct nd_message){ .type = icmp->type };
    switch (icmp->type) {
    case ICMP6_NA:
        out->router = (icmp->rest >> 24 & NA_ROUTER) != 0;
        out->solicited = (icmp->rest >> 24 & NA_SOLICITED) != 0;
        out->override = (icmp->rest >> 24 & NA_OVERRIDE) != 0;
        out->target = rd_ip6(&r);
        break;
    case ICMP6_NS:
        out->target = rd_ip6(&r);
        break;
    case ICMP6_RA:
        out->hop_limit = (uint8_t)(icmp->rest >> 24);
        out->managed = (icmp->rest >> 16 & RA_MANAGED) != 0;
        out->other = (icmp->rest >> 16 & RA_OTHER) != 0;
        out->lifetime_s = (uint16_t)icmp->rest;
        out->reachable_ms = rd_u32(&r);
        out->retrans_ms = rd_u32(&r);
        break;
    case ICMP6_RS:
        break;
    default:
        return WIRE_UNKNOWN;
    }
    if (r.ran_out)
        return WIRE_SHORT;
    if (icmp->code != 0)
        return WIRE_BAD;
    if ((icmp->type == ICMP6_NS || icmp->type == ICMP6_NA) && !target_is_valid(&out->target))
        return WIRE_BAD;
    return read_options(&r, out);
}

static void write_prefix(struct wr *w, const struct nd_prefix *prefix)
{
    wr_u8(w, OPT_PREFIX);
    wr_u8(w, PREFIX_UNITS);
    wr_u8(w, prefix->len);
    wr_u8(w, (uint8_t)((prefix->on_link ? PREFIX_ON_LINK : 0) |
                       (prefix->autonomous ? PREFIX_AUTONOMOUS : 0)));
    wr_u32(w, prefix->valid_s);
    wr_u32(w, prefix->preferred_s);
    wr_u32(w, 0);
    wr_ip6(w, &prefix->prefix);
}

static void write_lla(struct wr *w, uint8_t kind, const uint8_t addr[ETH_ADDR])
{
    wr_u8(w, kind);
    wr_u8(w, LLA_UNITS);
    wr_bytes(w, addr, ETH_ADDR);
}

static void write_rdnss(struct wr *w, const struct nd_message *message)
{
    const unsigned count = message->rdnss_count;
    WEIR_ASSERT(count > 0 && count <= ND_RDNSS_MAX);
    wr_u8(w, OPT_RDNSS);
    wr_u8(w, (uint8_t)(1 + 2 * count));
    wr_u16(w, 0);
    wr_u32(w, message->rdnss_lifetime_s);
    for (unsigned i = 0; i < count; i++)
        wr_ip6(w, &message->rdnss[i]);
}

static void write_options(struct wr *w, const struct nd_message *message)
{
    if (message->has & ND_HAS_SLLA)
        write_lla(w, OPT_SLLA, message->slla);
    if (message->has & ND_HAS_TLLA)
        write_lla(w, OPT_TLLA, message->tlla);
    if (message->has & ND_HAS_MTU) {
        wr_u8(w, OPT_MTU);
        wr_u8(w, MTU_UNITS);
        wr_u16(w, 0);
        wr_u32(w, message->mtu);
    }
    for (unsigned i = 0; i < message->prefix_count && i < ND_PREFIX_MAX; i++)
        write_prefix(w, &message->prefix[i]);
    if (message->has & ND_HAS_RDNSS)
        write_rdnss(w, message);
}

size_t wire_nd_emit(uint8_t *p, size_t room, const struct nd_message *message)
{
    struct wr w = wr_begin(p, room);
    wr_u8(&w, message->type);
    wr_u8(&w, 0); /* code */
    wr_u16(&w, 0);
    if (message->type == ICMP6_RA) {
        wr_u8(&w, message->hop_limit);
        wr_u8(&w, (uint8_t)((message->managed ? RA_MANAGED : 0) | (message->other ? RA_OTHER : 0)));
        wr_u16(&w, message->lifetime_s);
        wr_u32(&w, message->reachable_ms);
        wr_u32(&w, message->retrans_ms);
    } else {
        wr_u8(&w, (uint8_t)((message->router ? NA_ROUTER : 0) |
                            (message->solicited ? NA_SOLICITED : 0) |
                            (message->override ? NA_OVERRIDE : 0)));
        wr_u8(&w, 0);
        wr_u16(&w, 0);
        if (message->type != ICMP6_RS)
            wr_ip6(&w, &message->target);
    }
    write_options(&w, message);
    return w.ran_out ? 0 : room - w.left;
}
