/* SPDX-License-Identifier: MIT */
#include "wire/icmp6.h"

#include "octets.h"

#define TARGET "20010db8000000000000000000000002"
#define PREFIX "0304 40 c0 00278d00 00093a80 00000000 20010db8000000000000000000000000"
#define RDNSS  "1903 0000 00000e10 20010db8000000000000000000000035"

struct nd_case {
    const char *name;
    uint8_t type, code;
    const char *body; /* behind the first 8 octets */
    enum wire_error want;
};

/* Attack rows N-3, N-4, KP-14; RFC 4861, 6.1 and 7.1. */
static const struct nd_case nd_cases[] = {
    { "ns, nothing", 135, 0, "", WIRE_SHORT },
    { "ns", 135, 0, TARGET, WIRE_OK },
    { "ns, target of 15", 135, 0, "20010db80000000000000000000000", WIRE_SHORT },
    { "ns, code 1", 135, 1, TARGET, WIRE_BAD },
    { "ns for a group", 135, 0, "ff020000000000000000000000000001", WIRE_BAD },
    { "ns for any", 135, 0, "00000000000000000000000000000000", WIRE_BAD },
    { "ns for a mapped address", 135, 0, "00000000000000000000ffffc0000201", WIRE_BAD },
    { "ns, slla", 135, 0, TARGET "0101 020000000001", WIRE_OK },
    { "ns, option of length 0", 135, 0, TARGET "0100 020000000001", WIRE_OPTION },
    { "ns, unknown option of length 0", 135, 0, TARGET "fd00 020000000001", WIRE_OPTION },
    { "ns, unknown option", 135, 0, TARGET "fd01 020000000001", WIRE_OK },
    { "ns, slla of 16", 135, 0, TARGET "0102 020000000001 0000000000000000", WIRE_OPTION },
    { "ns, option past the end", 135, 0, TARGET "fd02 020000000001", WIRE_OPTION },
    { "ns, option of 255 units", 135, 0, TARGET "01ff 020000000001", WIRE_OPTION },
    { "ns, one octet behind", 135, 0, TARGET "01", WIRE_OPTION },
    { "ns, seven octets behind", 135, 0, TARGET "0101 0200000000", WIRE_OPTION },
    { "na", 136, 0, TARGET "0201 020000000001", WIRE_OK },
    { "na for a group", 136, 0, "ff020000000000000000000000000001", WIRE_BAD },
    { "rs", 133, 0, "", WIRE_OK },
    { "rs, slla", 133, 0, "0101 020000000001", WIRE_OK },
    { "ra, 15 octets", 134, 0, "00000000 000000", WIRE_SHORT },
    { "ra", 134, 0, "00007530 000003e8", WIRE_OK },
    { "ra, all options", 134, 0,
      "00007530 000003e8 0101 020000000001 0501 0000 000005dc" PREFIX RDNSS, WIRE_OK },
    { "ra, prefix of 129 bits", 134, 0,
      "0000000000000000 0304 81 c0 00278d00 00093a80 00000000" TARGET, WIRE_OPTION },
    { "ra, prefix of 24 octets", 134, 0,
      "0000000000000000 0303 40 c0 00278d00 00093a80 00000000"
      "20010db8000000ff",
      WIRE_OPTION },
    { "ra, mtu of 16 octets", 134, 0, "0000000000000000 0502 0000 000005dc 0000000000000000",
      WIRE_OPTION },
    { "ra, rdnss of even length", 134, 0,
      "0000000000000000 1904 0000 00000e10" TARGET "0000000000000000", WIRE_OPTION },
    { "ra, rdnss of length 1", 134, 0, "0000000000000000 1901 0000 00000e10", WIRE_OPTION },
    { "redirect", 137, 0, TARGET TARGET, WIRE_UNKNOWN },
    { "echo", 128, 0, TARGET, WIRE_UNKNOWN },
};

static void edge(const struct nd_case *c)
{
    uint8_t body[256];
    const size_t len = unhex(c->body, body);
    const struct icmp6_head icmp = {
        .type = c->type, .code = c->code, .body = guarded(body, len), .len = (uint32_t)len
    };
    struct nd_message out;
    const enum wire_error error = wire_nd_parse(&icmp, &out);
    if (!CHECK(error == c->want, "nd: %s", c->name))
        printf("# got %d\n", (int)error);
}

