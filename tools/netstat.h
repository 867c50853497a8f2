/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_NETSTAT_H
#define WEIR_TOOLS_NETSTAT_H

/* The two halves of `weir netstat`. */

#include "look.h"

/* `netstat -s`: the counters of a host in words. `user` is the struct look. */
void netstat_statistics(void *user, const struct facts_host *host);

#endif
