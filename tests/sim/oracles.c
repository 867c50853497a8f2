/* SPDX-License-Identifier: MIT */

/* The simulator's parts against what they are for: the event queue keeps order, the strict parser
 * refuses what is odd, offload loses no octet, and the wire oracle notices each rule that is broken
 * on purpose. */

#include "sim/world.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* ---- The event queue ---- */

static void test_queue(void)
{
    struct sim_queue queue = { 0 };
    struct prng rng;
    prng_init(&rng, 1, 1, 1);
    for (unsigned i = 0; i < 1000; i++)
        sim_queue_add(&queue, prng_below(&rng, 50), SIM_EV_END, i);
    struct sim_event event, previous = { .at = -1 };
    bool ordered = true;
    unsigned count = 0;
    for (; sim_queue_take(&queue, &event); previous = event, count++)
        ordered = ordered && (event.at > previous.at ||
                              (event.at == previous.at && event.serial > previous.serial));
    CHECK(ordered && count == 1000, "1000 events leave by time, then by serial number");
    free(queue.heap);
}

/* ---- Packets ---- */

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}

struct segment {
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    size_t len;
};

/* Host 10.0.0.`from` to the other of 1 and 2, ports 1000 + host; returns the length. */
static size_t build(uint8_t *p, unsigned from, struct segment segment)
{
    memset(p, 0, 40);
    p[0] = 0x45;
    put16(p + 2, (unsigned)(40 + segment.len));
    p[6] = 0x40;
    p[8] = 64;
    p[9] = SIM_TCP;
    memcpy(p + 12, (const uint8_t[]){ 10, 0, 0, (uint8_t)from }, 4);
    memcpy(p + 16, (const uint8_t[]){ 10, 0, 0, (uint8_t)(3 - from) }, 4);
    put16(p + 20, 1000 + from);
    put16(p + 22, 1000 + 3 - from);
    put32(p + 24, segment.seq);
    put32(p + 28, segment.ack);
    p[32] = 0x50;
    p[33] = segment.flags;
    put16(p + 34, segment.window);
    for (size_t i = 0; i < segment.len; i++)
        p[40 + i] = (uint8_t)(segment.seq + i);
    struct sim_packet packet = { .v4 = true,
                                 .src = weir_ip_v4(10, 0, 0, (uint8_t)from),
                                 .dst = weir_ip_v4(10, 0, 0, (uint8_t)(3 - from)),
                                 .proto = SIM_TCP,
                                 .l4_off = 20,
                                 .l4_len = (unsigned)(20 + segment.len) };
    sim_packet_fix_sums(&packet, p);
    return 40 + segment.len;
}

static void fix_ip_sum(uint8_t *p)
{
    const struct sim_packet packet = { .v4 = true, .fragment = true };
    sim_packet_fix_sums(&packet, p);
}

static void test_parser(void)
{
    static const struct {
        const char *what;
        unsigned at;
        uint8_t value;
    } cases[] = {
        { "version 5", 0, 0x55 },
        { "header of 4 words", 0, 0x44 },
        { "total length one short", 3, 49 },
        { "reserved bit", 6, 0x80 },
        { "ttl 0", 8, 0 },
        { "another protocol", 9, 99 },
        { "source port 0", 20, 0 },
        { "data offset 4", 32, 0x40 },
        { "reserved bits in the header", 32, 0x52 },
        { "urgent pointer without urg", 39, 1 },
        { "syn with fin", 33, 3 },
    };
    uint8_t good[64], bad[64];
    struct sim_packet packet;
    const size_t len = build(good, 1, (struct segment){ 5, 6, SIM_ACK, 100, 10 });
    CHECK(sim_packet_parse(&packet, good, len, false) == NULL, "a good segment parses");
    CHECK(sim_packet_sum_ok(&packet, good), "and its sum is right");
    CHECK(packet.seq == 5 && packet.ack == 6 && packet.data_len == 10 && packet.sport == 1001,
          "and its fields are what was put there");
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(bad, good, len);
        bad[cases[i].at] = cases[i].value;
        if (cases[i].at == 20)
            bad[21] = 0;
        fix_ip_sum(bad);
        CHECK(sim_packet_parse(&packet, bad, len, false) != NULL, "refused: %s", cases[i].what);
    }
    CHECK(!sim_packet_mark(&packet, good), "what takes no marks is not marked");
    memcpy(bad, good, len);
    bad[1] = 2;
    fix_ip_sum(bad);
    CHECK(sim_packet_parse(&packet, bad, len, false) == NULL && packet.ecn == 2 &&
              sim_packet_mark(&packet, bad) && sim_packet_parse(&packet, bad, len, false) == NULL &&
              packet.ecn == 3,
          "what takes them is, and its header sum is right");
    memcpy(bad, good, len);
    bad[45] ^= 1;
    CHECK(sim_packet_parse(&packet, bad, len, false) == NULL && !sim_packet_sum_ok(&packet, bad),
          "a flipped bit is seen in the sum");
}

