/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_MESSAGES_H
#define WEIR_DAEMON_MESSAGES_H

/* Calls that carry octets of a stream, as far as weird makes them for the program: what such a call
 * asks for, and what becomes of it if a signal takes the thread out of it. */

#include "parts.h"

#include <sys/uio.h>

#define MESSAGE_MAX   65536 /* octets that are moved at a time */
#define MESSAGE_SPANS 64

/* The program's octets of a call, and what else there is to it. */
struct message {
    struct iovec span[MESSAGE_SPANS]; /* in the program */
    unsigned span_count;
    int flags;
    uint64_t name, name_len_at; /* the program's pointers, or 0 */
    uint64_t header;            /* of sendmsg and recvmsg */
};

extern char message_octets[MESSAGE_MAX]; /* on their way, of one call */

/* False: the kernel is to say what is wrong with it. */
bool message_read(const struct call *call, struct message *message);

bool message_waits(const struct call *call, const struct message *message);

/* Whether an AF_UNIX socket would have other words for it: TCP is not connected. */
bool message_unconnected(const struct call *call);

/* Answers a call that is the first to meet the connection's end, with the reason: an AF_UNIX socket
 * knows but two. False: there is none, or octets come before it, or the kernel says it as well. */
bool message_fails(const struct call *call, bool sends);

/* Makes a receive that asks for nothing but octets, on S'. False: nothing is there. */
bool message_receive(const struct call *call);

/* ---- exact.c: who caught the call is `weir run --exact` ---- */

/* Whether the kernel is not to do it yet, or not at all: then the call waits, or is answered. */
bool exact_wait(struct call *call, const struct message *message, bool sends);

/* ---- Withdrawn calls ---- */

/* A signal takes a thread out of a call also when we have done what it asked for and have not said
 * so yet. The thread then makes the same call again, by itself (SA_RESTART) or because it got
 * EINTR, and has the answer it was to have: else octets would be lost, or sent twice. What seccomp
 * took from us and lost (call_answer) is lost all the same, so that what can be is left to the
 * kernel: all but what is sent to an address, or received with one. */
struct withdrawn {
    uint64_t socket; /* its id; 0: a free place */
    pid_t pid;
    int nr;
    uint64_t arg[4];
    size_t count; /* the answer */
    size_t len;   /* of `octets`: what was received, or the first ones of what was sent */
    char octets[MESSAGE_MAX];
};

/* `len` of message_octets are kept with it. */
void withdrawn_keep(const struct call *call, size_t count, size_t len);

/* The one that this call repeats, which is then forgotten; NULL: it repeats none. */
const struct withdrawn *withdrawn_take(const struct call *call);

#endif
