/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BENCH_CLOCK_H
#define WEIR_BENCH_CLOCK_H

/* What the wire benchmark's programs share: the clock, the CPU time of the process, the sizes that
 * both ends must agree on, and the one line a server prints for each bulk connection.
 *
 * Lines are `name value` pairs, so that run.py needs no knowledge of who printed them. */

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define REQUEST_OCTETS 64     /* each way, in "accept" */
#define BULK_OCTETS    262144 /* of one read or write in a bulk transfer */
#define SERVER_BACKLOG 4096

static inline int64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* User and system time of this process. What the kernel does in its place elsewhere (softirq) is in
 * nobody's account. */
static inline int64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct bulk_meter {
    uint64_t octets;
    int64_t start, start_cpu;
};

static inline void bulk_begin(struct bulk_meter *meter)
{
    *meter = (struct bulk_meter){ .start = clock_ns(), .start_cpu = cpu_ns() };
}

static inline void bulk_end(const struct bulk_meter *meter)
{
    printf("octets %llu ns %lld cpu_ns %lld\n", (unsigned long long)meter->octets,
           (long long)(clock_ns() - meter->start), (long long)(cpu_ns() - meter->start_cpu));
    fflush(stdout);
}

#endif
