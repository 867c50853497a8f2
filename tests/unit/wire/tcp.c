/* SPDX-License-Identifier: MIT */
#include "wire/tcp.h"

#include "octets.h"

#define PLAIN "1234 0050 89abcdef 01234567 5018 fedc 0000 0009"

/* A header with these options (padded with zeros to whole words) and 3 octets of text. */
static size_t make(uint8_t *p, const char *options)
{
    unhex(PLAIN, p);
    size_t len = unhex(options, p + TCP_HEAD_MIN);
    while (len % 4 != 0)
        p[TCP_HEAD_MIN + len++] = 0;
    p[12] = (uint8_t)((TCP_HEAD_MIN + len) << 2);
    memset(p + TCP_HEAD_MIN + len, 'x', 3);
    return TCP_HEAD_MIN + len + 3;
}

static bool same(const struct tcp_seg *a, const struct tcp_seg *b, const struct tcp_opts *x,
                 const struct tcp_opts *y)
{
    bool same = a->sport == b->sport && a->dport == b->dport && a->seq == b->seq;
    same &= a->ack == b->ack && a->flags == b->flags && a->wnd == b->wnd && a->urg == b->urg;
    same &= x->present == y->present && x->wscale == y->wscale && x->mss == y->mss;
    same &= x->tsval == y->tsval && x->tsecr == y->tsecr && x->sack_count == y->sack_count;
    same &= x->cookie_len == y->cookie_len && memcmp(x->digest, y->digest, TCP_DIGEST) == 0;
    same &= x->ao_key == y->ao_key && x->ao_next == y->ao_next && x->uto == y->uto;
    same &= x->acc_count == y->acc_count && x->acc_one == y->acc_one;
    same &= memcmp(x->acc, y->acc, sizeof x->acc) == 0 && memcmp(x->mac, y->mac, TCP_AO_MAC) == 0;
    same &= memcmp(x->cookie, y->cookie, x->cookie_len) == 0 && x->cookie_exp == y->cookie_exp;
    return same && memcmp(x->sack, y->sack, sizeof x->sack) == 0;
}

/* What was read can be written, and reads the same. */
static bool lawful(const struct tcp_seg *seg, const struct tcp_opts *opts)
{
    uint8_t p[TCP_HEAD_MAX];
    struct tcp_seg seg_again;
    struct tcp_opts opts_again;
    const size_t len = wire_tcp_emit(p, sizeof p, seg, opts);
    return len >= TCP_HEAD_MIN && len == wire_tcp_head_len(opts) &&
           wire_tcp_parse(p, len, &seg_again, &opts_again) == WIRE_OK && seg_again.len == 0 &&
           same(seg, &seg_again, opts, &opts_again);
}

static void heads(void)
{
    uint8_t p[128];
    struct tcp_seg seg;
    struct tcp_opts opts;
    const size_t len = make(p, "");
    CHECK(wire_tcp_parse(guarded(p, len), len, &seg, &opts) == WIRE_OK, "tcp: a plain header");
    CHECK(seg.sport == 0x1234 && seg.dport == 80 && seg.seq == 0x89abcdef &&
              seg.ack == 0x01234567 && seg.flags == (TCP_ACK | TCP_PSH) && seg.wnd == 0xfedc &&
              seg.urg == 9 && seg.len == 3 && seg.text[0] == 'x' && opts.present == 0,
          "tcp: its fields");

    bool holds = true;
    for (unsigned offset = 0; offset < 16; offset++)
        for (size_t cut = 0; cut <= 64; cut++) {
            memset(p + TCP_HEAD_MIN, 1, sizeof p - TCP_HEAD_MIN);
            p[12] = (uint8_t)(offset << 4);
            const enum wire_error want = cut < 20           ? WIRE_SHORT
                                         : offset < 5       ? WIRE_BAD
                                         : offset * 4 > cut ? WIRE_SHORT
                                                            : WIRE_OK;
            holds &= wire_tcp_parse(guarded(p, cut), cut, &seg, &opts) == want;
            holds &= want != WIRE_OK || seg.len == cut - offset * 4;
        }
    CHECK(holds, "tcp: every data offset in 0 to 64 octets (H-1)");

    holds = true;
    for (unsigned bits = 0; bits < 4096; bits++) {
        make(p, "");
        p[12] = (uint8_t)(0x50 | bits >> 8);
        p[13] = (uint8_t)bits;
        holds &= wire_tcp_parse(p, 23, &seg, &opts) == WIRE_OK && seg.flags == (bits & 0x1ff);
        holds &= lawful(&seg, &opts);
    }
    CHECK(holds, "tcp: every combination of flags and reserved bits (H-7)");
}

