/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_SYSCTL_TABLE_H
#define WEIR_TOOLS_SYSCTL_TABLE_H

/* Linux's settings of the network, by the names people know, and what each is to weir.
 *
 * A setting is one of four kinds: a field of struct weir_config; something weir always does in one
 * way, so that only that value is taken; something Linux has and weir has not; or something that
 * Linux itself has given up. There is no silent success: a value that would change nothing is
 * refused, and the reason is said.
 *
 * Nothing here reads a file, prints, or changes an instance that runs: a value goes into a struct
 * weir_config, and whoever builds the instance uses that. `weir sysctl` and weird share it. */

#include "weir/stack.h"

#define SYSCTL_TEXT_MAX 64  /* a value as text */
#define SYSCTL_WHY_MAX  512 /* a complaint */

enum sysctl_kind {
    SYSCTL_FIELD,      /* one number, kept in the configuration */
    SYSCTL_VECTOR,     /* "min default max", of which min and max are kept */
    SYSCTL_FIXED,      /* weir does it in one way */
    SYSCTL_CONGESTION, /* the name of an algorithm (enum weir_congestion) */
    SYSCTL_ABSENT,     /* Linux has it, weir has not */
    SYSCTL_REMOVED,    /* Linux had it */
};

#define SYSCTL_NO_FIELD UINT16_MAX

/* A number of the setting is `unit` of the field's own. In `unit` 0 it is a page of 4,096 octets of
 * the pool of ring chunks. */
struct sysctl {
    const char *name;
    enum sysctl_kind kind;
    uint16_t low;       /* vectors: where the first number goes, or SYSCTL_NO_FIELD */
    uint16_t field;     /* offset in struct weir_config */
    uint8_t field_size; /* octets */
    int64_t unit;
    int64_t linux_min, linux_max; /* what Linux takes (measured on 6.18) */
    int64_t min, max;             /* what weir takes */
    const char *fixed;            /* the one value that is true */
    bool at_start;                /* what runs keeps what it began with */
    const char *note;             /* what to know; for removed ones, since when and why */
};

unsigned sysctl_count(void);
const struct sysctl *sysctl_at(unsigned i);

/* By name; '/' is as good as '.', as in sysctl(8). NULL: neither Linux nor weir has it. */
const struct sysctl *sysctl_find(const char *name);

/* The name closest to `name`, or NULL if none is close. */
const struct sysctl *sysctl_closest(const char *name);

/* Whether it has a value at all: not the absent and removed ones. */
bool sysctl_has_value(const struct sysctl *setting);

/* The value that `config` holds. Returns `text`; "" if there is no value. */
char *sysctl_value(const struct weir_config *config, const struct sysctl *setting,
                   char text[SYSCTL_TEXT_MAX]);

/* Why a setting without a value has none, in one line. Returns `why`. */
char *sysctl_no_value(const char *name, char why[SYSCTL_WHY_MAX]);

/* Puts `value` into `config`. Numbers are read as Linux reads them: decimal, 0x or octal, with
 * space around. Returns false, with `config` unchanged and the reason in `why`, for a name that
 * does not exist or takes no value, a value that Linux would not take, one that weir cannot do,
 * and one that makes no sense together with the rest of `config`. */
bool sysctl_apply(struct weir_config *config, const char *name, const char *value,
                  char why[SYSCTL_WHY_MAX]) __attribute__((warn_unused_result));

/* The same for a configuration that is in use: refuses also what only a start can change. */
bool sysctl_change(struct weir_config *config, const char *name, const char *value,
                   char why[SYSCTL_WHY_MAX]) __attribute__((warn_unused_result));

#endif
