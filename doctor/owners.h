/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_OWNERS_H
#define WEIR_DOCTOR_OWNERS_H

/* Whose is a socket: what /proc says of processes and their descriptors.
 *
 * All of it is sampled: a process may end, and a descriptor be closed, while we read. What other
 * users' processes hold only root sees. */

#include "facts.h"

/* ---- Names by process ---- */

struct owner_name {
    int32_t thread; /* asked for */
    int32_t pid;    /* its process; the same if that is not known */
    uint32_t uid;
    bool found;
    char comm[FACTS_COMM_MAX];
};

#define OWNER_NAMES 64 /* remembered */
struct owner_names {
    struct owner_name name[OWNER_NAMES];
};

/* The process of a thread, with its name; remembered, so that it must not be kept for long. */
const struct owner_name *owner_name(struct owner_names *names, int32_t thread);

/* ---- Processes by socket ---- */

struct owner {
    uint32_t inode;
    int32_t pid, fd;
    char comm[FACTS_COMM_MAX];
};

struct owners {
    struct owner *owner; /* sorted by inode, then pid, then descriptor */
    size_t count, room;
};

/* Reads all that may be read. False without memory. */
bool owners_read(struct owners *owners);
void owners_free(struct owners *owners);

/* The first owner of a socket, and in `*count` how many follow one another in the table; NULL if
 * nobody is known. */
const struct owner *owners_find(const struct owners *owners, uint32_t inode, size_t *count);

#endif
