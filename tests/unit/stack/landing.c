/* SPDX-License-Identifier: MIT */
/* Frames whose text lands in the receive ring: when it is offered, that what was guessed wrong is
 * as if it had never landed, and that nothing is left behind. */
#include "tap.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define POISON 0xdd
#define TOTAL  300000
#define TO     1 /* the side that receives */

static struct world world;
static weir_handle listener, client, server;
static uint8_t sent[TOTAL], got[TOTAL];
static size_t got_len;

/* Of what `lay_out` did, and what came of it. */
static unsigned offers, kept, copied;

/* As a driver does that reads with one readv: headers, spans, and the rest behind the hole. */
static void lay_out(struct world *w, unsigned to, struct weir_frame *frame)
{
    struct weir_landing landing;
    if (to != TO || !weir_landing(w->side[to], 0, &landing))
        return;
    offers++;
    const struct world_frame *f = &w->queue[to][w->head[to] % WORLD_FRAMES];
    size_t at = landing.head_len;
    frame->hole = f->data + at;
    for (unsigned i = 0; i < landing.span_count && at < f->len; i++) {
        const size_t left = f->len - at;
        const size_t part = landing.span[i].len < left ? landing.span[i].len : left;
        memcpy(landing.span[i].base, f->data + at, part);
        memset(f->data + at, POISON, part);
        frame->landed += part;
        at += part;
    }
}

/* Whether the octets stayed where they had landed: then the hole is as it was. */
static void look(struct world *w, unsigned to, const struct weir_frame *frame)
{
    (void)w;
    (void)to;
    if (frame->landed == 0)
        return;
    bool hole = true;
    for (size_t i = 0; i < frame->landed; i++)
        hole &= frame->hole[i] == POISON;
    kept += hole;
    copied += !hole;
}

static void open_world(bool v6, bool offload)
{
    struct world_options options;
    world_defaults(&options);
    options.offload = offload;
    options.config.rcv_min = 256 << 10;
    world_open(&world, &options);
    listener = WEIR_NO_HANDLE;
    if (!world_connect(&world, v6, &listener, &client, &server))
        CHECK(false, "a connection");
    world.batch = 1;
    world.arrange = lay_out;
    world.arrived = look;
    got_len = 0;
    offers = kept = copied = 0;
    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (uint8_t)((i * 2654435761u >> 13) & 0x7f); /* never POISON */
}

static void take_all(void)
{
    size_t done = 0;
    while (weir_recv(world.side[TO], server, got + got_len, TOTAL - got_len, &done, world.now) ==
               WEIR_OK &&
           done > 0)
        got_len += done;
}

/* Sends octets [from, from + len) and lets them all arrive. */
static void send_some(size_t from, size_t len)
{
    const size_t end = from + len;
    for (unsigned turn = 0; got_len < end && turn < 100; turn++) {
        size_t done = 0;
        (void)!weir_send(world.side[0], client, sent + from, len, 0, &done, world.now);
        from += done;
        len -= done;
        world_run(&world, 50 * WEIR_MS);
        take_all();
    }
}

static bool all_right(size_t len)
{
    return got_len == len && memcmp(got, sent, len) == 0;
}

static bool is_offered(void)
{
    struct weir_landing landing;
    return weir_landing(world.side[TO], 0, &landing);
}

/* Chunks in use at the receiver once it has run. */
static unsigned chunks(void)
{
    world_run(&world, WEIR_SECOND);
    return world_pool_used(&world, TO, "chunk");
}

static void test_bulk(bool v6)
{
    open_world(v6, true);
    CHECK(!is_offered(), "IPv%c: nothing is offered to begin with", v6 ? '6' : '4');
    send_some(0, TOTAL);
    CHECK(all_right(TOTAL), "IPv%c: all octets came, in their order", v6 ? '6' : '4');
    CHECK(kept >= 3, "IPv%c: long segments stay where they land (%u, and %u copied)",
          v6 ? '6' : '4', kept, copied);
    CHECK(chunks() == 0, "IPv%c: the ring is empty, and holds nothing", v6 ? '6' : '4');
    world_close(&world);
}

/* Sums that nobody vouches for, and short segments: read as ever. */
static void test_plain(void)
{
    open_world(false, false);
    send_some(0, 100000);
    CHECK(all_right(100000) && offers == 0, "short segments: nothing is offered (%u)", offers);
    world_close(&world);
}

