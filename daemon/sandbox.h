/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_SANDBOX_H
#define WEIR_DAEMON_SANDBOX_H

/* What weird gives up once everything is open: the file system, its user, its capabilities, and
 * all system calls but those it needs (syscalls.h). Whoever takes weird over through a packet or a
 * program's call finds nothing there.
 *
 * Meant to be called once, by a process of one thread. There is no way back. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_WHY_MAX 256

/* A sanitizer makes calls of its own, and traces the process when it ends. */
#if defined __SANITIZE_ADDRESS__
#define SANDBOX_SANITIZED true
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED true
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED false
#endif

enum sandbox_part {
    SANDBOX_ROOT = 1 << 0,         /* an empty file system */
    SANDBOX_USER = 1 << 1,         /* another user */
    SANDBOX_CAPABILITIES = 1 << 2, /* all but those kept are gone for good */
    SANDBOX_DUMPABLE = 1 << 3,     /* nobody of the same user can trace it or dump its memory */
    SANDBOX_FILTER = 1 << 4,       /* another system call ends the process */
};

struct sandbox {
    unsigned parts;    /* what is wanted */
    const char *mount; /* a directory to put the empty file system on; afterwards it is / and the
                          working directory, writable for us alone */
    uid_t uid;         /* SANDBOX_USER */
    gid_t gid;
    uint64_t keep;      /* capabilities to keep: bit CAP_... */
    bool allow_unnamed; /* calls that are not named fail with EPERM, for tests; else the process is
                           killed */
};

/* Finds a user by name, without which SANDBOX_USER has nowhere to go. Reads /etc/passwd, so it
 * must come before sandbox_enter. */
bool sandbox_user(const char *name, uid_t *uid, gid_t *gid, char why[SANDBOX_WHY_MAX])
    __attribute__((warn_unused_result));

/* Gives up what is wanted, in an order in which each step can still be taken. False, with the step
 * in `why`: the process is in between and should end. The new file system holds one thing, /proc,
 * read only: a socket whose name is gone is reached through it, and a program's descriptors are
 * looked at there. */
bool sandbox_enter(const struct sandbox *sandbox, char why[SANDBOX_WHY_MAX])
    __attribute__((warn_unused_result));

/* Only the filter, of one of the three that have one: weird's, its keeper's, its porter's.
 * `allow_unnamed` as above. */
enum sandbox_who {
    SANDBOX_WEIRD,
    SANDBOX_KEEPER,
    SANDBOX_PORTER,
};
bool sandbox_filter(enum sandbox_who who, bool allow_unnamed, char why[SANDBOX_WHY_MAX])
    __attribute__((warn_unused_result));

/* Whether this process may change its file system and user at all. If not, ask only for the
 * others. */
bool sandbox_may_change_root(void);

#endif
