/* SPDX-License-Identifier: MIT */
/* Whose turn it is: equal shares for those who send much, control before data, whole superframes
 * where the device cuts them, and nothing but a lost packet where there is no way. */
#include "tap.h"
#include "world.h"

#include <string.h>

#define SENDERS 4

static struct world world;
static weir_handle client[SENDERS], server[SENDERS], listener;

static void open_world(bool offload, uint32_t quantum)
{
    struct world_options options;
    world_defaults(&options);
    options.offload = offload;
    options.config.output_quantum = quantum;
    options.config.rcv_min = 60000; /* a window that lets them all send at once */
    options.config.ring_chunks = 4096;
    world_open(&world, &options);
    listener = WEIR_NO_HANDLE;
    for (unsigned i = 0; i < SENDERS; i++)
        if (!world_connect(&world, false, &listener, &client[i], &server[i]))
            CHECK(false, "connection %u", i);
}

/* Which sender a frame belongs to; SENDERS for none. */
static unsigned sender_of(const struct weir_out *out)
{
    for (unsigned i = 0; i < SENDERS; i++)
        if (out->handle == client[i])
            return i;
    return SENDERS;
}

static size_t payload(const struct weir_out *out)
{
    size_t len = 0;
    for (unsigned i = 0; i < out->span_count; i++)
        len += out->span[i].len;
    return len;
}

static void test_shares(uint32_t quantum, unsigned in_a_row)
{
    open_world(false, quantum);
    static uint8_t block[100000];
    size_t done;
    for (unsigned i = 0; i < SENDERS; i++)
        (void)!weir_send(world.side[0], client[i], block, sizeof block, 0, &done, world.now);
    /* Ten segments each: the initial window (RFC 6928). One frame a call, as a slow driver asks. */
    unsigned changes = 0, frames = 0, longest = 0, run = 0, before = SENDERS,
             share[SENDERS + 1] = { 0 };
    struct weir_out out;
    while (weir_output(world.side[0], 0, &out, 1, world.now) == 1) {
        const unsigned who = sender_of(&out);
        run = who == before ? run + 1 : 1;
        longest = run > longest ? run : longest;
        changes += who != before;
        before = who;
        share[who]++;
        frames++;
    }
    CHECK(frames == SENDERS * 10 && share[0] == 10 && share[SENDERS - 1] == 10,
          "quantum %u: ten segments each, %u in all", quantum, frames);
    CHECK(longest == in_a_row, "quantum %u: at most %u in a row: %u", quantum, in_a_row, longest);
    CHECK(changes >= SENDERS, "quantum %u: each has its turn", quantum);
    world_close(&world);
}

static void test_control_first(void)
{
    open_world(false, 65536);
    static uint8_t block[100000];
    size_t done;
    struct weir_out out[2];
    (void)!weir_send(world.side[0], client[0], block, sizeof block, 0, &done, world.now);
    CHECK(weir_output(world.side[0], 0, out, 2, world.now) == 2 && sender_of(&out[0]) == 0,
          "one sends data");
    (void)weir_abort(world.side[0], client[3], world.now);
    CHECK(weir_output(world.side[0], 0, out, 2, world.now) == 2 && sender_of(&out[0]) == 3 &&
              out[0].why == WEIR_WHY_RST && sender_of(&out[1]) == 0,
          "a reset of another goes before the rest of it");
    world_close(&world);
}

static void test_superframe(void)
{
    open_world(true, 65536);
    static uint8_t block[100000];
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i ^ i >> 8);
    size_t done;
    (void)!weir_send(world.side[0], client[0], block, sizeof block, 0, &done, world.now);
    struct weir_out out;
    if (!CHECK(weir_output(world.side[0], 0, &out, 1, world.now) == 1, "a frame"))
        return;
    CHECK(payload(&out) == 14480 && out.gso_size == 1448,
          "ten segments leave as one frame of %zu octets", payload(&out));
    CHECK(out.csum_start == 34 && out.csum_offset == 16 && out.transport_off == 34,
          "the device is told where the sum belongs");
    size_t at = 0;
    bool same = true;
    for (unsigned i = 0; i < out.span_count; i++) {
        same &= memcmp(out.span[i].base, block + at, out.span[i].len) == 0;
        at += out.span[i].len;
    }
    CHECK(same, "the spans show the octets in their order");
    world_close(&world);
}

static bool nothing(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w, (void)from, (void)data, (void)len;
    return false;
}

/* The neighbour is gone: resolution fails again and again, and TCP gives up in its own time. */
static void test_no_way(void)
{
    open_world(false, 65536);
    size_t done;
    world.filter = nothing;
    world_run(&world, 700 * WEIR_SECOND); /* the neighbour entry is forgotten */
    const weir_time start = world.now;
    CHECK(weir_send(world.side[0], client[0], "x", 1, 0, &done, world.now) == WEIR_OK, "sent");
    world_run(&world, 2 * WEIR_SECOND);
    struct weir_status status;
    CHECK(weir_status(world.side[0], client[0], &status) == WEIR_OK &&
              status.waits_for == WEIR_WAIT_NEIGHBOUR,
          "it waits for the neighbour, and says so");
    weir_time failed = 0;
    for (unsigned i = 0; i < 2000 && failed == 0; i++) {
        world_run(&world, WEIR_SECOND);
        if (weir_ready_now(world.side[0], client[0]) & WEIR_ERROR)
            failed = world.now;
    }
    CHECK(failed - start > 300 * WEIR_SECOND && failed - start < 1500 * WEIR_SECOND,
          "given up after %lld s, by the retransmission timer",
          (long long)((failed - start) / WEIR_SECOND));
    CHECK(weir_error_take(world.side[0], client[0]) == WEIR_HOST_UNREACH, "host unreachable");
    CHECK(weir_drop_count(world.side[0], WEIR_DROP_NONE) == 0, "no drop without a reason");
    world_close(&world);
}

int main(void)
{
    test_shares(1, 1);
    test_shares(4 * 1448, 4);
    test_shares(1 << 20, 10);
    test_control_first();
    test_superframe();
    test_no_way();
    return tap_done();
}
