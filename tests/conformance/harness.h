/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_CONFORMANCE_HARNESS_H
#define WEIR_TESTS_CONFORMANCE_HARNESS_H

/* One instance in virtual time, driven by hand-made segments and user calls.
 *
 * A case is a function of `struct t`. It is run four times: over IPv4 and over IPv6, with sequence
 * numbers anywhere and with both sides' numbers just below the wrap. The first thing that does not
 * hold ends the case; what was expected and what was seen is printed with the line, and with
 * everything that crossed the wire before.
 *
 * Segments are written as text, for both directions alike:
 *
 *     FLAGS SEQ[:END] [ack N] [win N] [urg N] [<OPTION,OPTION..>]
 *
 * FLAGS are letters of S F R P U E W A and `.` for ACK, or `-` for none. Numbers count from the
 * initial sequence number of their sender, so the SYN is 0 and the first octet is 1. END is one
 * past the last octet of text. Options: `mss N`, `ws N`, `sackok`, `ts VAL ECR`, `sack A:B C:D..`,
 * `nop`, `eol`, and `x` with hexadecimal octets for whatever else. What is not given is filled in
 * when sending, and not looked at when expecting; but `ack` of a sent segment with `.` is
 * everything seen, and `<>` expects no options at all. On a connection with timestamps a sent
 * segment without a list of options gets a right one. Timestamps count from the peer's clock; `-`
 * is a plain zero, `=` the last one seen,
 * `*` any.
 *
 * Unless a case says otherwise the peer announces an MSS of 1000 and a window of 65535. Text is a
 * pattern that every octet's place decides, so what is read and what is sent is always compared. */

#include "weir/stack.h"
#include "weir/trace.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS        WEIR_MS
#define SECONDS   WEIR_SECOND
#define PEERS_MAX 64
#define OUT_MAX   512
#define OUR_PORT  8080
#define PEER_PORT 9090
#define PLAIN     "mss 1000" /* options of a peer that knows nothing else */
#define SACK      "mss 1000,sackok"
#define MODERN    "mss 1000,sackok,ts 1 -,ws 7" /* 988 octets of text in a segment */

struct seg {
    uint32_t seq, ack; /* as on the wire */
    unsigned flags;    /* the octet of the header */
    unsigned wnd, urg, sport, dport;
    uint32_t len; /* octets of text */
    bool has_mss, has_ws, has_sackok, has_ts, has_uto;
    unsigned mss, ws, uto, sack_count, opts_len;
    uint32_t tsval, tsecr, sack[8];
    weir_time when;
    unsigned why, ttl, tos, ip_id;
    bool text_ok, known; /* the text is the pattern; the peer's numbers are known */
    int peer;
    bool icmp; /* not a TCP segment */
    unsigned icmp_type, icmp_code;
};

struct peer {
    bool known;       /* `base` was seen */
    uint32_t isn;     /* the peer's */
    uint32_t base;    /* the instance's */
    uint32_t nxt;     /* the highest number seen from the instance */
    bool ts;          /* the peer sends timestamps */
    uint32_t ts_seen; /* the instance's last TSval */
};

struct t {
    /* What a case may set before begin(): afterwards it is too late. */
    struct weir_config config;
    uint16_t mtu;

    struct weir *weir;
    void *memory; /* all of the instance, which may be copied and put back */
    size_t memory_size;
    weir_time now, started;
    bool v6, wrap;
    weir_handle listener, conn;
    unsigned win; /* window field of what the peer sends */
    bool other;   /* the peer's text is another pattern */
    bool bad_sum; /* the peer's checksums are wrong */
    unsigned ecn; /* codepoint of the peer's packets (RFC 3168, 5) */
    int peer;     /* who speaks: 0.. */
    struct peer peers[PEERS_MAX];
    struct seg queue[OUT_MAX];
    unsigned head, tail;
    struct seg last; /* what the latest out() matched */
    uint64_t drops[WEIR_DROP_COUNT];
    unsigned dropped; /* by the latest in() */

    const char *name;
    jmp_buf end;
    char *log;
    size_t log_len;
    unsigned iface;
    uint32_t wrote, read; /* octets of the streams so far */
    uint8_t batch[8][2048];
    size_t batch_len[8];
    unsigned batch_count;
};

/* ---- Cases ---- */

struct test_case {
    const char *name, *what;
    void (*run)(struct t *);
};
#define CASE(function, what)      \
    {                             \
#function, what, function \
    }

/* Runs all, or those whose name is given as an argument; `-v` prints every segment. The result is
 * main's. */
int run_cases(const struct test_case *cases, size_t count, int argc, char **argv);

/* ---- The instance ---- */

void begin(struct t *t); /* with t->config; done by the shortcuts below if need be */
struct weir_ip our_ip(const struct t *t);
struct weir_ip peer_ip(const struct t *t);
struct weir_addr peer_addr(const struct t *t);
uint16_t path_mss(const struct t *t); /* MTU less IP and TCP header */

#define open_listener(t, backlog) t_listen(t, __LINE__, backlog)
#define open_active(t)            t_connect(t, __LINE__) /* up to the SYN, which is not taken */
#define accept_conn(t)            t_accept(t, __LINE__)
#define passive(t, options)       t_passive(t, __LINE__, options) /* established, accepted */
#define active(t, options)        t_active(t, __LINE__, options)  /* established */

/* To the state of that name, by the shortest way; both passive and active openers reach them all.
 */
#define reach(t, wanted) t_reach(t, __LINE__, wanted)

/* ---- What crosses the wire ---- */

