/* SPDX-License-Identifier: MIT */
#include "wire/ip6.h"

#include "octets.h"

#define V6_HEAD \
    "6000 0000 0000 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002"

/* An IPv6 header with this next header, followed by the octets of `text`. */
static size_t make(uint8_t *packet, uint8_t next, const char *text)
{
    unhex(V6_HEAD, packet);
    const size_t len = unhex(text, packet + IP6_HEAD);
    packet[4] = (uint8_t)(len >> 8);
    packet[5] = (uint8_t)len;
    packet[6] = next;
    return IP6_HEAD + len;
}

static void head(void)
{
    uint8_t packet[128];
    const size_t len = make(packet, 17, "0001 0002 0008 0000");
    struct ip6_head out;
    bool holds = true;
    for (size_t cut = 0; cut < len; cut++)
        holds &= wire_ip6_parse(guarded(packet, cut), cut, &out) == WIRE_SHORT;
    CHECK(holds, "ip6: every truncation is short");
    CHECK(wire_ip6_parse(guarded(packet, 64), 64, &out) == WIRE_OK && out.len == 8,
          "ip6: a trailer is cut off");
    packet[5] = 0;
    CHECK(wire_ip6_parse(guarded(packet, 40), 40, &out) == WIRE_OK && out.len == 0,
          "ip6: no payload");
    packet[0] = 0x40;
    CHECK(wire_ip6_parse(guarded(packet, 40), 40, &out) == WIRE_BAD, "ip6: version 4");
    packet[0] = 0x6a;
    packet[1] = 0xbc;
    CHECK(wire_ip6_parse(guarded(packet, 40), 40, &out) == WIRE_OK && out.tclass == 0xab &&
              out.flow == 0xc0000,
          "ip6: traffic class and flow label");
    for (unsigned at = 8; at <= 24; at += 16) {
        const struct weir_ip mapped = weir_ip_v4(192, 0, 2, 1);
        make(packet, 17, "");
        memcpy(packet + at, mapped.octet, 16);
        CHECK(wire_ip6_parse(guarded(packet, 40), 40, &out) == WIRE_UNKNOWN,
              "ip6: a mapped address at %u is refused", at);
    }
}

static void head_lengths(void)
{
    uint8_t packet[64];
    struct ip6_head out;
    bool holds = true;
    for (unsigned fill = 0; fill < 256; fill++)
        for (size_t len = 0; len <= sizeof packet; len++) {
            memset(packet, (int)fill, sizeof packet);
            holds &= wire_ip6_parse(guarded(packet, len), len, &out) != WIRE_OK;
        }
    CHECK(holds, "ip6: 0 to 64 octets of one value are no packet");
}

static void head_round_trip(void)
{
    struct prng prng;
    prng_init(&prng, 5, 0, 0);
    bool holds = true;
    for (unsigned run = 0; run < RANDOM_RUNS; run++) {
        uint8_t in[IP6_HEAD + 255], out[IP6_HEAD];
        random_octets(&prng, in, sizeof in);
        in[0] = (uint8_t)(0x60 | (in[0] & 0xf));
        in[4] = 0;
        const size_t len = IP6_HEAD + (size_t)in[5];
        struct ip6_head head;
        holds &= wire_ip6_parse(guarded(in, len), len, &head) == WIRE_OK;
        holds &= wire_ip6_emit(out, sizeof out, &head) == IP6_HEAD;
        holds &= memcmp(in, out, sizeof out) == 0 && head.len == in[5];
        holds &= wire_ip6_emit(out, run % IP6_HEAD, &head) == 0;
    }
    CHECK(holds, "ip6: what is read is what is written");
    uint8_t out[IP6_HEAD];
    const struct ip6_head big = { .len = 65536 };
    CHECK(wire_ip6_emit(out, sizeof out, &big) == 0, "ip6: a jumbogram is not written");
}

#define TCP20      "0001 0002 00000000 00000000 5002 ffff 0000 0000"
#define UDP8       "0001 0002 0008 0000"
#define PAD6       "0104 00000000"
#define DEST(next) #next "00" PAD6

struct walk_case {
    const char *name;
    uint8_t next;
    const char *text;
    enum ip6_walk_end end;
    uint8_t proto;
    uint32_t off; /* with an end: the pointer of the report, 0 for none */
    uint8_t code;
};