struct option_case {
    const char *name;
    const char *text;
    uint16_t present;
    uint16_t mss;
    uint8_t wscale;
    uint8_t sack_count;
    uint32_t tsval;
};

/* Attack rows AM-4, H-4, R20-12, U11-3, U11-7, LW-6. RFC 9293: MUST-4 (end, NOP and MSS), MUST-6
 * (options we do not know), MUST-7 (lengths that cannot be). */
static const struct option_case option_cases[] = {
    { "mss", "020405b4", TCP_OPT_MSS, 1460, 0, 0, 0 },
    { "mss of length 0", "02000000 040201", 0, 0, 0, 0, 0 },
    { "mss of length 1", "02010000 0402", 0, 0, 0, 0, 0 },
    { "mss of length 3 is stepped over", "020305 0402", TCP_OPT_SACK_OK, 0, 0, 0, 0 },
    { "mss of length 255", "02ff05b4", 0, 0, 0, 0, 0 },
    { "mss twice: the last counts", "02040064 020405b4", TCP_OPT_MSS, 1460, 0, 0, 0 },
    { "mss 0", "02040000", TCP_OPT_MSS, 0, 0, 0, 0 },
    { "what came before an error counts", "020405b4 fd00 0402", TCP_OPT_MSS, 1460, 0, 0, 0 },
    { "unknown option", "fd04ffff 0402", TCP_OPT_SACK_OK, 0, 0, 0, 0 },
    { "unknown option of length 0", "fd000402", 0, 0, 0, 0, 0 },
    { "unknown option of length 1", "fd010402", 0, 0, 0, 0, 0 },
    { "authentication option of length 2", "1d02 0402", TCP_OPT_SACK_OK, 0, 0, 0, 0 },
    { "authentication option of length 3", "1d0300 0402", TCP_OPT_SACK_OK, 0, 0, 0, 0 },
    { "user timeout, and of length 3", "1c04 800a 1c03 00", TCP_OPT_UTO, 0, 0, 0, 0 },
    { "TCP-AO with a MAC of 96 bits", "1d10 0102 00112233 44556677 8899aabb", TCP_OPT_AO, 0, 0, 0,
      0 },
    { "TCP-AO with a longer MAC", "1d14 0102 00112233 44556677 8899aabb ccddeeff 0402",
      TCP_OPT_SACK_OK, 0, 0, 0, 0 },
    { "accurate ECN with three counters", "ac0b 000001 000002 000003", TCP_OPT_ACC, 0, 0, 0, 0 },
    { "accurate ECN without counters", "ae02 0402", TCP_OPT_ACC | TCP_OPT_SACK_OK, 0, 0, 0, 0 },
    { "accurate ECN with half a counter", "ac04 0000 0402", TCP_OPT_SACK_OK, 0, 0, 0, 0 },
    { "kind at the last octet", "010101 02", 0, 0, 0, 0, 0 },
    { "end, then garbage", "00020405b4ffff", 0, 0, 0, 0, 0 },
    { "nothing but NOPs", "01010101 01010101 01010101 01010101", 0, 0, 0, 0, 0 },
    { "window scale 15", "0103030f", TCP_OPT_WSCALE, 0, 15, 0, 0 },
    { "window scale 255", "010303ff", TCP_OPT_WSCALE, 0, 255, 0, 0 },
    { "window scale of length 2", "0302 0402", TCP_OPT_SACK_OK, 0, 0, 0, 0 },
    { "sack permitted of length 3", "040300 020405b4", TCP_OPT_MSS, 1460, 0, 0, 0 },
    { "timestamps", "0101080a 00000007 00000009", TCP_OPT_TS, 0, 0, 0, 7 },
    { "timestamps, not aligned", "080a 00000007 00000009 0101", TCP_OPT_TS, 0, 0, 0, 7 },
    { "timestamps of length 9", "0101 0809 000007 00000009 01", 0, 0, 0, 0, 0 },
    { "timestamps past the end", "0101080a 00000007", 0, 0, 0, 0, 0 },
    { "timestamps, and more", "0101080a 00000007 00000009 020405b4", TCP_OPT_TS | TCP_OPT_MSS, 1460,
      0, 0, 7 },
    { "one block", "0101050a 00000001 00000002", TCP_OPT_SACK, 0, 0, 1, 0 },
    { "two blocks, then one: the last counts",
      "0512 00000009 00000008 00000007 00000006 050a 00000001 00000002", TCP_OPT_SACK, 0, 0, 1, 0 },
    { "no block", "01010502", 0, 0, 0, 0, 0 },
    { "sack of length 9", "0509 00000001 000000 0101", 0, 0, 0, 0, 0 },
    { "sack of length 34 past the end", "0522 00000001 00000002 0101", 0, 0, 0, 0, 0 },
    { "four blocks",
      "01010522 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008",
      TCP_OPT_SACK, 0, 0, 4, 0 },
    { "syn of Linux", "020405b4 0402 080a 00000007 00000000 01 030307",
      TCP_OPT_MSS | TCP_OPT_SACK_OK | TCP_OPT_TS | TCP_OPT_WSCALE, 1460, 7, 0, 7 },
};