/* A segment arrives, and what is due afterwards leaves. Nothing may be waiting to be looked at. */
#define in(t, ...) t_in(t, __LINE__, __VA_ARGS__)
/* One more for a batch: goes in together with the next in(). */
#define also(t, ...) t_also(t, __LINE__, __VA_ARGS__)
/* The next segment out is this one, at this very moment. */
#define out(t, ...) t_out(t, __LINE__, __VA_ARGS__)
/* ... and its reason is this (enum weir_why without the prefix). */
#define why(t, reason) t_why(t, __LINE__, WEIR_WHY_##reason)
/* Nothing happens until `delay` has passed, and then this leaves. */
#define out_after(t, delay, ...) t_out_after(t, __LINE__, delay, __VA_ARGS__)
#define quiet(t)                 t_quiet(t, __LINE__) /* nothing else left */
#define ignore(t)                t_ignore(t) /* whatever left is not looked at; returns how many */
/* Time passes; what leaves meanwhile can be looked at. */
#define after(t, delay)  t_after(t, __LINE__, delay)
#define silent(t, delay) t_silent(t, __LINE__, delay) /* ... and nothing leaves */
#define drop(t, reason) \
    t_drop(t, __LINE__, WEIR_DROP_##reason) /* why the latest in() was dropped */

/* An ICMP error about the latest segment out, its sequence number moved by `off`. For IPv6 the type
 * and code are those of ICMPv6. Returns nothing; drop() looks at its fate. */
#define icmp(t, type, code, word, off) t_icmp(t, __LINE__, type, code, word, off)
/* A packet as the text says, to be changed and given by raw(). Returns its length. */
size_t packet_of(struct t *t, const char *text, uint8_t *packet);
void raw(struct t *t, const uint8_t *packet, size_t len);
unsigned t_ignore(struct t *t);
void collect(struct t *t); /* takes what is due */

/* ---- The program ---- */

#define write_octets(t, n)    t_write(t, __LINE__, n, 0)
#define write_flags(t, n, f)  t_write(t, __LINE__, n, f)
#define read_octets(t, n)     t_read(t, __LINE__, n) /* exactly n can be read, and are */
#define nothing_to_read(t)    t_recv_says(t, __LINE__, WEIR_AGAIN)
#define end_of_stream(t)      t_recv_says(t, __LINE__, WEIR_OK)
#define recv_says(t, error)   t_recv_says(t, __LINE__, error)
#define send_says(t, error)   t_send_says(t, __LINE__, error)
#define error_is(t, error)    t_error(t, __LINE__, error) /* weir_error_take */
#define ready_has(t, bits)    t_ready(t, __LINE__, bits, bits)
#define ready_lacks(t, bits)  t_ready(t, __LINE__, bits, 0)
#define close_conn(t)         t_close(t, __LINE__) /* CLOSE; the handle stays */
#define abort_conn(t)         t_abort(t, __LINE__)
#define release(t)            t_release(t, __LINE__) /* the handle is given up */
#define set(t, option, value) t_set(t, __LINE__, WEIR_OPT_##option, value)
#define state(t, wanted)      t_state(t, __LINE__, WEIR_##wanted)
struct weir_status status_of(struct t *t);
unsigned state_of(struct t *t);

#define is(t, seen, wanted) t_is(t, __LINE__, #seen, (long long)(seen), (long long)(wanted))
#define holds(t, condition) t_holds(t, __LINE__, (condition), #condition)

/* ---- What the names above stand for ---- */

#define PRINTF(m, n) __attribute__((format(printf, m, n)))
_Noreturn void t_fail(struct t *t, int line, const char *format, ...) PRINTF(3, 4);
void t_note(struct t *t, const char *format, ...) PRINTF(2, 3);
void t_listen(struct t *t, int line, unsigned backlog);
void t_connect(struct t *t, int line);
void t_accept(struct t *t, int line);
void t_passive(struct t *t, int line, const char *options);
void t_active(struct t *t, int line, const char *options);
void t_reach(struct t *t, int line, enum weir_state wanted);
void t_in(struct t *t, int line, const char *format, ...) PRINTF(3, 4);
void t_also(struct t *t, int line, const char *format, ...) PRINTF(3, 4);
void t_out(struct t *t, int line, const char *format, ...) PRINTF(3, 4);
void t_why(struct t *t, int line, enum weir_why reason);
void t_out_after(struct t *t, int line, weir_time delay, const char *format, ...) PRINTF(4, 5);
void t_quiet(struct t *t, int line);
void t_after(struct t *t, int line, weir_time delay);
void t_silent(struct t *t, int line, weir_time delay);
void t_drop(struct t *t, int line, enum weir_drop reason);
void t_icmp(struct t *t, int line, unsigned type, unsigned code, uint32_t word, int32_t off);
void t_write(struct t *t, int line, size_t len, unsigned flags);
void t_read(struct t *t, int line, size_t len);
void t_recv_says(struct t *t, int line, enum weir_error error);
void t_send_says(struct t *t, int line, enum weir_error error);
void t_error(struct t *t, int line, enum weir_error error);
void t_ready(struct t *t, int line, unsigned mask, unsigned wanted);
void t_close(struct t *t, int line);
void t_abort(struct t *t, int line);
void t_release(struct t *t, int line);
void t_set(struct t *t, int line, enum weir_option option, int64_t value);
void t_state(struct t *t, int line, enum weir_state wanted);
void t_is(struct t *t, int line, const char *what, long long seen, long long wanted);
void t_holds(struct t *t, int line, bool holds, const char *what);

#endif
