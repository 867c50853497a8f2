/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_AMOUNT_H
#define WEIR_TOOLS_AMOUNT_H

/* Octets, rates and times in the unit that a person would choose, with three or four digits. Each
 * returns `text`. */

#include "weir/base.h"

#define AMOUNT_MAX 32

char *amount_octets(uint64_t octets, char text[AMOUNT_MAX]);               /* "256.0 MiB" */
char *amount_rate(uint64_t octets, weir_time time, char text[AMOUNT_MAX]); /* "9.41 Gbit/s" */
char *amount_time(weir_time time, char text[AMOUNT_MAX]);                  /* "1.27 s" */

#endif
