/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_PATH_H
#define WEIR_TCP_PATH_H

/* What a connection and its owner tell each other of the path and its MTU: the owner hears ICMP and
 * keeps what is known of destinations, the connection sees what arrives. */

#include "tcp/tcb.h"

/* What is due cannot leave: there is no route, or the connection's address is not ours any more.
 * Both may come back, so this is soft in every state, as on Linux; it is told if the connection
 * times out over something that had left before. */
void tcp_no_way(struct tcb *tcb, enum weir_error error);

/* The path's MTU changed (`path_mss` as in tcp_birth): what is too long is lost, and no event. */
void tcp_path_changed(struct tcb *tcb, uint16_t path_mss, weir_time now);

/* After a segment: one that was longer than the owner knows of has got through (RFC 8899): the
 * path_mss that the path is now known to take, told once, or 0. */
uint16_t tcp_path_found(struct tcb *tcb);
/* ICMP says what a probe of the path was too long for, which may be more than is used. False if
 * `quoted` is no probe. */
bool tcp_search_told(struct tcb *tcb, seq32 quoted, uint16_t path_mss, weir_time now);

#endif
