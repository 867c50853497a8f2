/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_FLOW_H
#define WEIR_DOCTOR_FLOW_H

/* The TCP connections of a capture, and what their packets say of both ends: states, losses and how
 * they were repaired, round trips, windows, and what held the sender up.
 *
 * All of it is inferred. A capture shows what passed one place: a packet that was seen may be lost
 * behind it, and what was not seen may have arrived. So an end is taken to have received something
 * when what it sends says so, wherever it does; only an acknowledgment is believed on sight, since
 * nothing answers it, and a SYN-ACK that comes again takes that back.
 *
 * Memory is bounded: FLOWS_MAX connections, FLOW_SENT_MAX segments of each that wait for an
 * acknowledgment, FLOW_KEPT_MAX segments kept for pictures in all; what goes beyond is counted, not
 * followed. Times are nanoseconds since 1970. */

#include "capture_packet.h"
#include "facts.h"
#include "flow_state.h"

#define FLOWS_MAX       262144
#define FLOW_SENT_MAX   2048
#define FLOW_SENT_TOTAL 2097152 /* of all flows */
#define FLOW_KEPT_MAX   2097152
#define FLOW_RECENT     32 /* segments of an end that a duplicate is looked for in */
#define FLOW_HOLES      16
#define FLOW_SACKS      3

/* What a segment is, seen from the place of the capture. */
#define FLOW_CLASSES(X)                                      \
    X(NEW, "")                                               \
    X(RTX_SYN, "retransmission: SYN")                        \
    X(RTX_FIN, "retransmission: FIN")                        \
    X(RTX_FAST, "retransmission: fast")                      \
    X(RTX_TLP, "retransmission: tail probe")                 \
    X(RTX_RTO, "retransmission: timeout")                    \
    X(RTX_NEEDLESS, "retransmission: was acknowledged")      \
    X(REORDERED, "out of order")                             \
    X(DUPLICATE, "duplicate made by the network")            \
    X(PROBE, "window probe")                                 \
    X(KEEPALIVE, "keepalive")                                \
    X(DUPLICATE_ACK, "duplicate ACK")                        \
    X(WINDOW_UPDATE, "window update")                        \
    X(RST_DOUBTFUL, "reset that does not fit: not believed") \
    X(CHALLENGED, "SYN on an open connection")
enum flow_class {
#define X(name, text) FLOW_##name,
    FLOW_CLASSES(X)
#undef X
    FLOW_CLASS_COUNT
};
const char *flow_class_text(unsigned class);
static inline bool flow_is_rtx(unsigned class)
{
    return class >= FLOW_RTX_SYN && class <= FLOW_RTX_NEEDLESS;
}

/* What held the sender up meanwhile. */
#define FLOW_LIMITS(X)                           \
    X(NOTHING, "closed")                         \
    X(HANDSHAKE, "handshake")                    \
    X(APP, "nothing to send")                    \
    X(CWND, "congestion window, pacing or path") \
    X(RWND, "receive window")                    \
    X(ZERO_WINDOW, "zero window")                \
    X(RECOVERY, "loss recovery")
enum flow_limit {
#define X(name, text) FLOW_LIMIT_##name,
    FLOW_LIMITS(X)
#undef X
    FLOW_LIMIT_COUNT
};
const char *flow_limit_text(unsigned limit);

enum flow_delivery {
    FLOW_UNKNOWN, /* one capture: nobody can say */
    FLOW_ARRIVED, /* seen in the other capture too */
    FLOW_LOST,    /* left its sender, never seen at the other end */
    FLOW_FOREIGN, /* seen at the receiver, never left the sender */
    FLOW_MISSED,  /* one capture: sent again, so it seems to have been lost */
};

/* A segment that waits for its acknowledgment. */
struct flow_sent {
    uint32_t start, end;
    uint32_t times; /* sent again */
    int64_t when;   /* last */
};

struct flow_recent {
    uint32_t seq, ack, len;
    uint16_t flags, ip_id;
};

struct flow_hole {
    uint32_t start, end;
    int64_t since;
};

struct flow_rtt {
    int64_t min, max, sum, smooth;
    uint64_t count;
};

