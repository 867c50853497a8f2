/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_PACKETS_H
#define WEIR_TOOLS_PACKETS_H

/* Packets of an interface as they pass, by libpcap, until SIGINT or SIGTERM. What goes wrong is
 * said in one line under the name of the command. */

#include "doctor/capture_file.h"

#include <stdbool.h>

#define PACKETS_WAIT     100 /* ms: how long the kernel may collect packets */
#define PACKETS_SNAP_MAX 262144

struct packets {
    struct pcap *live;
    const char *command;
    uint64_t count;
};

struct packets_how {
    unsigned snap_len;
    bool not_promiscuous, only_in, only_out;
};

/* "any" is every interface. `filter` "" takes all. TOOL_...; nothing is open then but with TOOL_OK.
 */
int packets_open(struct packets *packets, const char *command, const char *iface,
                 const struct packets_how *how, const char *filter);
uint32_t packets_link(const struct packets *packets); /* enum capture_link */

/* 1: a frame, valid until the next call; 0: none came for `wait` milliseconds; -1: no more can. */
int packets_next(struct packets *packets, struct capture_frame *frame, int wait);
bool packets_stopped(void); /* a signal has come */

/* `counts`: says on stderr how many passed, as tcpdump does. */
void packets_close(struct packets *packets, bool counts);

#endif
