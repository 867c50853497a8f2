/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_RECORDER_H
#define WEIR_DOCTOR_RECORDER_H

/* What the flight recorder of an instance remembers, as connections: the same table of flows as of
 * a capture (flow.h), so that everything that is drawn of a capture is drawn of a running instance.
 *
 * The records name a connection by a number that is used again; its birth says the addresses. What
 * the records of a birth do not say (how windows are scaled, and all of a connection that is older
 * than the records) is found in snapshots, by the initial sequence number. What a handshake or a
 * TIME-WAIT left without a number belongs to the connection whose sequence numbers it continues.
 * Segments of those that are older than the records and were over before anybody looked stay
 * without a name and are counted.
 *
 * Segments, their reasons and the congestion window (in KiB, at each segment that leaves) are
 * exact; options other than those of a SYN, and the far end's states, are not in the records.
 * Memory is bounded: RECORDER_RECORDS_MAX records and RECORDER_SEEN_MAX connections; what is beyond
 * them is counted. */

#include "flow.h"
#include "ipc/sight.h"

#define RECORDER_RECORDS_MAX 2097152u
#define RECORDER_SEEN_MAX    1048576u

struct recorder_ring {
    struct weir_record *record;
    size_t count, room;
    uint64_t cursor, lost;
};

/* A connection as a snapshot showed it. */
struct recorder_seen {
    uint32_t conn; /* UINT32_MAX: it had no number any more */
    struct weir_addr local, remote;
    uint32_t iss, snd_nxt, rcv_nxt;
    int64_t when; /* first, on the instance's clock */
    uint16_t mss, peer_mss;
    uint8_t snd_wscale, rcv_wscale;
    bool timestamps, sack, wscale, passive;
};

struct recorder {
    struct recorder_ring ring[2]; /* enum weir_trace_ring */
    struct recorder_seen *seen;
    size_t seen_count, seen_room;
    uint32_t *newest; /* of each number: its last in `seen`, plus 1 */
    size_t newest_count;
    int64_t epoch, first, last; /* of the records, since 1970 */
    uint64_t beyond;            /* records there was no room for */
    uint64_t octets;            /* of the packets, options aside */
    uint64_t twice;             /* segments to the instance itself, as they arrived */
    uint64_t nameless;          /* segments whose connection nobody saw */
};

/* Takes what is new: records, and a snapshot. `all` also takes connections without a number, which
 * is only worth it at the end. 0 or -errno; -EPERM: the instance does not show us sequence numbers,
 * without which nothing can be put together. */
int recorder_look(struct recorder *recorder, struct sight_client *client, bool all);

/* Fills a table, which was begun, with all that was taken. False without memory. */
bool recorder_flows(struct recorder *recorder, struct flow_table *table);

void recorder_free(struct recorder *recorder);

#endif
