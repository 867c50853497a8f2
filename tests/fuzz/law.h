/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_FUZZ_LAW_H
#define WEIR_TESTS_FUZZ_LAW_H

/* What must hold whatever the octets are. The fuzzer hands them over in a heap block of exactly
 * their size, so that a read past their end is seen without our help. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LAW(condition)    \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
