/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IPC_CONTROL_H
#define WEIR_IPC_CONTROL_H

/* What `weir run` and weird say to each other, over an AF_UNIX socket of type SOCK_SEQPACKET: one
 * request with one descriptor (seccomp's), one answer. Both are of one build on one machine. */

#include <stdint.h>

#define CONTROL_MAGIC   UINT32_C(0x77656972) /* "weir" */
#define CONTROL_VERSION 1u

struct control_request {
    uint32_t magic, version;
};

struct control_answer {
    uint32_t magic;
    int32_t error; /* errno; 0: the run has begun */
};

#endif
