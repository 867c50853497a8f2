/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_SUBJECT_H
#define WEIR_DRILL_SUBJECT_H

/* The stack that is examined: weir in virtual time (subject_weir.c), or the kernel this runs on, in
 * real time (subject_kernel.c). The runner knows no more of either than this.
 *
 * System calls go in as system calls do: a number and six words, with Linux's structs behind those
 * that are pointers. What comes back is the result, or -errno. */

#include "packet.h"

#include <sys/syscall.h>

/* By the kernel's names. clang-format never agrees with itself on this list. */
/* clang-format off */
#define DRILL_CALLS(X) \
    X(socket) X(bind) X(listen) X(accept) X(accept4) X(connect) X(read) X(readv) X(recvfrom) \
    X(recvmsg) X(write) X(writev) X(sendto) X(sendmsg) X(sendfile) X(fcntl) X(ioctl) X(close) \
    X(shutdown) X(getsockopt) X(setsockopt) X(getsockname) X(getpeername) X(poll) \
    X(epoll_create) X(epoll_create1) X(epoll_ctl) X(epoll_wait) X(pipe) X(splice) X(open)
/* clang-format on */

enum call_id {
#define X(name) CALL_##name,
    DRILL_CALLS(X)
#undef X
    CALL_COUNT
};

#define CALL_BLOCKS (-100000L) /* it waits; resume() tells how it ended */

struct call {
    enum call_id id;
    long arg[6];
};

struct subject {
    void *self;
    bool real_time;
    weir_time (*now)(void *self);
    /* To `until`, or less far: to the moment when a packet left or the waiting call may be done. */
    void (*advance)(void *self, weir_time until);
    bool (*inject)(void *self, const uint8_t *packet, size_t len);
    /* The next packet that left, if any. */
    bool (*take)(void *self, uint8_t *packet, size_t *len, struct seen *seen);
    /* `may_wait`: the script says that this call blocks. */
    long (*call)(void *self, const struct call *call, bool may_wait);
    long (*resume)(void *self, weir_time *when); /* of a call that waits; when it ended */
    /* A setting by Linux's name. False with the reason in `why`. */
    bool (*set)(void *self, const char *name, const char *value, char why[DRILL_ERROR_MAX]);
    /* A file of `len` zeros, or none (< 0). NULL: the machine's own are used. */
    bool (*file)(void *self, const char *path, long len);
    void (*end)(void *self);
};

#endif
