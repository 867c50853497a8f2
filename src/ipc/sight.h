/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IPC_SIGHT_H
#define WEIR_IPC_SIGHT_H

/* Looking into a running instance, over an AF_UNIX socket of type SOCK_SEQPACKET: what is asked,
 * what is answered, and both ends of it.
 *
 * One request, one answer, and the asker keeps the place: a listing of a million connections is
 * some thousand small answers, each of bounded work, between which the network runs. Nothing is
 * sent that was not asked for, so that a client that does not read costs one answer and no more.
 * A connection that comes or goes between two answers may be in the listing or not; none is in it
 * twice unless its place was given to another meanwhile.
 *
 * A page carries the sizes of the parts of its records: a part that grew is cut to what the reader
 * knows, one that was smaller is filled up with zeros. Only another layout is another version.
 * Times are nanoseconds, counts of octets, ports in host order; both ends are on one machine. */

#include "ipc/info.h"
#include "weir/dev.h"
#include "weir/stack.h"
#include "weir/trace.h"

#define SIGHT_MAGIC    UINT32_C(0x6b6f6f6c) /* "look" */
#define SIGHT_VERSION  1u
#define SIGHT_PAGE_MAX 65536u /* octets of an answer */
#define SIGHT_LOOK_MAX 4096u  /* places of the instance looked at for one answer */
#define SIGHT_NAME_MAX 40

enum sight_kind {
    SIGHT_SNAPSHOT = 1, /* struct sight_flow each */
    SIGHT_STREAM,       /* struct weir_record each */
    SIGHT_COUNTERS,     /* struct sight_counter each */
    SIGHT_DEVICES,      /* struct sight_device each */
    SIGHT_KINDS
};

/* What a snapshot shall bring beside the first part of each record. */
#define SIGHT_WANT_INFO 1u
#define SIGHT_WANT_TAIL 2u

struct sight_request {
    uint32_t magic, version;
    uint32_t kind;   /* enum sight_kind */
    uint32_t want;   /* SIGHT_WANT_...; of a stream: enum weir_trace_ring */
    uint32_t states; /* bit n: enum weir_state n is wanted */
    uint32_t count;  /* most records; 0: as many as fit */
    uint64_t cursor; /* 0, then what the page before said */
};

/* What a page says of itself. */
#define SIGHT_END 1u /* nothing follows */
#define SIGHT_SECRETS \
    2u /* the asker may see sequence numbers: it is the instance's user, or root */

struct sight_page {
    uint32_t magic, version;
    uint32_t kind;
    int32_t error; /* errno: no records follow */
    uint32_t flags;
    uint32_t count;
    uint16_t head_len, info_len, tail_len; /* of each record, one after another */
    uint16_t spare;
    uint64_t cursor;
    uint64_t lost; /* of a stream: records that were overwritten before they were asked for */
    int64_t now, epoch;
    int64_t pid; /* of the instance */
};

struct sight_head {
    struct weir_ip local, remote;
    uint16_t lport, rport, iface; /* of a link-local address; 0: not given */
    uint8_t protocol, state;
    uint64_t handle; /* 0: a small form, or nobody holds it any more */
    uint64_t id;     /* the owner's own number for it */
    uint32_t rcvq;   /* octets the program has not read; of a listener: waits to be accepted */
    uint32_t sndq;   /* octets the peer has not acknowledged; of a listener: the backlog */
    int32_t pid, fd; /* who holds it, as seen last; 0 and -1: not known */
    uint32_t uid;
    uint8_t timer, backoff; /* enum weir_timer: what runs out first */
    uint8_t probes, spare;
    int64_t timer_in; /* from now; WEIR_NEVER: none runs */
};

