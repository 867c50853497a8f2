/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_SAR_COLUMNS_H
#define WEIR_TOOLS_SAR_COLUMNS_H

/* The tables of `weir sar -n`: sar(1)'s keywords and columns, and what they are made of. */

#include <stddef.h>

#define SAR_GROUPS      11
#define SAR_COLUMNS_MAX 9

#define SAR_UTILIZATION "%ifutil" /* a column that is made of others */

/* Columns of a keyword. `names` are the counters that are added up; behind a bar stands what
 * weir calls the same, if it does not use Linux's name. Of an interface it is a field. */
struct sar_column {
    const char *title, *names;
    size_t field;
};

enum sar_kind {
    SAR_RATES,
    SAR_GAUGES, /* the value itself, not its rate */
    SAR_IFACES, /* rates of each interface */
};

struct sar_group {
    const char *keyword;
    enum sar_kind kind;
    struct sar_column column[SAR_COLUMNS_MAX];
};

extern const struct sar_group sar_groups[SAR_GROUPS];

#endif
