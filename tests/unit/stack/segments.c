/* SPDX-License-Identifier: MIT */
/* Segments made by hand: what an instance drops before it looks for a connection, what a listener
 * and a half-open entry make of them, TIME-WAIT in its small form, and ICMP errors. */
#include "tap.h"
#include "world.h"

#include "base/csum.h"
#include "wire/cursor.h"
#include "wire/icmp4.h"

#include <string.h>

static struct world world;
static const struct tcp_opts no_opts;

/* What the server sent last, as the filter saw it. */
static struct tcp_seg last;
static unsigned last_count;

static bool note(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    struct tcp_opts opts;
    if (from == 1 && len >= 54 && data[12] == 8 && data[13] == 0 && data[23] == 6) {
        (void)!wire_tcp_parse(data + 34, len - 34, &last, &opts);
        last_count++;
    }
    return true;
}

static weir_handle open_world(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    world.filter = note;
    const struct weir_addr local = world_addr(1, false, 80);
    weir_handle listener;
    if (weir_listen(world.side[1], &local, 16, 0, &listener) != WEIR_OK)
        CHECK(false, "a listener is made");
    /* The neighbours know each other after this. */
    weir_handle ping;
    (void)!weir_ping_open(world.side[0], &ping);
    (void)!weir_ping_send(world.side[0], ping, &local.ip, 1, "", 0, world.now);
    world_run(&world, WEIR_SECOND);
    (void)!weir_release(world.side[0], ping, world.now);
    return listener;
}

/* Sends it from side 0's address to side 1, and lets time pass for an answer. True if one came. */
static bool send_segment(const struct tcp_seg *seg)
{
    uint8_t frame[1514];
    const struct weir_addr from = world_addr(0, false, 0), to = world_addr(1, false, 0);
    const size_t len = world_segment(&from.ip, &to.ip, seg, &no_opts, frame);
    last_count = 0;
    world_inject(&world, 1, frame, len);
    struct weir_out out[8];
    const size_t n = weir_output(world.side[1], 0, out, 8, world.now);
    for (size_t i = 0; i < n; i++) {
        uint8_t data[256];
        size_t octets = out[i].head_len;
        memcpy(data, out[i].head, octets);
        for (unsigned k = 0; k < out[i].span_count && octets + out[i].span[k].len < 256; k++) {
            memcpy(data + octets, out[i].span[k].base, out[i].span[k].len);
            octets += out[i].span[k].len;
        }
        (void)note(&world, 1, data, octets);
    }
    return last_count > 0;
}

static void test_before_lookup(void)
{
    (void)open_world();
    const struct weir_ip us = weir_ip_v4(10, 0, 0, 2), peer = weir_ip_v4(10, 0, 0, 1);
    const struct weir_ip group = weir_ip_v4(224, 0, 0, 1), all = weir_ip_v4(10, 0, 0, 255);
    const struct {
        const char *what;
        const struct weir_ip *from, *to;
        uint16_t sport, dport;
        enum weir_drop drop;
        bool spoil;
    } table[] = {
        { "a wrong sum", &peer, &us, 1, 80, WEIR_DROP_TCP_CSUM, true },
        { "to a broadcast address", &peer, &all, 1, 80, WEIR_DROP_TCP_GROUP, false },
        { "to a multicast address", &peer, &group, 1, 80, WEIR_DROP_TCP_GROUP, false },
        { "from port 0", &peer, &us, 0, 80, WEIR_DROP_TCP_PORT_ZERO, false },
        { "to port 0", &peer, &us, 1, 0, WEIR_DROP_TCP_PORT_ZERO, false },
        { "to nobody", &peer, &us, 1, 81, WEIR_DROP_TCP_NO_CONN, false },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t frame[1514];
        const struct tcp_seg seg = { .sport = table[i].sport,
                                     .dport = table[i].dport,
                                     .flags = TCP_SYN };
        const size_t len = world_segment(table[i].from, table[i].to, &seg, &no_opts, frame);
        if (memcmp(table[i].to, &all, sizeof all) == 0)
            memset(frame, 0xff, 6);
        if (memcmp(table[i].to, &group, sizeof group) == 0)
            memcpy(frame, "\x01\x00\x5e\x00\x00\x01", 6);
        if (table[i].spoil)
            frame[len - 1] ^= 1;
        world_inject(&world, 1, frame, len);
        CHECK(weir_drop_count(world.side[1], table[i].drop) > 0, "%s: %s", table[i].what,
              weir_drop_text(table[i].drop));
    }
    world_run(&world, WEIR_SECOND);
    struct weir_counters counters;
    weir_counters(world.side[1], &counters);
    uint64_t drops = 0;
    for (unsigned i = 0; i < WEIR_DROP_COUNT; i++)
        drops += weir_drop_count(world.side[1], i);
    CHECK(counters.frames_in == counters.used_in + drops, "every frame is used or dropped, once");
    world_close(&world);
}

