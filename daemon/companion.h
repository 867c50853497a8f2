/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_COMPANION_H
#define WEIR_DAEMON_COMPANION_H

/* Keep the other one of two CPUs awake while that is worth it. In a virtual machine an idle CPU has
 * halted: to wake somebody there costs the waker 5 to 15 us, and some 50 us pass before he runs.
 * Each of two processes looks at the clock while there is much to do, gives way to everybody, and
 * else sleeps, and costs nothing. With more than two CPUs there is nearly always an idle one that
 * is awake, and no companion.
 *
 * The companion is for programs that ask for sockets in quick succession. A descriptor is put into
 * a program by a call that returns when the program has run and taken it. The kernel wakes the
 * program on an idle CPU if there is one, and weird then as well: a connection that costs 80 us of
 * work takes 200. So this one is an ordinary process, if of the least priority: with it no CPU is
 * idle, and all happens where it is.
 *
 * The idler is for bulk, where the program, weird and the peer had better run at the same time.
 * It is of the class SCHED_IDLE: where only it runs is an idle CPU for the scheduler, to which it
 * brings whoever is woken. */

#include "weir/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum companion_kind {
    COMPANION_CALLS,
    COMPANION_BULK,
};

struct companion {
    int fd;              /* an eventfd that wakes it; -1: there is none */
    unsigned quick;      /* calls that came soon after the one before */
    int64_t last;        /* weir_time of the last call, or of the beginning of `octets` */
    size_t octets;       /* that were moved since */
    _Atomic int64_t end; /* it is to be awake until then */
    _Atomic bool asleep;
};

/* How many CPUs weird may run on. Of more than 1,024 it says 1. */
int companion_cpus(void);

/* Begins one, if it can help here; without one all goes on as well. `filter`: it is to have weird's
 * own filter of system calls. Where it lies is shared with it. */
void companion_start(struct companion *companion, enum companion_kind kind, bool filter);

/* A program is about to be given a descriptor. Until when the other CPU is kept awake; 0: it is
 * not. Till then no CPU is idle, and a program that is woken comes to that of the waker, which had
 * better not wait awake. */
weir_time companion_call(struct companion *companion, weir_time now);

/* So many octets were moved between a program and its connection. */
void companion_octets(struct companion *companion, size_t octets, weir_time now);

#endif
