/* SPDX-License-Identifier: MIT */
#include "typo.h"

#include <string.h>

unsigned typo_distance(const char *a, const char *b)
{
    const size_t a_len = strlen(a), b_len = strlen(b);
    unsigned row[TYPO_MAX + 1]; /* from what is read of `a` to each beginning of `b` */
    if (a_len > TYPO_MAX || b_len > TYPO_MAX)
        return (unsigned)(a_len > b_len ? a_len : b_len);
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            const unsigned above = row[j];
            unsigned least = corner + (a[i - 1] != b[j - 1]);
            if (above + 1 < least)
                least = above + 1;
            if (row[j - 1] + 1 < least)
                least = row[j - 1] + 1;
            corner = above;
            row[j] = least;
        }
    }
    return row[b_len];
}
