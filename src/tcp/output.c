/* SPDX-License-Identifier: MIT */
/* What the next segment is, and why. The plan is a pure function of the TCB; only commit changes
 * it, once a driver has the frame.
 *
 * Order: reset, handshake, challenge, what is lost, new octets, probes, and an acknowledgement only
 * if nothing else has carried it. */
#include "tcp/fastopen.h"
#include "tcp/tally.h"
#include "tcp/tcp.h"
#include "weir/stack.h"

/* ---- Parts of a plan ---- */

static void fill_ack(const struct tcb *tcb, weir_time now, struct tcp_plan *plan)
{
    plan->flags |= TCP_ACK;
    plan->ack = tcb->rcv.nxt;
    plan->wnd = tcp_window(tcb, false, &plan->edge);
    if (tcb->ts_ok) {
        plan->opts.present |= TCP_OPT_TS;
        plan->opts.tsval = tcp_ms(tcb->host, now) + tcb->ts_offset;
        plan->opts.tsecr = tcb->ts_recent;
    }
    unsigned room = TCP_HEAD_MAX - TCP_HEAD_MIN - tcp_auth_len(tcb);
    room -= tcb->ts_ok ? TCP_TS_OPT_LEN : 0u;
    if (tcb->extra != 0)
        room = tcp_extra_fill(tcb, &plan->opts, room);
    tcp_sack_option(tcb, &plan->opts, room);
    const struct tcb_flight *flight = tcb_flight(tcb);
    plan->dsacks = flight != NULL && flight->dsack_count > 0 && (plan->opts.present & TCP_OPT_SACK);
    tcp_ecn_fill(tcb, plan);
}

static void fill_head(const struct tcb *tcb, struct tcp_plan *plan)
{
    if (tcb->is_signed)
        plan->opts.present |= tcb->has_ao ? TCP_OPT_AO : TCP_OPT_AUTH;
    plan->head_len = (uint8_t)wire_tcp_head_len(&plan->opts);
}

/* Options beyond those of all segments leave less room for payload than MSS says. */
static uint32_t payload_max(const struct tcb *tcb, const struct tcp_plan *plan)
{
    const uint32_t base = TCP_HEAD_MIN + tcp_options_len(tcb);
    return plan->head_len > base ? tcb->mss - (plan->head_len - base) : tcb->mss;
}

static void start(struct tcp_plan *plan, enum weir_why why, seq32 seq)
{
    *plan = (struct tcp_plan){ .why = (uint16_t)why, .seq = seq };
}

WEIR_COLD static bool plan_rst(const struct tcb *tcb, weir_time now, struct tcp_plan *plan)
{
    if (!tcb->rst_owed)
        return false;
    /* What nobody can read any more is answered by its own number, as from a port that is closed
     * (RFC 9293, 3.10.7.1): it is what the peer believes, also if our FIN has not come. */
    const bool answer = tcb->cause == WEIR_CAUSE_DATA_AFTER_CLOSE;
    start(plan, WEIR_WHY_RST, answer ? tcb->snd.una : tcb->snd.nxt);
    if (!answer)
        fill_ack(tcb, now, plan);
    plan->opts.present &= (uint16_t) ~(TCP_OPT_SACK | TCP_OPT_UTO | TCP_OPT_ACC);
    plan->dsacks = 0;
    plan->flags |= TCP_RST;
    plan->wnd = 0;
    fill_head(tcb, plan);
    return true;
}

