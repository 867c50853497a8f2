/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DEV_LINE_H
#define WEIR_DEV_LINE_H

/* The one line that says to a person what went wrong. */

#include "weir/dev.h"

#include <stdarg.h>
#include <stdio.h>

/* Writes the line and returns `error`, so that a failure is one statement. */
__attribute__((format(printf, 3, 4))) static inline int line_fail(char why[WEIR_LINE_MAX],
                                                                  int error, const char *format,
                                                                  ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, WEIR_LINE_MAX, format, args);
    va_end(args);
    return error;
}

#endif
