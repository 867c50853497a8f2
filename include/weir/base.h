/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

/* The scalars, addresses and error codes that every part of weir's public interface shares.
 *
 * Nothing here depends on an operating system. Times are nanoseconds on whatever clock the caller
 * uses, as long as it never runs backwards; port numbers are in host order; IP addresses are octets
 * in network order. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h> /* memcmp */

#ifdef __cplusplus
extern "C" {
#endif

typedef int64_t weir_time; /* nanoseconds */
#define WEIR_NEVER  INT64_MAX
#define WEIR_US     INT64_C(1000)
#define WEIR_MS     INT64_C(1000000)
#define WEIR_SECOND INT64_C(1000000000)

/* Names one object of one instance: an index and a generation, so that a stale handle is refused
 * with WEIR_BAD_HANDLE instead of reaching somebody else's connection. 0 is never a handle. */
typedef uint64_t weir_handle;
#define WEIR_NO_HANDLE ((weir_handle)0)

enum weir_error {
    WEIR_OK = 0,
    WEIR_AGAIN,        /* not now: no octets, no room, no connection to accept (EAGAIN) */
    WEIR_BAD_HANDLE,   /* the handle is stale or of another kind (EBADF) */
    WEIR_INVALID,      /* an argument makes no sense in this state (EINVAL) */
    WEIR_NO_MEMORY,    /* a pool is empty (ENOBUFS) */
    WEIR_IN_USE,       /* the local address and port are taken (EADDRINUSE) */
    WEIR_NOT_LOCAL,    /* the local address is not ours, or no port is free (EADDRNOTAVAIL) */
    WEIR_NET_UNREACH,  /* no route (ENETUNREACH) */
    WEIR_HOST_UNREACH, /* the neighbour or a router says so (EHOSTUNREACH) */
    WEIR_NOT_CONN,     /* not connected (ENOTCONN) */
    WEIR_IS_CONN,      /* already connected (EISCONN) */
    WEIR_IN_PROGRESS,  /* the connection is being opened (EINPROGRESS) */
    WEIR_REFUSED,      /* a reset or port unreachable answered (ECONNREFUSED) */
    WEIR_RESET,        /* the peer reset the connection (ECONNRESET) */
    WEIR_ABORTED,      /* ended by this side (ECONNABORTED) */
    WEIR_TIMED_OUT,    /* the peer did not answer for too long (ETIMEDOUT) */
    WEIR_PIPE,         /* no more sending on this connection (EPIPE) */
    WEIR_TOO_LONG,     /* a datagram that cannot be sent whole (EMSGSIZE) */
    WEIR_NO_PROTO,     /* protocol unreachable (ENOPROTOOPT, as Linux maps it) */
    WEIR_ACCESS,       /* broadcast without leave, or refused by configuration (EACCES) */
    WEIR_PROTOCOL,     /* somebody on the way did not understand what we sent (EPROTO) */
    WEIR_ERROR_COUNT
};

/* Text for a person: "connection refused". Never NULL. */
const char *weir_error_text(enum weir_error error);

/* An IP address of either family. IPv4 is kept as the mapped form ::ffff:a.b.c.d (RFC 4291,
 * 2.5.5.2), so that one key and one code path serve both. All zero is "any" (of either family);
 * ::ffff:0.0.0.0 is IPv4's any. */
struct weir_ip {
    uint8_t octet[16];
};

struct weir_addr {
    struct weir_ip ip;
    uint16_t port;  /* host order */
    uint16_t iface; /* scope of a link-local address: interface number + 1; 0 = not given */
};

/* A run of octets that the caller may write (weir_send_room) or must only read (all others). */
struct weir_span {
    uint8_t *base;
    size_t len;
};

static inline bool weir_ip_is_v4(const struct weir_ip *ip)
{
    static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    return memcmp(ip->octet, prefix, sizeof prefix) == 0;
}

static inline struct weir_ip weir_ip_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    const struct weir_ip ip = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d } };
    return ip; /* a compound literal would be no C++ */
}

static inline bool weir_ip_equal(const struct weir_ip *a, const struct weir_ip *b)
{
    return memcmp(a->octet, b->octet, sizeof a->octet) == 0;
}

/* Writes "192.0.2.1" or "2001:db8::1" (RFC 5952) and a final zero; `text` holds at least
 * WEIR_IP_TEXT_MAX octets. Returns `text`. */
#define WEIR_IP_TEXT_MAX 46
char *weir_ip_text(const struct weir_ip *ip, char text[WEIR_IP_TEXT_MAX]);

/* Reads either form, to the end of the string. Returns false, `ip` untouched, for anything else. */
bool weir_ip_parse(const char *text, struct weir_ip *ip);

/* Called by the core when an assertion fails: a bug of ours, never something a peer can cause. The
 * embedding program provides it (libweir.a has one that prints and aborts); it must not return. */
__attribute__((noreturn, cold)) void weir_panic(const char *file, int line, const char *what);

#ifdef __cplusplus
}
#endif

#endif
