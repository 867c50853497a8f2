/* SPDX-License-Identifier: MIT */
#include "wire/follow.h"

#include "octets.h"

/* Headers of each plain kind, and of some that are not. Text begins behind them. */

#define ETHERNET "0200 0000 0001 0200 0000 0002 "
#define IP4      "4500 03fc 0001 4000 4006 0000 0a00 0001 0a00 0002 "
#define IP6                                                                                      \
    "6000 0000 03e8 0640 fd00 0000 0000 0000 0000 0000 0000 0001 fd00 0000 0000 0000 0000 0000 " \
    "0000 0002 "
#define PLAIN   "1234 0050 0000 1000 0000 2000 5010 ffff 0000 0000 "
#define STAMPED "1234 0050 0000 1000 0000 2000 8010 ffff 0000 0000 0101 080a 0000 0001 0000 0002 "

#define FRAME_MAX 1500

struct kind {
    const char *name, *head;
    size_t link_len, ip_len, tcp_len;
};

static const struct kind kinds[] = {
    { "IPv4", ETHERNET "0800" IP4 PLAIN, 14, 20, 20 },
    { "IPv4 with timestamps", ETHERNET "0800" IP4 STAMPED, 14, 20, 32 },
    { "IPv6", ETHERNET "86dd" IP6 PLAIN, 14, 40, 20 },
    { "IPv6 with timestamps", ETHERNET "86dd" IP6 STAMPED, 14, 40, 32 },
    { "IPv4 without a link", IP4 STAMPED, 0, 20, 32 },
    { "IPv6 without a link", IP6 PLAIN, 0, 40, 20 },
};

/* A frame of this kind with `text` octets behind its headers; returns its length. */
static size_t build(const struct kind *kind, size_t text, uint8_t frame[FRAME_MAX])
{
    memset(frame, 0xaa, FRAME_MAX);
    const size_t head = unhex(kind->head, frame);
    const size_t in_ip = kind->tcp_len + text;
    uint8_t *ip = frame + kind->link_len;
    uint8_t *field = kind->ip_len == 20 ? ip + 2 : ip + 4;
    const size_t value = kind->ip_len == 20 ? in_ip + 20 : in_ip;
    field[0] = (uint8_t)(value >> 8);
    field[1] = (uint8_t)value;
    return head + text;
}

/* The bits of an octet of the headers that may be others in the next frame of a flow. */
static uint8_t may_change(const struct kind *kind, size_t at)
{
    if (at < kind->link_len)
        return 0;
    const size_t ip = at - kind->link_len;
    if (ip < kind->ip_len && kind->ip_len == 20) /* TOS, identification, DF, TTL, sum */
        return ip == 1 || ip == 4 || ip == 5 || ip == 8 || ip == 10 || ip == 11 ? 0xff
               : ip == 6                                                        ? 0xc0
                                                                                : 0;
    if (ip < kind->ip_len) /* class and flow label, hop limit */
        return ip == 0 ? 0x0f : ip <= 3 || ip == 7 ? 0xff : 0;
    const size_t tcp = ip - kind->ip_len;
    if (tcp < 4 || (tcp >= 20 && tcp < 24)) /* ports; kinds and lengths of the options */
        return 0;
    return tcp == 12 ? 0x0f : tcp == 13 ? 0xc8 : 0xff; /* reserved bits; PSH, ECE, CWR */
}

/* Each bit of the headers, turned over: the frame goes on with the flow, or it does not. */
static void each_bit(const struct kind *kind)
{
    uint8_t frame[FRAME_MAX];
    const size_t len = build(kind, 1000, frame), head = len - 1000;
    struct wire_follow follow;
    seq32 seq = 0;
    CHECK(wire_follow_learn(&follow, guarded(frame, head), kind->link_len, head),
          "%s: is learnt from its headers alone", kind->name);
    CHECK(wire_follow_fits(&follow, guarded(frame, head), len, &seq) && seq == 0x1000,
          "%s: goes on with itself, at its number", kind->name);
    unsigned wrong = 0;
    for (size_t bit = 0; bit < head * 8; bit++) {
        const uint8_t mask = (uint8_t)(1 << bit % 8);
        frame[bit / 8] ^= mask;
        const bool fits = wire_follow_fits(&follow, guarded(frame, head), len, &seq);
        if (fits != ((may_change(kind, bit / 8) & mask) != 0)) {
            printf("# octet %zu, bit %zu: %s\n", bit / 8, bit % 8, fits ? "fits" : "does not fit");
            wrong++;
        }
        frame[bit / 8] ^= mask;
    }
    CHECK(wrong == 0, "%s: every bit of the headers turned over", kind->name);
}