static void test_listener(void)
{
    (void)open_world();
    const struct {
        uint16_t flags;
        enum weir_drop drop;
        bool reset;
    } table[] = {
        { 0, WEIR_DROP_LISTEN_FLAGS, false },
        { TCP_FIN, WEIR_DROP_LISTEN_FLAGS, false },
        { TCP_SYN | TCP_FIN, WEIR_DROP_LISTEN_FLAGS, false },
        { TCP_ACK, WEIR_DROP_LISTEN_ACK, true },
        { TCP_SYN | TCP_ACK, WEIR_DROP_LISTEN_ACK, true },
        { TCP_RST, WEIR_DROP_LISTEN_RST, false },
        { TCP_RST | TCP_ACK, WEIR_DROP_LISTEN_RST, false },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        const uint64_t before = weir_drop_count(world.side[1], table[i].drop);
        const struct tcp_seg seg = { .sport = (uint16_t)(100 + i),
                                     .dport = 80,
                                     .seq = 5000,
                                     .ack = 77,
                                     .flags = table[i].flags };
        const bool answered = send_segment(&seg);
        CHECK(weir_drop_count(world.side[1], table[i].drop) == before + 1, "flags %x: %s",
              table[i].flags, weir_drop_text(table[i].drop));
        CHECK(answered == table[i].reset, "flags %x: %s", table[i].flags,
              table[i].reset ? "reset" : "silence");
        if (answered)
            CHECK(last.flags == TCP_RST && last.seq == 77, "the reset has the ACK's number");
    }
    world_close(&world);
}

static void test_half_open(void)
{
    (void)open_world();
    struct tcp_seg seg = { .sport = 1000, .dport = 80, .seq = 5000, .flags = TCP_SYN, .wnd = 9000 };
    CHECK(send_segment(&seg) && last.flags == (TCP_SYN | TCP_ACK) && last.ack == 5001, "SYN-ACK");
    const seq32 iss = last.seq;
    seg = (struct tcp_seg){
        .sport = 1000, .dport = 80, .seq = 5001, .ack = iss + 7, .flags = TCP_ACK
    };
    CHECK(send_segment(&seg) && last.flags == TCP_RST && last.seq == iss + 7,
          "an ACK that proves nothing is reset");
    CHECK(world_pool_used(&world, 1, "synq") == 1, "and the entry stays");
    seg = (struct tcp_seg){ .sport = 1000, .dport = 80, .seq = 5002, .flags = TCP_RST };
    CHECK(send_segment(&seg) && last.flags == TCP_ACK && world_pool_used(&world, 1, "synq") == 1,
          "a reset that misses RCV.NXT is challenged");
    seg.seq = 5001;
    CHECK(!send_segment(&seg) && world_pool_used(&world, 1, "synq") == 0,
          "one that hits it deletes the entry");
    CHECK(world_pool_used(&world, 1, "tcb") == 0, "none of this made a TCB");
    world_close(&world);
}

/* A connection that the server closes first, so that its end waits; returns its client port. */
static uint16_t make_time_wait(weir_handle listener)
{
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle client, server;
    (void)!weir_connect(world.side[0], NULL, &to, &client, world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)!weir_accept(world.side[1], listener, &server, world.now);
    struct weir_status status;
    (void)!weir_status(world.side[0], client, &status);
    (void)!weir_release(world.side[1], server, world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)!weir_release(world.side[0], client, world.now);
    world_run(&world, 50 * WEIR_MS);
    return status.local.port;
}

