/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_TCP_H
#define WEIR_TCP_TCP_H

/* What the files of this module share and nobody else sees. */

#include "base/cold.h"
#include "tcp/congestion.h"
#include "tcp/ecn.h"
#include "tcp/extra.h"
#include "tcp/flight.h"
#include "tcp/isn.h"
#include "tcp/path.h"
#include "tcp/push.h"
#include "tcp/tcb.h"

#define TCP_TUPLE_LEN        40  /* octets that name a connection, as the owner lays them out */
#define TCP_MSS_DEFAULT      536 /* RFC 9293, 3.7.1: what every path of IPv4 carries */
#define TCP_MSS_FLOOR        88  /* smallest payload we send, whatever a peer says (KP-3, T-61) */
#define TCP_PLAN_SEGMENTS    (SENT_RUN - 1) /* of a plan: with its FIN it fits one record */
#define TCP_QUICK            16 /* segments acknowledged at once when a connection begins */
#define TCP_OWED_DUP_MAX     8  /* duplicate ACKs owed to a peer without SACK */
#define TCP_DUPTHRESH        3  /* RFC 5681, RFC 6675 */
#define TCP_DELACK_WORST     (WEIR_MS * 200) /* a peer's ACK waits no longer (RFC 8985, 7.2) */
#define TCP_THIN_SEGMENTS    4 /* fewer in flight is a thin stream, which never sees 3 duplicates */
#define TCP_THIN_RETRIES     6 /* timeouts that do not double for a thin stream */
#define TCP_PROBING_ALWAYS   2 /* config.mtu_probing, as Linux counts */
#define TCP_TS_OPT_LEN       12      /* NOP NOP TS */
#define TCP_CHALLENGE_GAP_MS 500     /* INV 27 */
#define TCP_DEFER_MAX        WEIR_MS /* for a longer superframe (architecture, 5.2a) */
#define TCP_PAWS_AGE         (1 + (UINT32_C(86400) * 24 * 1000 >> 16)) /* RFC 7323, 5.5; tcp_age */

/* fsm.c. The only way to change the state; `cause` is what the records say. */
void tcp_event(struct tcb *tcb, enum tcp_event event, enum weir_cause cause, weir_time now);

/* tcb.c */
/* The smallest shift with which 16 bits can say rcv_max (RFC 7323, 2.2; at most 14). */
uint8_t tcp_our_scale(const struct tcp_host *host);

void tcb_init(struct tcb *tcb, const struct tcp_birth *birth);
bool tcb_credit(struct tcb *tcb, uint32_t space)
    __attribute__((warn_unused_result));              /* credit for a window of `space` */
struct tcb_flight *tcb_flight(const struct tcb *tcb); /* NULL if there is none */
struct tcb_flight *tcb_flight_need(struct tcb *tcb);  /* takes one; NULL if the pool is empty */
void tcb_flight_drop(struct tcb *tcb);                /* gives it back, whatever is in it */
void tcb_flight_release(struct tcb *tcb);             /* gives it back if nothing needs it */
void tcb_born(struct tcb *tcb, enum weir_state state, enum weir_cause cause, weir_time now);
void tcp_mss_update(struct tcb *tcb);
bool tcp_send_ready(const struct tcb *tcb); /* user.c. There is room worth telling of */
void tcp_restart_after_idle(struct tcb *tcb, weir_time now); /* user.c. Octets are to leave */
WEIR_COLD void tcb_let_go(struct tcb *tcb); /* user.c. CLOSED: gives back all but what is unread */

/* 2^32 octets later SND.UNA may stand on the ISS again: that is not the beginning. */
static inline bool tcp_syn_acked(const struct tcb *tcb)
{
    return tcb->snd.una != tcb->iss || tcb->una_far;
}

/* Octets may leave: the handshake is through, or the SYN had a good Fast Open cookie. */
static inline bool tcp_may_send(const struct tcb *tcb)
{
    return tcp_syn_acked(tcb) || (tcb->fast && tcb->passive && tcb->snd.nxt != tcb->iss);
}

/* SND.NXT has passed the FIN. */
static inline bool tcp_fin_sent(const struct tcb *tcb)
{
    return tcb->fin_queued && tcb->snd.nxt == tcb->snd.end + 1;
}

