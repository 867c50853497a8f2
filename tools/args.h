/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_ARGS_H
#define WEIR_TOOLS_ARGS_H

/* Command-line arguments, read strictly: a number is digits from the first to the last character,
 * an address is an address, and what is left over is an error and not a guess. Every function here
 * returns false, its result untouched, for text that is not exactly what it reads. */

#include "weir/base.h"

#include <getopt.h>

/* Decimal, without sign, space or leading "0x", within [min, max]. */
bool args_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Seconds with at most nine decimals, as "2" or "0.05", within [min, max]. */
bool args_seconds(const char *text, weir_time min, weir_time max, weir_time *value);

/* "192.0.2.1/24" or "2001:db8::1/64". The length may be left out: all bits then. */
bool args_prefix(const char *text, struct weir_ip *ip, unsigned *prefix_len);

/* "02:00:5e:10:00:01": a unicast address, not all zero. */
bool args_mac(const char *text, uint8_t mac[6]);

#define ARGS_END -1
#define ARGS_BAD -2 /* the line is printed; return TOOL_USAGE */

/* The next option of a command, as getopt_long gives it, except that what it would complain of is
 * said in our words (one line, naming the argument). `shorts` begins with ":". */
int args_next(int argc, char **argv, const char *shorts, const struct option *longs);

/* Readies getopt for another argv. */
void args_begin(void);

#endif
