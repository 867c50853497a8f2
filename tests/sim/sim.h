/* SPDX-License-Identifier: MIT */
#ifndef SIM_SIM_H
#define SIM_SIM_H

/* A network of weir instances in virtual time, everything of it drawn from one seed, watched by
 * oracles.
 *
 * A run has a safety phase, in which anything may fail and only what is seen is judged; then a
 * liveness phase, in which faults have stopped and every connection must finish or report an error
 * to its owner; then all close, two maximum segment lifetimes pass, and nothing may be left. No
 * clock is read and no thread started: a seed is the same run everywhere, and its trace hash, over
 * (time, interface, octets) of every frame sent, proves it. */

#include "weir/base.h"

struct sim_settings {
    uint64_t seed;
    const char *pcap; /* file to write all frames to, or NULL */
    bool verbose;     /* print the plan and every frame */
    bool no_early;    /* leave out the early calls of weir_timeout, which may not change anything */
    bool no_landing;  /* no frame lands in an instance's memory, which may not change anything */
};

struct sim_result {
    bool failed;
    bool starved;   /* pools were made to fail their n-th request */
    char text[400]; /* what was broken, if failed */
    uint64_t hash;
    uint64_t events, frames, octets;
    unsigned conns_complete, conns_error; /* how the ends of connections ended */
    weir_time took;                       /* virtual */
};

void sim_run(const struct sim_settings *settings, struct sim_result *result);

#endif