/* Octets that the signature takes of the options of each segment. */
static inline unsigned tcp_auth_len(const struct tcb *tcb)
{
    return !tcb->is_signed ? 0u : tcb->has_ao ? TCP_AO_LEN : TCP_AUTH_LEN;
}

/* Octets of options that every segment has once the handshake is through. */
static inline unsigned tcp_options_len(const struct tcb *tcb)
{
    return (tcb->ts_ok ? TCP_TS_OPT_LEN : 0u) + tcp_auth_len(tcb) +
           (tcb->extra != 0 ? tcp_marks_len(tcb) : 0u);
}

static inline uint32_t tcp_outstanding(const struct tcb *tcb)
{
    return tcb->snd.nxt - tcb->snd.una;
}

/* Octets queued and never sent. */
static inline uint32_t tcp_unsent(const struct tcb *tcb)
{
    return tcp_fin_sent(tcb) || !tcp_may_send(tcb) ? 0 : tcb->snd.end - tcb->snd.nxt;
}

/* Octets, or a FIN, that were never sent. */
static inline bool tcp_new_waits(const struct tcb *tcb)
{
    return tcb->snd.nxt != tcb->snd.end + (tcb->fin_queued ? 1u : 0u);
}

/* The last of the segments that octets fill is not full. */
static inline bool tcp_is_short(uint32_t len, uint32_t mss)
{
    return len < mss ? len > 0 : len % mss != 0;
}

static inline struct trace *tcp_trace(const struct tcb *tcb)
{
    return tcb->host->trace;
}

/* arrive_early.c: 3.10.7.3, SYN-SENT. */
enum weir_drop tcp_arrives_syn_sent(struct tcb *tcb, const struct tcp_seg *seg,
                                    const struct tcp_opts *opts, weir_time when, weir_time now);
void tcp_take_options(struct tcb *tcb, const struct tcp_opts *opts); /* of the peer's SYN */

/* arrive_ack.c: step 5 once the ACK is acceptable. */
struct tcp_arrival {
    const struct tcp_opts *opts;
    weir_time when, now;
    bool text; /* carries octets or a FIN: not a duplicate ACK */
};
void tcp_ack_arrives(struct tcb *tcb, const struct tcp_seg *seg, const struct tcp_arrival *arrival);
void tcp_syn_acked_now(struct tcb *tcb, const struct tcp_seg *seg,
                       const struct tcp_arrival *arrival);

/* arrive_text.c: steps 7 and 8. */
enum weir_drop tcp_text_arrives(struct tcb *tcb, const struct tcp_seg *seg, weir_time now);
void tcp_fin_arrives(struct tcb *tcb, const struct tcp_seg *seg, weir_time now);
/* The places of the octets from RCV.NXT on, if at least `least` of them are awaited and nothing
 * lies beyond; returns how many. They hold nothing until a segment with `landed` says so, and the
 * memory that is attached for them stays until tcp_landing_end. */
uint32_t tcp_landing(struct tcb *tcb, uint32_t least, struct weir_span *span, unsigned *count);
void tcp_landing_end(struct tcb *tcb);

/* owed.c: the ledger of acknowledgements. */
void tcp_owe_ack(struct tcb *tcb, enum weir_why why);
void tcp_owe_ack_in_order(struct tcb *tcb, weir_time now);
WEIR_COLD void tcp_owe_challenge(struct tcb *tcb, weir_time now);
WEIR_COLD void tcp_owe_dsack(struct tcb *tcb, seq32 left, seq32 right);
void tcp_note_range(struct tcb *tcb, seq32 left, seq32 right);
void tcp_forget_ranges(struct tcb *tcb);
void tcp_sack_option(const struct tcb *tcb, struct tcp_opts *opts, unsigned room);
void tcp_ack_left(struct tcb *tcb, const struct tcp_plan *plan);

/* window.c */
uint16_t tcp_window(const struct tcb *tcb, bool syn, seq32 *edge);
void tcp_window_tune(struct tcb *tcb, uint32_t read, weir_time now);

/* `octets` have arrived beyond a hole, the `first` or more of them. While it is open nothing is
 * read, and the window would stand still; so from a quarter of it on it grows with what has come,
 * to twice what it was at most (Linux grows it without such a bound). A peer has to fill the hole
 * before the next doubles it again. */
void tcp_window_beyond(struct tcb *tcb, struct tcb_flight *flight, uint32_t octets, bool first);