/* What Linux's structure has no place for. A field is only ever added at the end. */
struct sight_tail {
    uint8_t cause;     /* enum weir_cause of the last change of state */
    uint8_t waits_for; /* enum weir_wait: why unsent octets do not leave */
    uint8_t passive, timestamps, sack, snd_wscale, rcv_wscale;
    uint8_t congestion;                                /* enum weir_congestion + 1; 0: not known */
    uint16_t error, soft_error;                        /* enum weir_error */
    uint32_t unsent, out_of_order;                     /* octets */
    uint32_t rcv_wnd, snd_wnd, rcv_max, snd_max;       /* octets */
    uint32_t in_flight, cwnd, ssthresh;                /* octets */
    uint32_t synq_len, acceptq_len, backlog;           /* of a listener */
    uint32_t dupacks, rto_count, recovery_count;       /* counts */
    uint32_t iss, irs, snd_una, snd_nxt, rcv_nxt, wl1; /* 0 without SIGHT_SECRETS */
    int64_t state_for;                                 /* since the last change; -1: not known */
    int64_t rtx_in, delack_in, keepalive_in, user_in;  /* WEIR_NEVER: not running */
};

struct sight_flow {
    struct sight_head head;
    struct linux_tcp_info info;
    struct sight_tail tail;
};

/* Named as Linux names it (TcpActiveOpens) where it counts the same, else "Weir...". */
struct sight_counter {
    char name[SIGHT_NAME_MAX];
    uint64_t value;
};

/* A device that the instance is on. A field is only ever added at the end. */
struct sight_device {
    char name[WEIR_DEV_NAME_MAX];
    uint64_t frames_in, octets_in, frames_out, octets_out; /* totals, as struct weir_dev_counters */
    uint64_t refused, missed, lost;
};

/* ---- The end that answers ---- */

/* Who holds a connection: `id` is its cookie. Fills what is known of pid, fd, uid and id. */
typedef void sight_owner_fn(void *user, struct sight_head *head, uint64_t cookie);

struct sight_source {
    const struct weir *weir;
    struct weir_dev *dev;  /* NULL: none is shown */
    sight_owner_fn *owner; /* NULL: nobody is named */
    void *user;
    weir_time now, epoch;
    int64_t pid;
    bool secrets; /* the asker may see sequence numbers */
};

/* Whether a message is meant for sight_answer at all. */
bool sight_is_request(const void *message, size_t len);

/* Writes the answer to a request, of whatever length and content, into `page` (SIGHT_PAGE_MAX
 * octets, aligned as malloc does) and returns its length. */
size_t sight_answer(const struct sight_source *source, const void *message, size_t len, void *page);

/* ---- The end that asks ---- */

struct sight_client {
    int fd;
    bool secrets;
    int64_t now, epoch, pid; /* of the last page */
    uint64_t lost;
};

/* Connects to a control socket. -errno. */
int sight_connect(struct sight_client *client, const char *path)
    __attribute__((warn_unused_result));
void sight_close(struct sight_client *client);

/* Asks for everything from `request->cursor` on, page by page, and gives each record to its
 * function, which returns false to stop. Only as much of a record as both ends know is filled; the
 * rest is 0. The cursor is left behind the last page. 0 or -errno: -EPROTO, what answers is no weir
 * or one of another time. */
typedef bool sight_flow_fn(void *user, const struct sight_flow *flow);
int sight_snapshot(struct sight_client *client, struct sight_request *request,
                   sight_flow_fn *on_flow, void *user) __attribute__((warn_unused_result));
typedef bool sight_record_fn(void *user, const struct weir_record *record);
int sight_stream(struct sight_client *client, enum weir_trace_ring ring, uint64_t *cursor,
                 sight_record_fn *on_record, void *user) __attribute__((warn_unused_result));
typedef bool sight_counter_fn(void *user, const struct sight_counter *counter);
int sight_counters(struct sight_client *client, sight_counter_fn *on_counter, void *user)
    __attribute__((warn_unused_result));
typedef bool sight_device_fn(void *user, const struct sight_device *device);
int sight_devices(struct sight_client *client, sight_device_fn *on_device, void *user)
    __attribute__((warn_unused_result));

#endif
