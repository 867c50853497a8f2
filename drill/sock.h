/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_SOCK_H
#define WEIR_DRILL_SOCK_H

/* BSD sockets on an instance of weir, with Linux's results and errnos.
 *
 * A small layer for one program: no threads, no copies of descriptors, one call that waits at a
 * time. It never waits itself: a call that would have to gives CALL_BLOCKS, and whoever drives the
 * instance tries it again (net_resume) after something has happened, or when net_deadline is
 * reached. Linux says what is right where weir.h leaves a choice (docs/drill.md lists what is not
 * there). */

#include "subject.h"
#include "weir/stack.h"
#include "weir/trace.h"

#include <sys/socket.h>

#define SOCK_MAX      64
#define SOCK_FD_FIRST 3
#define WATCH_MAX     64 /* sockets in all epoll sets */

/* What was set and weir has no place for before a connection exists, or at all. */
enum kept_option {
    KEPT_REUSEADDR,
    KEPT_REUSEPORT,
    KEPT_PRIORITY,
    KEPT_MARK,
    KEPT_LINGER2,
    KEPT_DEFER_ACCEPT,
    KEPT_RCVLOWAT,
    KEPT_V6ONLY,
    KEPT_MTU_DISCOVER,
    KEPT_RECVERR,
    KEPT_INQ,
    KEPT_ZEROCOPY,
    KEPT_STAMPING, /* SO_TIMESTAMPING */
    KEPT_FREEBIND,
    KEPT_FASTOPEN_CONNECT,
    KEPT_FASTOPEN_NO_COOKIE,
    KEPT_OTHER,
    KEPT_COUNT
};

enum sock_kind {
    SOCK_FREE,
    SOCK_TCP,
    SOCK_UDP,
    SOCK_EPOLL,
    SOCK_PIPE, /* sock_pipe.c */
    SOCK_FILE, /* sock_file.c */
};

enum sock_phase {
    PHASE_NEW,
    PHASE_LISTENING,
    PHASE_CONNECTING,
    PHASE_CONNECTED, /* or was */
    PHASE_FAILED,    /* a connect that did not succeed */
};

/* What was asked about the octets of one call, and is not all known yet. */
#define MARKS_MAX 64
struct mark {
    uint64_t end;      /* of its octets, counted from the connection's first */
    uint32_t id;       /* of a MSG_ZEROCOPY */
    uint32_t key;      /* of its timestamps */
    uint32_t text_len; /* of the latest segment with its last octet */
    uint16_t stamps;   /* SOF_TIMESTAMPING_TX_* */
    bool zerocopy, bare;
};

/* A message of the error queue. */
#define NOTICES_MAX 64
struct notice {
    uint8_t origin; /* SO_EE_ORIGIN_* */
    uint32_t info, data, text_len;
    weir_time when;
};

struct notices {
    unsigned mark_count, count;
    struct mark mark[MARKS_MAX];
    struct notice queue[NOTICES_MAX];
    uint64_t written; /* octets that calls have handed over; of UDP, datagrams */
    uint64_t first;   /* which of them has key 0 */
    uint64_t told;    /* notices since ever: each is news to epoll */
    uint32_t zerocopy_next;
};

struct sock {
    enum sock_kind kind;
    enum sock_phase phase;
    int family;
    bool nonblock, bound, shut_read, shut_write;
    bool connect_due; /* connect() has not yet said how it ended */
    bool deferred;    /* connect() has said yes, and the first write makes the SYN */
    weir_handle handle;
    struct weir_addr local, remote;
    uint64_t option_set; /* of enum weir_option: given before there was a handle */
    int64_t option[WEIR_OPT_COUNT];
    int kept[KEPT_COUNT];
    struct linger linger;
    weir_time rcv_timeout, snd_timeout; /* 0: none */
    struct notices notices;
    unsigned pipe;             /* a pipe's end: which one, */
    bool pipe_writes;          /* and which end */
    int64_t file_len, file_at; /* of a file: its octets, and where the next is read */
};

struct watch {
    bool used, disabled;
    int epoll, fd;
    uint32_t events, reported;
    uint64_t data, octets, told;
};

#define PIPES_MAX   2
#define PIPE_OCTETS 65536
struct pipe {
    unsigned readers, writers; /* ends that are open; none: it is free */
    size_t len;
    uint8_t octets[PIPE_OCTETS];
};

