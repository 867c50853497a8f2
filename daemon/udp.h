/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_UDP_H
#define WEIR_DAEMON_UDP_H

/* UDP sockets of programs.
 *
 * What a program holds, here called S, is a UDP socket of the kernel in a network namespace that is
 * empty but for its loopback, and that only weird can send from. So poll, errors, truncation,
 * timeouts and most options are the kernel's own. Each S has an address of 127.128.0.0/9 for
 * itself. Ours is one socket for all of them, D: what S sends by itself arrives there (S is
 * connected to D when the program has connected it), and what the network brings for S is sent to
 * it from D.
 *
 * D sends from an address of 127.0.0.0/9, which stands for who the datagram came from and to whom
 * it was sent: its id. A program that asks for names asks us; we translate. An ICMP error about S's
 * datagrams is made again in the namespace, and the kernel does with it what it does. Why not a
 * pair of AF_UNIX sockets: docs/adr/0006-udp-sockets.md.
 *
 * Everything here runs in weird's one thread and does not wait. */

#include "parts.h"

#include <limits.h>
#include <netinet/in.h>
#include <sys/uio.h>

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

#define UDP_SOCKETS_MAX 16384
#define RUN_UDP_MAX     8192 /* of one run, unless its quota says otherwise */
/* SOF_TIMESTAMPING_TX_*: times of what was sent, as it left, as it was queued, as it was
 * acknowledged, as it was done (newer than the headers that weird is built with). */
#define UDP_STAMPS_SENT  (1 << 1 | 1 << 8 | 1 << 9 | 1 << 18)
#define UDP_STAMPS_ASKED (UDP_STAMPS_SENT | 1 << 0) /* beside a message; 1: the device's own */
#define UDP_WAITS_MAX    1024                       /* calls that wait */
#define UDP_DATA_MAX     65536                      /* no datagram is longer */
#define UDP_STOCK        16                         /* sockets fetched at once */
#define UDP_GROUPS_MAX   20 /* of a socket, as net.ipv4.igmp_max_memberships */

/* What recvmsg is to tell. */
enum udp_told {
    TOLD_PKTINFO = 1 << 0,
    TOLD_TTL = 1 << 1,
    TOLD_TOS = 1 << 2,
    TOLD_PKTINFO6 = 1 << 3,
    TOLD_HOPLIMIT6 = 1 << 4,
    TOLD_TCLASS6 = 1 << 5,
    TOLD_ORIGDST = 1 << 6,
    TOLD_ORIGDST6 = 1 << 7,
    TOLD_2292PKTINFO6 = 1 << 8,
    TOLD_2292HOPLIMIT6 = 1 << 9,
};

struct udp_group {
    struct weir_ip ip; /* all zero: the slot is free */
};

/* How it sends to groups, and hears them; [1] is by the options of IPv6. */
struct udp_sends {
    struct weir_ip address; /* of the interface, as it was given */
    int index;              /* the same for IPv6 */
    uint8_t ttl[2];
    bool loop[2], all[2];
};

struct udp_socket {
    struct weird *weird;
    struct run *run; /* NULL: the run is over, another process may still hold S */
    uint64_t cookie; /* SO_COOKIE of S: nothing else has it */
    pid_t pid;       /* the thread that last called with it, and its descriptor there */
    int fd;
    uint32_t place;
    struct sockaddr_in at;   /* S's address in the namespace */
    struct sockaddr_in peer; /* what S is connected to: D, under an id; port 0: it is not */
    uint8_t family;
    bool bound, address_given, port_given, connected;
    bool v6only, reuse_addr, reuse_port, freebind, broadcast, shut_write;
    bool no_sum, no_sum6,
        takes_no_sum6;     /* SO_NO_CHECK, which is IPv4's; UDP_NO_CHECK6_TX and _RX */
    bool joins;            /* UDP_GRO: datagrams of one length come as one */
    bool corks;            /* has said MSG_MORE while it was connected */
    bool corked;           /* UDP_CORK is set */
    bool whole6;           /* IPV6_DONTFRAG */
    struct udp_cork *cork; /* what waits for more; NULL: nothing does */
    bool watched;          /* the program may ask what became of what it sent (udp_sent.c) */
    bool sends_itself;     /* S was connected, so that not every send of it is caught */
    weir_time gone_until;  /* not 0: nobody holds S, but what it sent may still come to D */
    uint16_t told;         /* enum udp_told */
    uint32_t ports;        /* IP_LOCAL_PORT_RANGE: the first, and the last in the upper half */
    int device;            /* SO_BINDTOIFINDEX */
    uint16_t segment;      /* UDP_SEGMENT: what is sent is cut into pieces of that; 0: it is not */
    int mtu_discover[2];   /* of IPv4, of IPv6 */
    int ttl[2], tos[2];    /* -1: the default */
    weir_handle handle;    /* while bound */
    struct weir_addr local, remote;
    struct udp_group group[UDP_GROUPS_MAX];
    struct udp_sends sends;
};

