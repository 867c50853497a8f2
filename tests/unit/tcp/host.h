/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_TCP_HOST_H
#define WEIR_TESTS_UNIT_TCP_HOST_H

/* What connections share, with memory of its own: enough for one connection without an instance. */

#include "tcp/tcp.h"

#include <stdlib.h>

struct host {
    struct weir_config config;
    struct ring_pool rings;
    struct pool flights, blocks;
    struct trace trace;
    struct tcp_host tcp;
    void *memory[4];
};

static inline void *host_memory(struct host *host, unsigned i, size_t size)
{
    host->memory[i] = aligned_alloc(64, (size + 63) / 64 * 64);
    if (host->memory[i] == NULL)
        abort();
    return host->memory[i];
}

static inline void host_init(struct host *host, uint32_t blocks)
{
    *host = (struct host){ 0 };
    weir_config_default(&host->config);
    host->config.verify = true;
    ring_pool_init(&host->rings, host_memory(host, 0, ring_pool_size(64, 14)), 64, 14);
    pool_init(&host->flights, host_memory(host, 1, 2 * sizeof(struct tcb_flight)), 2,
              sizeof(struct tcb_flight), true);
    pool_init(&host->blocks,
              host_memory(host, 2, (size_t)blocks * SENT_BLOCK * sizeof(struct sent)), blocks,
              SENT_BLOCK * sizeof(struct sent), true);
    struct arena arena = { .base = host_memory(host, 3, 1 << 16), .size = 1 << 16 };
    trace_init(&host->trace, &arena, 16, 16);
    host->tcp = (struct tcp_host){ .config = &host->config,
                                   .rings = &host->rings,
                                   .flights = &host->flights,
                                   .sent = { &host->blocks, &host->rings },
                                   .trace = &host->trace,
                                   .isn_key = { 1, 2 },
                                   .cookie_key = { 3, 4 },
                                   .ts_key = { 5, 6 },
                                   .port_key = { 7, 8 } };
}

static inline void host_free(struct host *host)
{
    for (unsigned i = 0; i < 4; i++)
        free(host->memory[i]);
}

#endif
