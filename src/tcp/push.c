/* SPDX-License-Identifier: MIT */
#include "tcp/push.h"

#include "tcp/tcp.h"

#define PIECE_MAX  65160 /* octets: what a device that cuts is given at once, as Linux */
#define FORCED_MAX 8     /* marks that stand for ends of writes, of one write */

WEIR_STATIC_ASSERT(PUSH_MARKS * sizeof(struct push_mark) <= SENT_BLOCK * sizeof(struct sent),
                   "the marks fit into a block of the sent map");

/* ---- The marks ---- */

void push_init(struct push *push)
{
    push->block = POOL_NONE;
    push->first = push->count = push->records = 0;
    push->known = false;
}

static struct push_mark *mark_at(const struct push *push, const struct sent_memory *memory,
                                 unsigned i)
{
    if (push->block == POOL_NONE)
        return (struct push_mark *)&push->at[(push->first + i) % PUSH_INLINE];
    struct push_mark *marks = pool_at(memory->blocks, push->block);
    return &marks[(push->first + i) % PUSH_MARKS];
}

static bool mark_possible(const struct push *push, const struct sent_memory *memory)
{
    if (push->block != POOL_NONE)
        return push->count < PUSH_MARKS;
    return push->count < PUSH_INLINE || pool_free_count(memory->blocks) > 0;
}

static void mark_add(struct push *push, const struct sent_memory *memory, seq32 at, bool record)
{
    if (!mark_possible(push, memory))
        return;
    if (push->block == POOL_NONE && push->count == PUSH_INLINE) {
        const struct push_mark old[PUSH_INLINE] = { *mark_at(push, memory, 0),
                                                    *mark_at(push, memory, 1) };
        push->block = pool_take(memory->blocks);
        if (push->block == POOL_NONE)
            return;
        push->first = 0;
        *mark_at(push, memory, 0) = old[0];
        *mark_at(push, memory, 1) = old[1];
    }
    *mark_at(push, memory, push->count++) = (struct push_mark){ at, record };
    push->records += record;
}

void push_clear(struct push *push, const struct sent_memory *memory)
{
    if (push->block != POOL_NONE)
        pool_give(memory->blocks, push->block);
    push_init(push);
}

void push_left(struct tcb_flight *flight, seq32 nxt, const struct sent_memory *memory)
{
    struct push *push = &flight->push;
    while (push->count > 0 && seq_leq(mark_at(push, memory, 0)->at, nxt)) {
        push->records -= mark_at(push, memory, 0)->record;
        push->first =
            (uint8_t)((push->first + 1) % (push->block == POOL_NONE ? PUSH_INLINE : PUSH_MARKS));
        push->count--;
    }
    if (push->count == 0 && push->block != POOL_NONE) {
        pool_give(memory->blocks, push->block);
        push->block = POOL_NONE;
        push->first = 0;
    }
}

/* ---- The pieces ---- */

/* Where the octets begin that were never sent. */
static seq32 head_of(const struct tcb *tcb)
{
    return tcp_syn_acked(tcb) ? tcb->snd.nxt : tcb->iss + 1;
}

static uint32_t piece_len(const struct tcb *tcb)
{
    const uint32_t wnd = tcb->snd.wnd_max;
    const uint32_t half = wnd > TCP_MSS_DEFAULT ? wnd / 2 : wnd;
    const uint32_t most = half > 0 && half < PIECE_MAX ? half : PIECE_MAX;
    return most > tcb->mss ? most / tcb->mss * tcb->mss : tcb->mss;
}

/* What leaves of a long write while it is written, in whole segments. */
static uint32_t leaves_at_once(const struct tcb *tcb)
{
    const seq32 edge = tcb->snd.una + tcb->snd.wnd;
    if (!tcp_syn_acked(tcb) || !seq_gt(edge, tcb->snd.nxt))
        return 0;
    const uint32_t window = edge - tcb->snd.nxt, pipe = sb_pipe(tcb);
    const uint32_t cwnd = tcb->cc.cwnd > pipe ? tcb->cc.cwnd - pipe : 0;
    return (cwnd < window ? cwnd : window) / tcb->mss * tcb->mss;
}

/* Where the last piece begins. If nobody has written that down, as if all were one write. */
static seq32 tail_of(const struct tcb *tcb, uint32_t piece)
{
    const seq32 head = head_of(tcb);
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight != NULL && flight->push.known)
        return seq_max(flight->push.tail, head);
    const uint32_t waits = tcb->snd.end - head;
    return head + (waits > 0 ? (waits - 1) / piece * piece : 0);
}

/* What the last piece still takes. */
static uint32_t tail_room(const struct tcb *tcb, uint32_t piece)
{
    const uint32_t have = tcb->snd.end - tail_of(tcb, piece);
    return tcb->snd.end == head_of(tcb) || tcb->eor || have >= piece ? 0 : piece - have;
}