/* Our SYN, or SYN-ACK of a simultaneous open. */
static bool plan_syn(const struct tcb *tcb, weir_time now, struct tcp_plan *plan)
{
    if (tcb->snd.nxt != tcb->iss && !(tcb->due & TCP_DUE_SYN))
        return false;
    const struct weir_config *config = tcb->host->config;
    const bool answer = tcb->state != WEIR_SYN_SENT;
    const bool again = tcb->probes > 0 || (!answer && tcb->syn_rtx); /* counts SYNs sent again */
    start(plan,
          answer ? (again ? WEIR_WHY_RTX_SYN_ACK : WEIR_WHY_SYN_ACK)
                 : (again ? WEIR_WHY_RTX_SYN : WEIR_WHY_SYN),
          tcb->iss);
    if (answer)
        fill_ack(tcb, now, plan);
    plan->flags |= TCP_SYN;
    if (!answer && !again)
        plan->flags |= tcp_ecn_syn(tcb); /* RFC 3168, 6.1.1.1: again without, if it was dropped */
    plan->fresh = true;
    plan->opts.present = TCP_OPT_MSS;
    plan->opts.mss = tcb->maxseg != 0 && tcb->maxseg < tcb->path_mss ? tcb->maxseg : tcb->path_mss;
    if (answer ? tcb->ws_ok : config->wscale)
        plan->opts.present |= TCP_OPT_WSCALE;
    if (answer ? tcb->sack_ok : config->sack)
        plan->opts.present |= TCP_OPT_SACK_OK;
    if (answer ? tcb->ts_ok : config->timestamps)
        plan->opts.present |= TCP_OPT_TS;
    plan->opts.wscale = tcb->rcv_wscale;
    plan->opts.tsval = tcp_ms(tcb->host, now) + tcb->ts_offset;
    plan->opts.tsecr = answer ? tcb->ts_recent : 0;
    plan->wnd = tcp_window(tcb, true, &plan->edge);
    if (!answer)
        plan->len = tcp_fast_fill(tcb, &plan->opts);
    if (!(plan->opts.present & TCP_OPT_FASTOPEN) && tcp_auth_len(tcb) <= TCP_AO_LEN)
        tcp_uto_fill(tcb, &plan->opts);
    fill_head(tcb, plan);
    return true;
}

/* A device does not know how to cut what a flag of the first segment alone must say (5.2a). */
static void one_segment(const struct tcb *tcb, struct tcp_plan *plan)
{
    if (plan->len > payload_max(tcb, plan))
        plan->len = payload_max(tcb, plan);
}

/* Urgent data is ahead: the pointer names the octet after it (RFC 9293 MUST-62). */
static void fill_urgent(const struct tcb *tcb, struct tcp_plan *plan)
{
    if (!tcb->snd_urg || !seq_gt(tcb->snd.up, plan->seq))
        return;
    const uint32_t ahead = tcb->snd.up - plan->seq;
    plan->flags |= TCP_URG;
    plan->urg = ahead > UINT16_MAX ? UINT16_MAX : (uint16_t)ahead;
    one_segment(tcb, plan);
}

static bool plan_bare(const struct tcb *tcb, enum weir_why why, seq32 seq, weir_time now,
                      struct tcp_plan *plan)
{
    start(plan, why, seq);
    fill_ack(tcb, now, plan);
    fill_head(tcb, plan);
    fill_urgent(tcb, plan); /* "carried in all segments": also by a probe of a closed window */
    return true;
}

/* Payload, PSH, FIN and segmentation of a plan that carries [seq, seq + octets). */
static void fill_text(const struct tcb *tcb, struct tcp_plan *plan, uint32_t octets, bool fin,
                      weir_time now)
{
    const uint32_t max = payload_max(tcb, plan);
    plan->len = octets;
    fill_urgent(tcb, plan);
    if (plan->flags & TCP_CWR)
        one_segment(tcb, plan);
    if (plan->len < octets)
        fin = false;
    if (plan->len > max)
        plan->gso_size = (uint16_t)max;
    if (plan->fresh)
        plan->pushed = plan->len > 0 && push_ends(tcb, plan->len);
    if (plan->fresh ? plan->pushed : sb_push(tcb, plan->seq, plan->len, now))
        plan->flags |= TCP_PSH;
    if (fin)
        plan->flags |= TCP_FIN;
}

/* ---- Retransmission ---- */