static void test_time_wait(void)
{
    const weir_handle listener = open_world();
    const uint16_t port = make_time_wait(listener);
    CHECK(world_pool_used(&world, 1, "tw") == 1 && world_pool_used(&world, 1, "tcb") == 0,
          "the server's end is small");
    struct weir_status status = { .state = WEIR_CLOSED };
    uint64_t cursor = 0;
    weir_handle handle;
    unsigned listed = 0;
    for (struct weir_status s; weir_list(world.side[1], &cursor, &s, &handle); listed++)
        if (s.state == WEIR_TIME_WAIT)
            status = s;
    CHECK(listed == 2 && status.state == WEIR_TIME_WAIT && status.remote.port == port &&
              status.local.port == 80,
          "listed, after its listener");

    struct tcp_seg seg = { .sport = port, .dport = 80, .seq = status.rcv_nxt, .flags = TCP_RST };
    CHECK(!send_segment(&seg) && world_pool_used(&world, 1, "tw") == 1,
          "a reset is ignored (RFC 1337)");
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_RST_TIME_WAIT) == 1, "and says so");
    world_run(&world, 30 * WEIR_SECOND);
    seg = (struct tcp_seg){ .sport = port,
                            .dport = 80,
                            .seq = status.rcv_nxt - 1,
                            .ack = status.snd_nxt,
                            .flags = TCP_FIN | TCP_ACK };
    (void)send_segment(
        &seg); /* without timestamps: PAWS has nothing to say on a connection with them */
    const struct weir_addr local = world_addr(0, false, port), to = world_addr(1, false, 80);
    weir_handle again, child = WEIR_NO_HANDLE;
    CHECK(weir_connect(world.side[0], &local, &to, &again, world.now) == WEIR_IN_PROGRESS,
          "the client may use its port again");
    world_run(&world, 50 * WEIR_MS);
    CHECK(world_state(&world, 0, again) == WEIR_ESTABLISHED &&
              weir_accept(world.side[1], listener, &child, world.now) == WEIR_OK,
          "a newer SYN takes the tuple over (RFC 6191)");
    CHECK(world_pool_used(&world, 1, "tw") == 0, "the entry is gone");
    struct weir_status fresh;
    CHECK(weir_status(world.side[1], child, &fresh) == WEIR_OK && seq_gt(fresh.iss, status.snd_nxt),
          "its ISS lies beyond what the old connection sent");

    (void)!weir_release(world.side[0], again, world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)!weir_release(world.side[1], child, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(world_pool_used(&world, 0, "tw") == 1, "now the client waits");
    CHECK(weir_connect(world.side[0], &local, &to, &again, world.now) == WEIR_IN_PROGRESS,
          "and its own program, which names the port, may take it over: there are timestamps");
    CHECK(world_pool_used(&world, 0, "tw") == 0, "the entry is gone");
    world_close(&world);
}

/* Taken over at once, when the clock of ISNs has hardly moved. */
static void test_iss_floor(void)
{
    const weir_handle listener = open_world();
    const uint16_t port = make_time_wait(listener);
    struct weir_status old = { 0 }, fresh = { 0 };
    uint64_t cursor = 0;
    weir_handle handle, again, child = WEIR_NO_HANDLE;
    for (struct weir_status s; weir_list(world.side[1], &cursor, &s, &handle);)
        if (s.state == WEIR_TIME_WAIT)
            old = s;
    const struct weir_addr local = world_addr(0, false, port), to = world_addr(1, false, 80);
    (void)!weir_connect(world.side[0], &local, &to, &again, world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)!weir_accept(world.side[1], listener, &child, world.now);
    CHECK(weir_status(world.side[1], child, &fresh) == WEIR_OK, "taken over at once");
    CHECK(seq_gt(fresh.iss, old.snd_nxt + 65536), "the ISS lies a window beyond the old numbers");
    world_close(&world);
}

