/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_SS_FILTER_H
#define WEIR_TOOLS_SS_FILTER_H

/* The filters of ss(8): `state close-wait`, `dport = :443`, `src 192.0.2.0/24`, with and, or, not
 * and parentheses; terms beside each other are joined by and.
 *
 *     FILTER  = [ (state|exclude) NAME ]... [ EXPRESSION ]
 *     TERM    = (dst|src) [=|!=] HOST[:PORT] | HOST/BITS | :PORT
 *             | (dport|sport) (=|==|eq|!=|ne|<|lt|>|gt|<=|le|>=|ge) [:]PORT
 *             | dev [=|!=] INTERFACE | state NAME */

#include "doctor/facts.h"

#define SS_FILTER_TERMS 64
#define SS_FILTER_WHY   192
#define SS_FILTER_DEPTH 16 /* of parentheses and nots */

struct ss_term {
    uint8_t kind, op; /* of ss_filter.c */
    bool any_host;
    bool any_port;
    uint16_t port, iface;
    uint8_t prefix_len; /* of 128 */
    struct weir_ip ip;
    uint32_t states;
};

/* An expression as the terms and operators of a stack machine, in the order of their doing. */
struct ss_filter {
    bool given;
    uint32_t states; /* by `state` and `exclude` before the expression; 0: none given */
    struct ss_term term[SS_FILTER_TERMS];
    unsigned count;
};

/* Reads what stands after the options. False, with what is wrong in `why`. */
bool ss_filter_parse(struct ss_filter *filter, int argc, char *const *argv,
                     char why[SS_FILTER_WHY]);

/* Whether the expression holds for a flow; the states are not looked at. */
bool ss_filter_match(const struct ss_filter *filter, const struct facts_flow *flow);

/* The states of a name of ss: "established", "connected", ...; 0 for none. */
uint32_t ss_states(const char *name);

#define SS_STATE(name) (1u << WEIR_##name)
#define SS_ALL         ((1u << WEIR_STATE_COUNT) - 1)
/* What ss shows without -a or -l. */
#define SS_CONNECTED \
    (SS_ALL & ~(SS_STATE(LISTEN) | SS_STATE(CLOSED) | SS_STATE(TIME_WAIT) | SS_STATE(SYN_RECEIVED)))

#endif
