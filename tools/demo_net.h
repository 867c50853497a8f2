/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_DEMO_NET_H
#define WEIR_TOOLS_DEMO_NET_H

/* The network of the demonstration: a network namespace of this process's own, in which the kernel
 * has one end of a wire and weir is to have the other. It is gone when its last process is. */

#include <stdbool.h>

#define DEMO_LINUX_V4 "192.0.2.1"
#define DEMO_LINUX_V6 "2001:db8::1"
#define DEMO_WEIR_V4  "192.0.2.2"
#define DEMO_WEIR_V6  "2001:db8::2"

struct demo_net {
    bool as_root;       /* no user namespace was needed */
    const char *device; /* for --dev */
    const char *medium; /* "a TAP device", for a person */
    char wrong[256];    /* why a call failed */
};

/* Moves the calling process into a network namespace of its own. */
bool demo_net_enter(struct demo_net *net);

/* Builds the wire: a TAP device, or a veth pair if there is no /dev/net/tun or `packet` asks for
 * it. `log` is a file for what the tools say. */
bool demo_net_build(struct demo_net *net, bool packet, const char *log);

#endif