static enum weir_why rtx_why(const struct tcb *tcb)
{
    if (tcb->recovery == TCP_LOSS)
        return WEIR_WHY_RTX_RTO;
    if (tcb->recovery == TCP_OPEN)
        return tcb->text_again ? WEIR_WHY_RTX_SYN_TEXT : WEIR_WHY_RTX_PMTU;
    if (rack_on(tcb))
        return WEIR_WHY_RTX_RACK;
    return tcb->rtx_force || !tcb->sack_ok ? WEIR_WHY_RTX_FAST : WEIR_WHY_RTX_SACK;
}

/* RFC 9293 SHLD-16: what of [seq, seq + len) still fits into a window that shrank. The first
 * segment goes in any case: at a closed window it is the probe (MUST-35). */
static uint32_t within_window(const struct tcb *tcb, seq32 seq, uint32_t len)
{
    const seq32 edge = tcb->snd.una + tcb->snd.wnd;
    if (seq_leq(seq + len, edge))
        return len;
    const uint32_t whole = seq_lt(seq, edge) ? (edge - seq) / tcb->mss * tcb->mss : 0;
    if (whole > 0 || seq != tcb->snd.una)
        return whole;
    return len < tcb->mss ? len : tcb->mss;
}

static bool memory_for_new(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return pool_free_count(tcb->host->flights) > 0;
    return sent_can_push(&flight->map, &tcb->host->sent);
}

/* RFC 5682, 3.1, step 2b: after a timeout that may have been spurious something new goes first, if
 * it can, and what was taken for lost waits for what comes back. */
static bool frto_holds(const struct tcb *tcb, const struct tcp_env *env)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->frto != FRTO_NEW)
        return false;
    if (seq_gt(tcb->snd.nxt, flight->recovery_point))
        return true;
    struct tcp_chance chance;
    tcp_send_chance(tcb, env->gso_max, &chance);
    return chance.len > 0 && memory_for_new(tcb);
}

/* RFC 8985, 7.3, TLP_send_probe: something new if the peer's window has room, whatever cwnd says,
 * else the last segment again. */
static bool plan_probe(const struct tcb *tcb, weir_time now, struct tcp_plan *plan)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || !flight->tlp.due)
        return false;
    const seq32 edge = tcb->snd.una + tcb->snd.wnd;
    const uint32_t window = seq_gt(edge, tcb->snd.nxt) ? edge - tcb->snd.nxt : 0;
    seq32 seq = tcb->snd.nxt;
    uint32_t len = push_record(tcb, tcp_unsent(tcb));
    len = len < tcb->mss ? len : tcb->mss;
    const bool fresh = len > 0 && len <= window && memory_for_new(tcb);
    if (!fresh && !sb_last(tcb, &seq, &len))
        return false;
    start(plan, fresh ? WEIR_WHY_NEW_TLP : WEIR_WHY_RTX_TLP, seq);
    fill_ack(tcb, now, plan);
    fill_head(tcb, plan);
    plan->fresh = fresh;
    const uint32_t max = payload_max(tcb, plan);
    if (len > max)
        len = max;
    const bool fin = !fresh && tcp_fin_sent(tcb) && seq + len == tcb->snd.nxt;
    plan->len = len;
    if (fresh)
        tcp_ecn_fill_new(tcb, plan);
    fill_text(tcb, plan, len - (fin ? 1u : 0u), fin, now);
    return true;
}

