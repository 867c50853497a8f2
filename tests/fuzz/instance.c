/* SPDX-License-Identifier: MIT */

/* Fuzz target: a whole instance, fed a script of frames, plausible segments, time and user calls.
 *
 * The instance has a listener, a UDP endpoint, a connection that is being opened and one that is
 * established. Sequence and acknowledgement numbers of structured segments count from what the
 * instance itself has sent, so that a few octets of input reach deep states. After every step all
 * invariants are checked, and every frame that comes out must pass the simulator's strict parser.
 * The work for one input is bounded by STEPS_MAX. */

#include "sim/packet.h"
#include "weir/stack.h"
#include "weir/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX  300
#define FRAMES_MAX 64 /* taken out after a step */
#define FRAME_ROOM 66000
#define PEERS      6
#define MTU        1500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
    const uint8_t *at, *end;
};

/* The far end of one connection, as far as a peer needs to know it. */
struct peer {
    uint16_t local, remote; /* ports: ours (the instance's) and theirs */
    bool v6, seen;
    uint32_t snd; /* where the instance's next octet lies: the ACK that acknowledges all */
    uint32_t rcv; /* what the instance expects from us */
    uint32_t tsval;
    weir_handle handle;
};

struct world {
    struct weir *weir;
    unsigned iface;
    weir_time now;
    bool ethernet, csum_ok;
    struct peer peer[PEERS];
    weir_handle listener, udp, ping;
    uint8_t last[FRAME_ROOM]; /* the frame the instance sent last, for ICMP errors to quote */
    size_t last_len;
    uint8_t frame[FRAME_ROOM];
};

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 2 };

static uint8_t next8(struct script *script)
{
    return script->at < script->end ? *script->at++ : 0;
}

static uint16_t next16(struct script *script)
{
    const unsigned high = next8(script);
    return (uint16_t)(high << 8 | next8(script));
}

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

static void broken(const char *what)
{
    fprintf(stderr, "instance: %s\n", what);
    abort();
}

static struct weir_ip address(bool v6, unsigned host)
{
    if (!v6)
        return weir_ip_v4(10, 0, 0, (uint8_t)host);
    return (struct weir_ip){ { 0xfd, [15] = (uint8_t)host } };
}

/* ---- Into the instance ---- */

/* Whatever comes while there is an offer lands where it says; the hole is left as it is found. */
static void land(struct world *world, struct weir_frame *frame, uint8_t *octets)
{
    struct weir_landing landing;
    if (!weir_landing(world->weir, world->iface, &landing))
        return;
    size_t at = landing.head_len;
    frame->hole = octets + at;
    for (unsigned i = 0; i < landing.span_count && at < frame->len; i++) {
        const size_t left = frame->len - at;
        const size_t part = landing.span[i].len < left ? landing.span[i].len : left;
        memcpy(landing.span[i].base, octets + at, part);
        memset(octets + at, 0xdd, part);
        frame->landed += part;
        at += part;
    }
}

static void input(struct world *world, const uint8_t *data, size_t len, uint16_t gso_size)
{
    /* Exactly as long as the frame, so that a read beyond its end is seen. */
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, len);
    struct weir_frame frame = { .data = copy,
                                .len = len,
                                .when = world->now,
                                .csum_ok = world->csum_ok,
                                .gso_size = gso_size };
    land(world, &frame, copy);
    weir_input(world->weir, world->iface, &frame, 1, world->now);
    free(copy);
}

/* Link and IP headers in front of `len` octets that stand at the right place already. Returns where
 * the frame ends. */
