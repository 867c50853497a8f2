/* SPDX-License-Identifier: MIT */
#include "tcp/isn.h"

#include "host.h"
#include "tap.h"

#include <string.h>

/* Numbers that an outsider must not guess: RFC 6528, RFC 7323, 7.1; and the reset that answers
 * nobody's segment. */

static struct host host;

static void clock_part(void)
{
    uint8_t tuple[40] = { 1, 2, 3 };
    const seq32 first = tcp_isn(&host.tcp, tuple, WEIR_SECOND);
    CHECK(tcp_isn(&host.tcp, tuple, WEIR_SECOND) == first, "the same at the same moment");
    CHECK(tcp_isn(&host.tcp, tuple, 2 * WEIR_SECOND) - first == 250000,
          "RFC 9293 MUST-8: 250,000 steps a second");
    const weir_time cycle = (weir_time)4 * WEIR_US << 32;
    CHECK(tcp_isn(&host.tcp, tuple, WEIR_SECOND + cycle) == first, "a cycle of 4.77 hours");
    bool forward = true;
    for (unsigned i = 0; i < 240; i++)
        forward = forward && seq_gt(tcp_isn(&host.tcp, tuple, (weir_time)(i + 1) * WEIR_SECOND),
                                    tcp_isn(&host.tcp, tuple, (weir_time)i * WEIR_SECOND));
    CHECK(forward, "a tuple's numbers only move forward within two MSL");
}

/* 4,096 tuples that differ in the port alone: their offsets are spread like dice. */
static void hash_part(void)
{
    static seq32 number[4096];
    unsigned bucket[16] = { 0 }, equal = 0, bits = 0;
    for (unsigned i = 0; i < 4096; i++) {
        uint8_t tuple[40] = { 10, [34] = (uint8_t)(i >> 8), [35] = (uint8_t)i };
        number[i] = tcp_isn(&host.tcp, tuple, 0);
        bucket[number[i] >> 28]++;
        for (unsigned j = i > 64 ? i - 64 : 0; j < i; j++)
            equal += number[i] == number[j];
        for (uint32_t flips = i > 0 ? number[i] ^ number[i - 1] : 0; flips != 0; flips &= flips - 1)
            bits++;
    }
    unsigned chi = 0;
    for (unsigned i = 0; i < 16; i++) {
        const int off = (int)bucket[i] - 256;
        chi += (unsigned)(off * off);
    }
    CHECK(equal == 0, "RFC 9293 MUST-9: no two alike");
    CHECK(chi / 256 < 40, "RFC 9293 SHLD-1: evenly spread (chi square %u for 15 degrees)",
          chi / 256);
    CHECK(bits > 4095 * 15 && bits < 4095 * 17,
          "half of the bits change from one port to the next");
}

static void key_part(void)
{
    uint8_t tuple[40] = { 7 };
    const seq32 first = tcp_isn(&host.tcp, tuple, 0);
    const uint32_t offset = tcp_ts_offset(&host.tcp, tuple);
    struct tcp_host other = host.tcp;
    other.isn_key.k0 ^= 1;
    other.ts_key.k1 ^= 1;
    CHECK(tcp_isn(&other, tuple, 0) != first, "another secret, another number");
    CHECK(tcp_ts_offset(&other, tuple) != offset, "and another timestamp offset");
    unsigned same = 0;
    for (unsigned i = 0; i < 40; i++) {
        uint8_t changed[40];
        memcpy(changed, tuple, sizeof changed);
        changed[i] ^= 0x10;
        same += tcp_isn(&host.tcp, changed, 0) == first;
        same += tcp_ts_offset(&host.tcp, changed) == offset;
    }
    CHECK(same == 0, "every octet of the tuple counts");
}

static void reset_reply(void)
{
    static const struct {
        uint16_t flags;
        uint32_t len, end;
    } rows[] = { { TCP_SYN, 0, 101 },
                 { 0, 0, 100 },
                 { TCP_FIN, 0, 101 },
                 { TCP_SYN | TCP_FIN, 7, 109 },
                 { TCP_PSH, 5, 105 } };
    struct tcp_seg reset;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tcp_seg seg = { .sport = 1,
                               .dport = 2,
                               .seq = 100,
                               .ack = 900,
                               .flags = rows[i].flags,
                               .len = rows[i].len };
        bool owed = tcp_reset_reply(&seg, &reset);
        CHECK(owed && reset.flags == (TCP_RST | TCP_ACK) && reset.seq == 0 &&
                  reset.ack == rows[i].end && reset.sport == 2 && reset.dport == 1,
              "flags %#x without ACK: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>", rows[i].flags);
        seg.flags |= TCP_ACK;
        owed = tcp_reset_reply(&seg, &reset);
        CHECK(owed && reset.flags == TCP_RST && reset.seq == 900,
              "flags %#x with ACK: <SEQ=SEG.ACK><CTL=RST>", seg.flags);
        seg.flags |= TCP_RST;
        CHECK(!tcp_reset_reply(&seg, &reset), "a reset is not answered");
    }
}

int main(void)
{
    host_init(&host, 1);
    clock_part();
    hash_part();
    key_part();
    reset_reply();
    host_free(&host);
    return tap_done();
}
