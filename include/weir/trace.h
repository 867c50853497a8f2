/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

/* What happened, and why: states, causes, reasons, and the flight recorder that keeps the last of
 * them.
 *
 * Every dropped packet has exactly one enum weir_drop, every sent frame an enum weir_why, every
 * change of state an enum weir_cause. All are records of 32 octets in two bounded rings of an
 * instance: `flow` (each segment in and out) and `story` (changes of state, drops, retransmissions,
 * timers fired, errors, limits hit), so that bulk never overwrites the story. Records hold sequence
 * numbers, lengths and reasons, never payload. */

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir;

/* RFC 9293, 3.3.2. The order is that of a connection's life; no edge leads back. LISTEN is a
 * listener's only state. */
#define WEIR_STATES(X)              \
    X(SYN_SENT, "SYN-SENT")         \
    X(SYN_RECEIVED, "SYN-RECEIVED") \
    X(ESTABLISHED, "ESTABLISHED")   \
    X(FIN_WAIT_1, "FIN-WAIT-1")     \
    X(FIN_WAIT_2, "FIN-WAIT-2")     \
    X(CLOSE_WAIT, "CLOSE-WAIT")     \
    X(CLOSING, "CLOSING")           \
    X(LAST_ACK, "LAST-ACK")         \
    X(TIME_WAIT, "TIME-WAIT")       \
    X(CLOSED, "CLOSED")             \
    X(LISTEN, "LISTEN")
enum weir_state {
#define X(name, text) WEIR_##name,
    WEIR_STATES(X)
#undef X
    WEIR_STATE_COUNT
};

/* Why a frame was sent. */
#define WEIR_WHYS(X)                               \
    X(NONE, "none")                                \
    X(SYN, "syn")                                  \
    X(SYN_ACK, "syn-ack")                          \
    X(NEW_DATA, "new data")                        \
    X(FIN, "fin")                                  \
    X(ACK, "ack")                                  \
    X(ACK_DELAYED, "delayed ack")                  \
    X(ACK_DUP, "duplicate ack")                    \
    X(ACK_CHALLENGE, "challenge ack")              \
    X(WINDOW_UPDATE, "window update")              \
    X(RTX_RTO, "retransmit: timeout")              \
    X(RTX_FAST, "retransmit: fast")                \
    X(RTX_SACK, "retransmit: sack")                \
    X(RTX_PMTU, "retransmit: path mtu")            \
    X(RTX_SYN_TEXT, "retransmit: text of the SYN") \
    X(RTX_RACK, "retransmit: rack")                \
    X(RTX_TLP, "retransmit: tail probe")           \
    X(NEW_TLP, "new data: tail probe")             \
    X(NEW_PROBE, "new data: path probe")           \
    X(RTX_SYN, "retransmit: syn")                  \
    X(RTX_SYN_ACK, "retransmit: syn-ack")          \
    X(PROBE, "window probe")                       \
    X(KEEPALIVE, "keepalive")                      \
    X(RST, "reset: connection")                    \
    X(RST_REPLY, "reset: no connection")           \
    X(SYN_COOKIE, "syn cookie")                    \
    X(ARP, "arp")                                  \
    X(ND, "neighbour discovery")                   \
    X(MEMBERSHIP, "group membership")              \
    X(ICMP_ECHO, "echo")                           \
    X(ICMP_ERROR, "icmp error")                    \
    X(DATAGRAM, "datagram")
enum weir_why {
#define X(name, text) WEIR_WHY_##name,
    WEIR_WHYS(X)
#undef X
    WEIR_WHY_COUNT
};

/* Why a connection changed its state, or ended. */
#define WEIR_CAUSES(X)                                    \
    X(NONE, "none")                                       \
    X(OPEN, "open")                                       \
    X(PASSIVE, "passive open")                            \
    X(RCV_SYN, "syn received")                            \
    X(SYN_ACKED, "our syn acknowledged")                  \
    X(CLOSE, "close")                                     \
    X(FIN_ACKED, "our fin acknowledged")                  \
    X(RCV_FIN, "fin received")                            \
    X(TIMEOUT_2MSL, "2 msl over")                         \
    X(TIMEOUT_ORPHAN, "nobody left to wait for the peer") \
    X(REOPEN, "tuple reused")                             \
    X(RESET, "reset received")                            \
    X(USER, "aborted by the program")                     \
    X(TIMEOUT, "no answer")                               \
    X(KEEPALIVE, "keepalive unanswered")                  \
    X(USER_TIMEOUT, "user timeout")                       \
    X(ICMP, "icmp error")                                 \
    X(DATA_AFTER_CLOSE, "data after close")               \
    X(UNREAD, "closed with unread data")                  \
    X(LISTENER_CLOSED, "listener closed")