/* A datagram that several calls put together. */
struct udp_cork {
    struct weir_addr to;
    size_t len;
    uint8_t data[UDP_DATA_MAX];
};

/* A call that sends or receives. */
struct udp_job {
    struct udp_host *host;
    struct udp_socket *socket; /* stays while `s` does */
    struct run *run;
    uint64_t id; /* seccomp's */
    pid_t pid;
    int nr;
    int s; /* S', borrowed */
    uint64_t arg[6];
    unsigned done; /* of a vector: messages so far */
};

/* One that waits for a datagram, or for room to send one. */
struct udp_wait {
    struct udp_job job; /* id 0: the slot is free; `s` is its own */
    bool sends;
    weir_time deadline; /* by SO_RCVTIMEO or recvmmsg's timeout */
};

struct udp_ids; /* udp_ids.c */

struct udp_host {
    struct weird *weird;
    int d, raw, events, maker;
    int hole;              /* bound, and never read */
    uint16_t hole_port;    /* in network order */
    struct weir_ip own4;   /* our first IPv4 address */
    unsigned ifindex;      /* of weird's device, as programs may see it */
    struct sockaddr_in at; /* D's, on the address that stands for nobody */
    int stock[2][UDP_STOCK];
    unsigned stock_count[2];
    struct udp_socket *socket[UDP_SOCKETS_MAX];
    uint32_t next, count;
    struct udp_socket *closing; /* one that the last call was to close (`weir run --exact`) */
    struct udp_ids *ids;
    struct udp_wait wait[UDP_WAITS_MAX];
    unsigned wait_top; /* slots beyond are free */
    struct weir_loop_timer timer, full_timer;
    size_t held; /* octets + 1 of a datagram in `out` that weir had no room for; 0: none */
    uint32_t held_place;
    struct in_addr held_id;            /* where S sent it */
    uint32_t gone_count;               /* sockets that are gone and not yet forgotten */
    struct weir_loop_timer gone_timer; /* ends their time */
    uint8_t in[UDP_DATA_MAX], out[UDP_DATA_MAX];
};

/* ---- udp_maker.c: the namespace ---- */

/* Starts the process that makes sockets there, and gets D and its companions from it. When weird is
 * gone, however it went, that process ends every S: what waits on one gets ECONNABORTED. False: the
 * reason is in `why`, there is no UDP. */
bool udp_maker_start(struct udp_host *host, char why[WEIR_LINE_MAX])
    __attribute__((warn_unused_result));

/* A socket of the namespace, not bound; -1: none to be had. */
int udp_maker_take(struct udp_host *host, uint8_t family);

/* ---- udp_ids.c: addresses that stand for others ---- */

struct udp_ids *udp_ids_new(void); /* NULL: no memory */

/* The id of a pair. They are many, and the oldest are forgotten. */
struct in_addr udp_id_of(struct udp_ids *ids, const struct weir_addr *from,
                         const struct weir_addr *to);
/* False if it is forgotten, or never was one. */
bool udp_id_read(const struct udp_ids *ids, struct in_addr id, struct weir_addr *from,
                 struct weir_addr *to) __attribute__((warn_unused_result));

/* ---- udp.c: life ---- */

bool udp_open(struct weird *weird, char why[WEIR_LINE_MAX]); /* before the sandbox */
void udp_end(
    struct weird *weird); /* gives back what is weird's alone; the rest is the keeper's, too */
void udp_call_socket(struct call *call);
/* Answers a call if its first argument is a UDP socket of ours. */
bool udp_answer(struct call *call);
/* Whose an endpoint of ours is, by its cookie; NULL: nobody's. */
const struct udp_socket *udp_owner(const struct weird *weird, uint64_t cookie);
/* In the keeper, when weird is gone. */
void udp_end_waiting(struct weird *weird);
void udp_forget_run(struct weird *weird, const struct run *run);

struct udp_socket *udp_socket_at(const struct udp_host *host, const struct sockaddr_in *addr);
/* Whether nobody holds S any more: its address can be had again. The kernel's word about that comes
 * a moment later. */
bool udp_is_gone(struct udp_host *host, const struct udp_socket *made);
void udp_forget(struct udp_host *host, struct udp_socket *socket);
/* Lets go of its port, and forgets it a moment later. */
void udp_leave(struct udp_host *host, struct udp_socket *socket);
/* Forgets all that are gone: words were lost, or are late. */
void udp_sweep(struct udp_host *host);
/* The address S knows as `addr` in its own family. */
socklen_t udp_native(uint8_t family, const struct sockaddr_in *addr, struct sockaddr_in6 *native);
/* ...and back; false for an IPv6 address that is not mapped. */
bool udp_native_read(const struct sockaddr_in6 *native, struct sockaddr_in *addr);

