/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"
#include "tcp/tcp.h"

/* A landing: where in a receive ring the text of the next frame will most likely belong, so that a
 * driver can have it written there and nothing needs to be copied (docs/adr/0007-landing.md).
 *
 * It is offered while one connection receives long segments in a row, in order and without a gap:
 * the octets from RCV.NXT on, as far as the window goes. Nobody has claimed them yet, so whatever a
 * driver leaves there changes nothing. Only when the frame's headers prove that it is the expected
 * one, it is taken for what it is; else its octets are copied to where they would have been without
 * a landing, and all goes its usual way. */

#define LANDING_RUN 2 /* long segments in a row before there is an offer */

static void forget(struct weir *weir)
{
    struct landing *landing = &weir->landing;
    struct conn *conn = conn_of(weir, landing->conn, NULL);
    if (conn != NULL)
        tcp_landing_end(&conn->tcb);
    landing->held = false;
    landing->len = 0;
}

void landing_forget(struct weir *weir)
{
    if (weir->landing.held)
        forget(weir);
}

bool weir_landing(struct weir *weir, unsigned iface, struct weir_landing *offer)
{
    struct landing *landing = &weir->landing;
    landing->len = 0;
    if (landing->run < LANDING_RUN || landing->iface != iface || weir->key_count > 0 ||
        weir->ao_count > 0)
        return false;
    struct conn *conn = conn_of(weir, landing->conn, NULL);
    if (conn == NULL) {
        landing->run = 0;
        return false;
    }
    offer->span_count = WEIR_SPANS;
    landing->len =
        tcp_landing(&conn->tcb, weir->config.landing_min, offer->span, &offer->span_count);
    landing->seq = conn->tcb.rcv.nxt;
    landing->held = landing->held || landing->len > 0;
    offer->head_len = landing->last.len;
    return landing->len > 0;
}

/* Puts a frame together that is not the expected one. */
static void gather(const struct weir *weir, const struct weir_frame *frame)
{
    const struct conn *conn = conn_of(weir, weir->landing.conn, NULL);
    WEIR_ASSERT(conn != NULL);
    ring_get(&weir->rings, &conn->tcb.rcv_ring, weir->landing.seq, frame->hole,
             (uint32_t)frame->landed);
}

bool landing_take(struct weir *weir, unsigned iface, const struct weir_frame *frame)
{
    struct landing *landing = &weir->landing;
    WEIR_ASSERT(frame->landed <= landing->len); /* a driver uses what it was offered, once */
    landing->len = 0;
    seq32 seq;
    if (landing->iface == iface && frame->csum_ok &&
        frame->len == landing->last.len + frame->landed &&
        wire_follow_fits(&landing->last, frame->data, frame->len, &seq) && seq == landing->seq)
        return true;
    gather(weir, frame);
    return false;
}

void landing_learn(struct weir *weir, unsigned iface, const struct weir_frame *frame,
                   const struct arrival *in)
{
    struct landing *landing = &weir->landing;
    const struct ip_packet *packet = &in->packet;
    const bool in_order = in->drop == WEIR_DROP_NONE && in->conn != UINT32_MAX &&
                          !packet->reassembled && conn_used(weir, in->conn) &&
                          conn_at(weir, in->conn)->tcb.rcv.nxt == in->seg.seq + in->seg.len;
    const weir_handle conn = in_order ? conn_handle(weir, in->conn) : WEIR_NO_HANDLE;
    if (conn != landing->conn || iface != landing->iface) {
        landing_forget(weir);
        landing->run = 0;
    }
    landing->conn = conn;
    landing->iface = iface;
    const size_t link_len = (size_t)(packet->packet - frame->data);
    if (!in_order ||
        !wire_follow_learn(&landing->last, frame->data, link_len, frame->len - in->seg.len))
        landing->run = 0;
    else if (landing->run < LANDING_RUN)
        landing->run++;
}
