/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_INTEGRATION_PEER_H
#define WEIR_TESTS_INTEGRATION_PEER_H

/* What the two halves of weir-peer share: named sockets, and the jobs that wait on them.
 *
 * peer.c reads a command a line and answers what can be answered at once; peer_jobs.c keeps what
 * has to wait (a connection to open, octets to move) and answers when it is done. Every command
 * carries a tag, and its one reply begins with it: several may be under way on one socket. */

#include "weir/loop.h"
#include "weir/weir.h"

#define PEER_SOCKETS_MAX 16
#define PEER_WORD_MAX    64 /* octets of a name or a tag, and the final zero */
#define PEER_DATAGRAM    65535

struct peer_job {
    bool active;
    char tag[PEER_WORD_MAX];
    const uint8_t *from; /* sending: what is left */
    uint64_t left;       /* receiving: UINT64_MAX is up to the end */
    uint64_t done;
    int fd;      /* receiving: the file; -1: octets are only counted */
    int waiting; /* accepting: the index of the socket to fill */
};

enum peer_kind {
    PEER_FREE,
    PEER_CONN,
    PEER_LISTENER,
    PEER_UDP,
    PEER_PING
};

struct peer_socket {
    enum peer_kind kind;
    char name[PEER_WORD_MAX];
    weir_handle handle;
    struct peer_job open, accept, send, recv;
    struct weir_ip ping_to;
    uint16_t ping_seq, ping_count;
    size_t ping_len;
};

struct peer {
    struct weir *weir;
    struct weir_loop *loop;
    const uint8_t *data; /* what is sent lies in this file */
    size_t data_len;
    struct peer_socket socket[PEER_SOCKETS_MAX];
};

/* "ECONNREFUSED": the errno that base.h gives for an error. */
const char *peer_error_name(enum weir_error error);

/* Prints one reply. */
__attribute__((format(printf, 2, 3))) void peer_reply(const char *tag, const char *format, ...);

/* Takes up every job of a socket again; after each command and each event. */
void peer_progress(struct peer *peer, struct peer_socket *socket, weir_time now);

/* Sends the next request of a ping; the replies come as events. */
enum weir_error peer_ping_next(struct peer *peer, struct peer_socket *socket, weir_time now);

#endif