static void lengths(const struct kind *kind)
{
    uint8_t frame[FRAME_MAX];
    const size_t len = build(kind, 1000, frame), head = len - 1000;
    struct wire_follow follow;
    seq32 seq;
    if (!wire_follow_learn(&follow, frame, kind->link_len, head))
        return;
    bool holds = true;
    for (size_t text = 0; text <= 64; text++) {
        const size_t here = build(kind, text, frame);
        holds &= wire_follow_fits(&follow, guarded(frame, here), here, &seq) == (text > 0);
        /* Padding behind the packet, or octets that it lacks. */
        holds &= !wire_follow_fits(&follow, frame, here + 1, &seq);
    }
    for (size_t cut = 0; cut <= head; cut++)
        holds &= !wire_follow_fits(&follow, guarded(frame, cut), cut, &seq);
    CHECK(holds, "%s: texts of 0 to 64 octets, and frames cut within the headers", kind->name);
    holds = true;
    for (size_t cut = 0; cut <= head + 40; cut++)
        holds &=
            wire_follow_learn(&follow, guarded(frame, cut), kind->link_len, cut) == (cut == head);
    CHECK(holds, "%s: is learnt with all of its headers and no more", kind->name);
}

static void not_learnt(void)
{
    static const struct {
        const char *name, *head;
    } table[] = {
        { "a fragment", "4500 03fc 0001 2000 4006 0000 0a00 0001 0a00 0002 " PLAIN },
        { "the last fragment", "4500 03fc 0001 0010 4006 0000 0a00 0001 0a00 0002 " PLAIN },
        { "UDP", "4500 03fc 0001 4000 4011 0000 0a00 0001 0a00 0002 " PLAIN },
        { "IPv4 with options",
          "4600 03fc 0001 4000 4006 0000 0a00 0001 0a00 0002 0101 0101 " PLAIN },
        { "IPv6 with an extension",
          "6000 0000 03e8 0040 fd00 0000 0000 0000 0000 0000 0000 0001 fd00 0000 0000 0000 0000 "
          "0000 0000 0002 " PLAIN },
        { "FIN", IP4 "1234 0050 0000 1000 0000 2000 5011 ffff 0000 0000" },
        { "SYN", IP4 "1234 0050 0000 1000 0000 2000 5002 ffff 0000 0000" },
        { "RST", IP4 "1234 0050 0000 1000 0000 2000 5014 ffff 0000 0000" },
        { "URG", IP4 "1234 0050 0000 1000 0000 2000 5030 ffff 0000 0010" },
        { "SACK beside the timestamps", IP4
          "1234 0050 0000 1000 0000 2000 b010 ffff 0000 0000 0101 080a 0000 0001 0000 0002 0101 "
          "050a 0000 0001 0000 0002" },
        { "options of 12 octets that are no timestamps",
          IP4 "1234 0050 0000 1000 0000 2000 8010 ffff 0000 0000 0101 0101 0101 0101 0101 0101" },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t frame[FRAME_MAX];
        const size_t len = unhex(table[i].head, frame);
        struct wire_follow follow;
        CHECK(!wire_follow_learn(&follow, guarded(frame, len), 0, len), "not learnt: %s",
              table[i].name);
    }
}

/* What was learnt from one kind is gone on with by no other. */
static void kinds_apart(void)
{
    bool holds = true;
    const unsigned count = sizeof kinds / sizeof kinds[0];
    for (unsigned i = 0; i < count * count; i++) {
        const struct kind *a = &kinds[i / count], *b = &kinds[i % count];
        uint8_t frame[FRAME_MAX];
        struct wire_follow follow;
        seq32 seq;
        size_t len = build(a, 100, frame);
        holds &= wire_follow_learn(&follow, frame, a->link_len, len - 100);
        len = build(b, 100, frame);
        holds &= wire_follow_fits(&follow, frame, len, &seq) == (a == b);
    }
    CHECK(holds, "no kind of headers is taken for another");
}

int main(void)
{
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        each_bit(&kinds[i]);
        lengths(&kinds[i]);
    }
    not_learnt();
    kinds_apart();
    return tap_done();
}
