/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_UDP_WORDS_H
#define WEIR_DAEMON_UDP_WORDS_H

/* What is said beside a datagram, and of it afterwards: the control messages of sendmsg and
 * recvmsg, and what the kernel tells of a datagram that was sent. Numbers are in host order. */

#include "udp.h"

/* ---- udp_sent.c: what the kernel tells of what S sent ---- */

struct udp_sent {
    const uint8_t *data;
    size_t len;
    int flags;  /* of the call */
    int stamps; /* SO_TIMESTAMPING beside the message; -1: none */
};
/* weird has sent it for S: has the kernel tell of it, if the program asks for that. */
void udp_sent_tell(const struct udp_job *job, const struct weir_addr *to,
                   const struct udp_sent *sent);
/* Whether what came from the error queue is a datagram that was sent. */
bool udp_sent_is_frame(const struct msghdr *native);
/* Gives it, of `len` octets of `room`, the addresses that the program knows. Its length, which may
 * be more than there is room for. */
size_t udp_sent_rename(const struct udp_host *host, uint8_t *frame, size_t len, size_t room);

/* ---- udp_cmsg.c: what stands beside a datagram ---- */

struct udp_beside {
    struct weir_ip from;
    int ttl, tos;     /* -1: not given */
    uint16_t segment; /* UDP_SEGMENT; 0: not given */
    int stamps;       /* SO_TIMESTAMPING; -1: not given */
};
/* Reads what sendmsg was given. 0 or errno. */
int udp_cmsg_read(const struct udp_socket *socket, const void *control, size_t len,
                  struct udp_beside *beside);
/* Makes what recvmsg tells out of what the kernel told us, and the names that are meant. Returns
 * its length; sets `*cut` if there was no room for all (MSG_CTRUNC). */
struct udp_telling {
    const struct udp_host *host;
    const struct udp_socket *socket;
    struct msghdr *native;
    const struct weir_addr *to; /* where the datagram was sent */
};
size_t udp_cmsg_write(const struct udp_telling *telling, uint8_t *control, size_t room, bool *cut);

/* UDP_GRO's word: of how long datagrams it is made; 0: it is one. */
uint16_t udp_cmsg_piece(const struct msghdr *native);

#endif