/* FIN-WAIT-2 that nobody owns is small as well; data is answered with a reset, the FIN leads on. */
static void test_fin_wait_2(void)
{
    const weir_handle listener = open_world();
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle client, server;
    size_t done;
    for (unsigned with_data = 0; with_data < 2; with_data++) {
        (void)!weir_connect(world.side[0], NULL, &to, &client, world.now);
        world_run(&world, 50 * WEIR_MS);
        (void)!weir_accept(world.side[1], listener, &server, world.now);
        (void)!weir_release(world.side[1], server, world.now);
        world_run(&world, 50 * WEIR_MS);
        CHECK(world_pool_used(&world, 1, "tw") == 1 && world_pool_used(&world, 1, "tcb") == 0,
              "FIN-WAIT-2 without an owner is small");
        if (with_data) {
            (void)!weir_send(world.side[0], client, "late", 4, 0, &done, world.now);
            world_run(&world, 50 * WEIR_MS);
            CHECK(weir_error_take(world.side[0], client) == WEIR_PIPE, "data is reset");
            CHECK(world_pool_used(&world, 1, "tw") == 0, "and that is the end of it");
            (void)!weir_release(world.side[0], client, world.now);
        } else {
            world_run(&world, 30 * WEIR_SECOND);
            (void)!weir_release(world.side[0], client, world.now);
            world_run(&world, 50 * WEIR_MS);
            CHECK(world_pool_used(&world, 0, "tcb") == 0, "the peer's FIN was acknowledged");
            world_run(&world, 59 * WEIR_SECOND);
            CHECK(world_pool_used(&world, 1, "tw") == 1, "TIME-WAIT began with the FIN");
            world_run(&world, 2 * WEIR_SECOND);
            CHECK(world_pool_used(&world, 1, "tw") == 0, "and ends 60 s after it");
        }
    }
    world_close(&world);
}

/* An ICMP error about a segment of side 1, quoting `seq`. */
static void send_icmp(uint8_t type, uint8_t code, uint32_t rest, const struct weir_status *conn,
                      uint32_t seq)
{
    uint8_t frame[256], quote[64];
    const size_t at = world_ip_head(&conn->local.ip, &conn->remote.ip, 6, 20, quote);
    struct wr w = wr_begin(quote + at, 8);
    wr_u16(&w, conn->local.port);
    wr_u16(&w, conn->remote.port);
    wr_u32(&w, seq);
    const size_t quoted = at + 8 - 14;
    const struct weir_ip from = weir_ip_v4(10, 0, 0, 1);
    const size_t head = world_ip_head(&from, &conn->local.ip, 1, ICMP_HEAD + quoted, frame);
    const struct icmp4_head icmp = { .type = type, .code = code, .rest = rest };
    wire_icmp4_emit(frame + head, ICMP_HEAD, &icmp);
    memcpy(frame + head + ICMP_HEAD, quote + 14, quoted);
    frame[5] = 2; /* to this station, whoever's the address */
    w = wr_begin(frame + head + ICMP_CSUM_OFF, 2);
    wr_u16(&w, csum_fold(csum_add(0, frame + head, ICMP_HEAD + quoted)));
    world_inject(&world, 1, frame, head + ICMP_HEAD + quoted);
}

static bool from_server(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w, (void)data, (void)len;
    return from == 0;
}

static void test_icmp(void)
{
    const weir_handle listener = open_world();
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle client, server;
    (void)!weir_connect(world.side[0], NULL, &to, &client, world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)!weir_accept(world.side[1], listener, &server, world.now);
    static uint8_t block[20000];
    size_t done;
    (void)!weir_send(world.side[1], server, block, sizeof block, 0, &done, world.now);
    world.filter = from_server; /* what the server sends is lost */
    world_run(&world, 5 * WEIR_MS);
    struct weir_status status;
    (void)!weir_status(world.side[1], server, &status);
    const uint16_t mss = status.mss;
    CHECK(status.unacked > 0, "octets are in flight");

    send_icmp(ICMP4_UNREACH, 4, 1000, &status, status.snd_una - 1);
    (void)!weir_status(world.side[1], server, &status);
    CHECK(status.mss == mss && weir_drop_count(world.side[1], WEIR_DROP_ICMP_OUT_OF_WINDOW) == 1,
          "too big: not believed of a segment that is not in flight");
    send_icmp(ICMP4_UNREACH, 4, 1000, &status, status.snd_una);
    (void)!weir_status(world.side[1], server, &status);
    CHECK(status.mss == 1000 - 40 - 12, "too big: 1,000 octets, MSS %u", status.mss);
    send_icmp(ICMP4_UNREACH, 4, 1400, &status, status.snd_una);
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_ICMP_MTU) == 1, "an MTU never grows by that");
    send_icmp(ICMP4_UNREACH, 4, 68, &status, status.snd_una);
    (void)!weir_status(world.side[1], server, &status);
    CHECK(status.mss == 552 - 40 - 12, "too big: 68 octets is taken for 552, MSS %u", status.mss);
    send_icmp(ICMP4_UNREACH, 4, 68, &status, status.snd_una);
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_ICMP_MTU) == 2, "and once is enough");

    send_icmp(ICMP4_UNREACH, 1, 0, &status, status.snd_una);
    (void)!weir_status(world.side[1], server, &status);
    CHECK(status.state == WEIR_ESTABLISHED && status.error == WEIR_OK,
          "host unreachable is a soft error of an established connection");
    world.filter = note;
    size_t received = 0;
    for (unsigned i = 0; i < 50; i++) {
        world_run(&world, 100 * WEIR_MS);
        while (weir_recv(world.side[0], client, block, sizeof block, &done, world.now) == WEIR_OK)
            received += done;
    }
    CHECK(received == sizeof block, "everything arrives in the end, in smaller segments");

    world.filter = from_server;
    weir_handle opening;
    const struct weir_addr other = world_addr(0, false, 81);
    (void)!weir_connect(world.side[1], NULL, &other, &opening, world.now);
    world_run(&world, 5 * WEIR_MS);
    (void)!weir_status(world.side[1], opening, &status);
    send_icmp(ICMP4_UNREACH, 1, 0, &status, status.iss);
    CHECK(weir_error_take(world.side[1], opening) == WEIR_HOST_UNREACH,
          "and ends one that is being opened");
    world_close(&world);
}

