/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DEV_TRANSPORT_H
#define WEIR_DEV_TRANSPORT_H

/* The TCP or UDP checksum of a whole Ethernet frame with an IPv4 or IPv6 packet in it. A fragment
 * has none of its own. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Puts the right sum where one belongs; leaves alone what has none. */
void transport_complete(uint8_t *frame, size_t len);

/* Whether the sum was left for a device to complete: only the pseudo header is in it yet, and that
 * is not the sum. */
bool transport_sum_is_open(const uint8_t *frame, size_t len);

#endif
