/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_COMPANION_H
#define WEIR_DAEMON_COMPANION_H

/* Keeps the other one of two CPUs awake while programs ask for sockets in quick succession.
 *
 * A descriptor is put into a program by a call that returns when the program has run and taken it.
 * The kernel wakes the program on an idle CPU if there is one, and weird then as well. Where an
 * idle CPU has halted, as in a virtual machine, that takes some 50 us each time, and a connection
 * that costs 80 us of work takes 200. With nobody idle all happens where it is.
 *
 * So a process of the least priority, which gives way to everybody, looks at the clock: from some
 * calls in quick succession on, until there was none for a while. Else it sleeps, and costs
 * nothing. With more than two CPUs there is nearly always an idle one, and no companion. */

#include "weir/base.h"

#include <stdbool.h>
#include <stdint.h>

struct companion {
    int fd;              /* an eventfd that wakes it; -1: there is none */
    unsigned quick;      /* calls that came soon after the one before */
    int64_t last;        /* weir_time of the last call */
    _Atomic int64_t end; /* it is to be awake until then */
    _Atomic bool asleep;
};

/* How many CPUs weird may run on. Of more than 1,024 it says 1. */
int companion_cpus(void);

/* Begins one, if it can help here; without one all goes on as well. `filter`: it is to have weird's
 * own filter of system calls. Where it lies is shared with it. */
void companion_start(struct companion *companion, bool filter);

/* A program is about to be given a descriptor. Until when the other CPU is kept awake; 0: it is
 * not. Till then no CPU is idle, and a program that is woken comes to that of the waker, which had
 * better not wait awake. */
weir_time companion_call(struct companion *companion, weir_time now);

#endif
