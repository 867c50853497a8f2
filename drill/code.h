/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_CODE_H
#define WEIR_DRILL_CODE_H

/* What scripts write between %{ and }%: Python, of which this understands statements of one line:
 * `assert TEST [, MESSAGE]`, `NAME = EXPRESSION`, `print(...)`, `pass`, and expressions of numbers,
 * names, comparisons (chained, too), and/or/not, arithmetic, bits, tuples, and the functions abs,
 * min, max, int, float, round, len and bool. Everything else is refused by name.
 *
 * Numbers are doubles: exact for integers to 2^53. */

#include <stdbool.h>
#include <stddef.h>

#define CODE_WORD_MAX    64
#define CODE_NESTING_MAX 32
#define CODE_ERROR_MAX   400

struct code_value {
    double number;
    const char *text; /* a string; NULL for a number */
    size_t len;
    unsigned items; /* of a tuple; its first is kept. 0: no tuple */
};

/* Where names get their values. False: not known. */
typedef bool code_lookup(void *context, const char *name, struct code_value *value);

/* Takes NAME = VALUE. */
typedef void code_store(void *context, const char *name, const struct code_value *value);

struct code {
    const char *at, *end;
    code_lookup *lookup;
    code_store *store; /* may be NULL: then nothing can be set */
    void *context;
    unsigned depth;
    bool failed;   /* an assertion does not hold, or the text cannot be understood */
    bool mistaken; /* ... the latter */
    char error[CODE_ERROR_MAX];
    char
        names[CODE_ERROR_MAX / 2]; /* names that were asked for and their values, for a complaint */
};

/* Runs all statements of `text`; false with the reason in code->error. The caller has filled in
 * lookup, store and context. */
bool code_run(struct code *code, const char *text, size_t len);

/* One expression and nothing behind it. */
bool code_evaluate(struct code *code, const char *text, size_t len, struct code_value *value);

#endif
