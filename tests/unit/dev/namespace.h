/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_NAMESPACE_H
#define WEIR_TESTS_NAMESPACE_H

/* A network namespace of this process's own, as root or through a user namespace; it ends with the
 * process. */

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Runs a shell command; whether it succeeded. */
__attribute__((format(printf, 1, 2))) static inline bool sh(const char *format, ...)
{
    char command[400];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command) == 0;
}

static inline bool write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return done;
}

static inline bool enter_namespace(void)
{
    char map[32];
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    if (uid == 0 && unshare(CLONE_NEWNET) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return false;
    snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
    bool done = write_file("/proc/self/uid_map", map) && write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
    done = done && write_file("/proc/self/gid_map", map);
    return done;
}

#endif
