/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_TCP_BAD_PATH_H
#define WEIR_TESTS_UNIT_TCP_BAD_PATH_H

/* Two instances and a path between them on which a case decides, segment by segment, what is lost
 * and what is late. Everything in virtual time: what a transfer takes is exact, and the same
 * everywhere. The one who sends data has number 0, the path's two directions those of who sends. */

#include "weir/stack.h"
#include "weir/trace.h"

#include <stdbool.h>

#define LOSE ((weir_time)-1) /* what a fate returns for a segment that is lost */

struct passing {   /* a segment with data on its way from 0 to 1 */
    uint32_t from; /* its first octet, counted from 0 */
    uint32_t len;
    unsigned copy; /* 0: the first transmission of `from` */
    weir_time now;
};

struct scene {
    const char *name;
    uint32_t octets;   /* to be brought over */
    uint32_t warm;     /* of which this many come before, in peace; then comes the pause */
    weir_time pause;   /* nothing is written meanwhile */
    weir_time delay;   /* one way */
    weir_time spacing; /* a segment takes so long on the wire; 0: none */
    uint16_t mss;      /* 0: 1460 */
    bool no_timestamps;
    weir_time (*fate)(const struct passing *); /* more delay, or LOSE; NULL: nothing happens */
    weir_time (*fate_of_ack)(uint32_t number, weir_time now); /* of pure ACKs; NULL */
};

struct outcome {
    weir_time took;              /* from the end of the pause until all was read */
    struct weir_status status;   /* of the sender, then */
    struct weir_counters counts; /* of the sender */
    unsigned frames;             /* with data, also those that were lost */
    bool complete;
};

/* Plays a scene; `config` is for the sender. */
struct outcome play(const struct scene *scene, const struct weir_config *config);

#endif
