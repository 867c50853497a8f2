/* SPDX-License-Identifier: MIT */
#include "sim/purpose.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

/* The way from one host to the others: a device that cuts, a bottleneck with a queue, a router
 * whose next link may have a smaller MTU, and then everything that can befall a frame. In the
 * liveness phase only rate and delay remain. */

void sim_link_init(struct sim *sim, unsigned h)
{
    struct sim_link *link = &sim->link[h];
    prng_init(&link->loss, sim->seed, SIM_PURPOSE_LOSS, h);
    prng_init(&link->burst, sim->seed, SIM_PURPOSE_BURST, h);
    prng_init(&link->reorder, sim->seed, SIM_PURPOSE_REORDER, h);
    prng_init(&link->duplicate, sim->seed, SIM_PURPOSE_DUPLICATE, h);
    prng_init(&link->corrupt, sim->seed, SIM_PURPOSE_CORRUPT, h);
    prng_init(&link->jitter, sim->seed, SIM_PURPOSE_JITTER, h);
    prng_init(&link->forge, sim->seed, SIM_PURPOSE_FORGE, h);
    prng_init(&link->mark, sim->seed, SIM_PURPOSE_MARK, h);
    link->mtu = UINT16_MAX;
}

struct sim_frame *sim_frame_new(const uint8_t *data, size_t len)
{
    struct sim_frame *frame = calloc(1, sizeof *frame + len);
    if (frame == NULL)
        abort();
    frame->len = (uint32_t)len;
    memcpy(frame->data, data, len);
    return frame;
}

static struct sim_frame *copy_of(const struct sim_frame *frame)
{
    struct sim_frame *copy = sim_frame_new(frame->data, frame->len);
    copy->gso_size = frame->gso_size;
    copy->corrupt = frame->corrupt;
    copy->partial = frame->partial;
    copy->from = frame->from;
    copy->incarnation = frame->incarnation;
    return copy;
}

static bool lost(struct sim *sim, struct sim_link *link, const struct sim_link_plan *plan)
{
    if (sim->calm)
        return false;
    if (plan->burst_enter != 0) {
        if (prng_chance(&link->burst, link->bad ? plan->burst_leave : plan->burst_enter))
            link->bad = !link->bad;
        if (link->bad && prng_chance(&link->burst, plan->burst_loss))
            return true;
    }
    return prng_chance(&link->loss, plan->loss);
}

/* Flips one bit, or up to fifteen bits that lie together: what the Internet checksum is sure to
 * find. Link headers have a stronger sum of their own, and the first octets of an IPv6 header have
 * none, so both are left alone. */
