/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_FACTS_H
#define WEIR_DOCTOR_FACTS_H

/* What is known of connections, listeners, hosts and events, and how well.
 *
 * Three sources fill the same structures: an instance of weir through its control socket (stack.h),
 * the kernel of this machine (kernel.h), and a capture. Each fact is exact (its owner said so at
 * that moment), sampled (true when it was looked at, some time before or after the rest) or
 * inferred (concluded from other facts); what is none of these is unknown, and its field is 0. The
 * vantage says where it was seen from: one end of the flow, or the middle.
 *
 * Times are nanoseconds, ports in host order, lengths octets. Text is what the other side said and
 * may hold anything: escape it before a terminal sees it (tools/terminal.h). */

#include "ipc/info.h"
#include "weir/base.h"
#include "weir/trace.h" /* enum weir_state */

#include <linux/tcp.h> /* TCPI_OPT_... */

enum facts_source {
    FACTS_STACK,   /* an instance of weir */
    FACTS_KERNEL,  /* a network namespace of this machine */
    FACTS_CAPTURE, /* a file of packets */
};

enum facts_vantage {
    FACTS_AT_LOCAL, /* at the end called `local`: all of S and K */
    FACTS_AT_SENDER,
    FACTS_AT_RECEIVER,
    FACTS_IN_BETWEEN,
};

enum facts_quality {
    FACTS_UNKNOWN,
    FACTS_INFERRED,
    FACTS_SAMPLED,
    FACTS_EXACT,
};

/* The facts of a flow that have a quality of their own. */
#define FACTS_OF_FLOW(X)                         \
    X(ADDRESSES)  /* local, remote, protocol */  \
    X(STATE)      /* state */                    \
    X(SINCE)      /* state_for */                \
    X(CAUSE)      /* cause */                    \
    X(ROLE)       /* passive */                  \
    X(QUEUES)     /* rcvq, sndq */               \
    X(TIMER)      /* timer, timer_in, backoff */ \
    X(TIMERS)     /* rtx_in ... user_in */       \
    X(INFO)       /* info, info_len of it */     \
    X(WINDOWS)    /* snd_wnd, rcv_wnd */         \
    X(LIMITS)     /* rcv_max, snd_max, mem */    \
    X(SEQUENCE)   /* iss ... rcv_nxt */          \
    X(WAITS)      /* waits_for */                \
    X(ERRORS)     /* error, soft_error */        \
    X(CONGESTION) /* cc */                       \
    X(SHUTDOWN)   /* shutdown */                 \
    X(INODE)      /* inode */                    \
    X(USER)       /* uid */                      \
    X(OWNER)      /* pid, fd, comm */            \
    X(LISTENER)   /* listener */
enum facts_of_flow {
#define X(name) FACTS_##name,
    FACTS_OF_FLOW(X)
#undef X
    FACTS_COUNT
};
const char *facts_name(unsigned fact);            /* "state" */
const char *facts_quality_text(unsigned quality); /* "exact" */
const char *facts_source_text(unsigned source);   /* "weir", "kernel", "capture" */

#define FACTS_COMM_MAX  16
#define FACTS_CC_MAX    16
#define FACTS_NET_MAX   64
#define FACTS_IFACE_MAX 16 /* an interface's name and its final zero, as in Linux */

/* A socket that takes connections: what waits before it, and what it lost. */
struct facts_listener {
    uint32_t half_open; /* SYN-RECEIVED, ours only */
    uint32_t waiting;   /* complete, not yet accepted */
    uint32_t backlog;
    uint32_t drops; /* the kernel's own count for the socket */
};

/* What Linux's SK_MEMINFO says; of weir what of it there is. */
struct facts_memory {
    uint32_t rmem, rcvbuf, wmem, sndbuf, fwd, queued, optmem, backlog, drops;
};

struct facts_flow {
    enum facts_source source;
    enum facts_vantage vantage;
    uint8_t quality[FACTS_COUNT]; /* enum facts_quality of each */
    char net[FACTS_NET_MAX];      /* which instance or namespace; "": the only one, or this one */

    uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, ... */
    bool v6;          /* the socket's own family; its addresses may be mapped */
    bool v6only;
    struct weir_addr local, remote; /* iface: the interface's number in its net, 0 none */
    uint8_t state;                  /* enum weir_state; of UDP: ESTABLISHED or CLOSED */
    int64_t state_for;              /* ns since the last change */
    uint8_t cause;                  /* enum weir_cause */
    bool passive;
    uint32_t rcvq, sndq;
    struct facts_listener listener;