bool tcp_window_update_owed(const struct tcb *tcb);
uint32_t tcp_window_slack(const struct tcb *tcb, uint32_t space);
uint32_t tcp_window_max(const struct tcb *tcb);

/* rtt.c */
void tcp_rtt_sample(struct tcb *tcb, weir_time rtt, weir_time now);
weir_time tcp_rtt_min(const struct tcb *tcb); /* of the last minutes; 0 without a sample */
weir_time tcp_rto_backed_off(const struct tcb *tcb);

/* scoreboard.c: which octets. */

/* What an ACK says. The caller fills the first six before sb_ack. */
struct sb_acked {
    weir_time when; /* its arrival */
    uint32_t tsecr;
    bool echo;         /* tsecr means something */
    bool at_edge;      /* sb_ack is looking: this moves the left edge */
    seq32 una, fack;   /* SND.UNA and flight->high_sacked before it */
    uint32_t octets;   /* newly acknowledged that were not sacked before */
    uint32_t sacked;   /* octets newly sacked */
    uint32_t segments; /* of both, whole ones */
    weir_time rtt_at;  /* when the newest of them left once and for all; WEIR_NEVER: no sample */
    weir_time rack_at; /* when the newest of them left last (RFC 8985, 6.2); WEIR_NEVER: unknown */
    seq32 rack_end;    /* ... and its end */
    bool reordered;    /* one that was sent once only lies below what had been sacked */
    bool late;         /* ... or reaches up to there, at least: */
    seq32 late_low;    /* the lowest of those */
    bool original;     /* one that was sent once only, before the episode */
    bool dsack;        /* it reports a duplicate (RFC 2883): */
    struct tcp_sack_block dsack_block;
    struct rate_newest newest;
};
void sb_init(struct tcb_flight *flight, const struct tcb *tcb);
bool sb_sent(struct tcb *tcb, const struct tcp_plan *plan, weir_time now); /* false: no record */
void sb_retransmitted(struct tcb *tcb, seq32 seq, uint32_t len, weir_time now);
void sb_ack(struct tcb *tcb, seq32 ack, struct sb_acked *acked);
void sb_sack(struct tcb *tcb, const struct tcp_opts *opts, seq32 ack, struct sb_acked *acked);
uint32_t sb_find_lost(struct tcb *tcb); /* RFC 6675 IsLost over the whole map; octets newly lost */
uint32_t sb_mark_lost(const struct tcb *tcb, struct tcb_flight *flight, struct sent *r,
                      uint64_t mask); /* octets newly lost */
uint32_t sb_lost_again(const struct tcb *tcb, struct tcb_flight *flight, struct sent *r,
                       uint64_t mask); /* what was sent again is lost again */
void sb_first_lost(struct tcb *tcb);   /* the first segment not acknowledged is taken for lost */
/* After a timeout: all is lost but what left after `left_by` and once only; the first in any case.
 */
void sb_all_lost(struct tcb *tcb, weir_time left_by);
void sb_none_lost(struct tcb *tcb);     /* it was late, not lost */
bool sb_reneged(const struct tcb *tcb); /* the first segment was sacked, and still waits */
void sb_too_long_lost(struct tcb *tcb, uint32_t mss); /* after a path MTU change */
uint32_t sb_pipe(const struct tcb *tcb);
/* The same for whoever has the flight block, or NULL, already. */
static inline uint32_t sb_pipe_of(const struct tcb *tcb, const struct tcb_flight *flight)
{
    const uint32_t outstanding = tcp_outstanding(tcb);
    if (flight == NULL || !tcp_syn_acked(tcb))
        return outstanding;
    const uint32_t gone = flight->sacked + flight->lost + flight->reno_sacked;
    const uint32_t left = outstanding > gone ? outstanding - gone : 0;
    return left + flight->rtx;
}
bool sb_next_rtx(const struct tcb *tcb, seq32 *seq,
                 uint32_t *len); /* the lowest lost run that waits; whole segments of one record */
/* What lies at `seq` is the rest of a segment that leaves again in pieces: octets of it that have
 * left. */