static void corrupt(struct sim *sim, struct sim_link *link, struct sim_frame *frame)
{
    struct sim_packet packet;
    const bool ethernet = !sim->plan.ip_only;
    if (sim_packet_parse(&packet, frame->data, frame->len, ethernet) != NULL || packet.arp)
        return;
    /* At most one fragment of a datagram: flips in two may cancel each other out in the sum. */
    if (packet.frag_off > 0)
        return;
    unsigned from = packet.ip_off;
    if (!packet.v4)
        from = packet.fragment ? packet.l4_off : packet.ip_off + 8;
    if (frame->len <= from + 2)
        return;
    const uint32_t bits = (frame->len - from) * 8 - 16;
    const uint32_t first = prng_below(&link->corrupt, bits);
    uint32_t pattern = 1;
    if (prng_below(&link->corrupt, 2) == 0)
        pattern = 1 + prng_below(&link->corrupt, 0x7ffe);
    for (uint32_t i = 0; i < 15; i++) {
        const uint32_t bit = first + i;
        if ((pattern >> i & 1) != 0)
            frame->data[from + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
    }
    frame->corrupt = true;
    link->corrupted++;
}

static bool is_for(const struct sim *sim, unsigned to, const struct sim_frame *frame)
{
    const uint8_t *p = frame->data;
    if (sim->plan.host_count == 2)
        return true;
    if (!sim->plan.ip_only)
        return (p[0] & 1) != 0 || memcmp(p, sim->plan.host[to].iface.mac, 6) == 0;
    if (p[0] >> 4 == 4)
        return p[16] >= 224 || p[16] == 255 || p[19] == to + 1;
    return p[24] == 0xff || p[39] == to + 1;
}

/* To every host the switch would send it to. */
static void deliver(struct sim *sim, unsigned h, struct sim_frame *frame, weir_time at)
{
    for (unsigned to = 0; to < sim->plan.host_count; to++)
        if (to != h && is_for(sim, to, frame))
            sim_queue_add_frame(&sim->queue, at, to, copy_of(frame));
    free(frame);
}

/* When the frame arrives at the far end. Order is kept but for those that are held back. */
static weir_time arrival(struct sim *sim, unsigned h, weir_time departure)
{
    struct sim_link *link = &sim->link[h];
    const struct sim_link_plan *plan = &sim->plan.link[h];
    weir_time at = departure + plan->delay;
    if (sim->calm)
        return link->last = at > link->last ? at : link->last;
    if (plan->jitter > 0)
        at += prng_below(&link->jitter, (uint32_t)plan->jitter);
    if (plan->reorder != 0 && prng_chance(&link->reorder, plan->reorder))
        return at + prng_below(&link->reorder, (uint32_t)plan->reorder_by);
    return link->last = at > link->last ? at : link->last;
}

/* The time at which the last octet has left the bottleneck, or -1 if its queue is full. */
static weir_time departure(struct sim *sim, unsigned h, size_t len)
{
    struct sim_link *link = &sim->link[h];
    const struct sim_link_plan *plan = &sim->plan.link[h];
    if (plan->rate == 0)
        return sim->now;
    const weir_time begins = link->busy_until > sim->now ? link->busy_until : sim->now;
    const uint64_t waits = (uint64_t)(begins - sim->now) * plan->rate / (uint64_t)WEIR_SECOND;
    if (waits > plan->queue)
        return -1;
    link->busy_until = begins + (weir_time)((uint64_t)len * (uint64_t)WEIR_SECOND / plan->rate);
    return link->busy_until;
}

/* Too long for the next link: the router behind the device says so, or keeps silent. */
static bool too_big(struct sim *sim, unsigned h, const struct sim_frame *frame,
                    const struct sim_packet *packet)
{
    const uint16_t mtu = sim->link[h].mtu;
    unsigned len = packet->ip_len;
    if (frame->gso_size != 0)
        len = packet->data_off - packet->ip_off + frame->gso_size;
    if (packet->arp || len <= mtu)
        return false;
    uint8_t message[1300];
    const bool silent = sim->plan.link[h].mtu_silent;
    const size_t size =
        silent ? 0 : sim_packet_too_big(packet, frame->data, mtu, !sim->plan.ip_only, message);
    if (size > 0) {
        struct sim_frame *reply = sim_frame_new(message, size);
        reply->from = h;
        sim_capture_frame(sim, h, reply, "router: packet too big");
        sim_queue_add_frame(&sim->queue, sim->now + sim->plan.link[h].delay, h, reply);
    }
    return true;
}

static void carry_one(struct sim *sim, unsigned h, struct sim_frame *frame)
{
    struct sim_link *link = &sim->link[h];
    const struct sim_link_plan *plan = &sim->plan.link[h];
    const weir_time leaves = departure(sim, h, frame->len);
    link->sent++;
    if (leaves < 0 || lost(sim, link, plan)) {
        link->lost++;
        sim_capture_frame(sim, h, frame, leaves < 0 ? "link: queue full" : "link: lost");
        free(frame);
        return;
    }
    if (!sim->calm && prng_chance(&link->duplicate, plan->duplicate))
        deliver(sim, h, copy_of(frame), arrival(sim, h, leaves));
    struct sim_packet packet;
    if (!sim->calm && prng_chance(&link->mark, plan->mark) &&
        sim_packet_parse(&packet, frame->data, frame->len, !sim->plan.ip_only) == NULL)
        sim_packet_mark(&packet, frame->data);
    if (!sim->calm && prng_chance(&link->corrupt, plan->corrupt))
        corrupt(sim, link, frame);
    deliver(sim, h, frame, arrival(sim, h, leaves));
}

/* A stranger's reset that lies in the window but not at RCV.NXT, or an ACK of what was never sent
 * (RFC 5961). Either may earn an answer, and may harm nothing. Nobody hears it as the sender's: its
 * incarnation is 0. */
static void forge(struct sim *sim, unsigned h, const struct sim_frame *frame,
                  const struct sim_packet *packet)
{
    struct sim_link *link = &sim->link[h];
    if (packet->arp || packet->proto != SIM_TCP || packet->frag_off != 0 ||
        (packet->flags & (SIM_SYN | SIM_RST)) || !(packet->flags & SIM_ACK))
        return;
    if (sim->calm || !prng_chance(&link->forge, sim->plan.link[h].forge))
        return;
    const struct sim_flow *flow = sim_flow_find(sim, packet, false);
    if (flow == NULL)
        return;
    struct sim_forgery forgery = { .seq = packet->seq, .ack = packet->ack, .flags = SIM_ACK };
    if (prng_below(&link->forge, 2) == 0) {
        forgery.flags = SIM_RST;
        forgery.ack = 0;
        forgery.seq = flow->max + 1 + prng_below(&link->forge, 2000);
    } else {
        forgery.ack += UINT32_C(1) << 29;
    }
    const size_t len = sim_packet_forge(packet, frame->data, &forgery, sim->scratch);
    struct sim_frame *lie = sim_frame_new(sim->scratch, len);
    lie->from = h;
    sim_capture_frame(sim, h, lie, "forged");
    carry_one(sim, h, lie);
}

void sim_link_carry(struct sim *sim, unsigned h, struct sim_frame *frame, const char *why)
{
    struct sim_packet packet;
    const bool ethernet = !sim->plan.ip_only;
    sim_capture_frame(sim, h, frame, why);
    const bool known = sim_packet_parse(&packet, frame->data, frame->len, ethernet) == NULL;
    if (known && too_big(sim, h, frame, &packet)) {
        sim->link[h].dropped++;
        free(frame);
        return;
    }
    if (known)
        forge(sim, h, frame, &packet);
    if (frame->gso_size == 0 || sim->plan.superframes || !known) {
        carry_one(sim, h, frame);
        return;
    }
    for (unsigned piece = 0;; piece++) {
        const size_t len =
            sim_packet_cut(&packet, frame->data, frame->gso_size, piece, sim->scratch);
        if (len == 0)
            break;
        struct sim_frame *part = sim_frame_new(sim->scratch, len);
        part->from = frame->from;
        part->incarnation = frame->incarnation;
        carry_one(sim, h, part);
    }
    free(frame);
}