enum weir_cause {
#define X(name, text) WEIR_CAUSE_##name,
    WEIR_CAUSES(X)
#undef X
    WEIR_CAUSE_COUNT
};

/* Why a packet, or the rest of it, was not used. NONE is not a drop. */
#define WEIR_DROPS(X)                                                      \
    X(NONE, "none")                                                        \
    /* link */                                                             \
    X(FRAME_SHORT, "frame shorter than its header")                        \
    X(FRAME_LONG, "frame longer than 65,553 octets")                       \
    X(FRAME_OTHER_MAC, "for another station")                              \
    X(FRAME_OWN_MAC, "from our own station address")                       \
    X(FRAME_BAD_SOURCE, "group address as source station")                 \
    X(FRAME_TYPE, "ethertype not spoken")                                  \
    X(IFACE_UNKNOWN, "no such interface")                                  \
    /* arp, nd */                                                          \
    X(ARP_BAD, "arp: malformed")                                           \
    X(ARP_NOT_OURS, "arp: not for us")                                     \
    X(ARP_UNSOLICITED, "arp: reply nobody asked for")                      \
    X(ARP_CONFLICT, "arp: our address claimed by another station")         \
    X(ND_BAD, "nd: malformed or hop limit not 255")                        \
    X(ND_NOT_OURS, "nd: not for us")                                       \
    X(ND_UNSOLICITED, "nd: advertisement nobody asked for")                \
    X(ND_DUPLICATE, "nd: our address claimed by another station")          \
    X(RA_IGNORED, "nd: router advertisement not wanted")                   \
    X(REDIRECT_IGNORED, "redirect ignored")                                \
    X(NEIGH_FULL, "neighbour table full")                                  \
    X(NEIGH_QUEUE, "too much waits for a neighbour")                       \
    X(NEIGH_FAILED, "neighbour does not answer")                           \
    /* ip */                                                               \
    X(IP_BAD_HEADER, "ip: malformed header")                               \
    X(IP_BAD_CSUM, "ip: header checksum")                                  \
    X(IP_BAD_OPTION, "ip: malformed option")                               \
    X(IP_SOURCE_ROUTE, "ip: source route")                                 \
    X(IP_MARTIAN, "ip: source address cannot be")                          \
    X(IP_NOT_OURS, "ip: destination is not ours")                          \
    X(IP_PROTO, "ip: protocol not spoken")                                 \
    X(IP_EXT_BAD, "ip: malformed extension header")                        \
    X(IP_EXT_MANY, "ip: too many extension headers or options")            \
    X(IP_EXT_UNKNOWN, "ip: unknown extension, option or routing header")   \
    X(IP_NO_NEXT, "ip: no next header")                                    \
    X(FRAG_BAD, "fragment: malformed")                                     \
    X(FRAG_OVERLAP, "fragment: overlap")                                   \
    X(FRAG_DUPLICATE, "fragment: duplicate")                               \
    X(FRAG_LIMIT, "fragment: too much is being reassembled")               \
    X(FRAG_EVICTED, "fragment: made room for newer ones")                  \
    X(FRAG_TIMEOUT, "fragment: the rest did not come")                     \
    X(FRAG_TINY, "fragment: first one lacks headers")                      \
    X(NO_ROUTE, "no route")                                                \
    /* icmp */                                                             \
    X(ICMP_BAD, "icmp: malformed")                                         \
    X(ICMP_CSUM, "icmp: checksum")                                         \
    X(ICMP_TYPE, "icmp: type not handled")                                 \
    X(ICMP_BROADCAST, "icmp: request to a broadcast address")              \
    X(ICMP_QUOTE, "icmp: quotes nothing of ours")                          \
    X(ICMP_OUT_OF_WINDOW, "icmp: quoted sequence number is not in flight") \
    X(ICMP_QUENCH, "icmp: source quench")                                  \
    X(ICMP_MTU, "icmp: mtu not smaller than what is used")                 \
    X(ICMP_NOBODY, "icmp: reply nobody waits for")                         \
    X(IGMP_BAD, "igmp: malformed, or not from this link")                  \
    X(IGMP_TYPE, "igmp: type not handled")                                 \
    X(MLD_BAD, "mld: malformed, or not from this link")                    \
    /* udp */                                                              \
    X(UDP_BAD, "udp: malformed")                                           \
    X(UDP_CSUM, "udp: checksum")                                           \
    X(UDP_PORT, "udp: nobody listens")                                     \
    X(UDP_FULL, "udp: receive queue full")                                 \
    /* tcp, before a connection is found */                                \
    X(TCP_BAD, "tcp: malformed header")                                    \
    X(TCP_CSUM, "tcp: checksum")                                           \
    X(TCP_GROUP, "tcp: to or from a group address")                        \
    X(TCP_PORT_ZERO, "tcp: port 0")                                        \
    X(TCP_LAND, "tcp: from ourselves to ourselves")                        \
    X(TCP_MD5_MISSING, "tcp: not signed, though its peer has a key")       \
    X(TCP_MD5_UNEXPECTED, "tcp: signed, but its peer has no key")          \
    X(TCP_MD5_WRONG, "tcp: signed with another key, or changed")           \
    X(TCP_AO_MISSING, "tcp: no TCP-AO, though its peer has keys")          \
    X(TCP_AO_UNEXPECTED, "tcp: TCP-AO, but its peer has no keys")          \
    X(TCP_AO_KEY, "tcp: TCP-AO with a key that its peer does not have")    \
    X(TCP_AO_WRONG, "tcp: TCP-AO that does not fit the segment")           \
    X(TCP_NO_CONN, "tcp: no such connection")                              \
    X(TCP_MIN_TTL, "tcp: from further away than the program allows")       \
    /* listeners */                                                        \
    X(LISTEN_FLAGS, "listen: neither a clean syn nor an ack")              \
    X(LISTEN_RST, "listen: reset")                                         \
    X(LISTEN_ACK, "listen: ack without a syn")                             \
    X(SYNQ_FULL, "listen: syn queue full")                                 \
    X(ACCEPT_FULL, "listen: accept queue full")                            \
    X(NO_CREDIT, "listen: no window memory to promise")                    \
    X(COOKIE_BAD, "listen: not our cookie")                                \
    X(SYN_DUPLICATE, "syn-received: the same syn again")                   \
    X(SYN_OTHER, "syn-received: another syn")                              \
    X(SYN_DEFERRED, "syn-received: the program has not answered the syn")  \
    X(ACCEPT_DEFERRED, "syn-received: accepted only with data")            \
    /* connections */                                                      \
    X(ACK_UNACCEPTABLE, "ack of what was never sent")                      \
    X(NO_ACK, "no ack flag")                                               \
    X(SEQ_OLD, "entirely old")                                             \
    X(SEQ_WINDOW, "outside the window")                                    \
    X(PAWS, "old timestamp")                                               \
    X(RST_INEXACT, "reset that misses rcv.nxt")                            \
    X(RST_WINDOW, "reset outside the window")                              \
    X(RST_TIME_WAIT, "reset in time-wait")                                 \
    X(RST_NO_ACK, "reset that acknowledges nothing")                       \
    X(RESET, "reset believed")                                             \
    X(HANDSHAKE_ACK, "handshake: ack of what was never sent")              \
    X(SYN_SYNCHRONISED, "syn on a connection")                             \
    X(SYN_SENT_SILENT, "neither syn nor reset")                            \
    X(CLOSED_STATE, "connection is closed")                                \
    X(DATA_AFTER_CLOSE, "data after close")                                \
    X(DATA_AFTER_FIN, "data after the peer's fin")                         \
    X(WINDOW_ZERO, "data at a closed window")                              \
    X(RANGES_FULL, "too many gaps")                                        \
    X(NO_FLIGHT, "no memory for reordering")                               \
    X(NO_CHUNK, "no memory for octets")                                    \
    X(REOPEN, "syn that may reuse the tuple")                              \
    /* out */                                                              \
    X(REPLY_FULL, "reply ring full")                                       \
    X(REPLY_RATE, "reply over the rate limit")
