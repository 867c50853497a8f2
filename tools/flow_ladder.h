/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_FLOW_LADDER_H
#define WEIR_TOOLS_FLOW_LADDER_H

/* The ladder of one of weir's connections, from what its instance remembers of it. */

#include "doctor/stack.h"
#include "ladder.h"

#define FLOW_LADDER_MAX 256 /* the last so many segments and events */

/* Draws it. 0; -ENODATA: nothing is remembered; -errno. */
int flow_ladder(FILE *out, const struct ladder_style *style, const struct facts_flow *flow,
                const struct stack_instance *instance);

#endif
