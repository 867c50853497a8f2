/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_NETSTAT_H
#define WEIR_TOOLS_NETSTAT_H

/* The two halves of `weir netstat`. */

#include "look.h"

struct netstat_what {
    const struct look *look;
    bool only_tcp, only_udp; /* neither: all there is */
};

/* Whether a counter is a setting that never moves, which nobody wants to see in a list. */
bool netstat_is_constant(const char *name);

/* `netstat -s`: the counters of a host in words. `user` is a struct netstat_what. */
void netstat_statistics(void *user, const struct facts_host *host);

#endif
