/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_COLD_H
#define WEIR_BASE_COLD_H

/* What few segments come to. The compiler keeps it, and what leads there, apart from what each
 * segment runs through: that is more than the first cache of instructions holds as it is. */
#define WEIR_COLD __attribute__((cold, noinline))

#endif