/* A call that waits. */
struct waiting {
    bool active;
    struct call call;
    weir_time until;
    size_t done;     /* octets of a write that are queued */
    bool connecting; /* it is a write that has begun a connection */
};

struct net {
    struct weir *weir;
    weir_time now;
    uint8_t congestion; /* enum weir_congestion, of the configuration */
    struct sock sock[SOCK_MAX];
    struct watch watch[WATCH_MAX];
    struct pipe pipe[PIPES_MAX];
    struct waiting waiting;
    struct net_file *files;
};

long net_call(struct net *net, const struct call *call);
long net_resume(struct net *net); /* CALL_BLOCKS if it goes on waiting */
weir_time net_deadline(const struct net *net);
struct sock *net_sock(struct net *net, long fd); /* NULL: no such descriptor */

/* Whoever drives the instance calls the one with each frame that left (before the next call on the
 * instance its octets must have been copied), the other after each that came in. */
void net_sent(struct net *net, const struct weir_out *out);
void net_notice(struct net *net);

/* ---- Between the files of this layer ---- */

#define WOULD_BLOCK (-100001L) /* an attempt's "not now" */

long errno_result(enum weir_error error); /* -errno */
int call_flags(const struct call *call);  /* MSG_* */
struct sock *sock_new(struct net *net, enum sock_kind kind, int family, int *fd);
bool address_in(const void *sockaddr, socklen_t len, struct weir_addr *addr, int *family);
void address_out(const struct sock *sock, const struct weir_addr *addr, void *sockaddr,
                 socklen_t *len);
void sock_apply_options(struct net *net, struct sock *sock);
unsigned sock_poll(struct net *net, const struct sock *sock); /* EPOLLIN and so on */

long sock_getsockopt(struct net *net, struct sock *sock, const struct call *call);
long sock_setsockopt(struct net *net, struct sock *sock, const struct call *call);
long sock_receive(struct net *net, struct sock *sock, struct msghdr *msg, int flags);
long sock_send(struct net *net, struct sock *sock, const struct msghdr *msg, int flags);
long sock_ioctl(struct net *net, struct sock *sock, unsigned long request, int *value);

/* Of a call that handed over `len` octets. Without room for its mark one with MSG_ZEROCOPY must be
 * refused before. */
void notice_mark(struct net *net, struct sock *sock, const struct call *call, size_t len);
long notice_asked(const struct sock *sock, const struct msghdr *msg, int *stamping);
bool notice_room(const struct sock *sock);
long notice_receive(struct sock *sock, struct msghdr *msg);
long notice_set_stamping(struct net *net, struct sock *sock, int flags);
/* One control message more, behind the msg_controllen octets of `room` that are used. */
void control_put(struct msghdr *msg, size_t room, int level, int type, const void *data,
                 size_t len);
/* How the connect under way stands; `again`: the program asks once more. */
long sock_connected(struct net *net, struct sock *sock, bool again);
long sock_connect(struct net *net, struct sock *sock, const void *sockaddr, socklen_t len);
long sock_open(struct net *net, struct sock *sock, const struct weir_addr *addr);

/* sock_fast.c: whether a Fast Open option may be set now (0, or -errno); whether connect() leaves
 * the SYN to the first write; what the SYN of a new connection shall carry; and that write. */
long sock_fast_allowed(const struct net *net, const struct sock *sock, int name);
bool sock_fast_defers(struct net *net, struct sock *sock, const struct weir_addr *addr);
bool sock_fast_begin(struct net *net, const struct sock *sock);
bool sock_fast_concerns(const struct net *net, const struct sock *sock, int flags);
long sock_send_fast(struct net *net, struct sock *sock, const struct msghdr *msg, int flags);

long net_pipe(struct net *net, int fds[2]);
long net_splice(struct net *net, const struct call *call);
long pipe_transfer(struct net *net, const struct sock *sock, const struct call *call);
unsigned pipe_poll(struct net *net, const struct sock *sock);
void pipe_close(struct net *net, const struct sock *sock);

long net_poll(struct net *net, const struct call *call);
long net_epoll_ctl(struct net *net, const struct call *call);
long net_epoll_wait(struct net *net, const struct call *call);
void net_forget_watches(struct net *net, int fd);

/* A file of `len` zeros, < 0: none; false without memory. */
bool net_file_set(struct net *net, const char *path, long len);
void net_files_end(struct net *net);
long net_open(struct net *net, const char *path, int flags);
long net_sendfile(struct net *net, const struct call *call);

#endif