/* Attack rows AM-1, AM-2, X-1 to X-6: pointers as Linux gives them. */
static const struct walk_case walk_cases[] = {
    { "tcp", 6, TCP20, IP6_WALK_OK, 6, 40, 0 },
    { "udp", 17, UDP8, IP6_WALK_OK, 17, 40, 0 },
    { "icmp", 58, UDP8, IP6_WALK_OK, 58, 40, 0 },
    { "tcp without octets", 6, "", IP6_WALK_OK, 6, 40, 0 },
    { "no next header", 59, UDP8, IP6_WALK_NO_NEXT, 59, 0, 0 },
    { "next header 200", 200, UDP8, IP6_WALK_PROTO, 200, 6, 1 },
    { "authentication header", 51, UDP8, IP6_WALK_PROTO, 51, 6, 1 },
    { "IPv4 in IPv6", 4, UDP8, IP6_WALK_PROTO, 4, 6, 1 },
    { "IPv6 in IPv6", 41, UDP8, IP6_WALK_PROTO, 41, 6, 1 },
    { "200 behind destination options", 60, DEST(c8), IP6_WALK_PROTO, 200, 40, 1 },
    { "hop-by-hop, PadN", 0, DEST(06) TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "hop-by-hop, six Pad1", 0, "0600 000000000000" TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "hop-by-hop, PadN of length 0", 0, "0600 0100 0100 0100" TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "hop-by-hop, 14 Pad1", 0, "0601 0000000000000000000000000000", IP6_WALK_MANY, 0, 0, 0 },
    { "hop-by-hop, 7 of padding", 0, "0601 3e00 01050000000000 3e00 010100", IP6_WALK_OK, 6, 56,
      0 },
    { "hop-by-hop, 8 of padding", 0, "0601 3e02 0000 0106000000000000 3e00", IP6_WALK_MANY, 0, 0,
      0 },
    { "hop-by-hop, router alert", 0, "0600 05020000 0100" TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "hop-by-hop, PadN not zero", 0, "0600 0104 00000001" TCP20, IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop, jumbo payload", 0, "0600 c204 00010000" TCP20, IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop, header past the end", 0, "0601 0104 00000000", IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop, header of 2,048", 0, "06ff 0104 00000000" TCP20, IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop, nothing there", 0, "", IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop, 7 octets", 0, "0600 0103 000000", IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop, option past the header", 0, "0600 0105 00000000" TCP20, IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop, option of 255", 0, "0600 05ff 00000000" TCP20, IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop, kind at the last octet", 0, "0600 0103 000000 05" TCP20, IP6_WALK_BAD, 0, 0, 0 },
    { "hop-by-hop not first", 60, DEST(00) DEST(06) TCP20, IP6_WALK_BAD, 0, 40, 1 },
    { "hop-by-hop twice", 0, DEST(00) DEST(06) TCP20, IP6_WALK_BAD, 0, 40, 1 },
    { "destination options", 60, DEST(06) TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "destination options of 16", 60, "0601 010c 000000000000000000000000", IP6_WALK_MANY, 0, 0,
      0 },
    { "option to be skipped", 60, "0600 3e04 01020304" TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "option to be dropped", 60, "0600 7e04 00000000" TCP20, IP6_WALK_UNKNOWN, 0, 0, 0 },
    { "option to be reported", 60, "0600 be04 00000000" TCP20, IP6_WALK_UNKNOWN, 0, 42, 2 },
    { "option to be reported to one", 60, "0600 fe04 00000000" TCP20, IP6_WALK_UNKNOWN, 0, 42, 2 },
    { "the second option is reported", 60, "0600 0100 be02 0000", IP6_WALK_UNKNOWN, 0, 44, 2 },
    { "8 unknown options", 60, "0602 3e003e003e003e00 3e003e003e003e00 01040000 0000" UDP8,
      IP6_WALK_OK, 6, 64, 0 },
    { "9 unknown options", 60, "0602 3e003e003e003e00 3e003e003e003e00 3e020000 0100" UDP8,
      IP6_WALK_MANY, 0, 0, 0 },
    { "8 headers", 60,
      DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(06) TCP20, IP6_WALK_OK, 6,
      104, 0 },
    { "9 headers", 60,
      DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(3c) DEST(06) TCP20,
      IP6_WALK_MANY, 0, 0, 0 },
    { "RH0, no segments left", 43, "0602 0000 00000000 20010db8 00000000 00000000 00000003" TCP20,
      IP6_WALK_OK, 6, 64, 0 },
    { "RH0, one left", 43, "0602 0001 00000000 20010db8 00000000 00000000 00000003" TCP20,
      IP6_WALK_UNKNOWN, 0, 42, 0xff },
    { "RH0 past the end", 43, "0602 0000 00000000", IP6_WALK_BAD, 0, 0, 0 },
    { "RH2, one left", 43, "0600 0201 00000000" TCP20, IP6_WALK_UNKNOWN, 0, 42, 0xff },
    { "RH3, five left", 43, "0600 0305 00000000" TCP20, IP6_WALK_UNKNOWN, 0, 0, 0 },
    { "RH4, five left", 43, "0600 0405 00000000" TCP20, IP6_WALK_UNKNOWN, 0, 0, 0 },
    { "RH4, none left", 43, "0600 0400 00000000" TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "RH 253, one left", 43, "0600 fd01 00000000" TCP20, IP6_WALK_UNKNOWN, 0, 42, 0xff },
    { "atomic fragment", 44, "0600 0000 12345678" TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "atomic, reserved bits set", 44, "06ff 0006 12345678" TCP20, IP6_WALK_OK, 6, 48, 0 },
    { "atomic, then options", 44, "3c00 0000 12345678" DEST(06) TCP20, IP6_WALK_OK, 6, 56, 0 },
    { "atomic twice", 44, "2c00 0000 12345678 0600 0000 12345678", IP6_WALK_FRAG_BAD, 0, 0, 0 },
    { "atomic, then a real one", 44, "2c00 0000 12345678 0600 0008 12345678" UDP8,
      IP6_WALK_FRAG_BAD, 0, 0, 0 },
    { "fragment header of 7", 44, "0600 0000 123456", IP6_WALK_FRAG_BAD, 0, 0, 0 },
    { "fragment, length not of 8", 44, "0600 0009 12345678 0102030405", IP6_WALK_FRAG_BAD, 0, 4,
      0xff },
    { "fragment past 65,535", 44, "0600 fff8 12345678" UDP8, IP6_WALK_FRAG_BAD, 0, 42, 0xff },
    { "fragment ending at 65,535", 44, "0600 fff8 12345678 01020304050607", IP6_WALK_OK, 6, 48, 0 },
    { "with options before it that is too far", 60, "2c00" PAD6 "0600 fff8 12345678 01",
      IP6_WALK_FRAG_BAD, 0, 50, 0xff },
    { "fragment without data", 44, "0600 0008 12345678", IP6_WALK_FRAG_BAD, 0, 0, 0 },
    { "first fragment, tcp of 16", 44, "0600 0001 12345678" UDP8 UDP8, IP6_WALK_FRAG_TINY, 0, 0,
      0 },
    { "first fragment, tcp of 24", 44, "0600 0001 12345678" TCP20 "00000000", IP6_WALK_OK, 6, 48,
      0 },
    { "first fragment, udp of 8", 44, "1100 0001 12345678" UDP8, IP6_WALK_OK, 17, 48, 0 },
    { "first fragment, options alone", 44, "3c00 0001 12345678" DEST(06), IP6_WALK_FRAG_TINY, 0, 0,
      0 },
    { "first fragment, options and udp", 44, "3c00 0001 12345678" DEST(11) UDP8, IP6_WALK_OK, 60,
      48, 0 },
    { "first fragment, half an option header", 44, "3c00 0001 12345678 1101" PAD6,
      IP6_WALK_FRAG_TINY, 0, 0, 0 },
    { "first fragment with another in it", 44, "2c00 0001 12345678 1100 0000 00000000" UDP8,
      IP6_WALK_FRAG_TINY, 0, 0, 0 },
};