static void options(const struct option_case *c)
{
    uint8_t p[128];
    struct tcp_seg seg;
    struct tcp_opts opts;
    const size_t len = make(p, c->text);
    CHECK(wire_tcp_parse(guarded(p, len), len, &seg, &opts) == WIRE_OK &&
              opts.present == c->present && opts.mss == c->mss && opts.wscale == c->wscale &&
              opts.sack_count == c->sack_count && opts.tsval == c->tsval && lawful(&seg, &opts),
          "tcp options: %s", c->name);
    for (unsigned i = 0; i < opts.sack_count; i++)
        CHECK(opts.sack[i].left == i * 2 + 1 && opts.sack[i].right == i * 2 + 2,
              "tcp options: %s: block %u", c->name, i);
}

/* RFC 9293, MUST-5: an option may come in any segment. */
static void options_of_any_segment(void)
{
    bool holds = true;
    for (unsigned i = 0; i < sizeof option_cases / sizeof option_cases[0]; i++)
        for (unsigned flags = 0; flags < 512; flags++) {
            uint8_t p[128];
            struct tcp_seg seg;
            struct tcp_opts opts;
            const size_t len = make(p, option_cases[i].text);
            p[12] |= (uint8_t)(flags >> 8);
            p[13] = (uint8_t)flags;
            holds &= wire_tcp_parse(p, len, &seg, &opts) == WIRE_OK;
            holds &= seg.flags == flags && opts.present == option_cases[i].present;
            holds &= opts.mss == option_cases[i].mss && opts.tsval == option_cases[i].tsval;
        }
    CHECK(holds, "tcp options: read alike whatever the flags");
}

static uint16_t option_of(unsigned kind, unsigned len)
{
    switch (kind) {
    case 2:
        return len == 4 ? TCP_OPT_MSS : 0;
    case 3:
        return len == 3 ? TCP_OPT_WSCALE : 0;
    case 4:
        return len == 2 ? TCP_OPT_SACK_OK : 0;
    case 5:
        return len == 10 || len == 18 || len == 26 || len == 34 ? TCP_OPT_SACK : 0;
    case 8:
        return len == 10 ? TCP_OPT_TS : 0;
    case 19:
        return len == 18 ? TCP_OPT_AUTH : 0;
    case 28:
        return len == 4 ? TCP_OPT_UTO : 0;
    case 29:
        return len == 16 ? TCP_OPT_AO : 0;
    case 172:
    case 174:
        return len == 2 || len == 5 || len == 8 || len == 11 ? TCP_OPT_ACC : 0;
    case 34:
        return len == 2 || (len >= 6 && len <= 18 && len % 2 == 0) ? TCP_OPT_FASTOPEN : 0;
    default:
        return 0;
    }
}