static bool plan_rtx(const struct tcb *tcb, const struct tcp_env *env, weir_time now,
                     struct tcp_plan *plan)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if ((flight == NULL || flight->lost == 0) && tcb->recovery != TCP_RECOVERY)
        return false;
    seq32 seq;
    uint32_t len;
    const uint32_t pipe = sb_pipe(tcb);
    uint32_t room = tcb->cc.cwnd > pipe ? tcb->cc.cwnd - pipe : 0;
    if (frto_holds(tcb, env))
        return false;
    if (!sb_next_rtx(tcb, &seq, &len)) {
        if (tcb->recovery != TCP_RECOVERY || !tcb->sack_ok || rack_on(tcb) || room < tcb->mss ||
            tcp_unsent(tcb) > 0 || !sb_rescue(tcb, &seq, &len))
            return false;
    } else {
        const uint32_t begun = sb_begun(tcb, seq); /* in flight, and in no count yet */
        room = room > begun ? room - begun : 0;
        if (tcb->rtx_force && room < tcb->mss)
            room = tcb->mss;
    }
    len = within_window(tcb, seq, len);
    if (len == 0 || (room < tcb->mss && room < len))
        return false;
    start(plan, rtx_why(tcb), seq);
    fill_ack(tcb, now, plan);
    fill_head(tcb, plan);
    const uint32_t max = payload_max(tcb, plan);
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): TCP_MSS_FLOOR is more than options are. */
    const uint32_t gso = env->gso_max > max ? env->gso_max / max * max : max;
    if (len > gso)
        len = gso;
    if (len > room && len > max)
        len = room / max * max > 0 ? room / max * max : max;
    const bool fin = tcp_fin_sent(tcb) && seq + len == tcb->snd.nxt;
    fill_text(tcb, plan, len - (fin ? 1u : 0u), fin, now);
    return true;
}

/* ---- New octets ---- */

/* What the persist timer lets through although it is short: everything the window allows, at most
 * one segment. */
static uint32_t override_len(const struct tcb *tcb)
{
    if (!(tcb->due & TCP_DUE_PROBE))
        return 0;
    const seq32 edge = tcb->snd.una + tcb->snd.wnd;
    uint32_t len = seq_gt(edge, tcb->snd.nxt) ? edge - tcb->snd.nxt : 0;
    const uint32_t unsent = push_record(tcb, tcp_unsent(tcb));
    if (len > unsent)
        len = unsent;
    return len < tcb->mss ? len : tcb->mss;
}

/* What leaves within a millisecond at twice cwnd a round trip, config.frame_min at least, but no
 * more than half of cwnd. */
uint32_t tcp_frame_max(const struct tcb *tcb)
{
    const uint32_t cwnd = tcb->cc.cwnd / tcb->mss;
    const uint32_t half = cwnd > 1 ? cwnd / 2 : 1;
    const uint64_t rtt_us = (uint64_t)tcb->srtt / WEIR_US, twice = UINT64_C(2000) * cwnd;
    if (rtt_us > 0 && twice >= half * rtt_us)
        return half; /* as the quotient would say */
    const uint64_t soon = rtt_us > 0 ? twice / rtt_us : UINT8_MAX;
    const uint32_t least = tcb->host->config->frame_min;
    const uint64_t most = soon > least ? soon : least;
    return most < half ? (uint32_t)most : half;
}

static uint32_t frame_segments(const struct tcb *tcb, const struct tcp_plan *plan)
{
    const uint32_t whole = plan->len > tcb->mss ? (plan->len - 1) / tcb->mss : 0;
    const uint32_t segments = tcb->frame + whole + (plan->len > 0);
    return segments < UINT8_MAX ? segments : UINT8_MAX;
}

/* PSH at the end of a frame tells a receiver that joins segments not to wait for another (RFC 9293,
 * 3.9.1.2 leaves it to us). A segment alone is no frame: while they leave one by one the path is
 * full, and the ACK may as well be late. So the bit is where Linux has it, whether the device cuts
 * or we do. */
static bool frame_ends(const struct tcb *tcb, const struct tcp_plan *plan, uint32_t burst)
{
    const uint32_t segments = frame_segments(tcb, plan);
    if (segments <= 1 || plan->len < tcb->mss)
        return false;
    const uint32_t left = burst > plan->len ? burst - plan->len : 0;
    return plan->gso_size > 0 || left == 0 || segments >= tcp_frame_max(tcb);
}