    uint8_t timer; /* enum weir_timer, the one that runs out first */
    uint8_t backoff, probes;
    int64_t timer_in;                                 /* ns; WEIR_NEVER: none runs */
    int64_t rtx_in, delack_in, keepalive_in, user_in; /* ns; WEIR_NEVER */

    struct linux_tcp_info info;
    uint32_t info_len; /* how much of it was filled */
    uint32_t snd_wnd, rcv_wnd, rcv_max, snd_max;
    uint32_t out_of_order, in_flight; /* octets, of weir */
    uint32_t rto_count, recovery_count, dupacks;
    struct facts_memory memory;
    uint32_t iss, irs, snd_una, snd_nxt, rcv_nxt;
    uint8_t waits_for;          /* enum weir_wait */
    uint16_t error, soft_error; /* enum weir_error */
    char cc[FACTS_CC_MAX];
    uint8_t shutdown; /* bit 0: no more reading, 1: no more writing */

    uint64_t id; /* of weir: its handle; of the kernel: the socket's cookie */
    uint32_t inode, uid, mark;
    uint64_t cgroup;
    int32_t pid, fd; /* the first owner; 0 and -1: nobody known */
    char comm[FACTS_COMM_MAX];
};

/* Counters of one host at one moment. Values are totals since it began: a verdict needs the
 * difference of two. */
struct facts_counter {
    char name[40]; /* as nstat writes it: "TcpActiveOpens" */
    uint64_t value;
};
struct facts_host {
    enum facts_source source;
    char net[FACTS_NET_MAX];
    int64_t when; /* CLOCK_MONOTONIC */
    struct facts_counter *counter;
    size_t count, room;
};

/* Adds a counter; false without memory. */
bool facts_host_add(struct facts_host *host, const char *name, uint64_t value);
/* The value of a counter; `otherwise` if there is none of that name. */
uint64_t facts_host_get(const struct facts_host *host, const char *name, uint64_t otherwise);
void facts_host_free(struct facts_host *host);

/* An interface at one moment; totals as in /proc/net/dev. */
struct facts_iface {
    enum facts_source source;
    char net[FACTS_NET_MAX];
    char name[FACTS_IFACE_MAX];
    int64_t when; /* CLOCK_MONOTONIC */
    uint64_t rx_octets, rx_packets, rx_errors, rx_dropped, rx_fifo, rx_frame, rx_compressed;
    uint64_t multicast;
    uint64_t tx_octets, tx_packets, tx_errors, tx_dropped, tx_fifo, collisions, tx_carrier;
    uint64_t tx_compressed;
    uint32_t speed; /* Mbit/s; 0: not known */
    bool full_duplex;
};
typedef void facts_iface_fn(void *user, const struct facts_iface *iface);

/* Something that happened. Of weir: a record of its trace (weir/trace.h). Of the kernel: the last
 * that is known of a socket that was destroyed. */
struct facts_event {
    enum facts_source source;
    char net[FACTS_NET_MAX];
    struct weir_record record; /* FACTS_STACK */
    int64_t ago;               /* FACTS_STACK: before the moment of looking */
    struct facts_flow flow;    /* FACTS_KERNEL */
};

/* Sets the quality of one fact. */
static inline void facts_mark(struct facts_flow *flow, enum facts_of_flow fact,
                              enum facts_quality quality)
{
    flow->quality[fact] = (uint8_t)quality;
}

/* What a source calls for each flow it finds; false: enough. */
typedef bool facts_flow_fn(void *user, const struct facts_flow *flow);
typedef bool facts_event_fn(void *user, const struct facts_event *event);

/* What is asked for; the less, the faster. */
#define FACTS_WANT_INFO  1u /* info, windows, congestion */
#define FACTS_WANT_TAIL  2u /* timers, causes, memory, limits */
#define FACTS_WANT_OWNER 4u /* pid, fd, comm */
struct facts_query {
    unsigned want;
    uint32_t states; /* bit n: enum weir_state n */
    bool tcp, udp, v4, v6;
};

/* Whether a flow is of a protocol and family that is asked for. */
bool facts_wanted(const struct facts_query *query, const struct facts_flow *flow);

#endif