/* A flow on an address that is somebody else's (WEIR_LISTEN_ANY_ADDRESS): errors about it come to
 * that address. */
static void test_icmp_elsewhere(void)
{
    weir_handle listener = open_world(), client, server;
    const struct weir_ip all = weir_ip_v4(0, 0, 0, 0), ours = world_addr(0, false, 0).ip;
    const struct weir_ip theirs = world_addr(1, false, 0).ip;
    const struct weir_addr far = { weir_ip_v4(198, 51, 100, 7), 443, 0 }, any = { .port = 443 };
    struct weir_status status;
    size_t done;
    static uint8_t block[20000];
    (void)!weir_route_add(world.side[0], &all, 0, &theirs, 0, 0);
    (void)!weir_route_add(world.side[1], &all, 0, &ours, 0, 0);
    (void)!weir_listen(world.side[1], &any, 8, WEIR_LISTEN_ANY_ADDRESS, &listener);
    (void)!weir_connect(world.side[0], NULL, &far, &client, world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)!weir_accept(world.side[1], listener, &server, world.now);
    (void)!weir_send(world.side[1], server, block, sizeof block, 0, &done, world.now);
    world.filter = from_server;
    world_run(&world, 5 * WEIR_MS);
    (void)!weir_status(world.side[1], server, &status);
    send_icmp(ICMP4_UNREACH, 4, 1000, &status, status.snd_una - 1);
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_ICMP_OUT_OF_WINDOW) == 1,
          "elsewhere: not believed of a segment that is not in flight");
    send_icmp(ICMP4_UNREACH, 4, 1000, &status, status.snd_una);
    struct weir_status after;
    (void)!weir_status(world.side[1], server, &after);
    CHECK(after.mss == 1000 - 40 - 12, "elsewhere: the path is what it is, MSS %u", after.mss);

    const uint64_t frames = world.frames;
    const uint64_t dropped = weir_drop_count(world.side[1], WEIR_DROP_IP_NOT_OURS);
    send_icmp(ICMP4_ECHO, 0, 0, &status, 0);
    send_icmp(ICMP4_TIMESTAMP, 0, 0, &status, 0);
    send_icmp(ICMP4_REDIRECT, 1, 0, &status, status.snd_una);
    status.local.ip.octet[15] ^= 1; /* nobody's flow, and an address that is not ours */
    send_icmp(ICMP4_UNREACH, 4, 600, &status, status.snd_una);
    world.filter = note;
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_IP_NOT_OURS) == dropped + 3 &&
              world.frames == frames,
          "elsewhere: an echo is not ours to answer");
    world_close(&world);
}

int main(void)
{
    test_before_lookup();
    test_listener();
    test_half_open();
    test_time_wait();
    test_iss_floor();
    test_fin_wait_2();
    test_icmp();
    test_icmp_elsewhere();
    return tap_done();
}
