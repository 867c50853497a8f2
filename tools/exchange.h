/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_EXCHANGE_H
#define WEIR_TOOLS_EXCHANGE_H

/* One small exchange, step by step, drawn as a ladder: handshake, a greeting each way, close.
 *
 * weir is the client on the left. On the right is the kernel of this machine, in the network
 * namespace that the caller is in; or, over a pair, a second weir. weir's states
 * come from weir_status; the kernel's from /proc/self/net/tcp, looked at a millisecond after each
 * segment, where a connection that is no longer listed counts as CLOSED. weir gives the reason for
 * each segment it sends; what stands beside the kernel's is only what the segment is. */

#include "ladder.h"

struct exchange_config {
    const char *device; /* as for --dev; "pair": two weirs */
    const char *pcap;   /* NULL: none */
    struct ladder_style style;
};

struct exchange_result {
    char wrong[256];   /* why it failed */
    unsigned segments; /* drawn */
    uint64_t frames;   /* in the capture */
};

/* Draws on standard output. True if every octet arrived and both ends ended as they should. */
bool exchange_run(const struct exchange_config *config, struct exchange_result *result);

#endif
