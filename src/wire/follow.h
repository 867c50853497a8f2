/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_FOLLOW_H
#define WEIR_WIRE_FOLLOW_H

/* Whether a frame goes on with the flow of an earlier one, told from its headers alone and in a few
 * comparisons: what bulk data looks like, frame after frame.
 *
 * Only the plainest headers are known here: IPv4 without options or IPv6 without extension headers,
 * no fragment, TCP with ACK (and PSH, ECE, CWR as may be) and either no options or timestamps as
 * RFC 7323, appendix A, lays them out. Nothing is checked that the parsers check anyway. */

#include "base/seq.h"

#include <stddef.h>

#define WIRE_FOLLOW_MAX 86 /* Ethernet, IPv6, TCP with timestamps */

struct wire_follow {
    uint8_t head[WIRE_FOLLOW_MAX];
    uint8_t len;      /* octets of it: where the text begins */
    uint8_t link_len; /* of them, before the IP header */
};

/* Keeps the headers of a frame, `len` octets, the first `link_len` the link's. False, with nothing
 * kept: they are not of the plain kind. */
bool wire_follow_learn(struct wire_follow *follow, const uint8_t *frame, size_t link_len,
                       size_t len);

/* Whether a frame of `len` octets has headers of the same length and ends, and text behind them up
 * to its end; then its number is in `*seq`. Reads no more than the headers. */
bool wire_follow_fits(const struct wire_follow *follow, const uint8_t *frame, size_t len,
                      seq32 *seq);

#endif
