/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_CONFORMANCE_WIRE_H
#define WEIR_TESTS_CONFORMANCE_WIRE_H

/* Segments as text, as octets, and back: what the harness is made of, and the matrix needs. */

#include "harness.h"

enum {
    FIN = 0x01,
    SYN = 0x02,
    RST = 0x04,
    PSH = 0x08,
    ACK = 0x10,
    URG = 0x20,
    ECE = 0x40,
    CWR = 0x80,
    AE = 0x100 /* RFC 9768 */
};

/* A segment that was written down, and what of it was said. Numbers are relative. */
struct wanted {
    struct seg seg;
    bool has_ack, has_win, has_urg, has_opts, any_tsval, any_tsecr;
    uint8_t raw[40]; /* options given as octets */
    size_t raw_len;
};

/* The octet at a place of a stream. */
uint8_t pattern(uint32_t place, bool other);

/* What the peer's timestamps count from. */
static inline uint32_t ts_base(const struct t *t)
{
    return t->wrap ? UINT32_C(0xfffffff0) : 4096;
}

bool read_text(const struct t *t, const char *text, struct wanted *w);
size_t make_options(const struct t *t, const struct wanted *w, uint8_t opts[40]);
bool matches(const struct t *t, const struct wanted *w, const struct seg *seg, const char **what);
const char *show(const struct t *t, const struct seg *seg,
                 bool outward); /* valid until the next call */

/* From the peer. `packet` has room; returns the header's octets. */
size_t ip_header(const struct t *t, uint8_t *packet, unsigned proto, size_t len);
/* Makes the sums of a whole packet right again. */
void fix_sums(uint8_t *packet, size_t len);
size_t build(struct t *t, uint8_t *packet, const struct seg *seg, const uint8_t *opts,
             size_t opts_len);

/* From the instance. NULL, or what is wrong with it. */
const char *read_packet(struct t *t, struct seg *seg, const uint8_t *packet, size_t len);

#endif