static size_t wrap(struct world *world, bool v6, uint8_t proto, size_t len)
{
    uint8_t *p = world->frame;
    size_t link = 0;
    if (world->ethernet) {
        memcpy(p, our_mac, 6);
        memcpy(p + 6, peer_mac, 6);
        put16(p + 12, v6 ? 0x86dd : 0x0800);
        link = 14;
    }
    uint8_t *ip = p + link;
    const struct weir_ip src = address(v6, 2), dst = address(v6, 1);
    memset(ip, 0, v6 ? 40 : 20);
    if (v6) {
        ip[0] = 0x60;
        put16(ip + 4, (unsigned)len);
        ip[6] = proto;
        ip[7] = 255;
        memcpy(ip + 8, src.octet, 16);
        memcpy(ip + 24, dst.octet, 16);
        return link + 40 + len;
    }
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(20 + len));
    ip[8] = 64;
    ip[9] = proto;
    memcpy(ip + 12, src.octet + 12, 4);
    memcpy(ip + 16, dst.octet + 12, 4);
    return link + 20 + len;
}

static size_t l4_place(const struct world *world, bool v6)
{
    return (world->ethernet ? 14u : 0u) + (v6 ? 40u : 20u);
}

static void input_fixed(struct world *world, size_t len, bool v6, uint8_t proto)
{
    struct sim_packet packet = { .v4 = !v6,
                                 .src = address(v6, 2),
                                 .dst = address(v6, 1),
                                 .ip_off = world->ethernet ? 14 : 0,
                                 .proto = proto };
    packet.l4_off = (unsigned)l4_place(world, v6);
    packet.l4_len = (unsigned)len - packet.l4_off;
    sim_packet_fix_sums(&packet, world->frame);
    input(world, world->frame, len, 0);
}

/* ---- Out of the instance ---- */

static void answer_neighbour(struct world *world, const uint8_t *data, const struct sim_packet *p)
{
    uint8_t *out = world->frame;
    if (p->arp && data[21] == 1) {
        memcpy(out, data + 6, 6);
        memcpy(out + 6, peer_mac, 6);
        memcpy(out + 12, data + 12, 8);
        put16(out + 20, 2);
        memcpy(out + 22, peer_mac, 6);
        memcpy(out + 28, data + 38, 4);
        memcpy(out + 32, data + 22, 10);
        if (memcmp(out + 28, address(false, 2).octet + 12, 4) == 0)
            input(world, out, 42, 0);
    } else if (!p->arp && p->proto == SIM_ICMP6 && p->icmp_type == 135) {
        const size_t at = wrap(world, true, SIM_ICMP6, 32);
        uint8_t *icmp = out + l4_place(world, true);
        memset(icmp, 0, 32);
        icmp[0] = 136;
        icmp[4] = 0x60;
        memcpy(icmp + 8, address(true, 2).octet, 16);
        icmp[24] = 2;
        icmp[25] = 1;
        memcpy(icmp + 26, peer_mac, 6);
        input_fixed(world, at, true, SIM_ICMP6);
    }
}

static void note_segment(struct world *world, const struct sim_packet *p)
{
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *peer = &world->peer[i];
        if (peer->remote != p->dport || peer->v6 == p->v4)
            continue;
        if (peer->local != 0 && peer->local != p->sport)
            continue;
        peer->local = p->sport;
        const uint32_t end =
            p->seq + p->data_len + (p->flags & SIM_SYN ? 1 : 0) + (p->flags & SIM_FIN ? 1 : 0);
        if (!peer->seen || (p->flags & SIM_SYN) || (int32_t)(end - peer->snd) > 0)
            peer->snd = end;
        if (p->flags & SIM_ACK)
            peer->rcv = p->ack;
        if (p->has_ts)
            peer->tsval = p->tsval;
        peer->seen = true;
    }
}

