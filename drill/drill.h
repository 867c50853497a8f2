/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_DRILL_H
#define WEIR_DRILL_DRILL_H

/* `weir drill`: scripts, one after the other, on weir or on the kernel, and the tally. */

#include "run.h"

struct drill {
    struct run_config config;
    bool modes[MODE_COUNT]; /* which to run each script in; none: what the script says, or IPv4 */
    bool kernel, tap, wrap, parse_only;
    const struct define *defines;
    unsigned define_count;
    unsigned passed, failed, skipped; /* counted up */
};

/* Reads and runs one file, or all scripts (*.pkt) in a folder and below; prints. */
void drill_file(struct drill *drill, const char *path);

/* Whether all is well, after the last file; prints the tally. */
bool drill_done(const struct drill *drill);

#endif
