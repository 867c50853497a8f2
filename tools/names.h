/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_NAMES_H
#define WEIR_TOOLS_NAMES_H

/* Names of addresses, asked for by c-ares while something else goes on: nobody waits for a name
 * server unless they say for how long. Names come from others: they are safe for a terminal. */

#include "weir/base.h"

#define NAMES_MAX     512
#define NAME_TEXT_MAX 256

struct names;

/* NULL: no memory, or no resolver; everything below then takes it for "no names wanted". */
struct names *names_open(void);
void names_close(struct names *names);

/* Begins to ask, unless that was done. */
void names_want(struct names *names, const struct weir_ip *ip);

/* The name, or NULL: none (yet). */
const char *names_look(const struct names *names, const struct weir_ip *ip);

/* Takes in what has come; waits at most `wait_ms` for all that is asked. */
void names_turn(struct names *names, int wait_ms);

#endif
