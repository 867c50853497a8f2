/* SPDX-License-Identifier: MIT */
#include "wire/ip4.h"

#include "base/csum.h"
#include "octets.h"

/* A header of 24 octets (three NOPs and an end), 4 octets of payload; the checksum is filled in. */
static const char plain[] = "46 00 001c 1234 4000 40 11 0000 c0000201 c0000202 01010100 deadbeef";

static size_t make(uint8_t packet[64])
{
    return unhex(plain, packet);
}

static void sum(uint8_t *packet)
{
    packet[10] = packet[11] = 0;
    const size_t len = (size_t)(packet[0] & 0xf) * 4;
    const uint16_t value = csum_fold(csum_add(0, packet, len));
    packet[10] = (uint8_t)(value >> 8);
    packet[11] = (uint8_t)value;
}

/* Attack rows P-1, P-2, P-8, AM-2, AM-3, IH-2. */
static void edges(void)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        enum wire_error want;
    } table[] = {
        { "as it is", 0, 0x46, WIRE_OK },
        { "version 5", 0, 0x56, WIRE_BAD },
        { "version 0", 0, 0x06, WIRE_BAD },
        { "version 6", 0, 0x66, WIRE_BAD },
        { "ihl 0", 0, 0x40, WIRE_BAD },
        { "ihl 4", 0, 0x44, WIRE_BAD },
        { "ihl 5: options are payload", 0, 0x45, WIRE_OK },
        { "ihl 7: all is header", 0, 0x47, WIRE_OK },
        { "ihl 8: beyond the total length", 0, 0x48, WIRE_BAD },
        { "ihl 15", 0, 0x4f, WIRE_BAD },
        { "total length 0", 3, 0, WIRE_BAD },
        { "total length 23: below the header", 3, 23, WIRE_BAD },
        { "total length 24: no payload", 3, 24, WIRE_OK },
        { "total length 27: a trailer of one", 3, 27, WIRE_OK },
        { "total length 29: beyond the frame", 3, 29, WIRE_SHORT },
        { "total length 65,308", 2, 255, WIRE_SHORT },
        { "time to live 0", 8, 0, WIRE_OK },
        { "reserved bit", 6, 0x80, WIRE_OK },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t packet[64] = { 0 };
        const size_t len = make(packet);
        packet[table[i].at] = table[i].value;
        sum(packet);
        struct ip4_head head;
        const enum wire_error error = wire_ip4_parse(guarded(packet, len), len, &head);
        CHECK(error == table[i].want, "ip4: %s", table[i].name);
        if (error == WIRE_OK)
            CHECK((size_t)(head.payload - head.options) + 20 + head.len == packet[3],
                  "ip4: %s: options and payload end with the total length", table[i].name);
    }
}

