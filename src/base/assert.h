/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_ASSERT_H
#define WEIR_BASE_ASSERT_H

/* Assertions are for what only our own bug can break. What a packet, a program or a file can
 * influence is an error with a name, never an assertion. */

#include "weir/base.h"

/* O(1), on in every build. */
#define WEIR_ASSERT(condition) ((condition) ? (void)0 : weir_panic(__FILE__, __LINE__, #condition))

#define WEIR_STATIC_ASSERT(condition, why) _Static_assert(condition, why)

#endif
