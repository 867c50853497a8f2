/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <string.h>

/* ICMP errors about segments: RFC 9293, 3.9.2.2, RFC 5461, 5927, 1191 and 8201. */

struct code {
    unsigned type, code;
    enum weir_error error;
};

/* What Linux makes of each while a connection opens; afterwards all are soft. */
static const struct code v4_codes[] = {
    { 3, 0, WEIR_NET_UNREACH },   { 3, 1, WEIR_HOST_UNREACH }, { 3, 2, WEIR_NO_PROTO },
    { 3, 3, WEIR_REFUSED },       { 3, 5, WEIR_HOST_UNREACH }, { 3, 13, WEIR_HOST_UNREACH },
    { 11, 0, WEIR_HOST_UNREACH }, { 12, 0, WEIR_PROTOCOL },
};
static const struct code v6_codes[] = {
    { 1, 0, WEIR_NET_UNREACH }, { 1, 1, WEIR_ACCESS },       { 1, 3, WEIR_HOST_UNREACH },
    { 1, 4, WEIR_REFUSED },     { 3, 0, WEIR_HOST_UNREACH }, { 4, 0, WEIR_PROTOCOL },
    { 4, 1, WEIR_PROTOCOL },
};

static const struct code *codes(const struct t *t, unsigned *count)
{
    *count = t->v6 ? sizeof v6_codes / sizeof v6_codes[0] : sizeof v4_codes / sizeof v4_codes[0];
    return t->v6 ? v6_codes : v4_codes;
}

static void while_opening(struct t *t)
{
    unsigned count;
    const struct code *code = codes(t, &count);
    for (unsigned i = 0; i < count; i++) {
        open_active(t);
        out(t, "S 0");
        t_note(t, "-- type %u code %u\n", code[i].type, code[i].code);
        icmp(t, code[i].type, code[i].code, 0, 0);
        state(t, CLOSED);
        const enum weir_error error = weir_error_take(t->weir, t->conn);
        /* Linux's table, where the codes agree; nobody ends without an error. */
        holds(t, error != WEIR_OK);
        if (code[i].code != 5)
            is(t, error, code[i].error);
        is(t, status_of(t).cause, WEIR_CAUSE_ICMP);
        release(t);
    }
}

static void once_established(struct t *t)
{
    unsigned count;
    const struct code *code = codes(t, &count);
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    for (unsigned i = 0; i < count; i++) {
        icmp(t, code[i].type, code[i].code, 0, 0);
        drop(t, NONE);
        state(t, ESTABLISHED);
        error_is(t, WEIR_OK);
        holds(t, status_of(t).soft_error != WEIR_OK);
    }
    quiet(t);
    in(t, ". 1 ack 101");
    is(t, status_of(t).unacked, 0);
}

static void told_when_it_ends(struct t *t)
{
    t->config.retries_max = 3;
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    icmp(t, t->v6 ? 1 : 3, t->v6 ? 0 : 1, 0, 0);
    const enum weir_error soft = status_of(t).soft_error;
    is(t, soft, t->v6 ? WEIR_NET_UNREACH : WEIR_HOST_UNREACH);
    after(t, 100 * SECONDS);
    ignore(t);
    state(t, CLOSED);
    error_is(t, soft);
}

/* Nobody is told of a soft error who does not ask for it: that is how reports are turned off. */
static void only_who_asks(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    struct weir_event event;
    while (weir_next_event(t->weir, &event))
        continue;
    icmp(t, t->v6 ? 1 : 3, 0, 0, 0);
    holds(t, !weir_next_event(t->weir, &event));
    ready_lacks(t, WEIR_ERROR);
    is(t, status_of(t).soft_error, WEIR_NET_UNREACH);
    in(t, ". 1 ack 101");
}

static void wrong_number(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    icmp(t, t->v6 ? 1 : 3, t->v6 ? 4 : 3, 0, 1);
    drop(t, ICMP_OUT_OF_WINDOW);
    icmp(t, t->v6 ? 1 : 3, t->v6 ? 4 : 3, 0, -1);
    drop(t, ICMP_OUT_OF_WINDOW);
    state(t, SYN_SENT);
    quiet(t);
}

static void nothing_in_flight(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    in(t, ". 1 ack 101");
    icmp(t, t->v6 ? 1 : 3, 0, 0, 0);
    drop(t, ICMP_OUT_OF_WINDOW);
    is(t, status_of(t).soft_error, WEIR_OK);
}

static void another_connection(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    t->peer = 3; /* the quoted port is not ours */
    icmp(t, t->v6 ? 1 : 3, t->v6 ? 4 : 3, 0, 0);
    drop(t, ICMP_QUOTE);
    t->peer = 0;
    state(t, SYN_SENT);
    icmp(t, t->v6 ? 1 : 3, t->v6 ? 4 : 3, 0, 0);
    state(t, CLOSED);
}

