/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_TERMINAL_H
#define WEIR_TOOLS_TERMINAL_H

/* The terminal, and text of others on its way to it. The name of a process, a name server's answer,
 * octets from the wire: any may hold what a terminal takes for a command. */

#include <stdbool.h>
#include <stddef.h>

/* Copies `text` with every control character, every octet that is no ASCII, quotes and backslashes
 * as \xNN; cut at what fits into `room` octets with the final zero. Returns `to`. */
char *terminal_safe(const char *text, char *to, size_t room);

/* How wide the terminal is that standard output goes to, or, by way of a pager, seems to go to
 * (that of standard error); 0: there is none. */
unsigned terminal_columns(void);

/* Whether nobody objects to colours: NO_COLOR is not set, or empty. */
bool terminal_colours(void);

/* Whether the user's locale is C or POSIX: no characters but ASCII's. */
bool terminal_ascii(void);

/* Whether the terminal has a screen to draw on: TERM says so. */
bool terminal_draws(void);

/* Whether the terminal that keys come from has gone: curses reports that as "no key", for ever. */
bool terminal_gone(void);

#endif