enum weir_drop {
#define X(name, text) WEIR_DROP_##name,
    WEIR_DROPS(X)
#undef X
    WEIR_DROP_COUNT
};

/* Why unsent octets do not leave. */
#define WEIR_WAITS(X)                  \
    X(NOTHING, "nothing to send")      \
    X(OUTPUT, "its turn")              \
    X(HANDSHAKE, "handshake")          \
    X(CWND, "congestion window")       \
    X(PEER_WINDOW, "peer's window")    \
    X(NAGLE, "nagle")                  \
    X(CORK, "cork")                    \
    X(MEMORY, "memory")                \
    X(NEIGHBOUR, "neighbour")          \
    X(TSO_DEFER, "more of the window") \
    X(PACING, "its time")
enum weir_wait {
#define X(name, text) WEIR_WAIT_##name,
    WEIR_WAITS(X)
#undef X
    WEIR_WAIT_COUNT
};

#define WEIR_TIMERS(X)        \
    X(NONE, "none")           \
    X(RTX, "retransmit")      \
    X(PERSIST, "persist")     \
    X(KEEPALIVE, "keepalive") \
    X(DELACK, "delayed ack")  \
    X(TIME_WAIT, "2 msl")     \
    X(ORPHAN, "orphan")       \
    X(USER, "user timeout")   \
    X(SYN_ACK, "syn-ack")     \
    X(TLP, "tail loss probe") \
    X(REORDER, "reordering")
enum weir_timer {
#define X(name, text) WEIR_TIMER_##name,
    WEIR_TIMERS(X)
#undef X
    WEIR_TIMER_COUNT
};