/* H-5, and RFC 9293, MUST-64 (any boundary): every kind with every length at every place of 40
 * octets, the rest NOPs: 2.5 million headers. Among them are those that end exactly at the header's
 * end and those one octet beyond. */
static void options_exhaustive(void)
{
    uint8_t model[TCP_HEAD_MAX];
    unhex(PLAIN, model);
    model[12] = 0xf0;
    memset(model + TCP_HEAD_MIN, 1, sizeof model - TCP_HEAD_MIN);
    uint8_t *p = guarded(model, sizeof model);
    unsigned long headers = 0, failures = 0;
    for (unsigned kind = 0; kind < 256; kind++)
        for (unsigned len = 0; len < 256; len++)
            for (size_t at = TCP_HEAD_MIN; at + 1 < TCP_HEAD_MAX; at++) {
                struct tcp_seg seg;
                struct tcp_opts opts;
                p[at] = (uint8_t)kind;
                p[at + 1] = (uint8_t)len;
                const bool fits = kind > 1 && len >= 2 && at + len <= TCP_HEAD_MAX;
                /* A NOP leaves the length as a kind at the next place, and no kind is 1 octet long.
                 */
                const uint16_t want = fits ? option_of(kind, len) : 0;
                const bool good =
                    wire_tcp_parse(p, TCP_HEAD_MAX, &seg, &opts) == WIRE_OK && opts.present == want;
                failures += !good || (want != 0 && !lawful(&seg, &opts));
                headers++;
                p[at] = p[at + 1] = 1;
            }
    CHECK(failures == 0, "tcp options: %lu headers, each kind and length at each place", headers);
}

/* All strings of three octets as the last three of a header. */
static void tails_exhaustive(void)
{
    uint8_t model[TCP_HEAD_MIN + 4];
    unhex(PLAIN "01010101", model);
    model[12] = sizeof model << 2;
    uint8_t *p = guarded(model, sizeof model);
    unsigned long failures = 0;
    for (unsigned tail = 0; tail < 1u << 24; tail++) {
        struct tcp_seg seg;
        struct tcp_opts opts;
        p[21] = (uint8_t)(tail >> 16);
        p[22] = (uint8_t)(tail >> 8);
        p[23] = (uint8_t)tail;
        failures += wire_tcp_parse(p, sizeof model, &seg, &opts) != WIRE_OK ||
                    (opts.present &
                     ~(TCP_OPT_SACK_OK | TCP_OPT_WSCALE | TCP_OPT_FASTOPEN | TCP_OPT_ACC)) != 0;
    }
    CHECK(failures == 0, "tcp options: all 2^24 tails of three octets");
}

/* What no table thinks of: options cut out of and pasted into each other. */
static void options_random(void)
{
    struct prng prng;
    prng_init(&prng, 9, 0, 0);
    unsigned failures = 0;
    for (unsigned run = 0; run < 300000; run++) {
        static const uint8_t likely[] = {
            0, 1, 2, 3, 4, 5, 8, 2, 4, 3, 2, 10, 10, 18, 26, 34, 254
        };
        uint8_t p[TCP_HEAD_MAX];
        struct tcp_seg seg;
        struct tcp_opts opts;
        const size_t len = TCP_HEAD_MIN + (size_t)prng_below(&prng, 11) * 4;
        random_octets(&prng, p, len);
        for (size_t at = TCP_HEAD_MIN; at < len; at++)
            if (random_bool(&prng))
                p[at] = likely[prng_below(&prng, sizeof likely)];
        p[12] = (uint8_t)(len << 2);
        failures +=
            wire_tcp_parse(guarded(p, len), len, &seg, &opts) != WIRE_OK || !lawful(&seg, &opts);
    }
    CHECK(failures == 0, "tcp options: what was read can be written and reads the same");
}

