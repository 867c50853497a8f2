/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <string.h>

/* What a connection has to say about the IP header, and what of it matters to TCP: RFC
 * 9293, 3.9.1.9 and 3.9.2. */

static void ds_field(struct t *t)
{
    passive(t, PLAIN);
    set(t, TOS, 0xb8);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    is(t, t->last.tos, 0xb8);
    set(t, TOS, 0x20); /* at any time */
    in(t, "P. 1:11 ack 11");
    out(t, ". 11 ack 11");
    is(t, t->last.tos, 0x20);
    set(t, NODELAY, 1);
    write_octets(t, 10);
    out(t, "P. 11:21 ack 11");
    out_after(t, status_of(t).rto, "P. 11:21 ack 11");
    is(t, t->last.tos, 0x20); /* a retransmission too */
}

static void time_to_live(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    is(t, t->last.ttl, 64);
    set(t, TTL, 3);
    in(t, "P. 1:11 ack 11");
    out(t, ". 11 ack 11");
    is(t, t->last.ttl, 3);
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_TTL, 0, t->now), WEIR_INVALID);
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_TTL, 256, t->now), WEIR_INVALID);
}

static void atomic_datagrams(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    is(t, t->last.ip_id, 0);
}

/* RFC 9293 MUST-50. */
static void ip_options_do_no_harm(struct t *t)
{
    static const uint8_t options[][4] = {
        { 1, 1, 1, 1 }, { 0x94, 4, 0, 0 }, { 0x1e, 4, 9, 9 }, { 0x9e, 4, 1, 2 }
    };
    uint8_t packet[300];
    passive(t, PLAIN);
    if (t->v6)
        return; /* options are in extension headers there: tests/unit/ip */
    for (unsigned i = 0; i < 4; i++) {
        char text[60] = "P. x:y ack 1";
        text[3] = (char)('1' + i);
        text[5] = (char)('2' + i);
        const size_t len = packet_of(t, text, packet);
        memmove(packet + 24, packet + 20, len - 20);
        memcpy(packet + 20, options[i], 4);
        packet[0] = 0x46;
        packet[3] = (uint8_t)(len + 4);
        fix_sums(packet, len + 4);
        raw(t, packet, len + 4);
        out(t, ". 1 ack %u", i + 2);
    }
    read_octets(t, 4);
}

static void trailer_is_no_text(struct t *t)
{
    uint8_t packet[300] = { 0 };
    passive(t, PLAIN);
    const size_t len = packet_of(t, "P. 1:3 ack 1", packet);
    raw(t, packet, len + 18); /* a link that pads */
    out(t, ". 1 ack 3");
    read_octets(t, 2);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(ds_field, "RFC 9293 MUST-48, SHLD-21, SHLD-22: set at any time, unchanged down to IP"),
        CASE(time_to_live, "RFC 9293 MUST-49: TTL or hop limit of a connection"),
        CASE(atomic_datagrams,
             "RFC 6864: a segment is never fragmented, so its identification is 0"),
        CASE(ip_options_do_no_harm, "RFC 9293 MUST-50: unknown IP options are ignored"),
        CASE(trailer_is_no_text, "what a link pads is not taken for text"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