/* ---- udp_bind.c ---- */

#define UDP_EVENT_MARK (UINT64_C(1) << 63) /* of the cookies of our endpoints */

/* Binds to any address and a port of our choice, if it is not bound. 0 or errno. */
int udp_autobind(struct udp_socket *socket);
unsigned udp_open_flags(const struct udp_socket *socket); /* for weir_udp_open_with */
void udp_call_bind(struct call *call, struct udp_socket *socket);
void udp_call_connect(struct call *call, struct udp_socket *socket);
void udp_call_name(struct call *call, const struct udp_socket *socket);
void udp_call_shutdown(struct call *call, struct udp_socket *socket);

/* ---- udp_relay.c: what passes between S and the network ---- */

/* True if the event was about one. */
bool udp_event(struct weird *weird, const struct weir_event *event, weir_time now);
/* What the options of a socket say of a datagram to that address. */
struct weir_udp_how udp_how(const struct udp_socket *socket, const struct weir_ip *to);
bool udp_watch_d(struct udp_host *host, uint32_t events);
/* Sends what programs have sent by themselves; false: some is left. */
bool udp_drain(struct udp_host *host, weir_time now);
/* To S as coming from `id`. `piece`: several datagrams of that length, of which the last may be
 * shorter; 0: one. */
void udp_give(struct udp_host *host, const struct udp_socket *socket, struct in_addr id,
              const struct weir_datagram *info, struct iovec data, uint16_t piece);

/* ---- udp_icmp.c ---- */

void udp_icmp_report(struct udp_host *host, struct udp_socket *socket,
                     const struct weir_udp_report *report);
/* What an offender's id stands for beside its address: the ICMP type and code. */
void udp_icmp_kind(const struct weir_addr *offender, uint8_t *type, uint8_t *code);

/* ---- udp_send.c, udp_recv.c ---- */

void udp_call_send(struct call *call, struct udp_socket *socket);
void udp_call_recv(struct call *call, struct udp_socket *socket);
/* Try again; false: it goes on waiting. */
bool udp_send_again(struct udp_job *job, weir_time now);
bool udp_recv_again(struct udp_job *job);
/* What waits for more waits no longer (UDP_CORK is taken back). */
void udp_send_corked(struct udp_socket *socket, int s, weir_time now);

/* ---- udp_cork.c ---- */

/* Adds to what waits for more, or begins it. 0 or errno: ENOBUFS, or EMSGSIZE where no datagram is
 * that long; then what there was is still there. */
int udp_cork_add(struct udp_socket *socket, const struct weir_addr *to, const void *data,
                 size_t len);
void udp_cork_end(struct udp_socket *socket); /* nothing waits any more */

/* ---- udp_wait.c ---- */

struct udp_job udp_job_of(struct call *call, struct udp_socket *socket);
/* The call goes on later and call->s stays with it; ENOBUFS is the answer if too many wait. */
void udp_wait_add(struct call *call, const struct udp_job *job, bool sends, weir_time deadline);
void udp_wait_end(struct udp_wait *wait);
/* Forgets what the thread waited for before, since it makes one call at a time: a signal took it
 * out of that. Whether it was this very call. */
bool udp_wait_again(const struct udp_job *job);
/* Whether the answer reached its call. */
bool udp_job_answer(const struct udp_job *job, int64_t value);
/* A message header of the program: its buffers, `*count` of them. 0 or errno. */
int udp_header_read(const struct udp_job *job, uint64_t at, struct msghdr *header,
                    struct iovec *iov, unsigned *count);

/* ---- udp_sockopt.c ---- */

void udp_call_getsockopt(struct call *call, struct udp_socket *socket);
void udp_call_setsockopt(struct call *call, struct udp_socket *socket);
void udp_options_apply(struct udp_socket *socket);
/* The program's value as a number, and a number as the program has room for it (an address is never
 * shortened to one octet). 0 or errno. */
int udp_option_read(const struct call *call, int *value);
int udp_option_write(const struct call *call, int value, bool address);

/* ---- udp_group.c: multicast ---- */

/* False: the option is about something else. */
bool udp_group_set(struct call *call, struct udp_socket *socket);
bool udp_group_get(struct call *call, const struct udp_socket *socket);
void udp_group_defaults(struct udp_socket *socket);
void udp_group_apply(struct udp_socket *socket); /* tells weir, if it is bound */

#endif
