/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_RUN_H
#define WEIR_TOOLS_RUN_H

/* The parts of `weir run`: the filter that makes a program's socket calls notifications, and the
 * private network. Functions that can fail return false with one line in `why`. */

#include "host_ports.h"

#include "weir/dev.h"

/* What weir is asked about beside socket calls, each with what is above it. */
enum run_also {
    RUN_ALSO_NOTHING,
    RUN_ALSO_CLOSE, /* each close, of whatever */
    RUN_ALSO_DATA,  /* each read and write, and what sends and receives without a name */
};

/* Puts the calling thread, and what it will become or start, under the filter; gives seccomp's
 * descriptor. From then on its socket calls wait for whoever holds that, and so does what `also`
 * says. */
bool run_filter_install(enum run_also also, int *notify, char why[WEIR_LINE_MAX]);

/* Moves this process into a network of its own (and a user namespace, unless it is root). */
bool run_net_enter(char why[WEIR_LINE_MAX]);

#define RUN_SYSCTL_MAX 32

/* What the private weird is told beside the usual. */
struct run_options {
    const char *pcap;                       /* NULL: none */
    const char *publish[HOST_PUBLISH_MAX];  /* as they were given */
    const char *loopback[HOST_PUBLISH_MAX]; /* the same, of --host-loopback */
    struct host_ports ports;                /* what they say */
    const char *sysctl[RUN_SYSCTL_MAX];
    unsigned publish_count, loopback_count, sysctl_count;
};

/* Starts the porter, which has the host's ports, in the network that this process is in still; the
 * way to it is for the private weird. -1 in `*porter` if no ports are wanted. */
bool run_net_porter(const struct run_options *options, int *porter, char why[WEIR_LINE_MAX]);

/* Starts a private weird in it, which is nobody's child and ends after the program; `*control` is
 * the way to speak to it. */
bool run_net_start(const struct run_options *options, int porter, int *control,
                   char why[WEIR_LINE_MAX]);

/* Becomes the weird beside this command, or the one in PATH; `words` are its argv. Does not return.
 */
void run_exec_weird(const char *const words[]) __attribute__((noreturn));

/* False, with the reason, for a program that gains rights by being started: it would not. */
bool run_rights_kept(const char *name, char why[WEIR_LINE_MAX]);

/* Connects to one that is there. */
bool run_net_join(const char *path, int *control, char why[WEIR_LINE_MAX]);

/* Puts what that weird says about names in the place of /etc/resolv.conf, for this process and what
 * comes of it: in a mount namespace of its own. Does nothing if it says nothing. */
bool run_names(const char *path, char why[WEIR_LINE_MAX]);

#endif