/* A connection for which there is an offer, after `len` octets. */
static size_t begin(void)
{
    open_world(false, true);
    send_some(0, TOTAL / 2);
    CHECK(all_right(TOTAL / 2) && is_offered(), "after some bulk there is an offer");
    kept = copied = offers = 0;
    return TOTAL / 2;
}

static void test_other_flow(void)
{
    const size_t at = begin();
    weir_handle other_client = WEIR_NO_HANDLE, other = WEIR_NO_HANDLE;
    CHECK(world_connect(&world, false, &listener, &other_client, &other),
          "another connection is made while text is awaited");
    static uint8_t text[20000], back[20000];
    memset(text, 0x55, sizeof text);
    size_t done = 0, len = 0;
    (void)!weir_send(world.side[0], other_client, text, sizeof text, 0, &done, world.now);
    world_run(&world, WEIR_SECOND);
    while (weir_recv(world.side[TO], other, back + len, sizeof back - len, &done, world.now) ==
               WEIR_OK &&
           done > 0)
        len += done;
    CHECK(copied > 0 && len == sizeof back && memcmp(text, back, len) == 0,
          "its octets have come, though they landed in the wrong ring (%u times)", copied);
    send_some(at, TOTAL - at);
    CHECK(all_right(TOTAL), "and the first one's are what they were");
    CHECK(chunks() == 0, "no ring holds anything");
    world_close(&world);
}

/* Takes away the first long frame to the receiver. */
static bool drop_one(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)data;
    if (from == TO || len < 2000 || w->filter_first > 0)
        return true;
    w->filter_first = 1;
    return false;
}

static void test_gap(void)
{
    const size_t at = begin();
    world.filter = drop_one;
    send_some(at, TOTAL - at);
    CHECK(world.filtered == 1 && copied > 0, "behind a gap nothing stays where it lands (%u)",
          copied);
    CHECK(all_right(TOTAL), "and when the gap is filled all octets are right");
    CHECK(chunks() == 0, "and the ring is empty");
    world_close(&world);
}

static void test_no_offer(void)
{
    begin();
    struct weir_landing landing;
    CHECK(!weir_landing(world.side[TO], 1, &landing), "nothing for another interface");
    CHECK(!weir_landing(world.side[0], 0, &landing), "nothing at the end that sends");
    CHECK(is_offered(), "but an offer where it is");
    weir_release(world.side[TO], server, world.now);
    CHECK(!is_offered(), "nothing for a connection that was let go");
    world_close(&world);

    begin();
    (void)!weir_shutdown(world.side[0], client, world.now);
    world_run(&world, WEIR_SECOND);
    CHECK(!is_offered(), "nothing behind a FIN");
    world_close(&world);

    begin();
    (void)!weir_abort(world.side[0], client, world.now);
    world_run(&world, WEIR_SECOND);
    CHECK(!is_offered(), "nothing after a reset");
    world_close(&world);
}

/* The offer never reaches beyond the window, and what is written there stays nobody's. */
static void test_window(void)
{
    begin();
    struct weir_landing landing;
    size_t shown = 0;
    if (weir_landing(world.side[TO], 0, &landing))
        for (unsigned i = 0; i < landing.span_count; i++) {
            memset(landing.span[i].base, POISON, landing.span[i].len);
            shown += landing.span[i].len;
        }
    CHECK(shown > 0 && shown <= UINT16_MAX, "no more is shown than a frame holds: %zu", shown);
    size_t done = 1;
    CHECK(weir_recv(world.side[TO], server, got, 10, &done, world.now) == WEIR_AGAIN && done == 0,
          "what was only written there is not received");
    /* The program reads no more: the window closes, and the offer with it. */
    static uint8_t flood[2 << 20];
    for (unsigned i = 0; i < 100; i++) {
        (void)!weir_send(world.side[0], client, flood, sizeof flood, 0, &done, world.now);
        world_run(&world, 20 * WEIR_MS);
    }
    CHECK(!is_offered(), "nothing is offered beyond a closed window");
    world_close(&world);
}

int main(void)
{
    test_bulk(false);
    test_bulk(true);
    test_plain();
    test_other_flow();
    test_gap();
    test_no_offer();
    test_window();
    return tap_done();
}
