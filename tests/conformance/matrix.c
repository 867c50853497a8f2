/* SPDX-License-Identifier: MIT */
#include "model.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All 256 flag octets in all states, at six places, with three kinds of ACK, with and without text,
 * against the model: the kind of answer and the state that follows. The instance is brought into a
 * state once; its memory is copied and put back before each cell. */

enum place {
    EXACT,
    INSIDE,
    BEFORE,
    LEFT,
    LAST,
    EDGE,
    PLACES
};
static const char *const place_names[] = {
    "at RCV.NXT", "in the window",      "one before",
    "far left",   "last in the window", "at the right edge"
};
static const char *const ack_names[] = { "old", "ok", "future" };
static const char *const answer_names[] = { "silence",        "ack",           "syn-ack", "reset",
                                            "reset with ack", "silence or ack" };
static const char *const state_names[] = { "CLOSED",
                                           "LISTEN",
                                           "SYN-SENT",
                                           "SYN-RECEIVED (passive)",
                                           "SYN-RECEIVED (active)",
                                           "ESTABLISHED",
                                           "FIN-WAIT-1",
                                           "FIN-WAIT-2",
                                           "CLOSE-WAIT",
                                           "CLOSING",
                                           "LAST-ACK",
                                           "TIME-WAIT" };

/* What a cell starts from. */
struct start {
    enum model_state state;
    uint32_t rcv_nxt, wnd, snd_una, snd_nxt; /* absolute */
    void *memory;
    struct peer peer;
    bool small; /* the handle was released: kept in 64 octets */
};

/* All of an instance is copied for each of 160,000 cells: whatever grows it, grows that. */
#define MEMORY_MAX (384 << 10)

static void lean(struct t *t)
{
    t->config.tcp_max = t->config.flight_max = 4;
    t->config.listener_max = 1;
    t->config.synq_max = 4;
    t->config.tw_max = 4;
    t->config.sent_block_max = 4;
    t->config.udp_max = 1;
    t->config.neigh_max = 4;
    t->config.route_max = 8;
    t->config.address_max = 4;
    t->config.iface_max = 1;
    t->config.frag_max = 1;
    t->config.frag_octets_max = 1 << 16;
    t->config.pmtu_max = t->config.known_max = t->config.group_max = 4;
    t->config.bbr_max = t->config.extra_max = t->config.tally_max = 1;
    t->config.ring_chunk = 4096;
    t->config.ring_chunks = 24;
    t->config.rcv_max = 1 << 16;
    t->config.snd_max = 1 << 16;
    t->config.reply_octets = 1 << 16;
    t->config.trace_flow = t->config.trace_story = 16;
    t->config.wscale = false;
}

static enum model_state state_now(struct t *t, const struct start *start)
{
    struct weir_status status;
    uint64_t cursor = 0;
    weir_handle handle;
    while (weir_list(t->weir, &cursor, &status, &handle)) {
        switch (status.state) {
        case WEIR_SYN_SENT:
            return M_SYN_SENT;
        case WEIR_SYN_RECEIVED:
            return start->state == M_SYN_SENT || start->state == M_SYN_RECEIVED ? M_SYN_RECEIVED
                                                                                : M_SYN_QUEUE;
        case WEIR_ESTABLISHED:
            return M_ESTABLISHED;
        case WEIR_FIN_WAIT_1:
            return M_FIN_WAIT_1;
        case WEIR_FIN_WAIT_2:
            return M_FIN_WAIT_2;
        case WEIR_CLOSE_WAIT:
            return M_CLOSE_WAIT;
        case WEIR_CLOSING:
            return M_CLOSING;
        case WEIR_LAST_ACK:
            return M_LAST_ACK;
        case WEIR_TIME_WAIT:
            return M_TIME_WAIT;
        default:
            break;
        }
    }
    return start->state == M_LISTEN ? M_LISTEN : M_CLOSED_PORT;
}