static void test_offload(void)
{
    static uint8_t whole[4000], piece[4000], merged[4000];
    struct sim_packet packet;
    const size_t len = build(whole, 1, (struct segment){ 77, 6, SIM_ACK | SIM_PSH, 100, 3456 });
    bool ok = sim_packet_parse(&packet, whole, len, false) == NULL;
    size_t merged_len = sim_packet_cut(&packet, whole, 1000, 0, merged);
    unsigned pieces = 1;
    for (size_t n; (n = sim_packet_cut(&packet, whole, 1000, pieces, piece)) > 0; pieces++) {
        struct sim_packet part;
        ok = ok && sim_packet_parse(&part, piece, n, false) == NULL &&
             sim_packet_sum_ok(&part, piece) && part.seq == 77 + pieces * 1000 &&
             !(part.flags & SIM_PSH) == (pieces < 3);
        ok = ok && sim_packet_merge(merged, &merged_len, sizeof merged, piece, n, false);
    }
    CHECK(ok && pieces == 4, "3,456 octets are cut into four good segments, the last with PSH");
    CHECK(merged_len == len && memcmp(merged + 20, whole + 20, len - 20) == 0,
          "and merging them gives back the whole");
    build(piece, 1, (struct segment){ 78, 6, SIM_ACK, 100, 100 });
    merged_len = build(merged, 1, (struct segment){ 10, 6, SIM_ACK, 100, 10 });
    CHECK(!sim_packet_merge(merged, &merged_len, sizeof merged, piece, 140, false),
          "what does not continue is not merged");
}

/* ---- The wire oracle ---- */

static struct sim *world;

static void emit(unsigned from, struct segment segment, unsigned why)
{
    uint8_t frame[3000];
    struct sim_packet packet;
    const size_t len = build(frame, from, segment);
    const struct weir_out out = { .why = (uint16_t)why };
    if (sim_packet_parse(&packet, frame, len, false) != NULL)
        sim_fail(world, "the test's own frame does not parse");
    sim_flow_emitted(world, from - 1, &packet, frame, &out);
    const struct sim_flow *flow = sim_flow_find(world, &packet, false);
    struct sim_frame *carried = sim_frame_new(frame, len);
    carried->incarnation = flow->incarnation;
    sim_flow_heard(world, 2 - from, carried);
    free(carried);
}

/* A handshake: host 1 from ISS 100, host 2 from ISS 500, windows of 1,000 octets. */
static void begin(void)
{
    free(world);
    world = calloc(1, sizeof *world);
    if (world == NULL)
        abort();
    world->plan.ip_only = true;
    world->plan.host[0].config.rcv_max = world->plan.host[1].config.rcv_max = 65535;
    emit(1, (struct segment){ 100, 0, SIM_SYN, 1000, 0 }, WEIR_WHY_SYN);
    emit(2, (struct segment){ 500, 101, SIM_SYN | SIM_ACK, 1000, 0 }, WEIR_WHY_SYN_ACK);
    emit(1, (struct segment){ 101, 501, SIM_ACK, 1000, 0 }, WEIR_WHY_ACK);
    emit(1, (struct segment){ 101, 501, SIM_ACK, 1000, 400 }, WEIR_WHY_NEW_DATA);
    emit(2, (struct segment){ 501, 501, SIM_ACK, 600, 0 }, WEIR_WHY_ACK);
}

