/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BENCH_PATH_END_H
#define WEIR_BENCH_PATH_END_H

/* What both ends of the race over a bad path have in common, whether weir's (path_weir.c) or the
 * kernel's (path_kernel.c): the arguments, what is sent, what is counted and how it is said. Only
 * how octets get in and out of TCP is the programs' own.
 *
 * A source opens its flows, says "connected" and sends until its time is up: as much as there is
 * room for, or on each flow a message of MESSAGE_OCTETS every MESSAGE_APART. A sink says "ready",
 * and its time begins with the first flow. Both print what came of it and end; what is then still
 * on the way is nobody's. Times are nanoseconds of CLOCK_MONOTONIC, which both ends share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_FLOWS     64
#define PATH_READ      65536
#define MESSAGE_OCTETS 500
#define MESSAGE_APART  INT64_C(50000000)
#define MESSAGE_QUIET  INT64_C(2000000000) /* at the end, for the last ones to arrive */
#define PATH_SECOND    INT64_C(1000000000)

struct path_flow {
    uint16_t port;   /* the source's */
    uint64_t octets; /* received after the warm-up */
    uint64_t offset; /* of the stream */
    uint8_t stamp[8];
};

struct path_end {
    bool source, messages;
    char *local, *remote; /* addresses, as they were given */
    uint16_t port;
    int64_t span, warm_up;
    unsigned flows;
    const char *congestion;

    int64_t start; /* 0: not begun */
    struct path_flow flow[PATH_FLOWS];
    uint32_t *late; /* how long each message took, in microseconds */
    uint32_t late_count;
};

/* Ends the program with a line, exit code 2, if the arguments make no sense:
 * source|sink LOCAL REMOTE PORT SECONDS WARM-UP FLOWS CONGESTION bulk|messages. */
void path_end_parse(struct path_end *end, int count, char **word);

_Noreturn void path_die(const char *what, const char *why);

/* At a sink: octets of a flow have arrived. */
void path_end_take(struct path_end *end, unsigned flow, const uint8_t *octets, size_t len,
                   int64_t now);

/* At a source: the message to be sent now. */
void path_end_message(uint8_t message[MESSAGE_OCTETS], int64_t now);

/* When flow `i` sends its n-th message. */
int64_t path_end_message_at(const struct path_end *end, unsigned flow, uint64_t n);

/* At a sink: a line for each flow, and one for the messages. */
void path_end_report(struct path_end *end);

#endif
