/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_CURSOR_H
#define WEIR_WIRE_CURSOR_H

/* Reads and writes fields in network order, and remembers whether it ever ran out.
 *
 * A field that does not fit is read as 0, or not written, and `ran_out` stays set from then on; so
 * a header is read straight down and asked once, at its end. Fields need no alignment, and an
 * address is always copied. */

#include "base/octets.h"
#include "weir/base.h"

#include <string.h>

struct rd {
    const uint8_t *at;
    size_t left;
    bool ran_out;
};

struct wr {
    uint8_t *at;
    size_t left;
    bool ran_out;
};

static inline struct rd rd_begin(const uint8_t *p, size_t len)
{
    return (struct rd){ p, len, false };
}

/* Skips `len` octets and returns where they began, or NULL if they are not all there. */
static inline const uint8_t *rd_skip(struct rd *r, size_t len)
{
    if (r->ran_out || len > r->left) {
        r->ran_out = true;
        return NULL;
    }
    const uint8_t *start = r->at;
    r->at += len;
    r->left -= len;
    return start;
}

static inline uint8_t rd_u8(struct rd *r)
{
    const uint8_t *p = rd_skip(r, 1);
    return p != NULL ? p[0] : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
    const uint8_t *p = rd_skip(r, 2);
    return p != NULL ? get_u16(p) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
    const uint8_t *p = rd_skip(r, 4);
    return p != NULL ? get_u32(p) : 0;
}

/* Copies `len` octets, or fills `to` with zeros. */
static inline void rd_bytes(struct rd *r, uint8_t *to, size_t len)
{
    const uint8_t *p = rd_skip(r, len);
    if (p != NULL)
        memcpy(to, p, len);
    else
        memset(to, 0, len);
}

/* Four octets, as the mapped form. */
static inline struct weir_ip rd_ip4(struct rd *r)
{
    uint8_t a[4];
    rd_bytes(r, a, sizeof a);
    return weir_ip_v4(a[0], a[1], a[2], a[3]);
}

static inline struct weir_ip rd_ip6(struct rd *r)
{
    struct weir_ip ip;
    rd_bytes(r, ip.octet, sizeof ip.octet);
    return ip;
}

static inline struct wr wr_begin(uint8_t *p, size_t room)
{
    return (struct wr){ p, room, false };
}

/* Claims the next `len` octets for writing; NULL if there is no room for all of them. */
static inline uint8_t *wr_skip(struct wr *w, size_t len)
{
    if (w->ran_out || len > w->left) {
        w->ran_out = true;
        return NULL;
    }
    uint8_t *start = w->at;
    w->at += len;
    w->left -= len;
    return start;
}

static inline void wr_u8(struct wr *w, uint8_t value)
{
    uint8_t *p = wr_skip(w, 1);
    if (p != NULL)
        p[0] = value;
}

static inline void wr_u16(struct wr *w, uint16_t value)
{
    uint8_t *p = wr_skip(w, 2);
    if (p != NULL)
        put_u16(p, value);
}

static inline void wr_u32(struct wr *w, uint32_t value)
{
    uint8_t *p = wr_skip(w, 4);
    if (p != NULL)
        put_u32(p, value);
}

static inline void wr_bytes(struct wr *w, const uint8_t *from, size_t len)
{
    uint8_t *p = wr_skip(w, len);
    if (p != NULL && len > 0)
        memcpy(p, from, len);
}

/* The last four octets of a mapped address. */
static inline void wr_ip4(struct wr *w, const struct weir_ip *ip)
{
    wr_bytes(w, ip->octet + 12, 4);
}

static inline void wr_ip6(struct wr *w, const struct weir_ip *ip)
{
    wr_bytes(w, ip->octet, sizeof ip->octet);
}

#endif
