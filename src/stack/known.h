/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_KNOWN_H
#define WEIR_STACK_KNOWN_H

/* Where it is kept what connections tell of their destinations (tcp/known.h): a table of
 * config.known_max places in sets of four, found by a keyed hash. In a full set the one that was
 * written longest ago goes, and what is older than an hour is not believed. */

#include "stack/parts.h"
#include "tcp/known.h"

#define KNOWN_SET  4                    /* places that a destination may have; a power of two */
#define KNOWN_TIME (3600 * WEIR_SECOND) /* as Linux */

/* What is known of a destination, and its number in tcp_host.known; NULL: nothing. */
struct tcp_known *known_find(const struct weir *weir, const struct weir_ip *peer, uint32_t *number);

/* The same, and a place for it if there is none. */
struct tcp_known *known_place(struct weir *weir, const struct weir_ip *peer, weir_time now);

/* A connection has changed: if its handshake is through now, or it is over, its destination's
 * entry is read or written. To be called before it is freed. */
void known_settle(struct weir *weir, struct conn *conn, weir_time now);

#endif