static bool plan_new(const struct tcb *tcb, const struct tcp_env *env, weir_time now,
                     struct tcp_plan *plan)
{
    if (!tcp_new_waits(tcb))
        return false;
    struct tcp_chance chance;
    tcp_send_chance(tcb, env->gso_max, &chance);
    if (chance.len == 0 && !chance.fin)
        chance.len = tcp_syn_acked(tcb) ? override_len(tcb) : 0;
    if ((chance.len == 0 && !chance.fin) || !memory_for_new(tcb))
        return false;
    start(plan, chance.len > 0 ? WEIR_WHY_NEW_DATA : WEIR_WHY_FIN, tcb->snd.nxt);
    fill_ack(tcb, now, plan);
    fill_head(tcb, plan);
    plan->fresh = true;
    /* SACK blocks make segments shorter: keep whole ones whole. */
    const uint32_t max = payload_max(tcb, plan);
    if (chance.len > max && max < tcb->mss) {
        uint32_t segments = env->gso_max > max ? chance.len / max : 1;
        if (segments > TCP_PLAN_SEGMENTS)
            segments = TCP_PLAN_SEGMENTS;
        const uint32_t whole = segments * max;
        chance.fin = chance.fin && whole == chance.len;
        chance.len = whole;
    }
    const uint32_t probe = chance.len > 0 ? tcp_search_probe(tcb, chance.burst, now) : 0;
    if (probe > 0 && max == tcb->mss) {
        chance.len = probe;
        chance.fin = false;
    }
    plan->len = chance.len;
    tcp_ecn_fill_new(tcb, plan);
    if (probe > 0 && chance.len == probe) {
        plan->why = WEIR_WHY_NEW_PROBE;
        return true;
    }
    fill_text(tcb, plan, chance.len, chance.fin, now);
    plan->pushed |= (tcb->due & TCP_DUE_PROBE) != 0; /* what a timer lets go, as on Linux */
    if (frame_ends(tcb, plan, chance.burst) || plan->pushed)
        plan->flags |= TCP_PSH;
    return true;
}

/* ---- The plan ---- */

static bool plan_ack(const struct tcb *tcb, weir_time now, struct tcp_plan *plan)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (tcb->owed_why != WEIR_WHY_NONE || tcb->owed_dup > 0)
        return plan_bare(tcb, tcb->owed_why != WEIR_WHY_NONE ? tcb->owed_why : WEIR_WHY_ACK_DUP,
                         tcb->snd.nxt, now, plan);
    if (flight != NULL && flight->dsack_count > 0)
        return plan_bare(tcb, WEIR_WHY_ACK_DUP, tcb->snd.nxt, now, plan);
    return false;
}

bool tcp_output_plan(const struct tcb *tcb, const struct tcp_env *env, weir_time now,
                     struct tcp_plan *plan)
{
    if (!env->path_ready)
        return false;
    if (tcb->state == WEIR_CLOSED)
        return plan_rst(tcb, now, plan);
    if (!tcp_syn_acked(tcb)) {
        if (plan_syn(tcb, now, plan))
            return true;
        if (tcb->due & TCP_DUE_CHALLENGE)
            return plan_bare(tcb, WEIR_WHY_ACK_CHALLENGE, tcb->snd.nxt, now, plan);
        if (tcb->state == WEIR_SYN_SENT)
            return false;
        return plan_new(tcb, env, now, plan) || plan_ack(tcb, now, plan);
    }
    if (tcb->due & TCP_DUE_CHALLENGE)
        return plan_bare(tcb, WEIR_WHY_ACK_CHALLENGE, tcb->snd.nxt, now, plan);
    if (plan_probe(tcb, now, plan))
        return true;
    if (!tcp_pacing_holds(tcb) && (plan_rtx(tcb, env, now, plan) || plan_new(tcb, env, now, plan)))
        return true;
    /* One octet before SND.UNA, none of its own: the peer must answer, and nothing beyond its
     * window is sent. DEVIATION: RFC 9293 3.8.6.1 asks for one octet of new data; Linux probes like
     * this, and so do we (INV 6). */
    if (tcb->due & TCP_DUE_PROBE)
        return plan_bare(tcb, WEIR_WHY_PROBE, tcb->snd.una - 1, now, plan);
    if (tcb->due & TCP_DUE_KEEPALIVE)
        return plan_bare(tcb, WEIR_WHY_KEEPALIVE, tcb->snd.una - 1, now, plan);
    return plan_ack(tcb, now, plan);
}