uint32_t sb_begun(const struct tcb *tcb, seq32 seq);
bool sb_rescue(const struct tcb *tcb, seq32 *seq, uint32_t *len);
/* Whether what is sent again of one record now ends a write, or a frame as it first left. */
bool sb_push(const struct tcb *tcb, seq32 seq, uint32_t len, weir_time now);
bool sb_last(const struct tcb *tcb, seq32 *seq, uint32_t *len); /* the last one, if not sacked */
struct sent *sb_record(const struct tcb *tcb, const struct tcb_flight *flight, seq32 s);
void sb_check(const struct tcb *tcb);

/* rack.c: what is lost, told by time. */
bool rack_on(const struct tcb *tcb);
void rack_ack(struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked);
uint32_t rack_find_lost(struct tcb *tcb, struct tcb_flight *flight,
                        weir_time now); /* octets newly lost; sets rack.due_at */
weir_time rack_reo_wnd(const struct tcb *tcb);
void rack_was_wrong(struct tcb *tcb, struct tcb_flight *flight); /* it was late, not lost */
void rack_check(const struct tcb *tcb);
void rack_recovered(struct tcb *tcb); /* an episode is over */

/* tlp.c: a probe for a tail of which nothing is heard. */
void tlp_schedule(struct tcb *tcb, struct tcb_flight *flight, weir_time now); /* sets pto_at */
void tlp_timeout(struct tcb *tcb, struct tcb_flight *flight, weir_time now);
void tlp_sent(struct tcb *tcb, struct tcb_flight *flight, bool rtx);
bool tlp_explains(const struct tcb_flight *flight, const struct sb_acked *acked);
bool tlp_ack(const struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked,
             bool dup);

/* prr.c: how much leaves during recovery. */
void prr_begin(const struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked);
void prr_ack(struct tcb *tcb, struct tcb_flight *flight, uint32_t delivered, bool safe);
void prr_sent(const struct tcb *tcb, uint32_t len);

/* undo.c: whether a reduction was for nothing. */
enum undo_verdict {
    UNDO_NONE,
    UNDO_OVER, /* nothing was lost: the episode is over, cwnd and ssthresh are put back */
};
void undo_begin(const struct tcb *tcb, struct tcb_flight *flight); /* before the reduction */
bool undo_waits(const struct tcb *tcb); /* all is acknowledged, but not all was told */
void undo_retransmitted(const struct tcb *tcb, const struct tcp_plan *plan);
enum undo_verdict undo_ack(struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked,
                           bool dup);

/* recovery.c: how the connection reacts to what the scoreboard says. */
void tcp_recovery_ack(struct tcb *tcb, const struct sb_acked *acked, bool dup, weir_time rtt,
                      weir_time now);
void tcp_recovery_reorder(struct tcb *tcb, weir_time now); /* the reordering timer fired */
void tcp_recovery_timeout(struct tcb *tcb, weir_time now);

/* RFC 8985, 5.1: RACK_sent_after. */
static inline bool tcp_sent_after(weir_time a, seq32 a_end, weir_time b, seq32 b_end)
{
    return a > b || (a == b && seq_gt(a_end, b_end));
}

/* timer.c */
void tcp_settle(struct tcb *tcb, weir_time now); /* which timers run, by the rest of the TCB */
void tcp_rtx_restart(struct tcb *tcb, weir_time now);
weir_time tcp_user_limit(const struct tcb *tcb); /* ns; 0 = none */
weir_time tcp_defer_time(const struct tcb *tcb); /* patience for a longer superframe */
void tcp_time_wait_restart(struct tcb *tcb, weir_time now);

/* output.c. A segment has been dealt with: gives back what nothing needs any more, and settles. If
 * there is plainly nothing to send (an ACK for all that was in flight, and nothing queued), `due`
 * is 0, as if output had been asked: it would cost as much as the ACK did. */
void tcp_input_done(struct tcb *tcb, weir_time now);

/* Segments that leave in one frame of a device that cuts. */
uint32_t tcp_frame_max(const struct tcb *tcb);

/* send.c: what new octets may leave. */
struct tcp_chance {
    uint32_t len;   /* payload octets that may leave now, in one plan */
    uint32_t burst; /* ... in all plans together */
    bool fin;
    enum weir_wait wait; /* why nothing, or not more */
};
void tcp_send_chance(const struct tcb *tcb, uint32_t gso_max, struct tcp_chance *chance);
/* The peer's window is what new octets wait for, and nothing is in flight. */
bool tcp_needs_persist(const struct tcb *tcb);

#endif
