/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_CALLS_H
#define WEIR_DRILL_CALLS_H

/* Between the files that make the calls of a script (calls.c): what its values are, a call with its
 * arguments, and what came back. All of them end the run if a value is not what is written there
 * must be. */

#include "run.h"

#include <sys/socket.h>

struct epoll_event;

/* ---- Values (call_value.c) ---- */

int64_t value_number(struct run *run, const struct node *node);
const struct node *value_field(const struct node *list, const char *name); /* NULL: there is none */
int64_t value_field_number(struct run *run, const struct node *list, const char *name,
                           int64_t otherwise);
void value_expect(struct run *run, const char *what, int64_t seen, const struct node *node);

/* A script's descriptors and the subject's. */
int fd_live(struct run *run, int64_t script); /* one that nobody has if there is none */
bool fd_is_datagram(const struct run *run, int64_t script);
void fd_map(struct run *run, int64_t script, long live, bool datagram);
void fd_unmap(struct run *run, int64_t script);

/* ---- A call with its arguments (call_make.c) ---- */

struct call call_make(struct run *run, const struct event *event);
void value_epoll(struct run *run, const struct node *node, struct epoll_event *event);

/* ---- What it gave beside its result (call_check.c) ---- */

void call_check(struct run *run, const struct event *event, const struct call *call, long result);

/* ---- Control messages (call_control.c) ----
 *
 * `msg_control=[{cmsg_level=..., cmsg_type=..., cmsg_data=...}]` is what a sendmsg() hands over, or
 * what a recvmsg() shall give. */

void control_make(struct run *run, struct msghdr *msg, const struct node *list, bool sends);
void control_check(struct run *run, const struct msghdr *msg, const struct node *list);

#endif