static void fields(void)
{
    uint8_t body[256];
    const size_t len = unhex("00007530 000003e8 0501 0000 000005dc" PREFIX RDNSS, body);
    const struct icmp6_head icmp = {
        .type = ICMP6_RA, .rest = 0x40c00708, .body = body, .len = (uint32_t)len
    };
    struct nd_message out;
    CHECK(wire_nd_parse(&icmp, &out) == WIRE_OK, "nd: an advertisement as routers send it");
    CHECK(out.hop_limit == 64 && out.managed && out.other && out.lifetime_s == 1800 &&
              out.reachable_ms == 30000 && out.retrans_ms == 1000,
          "nd: its fields");
    CHECK(out.has == (ND_HAS_MTU | ND_HAS_RDNSS) && out.mtu == 1500 && out.rdnss_count == 1 &&
              out.rdnss[0].octet[15] == 0x35 && out.rdnss_lifetime_s == 3600,
          "nd: its options");
    CHECK(out.prefix_count == 1 && out.prefix[0].len == 64 && out.prefix[0].on_link &&
              out.prefix[0].autonomous && out.prefix[0].valid_s == 2592000 &&
              out.prefix[0].preferred_s == 604800,
          "nd: its prefix");
}

/* A hostile router: more than we keep, and more than we are willing to read. */
static void bounds(void)
{
    static uint8_t body[8 + 65 * 32];
    for (unsigned count = 15; count <= 65; count++) {
        memset(body, 0, 8);
        for (unsigned i = 0; i < count; i++) {
            unhex(PREFIX, body + 8 + i * 32);
            body[8 + i * 32 + 16 + 7] = (uint8_t)i;
        }
        const struct icmp6_head icmp = { .type = ICMP6_RA, .body = body, .len = 8 + count * 32 };
        struct nd_message out;
        const enum wire_error error = wire_nd_parse(&icmp, &out);
        if (count > ND_OPTIONS_MAX)
            CHECK(error == WIRE_MANY, "nd: %u options are too many", count);
        else if (error != WIRE_OK || out.prefix_count != count ||
                 out.prefix[14].prefix.octet[7] != 14)
            CHECK(false, "nd: %u prefixes are counted, and the first kept", count);
    }
    unhex("190d 0000 00000e10", body + 8);
    memset(body + 16, 0x20, 96);
    const struct icmp6_head icmp = { .type = ICMP6_RA, .body = body, .len = 8 + 104 };
    struct nd_message out;
    CHECK(wire_nd_parse(&icmp, &out) == WIRE_OK && out.rdnss_count == ND_RDNSS_MAX,
          "nd: of six name servers four are kept");
}

static void lengths(void)
{
    uint8_t body[256];
    struct nd_message out;
    bool holds = true;
    for (unsigned i = 0; i < sizeof nd_cases / sizeof nd_cases[0]; i++) {
        const size_t len = unhex(nd_cases[i].body, body);
        for (size_t cut = 0; cut < len; cut++) {
            const struct icmp6_head icmp = { .type = nd_cases[i].type,
                                             .body = guarded(body, cut),
                                             .len = (uint32_t)cut };
            const enum wire_error error = wire_nd_parse(&icmp, &out);
            holds &= error != WIRE_OK || cut % 8 == 0;
        }
    }
    CHECK(holds, "nd: every truncation of every case");

    holds = true;
    for (unsigned kind = 0; kind < 256; kind++)
        for (unsigned units = 0; units < 256; units++)
            for (size_t len = 0; len <= 64; len += len < 10 ? 1 : 9) {
                memset(body, 0, sizeof body);
                body[0] = (uint8_t)kind;
                body[1] = (uint8_t)units;
                const struct icmp6_head icmp = { .type = ICMP6_RS,
                                                 .body = guarded(body, len),
                                                 .len = (uint32_t)len };
                const enum wire_error error = wire_nd_parse(&icmp, &out);
                holds &= error != WIRE_OK || len == 0 || (units > 0 && units * 8 == len);
            }
    CHECK(holds, "nd: 256 kinds x 256 lengths x sizes of message");
}

