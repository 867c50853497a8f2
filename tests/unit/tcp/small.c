/* SPDX-License-Identifier: MIT */
#include "tcp/small.h"

#include "base/prng.h"
#include "host.h"
#include "tap.h"

#include <string.h>

/* TIME-WAIT and FIN-WAIT-2 in 64 octets: an entry that becomes a TCB and an entry again is the
 * same, and a TCB that became small answers what it would have answered. */

static struct host host;

static void round_trip(void)
{
    struct prng prng;
    unsigned same = 0;
    prng_init(&prng, 3, 0, 0);
    for (unsigned i = 0; i < 2000; i++) {
        struct tw_entry entry = { 0 }, again;
        struct tcb scratch;
        const weir_time now = (weir_time)prng_below(&prng, 1000000) * WEIR_MS;
        entry.flags = (uint8_t)prng_below(&prng, 16);
        entry.rcv_nxt = (seq32)prng_next(&prng);
        entry.snd_nxt = (seq32)prng_next(&prng);
        entry.ts_recent = (uint32_t)prng_next(&prng);
        entry.ts_recent_age = (uint16_t)prng_next(&prng);
        entry.challenge_ms = (uint32_t)prng_next(&prng);
        entry.wnd = (uint16_t)prng_next(&prng);
        entry.scale = (entry.flags & 4) ? (uint8_t)prng_below(&prng, 15)
                                        : 0; /* without scaling there is none */
        entry.due_ms = tcp_ms(&host.tcp, now) + prng_below(&prng, 60000);
        memset(entry.peer, 7, sizeof entry.peer);
        const struct tcp_birth birth = { .host = &host.tcp, .path_mss = 1460 };
        tcp_unshrink(&entry, &scratch, &birth, now);
        again = entry;
        tcp_shrink(&scratch, &again);
        same += memcmp(&entry, &again, sizeof entry) == 0;
        tcp_free(&scratch);
    }
    CHECK(same == 2000, "to(from(entry)) is the entry: %u of 2000", same);
}

/* A TCB of an orphan in `state`, as the ordinary way leaves it. */
static void grown(struct tcb *tcb, unsigned state, weir_time now)
{
    const struct tcp_birth birth = { .host = &host.tcp, .iss = 1000, .path_mss = 1460 };
    tcb_init(tcb, &birth);
    tcb->rcv.space = 15360;
    if (!tcb_credit(tcb, tcb->rcv.space))
        abort();
    tcb->state = (uint8_t)state;
    tcb->irs = 5000;
    tcb->fin_queued = tcb->read_closed = true;
    tcb->fin_known = tcb->fin_rcvd = state == WEIR_TIME_WAIT;
    tcb->snd.una = tcb->snd.nxt = tcb->snd.sml = tcb->snd.up = 1002;
    tcb->snd.wnd = tcb->snd.wnd_max = 65535;
    tcb->rcv.fin = tcb->rcv.read = 5001;
    tcb->rcv.nxt = tcb->rcv.acked = tcb->rcv.up = tcb->fin_rcvd ? 5002 : 5001;
    tcb->rcv.edge = 5001 + 15360;
    tcb->keep_kind = state == WEIR_TIME_WAIT ? TCP_KEEP_TIME_WAIT : TCP_KEEP_ORPHAN;
    tcb->keep_at = now + 60 * WEIR_SECOND;
    tcb->challenge_ms = tcp_ms(&host.tcp, now) - TCP_CHALLENGE_GAP_MS;
    tcb->rcvd_at = tcb->sent_at = now;
}

struct outcome {
    enum weir_drop drop;
    unsigned state, plans, flags;
    seq32 seq, ack;
    weir_time deadline;
};

static struct outcome judge(struct tcb *tcb, const struct tcp_seg *seg, weir_time now)
{
    const struct tcp_opts none = { 0 };
    const struct tcp_env env = { .gso_max = 0, .path_ready = true };
    struct outcome outcome = { .drop = tcp_segment_arrives(tcb, seg, &none, now, now) };
    struct tcp_plan plan;
    while (outcome.plans < 4 && tcp_output_plan(tcb, &env, now, &plan)) {
        outcome.plans++;
        outcome.flags = plan.flags;
        outcome.seq = plan.seq;
        outcome.ack = plan.ack;
        tcp_output_commit(tcb, &plan, now);
    }
    outcome.state = tcb->state;
    outcome.deadline = tcp_deadline(tcb);
    tcp_free(tcb);
    return outcome;
}

static bool equal(const struct outcome *a, const struct outcome *b)
{
    return a->drop == b->drop && a->state == b->state && a->plans == b->plans &&
           a->flags == b->flags && a->seq == b->seq && a->ack == b->ack &&
           a->deadline == b->deadline;
}

static void same_verdicts(unsigned state)
{
    static const int32_t offs[] = { -20000, -10, -1, 0, 1, 10, 15358, 15359, 15360, 20000 };
    static const seq32 acks[] = { 1001, 1002, 1003 };
    static const uint8_t text[8] = { 1, 2, 3, 4 };
    const weir_time now = 100 * WEIR_SECOND;
    unsigned cells = 0, same = 0;
    for (unsigned flags = 0; flags < 256; flags++) {
        for (unsigned i = 0; i < 10 * 3 * 2; i++) {
            const struct tcp_seg seg = { .seq = (state == WEIR_TIME_WAIT ? 5002u : 5001u) +
                                                (seq32)offs[i % 10],
                                         .ack = acks[i / 10 % 3],
                                         .flags = (uint16_t)flags,
                                         .wnd = 500,
                                         .text = text,
                                         .len = i / 30 * 4 };
            struct tcb full, small;
            struct tw_entry entry = { 0 };
            const struct tcp_birth birth = { .host = &host.tcp, .path_mss = 1460 };
            grown(&full, state, now);
            tcp_shrink(&full, &entry);
            tcp_unshrink(&entry, &small, &birth, now);
            full.reopen = small.reopen = true; /* somebody listens */
            const struct outcome a = judge(&full, &seg, now), b = judge(&small, &seg, now);
            cells++;
            same += equal(&a, &b);
            if (!equal(&a, &b) && cells - same < 5)
                CHECK(false,
                      "flags %#x at %d, ACK %u, %u octets: drop %s or %s, state %u or %u, %u or %u "
                      "segments",
                      flags, offs[i % 10], seg.ack, seg.len, weir_drop_name(a.drop),
                      weir_drop_name(b.drop), a.state, b.state, a.plans, b.plans);
        }
    }
    CHECK(same == cells, "%s: the small form gives the verdicts of the TCB, %u of %u",
          weir_state_text(state), same, cells);
}

int main(void)
{
    host_init(&host, 4);
    round_trip();
    same_verdicts(WEIR_TIME_WAIT);
    same_verdicts(WEIR_FIN_WAIT_2);
    host_free(&host);
    return tap_done();
}
