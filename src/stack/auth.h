/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_AUTH_H
#define WEIR_STACK_AUTH_H

/* Segments that prove with a key where they come from: TCP MD5 signatures (RFC 2385). Keys belong
 * to peers, not to connections; which one a flow has is looked up for each segment of those that
 * have one, and for nobody else. The digest itself is the caller's (weir_config.crypto). */

#include "stack/parts.h"

/* The key of a flow, or NULL. */
const struct weir_key *auth_key(const struct weir *weir, const struct flow *flow);

/* A connection begins: room for signatures, if it has a key, of either kind. `opts` are those of
 * the peer's segment, or NULL. False: there is no memory for what it needs. */
bool auth_begin(const struct weir *weir, const struct flow *flow, struct tcb *tcb,
                const struct tcp_opts *opts) __attribute__((warn_unused_result));

/* Whether an address lies in a prefix of the family's own length; whether the very prefix has a
 * key. */
bool auth_in_prefix(const struct weir_ip *ip, const struct weir_ip *peer, unsigned prefix_len);
bool auth_has_peer(const struct weir *weir, const struct weir_ip *peer, unsigned prefix_len);

/* Whether a segment is signed as its flow wants it: WEIR_DROP_NONE, or what is wrong. `p` is its
 * header, `in` says what it holds. */
enum weir_drop auth_check(const struct weir *weir, const struct arrival *in, const uint8_t *p);

/* The signature goes into a header that has room for it (`opts` had TCP_OPT_AUTH); `text` are the
 * octets behind it. */
void auth_sign(const struct weir *weir, const struct flow *flow, uint8_t *head, size_t head_len,
               const struct weir_span *text, unsigned count);

#endif