unsigned tcp_plan_spans(const struct tcb *tcb, const struct tcp_plan *plan, struct weir_span *span,
                        unsigned max)
{
    if (plan->len == 0)
        return 0;
    uint32_t covered;
    const seq32 seq = plan->seq + ((plan->flags & TCP_SYN) ? 1u : 0u);
    const unsigned count =
        ring_spans(tcb->host->rings, &tcb->snd_ring, seq, plan->len, span, max, &covered);
    WEIR_ASSERT(covered == plan->len);
    return count;
}

/* ---- Commit ---- */

WEIR_COLD static void commit_syn(struct tcb *tcb, const struct tcp_plan *plan, weir_time now)
{
    if (tcb->state == WEIR_SYN_SENT)
        tcp_ecn_asked(tcb, plan->flags);
    if (tcb->snd.nxt == tcb->iss)
        tcb->snd.nxt = tcb->iss + 1;
    if (plan->len > 0)
        tcb->snd.sml = plan->seq + 1 + plan->len; /* see fastopen.h */
    if (tcb->probes > 0) {                        /* counts SYNs sent again */
        tcb->segs_rtx++;
        tcp_trace(tcb)->count.segs_rtx++;
    }
    tcb->due &= (uint8_t)~TCP_DUE_SYN;
    tcb->sent_at = now;
    tcp_rtx_restart(tcb, now);
}

static bool cwnd_full(const struct tcb *tcb, uint32_t pipe)
{
    return pipe + tcb->mss > tcb->cc.cwnd;
}

/* A segment that leaves without a record (the pool failed between plan and commit) was a gift: it
 * is not counted as sent, and goes again as new data. */
static void commit_fresh(struct tcb *tcb, const struct tcp_plan *plan, weir_time now)
{
    const bool idle = tcp_outstanding(tcb) == 0;
    if (!sb_sent(tcb, plan, now))
        return;
    const uint32_t len = plan->len + ((plan->flags & TCP_FIN) ? 1u : 0u);
    tcb->snd.nxt += len;
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight->push.count > 0)
        push_left(flight, tcb->snd.nxt, &tcb->host->sent);
    if (tcp_is_short(plan->len, tcb->mss) && plan->why != WEIR_WHY_NEW_PROBE)
        tcb->snd.sml = plan->seq + plan->len;
    const uint32_t segments = frame_segments(tcb, plan);
    tcb->frame = (plan->flags & TCP_PSH) || segments >= tcp_frame_max(tcb) ? 0 : (uint8_t)segments;
    tcb->octets_out += plan->len;
    tcb->pace_at = WEIR_NEVER;
    tcb->paced_hold = tcb->defer_over = false;
    tcb->sent_at = now;
    tcp_pacing_left(tcb, plan->len, now);
    if (cwnd_full(tcb, sb_pipe_of(tcb, flight)))
        tcb->cwnd_limited = true;
    prr_sent(tcb, len);
    if (idle)
        tcp_rtx_restart(tcb, now);
    if (plan->why == WEIR_WHY_NEW_PROBE)
        tcp_search_sent(tcb, plan->seq, plan->len);
    if (plan->why == WEIR_WHY_NEW_TLP)
        tlp_sent(tcb, flight, false);
    else if (!flight->tlp.due)
        tlp_schedule(tcb, flight, now);
}

/* A superframe is as many segments as the driver makes of it. */
static uint32_t segments_of(const struct tcp_plan *plan)
{
    return plan->gso_size == 0 ? 1 : (plan->len + plan->gso_size - 1) / plan->gso_size;
}

