/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_PARTS_H
#define WEIR_DAEMON_PARTS_H

/* What weird consists of: the network (one instance in a loop), runs (programs whose socket calls
 * reach us as seccomp notifications), sockets, and the relay between the two ends of each.
 *
 * A program's TCP socket is an AF_UNIX stream socket that we made and gave it, here called S. Ours
 * is the other end, D; a copy of S that we fetch from the program for the length of a call is S'.
 * S stays the same kernel object for life, so that dup, fork, exec and passing it on need no help
 * from us. Everything runs in one thread; no function here waits. */

#include "companion.h"
#include "conf.h"
#include "dhcp.h"
#include "io.h"

#include "weir/loop.h"
#include "weir/trace.h" /* enum weir_state */

#include "socket.h"

#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>

#define RUNS_MAX   64
#define RUN_PIDS   64   /* processes of a run that are remembered, to search for a socket */
#define PARKED_MAX 4096 /* calls that wait */
#define LINGER_MAX 64   /* closes that wait; more do not */
#define PROMPT_MAX 32   /* connects that are answered in this round or one of the next */

/* What one run may have of these unless the configuration says otherwise (quota). */
#define RUN_SOCKETS_MAX 16384
#define RUN_CALLS_MAX   2048

/* Descriptors that no socket gets: for copies of the program's that live as long as a call. */
#define FDS_RESERVED 64
#define FDS_OWN      32 /* at most: weird's own, whatever it does */

struct udp_host;

struct run {
    struct weird *weird;
    int notify; /* seccomp's descriptor; -1: the slot is free */
    pid_t pid[RUN_PIDS];
    unsigned pid_next;
    pid_t thread[RUN_PIDS]; /* that are known to belong to one of those */
    unsigned thread_next;
    uint32_t socket_count, udp_count, parked_count, any_port; /* any_port: may bind below 1024 */
    bool exact; /* reading and writing is caught, too */
};

/* A call that waits: an accept for its listener, a connect for its connection, a receive that only
 * we can answer for octets. */
struct parked {
    struct weird *weird;
    struct run *run;
    uint64_t call; /* seccomp's id; 0: the slot is free */
    uint64_t socket;
    pid_t pid;
    int s;                  /* S', -1 for a connect, and for one that `waits` */
    int reserved;           /* descriptor number made in the program already; -1 */
    int undelivered;        /* what was accepted for a call that a signal withdrew; -1 */
    bool withdrawn;         /* that has happened, and something is left of it */
    uint64_t addr, addrlen; /* the program's pointers */
    int flags;
    uint32_t fast; /* 1 + octets of a MSG_FASTOPEN that went with the SYN; addr and addrlen
                      are the octets' */
    bool again;    /* a connect on a socket that was connecting already */
    bool waits;    /* to read or write, in the chain of its socket: exact.c */
    uint16_t next; /* there */
    int nr;        /* of a send or a receive, with `arg`; else 0 */
    uint64_t arg[6];
    size_t done;        /* octets that are sent of it */
    weir_time deadline; /* by SO_RCVTIMEO or SO_SNDTIMEO */
};

/* A close that waits for the end to be acknowledged (linger.c). */
struct lingering {
    struct run *run; /* NULL: a free place */
    uint64_t call, socket;
    weir_time deadline;
};

/* A connect that does not wait, and whose answer is held back until this round's frames are out and
 * what they brought is in (connect.c). The socket has S' as its spare. */
struct prompt {
    struct run *run;
    uint64_t call, socket;
    unsigned rounds; /* that have passed */
};

/* All of it lies in memory that the keeper (keeper.h) shares, and so do the sockets. What the loop
 * and the stack own does not: the keeper follows no pointer into that. */
struct weird {
    struct weir_loop *loop;
    struct weir *weir;
    unsigned iface;
    struct weir_dev *dev;
    struct weir_capture *capture;
    void *memory;
    size_t memory_len;

    int random; /* /dev/urandom */
    uid_t uid;  /* whom it has become */
    gid_t gid;
    int control;  /* listening control socket, -1: none */
    bool one_run; /* ends with its last run */
    bool had_run;
    bool ending;
    struct run run[RUNS_MAX];
    unsigned run_count;

