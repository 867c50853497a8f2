/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_AO_H
#define WEIR_STACK_AO_H

/* TCP-AO (RFC 5925, 5926): segments whose MAC says who sent them, also across a change of keys. The
 * master key tuples belong to peers (struct weir_ao_key); what a connection remembers of them is
 * struct tcp_ao. The keyed hash is the caller's (weir_config.crypto).
 *
 * Traffic keys are made anew for each segment: that is a second short hash, and no secrets lie in
 * connections. A connection keeps its TCB through TIME-WAIT, for its small form has no room for the
 * two initial sequence numbers that its keys come from. */

#include "stack/parts.h"

/* Whether segments of a flow are to be signed. */
bool ao_has(const struct weir *weir, const struct flow *flow);

bool ao_has_peer(const struct weir *weir, const struct weir_ip *peer, unsigned prefix_len);

/* A connection begins: which keys it uses, of the peer's SYN if that has come (`opts`), else NULL.
 * False: no block is free. */
bool ao_begin(const struct weir *weir, const struct flow *flow, struct tcb *tcb,
              const struct tcp_opts *opts) __attribute__((warn_unused_result));

/* Whether an arrival is what its flow wants; `ref` is who it belongs to. WEIR_DROP_NONE, or what is
 * wrong. A good one may move the connection to another key. */
enum weir_drop ao_check(struct weir *weir, const struct arrival *in, uint32_t ref);

/* The signature of a segment of a connection, or of none, into a header that has room for it (its
 * options had TCP_OPT_AO). */
void ao_sign(const struct weir *weir, const struct flow *flow, struct tcb *tcb, uint8_t *head,
             size_t head_len, const struct weir_span *text, unsigned count);
void ao_sign_reply(const struct weir *weir, const struct flow *flow, const struct tcp_seg *seg,
                   uint8_t *head, size_t head_len);

/* The number that extends SEQ to 64 bits, if `sne` is that of `at` and the two are less than 2^31
 * apart (RFC 5925, 6.2). */
uint32_t ao_sne(uint32_t sne, seq32 at, seq32 seq);

/* What a MAC is made of; from and to as the packet has them. */
struct ao_subject {
    const struct weir_ip *from, *to;
    uint16_t sport, dport;
    seq32 from_iss, to_iss; /* to_iss 0 in a first SYN */
    uint32_t sne;
    const uint8_t *head;
    size_t head_len;
    const struct weir_span *text;
    unsigned count;
};
void ao_traffic_key(const struct weir_crypto *crypto, const struct weir_ao_key *key,
                    const struct ao_subject *subject, uint8_t traffic[WEIR_MAC_MAX]);
void ao_mac(const struct weir_crypto *crypto, const struct weir_ao_key *key,
            const struct ao_subject *subject, uint8_t mac[TCP_AO_MAC]);

#endif
