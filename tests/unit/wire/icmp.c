/* SPDX-License-Identifier: MIT */
#include "wire/icmp4.h"
#include "wire/icmp6.h"

#include "octets.h"

/* ICMP of both families, and the packets they quote. Neighbour discovery has a file of its own. */

static void sum(uint8_t *p, size_t len, csum32 pseudo)
{
    p[2] = p[3] = 0;
    const uint16_t value = csum_fold(csum_add(pseudo, p, len));
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

/* Attack rows AM-12, SL-13: 0 to 7 octets; and one wrong bit. */
static void messages(void)
{
    uint8_t p[64];
    struct icmp4_head four;
    struct icmp6_head six;
    bool holds = true;
    for (unsigned fill = 0; fill < 256; fill++)
        for (size_t len = 0; len <= sizeof p; len++) {
            memset(p, (int)fill, sizeof p);
            if (len >= 4)
                sum(p, len, 0);
            const enum wire_error want = len < ICMP_HEAD ? WIRE_SHORT : WIRE_OK;
            holds &= wire_icmp4_parse(guarded(p, len), len, &four) == want;
            holds &= want != WIRE_OK || (four.len == len - 8 && four.type == fill);
        }
    CHECK(holds, "icmp: 0 to 64 octets of one value, with a right sum");

    unhex("08 00 0000 1234 0001 68656c6c6f2e", p);
    sum(p, 14, 0);
    CHECK(wire_icmp4_parse(p, 14, &four) == WIRE_OK && icmp_id(four.rest) == 0x1234 &&
              icmp_seq(four.rest) == 1 && four.len == 6 && four.body[0] == 'h',
          "icmp: echo");
    CHECK(icmp_rest(0x1234, 1) == four.rest, "icmp: echo, written");
    CHECK(icmp4_mtu(0x000005dc) == 1500, "icmp: mtu");
    holds = true;
    for (unsigned bit = 0; bit < 14 * 8; bit++) {
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        holds &= wire_icmp4_parse(p, 14, &four) == WIRE_CSUM;
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(holds, "icmp: every single bit is noticed");

    const csum32 pseudo = 0x123456;
    sum(p, 14, pseudo);
    CHECK(wire_icmp6_parse(p, 14, pseudo, &six) == WIRE_OK, "icmp6: sum with the pseudo header");
    CHECK(wire_icmp6_parse(p, 14, pseudo + 1, &six) == WIRE_CSUM, "icmp6: and with another");
    CHECK(wire_icmp6_parse(guarded(p, 7), 7, pseudo, &six) == WIRE_SHORT, "icmp6: 7 octets");
}

static void round_trip(void)
{
    struct prng prng;
    prng_init(&prng, 6, 0, 0);
    bool holds = true;
    for (unsigned run = 0; run < RANDOM_RUNS; run++) {
        uint8_t in[40], out[8];
        const size_t len = 8 + prng_below(&prng, 33);
        const csum32 pseudo = random32(&prng);
        random_octets(&prng, in, len);
        struct icmp4_head four;
        struct icmp6_head six;
        sum(in, len, 0);
        holds &= wire_icmp4_parse(guarded(in, len), len, &four) == WIRE_OK;
        holds &= wire_icmp4_emit(out, 8, &four) == 8 && wire_icmp4_emit(out, 7, &four) == 0;
        holds &= memcmp(out, in, 2) == 0 && memcmp(out + 4, in + 4, 4) == 0 && out[2] + out[3] == 0;
        sum(in, len, pseudo);
        holds &= wire_icmp6_parse(guarded(in, len), len, pseudo, &six) == WIRE_OK;
        holds &= wire_icmp6_emit(out, 8, &six) == 8 && wire_icmp6_emit(out, 7, &six) == 0;
        holds &= memcmp(out, in, 2) == 0 && memcmp(out + 4, in + 4, 4) == 0 && out[2] + out[3] == 0;

        struct icmp4_times times;
        uint8_t again[ICMP4_TIMES];
        holds &= wire_icmp4_times_parse(guarded(in, 12), 12, &times) == WIRE_OK || len < 12;
        holds &= wire_icmp4_times_emit(again, 12, &times) == 12;
        holds &= memcmp(again, in, 12) == 0;
        holds &= wire_icmp4_times_parse(guarded(in, 11), 11, &times) == WIRE_SHORT;
        holds &= wire_icmp4_times_emit(again, 11, &times) == 0;
    }
    CHECK(holds, "icmp: what is read is what is written");
}

#define QUOTE4 "4500 0028 1234 4000 40 06 0000 c0000201 c0000202"
#define TCP8   "1234 0050 89abcdef"

/* Attack rows C-6, R20-11: short, forged and fragmented quotes. */
static void quotes4(void)
{
    static const struct {
        const char *name;
        const char *text;
        enum wire_error want;
    } table[] = {
        { "8 octets of tcp", QUOTE4 TCP8, WIRE_OK },
        { "7 octets of tcp", QUOTE4 "1234 0050 89abcd", WIRE_SHORT },
        { "more of tcp", QUOTE4 TCP8 "00000000 5010", WIRE_OK },
        { "nothing", "", WIRE_SHORT },
        { "version 6", "6500 0028 1234 4000 40 06 0000 c0000201 c0000202" TCP8, WIRE_BAD },
        { "ihl 4", "4400 0028 1234 4000 40 06 0000 c0000201 c0000202" TCP8, WIRE_BAD },
        { "ihl 6, with the option",
          "4600 0028 1234 4000 40 06 0000 c0000201 c0000202 01010100" TCP8, WIRE_OK },
        { "ihl 15, cut off", "4f00 0064 1234 4000 40 06 0000 c0000201 c0000202" TCP8, WIRE_SHORT },
        { "total length 27", "4500 001b 1234 4000 40 06 0000 c0000201 c0000202" TCP8, WIRE_BAD },
        { "total length 28", "4500 001c 1234 4000 40 06 0000 c0000201 c0000202" TCP8, WIRE_OK },
        { "total length 65,535", "4500 ffff 1234 4000 40 06 0000 c0000201 c0000202" TCP8, WIRE_OK },
        { "first fragment", "4500 0028 1234 2000 40 06 0000 c0000201 c0000202" TCP8, WIRE_OK },
        { "later fragment", "4500 0028 1234 2001 40 06 0000 c0000201 c0000202" TCP8, WIRE_UNKNOWN },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t body[128];
        const size_t len = unhex(table[i].text, body);
        struct icmp_quote quote = { .sport = 0 };
        const enum wire_error error = wire_icmp4_quote(guarded(body, len), len, &quote);
        CHECK(error == table[i].want, "icmp quote: %s", table[i].name);
        if (error == WIRE_OK)
            CHECK(quote.sport == 0x1234 && quote.dport == 80 && quote.word == 0x89abcdef &&
                      quote.src.octet[15] == 1 && quote.dst.octet[15] == 2 && quote.proto == 6 &&
                      weir_ip_is_v4(&quote.src) && quote.len >= 8,
                  "icmp quote: %s: its fields", table[i].name);
    }
}

#define ADDRS6 "20010db8000000000000000000000001 20010db8000000000000000000000002"
#define MAPPED "00000000000000000000ffffc0000201"

static void quotes6(void)
{
    static const struct {
        const char *name;
        const char *text;
        enum wire_error want;
    } table[] = {
        { "8 octets of tcp", "60000000 0014 06 40" ADDRS6 TCP8, WIRE_OK },
        { "7 octets of tcp", "60000000 0014 06 40" ADDRS6 "1234 0050 89abcd", WIRE_SHORT },
        { "39 octets", "60000000 0014 06 40 20010db8000000000000000000000001", WIRE_SHORT },
        { "version 4", "40000000 0014 06 40" ADDRS6 TCP8, WIRE_BAD },
        { "payload length 7", "60000000 0007 06 40" ADDRS6 TCP8, WIRE_BAD },
        { "mapped addresses", "60000000 0014 06 40" MAPPED MAPPED TCP8, WIRE_BAD },
        { "behind options", "60000000 001c 3c 40" ADDRS6 "0600 010400000000" TCP8, WIRE_OK },
        { "options cut off", "60000000 001c 3c 40" ADDRS6 "0601 010400000000" TCP8, WIRE_SHORT },
        { "options beyond the payload", "60000000 000f 3c 40" ADDRS6 "0600 010400000000" TCP8,
          WIRE_BAD },
        { "first fragment", "60000000 001c 2c 40" ADDRS6 "0600 0001 00000001" TCP8, WIRE_OK },
        { "later fragment", "60000000 001c 2c 40" ADDRS6 "0600 0008 00000001" TCP8, WIRE_UNKNOWN },
        { "8 headers",
          "60000000 0060 3c 40" ADDRS6 "3c00 010400000000 3c00 010400000000 3c00 010400000000"
          "3c00 010400000000 3c00 010400000000 3c00 010400000000 3c00 010400000000"
          "0600 010400000000" TCP8,
          WIRE_OK },
        { "9 headers",
          "60000000 0060 3c 40" ADDRS6 "3c00 010400000000 3c00 010400000000 3c00 010400000000"
          "3c00 010400000000 3c00 010400000000 3c00 010400000000 3c00 010400000000"
          "3c00 010400000000 0600 010400000000" TCP8,
          WIRE_MANY },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t body[256];
        const size_t len = unhex(table[i].text, body);
        struct icmp_quote quote = { .sport = 0 };
        const enum wire_error error = wire_icmp6_quote(guarded(body, len), len, &quote);
        CHECK(error == table[i].want, "icmp6 quote: %s", table[i].name);
        if (error == WIRE_OK)
            CHECK(quote.sport == 0x1234 && quote.dport == 80 && quote.word == 0x89abcdef &&
                      quote.src.octet[15] == 1 && quote.dst.octet[15] == 2 && quote.proto == 6,
                  "icmp6 quote: %s: its fields", table[i].name);
    }
}

/* Random damage to a good quote, at every length: nothing is read that is not there. */
static void quotes_damaged(void)
{
    struct prng prng;
    prng_init(&prng, 7, 0, 0);
    bool holds = true;
    for (unsigned run = 0; run < 200000; run++) {
        uint8_t body[80] = { 0 };
        const bool six = run % 2 == 0;
        size_t len =
            unhex(six ? "60000000 001c 3c 40" ADDRS6 "0600 010400000000" TCP8 : QUOTE4 TCP8, body);
        for (unsigned i = 0; i < 3; i++)
            body[prng_below(&prng, 12)] ^= (uint8_t)prng_next(&prng);
        body[prng_below(&prng, (uint32_t)len)] = (uint8_t)prng_next(&prng);
        len = prng_below(&prng, (uint32_t)len + 1);
        const uint8_t *p = guarded(body, len);
        struct icmp_quote quote;
        const enum wire_error error =
            six ? wire_icmp6_quote(p, len, &quote) : wire_icmp4_quote(p, len, &quote);
        holds &= error != WIRE_OK || (quote.len >= 8 && quote.transport + quote.len == p + len);
    }
    CHECK(holds, "icmp quote: damaged and cut off at random");
}

int main(void)
{
    messages();
    round_trip();
    quotes4();
    quotes6();
    quotes_damaged();
    return tap_done();
}