const char *weir_state_text(
    unsigned state); /* "FIN-WAIT-1"; "?" beyond the last, as all of these */
const char *weir_why_text(unsigned why);
const char *weir_cause_text(unsigned cause);
const char *weir_drop_text(unsigned drop);
const char *weir_drop_name(
    unsigned drop); /* "rst_inexact": the lower-case name, for scripts and counters */
const char *weir_wait_text(unsigned wait);
const char *weir_timer_text(unsigned timer);

enum weir_record_type {
    WEIR_REC_NONE,
    WEIR_REC_SEG_IN, /* flow. code: drop (0 = used); flags, seq, ack, value = payload octets, window
                        as in the header */
    WEIR_REC_SEG_OUT, /* flow. code: why; the same; extra = cwnd in KiB, rounded up, 65,535 at most
                         (0: of no connection) */
    WEIR_REC_STATE,   /* story. code: cause; flags = from, extra = to; seq = snd.nxt, ack = rcv.nxt;
                         value = WEIR_AGREED_...; window = shifts of the windows, the peer's << 8 |
                         ours */
    WEIR_REC_DROP,  /* story. code: drop; flags, seq, ack, value = payload octets (0 where there is
                       no TCP header) */
    WEIR_REC_RTX,   /* story. code: why; seq, value = octets, ack = snd.una */
    WEIR_REC_TIMER, /* story. code: timer; value = back-off */
    WEIR_REC_RECOVERY, /* story. flags: 1 entered, 0 left; seq = recovery point, ack = snd.una,
                          value = cwnd */
    WEIR_REC_ERROR,    /* story. code: weir_error told to the program */
    WEIR_REC_WINDOW,   /* story. flags: 1 peer's window closed, 0 opened; value = window */
    WEIR_REC_LIMIT,    /* story. code: drop that names the limit, extra = pool number */
    WEIR_REC_LOCAL,    /* story, after a birth. An end of the connection: code = port, flags = zone;
                          its 16 octets, first ones highest, in seq, ack, value, window, extra */
    WEIR_REC_REMOTE,   /* story. The other end */
};

/* What both ends have agreed on. */
#define WEIR_AGREED_SACK   1u
#define WEIR_AGREED_TS     2u
#define WEIR_AGREED_WSCALE 4u

struct weir_record {
    weir_time when;
    uint32_t conn; /* index of the connection (low 32 bits of its handle), or UINT32_MAX */
    uint8_t type;  /* enum weir_record_type */
    uint8_t flags; /* TCP flags, or as above */
    uint16_t code;
    uint32_t seq;
    uint32_t ack;
    uint32_t value;
    uint16_t window; /* as in the header, unscaled */
    uint16_t extra;
};

enum weir_trace_ring {
    WEIR_TRACE_FLOW,
    WEIR_TRACE_STORY
};

/* Copies records from number *cursor on (0: the oldest kept), at most `count`; returns how many and
 * moves *cursor behind them. A cursor that was overtaken jumps to the oldest kept; *lost (may be
 * NULL) says by how many. May be called from another thread while the instance works. */
unsigned weir_trace_read(const struct weir *weir, enum weir_trace_ring ring, uint64_t *cursor,
                         struct weir_record *out, unsigned count, uint64_t *lost);

/* Counters. */
uint64_t weir_drop_count(const struct weir *weir, unsigned drop);
struct weir_counters {
    uint64_t frames_in, frames_out, octets_in, octets_out;
    uint64_t segs_in, segs_out, segs_rtx, rsts_out, rsts_in;
    uint64_t active_opens, passive_opens, attempt_fails, estab_resets;
    uint64_t established; /* now: in ESTABLISHED or CLOSE-WAIT (RFC 4022, tcpCurrEstab) */
    uint64_t syn_in, cookies_sent, cookies_ok, cookies_failed, listen_overflows;
    uint64_t datagrams_in, datagrams_out, icmp_in, icmp_out, reassembled, fragmented;
    uint64_t rto_fired, fast_rtx, recoveries, dsack_in, challenge_acks, tw_overflow, used_in;
    uint64_t tw_reused; /* TIME-WAITs whose place a connection of ours has taken */
    uint64_t tlp_probes, undos, mtu_probes;
    /* Fast Open: SYNs of ours whose text was taken, and was not; SYNs whose text we took; whose
     * cookie was not ours; that asked for one; and that came when too many were pending. */
    uint64_t fast_active, fast_active_fails;
    uint64_t fast_passive, fast_passive_fails, fast_asks, fast_overflows;
    uint64_t rtx_unlogged; /* retransmissions only the timeout watches over: no room in the log */
};
void weir_counters(const struct weir *weir, struct weir_counters *counters);

#ifdef __cplusplus
}
#endif

#endif
