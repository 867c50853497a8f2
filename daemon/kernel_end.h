/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_KERNEL_END_H
#define WEIR_DAEMON_KERNEL_END_H

/* The other end of a private TAP, in a namespace of its own, is the kernel's: its addresses, and a
 * veth pair where there is no TAP to be had. False, with the reason, if the kernel refuses. */

#include "weir/dev.h"

bool kernel_address_add(const char *name, const struct weir_ip *ip, unsigned prefix_len,
                        char why[WEIR_LINE_MAX]);
bool kernel_make_pair(const char *name, const char *peer, char why[WEIR_LINE_MAX]);
bool kernel_link_up(const char *name, char why[WEIR_LINE_MAX]);

#endif
