/* SPDX-License-Identifier: MIT */
#include "tool.h"

#include <stdarg.h>
#include <stdio.h>

/* One write for the whole line: two processes that complain at once do not mix theirs. */
static void complain(const char *command, const char *format, va_list args)
{
    char line[1024];
    vsnprintf(line, sizeof line, format, args);
    fflush(stdout);
    fprintf(stderr, "weir%s%s: %s\n", command != NULL ? " " : "", command != NULL ? command : "",
            line);
}

int tool_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(command, format, args);
    va_end(args);
    return TOOL_USAGE;
}

int tool_fail(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(command, format, args);
    va_end(args);
    return TOOL_FAILED;
}