uint32_t push_room(const struct tcb *tcb, uint32_t lowat)
{
    const uint32_t piece = piece_len(tcb), unsent = tcb->snd.end - head_of(tcb);
    const uint32_t room = tail_room(tcb, piece), leaves = leaves_at_once(tcb);
    const uint32_t waits = unsent + room > leaves ? unsent + room - leaves : 0;
    uint64_t takes = room + (uint64_t)(leaves > unsent + room ? leaves - unsent - room : 0);
    if (waits < lowat)
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): an mss at least. */
        takes += ((uint64_t)(lowat - waits) + piece - 1) / piece * piece;
    return takes < UINT32_MAX ? (uint32_t)takes : UINT32_MAX;
}

/* ---- SEND ---- */

bool push_possible(const struct tcb *tcb)
{
    if (!tcb->eor || tcb->snd.end == head_of(tcb))
        return true;
    const struct tcb_flight *flight = tcb_flight(tcb);
    return flight != NULL ? mark_possible(&flight->push, &tcb->host->sent)
                          : pool_free_count(tcb->host->flights) > 0;
}

/* Of a write that fills its last piece and goes on. Each piece but the last is pushed if more than
 * half of the largest window was queued since something was: where the piece begins that is filled
 * last. */
static seq32 fill_pieces(struct tcb *tcb, struct push *push, seq32 first_end, seq32 end)
{
    const uint32_t piece = piece_len(tcb);
    seq32 at = first_end;
    for (unsigned forced = 0; forced < FORCED_MAX && seq_lt(at, end); at += piece) {
        if (at - push->pushed <= tcb->snd.wnd_max / 2)
            continue;
        mark_add(push, &tcb->host->sent, at, false);
        push->pushed = at;
        forced++;
    }
    if (seq_lt(at, end)) /* more marks than are worth their memory */
        at += (end - at - 1) / piece * piece + piece;
    return at - piece;
}

void push_put(struct tcb *tcb, uint32_t len, unsigned flags)
{
    const seq32 head = head_of(tcb), before = tcb->snd.end, end = before + len;
    const bool fresh = before == head, ends = !tcb->more || tcb->eor;
    struct tcb_flight *flight = tcb_flight(tcb);
    /* Only what lies in more than one piece has anything to be remembered. */
    const bool more = end - head > tcb->mss && end - head > piece_len(tcb);
    if (len > 0 && flight == NULL && (more || (tcb->eor && !fresh)))
        flight = tcb_flight_need(tcb);
    if (len > 0 && flight != NULL) {
        const uint32_t piece = piece_len(tcb), room = tail_room(tcb, piece);
        struct push *push = &flight->push;
        if (!push->known || ends)
            push->pushed = before;
        const seq32 tail = room > 0 ? tail_of(tcb, piece) : before;
        if (!fresh && room == 0 && ends)
            mark_add(push, &tcb->host->sent, before, tcb->eor);
        const bool only = !seq_gt(tail, head);
        const uint32_t leaves = only && end - tail > piece ? leaves_at_once(tcb) : 0;
        push->tail = fill_pieces(tcb, push, tail + leaves + piece, end);
        if (seq_lt(push->tail, tail) || seq_gt(push->tail, end))
            push->tail = tail;
        push->known = true;
        tcb->more = (flags & WEIR_MORE) && end - push->pushed <= tcb->snd.wnd_max / 2;
    } else if (len > 0 || !(flags & WEIR_MORE)) {
        tcb->more = flags & WEIR_MORE;
    }
    if (len > 0)
        tcb->eor = flags & WEIR_EOR;
    tcb->held = flags & WEIR_MORE;
    if (fresh)
        tcb->push_now = false;
}

/* ---- Output ---- */

uint32_t push_record(const struct tcb *tcb, uint32_t unsent)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->push.records == 0)
        return unsent;
    const struct push *push = &flight->push;
    for (unsigned i = 0; i < push->count; i++) {
        const struct push_mark *mark = mark_at(push, &tcb->host->sent, i);
        if (mark->record)
            return mark->at - head_of(tcb);
    }
    return unsent;
}

bool push_ends(const struct tcb *tcb, uint32_t len)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    const seq32 end = tcb->snd.nxt + len;
    if (end == tcb->snd.end)
        return !tcb->more || tcb->fin_queued;
    return flight != NULL && flight->push.count > 0 &&
           seq_leq(mark_at(&flight->push, &tcb->host->sent, 0)->at, end);
}

bool push_ends_record(const struct tcb *tcb, seq32 end)
{
    if (end == tcb->snd.end)
        return tcb->eor;
    const uint32_t len = push_record(tcb, 0);
    return len > 0 && tcb->snd.nxt + len == end;
}
