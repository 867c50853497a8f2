/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TAP_H
#define WEIR_TESTS_TAP_H

/* Test results in the Test Anything Protocol: one line a check, the plan at the end.
 *
 * A program that dies before tap_done() has printed no plan, and the runner counts that as a
 * failure; so there is nothing to register and nothing to clean up. Not a framework: a test is a
 * main() that calls functions that CHECK. */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

struct tap {
    unsigned run;
    unsigned failed;
};

/* Weak, so that the files of one program count together. */
__attribute__((weak)) struct tap tap_state;

__attribute__((format(printf, 5, 6))) static inline bool tap_check(bool holds, const char *text,
                                                                   const char *file, int line,
                                                                   const char *format, ...)
{
    tap_state.run++;
    printf("%s %u - ", holds ? "ok" : "not ok", tap_state.run);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    if (!holds) {
        tap_state.failed++;
        printf("# %s:%d: does not hold: %s\n", file, line, text);
    }
    fflush(stdout); /* what was checked is known even if the next line crashes */
    return holds;
}

__attribute__((format(printf, 1, 2))) static inline void tap_skip(const char *format, ...)
{
    tap_state.run++;
    printf("ok %u # SKIP ", tap_state.run);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
}

/* CHECK(condition, format, ...): the text says what should hold. Its value is the condition's. */
#define CHECK(condition, ...) \
    tap_check((condition) ? true : false, #condition, __FILE__, __LINE__, __VA_ARGS__)

/* SKIP(format, ...): stands for a check that cannot be made here; the text says why. */
#define SKIP(...) tap_skip(__VA_ARGS__)

/* Prints the plan. To be returned from main(). */
static inline int tap_done(void)
{
    printf("1..%u\n", tap_state.run);
    return tap_state.failed > 0 || tap_state.run == 0;
}

#endif