/* Takes one frame out, checks it, and keeps it as the last. */
static bool take_frame(struct world *world)
{
    struct weir_out out;
    if (weir_output(world->weir, world->iface, &out, 1, world->now) == 0)
        return false;
    size_t len = out.head_len;
    memcpy(world->last, out.head, len);
    for (unsigned i = 0; i < out.span_count; i++) {
        if (len + out.span[i].len > FRAME_ROOM)
            broken("a frame without end");
        memcpy(world->last + len, out.span[i].base, out.span[i].len);
        len += out.span[i].len;
    }
    if (out.csum_start != 0)
        sim_packet_complete(world->last, len, out.csum_start, out.csum_offset);
    world->last_len = len;
    struct sim_packet packet;
    const char *wrong = sim_packet_parse(&packet, world->last, len, world->ethernet);
    if (wrong != NULL)
        broken(wrong);
    if (!sim_packet_sum_ok(&packet, world->last))
        broken("wrong transport sum");
    if (!packet.arp && out.gso_size == 0 && packet.ip_len > MTU)
        broken("a packet longer than the mtu");
    if (packet.arp || packet.proto == SIM_ICMP6)
        answer_neighbour(world, world->last, &packet);
    else if (packet.proto == SIM_TCP)
        note_segment(world, &packet);
    return true;
}

static void drain(struct world *world)
{
    for (unsigned i = 0; i < FRAMES_MAX && take_frame(world); i++)
        continue;
}

static void pass_time(struct world *world, weir_time by)
{
    const weir_time end = world->now + by;
    for (unsigned i = 0; i < 20; i++) {
        const weir_time deadline = weir_deadline(world->weir);
        if (deadline > end)
            break;
        world->now = deadline > world->now ? deadline : world->now;
        weir_timeout(world->weir, world->now);
        drain(world);
    }
    world->now = end;
    weir_timeout(world->weir, end);
}

/* ---- Steps of the script ---- */

static void step_frame(struct world *world, struct script *script)
{
    size_t len = next16(script) % 2048;
    if (len > (size_t)(script->end - script->at))
        len = (size_t)(script->end - script->at);
    const uint8_t *data = script->at;
    script->at += len;
    input(world, data, len, len > 600 ? 500 : 0);
}

static size_t put_options(uint8_t *p, struct script *script, const struct peer *peer)
{
    const uint8_t choice = next8(script);
    size_t len = 0;
    if (choice & 1) {
        memcpy(p, (const uint8_t[]){ 1, 1, 8, 10 }, 4);
        put32(p + 4, 1000u + next8(script) * 16u);
        put32(p + 8, peer->tsval);
        len = 12;
    }
    if (choice & 2) {
        memcpy(p + len, (const uint8_t[]){ 1, 1, 5, 10 }, 4);
        const uint32_t start = peer->snd - next16(script);
        put32(p + len + 4, start);
        put32(p + len + 8, start + next16(script));
        len += 12;
    }
    if (choice & 4) {
        memcpy(p + len, (const uint8_t[]){ 2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2 }, 12);
        len += 12;
    }
    if (choice & 8) {
        put32(p + len, (uint32_t)next16(script) << 16 | next16(script));
        len += 4;
    }
    return len;
}

/* A segment whose numbers are near what the instance expects. */
static void step_segment(struct world *world, struct script *script)
{
    struct peer *peer = &world->peer[next8(script) % PEERS];
    const uint8_t flags = next8(script);
    const uint8_t shape = next8(script);
    uint8_t *tcp = world->frame + l4_place(world, peer->v6);
    uint32_t seq = peer->rcv;
    uint32_t ack = peer->snd;
    /* Half of the range lies behind the expected number. */
    if (shape & 1)
        seq += next16(script) - 32768u;
    if (shape & 2)
        ack += next16(script) - 32768u;
    memset(tcp, 0, 20);
    put16(tcp, peer->remote);
    put16(tcp + 2, peer->local);
    put32(tcp + 4, seq);
    put32(tcp + 8, flags & SIM_ACK ? ack : 0);
    tcp[13] = flags;
    put16(tcp + 14, shape & 4 ? next16(script) : 65535);
    put16(tcp + 18, flags & SIM_URG ? next8(script) : 0);
    const size_t options = shape & 8 ? put_options(tcp + 20, script, peer) : 0;
    tcp[12] = (uint8_t)((20 + options) / 4 << 4);
    size_t len = shape & 16 ? next8(script) * 4u : 0;
    if (shape & 32)
        len = 1400;
    memset(tcp + 20 + options, 'x', len);
    if (flags & SIM_SYN)
        peer->rcv = seq + 1;
    input_fixed(world, wrap(world, peer->v6, SIM_TCP, 20 + options + len), peer->v6, SIM_TCP);
}

