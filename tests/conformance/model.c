/* SPDX-License-Identifier: MIT */
#include "model.h"

#define F 0x01u
#define S 0x02u
#define R 0x04u
#define A 0x10u

static struct model_verdict says(enum model_answer answer, enum model_state next)
{
    return (struct model_verdict){ answer, next };
}

/* 3.10.7.1 */
static struct model_verdict nothing_there(const struct model_cell *c)
{
    if (c->flags & R)
        return says(M_SILENCE, c->state);
    return says(c->flags & A ? M_RST : M_RST_ACK, c->state);
}

/* 3.10.7.2; a SYN with a FIN is dropped, as everybody does. */
static struct model_verdict listening(const struct model_cell *c)
{
    if (c->flags & R)
        return says(M_SILENCE, M_LISTEN);
    if (c->flags & A)
        return says(M_RST, M_LISTEN);
    if ((c->flags & (S | F)) == S)
        return says(M_SYN_ACK, M_SYN_QUEUE);
    return says(M_SILENCE, M_LISTEN);
}

/* 3.10.7.3 */
static struct model_verdict opening(const struct model_cell *c)
{
    const bool good_ack = (c->flags & A) && c->ack == M_OK;
    if ((c->flags & A) && !good_ack)
        return says(c->flags & R ? M_SILENCE : M_RST, M_SYN_SENT);
    if (c->flags & R)
        return says(M_SILENCE, good_ack ? M_CLOSED_PORT : M_SYN_SENT);
    if (!(c->flags & S))
        return says(M_SILENCE, M_SYN_SENT);
    if (!good_ack)
        return says(M_SYN_ACK, M_SYN_RECEIVED);
    return says(M_ACK, c->flags & F ? M_CLOSE_WAIT : M_ESTABLISHED);
}

static bool within(int64_t place, const struct model_cell *c)
{
    return place >= 0 && place < (int64_t)c->wnd;
}

/* 3.4, table 6, and a segment that covers the window from both sides. A departure that the stack
 * declares (and Linux shares): what carries nothing, no reset either, may stand at the right edge.
 */
static bool acceptable(const struct model_cell *c)
{
    const int64_t len = (int64_t)c->len + (c->flags & S ? 1 : 0) + (c->flags & F ? 1 : 0);
    if (len == 0)
        return within(c->off, c) || (c->off == (int32_t)c->wnd && (c->wnd == 0 || !(c->flags & R)));
    if (c->wnd == 0)
        return false;
    return within(c->off, c) || within(c->off + len - 1, c) || (c->off < 0 && c->off + len > 0);
}

/* Steps seven and eight. The state is what step five has left. */
static struct model_verdict text_and_fin(const struct model_cell *c, enum model_state state)
{
    const int64_t from = c->off < 0 ? 0 : c->off;
    const int64_t end = c->off + (int64_t)c->len;
    const int64_t edge = (int64_t)c->wnd;
    const bool text = end > from;
    const bool fin = (c->flags & F) && end >= 0 && end <= edge && !(text && end > edge);
    if (state != M_ESTABLISHED && state != M_FIN_WAIT_1 && state != M_FIN_WAIT_2)
        return says(text || (c->flags & F) ? M_SILENCE_OR_ACK : M_SILENCE,
                    state); /* the peer's FIN was here before */
    if (!text && !fin)
        return says(M_SILENCE, state);
    const bool in_order = from == 0;
    if (!fin || !in_order)
        return says(M_ACK, state);
    if (state == M_ESTABLISHED)
        return says(M_ACK, M_CLOSE_WAIT);
    return says(M_ACK, state == M_FIN_WAIT_1 ? M_CLOSING : M_TIME_WAIT);
}

/* Step five, and what follows. */
static struct model_verdict acknowledged(const struct model_cell *c)
{
    enum model_state state = c->state;
    if (!(c->flags & A))
        return says(M_SILENCE, state);
    if (state == M_SYN_RECEIVED || state == M_SYN_QUEUE) {
        if (c->ack != M_OK)
            return says(M_RST, state);
        return text_and_fin(c, M_ESTABLISHED);
    }
    if (c->ack == M_FUTURE)
        return says(M_ACK, state);
    if (c->ack == M_OK && state == M_FIN_WAIT_1)
        state = M_FIN_WAIT_2;
    if (c->ack == M_OK && state == M_CLOSING)
        state = M_TIME_WAIT;
    if (c->ack == M_OK && state == M_LAST_ACK)
        return says(M_SILENCE, M_CLOSED_PORT);
    return text_and_fin(c, state);
}

/* 3.10.7.4, with the challenge ACKs of RFC 5961. */
static struct model_verdict connected(const struct model_cell *c)
{
    if (c->state == M_TIME_WAIT && (c->flags & (S | F | R | A)) == S && c->off > 0)
        return says(M_SYN_ACK, M_SYN_QUEUE); /* RFC 6191; somebody listens */
    if (c->state == M_SYN_QUEUE && (c->flags & (S | R | A)) == S && c->off == -1)
        return says(M_SYN_ACK, c->state); /* the same SYN again */
    /* Figure 8: the SYN of a crossing SYN-ACK is old, and is answered; its ACK is not. */
    if (c->state == M_SYN_RECEIVED && (c->flags & (S | R | A)) == (S | A) && c->off == -1 &&
        c->ack == M_OK) {
        struct model_cell rest = *c;
        rest.flags &= ~S;
        rest.off = 0;
        const struct model_verdict verdict = connected(&rest);
        return says(verdict.answer == M_SILENCE ? M_ACK : verdict.answer, verdict.next);
    }
    if (!acceptable(c))
        return says(c->flags & R ? M_SILENCE : M_ACK, c->state);
    if (c->flags & R) {
        if (c->off != 0)
            return says(M_ACK, c->state);
        return says(M_SILENCE,
                    c->state == M_TIME_WAIT ? M_TIME_WAIT : M_CLOSED_PORT); /* RFC 1337 */
    }
    if (c->flags & S)
        return says(M_ACK, c->state);
    return acknowledged(c);
}

struct model_verdict model(const struct model_cell *cell)
{
    switch (cell->state) {
    case M_CLOSED_PORT:
        return nothing_there(cell);
    case M_LISTEN:
        return listening(cell);
    case M_SYN_SENT:
        return opening(cell);
    default:
        return connected(cell);
    }
}