struct flow_end {
    struct weir_addr addr;
    uint8_t state; /* enum weir_state */
    int64_t since;
    bool seen, syn, fin, fin_received, fin_acked, fin_ack_waits, window_known;
    uint8_t options, wscale, recovery; /* enum packet_options; enum flow_class or FLOW_NEW */
    uint16_t mss, ip_id;               /* ip_id: the newest */
    uint8_t ttl_min, ttl_max;
    uint32_t iss, nxt, una, ack; /* ack: the highest it has sent */
    uint32_t fin_end, recover, sacked, tsval;
    uint32_t window, largest, last_len; /* window: that it offers, scaled */
    bool last_push, ids_fell;           /* its IP identifications do not only go up */
    uint64_t segments, octets, data_segments, kind[FLOW_CLASS_COUNT];
    uint64_t rtx_segments, rtx_octets, pure_acks, dsacks, lost, icmp;
    uint32_t window_min, window_max, flight_max, zero_windows;
    uint32_t cwnd_min, cwnd_max; /* octets; 0: not known */
    uint8_t cwnd_quality;        /* enum facts_quality */
    int64_t zero_since, zero_time, last_ack_at, first_data, last_data;
    struct flow_rtt rtt; /* of what this end sent, to its acknowledgment */
    int64_t limit_time[FLOW_LIMIT_COUNT];
    unsigned dup_acks; /* in a row, received */
    struct flow_sent *sent;
    uint32_t sent_first, sent_count, sent_room;
    struct flow_recent recent[FLOW_RECENT];
    unsigned recent_count;
    struct flow_hole hole[FLOW_HOLES];
    unsigned hole_count;
};

/* A segment as it is kept for pictures. */
struct flow_segment {
    int64_t when, arrived; /* arrived: of two captures, 0 if it did not */
    uint64_t number;
    uint32_t seq, ack, len, window, flight, tsval, tsecr; /* window: scaled */
    uint32_t cwnd;                                        /* of its sender; 0: not known */
    int64_t rtt;                                          /* of what it acknowledges; 0: none */
    uint16_t flags, mss;
    uint8_t from, class, delivery, options, wscale, sack_count, before;
    uint8_t state[2], limit[2]; /* states after it; limits in the time before it */
    struct packet_sack sack[FLOW_SACKS];
    char *comment; /* from the file, or NULL */
};

struct flow_change {
    int64_t when;
    uint8_t end, from, to, event; /* states; event: enum flow_event */
};

struct flow {
    uint64_t id;                  /* from 1, in the order of first packets */
    bool v6, whole, simultaneous; /* whole: its first SYN was seen */
    struct flow_end end[2];       /* [0] opened it, as far as that is known */
    int64_t first, last;
    uint64_t packets, octets; /* octets on the wire */
    int64_t syn_at, syn_ack_at, open_at;
    int8_t closed_by, reset_by; /* the end; -1: nobody */
    uint8_t here;               /* the end that itself told us, plus 1; 0: it has to be inferred */
    uint8_t vantage;            /* enum facts_vantage, by flow_vantage */
    uint16_t edges[2][FLOW_EDGES_MAX];
    struct flow_change *changes;
    uint32_t change_count, change_room;
    struct flow_segment *segments;
    uint32_t segment_count, segment_room;
    uint64_t not_kept;
    struct flow *next, *newer; /* the same hash; the same addresses: a later connection */
};

struct flow_keep {
    bool all;      /* segments of every flow */
    uint64_t only; /* or of this one; 0: none */
};

struct flow_table {
    struct flow **bucket;
    size_t buckets;
    struct flow **flows; /* in the order of their ids */
    size_t count, room;
    uint64_t key[2];
    struct flow_keep keep;
    uint64_t kept, sent; /* segments in memory */
    uint64_t tcp, udp, icmp, arp, other, malformed, fragments;
    uint64_t not_followed; /* packets of flows beyond FLOWS_MAX, or without memory */
};

/* What is known of a packet beside itself: from a second capture, from its sender. */
struct flow_passage {
    enum flow_delivery delivery;
    int64_t arrived;
    uint32_t cwnd;        /* octets; 0: not known */
    uint8_t cwnd_quality; /* enum facts_quality */
};

bool flow_table_begin(struct flow_table *table, const struct flow_keep *keep);
void flow_table_free(struct flow_table *table);

/* Takes a packet in, of whatever kind. Returns its flow, or NULL. */
struct flow *flow_table_add(struct flow_table *table, const struct capture_frame *frame,
                            const struct packet *packet, const struct flow_passage *passage);

/* Ends what runs at the capture's end (times in limits and zero windows). */
void flow_table_finish(struct flow_table *table);

/* Where the capture was made, by the times that answers take. */
enum facts_vantage flow_vantage(const struct flow *flow);
const char *flow_vantage_text(const struct flow *flow);

/* The smallest round trip between both ends: both halves together; 0 if it is not known. */
int64_t flow_rtt_min(const struct flow *flow);

/* The common facts of one end, for the detectors. */
void flow_facts(const struct flow *flow, unsigned end, int64_t now, struct facts_flow *facts);

/* "open", "closed by 192.0.2.1:80", "reset by ..." in a few words. */
#define FLOW_ENDING_MAX 80
char *flow_ending(const struct flow *flow, char text[FLOW_ENDING_MAX]);

#endif