static void step_datagram(struct world *world, struct script *script)
{
    const uint8_t shape = next8(script);
    const bool v6 = shape & 1;
    uint8_t *udp = world->frame + l4_place(world, v6);
    const size_t len = 8 + next8(script);
    memset(udp, 0, len);
    put16(udp, 1000);
    put16(udp + 2, shape & 2 ? 53 : next16(script));
    put16(udp + 4, (unsigned)len);
    input_fixed(world, wrap(world, v6, SIM_UDP, len), v6, SIM_UDP);
}

/* A fragment: an offset, whether more follow, an identification of few values. */
static void step_fragment(struct world *world, struct script *script)
{
    const uint8_t shape = next8(script);
    const bool v6 = shape & 1;
    const size_t len = (next8(script) % 64 + 1u) * 8 - (shape & 2 ? 3 : 0);
    const unsigned offset = next8(script) * 8u;
    uint8_t *l4 = world->frame + l4_place(world, v6);
    memset(l4, 0, len + 8);
    if (v6) {
        l4[0] = SIM_UDP;
        put16(l4 + 2, offset | (shape & 4 ? 1 : 0));
        l4[7] = shape >> 6;
        put16(l4 + 10, 53);
        input(world, world->frame, wrap(world, true, 44, len + 8), 0);
        return;
    }
    put16(l4 + 2, 53);
    const size_t end = wrap(world, false, SIM_UDP, len);
    uint8_t *ip = world->frame + (world->ethernet ? 14 : 0);
    put16(ip + 4, shape >> 6);
    put16(ip + 6, offset / 8 | (shape & 4 ? 0x2000 : 0));
    const struct sim_packet packet = { .v4 = true,
                                       .fragment = true,
                                       .ip_off = world->ethernet ? 14 : 0 };
    sim_packet_fix_sums(&packet, world->frame);
    input(world, world->frame, end, 0);
}

/* An ICMP error that quotes what the instance sent last. */
static void step_icmp(struct world *world, struct script *script)
{
    const uint8_t type = next8(script);
    const uint8_t code = next8(script);
    const uint16_t value = next16(script);
    const size_t link = world->ethernet ? 14 : 0;
    if (world->last_len < link + 20)
        return;
    const bool v6 = world->last[link] >> 4 == 6;
    size_t quoted = world->last_len - link;
    const size_t most = next8(script) * 4u;
    quoted = quoted < most ? quoted : most;
    uint8_t *icmp = world->frame + l4_place(world, v6);
    memset(icmp, 0, 8);
    icmp[0] = type;
    icmp[1] = code;
    put16(icmp + 6, value);
    memcpy(icmp + 8, world->last + link, quoted);
    const uint8_t proto = v6 ? SIM_ICMP6 : SIM_ICMP4;
    input_fixed(world, wrap(world, v6, proto, 8 + quoted), v6, proto);
}

static void call_open(struct world *world, struct peer *peer)
{
    const struct weir_addr remote = { .ip = address(peer->v6, 2), .port = peer->remote };
    if (weir_ready_now(world->weir, peer->handle) != 0)
        return;
    if (weir_connect(world->weir, NULL, &remote, &peer->handle, world->now) == WEIR_IN_PROGRESS) {
        peer->local = 0;
        peer->seen = false;
    }
}

static void call_accept(struct world *world)
{
    weir_handle handle;
    while (weir_accept(world->weir, world->listener, &handle, world->now) == WEIR_OK) {
        struct weir_status status;
        if (weir_status(world->weir, handle, &status) != WEIR_OK)
            broken("an accepted connection without status");
        struct peer *owner = NULL;
        for (unsigned i = 0; i < PEERS; i++)
            if (world->peer[i].remote == status.remote.port)
                owner = &world->peer[i];
        if (owner == NULL || weir_status(world->weir, owner->handle, &status) == WEIR_OK)
            (void)weir_release(world->weir, handle, world->now);
        else
            owner->handle = handle;
    }
}

