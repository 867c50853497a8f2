/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IPC_CONTROL_H
#define WEIR_IPC_CONTROL_H

/* What `weir run` and others say to weird, over an AF_UNIX socket of type SOCK_SEQPACKET: one
 * request (of a run with one descriptor, seccomp's), one answer. Both are of one build on one
 * machine. */

#include "weir/stack.h"

#define CONTROL_MAGIC   UINT32_C(0x77656972) /* "weir" */
#define CONTROL_VERSION 3u

enum control_kind {
    CONTROL_RUN,       /* a program has begun; its descriptor comes along */
    CONTROL_TAKE_OVER, /* of the keeper of a weird that is gone: its runs' descriptors, please */
    CONTROL_STATUS,    /* how much is in use: the answer is struct control_status */
    CONTROL_CONFIG,    /* the settings: the answer is struct control_config */
    CONTROL_SET,       /* one of them, please: struct control_set */
};

struct control_request {
    uint32_t magic, version, kind;
};

/* A setting by Linux's name, and its value as one writes it. Only root and the user that weird has
 * become may; the answer is struct control_said. */
#define CONTROL_NAME_MAX  96
#define CONTROL_VALUE_MAX 128
#define CONTROL_TEXT_MAX  512
struct control_set {
    struct control_request head;
    char name[CONTROL_NAME_MAX], value[CONTROL_VALUE_MAX];
};

struct control_said {
    uint32_t magic;
    int32_t error; /* EPERM, EINVAL: `text` says why */
    char text[CONTROL_TEXT_MAX];
};

/* Without secrets, and without pointers. */
struct control_config {
    uint32_t magic;
    int32_t error;
    struct weir_config config;
};

#define CONTROL_DNS_MAX    3 /* as many as a resolver asks */
#define CONTROL_SEARCH_MAX 256

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
    /* Who is asked for names, and where they are looked for: the configuration's and DHCP's. */
    uint32_t dns_count;
    struct weir_ip dns[CONTROL_DNS_MAX];
    char search[CONTROL_SEARCH_MAX]; /* domains with a space between; "": none */
};

#endif
