/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_CONFIG_H
#define WEIR_STACK_CONFIG_H

/* The bounds of the configuration: beyond them an instance is not built. What each limit means is
 * said where it is declared (weir/stack.h). */

#include "stack/parts.h"

#define TCP_MAX_MAX      (UINT32_C(1) << 22)
#define POOL_MAX         (UINT32_C(1) << 24)
#define CHUNKS_MAX       (UINT32_C(1) << 26)
#define ADDRESS_MAX_MAX  16384
#define GROUP_MAX_MAX    65535
#define REPLY_OCTETS_MIN (UINT32_C(1) << 16)

/* Local addresses that connections of removed addresses, and those within 127.0.0.0/8, may keep
 * beside the configured ones; and one for each connection there may be, for listeners on any
 * address, as far as the numbers go. */
#define LOCAL_SPARE   64
#define LOCAL_MAX_MAX 65534

bool config_makes_sense(const struct weir_config *config);

#endif
