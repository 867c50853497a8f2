/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_CALLS_H
#define WEIR_DRILL_CALLS_H

/* Between the files that make the calls of a script: what its values are. All of them end the run
 * if a value is not what is written there must be. */

#include "run.h"

#include <sys/socket.h>

int64_t number_of(struct run *run, const struct node *node);
const struct node *field(const struct node *list, const char *name); /* NULL: there is none */
int64_t field_number(struct run *run, const struct node *list, const char *name, int64_t otherwise);
void expect_number(struct run *run, const char *what, int64_t seen, const struct node *node);

/* Control messages (call_control.c): `msg_control=[{cmsg_level=..., cmsg_type=..., cmsg_data=...}]`
 * is what a sendmsg() hands over, or what a recvmsg() shall give. */
void control_make(struct run *run, struct msghdr *msg, const struct node *list, bool sends);
void control_check(struct run *run, const struct msghdr *msg, const struct node *list);

#endif
