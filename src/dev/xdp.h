/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DEV_XDP_H
#define WEIR_DEV_XDP_H

/* The AF_XDP driver in its parts: xdp.c moves frames, xdp_open.c makes the socket and its memory,
 * xdp_program.c has the kernel's receive path hand the frames of one queue to the socket.
 *
 * The memory (the "UMEM") is cut into chunks of one frame each. Those for input go around: to the
 * kernel in the fill ring, back with a frame in the rx ring, lent to the instance until the next
 * call. Those for output wait on a stack until a frame needs one, go out in the tx ring and come
 * back in the completion ring. */

#include "dev/driver.h"
#include "dev/xdp_ring.h"

#include <linux/if_xdp.h>

/* Chunks, and entries of each ring, for input and for output: a window of 2 MB comes in while we
 * are busy. Powers of two. */
#define XDP_RX_CHUNKS 2048u
#define XDP_TX_CHUNKS 1024u

/* The two sizes of a chunk. The kernel leaves 256 octets before the frame, for a program's use. */
#define XDP_CHUNK_SMALL 2048u
#define XDP_CHUNK_LARGE 4096u
#define XDP_HEADROOM    256u
#define XDP_ALIGN       2u /* and ours two, so that the IP header begins at a multiple of four */

/* Link header and a VLAN tag: what a frame has beyond the MTU. */
#define XDP_LINK_HEADER 14u
#define XDP_LINK_ROOM   18u

#define XDP_RINGS 4

struct xdp {
    struct weir_dev dev;
    int index;      /* of the interface */
    int link_fd;    /* holds the program at the interface */
    int promisc_fd; /* holds the interface promiscuous */
    bool down;      /* the last kick found the interface down */
    bool gone;      /* ... or gone for good */
    bool told;      /* of frames with open sums */
    uint8_t *umem;
    uint32_t chunk_len;
    struct xdp_ring fill, completion, rx, tx;
    struct iovec map[XDP_RINGS]; /* the rings' memory */
    unsigned lent_count;
    uint64_t lent[WEIR_DEV_INPUT_MAX]; /* addresses of frames that the instance may be reading */
    bool queued;                       /* tx holds frames that the kernel was not told of */
    unsigned free_count;
    uint64_t free[XDP_TX_CHUNKS]; /* addresses to write frames at */
};

static inline size_t xdp_umem_len(const struct xdp *xdp)
{
    return (size_t)(XDP_RX_CHUNKS + XDP_TX_CHUNKS) * xdp->chunk_len;
}

extern const struct weir_dev_ops xdp_ops;

/* One line for a person on standard error, where nobody asked. */
void xdp_tell(const struct xdp *xdp, const char *line);

/* ---- xdp_program.c ---- */

/* Has the interface `index` hand the frames of a queue to the socket `fd`; all others go to the
 * kernel as ever. Stays for as long as `*link_fd` is open. Native if the interface's driver can
 * and `generic` is false; `*native` says what became of it. */
int xdp_program_attach(const struct xdp *xdp, unsigned queue, bool generic, int *link_fd,
                       bool *native, char why[WEIR_LINE_MAX]);

#endif