static void call_receive(struct world *world, const struct peer *peer, size_t room)
{
    static uint8_t buffer[65536];
    size_t done = 0;
    const enum weir_error error =
        weir_recv(world->weir, peer->handle, buffer, room, &done, world->now);
    if (error == WEIR_OK && done > room)
        broken("recv gives more than was asked for");
    struct weir_datagram info;
    (void)weir_error_take(world->weir, peer->handle);
    while (weir_udp_recv(world->weir, world->udp, buffer, sizeof buffer, &info) == WEIR_OK)
        continue;
    while (weir_udp_recv(world->weir, world->ping, buffer, sizeof buffer, &info) == WEIR_OK)
        continue;
}

static void call_send(struct world *world, const struct peer *peer, size_t len, unsigned flags)
{
    static const uint8_t zeros[65536];
    size_t done = 0;
    const enum weir_error error =
        weir_send(world->weir, peer->handle, zeros, len, flags & 7, &done, world->now);
    if (error == WEIR_OK && done > len)
        broken("send takes more than it was given");
}

static void call_datagram(struct world *world, bool v6, size_t len)
{
    static const uint8_t zeros[65536];
    const struct weir_addr to = { .ip = address(v6, 2), .port = 53 };
    enum weir_error error = weir_udp_send(world->weir, world->udp, &to, zeros, len, world->now);
    if (error != WEIR_BAD_HANDLE)
        error = weir_ping_send(world->weir, world->ping, &to.ip, 1, zeros, len / 2, world->now);
    if (error >= WEIR_ERROR_COUNT)
        broken("an error without a name");
}

static void step_call(struct world *world, struct script *script)
{
    struct peer *peer = &world->peer[next8(script) % PEERS];
    const uint8_t what = next8(script);
    switch (what % 10) {
    case 0:
        call_receive(world, peer, next16(script));
        break;
    case 1:
        call_send(world, peer, next16(script), what >> 4);
        break;
    case 2:
        (void)weir_shutdown(world->weir, peer->handle, world->now);
        break;
    case 3:
        (void)weir_abort(world->weir, peer->handle, world->now);
        break;
    case 4:
        (void)weir_release(world->weir, peer->handle, world->now);
        break;
    case 5:
        call_open(world, peer);
        break;
    case 6:
        call_accept(world);
        break;
    case 7:
        (void)weir_set(world->weir, peer->handle, next8(script) % WEIR_OPT_COUNT,
                       (int64_t)next16(script) << (what >> 4), world->now);
        break;
    case 8:
        call_datagram(world, what & 16, next16(script));
        break;
    case 9: {
        struct weir_event event;
        for (unsigned i = 0; i < 100 && weir_next_event(world->weir, &event); i++)
            if (event.ready == 0)
                broken("an event that says nothing");
        break;
    }
    }
}

static void step_fault(struct world *world, struct script *script)
{
    struct weir_pool_use use[32];
    const unsigned count = weir_pools(world->weir, use, 32);
    if (count > 0)
        (void)weir_pool_fail(world->weir, use[next8(script) % (count < 32 ? count : 32)].name,
                             next8(script) % 4);
}

static void step(struct world *world, struct script *script)
{
    switch (next8(script) % 10) {
    case 0:
        step_frame(world, script);
        break;
    case 1:
    case 2:
    case 3:
        step_segment(world, script);
        break;
    case 4:
        pass_time(world, (weir_time)1 << next8(script) % 38);
        break;
    case 5:
    case 6:
        step_call(world, script);
        break;
    case 7:
        step_datagram(world, script);
        break;
    case 8:
        step_icmp(world, script);
        break;
    case 9:
        if (next8(script) % 2 == 0)
            step_fragment(world, script);
        else
            step_fault(world, script);
        break;
    }
    drain(world);
    weir_check(world->weir);
}

/* ---- The instance ---- */

