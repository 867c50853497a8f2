/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_SOCKET_H
#define WEIR_DAEMON_SOCKET_H

/* One TCP socket of a program: its two AF_UNIX ends, what is bound between them, and the table of
 * all. parts.h says what S, S' and D are. */

#include "weir/loop.h"

#include "kept.h"

#include <sys/types.h>

#define SOCKETS_MAX 32768 /* two descriptors each at most */

/* What is between the program and TCP, either way. The more, the seldomer one side wakes the other;
 * at most what anybody may ask for (net.core.wmem_max), and from S something below that, so that
 * room can be made for an octet more (ends.c). */
#define S_SNDBUF      163840
#define D_SNDBUF_WIDE 212992 /* once the program has not kept up */

/* On a path as short as NEAR no rate needs a window of more than that, and a larger one leaves the
 * cache before it is read. */
#define NEAR        (250 * WEIR_US)
#define NEAR_WINDOW (1 << 20)

struct weird;
struct run;

enum socket_state {
    SOCKET_FRESH, /* neither listening nor connected, bound or not */
    SOCKET_LISTENING,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_DEAD, /* the connection is over and D closed; the program may still hold S */
};

struct socket {
    struct weird *weird;
    struct run *run;
    uint64_t id;       /* its place in the table, and a serial number above that */
    uint64_t secret;   /* in its name too, so that nobody can guess one */
    uint32_t d_events; /* what epoll is asked about D */
    int name_fd;       /* O_PATH of S's name; -1: it has none (yet) */
    int d;             /* D, or -1 */
    int spare;         /* S', held while a blocking connect waits; else -1 */
    weir_handle handle;
    uint64_t cookie;     /* of an S that we made; 0: it was accepted */
    uint16_t same_place; /* the next one of by_cookie, as there */
    uint8_t missed;      /* how many looks at all sockets did not find S */
    enum socket_state state;
    uint8_t family;                        /* AF_INET or AF_INET6 */
    bool bound, address_given, port_given; /* has a local port; the program asked for these */
    bool filler;                           /* D holds octets that only keep S from being writable */
    bool fast;          /* the SYN has waited for the program's first octets (fastopen.c) */
    bool untold;        /* a signal took the program out of its connect before we had answered */
    bool fresh_success; /* the first connect after a connect that went through says so */
    bool read_eof;      /* the program ended its direction */
    bool gave_eof;      /* the peer's end was passed on */
    bool deaf;          /* the program reads no more: what arrives is dropped */
    bool holds;         /* the last octets that TCP got were sent with MSG_MORE */
    bool dropped;       /* some of it did: at a close that counts as unread */
    bool hung_up;       /* S is gone; D is then out of the loop */
    bool aborts, waits_to_abort; /* S went so that this is reset; among weird->aborts */
    bool shut_rd, shut_wr;       /* the program's shutdown, on S: SHUT_RD, SHUT_WR */
    bool marked;          /* an octet behind all that the program wrote, never taken out (ends.c) */
    bool end_watched;     /* D is among weird->ends */
    uint8_t owed_tries;   /* how often it was searched for since */
    bool wide;            /* D has D_SNDBUF_WIDE */
    bool owed_reset;      /* S is to read ECONNRESET as soon as it can be found */
    enum weir_error late; /* how the connection ended, while octets for S are left */
    bool urgent_out;      /* the program is about to write, or has written, an urgent octet */
    bool urgent_in;       /* an urgent octet went to S; `after_urgent` more went behind it */
    bool passes_on;       /* options of S were set that who is accepted has, too */
    bool lingers;         /* S is gone, and its close waits for the end to be acknowledged */
    bool full, linger;    /* a listener whose queue had no place; SO_LINGER is set */
    weir_time looked;     /* a listener's: when it was last found to be held */
    weir_time data_at;    /* when octets came last, or the connection */
    int error;            /* errno for SO_ERROR */
    uint32_t inode, backlog, queued; /* a listener's: of S; of listen(); in S's queue at most */
    uint32_t after_urgent, aborts_next;
    uint16_t waiters; /* the first call that waits to read or write (exact.c): its place and 1 */
    uint32_t more;    /* octets in D that the program wrote with MSG_MORE */
    pid_t pid;        /* where S was seen last */
    int fd, linger_seconds;
    struct weir_addr local, remote;
    int kept[KEPT_COUNT];
    int64_t option[WEIR_OPT_COUNT];
    uint64_t option_set;     /* bit n: option n was set by the program */
    uint64_t fast_key[2][2]; /* of its Fast Open cookies, the newest first; */
    uint8_t fast_keys;       /* ... how many; 0: those of all */
};

_Static_assert(WEIR_OPT_COUNT <= 64, "option_set has a bit for each");

/* ---- sockets.c: the table ---- */

bool sockets_open(struct weird *weird, char why[WEIR_LINE_MAX]);
struct socket *socket_make(struct weird *weird, struct run *run, uint8_t family);
struct socket *socket_find(const struct weird *weird, uint64_t id);
bool fd_is_reserved(const struct weird *weird, int fd);
int socket_make_s(struct socket *socket, int flags); /* S without a name; -errno */
/* Gives S, by S', the name that a listener is reached by, and that tells at any time whether
 * anybody holds S. 0 or errno; one that has it keeps it. */
int socket_name_s(struct socket *socket, int s);
bool socket_name_d(struct socket *socket, int d);
bool socket_meet(struct socket *socket, int s); /* connects S' with a new D */
/* Whether `s` is one of ours: then `*found` is it, or NULL if it is forgotten. */
bool socket_identify(const struct weird *weird, const struct run *run, int s, struct socket **found,
                     uint8_t *family);
/* What the kernel calls a socket by; never used again for another. 0: not a socket. */
uint64_t socket_cookie(int s);
/* The same as socket_identify for one that we made, or that was identified before; false: it may be
 * ours. */
bool socket_known(const struct weird *weird, const struct run *run, uint64_t cookie,
                  struct socket **found, uint8_t *family);
/* No program holds S. False if that is unknown: an S without name and D is found by sweeps only. */
bool socket_gone(const struct socket *socket);
int socket_fetch(struct socket *socket); /* S', or -1 if it cannot be found */
void socket_free(struct socket *socket);
void socket_close_d(struct socket *socket);
void socket_over(struct socket *socket); /* the connection is over: keep what may be asked for */
void sockets_sweep(struct weird *weird);
bool sockets_make_room(struct weird *weird); /* false: that was done just now */
void sweep_timer_set(struct weird *weird);

#endif