static enum model_answer answer_of(struct t *t, const struct seg *in)
{
    enum model_answer answer = M_SILENCE;
    for (; t->head < t->tail; t->head++) {
        const struct seg *seg = &t->queue[t->head];
        if (answer != M_SILENCE)
            t_fail(t, __LINE__, "more than one answer");
        switch (seg->flags & (SYN | FIN | RST | ACK)) {
        case ACK:
            answer = M_ACK;
            break;
        case SYN | ACK:
            answer = M_SYN_ACK;
            break;
        case RST:
            answer = M_RST;
            if (seg->seq != in->ack)
                t_fail(t, __LINE__, "a reset with another number than the segment's ACK");
            break;
        case RST | ACK:
            answer = M_RST_ACK;
            if (seg->ack !=
                in->seq + in->len + ((in->flags & SYN) ? 1u : 0u) + ((in->flags & FIN) ? 1u : 0u))
                t_fail(t, __LINE__, "a reset that does not acknowledge the segment");
            break;
        default:
            t_fail(t, __LINE__, "an answer that is none: %s", show(t, seg, true));
        }
    }
    return answer;
}

static int32_t offset(const struct start *start, enum place place)
{
    switch (place) {
    case EXACT:
        return 0;
    case INSIDE:
        return 10;
    case BEFORE:
        return -1;
    case LEFT:
        return -2000;
    case LAST:
        return (int32_t)start->wnd - 1;
    default:
        return (int32_t)start->wnd;
    }
}

static void run_cell(struct t *t, const struct start *start, unsigned flags, enum place place,
                     enum model_ack ack, uint32_t len)
{
    const struct model_cell cell = { .state = start->state,
                                     .flags = flags,
                                     .off = offset(start, place),
                                     .wnd = start->wnd,
                                     .len = len,
                                     .ack = ack };
    const uint32_t acks[] = { start->snd_una - 1, start->snd_nxt, start->snd_nxt + 1 };
    const struct seg seg = { .seq = start->rcv_nxt + (uint32_t)cell.off,
                             .ack = flags & ACK ? acks[ack] : 0,
                             .flags = flags,
                             .wnd = 65535,
                             .sport = PEER_PORT,
                             .dport = OUR_PORT,
                             .len = len };
    uint8_t packet[200];
    memcpy(t->memory, start->memory, t->memory_size);
    t->peers[0] = start->peer;
    t->log_len = 0;
    t_note(t, "-- %s%s: segment %s, ACK %s, flags %#x, %u octets\n", state_names[start->state],
           start->small ? " (small form)" : "", place_names[place], ack_names[ack], flags, len);
    for (unsigned i = 0; i < WEIR_DROP_COUNT; i++)
        t->drops[i] = weir_drop_count(t->weir, i);
    raw(t, packet, build(t, packet, &seg, packet, 0));
    const struct model_verdict wanted = model(&cell);
    const enum model_answer answer = answer_of(t, &seg);
    const bool same = answer == wanted.answer || (wanted.answer == M_SILENCE_OR_ACK &&
                                                  (answer == M_SILENCE || answer == M_ACK));
    const enum model_state next = state_now(t, start);
    if (!same || next != wanted.next)
        t_fail(t, __LINE__, "expected: %s, then %s\n# seen:     %s, then %s",
               answer_names[wanted.answer], state_names[wanted.next], answer_names[answer],
               state_names[next]);
}

static void all_cells(struct t *t, enum model_state state, bool small)
{
    struct start start = { .state = state, .small = small };
    const struct weir_status status = status_of(t);
    start.rcv_nxt = status.rcv_nxt;
    start.wnd = status.rcv_wnd;
    start.snd_una = status.snd_una;
    start.snd_nxt = status.snd_nxt;
    if (state <=
        M_SYN_QUEUE) { /* a half-open entry shows less, and where there is no connection nothing */
        start.rcv_nxt = t->peers[0].isn + 1;
        start.wnd = 15360;
        start.snd_una = t->peers[0].base + (state == M_SYN_QUEUE || state == M_SYN_SENT ? 1 : 0);
        start.snd_nxt = t->peers[0].base + 1;
    }
    if (state == M_SYN_RECEIVED)
        start.snd_una++;
    if (small) {
        start.snd_una = start.snd_nxt = t->peers[0].base + 2;
        start.rcv_nxt = t->peers[0].isn + (state == M_TIME_WAIT ? 2 : 1);
        start.wnd = 15360 - (state == M_TIME_WAIT ? 1 : 0);
    }
    start.peer = t->peers[0];
    if (t->memory_size > MEMORY_MAX)
        t_fail(t, __LINE__, "%zu octets to copy: lean() lacks a limit", t->memory_size);
    start.memory = malloc(t->memory_size);
    if (start.memory == NULL)
        abort();
    memcpy(start.memory, t->memory, t->memory_size);
    for (unsigned flags = 0; flags < 256; flags++)
        for (unsigned place = 0; place < PLACES; place++)
            for (unsigned ack = 0; ack < ((flags & ACK) ? M_ACKS : 1u); ack++)
                for (uint32_t len = 0; len <= 4; len += 4)
                    run_cell(t, &start, flags, (enum place)place, (enum model_ack)ack, len);
    memcpy(t->memory, start.memory, t->memory_size);
    free(start.memory);
}