static struct nd_message random_message(struct prng *prng)
{
    static const uint8_t types[] = { ICMP6_NS, ICMP6_NA, ICMP6_RS, ICMP6_RA };
    struct nd_message m = { .type = types[prng_below(prng, 4)] };
    if (m.type == ICMP6_NA) {
        m.router = random_bool(prng);
        m.solicited = random_bool(prng);
        m.override = random_bool(prng);
    }
    if (m.type == ICMP6_NS || m.type == ICMP6_NA) {
        random_octets(prng, m.target.octet, 16);
        m.target.octet[0] = 0x20;
    }
    if (m.type == ICMP6_RA) {
        m.hop_limit = (uint8_t)random16(prng);
        m.managed = random_bool(prng);
        m.other = random_bool(prng);
        m.lifetime_s = random16(prng);
        m.reachable_ms = random32(prng);
        m.retrans_ms = random32(prng);
    }
    m.has = (uint8_t)prng_below(prng, 16);
    if (m.has & ND_HAS_SLLA)
        random_octets(prng, m.slla, sizeof m.slla);
    if (m.has & ND_HAS_TLLA)
        random_octets(prng, m.tlla, sizeof m.tlla);
    if (m.has & ND_HAS_MTU)
        m.mtu = random32(prng);
    if (m.has & ND_HAS_RDNSS) {
        m.rdnss_lifetime_s = random32(prng);
        m.rdnss_count = (uint8_t)(1 + prng_below(prng, ND_RDNSS_MAX));
        random_octets(prng, m.rdnss[0].octet, m.rdnss_count * (size_t)16);
    }
    m.prefix_count = (uint16_t)prng_below(prng, ND_PREFIX_MAX + 1);
    for (unsigned i = 0; i < m.prefix_count; i++) {
        m.prefix[i].len = (uint8_t)prng_below(prng, 129);
        m.prefix[i].on_link = random_bool(prng);
        m.prefix[i].autonomous = random_bool(prng);
        m.prefix[i].valid_s = random32(prng);
        m.prefix[i].preferred_s = random32(prng);
        random_octets(prng, m.prefix[i].prefix.octet, 16);
    }
    return m;
}

static bool same_prefixes(const struct nd_message *a, const struct nd_message *b)
{
    bool same = a->prefix_count == b->prefix_count;
    for (unsigned i = 0; i < a->prefix_count && i < ND_PREFIX_MAX; i++) {
        const struct nd_prefix *x = &a->prefix[i], *y = &b->prefix[i];
        same &= weir_ip_equal(&x->prefix, &y->prefix) && x->len == y->len;
        same &= x->on_link == y->on_link && x->autonomous == y->autonomous;
        same &= x->valid_s == y->valid_s && x->preferred_s == y->preferred_s;
    }
    return same;
}

static bool same(const struct nd_message *a, const struct nd_message *b)
{
    bool same = a->type == b->type && a->router == b->router && a->solicited == b->solicited;
    same &= a->override == b->override && weir_ip_equal(&a->target, &b->target);
    same &= a->hop_limit == b->hop_limit && a->managed == b->managed && a->other == b->other;
    same &= a->lifetime_s == b->lifetime_s && a->reachable_ms == b->reachable_ms;
    same &= a->retrans_ms == b->retrans_ms && a->has == b->has && a->mtu == b->mtu;
    same &= memcmp(a->slla, b->slla, 6) == 0 && memcmp(a->tlla, b->tlla, 6) == 0;
    same &= a->rdnss_count == b->rdnss_count && a->rdnss_lifetime_s == b->rdnss_lifetime_s;
    same &= memcmp(a->rdnss, b->rdnss, sizeof a->rdnss) == 0;
    return same && same_prefixes(a, b);
}

static void round_trip(void)
{
    struct prng prng;
    prng_init(&prng, 8, 0, 0);
    bool holds = true;
    for (unsigned run = 0; run < RANDOM_RUNS; run++) {
        uint8_t p[1024], again[1024];
        const struct nd_message in = random_message(&prng);
        struct nd_message out;
        const size_t len = wire_nd_emit(p, sizeof p, &in);
        const uint16_t sum = csum_fold(csum_add(0, p, len));
        p[2] = (uint8_t)(sum >> 8);
        p[3] = (uint8_t)sum;
        struct icmp6_head icmp;
        holds &= len > 0 && wire_icmp6_parse(guarded(p, len), len, 0, &icmp) == WIRE_OK;
        holds &= wire_nd_parse(&icmp, &out) == WIRE_OK && same(&in, &out);
        p[2] = p[3] = 0;
        holds &= wire_nd_emit(again, len, &out) == len && memcmp(p, again, len) == 0;
        holds &= wire_nd_emit(again, prng_below(&prng, (uint32_t)len), &out) == 0;
    }
    CHECK(holds, "nd: what is written is what is read, and the other way");
}

int main(void)
{
    for (unsigned i = 0; i < sizeof nd_cases / sizeof nd_cases[0]; i++)
        edge(&nd_cases[i]);
    fields();
    bounds();
    lengths();
    round_trip();
    return tap_done();
}