WEIR_COLD static void commit_rtx(struct tcb *tcb, const struct tcp_plan *plan, weir_time now)
{
    const uint32_t len = plan->len + ((plan->flags & TCP_FIN) ? 1u : 0u);
    struct tcb_flight *flight = tcb_flight(tcb);
    sb_retransmitted(tcb, plan->seq, len, now);
    undo_retransmitted(tcb, plan);
    prr_sent(tcb, len);
    flight->frto = flight->frto == FRTO_NEW ? FRTO_OFF : flight->frto;
    if (plan->why == WEIR_WHY_RTX_TLP)
        tlp_sent(tcb, flight, true);
    /* The timeout is about the first segment, and that has left this very moment. */
    if (plan->seq == tcb->snd.una)
        tcp_rtx_restart(tcb, now);
    tcb->rtx_force = false;
    tcb->text_again &= flight->lost > flight->rtx;
    tcb->octets_rtx += plan->len;
    tcb->segs_rtx += segments_of(plan);
    tcb->sent_at = now;
    tcp_pacing_left(tcb, plan->len, now);
    tcp_trace(tcb)->count.segs_rtx += segments_of(plan);
    trace_story(tcp_trace(tcb), &(struct weir_record){ .when = now,
                                                       .type = WEIR_REC_RTX,
                                                       .conn = tcb->index,
                                                       .flags = (uint8_t)plan->flags,
                                                       .code = plan->why,
                                                       .seq = plan->seq,
                                                       .ack = tcb->snd.una,
                                                       .value = len });
}

static enum weir_wait waits_for(const struct tcb *tcb, const struct tcp_env *env)
{
    if (tcb->state == WEIR_CLOSED || (tcp_syn_acked(tcb) && !tcp_new_waits(tcb)))
        return WEIR_WAIT_NOTHING;
    struct tcp_chance chance;
    tcp_send_chance(tcb, env->gso_max, &chance);
    if (chance.len > 0 || chance.fin)
        return memory_for_new(tcb) ? WEIR_WAIT_OUTPUT : WEIR_WAIT_MEMORY;
    return chance.wait;
}

/* cwnd keeps octets back, new ones or lost ones: what it grows by is used (RFC 7661). */
static bool cwnd_holds(const struct tcb *tcb, const struct tcb_flight *flight)
{
    return tcb->waits_for == WEIR_WAIT_CWND || (flight != NULL && flight->lost > flight->rtx);
}

/* Whether cwnd may grow (RFC 7661): it was full in this round trip, or, in slow start, more than
 * half of it was in flight. What was said when the octets left holds until they are acknowledged:
 * the flight shrinks with every ACK, and the last one is worth as much as the first. */
static bool cwnd_counts(const struct tcb *tcb, struct tcb_flight *flight)
{
    const uint32_t pipe = sb_pipe_of(tcb, flight);
    const bool full = cwnd_holds(tcb, flight) || cwnd_full(tcb, pipe);
    if (flight == NULL)
        return full;
    const bool round = seq_geq(tcb->snd.una, flight->used_until) && tcb->snd.nxt != tcb->snd.una;
    if (round || full || (!flight->used_full && pipe > flight->used_most)) {
        flight->used_full = full;
        flight->used_most = pipe;
        flight->used_until = tcb->snd.nxt;
    }
    return flight->used_full ||
           (tcb->cc.cwnd < tcb->cc.ssthresh && flight->used_most * UINT64_C(2) > tcb->cc.cwnd);
}