static void configure(struct weir_config *config, uint8_t options)
{
    weir_config_default(config);
    config->tcp_max = 12;
    config->listener_max = 4;
    config->synq_max = 4;
    config->tw_max = 4;
    config->flight_max = 8;
    config->sent_block_max = 16;
    config->udp_max = 4;
    config->neigh_max = 4;
    config->route_max = 8;
    config->address_max = 8;
    config->iface_max = 1;
    config->frag_max = 4;
    config->frag_octets_max = 65536;
    config->pmtu_max = 4;
    config->ring_chunk = 4096;
    config->ring_chunks = 96;
    config->reply_octets = 131072;
    config->trace_flow = 64;
    config->trace_story = 64;
    config->rcv_min = 8192;
    config->landing_min = 1;
    config->rcv_max = 131072;
    config->snd_max = 65536;
    config->ranges_max = 12;
    config->verify = true;
    config->sack = !(options & 1);
    config->timestamps = !(options & 2);
    config->wscale = !(options & 4);
    config->syncookies = !(options & 8);
    config->abort_on_overflow = options & 16;
    config->seed = 1;
    for (unsigned i = 0; i < 8; i++)
        config->secret[i] = i + 1;
}

static void must(enum weir_error error, enum weir_error wanted)
{
    if (error != wanted)
        broken(weir_error_text(error));
}

static void open_all(struct world *world)
{
    struct weir *weir = world->weir;
    const struct weir_addr any80 = { .port = 80 }, any53 = { .port = 53 };
    must(weir_listen(weir, &any80, 2, 0, &world->listener), WEIR_OK);
    must(weir_udp_open(weir, &any53, &world->udp), WEIR_OK);
    must(weir_ping_open(weir, &world->ping), WEIR_OK);
    /* 0 is established, 1 is being opened, 2..5 come to the listener, by either family. */
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *peer = &world->peer[i];
        peer->v6 = i == 4 || i == 5;
        peer->remote = (uint16_t)(4000 + i);
        peer->local = i < 2 ? 0 : 80;
        peer->rcv = 0xfffffff0u;
        if (i < 2)
            call_open(world, peer);
    }
    drain(world);
    uint8_t syn_ack[] = { 0, SIM_SYN | SIM_ACK, 8, 4 };
    struct script script = { syn_ack, syn_ack + sizeof syn_ack };
    step_segment(world, &script);
    drain(world);
}

static void start(struct world *world, void *memory, size_t room, uint8_t options)
{
    struct weir_config config;
    configure(&config, options);
    const size_t size = weir_memory_size(&config);
    if (size == 0 || size > room)
        broken("the configuration is refused");
    must(weir_init(&world->weir, memory, size, &config, 0), WEIR_OK);
    world->ethernet = !(options & 32);
    world->csum_ok = options & 64;
    struct weir_iface_config iface = { .medium = world->ethernet ? WEIR_ETHERNET : WEIR_IP_ONLY,
                                       .mtu = MTU,
                                       .no_dad = true,
                                       .csum_offload = options & 128,
                                       .tso = options & 128,
                                       .slaac = true };
    memcpy(iface.mac, our_mac, 6);
    const struct weir_ip ip4 = address(false, 1), ip6 = address(true, 1);
    must(weir_iface_add(world->weir, &iface, &world->iface, 0), WEIR_OK);
    must(weir_address_add(world->weir, world->iface, &ip4, 24, 0), WEIR_OK);
    must(weir_address_add(world->weir, world->iface, &ip6, 64, 0), WEIR_OK);
    open_all(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    static void *memory;
    static const size_t room = 4u << 20;
    if (memory == NULL)
        memory = aligned_alloc(64, room);
    if (memory == NULL)
        abort();
    struct script script = { data, data + size };
    memset(&world, 0, sizeof world);
    start(&world, memory, room, next8(&script));
    for (unsigned i = 0; i < STEPS_MAX && script.at < script.end; i++)
        step(&world, &script);
    pass_time(&world, 200 * WEIR_SECOND);
    weir_check(world.weir);
    return 0;
}
