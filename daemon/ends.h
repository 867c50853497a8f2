/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_ENDS_H
#define WEIR_DAEMON_ENDS_H

/* What passes between the program and the connection: the octets (relay.c), and half a close, a
 * reset, and whether anybody still holds S (ends.c). Nothing here waits. */

#include "parts.h"

/* ---- relay.c ---- */

/* The connection is there; `rtt_min` is 0 if it is not known yet. */
void relay_start(struct socket *socket, weir_time rtt_min, weir_time now);
void relay_pump(struct socket *socket, weir_time now);
void relay_failed(struct socket *socket, enum weir_error error, weir_time now);
void relay_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now);
void relay_watch_d(struct socket *socket, uint32_t events);
void relay_forget(struct socket *socket); /* before it is freed */

/* A new S in the place of one that is used up: an AF_UNIX socket connects or listens once. It takes
 * over what the old one was registered for with epolls. Copies of the descriptor in other processes
 * keep the old one. False: there is none to be had. */
bool call_renew(struct call *call); /* renew.c */

/* ---- connect.c, for fastopen.c ---- */

enum weir_error connect_open(struct socket *socket, const struct weir_addr *addr, weir_time now);
bool connect_hold(struct socket *socket, int s); /* S' is neither readable nor writable till then */
struct parked *connect_wait(struct call *call, bool again); /* NULL: answered with ENOBUFS */

/* ---- fastopen.c: octets in the SYN (RFC 7413) ---- */

/* connect with TCP_FASTOPEN_CONNECT: it is over at once if a cookie is known, and the SYN leaves
 * with what is written first. False: an ordinary connect. */
bool fast_defer(struct call *call, const struct weir_addr *addr);
void fast_begin(struct socket *socket, weir_time now); /* that was written */

/* The SYN of a new connection takes text along, or asks for a cookie. */
void fast_ask(struct socket *socket, weir_time now);

/* A send with MSG_FASTOPEN and a name. False: not on this socket. */
struct fast_message {
    uint64_t name, name_len; /* the program's address, and its length */
    uint64_t at, len;        /* the program's octets */
    bool waits;
};
bool fast_send(struct call *call, const struct fast_message *message);
/* It has waited until there was a connection: what the call returns. `s` is S', connected. */
int64_t fast_finish(const struct parked *parked, int s);

/* ---- queue.c: the accept queue of S, which is the only one ---- */

bool queue_open(struct weird *weird);
void queue_begin(struct socket *listener, int s, unsigned backlog);
uint32_t queue_inode(int s);                                /* 0: unknown */
bool queue_gone(const struct weird *weird, uint32_t inode); /* no program holds it any more */
/* Tells the cookie of every AF_UNIX socket that there is, but for one that may be overlooked where
 * an answer ends. False: not of all. */
typedef void queue_each_fn(struct weird *weird, uint64_t cookie);
bool queue_each(struct weird *weird, queue_each_fn *on_socket);
/* Counts again if it may be full, and tells the stack; whether it is full. `queued` counts those
 * that went in since. */
bool queue_count(struct socket *listener);

/* ---- sending.c ---- */

void call_send(struct call *call); /* sendto, sendmsg */
bool call_is_send(int nr);
void send_expired(struct parked *parked, weir_time now); /* its time is over: it has what went */

/* ---- messages.c ---- */

void call_receive(struct call *call); /* recvfrom, recvmsg */
/* Its time is over: it has what there is (MSG_WAITALL), or EAGAIN. */
void receive_expired(struct parked *parked, weir_time now);
void call_ioctl(struct call *call);

/* ---- messages_beside.c: what recvmsg tells beside the octets of a stream ---- */

bool beside_any(const struct socket *socket); /* the program has asked for something */
/* Writes it where the program's header says, and how long it is into the header; `got` octets were
 * taken. False: the program's memory cannot be written. */
bool beside_give(const struct call *call, struct msghdr *header, size_t got);

/* ---- exact.c: reading and writing under `weir run --exact` ---- */

bool exact_only(int nr); /* nobody else catches it */
/* Something has happened that those who wait to read or write may have waited for. */
void exact_look(struct socket *socket, weir_time now);
void exact_forget(struct socket *socket); /* before it is freed: the kernel knows what to say */
bool exact_turn(const struct parked *parked, weir_time now); /* true: it waits no more */
void exact_unchain(struct parked *parked);                   /* of any kind: it waits no more */
/* A close: S stays open for those who wait in other threads, as long as they do. */
void exact_leave_to(const struct call *close_call);

/* ---- linger.c ---- */

void call_close(struct call *call);
void linger_forget(const struct run *run); /* it is over: nobody waits any more */

/* ---- ends.c ---- */

bool ends_open(struct weird *weird);
/* From here on the end of S is told by `ends`, too. Before D or S is shut down. */
void end_watch(struct socket *socket);
void end_forget(struct socket *socket);     /* D stays open, and is of no interest */
bool end_both(const struct socket *socket); /* both directions of S are shut */
/* shutdown() on S', with the mark put first that a later reset needs. */
int end_shut(struct socket *socket, int s, int how);
/* Passes the peer's end on to S. */
void end_give(struct socket *socket);
/* Whether D's next octet is the mark, so that the program's octets are at an end. */
bool end_reached(struct socket *socket);
void end_take_mark(struct socket *socket);
/* Lets S read ECONNRESET behind what it has not read yet, now or as soon as S can be found. False:
 * it is for later, and the socket stays. */
bool end_reset(struct socket *socket);
void end_pay_reset(struct socket *socket, int s); /* S' is at hand */

#endif
