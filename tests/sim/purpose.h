/* SPDX-License-Identifier: MIT */
#ifndef SIM_PURPOSE_H
#define SIM_PURPOSE_H

/* What the simulator draws random numbers for. Each has its own streams (base/prng.h), keyed by
 * seed, purpose and the serial number of the link or connection, so that a new draw in one place
 * moves nothing in another. */
enum sim_purpose {
    SIM_PURPOSE_PLAN = 1,
    SIM_PURPOSE_LOSS,
    SIM_PURPOSE_BURST,
    SIM_PURPOSE_REORDER,
    SIM_PURPOSE_DUPLICATE,
    SIM_PURPOSE_CORRUPT,
    SIM_PURPOSE_JITTER,
    SIM_PURPOSE_APP,
    SIM_PURPOSE_DATAGRAM,
    SIM_PURPOSE_EARLY,
    SIM_PURPOSE_FORGE,
    SIM_PURPOSE_CONGESTION,
    SIM_PURPOSE_MARK,
    SIM_PURPOSE_RECOVERY,
    SIM_PURPOSE_EXTENSIONS,
    SIM_PURPOSE_LISTEN,
    SIM_PURPOSE_LANDING,
};

#endif
