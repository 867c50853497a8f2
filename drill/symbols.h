/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_SYMBOLS_H
#define WEIR_DRILL_SYMBOLS_H

/* The names a script may use for numbers: those of Linux's headers. */

#include <stdbool.h>
#include <stdint.h>

/* False, `value` untouched, for a name that is not known. */
bool symbol_value(const char *name, int64_t *value);

/* The names of errno's numbers: "EAGAIN"; NULL or 0 for what is not known. EWOULDBLOCK is EAGAIN.
 */
const char *errno_name(int number);
int errno_number(const char *name);

#endif
