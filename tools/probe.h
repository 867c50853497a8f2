/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_PROBE_H
#define WEIR_TOOLS_PROBE_H

/* Packets with a small TTL over this machine's kernel, and who answers them: what traceroute and
 * mtr are made of.
 *
 * Each probe has a socket of its own with IP_RECVERR, so whatever its error queue holds belongs to
 * it. UDP and TCP need no privilege that way; ICMP takes a ping socket where
 * net.ipv4.ping_group_range allows one, else a raw socket (CAP_NET_RAW). Times are nanoseconds of
 * CLOCK_MONOTONIC. */

#include "weir/base.h"

#include <sys/socket.h>
#include <time.h> /* before linux/errqueue.h, which needs it */

#include <linux/errqueue.h>

#define PROBE_TTL_MAX     255
#define PROBE_UDP_PORT    33434 /* the first of those that nobody listens on */
#define PROBE_TCP_PORT    80
#define PROBE_PAYLOAD_MAX 65000

enum probe_kind {
    PROBE_UDP,
    PROBE_ICMP,
    PROBE_TCP, /* a SYN; what answers it is reset at once. After a second without an answer the
                  probe is silent: the kernel would send the SYN again */
};

enum probe_answer {
    PROBE_WAITS,
    PROBE_SILENT,  /* the time was up */
    PROBE_HOP,     /* a router: the TTL ran out there */
    PROBE_REACHED, /* the host itself */
    PROBE_STOPPED, /* somebody says that it goes no farther; `mark` says why */
};

struct probe_target {
    enum probe_kind kind;
    struct weir_ip ip;
    struct sockaddr_storage address; /* the same, with the scope of a link-local one */
    socklen_t address_len;
    const char *source; /* the address that probes come from; NULL: the kernel chooses */
    const char *iface;  /* where they leave; NULL: as the routes say */
    uint16_t port;      /* UDP: of the first probe; TCP: of all */
    size_t payload;     /* octets after the transport's header; TCP sends none */
};

struct probe {
    int fd; /* -1: none */
    unsigned ttl;
    uint16_t seq;
    int64_t sent_at, took;
    enum probe_answer answer;
    char mark[16]; /* traceroute's: "", "!N", "!H", "!X", "!F-1400" */
    struct weir_ip from;
};

const char *probe_kind_text(enum probe_kind kind);

/* Whether `name` is a host of the family (AF_UNSPEC: that of the source, or either), and `source`
 * and `iface` are ours. Says what is wrong; returns enum tool_status. */
int probe_resolve(struct probe_target *target, const char *command, const char *name, int family);

/* Sends one; `seq` counts all of them. 0, or an errno with nothing left open. */
int probe_send(const struct probe_target *target, struct probe *probe, unsigned ttl, uint16_t seq);

/* What to do about an errno of that, to stand behind its text; "" if there is nothing to say. */
const char *probe_advice(const struct probe_target *target, int error);

/* Reads what has come for those that wait; sleeps until something comes, at most to `until`.
 * `also` is another descriptor whose input ends the sleep (-1: none). */
void probe_wait(const struct probe_target *target, struct probe *probes, size_t count,
                int64_t until, int also);

void probe_close(struct probe *probe);

int64_t probe_clock(void);

/* Binds a socket of a family to an address or an interface, by their texts (NULL: not). 0, or an
 * errno: EAFNOSUPPORT for what is not an address of that family. */
int probe_bind(int fd, int family, const char *source, const char *iface);

/* An ICMP or ICMPv6 echo socket towards nobody yet: a ping socket, else a raw one. -1: errno. */
int probe_echo_socket(int family, bool *raw);

/* Writes an echo request with `len` octets after its header (8) into `packet`. */
void probe_echo(uint8_t *packet, int family, uint16_t id, uint16_t seq, size_t len);

/* The identifier in what such a socket sends: raw ones have to choose, the kernel does it for the
 * others. */
uint16_t probe_echo_id(int fd, bool raw);

/* Whether an echo or its reply has that identifier. */
bool probe_echo_has(const uint8_t *echo, size_t len, uint16_t id);

struct weir_ip probe_ip(const struct sockaddr *address);

/* One message of a socket's error queue (IP_RECVERR): octets that were sent, what is wrong with
 * them, and who says so (for what our own kernel says, ee_origin is SO_EE_ORIGIN_LOCAL). */
struct probe_error {
    uint8_t data[256];
    size_t len;
    bool v4;
    struct sock_extended_err error;
    struct weir_ip from;
};
/* False: there is none. One that says nothing has ee_origin SO_EE_ORIGIN_NONE. */
bool probe_take_error(int fd, struct probe_error *taken);

#endif