static void source_quench(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 20000);
    for (unsigned i = 0; i < 10; i++)
        out(t, "%s. %u:%u ack 1", i == 4 || i == 9 ? "P" : "", 1 + 1000 * i, 1001 + 1000 * i);
    const unsigned cwnd = status_of(t).cwnd;
    icmp(t, t->v6 ? 200 : 4, 0, 0, 0);
    holds(t, t->dropped != WEIR_DROP_NONE);
    if (!t->v6)
        drop(t, ICMP_QUENCH);
    is(t, status_of(t).cwnd, cwnd);
    is(t, status_of(t).soft_error, WEIR_OK);
    quiet(t);
}

static void too_big(struct t *t, uint32_t mtu, int32_t off)
{
    icmp(t, t->v6 ? 2 : 3, t->v6 ? 0 : 4, mtu, off);
}

static void path_mtu(struct t *t)
{
    passive(t, "mss 1440");
    const unsigned mss = 1440;
    write_octets(t, 3 * mss);
    out(t, ". 1:%u ack 1", 1 + mss);
    const struct seg first = t->last;
    ignore(t);
    t->last = first;
    const unsigned cwnd = status_of(t).cwnd;
    too_big(t, 1400, 0);
    const unsigned less = t->v6 ? 1340 : 1360;
    is(t, status_of(t).mss, less);
    holds(t, status_of(t).cwnd >= cwnd - mss); /* no congestion */
    is(t, status_of(t).backoff, 0);
    out(t, ". 1:%u ack 1", 1 + less); /* at once, and small enough */
    why(t, RTX_PMTU);
    ignore(t);
    in(t, ". 1 ack %u", 1 + 3 * mss);
    write_octets(t, 2 * less);
    out(t, ". %u:%u ack 1", 1 + 3 * mss, 1 + 3 * mss + less);
    ignore(t);
}

static void path_mtu_lies(struct t *t)
{
    passive(t, "mss 1440");
    write_octets(t, 1440);
    out(t, "P. 1:1441 ack 1");
    too_big(t, 1400, 100000); /* not in flight */
    drop(t, ICMP_OUT_OF_WINDOW);
    too_big(t, 1400, -1);
    drop(t, ICMP_OUT_OF_WINDOW);
    too_big(t, 1500, 0); /* no smaller than what is used */
    too_big(t, 9000, 0);
    is(t, status_of(t).mss, 1440);
    quiet(t);
    too_big(t, 68, 0); /* no path is that small: floor 552, or 1280 for IPv6 */
    holds(t, status_of(t).mss >= (t->v6 ? 1220 : 512));
    ignore(t);
    too_big(t, 0, 0);
    holds(t, status_of(t).mss >= (t->v6 ? 1220 : 512));
    ignore(t);
    state(t, ESTABLISHED);
}

static void malformed(struct t *t)
{
    uint8_t packet[200];
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    /* Every length from nothing to a header and a quote that is cut off. */
    for (size_t len = 0; len < 8 + (t->v6 ? 40u : 20u) + 8; len++) {
        memset(packet, 0, sizeof packet);
        const size_t head = ip_header(t, packet, t->v6 ? 58 : 1, len);
        packet[head] = t->v6 ? 1 : 3;
        fix_sums(packet, head + (len < 8 ? 8 : len));
        raw(t, packet, head + len);
        holds(t, t->dropped != WEIR_DROP_NONE);
        quiet(t);
    }
    state(t, ESTABLISHED);
    is(t, status_of(t).soft_error, WEIR_OK);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(while_opening, "RFC 9293 MUST-54, SHLD-26: an error about our SYN ends the open, each "
                            "with its own reason"),
        CASE(once_established,
             "RFC 9293 MUST-56, SHLD-25: afterwards an error is noted, and ends nothing"),
        CASE(told_when_it_ends,
             "RFC 9293 MUST-47, SHLD-25: when a connection dies the soft error says why"),
        CASE(only_who_asks, "RFC 9293 SHLD-20: a program that does not want reports does not ask"),
        CASE(wrong_number, "RFC 5927 4.1: a quoted number that is not in flight is not believed"),
        CASE(nothing_in_flight, "RFC 5927 4.1: nor is any while nothing is in flight"),
        CASE(another_connection, "RFC 9293 MUST-54: the quoted ports say whose it is"),
        CASE(source_quench, "RFC 9293 MUST-55: dropped without a word, and without effect"),
        CASE(path_mtu, "RFC 1191 6.3, RFC 8201: smaller segments at once, and no congestion"),
        CASE(path_mtu_lies, "RFC 5927 7: what is not in flight, not smaller or impossibly small"),
        CASE(malformed, "a quote that is cut off anywhere does no harm"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
