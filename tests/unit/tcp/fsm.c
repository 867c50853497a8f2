/* SPDX-License-Identifier: MIT */
#include "tcp/fsm.h"

#include "tap.h"

#include <string.h>

/* The laws of the state table. They hold for the whole of it, so that an edge added by mistake
 * breaks one even if nobody wrote a test for that edge. */

#define STATES TCP_STATE_COUNT

static const struct {
    unsigned event, from, to;
    const char *clause;
} edges[] = {
#define EDGE(event, from, to, clause, text) { TCP_EV_##event, WEIR_##from, WEIR_##to, clause },
#define STAY(event, state, clause)          { TCP_EV_##event, WEIR_##state, WEIR_##state, clause },
#include "tcp/fsm.def"
#undef EDGE
#undef STAY
};
#define EDGES (sizeof edges / sizeof edges[0])

static void reach(bool seen[STATES], unsigned from)
{
    unsigned todo[STATES], count = 0;
    todo[count++] = from;
    seen[from] = true;
    while (count > 0) {
        const unsigned at = todo[--count];
        for (unsigned i = 0; i < EDGES; i++) {
            if (edges[i].from == at && !seen[edges[i].to]) {
                seen[edges[i].to] = true;
                todo[count++] = edges[i].to;
            }
        }
    }
}

static void laws(void)
{
    bool born[STATES] = { false };
    reach(born, WEIR_SYN_SENT);
    bool passive[STATES] = { false };
    reach(passive, WEIR_SYN_RECEIVED);
    for (unsigned s = 0; s < STATES; s++) {
        CHECK(born[s] || passive[s], "%s is reached from a birth", weir_state_text(s));
        bool from[STATES] = { false };
        reach(from, s);
        CHECK(from[WEIR_CLOSED], "CLOSED is reached from %s", weir_state_text(s));
    }
    for (unsigned i = 0; i < EDGES; i++) {
        const char *from = weir_state_text(edges[i].from), *to = weir_state_text(edges[i].to);
        CHECK(edges[i].to >= edges[i].from, "%s never goes back, here to %s", from, to);
        CHECK(edges[i].from != WEIR_CLOSED, "no edge leaves CLOSED, here event %u", edges[i].event);
        CHECK(strncmp(edges[i].clause, "3.10.", 5) == 0, "%s to %s has its clause", from, to);
        for (unsigned j = 0; j < i; j++)
            if (edges[i].event == edges[j].event && edges[i].from == edges[j].from)
                CHECK(false, "%s, event %u: listed once", from, edges[i].event);
    }
}

static void grid(void)
{
    unsigned listed = 0;
    for (unsigned e = 0; e < TCP_EVENT_COUNT; e++) {
        for (unsigned s = 0; s < STATES; s++) {
            unsigned wanted = TCP_NEVER;
            for (unsigned i = 0; i < EDGES; i++)
                if (edges[i].event == e && edges[i].from == s)
                    wanted = edges[i].to;
            listed += wanted != TCP_NEVER;
            if (tcp_fsm_next((enum tcp_event)e, s) != wanted)
                CHECK(false, "event %u in %s is what fsm.def says", e, weir_state_text(s));
        }
    }
    CHECK(listed == EDGES, "the grid has what fsm.def lists and nothing else: %u pairs", listed);
}

/* RFC 9293, figure 5, by heart. */
static void figure_5(void)
{
    static const struct {
        unsigned event, from, to;
    } known[] = {
        { TCP_EV_RCV_SYN, WEIR_SYN_SENT, WEIR_SYN_RECEIVED },
        { TCP_EV_SYN_ACKED, WEIR_SYN_SENT, WEIR_ESTABLISHED },
        { TCP_EV_SYN_ACKED, WEIR_SYN_RECEIVED, WEIR_ESTABLISHED },
        { TCP_EV_CLOSE, WEIR_SYN_SENT, WEIR_CLOSED },
        { TCP_EV_CLOSE, WEIR_SYN_RECEIVED, WEIR_FIN_WAIT_1 },
        { TCP_EV_CLOSE, WEIR_ESTABLISHED, WEIR_FIN_WAIT_1 },
        { TCP_EV_CLOSE, WEIR_CLOSE_WAIT, WEIR_LAST_ACK },
        { TCP_EV_RCV_FIN, WEIR_ESTABLISHED, WEIR_CLOSE_WAIT },
        { TCP_EV_RCV_FIN, WEIR_FIN_WAIT_1, WEIR_CLOSING },
        { TCP_EV_RCV_FIN, WEIR_FIN_WAIT_2, WEIR_TIME_WAIT },
        { TCP_EV_FIN_ACKED, WEIR_FIN_WAIT_1, WEIR_FIN_WAIT_2 },
        { TCP_EV_FIN_ACKED, WEIR_CLOSING, WEIR_TIME_WAIT },
        { TCP_EV_FIN_ACKED, WEIR_LAST_ACK, WEIR_CLOSED },
        { TCP_EV_TIMEOUT_2MSL, WEIR_TIME_WAIT, WEIR_CLOSED },
        { TCP_EV_RCV_FIN, WEIR_SYN_SENT, TCP_NEVER },
        { TCP_EV_FIN_ACKED, WEIR_ESTABLISHED, TCP_NEVER },
        { TCP_EV_TIMEOUT_2MSL, WEIR_FIN_WAIT_2, TCP_NEVER },
        { TCP_EV_REOPEN, WEIR_FIN_WAIT_2, TCP_NEVER },
    };
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
        CHECK(tcp_fsm_next((enum tcp_event)known[i].event, known[i].from) == known[i].to,
              "figure 5: event %u in %s", known[i].event, weir_state_text(known[i].from));
    for (unsigned s = 0; s < (unsigned)WEIR_CLOSED; s++)
        CHECK(tcp_fsm_next(TCP_EV_ABORT, s) == WEIR_CLOSED, "%s can be aborted",
              weir_state_text(s));
}

int main(void)
{
    laws();
    grid();
    figure_5();
    return tap_done();
}
