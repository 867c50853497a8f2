/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_MULDIV_H
#define WEIR_BASE_MULDIV_H

/* a * b / c with a 128-bit middle, rounded down; UINT64_MAX if the result does not fit. c must not
 * be 0. (A rate times a time overflows 64 bits at 9 GB/s x 1 s.) */

#include <stdint.h>

uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c);

#endif
