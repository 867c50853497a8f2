/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_KNOWN_H
#define WEIR_TCP_KNOWN_H

/* What is remembered of a destination from one connection to the next (RFC 9040; Linux's
 * tcp_metrics): how far away it is, what it takes, and its Fast Open cookie. Where the memory lies,
 * who is found in it and who is forgotten is the owner's affair (stack/known.c).
 *
 * As in Linux, little is made of it: a round trip that used to be longer than the handshake's makes
 * the first timeouts longer, and reordering that was seen is expected. Where slow start ended is
 * kept and used only if the configuration says so, for it is true only while the path is what it
 * was. */

#include "tcp/tcb.h"

/* `known` of a TCB. */
enum tcp_known_use {
    TCP_KNOWN_NOT,      /* what is remembered of the peer was not asked for yet */
    TCP_KNOWN_RECALLED, /* it was, when the handshake was through */
    TCP_KNOWN_DONE,     /* and what this connection has learnt is written */
};

/* How cookies were asked for in vain. As in Linux, a server that gives none for the option of RFC
 * 7413 is asked once by the one that was there before it. */
enum tcp_known_asked {
    TCP_KNOWN_ASKED_NOT,
    TCP_KNOWN_ASKED,     /* the experimental one is next */
    TCP_KNOWN_ASKED_EXP, /* and that did not help either */
};

struct tcp_known {
    struct weir_ip peer; /* owner's */
    bool used;           /* owner's */
    bool reordering;     /* was seen */
    bool measured;       /* the next four mean something */
    uint8_t cookie_len;  /* 0: none */
    bool cookie_exp;     /* it came in the experimental option, and goes back in it */
    uint8_t asked;       /* enum tcp_known_asked: which was not answered with a cookie */
    uint8_t text_lost;   /* SYNs with text in a row that nobody answered */
    uint8_t cookie[TCP_COOKIE_MAX];
    uint32_t srtt_us, rttvar_us; /* 0: not known */
    uint32_t ssthresh, cwnd;     /* octets; 0: not known */
    uint16_t mss;                /* of the last SYN-ACK to a SYN with Fast Open, or 0 */
    weir_time not_until;         /* owner's: text in SYNs was lost before */
    weir_time learnt_at;         /* owner's: when it was last written */
};

/* The handshake is through: the connection begins with what is known. */
void tcp_known_recall(struct tcb *tcb, const struct tcp_known *known);

/* It has ended in order, or as good as that. A connection whose last timeouts were not answered
 * says that the round trip is not known. */
void tcp_known_learn(const struct tcb *tcb, struct tcp_known *known);

#endif