    struct udp_host *udp; /* NULL: no UDP here */
    int meeting[2];       /* where S is connected to, IPv4's and IPv6's; nobody else finds it */
    int meeting_name[2];  /* O_PATH of their names */
    int dummy;            /* a socket, put into a program to reserve a descriptor number */
    int ends;             /* an epoll of those D whose mask no longer tells that S is gone */
    int diag;             /* asks the kernel about queues; -1: it cannot be asked */
    uint32_t owed_next;   /* where the search goes on */
    unsigned owed_count;  /* sockets with owed_reset */
    uint32_t aborts;      /* who waits to be reset: its place in the pool and 1 */
    weir_time owed_wait;  /* until the next search for them */
    struct socket *socket[SOCKETS_MAX];
    uint16_t
        by_cookie[SOCKETS_MAX]; /* the first whose cookie belongs here: its place and 1; or 0 */
    uint32_t socket_next, socket_count, idle_count; /* next: never used before; idle: without D */
    uint16_t freed[SOCKETS_MAX]; /* places that were, the last to be used again first */
    uint32_t freed_count;
    uint32_t sweep_at; /* look for dead ones beyond that many idle */
    uint64_t serial;
    uint8_t strict_port[8192]; /* a bit: one without SO_REUSEADDR left a connection there */
    weir_time no_sweep_before;
    uint32_t run_sockets_max, run_udp_max, run_calls_max; /* quotas */
    struct parked parked[PARKED_MAX];
    unsigned parked_count, parked_top; /* slots beyond parked_top are free */
    struct lingering lingering[LINGER_MAX];
    struct prompt prompt[PROMPT_MAX];
    unsigned prompt_count;
    struct weir_loop_timer sweep_timer, park_timer, full_timer, abort_timer, owed_timer;
    struct weir_loop_timer prompt_timer, linger_timer;

    struct companion companion;
    struct dhcp dhcp;
    struct weir_ip dns[CONF_DNS_MAX]; /* of the configuration */
    unsigned dns_count;
    struct seccomp_notif notice; /* the call that is being answered */
    struct run *notice_run;
    bool ended;         /* in order: there is nothing for the keeper to do */
    bool orphaned;      /* weird is gone, and this is the keeper */
    int pidfd;          /* weird's own, for the keeper; -1: there is no keeper */
    uint8_t congestion; /* enum weir_congestion of new connections */
    int dev_fd, fd_max; /* the device's descriptor; none is as high as fd_max */
    dev_t terminal_dev; /* what standard error was for a private one */
    ino_t terminal_ino;
    char folder[32]; /* where sockets get their names, while it is in sight; else "" */
    char naming[48]; /* the name that lies there now, or did */
    struct socket pool[SOCKETS_MAX];
};

void weird_complain(const char *line); /* to whom it may concern, once */

/* ---- net.c: the instance, its device and addresses ---- */

struct conf;
struct net_options {
    const struct conf *conf; /* the device, addresses, routes and settings */
    const char *pcap;
    struct {
        struct weir_ip ip;
        unsigned prefix_len;
    } kernel[2]; /* given to the TAP's other end */
    unsigned kernel_count;
};
bool net_open(struct weird *weird, const struct net_options *options, char why[WEIR_LINE_MAX]);
void net_close(struct weird *weird);
bool net_is_local(const struct weird *weird, const struct weir_ip *ip);

/* ---- supervisor.c: calls and their answers ---- */

struct call {
    struct weird *weird;
    struct run *run;
    uint64_t id;
    pid_t pid; /* the thread's */
    int nr;
    const uint64_t *arg;
    int s;                 /* S' of the first argument, closed after the call; -1 taken over */
    struct socket *socket; /* NULL: one of ours that is over and forgotten */
    uint8_t family;
    weir_time now;
};

