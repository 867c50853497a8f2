/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_STACK_WORLD_H
#define WEIR_TESTS_UNIT_STACK_WORLD_H

/* Two instances joined by a wire in virtual time: every frame one sends arrives at the other after
 * `delay`, unless `filter` takes it away. Time moves only in world_run. Everything the two send
 * goes into a hash, so that two runs can be compared. */

#include "weir/weir.h"
#include "wire/tcp.h"

#define WORLD_FRAMES 4096

struct world_frame {
    weir_time at;
    uint8_t *data;
    size_t len;
    uint16_t gso_size;
    bool csum_ok;
};

struct world {
    struct weir *side[2];
    void *memory[2];
    weir_time now, delay;
    struct world_frame queue[2][WORLD_FRAMES]; /* to side i, in order of arrival */
    unsigned head[2], count[2];
    /* Whether a frame from side `from` goes on; NULL: all do. */
    bool (*filter)(struct world *, unsigned from, const uint8_t *data, size_t len);
    /* What a driver may do to a frame for side `to` before it goes in, and what is looked at after
     * that; NULL: nothing. */
    void (*arrange)(struct world *, unsigned to, struct weir_frame *frame);
    void (*arrived)(struct world *, unsigned to, const struct weir_frame *frame);
    unsigned filtered, filter_first;
    uint64_t hash;
    uint64_t frames;
    unsigned batch; /* frames a weir_input gets at most */
};

struct world_options {
    struct weir_config config; /* of both; `seed` and secrets differ by side */
    bool ip_only, offload;
};

void world_defaults(struct world_options *options);
void world_open(struct world *world, const struct world_options *options);
void world_close(struct world *world);

/* Lets time pass up to `until` (at least once around, also if that is now). */
void world_run(struct world *world, weir_time duration);

/* The address of a side. */
struct weir_addr world_addr(unsigned side, bool v6, uint16_t port);

/* A listener on side 1 and a connection to it from side 0, through the handshake and accepted. */
bool world_connect(struct world *world, bool v6, weir_handle *listener, weir_handle *client,
                   weir_handle *server);

/* Sends a raw frame to a side at once. */
void world_inject(struct world *world, unsigned to, const uint8_t *data, size_t len);

/* An IPv4 segment from `from` to `to` (addresses only; ports are in `seg`), as it would stand on
 * the wire: link header, sums and all. Returns its octets; `frame` holds 1,514. */
size_t world_segment(const struct weir_ip *from, const struct weir_ip *to,
                     const struct tcp_seg *seg, const struct tcp_opts *opts, uint8_t *frame);

/* Link and IPv4 header for `len` octets of a protocol behind them; returns where those begin. */
size_t world_ip_head(const struct weir_ip *from, const struct weir_ip *to, uint8_t proto,
                     size_t len, uint8_t *frame);

unsigned world_pool_used(const struct world *world, unsigned side, const char *name);
uint8_t world_state(const struct world *world, unsigned side, weir_handle handle);

#endif
