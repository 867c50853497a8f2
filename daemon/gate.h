/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_GATE_H
#define WEIR_DAEMON_GATE_H

/* Ports of the host that lead to programs on weir, and ports of weir's loopback that lead to the
 * host's (tools/host_ports.h has the words).
 *
 * Two processes: the porter is in the host's network and has the sockets there; weird has the
 * connections of its own stack. Each pair of them is joined by an AF_UNIX pair, of which weird gets
 * one end from the porter. So weird never holds a socket of the host's network, by which whoever
 * takes weird over could go anywhere on it; and the porter, which reads nothing but octets to pass
 * on, has no other way to weird than these.
 *
 * A connect to one of the loopback's ports is answered when the host's has answered: a refusal
 * there is a refusal here. A host's connection to a published port is there before weird is asked;
 * if no program listens, it is reset. A reset on either side is one on the other. */

#include "conf.h"

#include "weir/dev.h"

struct weird;
struct weir_event;

#define GATE_LINKS_MAX 256 /* connections and flows of datagrams at a time; more are refused */

enum gate_kind {
    GATE_READY,  /* porter: every published port is open */
    GATE_FAILED, /* porter: one is not; `text` says why */
    GATE_ASK,    /* weird: connect to the host's loopback, please */
    GATE_ANSWER, /* porter: `error`, or a descriptor comes along */
    GATE_COME,   /* porter: somebody came to a published port; a descriptor comes along */
    GATE_RESET,  /* either: that one is reset */
    GATE_END,    /* weird: it ends in order, and so do all of these */
};

struct gate_message {
    uint32_t kind;
    uint32_t id; /* of one connection: weird's are even, the porter's odd */
    int32_t error;
    uint16_t port; /* on the loopback, or of the program */
    bool v6, udp;
    char text[160];
};

/* Sends it, with a descriptor unless `fd` is -1. False: the channel is full, or nobody is there. */
bool gate_send(int channel, const struct gate_message *message, int fd);
/* 1: a message, and `*fd` is -1 or a descriptor; 0: none now; -1: the other end is gone. */
int gate_receive(int channel, struct gate_message *message, int *fd);

/* ---- porter.c ---- */

/* Becomes the porter. `channel` leads to weird, or to nobody, then it ends. Does not return. */
_Noreturn void porter_serve(int channel, const struct conf *conf, bool sandboxed);

/* Makes a process that becomes it and is nobody's child. The channel, or -1 with a line in `why`.
 */
int porter_start(const struct conf *conf, bool sandboxed, char why[WEIR_LINE_MAX]);

/* Waits until its ports are open. False, with a line in `why`: they are not, and it is gone. */
bool porter_wait(int channel, char why[WEIR_LINE_MAX]);

/* ---- gate.c: weird's side ---- */

/* From here on it serves; `channel` is a porter's. */
bool gate_open(struct weird *weird, const struct conf *conf, int channel, char why[WEIR_LINE_MAX]);
bool gate_event(struct weird *weird, const struct weir_event *event, weir_time now);
void gate_end(struct weird *weird, weir_time now); /* in order, at weird's end */

#endif
