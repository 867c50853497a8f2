/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IPC_CONTROL_H
#define WEIR_IPC_CONTROL_H

/* What `weir run` and others say to weird, over an AF_UNIX socket of type SOCK_SEQPACKET: one
 * request (of a run with one descriptor, seccomp's), one answer. Both are of one build on one
 * machine. */

#include <stdint.h>

#define CONTROL_MAGIC   UINT32_C(0x77656972) /* "weir" */
#define CONTROL_VERSION 2u

enum control_kind {
    CONTROL_RUN,       /* a program has begun; its descriptor comes along */
    CONTROL_TAKE_OVER, /* of the keeper of a weird that is gone: its runs' descriptors, please */
    CONTROL_STATUS,    /* how much is in use: the answer is struct control_status */
};

struct control_request {
    uint32_t magic, version, kind;
};

struct control_answer {
    uint32_t magic;
    int32_t error; /* errno; 0: the run has begun */
};

/* What weird has; it all goes back to what it was when programs are gone. */
struct control_status {
    uint32_t magic;
    int32_t error;
    uint32_t runs, sockets, parked, connections;
    uint32_t chunks; /* of the ring pool */
};

#endif