bool run_start(struct weird *weird, int notify, bool any_port);
void run_notice(struct run *run, weir_time now); /* takes one call and answers it */
void run_dispatch(struct run *run, const struct seccomp_notif *notice, weir_time now);
bool call_valid(const struct run *run, uint64_t id);
/* False: a signal has taken the thread out of its call, which it will make again or not. True does
 * not say for sure that it has the answer: a thread that a signal wakes while seccomp takes the
 * answer forgets that, and nobody is told (Linux 6.18: about one in 600 that are interrupted at
 * such a moment). What call_give gives, it has. */
bool call_answer(const struct run *run, uint64_t id, int64_t value);
void call_error(const struct call *call, int error); /* a positive errno */
bool call_value(const struct call *call, int64_t value);
void call_continue(const struct call *call);
/* Puts our `fd` into the program; `at` is the number to replace, or -1. With `answer` the call
 * returns that number. -errno; -ENOENT: a signal has taken the thread out of its call. */
int call_give(const struct run *run, uint64_t id, int fd, int at, bool cloexec, bool answer);

struct parked *park(struct weird *weird, const struct call *call, weir_time deadline);
void unpark(struct parked *parked);
void park_timer_set(struct weird *weird);
struct parked *parked_connect(struct weird *weird, uint64_t socket);
struct call parked_call(const struct parked *parked, weir_time now); /* a send or receive, again */

/* ---- interfaces.c ---- */

bool call_interfaces(struct call *call); /* true: it was such an ioctl, and is answered */

/* ---- address.c ---- */

bool random_fill(const struct weird *weird, void *to, size_t len);
/* Reads an address of the program: 0 or a positive errno; AF_UNSPEC gives `*unspec`. */
int address_read(const struct call *call, uint64_t at, uint64_t len, struct weir_addr *addr,
                 bool *unspec);
/* Writes one as Linux does: cut to the room, with the whole length told. 0 or errno. */
int address_write(pid_t pid, uint8_t family, const struct weir_addr *addr, uint64_t at,
                  uint64_t len_at);
bool address_any(const struct weir_ip *ip);
/* Whether the caller may do what takes that capability in the network of his run: in a private one
 * everybody may, in another those who have it in a run that root has begun. */
bool call_capable(const struct call *call, unsigned capability);
bool address_may_bind(const struct call *call, uint16_t port);
/* Binds to an address and port (0: draws one). 0 or errno. */
int address_bind(struct socket *socket, const struct weir_addr *addr);
void address_leave(const struct socket *socket); /* its connection may go on without it */

/* ---- calls.c, connect.c, accept.c, sockopt.c ---- */

void call_socket(struct call *call);
void call_bind(struct call *call);
void call_listen(struct call *call);
void call_shutdown(struct call *call);
void call_name(struct call *call); /* getsockname and getpeername */
/* The state as tcp_info numbers it; these, <linux/tcp.h> has no names for. */
enum {
    CALL_FIN_WAIT_1 = 4,
    CALL_CLOSED = 7,
    CALL_LAST_ACK = 9
};
int call_state(const struct call *call);
/* The error that is pending on the socket, and then no more: SO_ERROR. 0: none. */
int call_take_error(const struct call *call);
void call_connect(struct call *call);
void connect_event(struct socket *socket, unsigned ready, weir_time now);
void connect_detach(struct socket *socket); /* nobody waits any more, the connect goes on */
void call_accept(struct call *call);
bool accept_try(struct parked *parked); /* false: goes on waiting */
/* A signal took the thread out of this accept. False, and nothing is done, unless something of it
 * is left for the next call. */
bool accept_withdraw(struct parked *parked, weir_time now);
weir_time wait_deadline(int s, int option, weir_time now); /* by SO_RCVTIMEO or SO_SNDTIMEO */
void listener_event(struct socket *socket, weir_time now);
void call_getsockopt(struct call *call);
void call_setsockopt(struct call *call);
void options_apply(struct socket *socket, weir_time now);
/* Gives S the room for what is not sent yet: the program's own bound if that is less. */
void options_bound_unsent(const struct socket *socket, int s);
void options_pass_on(int from, int to); /* those of S, to the S of who was accepted */

#endif
