/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_STACK_H
#define WEIR_DOCTOR_STACK_H

/* Source S: instances of weir, through their control sockets. */

#include "facts.h"

#include "ipc/sight.h"

#define STACK_PATH_MAX 108 /* sun_path's size */
#define STACKS_MAX     256 /* instances that are looked at; more are not found */

/* One that answers. `name` is what --net takes: the directory below /run/weir, "run-PID" for a
 * private one, or the path that was given. */
struct stack_instance {
    char name[FACTS_NET_MAX];
    char path[STACK_PATH_MAX];
};

/* Finds the control sockets: `path` alone, or those of the instance `net`, or (both NULL) all in
 * /run/weir and in the user's runtime directory. A socket of ours that nobody serves is removed.
 * Returns how many. */
size_t stack_find(const char *path, const char *net, struct stack_instance *found, size_t room);

/* Connects to one, and removes a private one's socket that was left behind. -errno. */
int stack_open(const struct stack_instance *instance, struct sight_client *client);

/* Gives every flow that the query wants. 0 or -errno. */
int stack_flows(const struct stack_instance *instance, const struct facts_query *query,
                facts_flow_fn *on_flow, void *user);

/* Its counters, added to `host`. 0 or -errno. */
int stack_counters(const struct stack_instance *instance, struct facts_host *host);

/* Gives the device that it is on, if there is one. 0 or -errno: -EOPNOTSUPP from a weir that does
 * not tell. */
int stack_ifaces(const struct stack_instance *instance, facts_iface_fn *on_iface, void *user);

/* The records of its trace from *cursor on (0: the oldest kept). 0 or -errno. */
int stack_events(const struct stack_instance *instance, enum weir_trace_ring ring, uint64_t *cursor,
                 facts_event_fn *on_event, void *user);

#endif