static void fields(void)
{
    uint8_t packet[64];
    const size_t len = make(packet);
    packet[6] = 0x3f; /* MF, offset 8191 * 8 */
    packet[7] = 0xff;
    sum(packet);
    struct ip4_head head;
    CHECK(wire_ip4_parse(guarded(packet, len), len, &head) == WIRE_OK, "ip4: a last offset");
    CHECK(!head.df && head.mf && head.frag_off == 65528, "ip4: MF and offset 65,528");
    CHECK(head.id == 0x1234 && head.ttl == 64 && head.proto == 17 && head.tos == 0, "ip4: fields");
    CHECK(head.options_len == 4 && head.len == 4 && head.payload[0] == 0xde, "ip4: parts");
    CHECK(weir_ip_is_v4(&head.src) && head.src.octet[15] == 1 && head.dst.octet[15] == 2,
          "ip4: addresses are mapped");

    bool holds = true;
    for (size_t cut = 0; cut < len; cut++)
        holds &= wire_ip4_parse(guarded(packet, cut), cut, &head) == WIRE_SHORT;
    CHECK(holds, "ip4: every truncation is short");

    holds = true;
    for (size_t bit = 0; bit < 24u * 8; bit++) {
        uint8_t damaged[64];
        memcpy(damaged, packet, sizeof damaged);
        damaged[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        holds &= wire_ip4_parse(guarded(damaged, len), len, &head) != WIRE_OK;
    }
    CHECK(holds, "ip4: every single bit is noticed");
}

static void lengths(void)
{
    uint8_t packet[64];
    struct ip4_head head;
    bool holds = true;
    for (unsigned fill = 0; fill < 256; fill++)
        for (size_t len = 0; len <= sizeof packet; len++) {
            memset(packet, (int)fill, sizeof packet);
            holds &= wire_ip4_parse(guarded(packet, len), len, &head) != WIRE_OK;
        }
    CHECK(holds, "ip4: 0 to 64 octets of one value are no packet");
}

static void round_trip(void)
{
    struct prng prng;
    prng_init(&prng, 4, 0, 0);
    bool holds = true;
    for (unsigned run = 0; run < RANDOM_RUNS; run++) {
        uint8_t options[IP4_OPTIONS_MAX], packet[IP4_HEAD_MAX + 65535], again[IP4_HEAD_MAX];
        random_octets(&prng, options, sizeof options);
        struct ip4_head in = { .tos = (uint8_t)random16(&prng), .options = options };
        in.ttl = (uint8_t)random16(&prng);
        in.proto = (uint8_t)random16(&prng);
        in.id = random16(&prng);
        in.df = random_bool(&prng);
        in.mf = random_bool(&prng);
        in.frag_off = (uint16_t)(random16(&prng) & ~7);
        in.src = in.dst = weir_ip_v4(0, 0, 0, 0);
        random_octets(&prng, in.src.octet + 12, 4);
        random_octets(&prng, in.dst.octet + 12, 4);
        in.options_len = (uint8_t)(prng_below(&prng, 11) * 4);
        in.len = prng_below(&prng, run % 100 == 0 ? 65476 : 64);
        const size_t head_len = wire_ip4_emit(packet, sizeof packet, &in);
        struct ip4_head out;
        const size_t len = head_len + in.len;
        holds &= head_len == 20u + in.options_len;
        holds &= wire_ip4_parse(guarded(packet, len), len, &out) == WIRE_OK;
        holds &= out.tos == in.tos && out.ttl == in.ttl && out.proto == in.proto;
        holds &= out.id == in.id && out.df == in.df && out.mf == in.mf;
        holds &= out.frag_off == in.frag_off && out.len == in.len;
        holds &= weir_ip_equal(&out.src, &in.src) && weir_ip_equal(&out.dst, &in.dst);
        holds &= out.options_len == in.options_len;
        holds &= memcmp(out.options, options, in.options_len) == 0;
        holds &= wire_ip4_emit(again, sizeof again, &out) == head_len;
        holds &= memcmp(again, packet, head_len) == 0;
        holds &= wire_ip4_emit(again, head_len - 1, &out) == 0;
    }
    CHECK(holds, "ip4: what is written is what is read, and the other way");
    uint8_t room[IP4_HEAD_MAX];
    struct ip4_head head = { .len = 65516 };
    CHECK(wire_ip4_emit(room, sizeof room, &head) == 0, "ip4: over 65,535 octets is not written");
    head = (struct ip4_head){ .options_len = 6, .options = room };
    CHECK(wire_ip4_emit(room, sizeof room, &head) == 0, "ip4: odd options are not written");
    head.options_len = 44;
    CHECK(wire_ip4_emit(room, sizeof room, &head) == 0, "ip4: 44 octets of options neither");
}

/* Attack rows U11-1, P-7, R20-10: what Linux answers with ICMP 12/0 is bad here too, but a source
 * route is refused however well-formed it is. */
static void options(void)
{
    static const struct {
        const char *name;
        const char *text;
        enum ip4_options want;
        uint8_t pointer;
    } table[] = {
        { "none", "", IP4_OPTIONS_OK, 0 },
        { "NOPs", "01010101", IP4_OPTIONS_OK, 0 },
        { "an end hides what follows", "00830000", IP4_OPTIONS_OK, 0 },
        { "LSRR", "830704c0000201 01", IP4_OPTIONS_SOURCE_ROUTE, 0 },
        { "SSRR", "890704c0000201 01", IP4_OPTIONS_SOURCE_ROUTE, 0 },
        { "LSRR used up", "830708c0000201 01", IP4_OPTIONS_SOURCE_ROUTE, 0 },
        { "LSRR, pointer 255", "8307ffc0000201 01", IP4_OPTIONS_SOURCE_ROUTE, 0 },
        { "two source routes", "830304 890304 0101", IP4_OPTIONS_SOURCE_ROUTE, 0 },
        { "LSRR past the end", "01 830704", IP4_OPTIONS_BAD, 21 },
        { "LSRR of length 2", "8302 0101", IP4_OPTIONS_BAD, 21 },
        { "LSRR, pointer 0", "01 830300", IP4_OPTIONS_BAD, 23 },
        { "LSRR, pointer 3", "830303 01", IP4_OPTIONS_BAD, 22 },
        { "record route", "070704c0000201 01", IP4_OPTIONS_OK, 0 },
        { "record route, pointer 0", "070700c0000201 01", IP4_OPTIONS_BAD, 22 },
        { "timestamp", "44080500 00000000", IP4_OPTIONS_OK, 0 },
        { "timestamp, pointer 4", "44080400 00000000", IP4_OPTIONS_BAD, 22 },
        { "timestamp of length 3", "01 440305", IP4_OPTIONS_BAD, 22 },
        { "option length 0", "9400 0000", IP4_OPTIONS_BAD, 20 },
        { "option length 1", "01 9401 00", IP4_OPTIONS_BAD, 21 },
        { "option length 255", "94ff 0000", IP4_OPTIONS_BAD, 20 },
        { "a kind and no length", "010101 94", IP4_OPTIONS_BAD, 23 },
        { "router alert", "94040000", IP4_OPTIONS_OK, 0 },
        { "an error behind a source route", "830304 9401", IP4_OPTIONS_BAD, 23 },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t octets[IP4_OPTIONS_MAX], pointer = 0;
        const size_t len = unhex(table[i].text, octets);
        const enum ip4_options got = wire_ip4_options(guarded(octets, len), len, &pointer);
        CHECK(got == table[i].want && (got != IP4_OPTIONS_BAD || pointer == table[i].pointer),
              "ip4 options: %s", table[i].name);
    }
}

/* All 256 kinds with all 256 lengths at every place of the 40 octets, the rest NOPs. */
static void options_exhaustive(void)
{
    bool holds = true;
    for (unsigned kind = 0; kind < 256; kind++)
        for (unsigned len = 0; len < 256; len++)
            for (size_t at = 0; at < IP4_OPTIONS_MAX; at++) {
                uint8_t octets[IP4_OPTIONS_MAX + 1], pointer = 0;
                memset(octets, 1, sizeof octets);
                octets[at] = (uint8_t)kind;
                octets[at + 1] = (uint8_t)len;
                const enum ip4_options got =
                    wire_ip4_options(guarded(octets, IP4_OPTIONS_MAX), IP4_OPTIONS_MAX, &pointer);
                const bool fits = kind <= 1 || (len >= 2 && at + len <= IP4_OPTIONS_MAX && at < 39);
                holds &= fits || got == IP4_OPTIONS_BAD;
                holds &= got != IP4_OPTIONS_BAD || (pointer >= 20 + at && pointer < 60);
                if (kind != 131 && kind != 137)
                    holds &= got != IP4_OPTIONS_SOURCE_ROUTE;
            }
    CHECK(holds, "ip4 options: 256 kinds x 256 lengths x 40 places");
}

int main(void)
{
    edges();
    fields();
    lengths();
    round_trip();
    options();
    options_exhaustive();
    return tap_done();
}
