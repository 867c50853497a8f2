/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_PACKET_H
#define WEIR_DRILL_PACKET_H

/* Packets as octets, and the conversation they belong to.
 *
 * A script counts sequence numbers as it likes; on the wire each side has an initial number of its
 * own. A flow knows both shifts, and the timestamps that stand for each other. All packets carry
 * zeros as text, because that is what a script's write() writes. */

#include "script.h"

#define PACKET_ROOM 65600
#define PACKET_TEXT 400
#define FLOW_TS_MAX 512
#define FLOW_NO_FD  (-1)

struct flow {
    struct flow *next;
    unsigned number; /* //: peer NUMBER */
    bool udp;
    bool active;      /* our side opens it */
    bool ports_known; /* both ports are; else the first SYN out tells */
    bool iss_known;   /* `local_shift` is */
    bool learn_again; /* the peer has begun a new connection: our next SYN has a new number */
    struct weir_ip local, remote;
    uint16_t local_port, remote_port;
    uint32_t local_shift, remote_shift; /* on the wire = in the script + shift */
    uint32_t local_syn_shift; /* of our SYNs' own numbers; all others count from the SYN */
    bool irs_known;           /* the peer's first SYN has gone: */
    uint32_t syn_shift;       /* its SYNs have numbers as they are, the rest count from it */
    int fd;                   /* the live socket, or FLOW_NO_FD */
    uint64_t handle_hint;
    unsigned ts_count; /* timestamps of ours: in the script, on the wire */
    struct {
        uint32_t script, live;
    } ts[FLOW_TS_MAX];
    uint32_t ts_last; /* our latest on the wire */
    uint32_t ts_in;   /* the peer's latest, for `val *` */
};

/* A packet that left the stack. `is` counts as the wire does until seen_relative. */
struct seen {
    struct packet is;
    bool v6;
    struct weir_ip from, to;
    uint16_t from_port, to_port;
    unsigned icmp_type, icmp_code;
    bool text_zero; /* its text is zeros */
    weir_time when;
    unsigned why; /* enum weir_why, or 0 if nobody knows */
    uint64_t handle;
    uint32_t merged; /* packets it was put together from, 1 and more */
};

/* Writes the packet that the peer of `flow` sends; `out` has PACKET_ROOM octets. Returns its
 * length, or 0 with a complaint in `error`: the family has no such ICMP message. */
size_t packet_build(const struct packet *packet, struct flow *flow, uint8_t *out,
                    char error[DRILL_ERROR_MAX]);

/* Reads what left the stack. False with what is wrong in `*wrong`: malformed, a bad checksum. */
bool packet_read(const uint8_t *data, size_t len, struct seen *seen, const char **wrong);

/* From the wire's numbers to the script's. */
void seen_relative(struct seen *seen, const struct flow *flow);

/* Whether it is the flow's. */
bool seen_of(const struct seen *seen, const struct flow *flow);

/* As the script would write it. Returns `text`. */
char *packet_show(const struct packet *packet, char text[PACKET_TEXT]);
char *seen_show(const struct seen *seen, char text[PACKET_TEXT]);

#define MATCH_EXACT 1u /* timestamps count, and whatever else a script in virtual time can know */

/* Compares; NULL if it is as expected, else the name of what is not. */
const char *packet_differs(const struct packet *expected, const struct seen *seen,
                           const struct flow *flow, unsigned flags);

/* Notes what a packet that matched teaches: the initial number, the ports, timestamps. */
void flow_learn(struct flow *flow, const struct packet *expected, const struct seen *live);

#endif
