/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_CONFORMANCE_MODEL_H
#define WEIR_TESTS_CONFORMANCE_MODEL_H

/* What RFC 9293, 3.10.7, with RFC 5961, 1337 and 6191, makes of one segment: the kind of answer and
 * the state that follows. Written from the text of the RFCs, not from the stack; it knows no
 * windows of the peer, no timers and no memory, and a connection on which nothing but SYN and FIN
 * was ever sent. */

#include <stdbool.h>
#include <stdint.h>

enum model_state {
    M_CLOSED_PORT, /* nothing there */
    M_LISTEN,
    M_SYN_SENT,
    M_SYN_QUEUE,    /* SYN-RECEIVED from LISTEN */
    M_SYN_RECEIVED, /* SYN-RECEIVED from SYN-SENT */
    M_ESTABLISHED,
    M_FIN_WAIT_1,
    M_FIN_WAIT_2,
    M_CLOSE_WAIT,
    M_CLOSING,
    M_LAST_ACK,
    M_TIME_WAIT,
    M_STATES
};

enum model_ack {
    M_OLD,    /* acknowledges nothing of what is outstanding */
    M_OK,     /* acknowledges everything sent */
    M_FUTURE, /* one more than was sent */
    M_ACKS
};

enum model_answer {
    M_SILENCE,
    M_ACK,
    M_SYN_ACK,
    M_RST,     /* of the segment's ACK number */
    M_RST_ACK, /* with an ACK of the segment */
    M_SILENCE_OR_ACK,
};

struct model_cell {
    enum model_state state;
    unsigned flags; /* the octet of the header */
    int32_t off;    /* SEG.SEQ - RCV.NXT */
    uint32_t wnd;   /* RCV.WND */
    uint32_t len;   /* octets of text */
    enum model_ack ack;
};

struct model_verdict {
    enum model_answer answer;
    enum model_state next; /* M_CLOSED_PORT: the connection is over */
};

struct model_verdict model(const struct model_cell *cell);

#endif