static struct tcp_opts random_options(struct prng *prng)
{
    struct tcp_opts opts = { .present = (uint16_t)prng_below(prng, 1024) };
    if (opts.present & TCP_OPT_MSS)
        opts.mss = random16(prng);
    if (opts.present & TCP_OPT_WSCALE)
        opts.wscale = (uint8_t)random16(prng);
    if (opts.present & TCP_OPT_TS) {
        opts.tsval = random32(prng);
        opts.tsecr = random32(prng);
    }
    /* Of those that take much room nobody sends two. */
    if (opts.present & TCP_OPT_AUTH)
        opts.present &= (uint16_t) ~(TCP_OPT_FASTOPEN | TCP_OPT_AO | TCP_OPT_UTO | TCP_OPT_ACC);
    if (opts.present & TCP_OPT_FASTOPEN)
        opts.present &= (uint16_t) ~(TCP_OPT_AO | TCP_OPT_UTO | TCP_OPT_ACC);
    if (opts.present & TCP_OPT_AO)
        opts.present &= (uint16_t)~TCP_OPT_ACC;
    if (opts.present & TCP_OPT_FASTOPEN) {
        opts.cookie_len = (uint8_t)(4 + 2 * prng_below(prng, 7));
        opts.cookie_exp = random_bool(prng);
    }
    for (unsigned i = 0; i < opts.cookie_len; i++)
        opts.cookie[i] = (uint8_t)random16(prng);
    for (unsigned i = 0; (opts.present & TCP_OPT_AUTH) && i < TCP_DIGEST; i++)
        opts.digest[i] = (uint8_t)random16(prng);
    if (opts.present & TCP_OPT_AUTH)
        opts.present &= (uint16_t) ~(TCP_OPT_AO | TCP_OPT_ACC); /* nor these */
    if (opts.present & TCP_OPT_AO) {
        opts.ao_key = (uint8_t)random16(prng);
        opts.ao_next = (uint8_t)random16(prng);
    }
    for (unsigned i = 0; (opts.present & TCP_OPT_AO) && i < TCP_AO_MAC; i++)
        opts.mac[i] = (uint8_t)random16(prng);
    if (opts.present & TCP_OPT_UTO)
        opts.uto = random16(prng);
    if (opts.present & TCP_OPT_ACC) {
        opts.acc_count = (uint8_t)prng_below(prng, TCP_ACC_COUNT + 1);
        opts.acc_one = random_bool(prng);
        for (unsigned i = 0; i < opts.acc_count; i++)
            opts.acc[opts.acc_one ? TCP_ACC_COUNT - 1 - i : i] = random32(prng) >> 8;
    }
    if (opts.present & TCP_OPT_SACK)
        opts.sack_count = (uint8_t)(1 + prng_below(prng, TCP_SACK_MAX));
    for (unsigned i = 0; i < opts.sack_count; i++) {
        opts.sack[i].left = random32(prng);
        opts.sack[i].right = random32(prng);
    }
    return opts;
}

/* Octets the options need at least; what needs more than 40 loses blocks and nothing else. */
static unsigned needed(const struct tcp_opts *opts)
{
    return (opts->present & TCP_OPT_MSS ? 4u : 0u) + (opts->present & TCP_OPT_WSCALE ? 3u : 0u) +
           (opts->present & TCP_OPT_SACK_OK ? 2u : 0u) + (opts->present & TCP_OPT_TS ? 10u : 0u) +
           (opts->present & TCP_OPT_FASTOPEN ? (opts->cookie_exp ? 4u : 2u) + opts->cookie_len
                                             : 0u) +
           (opts->present & TCP_OPT_AUTH ? 18u : 0u) + (opts->present & TCP_OPT_AO ? 16u : 0u) +
           (opts->present & TCP_OPT_UTO ? 4u : 0u) +
           (opts->present & TCP_OPT_ACC ? 2u + 3u * opts->acc_count : 0u) +
           (opts->sack_count > 0 ? 2u + 8u * opts->sack_count : 0u);
}