static void test_flow(void)
{
    static const struct {
        const char *what, *names;
        unsigned from;
        struct segment segment;
        unsigned why;
    } cases[] = {
        { "an ack of what never arrived", "INV 21", 2, { 501, 502, SIM_ACK, 599, 0 }, 0 },
        { "an ack that goes back", "INV 16", 2, { 501, 500, SIM_ACK, 900, 0 }, 0 },
        { "a right edge that goes back", "INV 17", 2, { 501, 501, SIM_ACK, 599, 0 }, 0 },
        { "octets beyond the window", "INV 6", 1, { 1001, 501, SIM_ACK, 1000, 101 }, 0 },
        { "more than the default mss", "INV 12", 1, { 501, 501, SIM_ACK, 1000, 537 }, 0 },
        { "a fin below what was sent", "INV 15", 1, { 450, 501, SIM_ACK | SIM_FIN, 1000, 0 }, 0 },
    };
    begin();
    CHECK(!world->failed, "an ordinary exchange is accepted %s", world->failure);
    emit(1, (struct segment){ 501, 501, SIM_ACK, 1000, 500 }, WEIR_WHY_NEW_DATA);
    emit(1, (struct segment){ 1001, 501, SIM_ACK | SIM_FIN, 1000, 100 }, WEIR_WHY_NEW_DATA);
    emit(2, (struct segment){ 501, 1102, SIM_ACK, 0, 0 }, WEIR_WHY_ACK);
    CHECK(!world->failed, "up to the edge, and the fin %s", world->failure);
    emit(1, (struct segment){ 1101, 501, SIM_ACK, 1000, 1 }, WEIR_WHY_NEW_DATA);
    CHECK(world->failed && strstr(world->failure, "INV 15") != NULL, "noticed: octets after a fin");
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        emit(cases[i].from, cases[i].segment, cases[i].why);
        CHECK(world->failed && strstr(world->failure, cases[i].names) != NULL, "noticed: %s",
              cases[i].what);
    }
    begin();
    emit(2, (struct segment){ 501, 501, SIM_ACK, 600, 0 }, WEIR_WHY_ACK_CHALLENGE);
    CHECK(!world->failed, "one challenge ack is accepted");
    world->now += 498 * WEIR_MS;
    emit(2, (struct segment){ 501, 501, SIM_ACK, 600, 0 }, WEIR_WHY_ACK_CHALLENGE);
    CHECK(world->failed && strstr(world->failure, "INV 27") != NULL, "noticed: another too soon");
    free(world);
}

/* A hole is not acknowledged until it is filled, whatever has arrived beyond. */
static void test_heard(void)
{
    struct sim_flow flow = { .used = true };
    struct sim_packet packet = { .flags = SIM_SYN, .seq = 0xfffffff0u, .v4 = true };
    sim_heard_segment(&flow, &packet, 1);
    packet = (struct sim_packet){ .flags = SIM_ACK, .seq = 5, .data_len = 10, .v4 = true };
    sim_heard_segment(&flow, &packet, 1);
    CHECK(!sim_heard_all(&flow.heard[0], 15) && sim_heard_range(&flow.heard[0], 5, 15),
          "octets beyond a hole have arrived, but not all before them");
    packet =
        (struct sim_packet){ .flags = SIM_ACK, .seq = 0xfffffff1u, .data_len = 20, .v4 = true };
    sim_heard_segment(&flow, &packet, 1);
    CHECK(sim_heard_all(&flow.heard[0], 15) && !sim_heard_all(&flow.heard[0], 16),
          "the hole is filled, across the wrap");
}

int main(void)
{
    test_queue();
    test_parser();
    test_offload();
    test_flow();
    test_heard();
    return tap_done();
}
