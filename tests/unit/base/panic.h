/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_BASE_PANIC_H
#define WEIR_TESTS_UNIT_BASE_PANIC_H

/* weir_panic for a test program of one file: an assertion that a test provokes is caught, any other
 * ends the program. */

#include "weir/base.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf panic_return;
static volatile bool panic_is_expected;

_Noreturn void weir_panic(const char *file, int line, const char *what)
{
    if (panic_is_expected)
        longjmp(panic_return, 1);
    printf("Bail out! %s:%d: assertion failed: %s\n", file, line, what);
    fflush(stdout);
    abort();
}

/* Runs `act(context)`. True if an assertion failed in it. */
static inline bool panics(void (*act)(void *context), void *context)
{
    panic_is_expected = true;
    const bool failed = setjmp(panic_return) != 0;
    if (!failed)
        act(context);
    panic_is_expected = false;
    return failed;
}

#endif
