/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_KERNEL_H
#define WEIR_DOCTOR_KERNEL_H

/* Source K: the sockets and counters of this machine's kernel, by netlink's SOCK_DIAG and /proc,
 * in one network namespace or in each.
 *
 * These functions change the calling thread's network namespace while they run and put it back. */

#include "facts.h"
#include "owners.h"

#define KERNEL_PATH_MAX 128
#define KERNEL_NETS_MAX 4096 /* namespaces that are looked at; more are not found */

/* A network namespace. */
struct kernel_net {
    char name[FACTS_NET_MAX]; /* as `ip netns` knows it, or "pid:N" of a process in it; "": ours */
    char path[KERNEL_PATH_MAX]; /* "": ours */
};

/* Finds namespaces: with `name` NULL this one alone, with "all" this, those that have a name and
 * those of processes, else the one of that name. Returns how many. */
size_t kernel_find(const char *name, struct kernel_net *found, size_t room);

/* Gives every flow that the query wants, UDP before TCP and IPv4 before IPv6 as ss does. `owners`
 * may be NULL, and must otherwise have been read. 0 or -errno. */
int kernel_flows(const struct kernel_net *net, const struct facts_query *query,
                 const struct owners *owners, facts_flow_fn *on_flow, void *user);

/* Adds what /proc/net/{snmp,snmp6,netstat,sockstat,sockstat6,softnet_stat} say: the names are
 * nstat's, "SockTCPInuse" and the like, "SoftnetDropped". 0 or -errno. */
int kernel_counters(const struct kernel_net *net, struct facts_host *host);

/* Gives each interface as /proc/net/dev has it, with the speed that its driver tells. 0 or -errno.
 */
int kernel_ifaces(const struct kernel_net *net, facts_iface_fn *on_iface, void *user);

/* Gives the last that is known of each socket that is destroyed, until `on_event` returns false or
 * a signal comes. 0 or -errno. */
int kernel_watch(const struct kernel_net *net, const struct facts_query *query,
                 facts_event_fn *on_event, void *user);

/* The boot-time clock of counters that begin with the machine: seconds since it started. */
uint64_t kernel_uptime(void);

#endif