/* RFC 9293, MUST-68: all options we send but NOP have a length; MUST-69: what follows an end would
 * be zeros, and we send no end. */
static bool well_formed(const uint8_t *p, size_t len)
{
    size_t at = TCP_HEAD_MIN;
    while (at < len && p[at] != 0) {
        if (p[at] != 1 && (at + 1 == len || p[at + 1] < 2))
            return false;
        at += p[at] == 1 ? 1u : p[at + 1];
    }
    return at == len;
}

static void round_trip(void)
{
    struct prng prng;
    prng_init(&prng, 10, 0, 0);
    unsigned failures = 0;
    for (unsigned run = 0; run < RANDOM_RUNS; run++) {
        uint8_t p[TCP_HEAD_MAX], again[TCP_HEAD_MAX];
        struct tcp_opts in = random_options(&prng), out;
        struct tcp_seg seg = { .sport = random16(&prng), .dport = random16(&prng) }, seg_out;
        seg.seq = random32(&prng);
        seg.ack = random32(&prng);
        seg.flags = random16(&prng) & 0x1ff;
        seg.wnd = random16(&prng);
        seg.urg = random16(&prng);
        memset(p, 0xa5, sizeof p);
        const size_t len = wire_tcp_emit(p, sizeof p, &seg, &in);
        failures += wire_tcp_parse(guarded(p, len), len, &seg_out, &out) != WIRE_OK;
        while (needed(&in) > 40) {
            in.sack_count--;
            memset(&in.sack[in.sack_count], 0, sizeof in.sack[0]);
            if (in.sack_count == 0)
                in.present &= (uint16_t)~TCP_OPT_SACK;
        }
        failures += !same(&seg, &seg_out, &in, &out);
        failures += wire_tcp_emit(again, len, &seg_out, &out) != len || memcmp(p, again, len) != 0;
        failures += wire_tcp_emit(again, len - 1, &seg_out, &out) != 0 || !well_formed(p, len);
        failures += tcp_seg_len(&seg) != (seg.flags & TCP_SYN) / 2u + (seg.flags & TCP_FIN);
    }
    CHECK(failures == 0, "tcp: what is written is what is read, and the other way");
}

/* The layouts that the rest of the world expects. */
static void layouts(void)
{
    static const struct {
        const char *name;
        struct tcp_opts opts;
        const char *want;
    } table[] = {
        { "syn",
          { .present = TCP_OPT_MSS | TCP_OPT_SACK_OK | TCP_OPT_TS | TCP_OPT_WSCALE,
            .mss = 1460,
            .wscale = 10,
            .tsval = 1 },
          "020405b4 0402080a 00000001 00000000 0103030a" },
        { "syn without timestamps",
          { .present = TCP_OPT_MSS | TCP_OPT_SACK_OK | TCP_OPT_WSCALE, .mss = 1460, .wscale = 10 },
          "020405b4 01010402 0103030a" },
        { "data", { .present = TCP_OPT_TS, .tsval = 1, .tsecr = 2 }, "0101080a 00000001 00000002" },
        { "ack with a gap",
          { .present = TCP_OPT_TS | TCP_OPT_SACK, .sack_count = 1, .sack = { { 3, 4 } } },
          "0101080a 00000000 00000000 0101050a 00000003 00000004" },
        { "nothing", { .present = 0 }, "" },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t p[TCP_HEAD_MAX], want[40];
        const struct tcp_seg seg = { .flags = TCP_SYN };
        const size_t len = unhex(table[i].want, want);
        CHECK(wire_tcp_emit(p, sizeof p, &seg, &table[i].opts) == 20 + len &&
                  memcmp(p + 20, want, len) == 0 && p[12] == (20 + len) << 2,
              "tcp layout: %s", table[i].name);
    }
}

int main(void)
{
    heads();
    for (unsigned i = 0; i < sizeof option_cases / sizeof option_cases[0]; i++)
        options(&option_cases[i]);
    options_of_any_segment();
    options_exhaustive();
    tails_exhaustive();
    options_random();
    round_trip();
    layouts();
    return tap_done();
}
