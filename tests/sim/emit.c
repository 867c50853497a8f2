/* SPDX-License-Identifier: MIT */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

/* Every frame an instance emits passes here: it is put together, hashed, read by the strict parser,
 * judged, and sent on. */

#define FNV_PRIME UINT64_C(0x100000001b3)

static void hash_octet(struct sim *sim, uint8_t octet)
{
    sim->hash = (sim->hash ^ octet) * FNV_PRIME;
}

static void hash_number(struct sim *sim, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        hash_octet(sim, (uint8_t)(value >> shift));
}

static void hash_frame(struct sim *sim, unsigned h, const uint8_t *data, size_t len)
{
    hash_number(sim, (uint64_t)sim->now);
    hash_number(sim, h);
    hash_number(sim, len);
    for (size_t i = 0; i < len; i++)
        hash_octet(sim, data[i]);
}

/* Head and spans in one piece. Returns the length, or 0 if it cannot be. */
static size_t gather(struct sim *sim, unsigned h, const struct weir_out *out)
{
    size_t len = out->head_len;
    if (len > WEIR_HEAD_MAX || out->span_count > WEIR_SPANS) {
        sim_fail(sim, "host %u: a frame of %zu octets of head and %u spans", h, len,
                 out->span_count);
        return 0;
    }
    memcpy(sim->scratch, out->head, len);
    for (unsigned i = 0; i < out->span_count; i++) {
        if (len + out->span[i].len > sizeof sim->scratch) {
            sim_fail(sim, "host %u: a frame of more than %zu octets", h, sizeof sim->scratch);
            return 0;
        }
        memcpy(sim->scratch + len, out->span[i].base, out->span[i].len);
        len += out->span[i].len;
    }
    return len;
}

static bool check_offload(struct sim *sim, unsigned h, const struct weir_out *out, size_t len)
{
    const struct weir_iface_config *iface = &sim->plan.host[h].iface;
    if (out->csum_start != 0 && !iface->csum_offload) {
        sim_fail(sim, "host %u: a sum is left to a device that does none", h);
        return false;
    }
    if (out->gso_size != 0 && (!iface->tso || out->csum_start == 0)) {
        sim_fail(sim, "host %u: a frame of %zu octets is to be cut by a device that cannot", h,
                 len);
        return false;
    }
    if (out->csum_start != 0 && (size_t)out->csum_start + out->csum_offset + 2 > len) {
        sim_fail(sim, "host %u: the sum lies outside the frame", h);
        return false;
    }
    return true;
}

/* INV 12, 34: lengths that the interface can carry, sums that are right. */
static void check_packet(struct sim *sim, unsigned h, const struct sim_packet *packet,
                         const struct weir_out *out)
{
    const unsigned mtu = sim->plan.host[h].iface.mtu;
    if (packet->arp)
        return;
    unsigned len = packet->ip_len;
    if (out->gso_size != 0)
        len = packet->data_off - packet->ip_off + out->gso_size;
    if (out->gso_size != 0 && (packet->proto != SIM_TCP || packet->data_len <= out->gso_size))
        sim_fail(sim, "INV 12: host %u: %u octets to be cut by %u", h, packet->data_len,
                 out->gso_size);
    if (len > mtu)
        sim_fail(sim, "INV 12: host %u: a packet of %u octets, mtu %u", h, len, mtu);
    if (!sim_packet_sum_ok(packet, sim->scratch))
        sim_fail(sim, "INV 34: host %u: wrong transport sum (protocol %u, %s)", h, packet->proto,
                 weir_why_text(out->why));
    if (out->transport_off != 0 && packet->frag_off == 0 && out->transport_off != packet->l4_off &&
        (packet->proto == SIM_TCP || packet->proto == SIM_UDP))
        sim_fail(sim, "host %u: transport_off %u is %u", h, out->transport_off, packet->l4_off);
}

/* INV 36: no error about an error, a reset, a later fragment or a group address; never more answers
 * than questions. */
