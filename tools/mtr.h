/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_MTR_H
#define WEIR_TOOLS_MTR_H

/* `weir mtr`: rounds of probes to each hop (mtr.c), shown live (mtr_screen.c) or at the end
 * (mtr_report.c). */

#include "names.h"
#include "path.h"
#include "probe.h"

#define MTR_FLIGHT_MAX 512

struct mtr {
    const char *command, *host;
    struct probe_target target;
    struct path path;
    struct names *names; /* NULL: numbers only */
    uint64_t rounds;     /* 0: no end */
    weir_time interval, wait;
    uint64_t last_ttl;
    bool report, as_json, wide;
    bool both; /* names and addresses */

    struct probe flight[MTR_FLIGHT_MAX];
    unsigned end; /* the TTL that reached the host; 0: not known */
    unsigned ttl; /* the next to probe in this round; 0: the round is through */
    uint64_t round;
    uint16_t seq;
    weir_time next_at, round_at;
    int error; /* why the last probe could not be sent; 0: it was */
};

/* Sends what is due, waits for answers until then, or until `also` (a descriptor, -1: none) can be
 * read, takes them in, and gives up what has waited too long. False: all rounds are through. */
bool mtr_step(struct mtr *mtr, int also);

/* Forgets all counts. */
void mtr_reset(struct mtr *mtr);

/* The name of a hop's first address, or the address, or "???"; with `both` "name (address)". */
const char *mtr_hop_name(const struct mtr *mtr, unsigned i, char text[NAME_TEXT_MAX]);

int mtr_screen(struct mtr *mtr);
void mtr_report(const struct mtr *mtr);
void mtr_json(const struct mtr *mtr);
void mtr_words(const struct mtr *mtr, FILE *file, unsigned columns);

#endif