static void walk(const struct walk_case *c)
{
    uint8_t packet[256];
    const size_t len = make(packet, c->next, c->text);
    struct ip6_walk out;
    const enum ip6_walk_end end = wire_ip6_walk(guarded(packet, len), len, false, &out);
    if (!CHECK(end == c->end, "ip6 walk: %s", c->name))
        printf("# end %d, proto %d, offset %u, pointer %u\n", (int)end, out.proto, out.off,
               out.pointer);
    if (end == IP6_WALK_OK) {
        CHECK(out.proto == c->proto && out.off == c->off && out.len == len - c->off && !out.report,
              "ip6 walk: %s: goes on at %u", c->name, c->off);
        return;
    }
    /* 0xff in the table: code 0, so that a row without a report can leave it out. */
    const uint8_t code = c->code == 0xff ? 0 : c->code;
    CHECK(out.report == (c->off != 0) && (!out.report || out.pointer == c->off) && out.code == code,
          "ip6 walk: %s: report", c->name);
}

static void fragments(void)
{
    uint8_t packet[128];
    struct ip6_walk out;
    size_t len = make(packet, 60, "2c00" PAD6 "1100 0551 89abcdef" UDP8);
    CHECK(wire_ip6_walk(guarded(packet, len), len, false, &out) == IP6_WALK_OK && out.fragment,
          "ip6 walk: a fragment is not followed");
    CHECK(out.frag_off == 0x550 && out.frag_more && out.frag_id == 0x89abcdef &&
              out.frag_head == 48 && out.frag_next == 40 && out.off == 56 && out.len == 8,
          "ip6 walk: what reassembly needs");
    CHECK(wire_ip6_walk(guarded(packet, len), len, true, &out) == IP6_WALK_FRAG_BAD,
          "ip6 walk: no fragment in what was reassembled");
    len = make(packet, 44, "0600 0000 12345678" TCP20);
    CHECK(wire_ip6_walk(guarded(packet, len), len, true, &out) == IP6_WALK_FRAG_BAD,
          "ip6 walk: nor an atomic one");

    bool holds = true;
    for (unsigned off = 0; off < 65536; off += 8) {
        uint8_t text[IP6_FRAG_HEAD];
        holds &= wire_ip6_frag_emit(text, sizeof text, 17, (uint16_t)off, true, off * 77) == 8;
        len = make(packet, 44, "1100 0000 00000000" UDP8);
        memcpy(packet + IP6_HEAD, text, sizeof text);
        const enum ip6_walk_end end = wire_ip6_walk(guarded(packet, len), len, false, &out);
        holds &= (end == IP6_WALK_OK) == (off < 65528);
        holds &= end != IP6_WALK_OK || (out.frag_off == off && out.frag_id == off * 77);
    }
    CHECK(holds, "ip6 walk: every offset is written and read");

    for (unsigned kind = 2; kind < 4; kind++) {
        len = make(packet, 60, "0600 3e04 00000000" TCP20);
        packet[42] = (uint8_t)(kind << 6 | 0x3e);
        packet[24] = 0xff;
        CHECK(wire_ip6_walk(packet, len, false, &out) == IP6_WALK_UNKNOWN &&
                  out.report_group == (kind == 2),
              "ip6 walk: option action %u and a group", kind);
    }
}

