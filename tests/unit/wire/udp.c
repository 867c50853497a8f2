/* SPDX-License-Identifier: MIT */
#include "wire/udp.h"

#include "octets.h"

/* Attack row D-1: the length field against what IP carried. */
static void edges(void)
{
    static const struct {
        const char *name;
        uint16_t field;
        size_t carried;
        enum wire_error want;
        uint32_t len;
    } table[] = {
        { "length 0", 0, 10, WIRE_BAD, 0 },
        { "length 7", 7, 10, WIRE_BAD, 0 },
        { "length 8: no data, the rest cut off", 8, 10, WIRE_OK, 0 },
        { "length 9: one octet", 9, 10, WIRE_OK, 1 },
        { "length 10: all", 10, 10, WIRE_OK, 2 },
        { "length 11: one too many", 11, 10, WIRE_SHORT, 0 },
        { "length 200", 200, 10, WIRE_SHORT, 0 },
        { "length 65,535", 65535, 10, WIRE_SHORT, 0 },
        { "7 octets carried", 7, 7, WIRE_SHORT, 0 },
        { "8 octets carried", 8, 8, WIRE_OK, 0 },
        { "none carried", 0, 0, WIRE_SHORT, 0 },
        { "65,535 octets", 65535, 65535, WIRE_OK, 65527 },
    };
    static uint8_t packet[65535];
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        packet[4] = (uint8_t)(table[i].field >> 8);
        packet[5] = (uint8_t)table[i].field;
        struct udp_head head = { .len = 0 };
        const enum wire_error error =
            wire_udp_parse(guarded(packet, table[i].carried), table[i].carried, &head);
        CHECK(error == table[i].want && (error != WIRE_OK || head.len == table[i].len), "udp: %s",
              table[i].name);
    }
}

static void lengths(void)
{
    uint8_t packet[64] = { 0 };
    bool holds = true;
    for (size_t len = 0; len <= sizeof packet; len++)
        for (unsigned field = 0; field <= 80; field++) {
            packet[5] = (uint8_t)field;
            struct udp_head head;
            const enum wire_error error = wire_udp_parse(guarded(packet, len), len, &head);
            holds &= (error == WIRE_OK) == (len >= 8 && field >= 8 && field <= len);
            holds &= error != WIRE_OK || head.len == field - 8;
        }
    CHECK(holds, "udp: every length 0 to 64 with every length field 0 to 80");
}

static void round_trip(void)
{
    struct prng prng;
    prng_init(&prng, 3, 0, 0);
    bool holds = true;
    for (unsigned run = 0; run < RANDOM_RUNS; run++) {
        uint8_t in[UDP_HEAD + 32], out[UDP_HEAD];
        const uint8_t len = (uint8_t)prng_below(&prng, 33);
        random_octets(&prng, in, sizeof in);
        in[4] = 0;
        in[5] = (uint8_t)(8 + len);
        struct udp_head head;
        holds &= wire_udp_parse(guarded(in, 8u + len), 8u + len, &head) == WIRE_OK;
        holds &= wire_udp_emit(out, sizeof out, &head) == UDP_HEAD;
        holds &= memcmp(in, out, sizeof out) == 0 && head.len == len;
        holds &= memcmp(head.data, in + UDP_HEAD, len) == 0;
    }
    CHECK(holds, "udp: what is read is what is written");
    uint8_t out[UDP_HEAD];
    struct udp_head head = { .len = 65528 };
    CHECK(wire_udp_emit(out, sizeof out, &head) == 0, "udp: over 65,535 octets is not written");
    head.len = 65527;
    CHECK(wire_udp_emit(out, sizeof out, &head) == UDP_HEAD, "udp: 65,535 octets is");
    CHECK(wire_udp_emit(out, UDP_HEAD - 1, &head) == 0, "udp: no room, nothing written");
}

int main(void)
{
    edges();
    lengths();
    round_trip();
    return tap_done();
}