static void check_answer(struct sim *sim, unsigned h, const struct sim_packet *packet,
                         const struct weir_out *out)
{
    struct sim_host *host = &sim->host[h];
    const bool error4 =
        packet->proto == SIM_ICMP4 &&
        (packet->icmp_type == 3 || packet->icmp_type == 11 || packet->icmp_type == 12);
    const bool error6 = packet->proto == SIM_ICMP6 && packet->icmp_type < 128;
    if (out->why == WEIR_WHY_RST_REPLY)
        host->answers++;
    if (packet->arp || packet->frag_off != 0 || !(error4 || error6))
        return;
    host->answers++;
    if (host->answers > host->answerable)
        sim_fail(sim, "INV 36: host %u: more answers than packets that ask for one", h);
    if (packet->l4_len < 8 + 20u)
        return;
    const uint8_t *quote = sim->scratch + packet->l4_off + 8;
    const bool v4 = quote[0] >> 4 == 4;
    const uint8_t type = v4 ? quote[(quote[0] & 15) * 4] : quote[40];
    if (v4 && quote[9] == SIM_ICMP4 && (type == 3 || type == 11 || type == 12))
        sim_fail(sim, "INV 36: host %u: an icmp error about an icmp error", h);
    if (!v4 && packet->l4_len > 48 && quote[6] == SIM_ICMP6 && type < 128)
        sim_fail(sim, "INV 36: host %u: an icmpv6 error about an icmpv6 error", h);
    if (v4 ? quote[16] >= 224 : quote[24] == 0xff)
        sim_fail(sim, "INV 36: host %u: an icmp error about a group address", h);
}

static void print_frame(const struct sim *sim, unsigned h, const struct sim_packet *packet,
                        const struct weir_out *out)
{
    printf("# %12.6f ms host %u", (double)(sim->now - sim->plan.start) / 1e6, h);
    if (packet->arp)
        printf(" arp");
    else if (packet->proto == SIM_TCP)
        printf(" v%u %u>%u %s%s%s%s%s%s seq %u..%u ack %u win %u", packet->v4 ? 4 : 6,
               packet->sport, packet->dport, packet->flags & SIM_SYN ? "S" : "",
               packet->flags & SIM_FIN ? "F" : "", packet->flags & SIM_RST ? "R" : "",
               packet->flags & SIM_PSH ? "P" : "", packet->flags & SIM_ACK ? "." : "",
               packet->flags & SIM_URG ? "U" : "", packet->seq, packet->seq + packet->data_len,
               packet->ack, packet->window);
    else
        printf(" v%u protocol %u, %u octets", packet->v4 ? 4 : 6, packet->proto, packet->ip_len);
    for (unsigned i = 0; i < packet->sack_count; i++)
        printf(" sack %u-%u", packet->sack[i][0], packet->sack[i][1]);
    printf(" [%s]\n", weir_why_text(out->why));
}

static unsigned judge(struct sim *sim, unsigned h, const struct sim_packet *packet,
                      const struct weir_out *out)
{
    check_packet(sim, h, packet, out);
    check_answer(sim, h, packet, out);
    if (packet->proto != SIM_TCP || packet->arp || packet->frag_off != 0)
        return 0;
    sim_flow_emitted(sim, h, packet, sim->scratch, out);
    const struct sim_flow *flow = sim_flow_find(sim, packet, false);
    return flow != NULL ? flow->incarnation : 0;
}

void sim_emit(struct sim *sim, unsigned h, const struct weir_out *out)
{
    const size_t len = gather(sim, h, out);
    if (len == 0 || !check_offload(sim, h, out, len))
        return;
    hash_frame(sim, h, sim->scratch, len);
    sim->frames++;
    sim->octets += len;

    const bool partial = sim->plan.partial_sums && out->csum_start != 0;
    uint8_t field[2] = { 0, 0 };
    if (out->csum_start != 0) {
        memcpy(field, sim->scratch + out->csum_start + out->csum_offset, 2);
        sim_packet_complete(sim->scratch, len, out->csum_start, out->csum_offset);
    }
    struct sim_packet packet;
    const char *wrong = sim_packet_parse(&packet, sim->scratch, len, !sim->plan.ip_only);
    if (wrong != NULL) {
        sim_fail(sim, "INV 34: host %u emits a frame that does not parse: %s (%s)", h, wrong,
                 weir_why_text(out->why));
        return;
    }
    if (sim->verbose)
        print_frame(sim, h, &packet, out);
    const unsigned incarnation = judge(sim, h, &packet, out);
    if (partial)
        memcpy(sim->scratch + out->csum_start + out->csum_offset, field, 2);
    struct sim_frame *frame = sim_frame_new(sim->scratch, len);
    frame->gso_size = out->gso_size;
    frame->partial = partial;
    frame->from = h;
    frame->incarnation = incarnation;
    sim_link_carry(sim, h, frame, weir_why_text(out->why));
}