/* Nothing is read past the end, and the walk ends, whatever the octets are. */
static void walk_exhaustive(void)
{
    static const uint8_t nexts[] = { 0, 6, 43, 44, 59, 60, 200 };
    bool holds = true;
    for (unsigned i = 0; i < sizeof walk_cases / sizeof walk_cases[0]; i++) {
        uint8_t packet[256];
        struct ip6_walk out;
        const size_t len = make(packet, walk_cases[i].next, walk_cases[i].text);
        for (size_t cut = 0; cut <= len; cut++)
            holds &= wire_ip6_walk(guarded(packet, cut), cut, false, &out) != IP6_WALK_OK ||
                     out.off + out.len == cut;
    }
    CHECK(holds, "ip6 walk: every truncation of every case");

    holds = true;
    for (unsigned n = 0; n < sizeof nexts; n++)
        for (unsigned head_len = 0; head_len < 256; head_len++)
            for (unsigned option_len = 0; option_len < 256; option_len++)
                for (unsigned kind = 0; kind < 256; kind += option_len % 8 == 0 ? 1 : 31) {
                    uint8_t packet[IP6_HEAD + 32] = { 0x60 };
                    struct ip6_walk out;
                    packet[5] = 32;
                    packet[6] = nexts[n];
                    packet[40] = 6;
                    packet[41] = (uint8_t)head_len;
                    packet[42] = (uint8_t)kind;
                    packet[43] = (uint8_t)option_len;
                    const enum ip6_walk_end end =
                        wire_ip6_walk(guarded(packet, sizeof packet), sizeof packet, false, &out);
                    holds &= end != IP6_WALK_OK || out.off + out.len == sizeof packet;
                }
    CHECK(holds, "ip6 walk: headers x lengths x kinds x option lengths");
}

int main(void)
{
    head();
    head_lengths();
    head_round_trip();
    for (unsigned i = 0; i < sizeof walk_cases / sizeof walk_cases[0]; i++)
        walk(&walk_cases[i]);
    fragments();
    walk_exhaustive();
    return tap_done();
}