static void from(struct t *t, enum model_state state, enum weir_state reached, bool small)
{
    if (t->v6 !=
        t->wrap) /* two of the four variants are enough: families and numbers do not meet */
        return;
    lean(t);
    if (state == M_CLOSED_PORT) {
        begin(t);
    } else if (state == M_LISTEN || state == M_SYN_QUEUE) {
        open_listener(t, 3);
        if (state == M_SYN_QUEUE) {
            in(t, "S 0 <mss 1000>");
            out(t, "S. 0 ack 1");
        }
    } else if (state == M_TIME_WAIT || small) {
        passive(t, PLAIN);
        if (small)
            release(t);
        else
            close_conn(t);
        out(t, "F. 1 ack 1");
        in(t, ". 1 ack 2");
        if (state == M_TIME_WAIT) {
            in(t, "F. 1 ack 2");
            out(t, ". 2 ack 2");
        }
    } else {
        reach(t, reached);
    }
    all_cells(t, state, small);
}

#define FROM(name, state, reached, small) \
    static void name(struct t *t)         \
    {                                     \
        from(t, state, reached, small);   \
    }
FROM(closed_port, M_CLOSED_PORT, WEIR_CLOSED, false)
FROM(listening, M_LISTEN, WEIR_LISTEN, false)
FROM(syn_sent, M_SYN_SENT, WEIR_SYN_SENT, false)
FROM(syn_received_passive, M_SYN_QUEUE, WEIR_SYN_RECEIVED, false)
FROM(syn_received_active, M_SYN_RECEIVED, WEIR_SYN_RECEIVED, false)
FROM(established, M_ESTABLISHED, WEIR_ESTABLISHED, false)
FROM(fin_wait_1, M_FIN_WAIT_1, WEIR_FIN_WAIT_1, false)
FROM(fin_wait_2, M_FIN_WAIT_2, WEIR_FIN_WAIT_2, false)
FROM(close_wait, M_CLOSE_WAIT, WEIR_CLOSE_WAIT, false)
FROM(closing, M_CLOSING, WEIR_CLOSING, false)
FROM(last_ack, M_LAST_ACK, WEIR_LAST_ACK, false)
FROM(time_wait, M_TIME_WAIT, WEIR_TIME_WAIT, false)
FROM(time_wait_small, M_TIME_WAIT, WEIR_TIME_WAIT, true)

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(closed_port, "RFC 9293 3.10.7.1: 256 flag octets at a closed port"),
        CASE(listening, "RFC 9293 3.10.7.2: ... in LISTEN"),
        CASE(syn_sent, "RFC 9293 3.10.7.3: ... in SYN-SENT"),
        CASE(syn_received_passive, "RFC 9293 3.10.7.4: ... in SYN-RECEIVED, from LISTEN"),
        CASE(syn_received_active, "RFC 9293 3.10.7.4: ... in SYN-RECEIVED, from SYN-SENT"),
        CASE(established, "RFC 9293 3.10.7.4: ... in ESTABLISHED"),
        CASE(fin_wait_1, "RFC 9293 3.10.7.4: ... in FIN-WAIT-1"),
        CASE(fin_wait_2, "RFC 9293 3.10.7.4: ... in FIN-WAIT-2"),
        CASE(close_wait, "RFC 9293 3.10.7.4: ... in CLOSE-WAIT"),
        CASE(closing, "RFC 9293 3.10.7.4: ... in CLOSING"),
        CASE(last_ack, "RFC 9293 3.10.7.4: ... in LAST-ACK"),
        CASE(time_wait, "RFC 9293 3.10.7.4: ... in TIME-WAIT"),
        CASE(time_wait_small, "RFC 9293 3.10.7.4: ... and in its small form: the same"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
