/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_HEADS_H
#define WEIR_DAEMON_HEADS_H

/* For headers that weird writes by itself, beside the stack: what it tells S, and DHCP without an
 * address. */

#include "base/csum.h"
#include "base/octets.h"

/* The Internet checksum (RFC 1071) of `len` octets, in which its own field is 0. */
static inline uint16_t head_sum(const uint8_t *octets, size_t len)
{
    return csum_fold(csum_add(0, octets, len));
}

#endif
