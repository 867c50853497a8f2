/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_SPAWN_H
#define WEIR_TOOLS_SPAWN_H

/* Child processes that never outlive their parent, with their output in files: programs found in
 * PATH, and subcommands of our own. */

#include "weir/base.h"

#include <sys/types.h>

struct spawn_output {
    const char *out; /* file for standard output, NULL: /dev/null */
    const char *err; /* the same for standard error */
};

/* Both return the child's process id, or -1. A program that is not there exits with 127. */
pid_t spawn_program(char *const argv[], const struct spawn_output *output);
pid_t spawn_tool(int (*tool)(int argc, char **argv), char **argv,
                 const struct spawn_output *output);

/* Waits for its end and returns its exit status, 128 + N for signal N. After `limit` it is killed:
 * SPAWN_TIMEOUT. */
#define SPAWN_TIMEOUT 1000
int spawn_wait(pid_t pid, weir_time limit);

/* Asks it to end (SIGTERM), then makes it. Returns as spawn_wait. */
int spawn_stop(pid_t pid);

/* Both in one. */
int spawn_run(char *const argv[], const struct spawn_output *output, weir_time limit);

/* Whether PATH has such a program. */
bool spawn_found(const char *program);

/* Sleeps for that long, whatever signals come. */
void spawn_sleep(weir_time time);

#endif