/* Output has nothing more to do, and `wait` is why. */
static void rest(struct tcb *tcb, enum weir_wait wait, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    tcb->frame = 0;
    if (flight != NULL)
        flight->tlp.due = false; /* nothing could be sent: the timeout will tell */
    tcb->due = 0;
    tcb->waits_for = wait & 0xfu;
    if (tcp_pacing_holds(tcb) && tcb->waits_for == WEIR_WAIT_OUTPUT)
        tcb->waits_for = WEIR_WAIT_PACING; /* pace_at is set: it was when the last octets left */
    else
        rate_check_app_limited(tcb);
    if (tcb->waits_for == WEIR_WAIT_TSO_DEFER && tcb->pace_at == WEIR_NEVER)
        tcb->pace_at = now + tcp_defer_time(tcb);
    /* Judged here and not at the ACK: several ACKs may come before output has its turn, and all of
     * them are for octets that left under the last verdict. */
    tcb->cwnd_limited = cwnd_counts(tcb, flight);
    tcp_cc_validate(tcb, tcb->cwnd_limited, now);
    tally_limit(tcb, now);
    tcp_settle(tcb, now);
}

void tcp_output_idle(struct tcb *tcb, const struct tcp_env *env, weir_time now)
{
    if (env->path_ready)
        rest(tcb, waits_for(tcb, env), now);
    else /* what is due stays due: nothing was tried */
        tcb->waits_for = WEIR_WAIT_NEIGHBOUR;
}

/* Whether there is plainly no other plan, whatever the way: most segments are the last for now, and
 * to look for the next one would cost as much as they did. False if it takes looking to tell. */
static bool nothing_follows(const struct tcb *tcb)
{
    if (tcp_new_waits(tcb))
        return false;
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (tcb->state == WEIR_CLOSED || !tcp_syn_acked(tcb) || tcb->recovery != TCP_OPEN ||
        tcb->owed_why != WEIR_WHY_NONE || tcb->owed_dup > 0 ||
        (tcb->due & ~(TCP_DUE_DATA | TCP_DUE_ACK | TCP_DUE_RTX)) != 0)
        return false;
    return flight == NULL || (flight->lost == 0 && !flight->tlp.due && flight->dsack_count == 0);
}

void tcp_output_commit(struct tcb *tcb, const struct tcp_plan *plan, weir_time now)
{
    const uint32_t segments = segments_of(plan);
    tcb->segs_out += segments;
    if (plan->len > 0)
        tally_left(tcb, segments, now);
    if (plan->flags & TCP_RST) {
        tcb->rst_owed = false;
        tcb->due = 0;
        tcp_trace(tcb)->count.rsts_out++;
        return;
    }
    tcp_ecn_left(tcb, plan);
    if (tcb->extra != 0)
        tcp_extra_left(tcb, plan);
    if (plan->flags & TCP_SYN)
        commit_syn(tcb, plan, now);
    else if (plan->fresh)
        commit_fresh(tcb, plan, now);
    else if (plan->len > 0 || (plan->flags & TCP_FIN))
        commit_rtx(tcb, plan, now);
    if (plan->why == WEIR_WHY_ACK_CHALLENGE) {
        tcb->due &= (uint8_t)~TCP_DUE_CHALLENGE;
        tcb->challenge_ms = tcp_ms(tcb->host, now); /* it may have waited for the neighbour */
        tcp_trace(tcb)->count.challenge_acks++;
    }
    if (plan->why == WEIR_WHY_KEEPALIVE)
        tcb->due &= (uint8_t)~TCP_DUE_KEEPALIVE;
    if (plan->why == WEIR_WHY_PROBE || plan->fresh)
        tcb->due &= (uint8_t)~TCP_DUE_PROBE;
    if (plan->flags & TCP_ACK)
        tcp_ack_left(tcb, plan);
    else
        tcb->rcv.edge = plan->edge;
    tcb_flight_release(tcb);
    if (tcb->due != 0 && nothing_follows(tcb))
        rest(tcb, WEIR_WAIT_NOTHING, now);
    else
        tcp_settle(tcb, now);
}

void tcp_input_done(struct tcb *tcb, weir_time now)
{
    tcb_flight_release(tcb);
    /* With something in flight it is output that judges how full cwnd is (rest). */
    if (tcb->due != 0 && tcb->flight == POOL_NONE && nothing_follows(tcb))
        rest(tcb, WEIR_WAIT_NOTHING, now);
    else
        tcp_settle(tcb, now);
}
