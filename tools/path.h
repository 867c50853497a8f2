/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_PATH_H
#define WEIR_TOOLS_PATH_H

/* What is known of a path after some rounds of probes, hop by hop, and what that means in words.
 * No I/O but the words' FILE.
 *
 * A router answers a probe whose TTL ran out with its slow half, and may limit that; forwarding is
 * the fast half's. So a hop that answers seldom says nothing while the hops behind it answer: only
 * loss that goes on up to the last hop is loss of the path. */

#include "ping_stats.h"

#define PATH_HOPS_MAX  64
#define PATH_ADDRESSES 8 /* of one hop: paths side by side */

struct path_hop {
    struct ping_stats stats;
    struct weir_ip address[PATH_ADDRESSES]; /* in the order they were seen */
    unsigned address_count;
    bool reached;     /* the host itself has answered here */
    char stopped[16]; /* who answered says that it goes no farther: traceroute's mark */
};

struct path {
    struct path_hop hop[PATH_HOPS_MAX]; /* of TTL first, first + 1, ... */
    unsigned first, count;              /* count: up to the host, or the last one probed */
};

/* Whether the last hop is the host. */
bool path_reached(const struct path *path);

/* Index of the last hop that has answered at all; -1: none has. */
int path_last_heard(const struct path *path);

enum path_finding {
    PATH_CLEAN,
    PATH_RATE_LIMITED, /* a hop answers seldom, those behind it answer: no fault */
    PATH_HIDDEN,       /* a hop never answers, those behind it do: no fault */
    PATH_SLOW_ANSWER,  /* it answers later than those behind it: no fault */
    PATH_LOSS,         /* loss from a hop on, up to the host */
    PATH_UNREACHED,    /* the host has not answered; `hop` is the last that has, or -1 */
    PATH_STOPPED,      /* a hop says that it goes no farther */
    PATH_BALANCED,     /* several routers side by side */
};
const char *path_finding_name(enum path_finding finding); /* "rate-limited" */

struct path_statement {
    enum path_finding finding;
    int hop;                   /* index */
    unsigned loss, loss_after; /* thousandths: of the hop, and of what lies behind it */
};

#define PATH_STATEMENTS_MAX (PATH_HOPS_MAX * 2 + 2)

/* What can be said, in the order of the hops; how many. PATH_CLEAN alone if nothing is odd. */
unsigned path_judge(const struct path *path, struct path_statement out[PATH_STATEMENTS_MAX]);

/* One statement as a sentence or two, without a line's end. */
#define PATH_SENTENCE_MAX 400
char *path_sentence(const struct path *path, const struct path_statement *statement,
                    char text[PATH_SENTENCE_MAX]);

#endif
