/* SPDX-License-Identifier: MIT */

/* How an AF_XDP socket comes to be: its memory and rings, its place at a queue, and at last the
 * program that sends it frames, so that none is sent before all is there. */
#include "dev/line.h"
#include "dev/xdp.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What may be on its way out: all chunks, at what the kernel counts for each. */
#define SEND_BUFFER (8 << 20)

/* The kernel takes a queue from a socket some time after that was closed: how long we wait for one
 * that is taken. */
#define TAKEN_POLL_US 1000
#define TAKEN_POLLS   1000

static int fail(const struct xdp *xdp, const char *what, const char *hint, char why[WEIR_LINE_MAX])
{
    return line_fail(why, -errno, "xdp %s: %s: %s%s", xdp->dev.name, what, strerror(errno), hint);
}

static unsigned frame_room(uint32_t chunk_len)
{
    return chunk_len - XDP_HEADROOM - XDP_ALIGN;
}

static int choose_chunk(struct xdp *xdp, char why[WEIR_LINE_MAX])
{
    const unsigned need = xdp->dev.mtu + XDP_LINK_ROOM;
    if (need > frame_room(XDP_CHUNK_LARGE))
        return line_fail(why, -EMSGSIZE, "xdp %s: its MTU of %u is more than %u, the most here",
                         xdp->dev.name, xdp->dev.mtu, frame_room(XDP_CHUNK_LARGE) - XDP_LINK_ROOM);
    xdp->chunk_len = need > frame_room(XDP_CHUNK_SMALL) ? XDP_CHUNK_LARGE : XDP_CHUNK_SMALL;
    return 0;
}

/* ---- Memory ---- */

/* Shared, so that a child of ours neither copies it nor keeps the socket in use. */
static void *map_memory(int fd, size_t len, off_t offset)
{
    const int flags = fd < 0 ? MAP_ANONYMOUS : MAP_POPULATE;
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, offset);
    if (at == MAP_FAILED)
        return NULL;
    (void)madvise(at, len, MADV_DONTFORK);
    return at;
}

static int make_umem(struct xdp *xdp, char why[WEIR_LINE_MAX])
{
    xdp->umem = map_memory(-1, xdp_umem_len(xdp), 0);
    if (xdp->umem == NULL)
        return fail(xdp, "memory", "", why);
    const struct xdp_umem_reg reg = {
        .addr = (uint64_t)(uintptr_t)xdp->umem,
        .len = xdp_umem_len(xdp),
        .chunk_size = xdp->chunk_len,
        .headroom = XDP_ALIGN,
    };
    if (setsockopt(xdp->dev.fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg) < 0)
        return fail(xdp, "its memory",
                    errno == ENOBUFS ? " (needs CAP_IPC_LOCK, or a higher ulimit -l)" : "", why);
    return 0;
}

/* Where the parts of each ring are, and what to map. */
struct layout {
    struct xdp_ring *ring;
    const struct xdp_ring_offset *offset;
    off_t page;
    size_t entry_len;
    int option;
    uint32_t size;
};

static int make_ring(struct xdp *xdp, const struct layout *layout, struct iovec *map,
                     char why[WEIR_LINE_MAX])
{
    const struct xdp_ring_offset *offset = layout->offset;
    map->iov_len = offset->desc + layout->size * layout->entry_len;
    uint8_t *at = map_memory(xdp->dev.fd, map->iov_len, layout->page);
    if (at == NULL)
        return fail(xdp, "a ring's memory", "", why);
    map->iov_base = at;
    *layout->ring = (struct xdp_ring){
        .producer = (uint32_t *)(void *)(at + offset->producer),
        .consumer = (uint32_t *)(void *)(at + offset->consumer),
        .flags = (uint32_t *)(void *)(at + offset->flags),
        .entries = at + offset->desc,
        .size = layout->size,
    };
    return 0;
}

static int make_rings(struct xdp *xdp, char why[WEIR_LINE_MAX])
{
    struct xdp_mmap_offsets offsets;
    socklen_t len = sizeof offsets;
    const struct layout layouts[XDP_RINGS] = {
        { &xdp->fill, &offsets.fr, (off_t)XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t),
          XDP_UMEM_FILL_RING, XDP_RX_CHUNKS },
        { &xdp->completion, &offsets.cr, (off_t)XDP_UMEM_PGOFF_COMPLETION_RING, sizeof(uint64_t),
          XDP_UMEM_COMPLETION_RING, XDP_TX_CHUNKS },
        { &xdp->rx, &offsets.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc), XDP_RX_RING,
          XDP_RX_CHUNKS },
        { &xdp->tx, &offsets.tx, (off_t)XDP_PGOFF_TX_RING, sizeof(struct xdp_desc), XDP_TX_RING,
          XDP_TX_CHUNKS },
    };
    for (unsigned i = 0; i < XDP_RINGS; i++)
        if (setsockopt(xdp->dev.fd, SOL_XDP, layouts[i].option, &layouts[i].size,
                       sizeof layouts[i].size) < 0)
            return fail(xdp, "a ring", "", why);
    if (getsockopt(xdp->dev.fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) < 0)
        return fail(xdp, "its rings", "", why);
    if (len != sizeof offsets) /* before Linux 5.4 the rings had no flags */
        return line_fail(why, -ENOSYS, "xdp %s: this kernel is too old", xdp->dev.name);
    for (unsigned i = 0; i < XDP_RINGS; i++) {
        const int error = make_ring(xdp, &layouts[i], &xdp->map[i], why);
        if (error != 0)
            return error;
    }
    return 0;
}

/* The first chunks are for input and the kernel's at once, the others for output and ours. */
static void deal_chunks(struct xdp *xdp)
{
    uint64_t *entries = xdp->fill.entries;
    for (uint32_t i = 0; i < XDP_RX_CHUNKS; i++)
        entries[i] = (uint64_t)i * xdp->chunk_len;
    xdp_ring_give(&xdp->fill, XDP_RX_CHUNKS);
    for (uint32_t i = 0; i < XDP_TX_CHUNKS; i++)
        xdp->free[i] = (uint64_t)(XDP_RX_CHUNKS + i) * xdp->chunk_len;
    xdp->free_count = XDP_TX_CHUNKS;
}

/* ---- Its place ---- */

/* Copies, if not asked otherwise: every driver can have frames copied, and few anything else. */
static int bind_to(struct xdp *xdp, const struct weir_dev_spec *spec, char why[WEIR_LINE_MAX])
{
    const struct sockaddr_xdp address = {
        .sxdp_family = AF_XDP,
        .sxdp_flags = (uint16_t)(XDP_USE_NEED_WAKEUP | (spec->zerocopy ? 0 : XDP_COPY)),
        .sxdp_ifindex = (uint32_t)xdp->index,
        .sxdp_queue_id = spec->queue,
    };
    for (unsigned i = 0; i < TAKEN_POLLS; i++) {
        if (bind(xdp->dev.fd, (const struct sockaddr *)&address, sizeof address) == 0)
            return 0;
        if (errno != EBUSY)
            break;
        usleep(TAKEN_POLL_US);
    }
    if (errno == EBUSY)
        return line_fail(why, -EBUSY, "xdp %s: another program has queue %u", xdp->dev.name,
                         spec->queue);
    if (errno == EINVAL)
        return line_fail(why, -EINVAL, "xdp %s: has no queue %u, or no room for AF_XDP",
                         xdp->dev.name, spec->queue);
    return fail(xdp, "bind", "", why);
}

static void tell_copy(const struct xdp *xdp)
{
    struct xdp_options options = { .flags = 0 };
    socklen_t len = sizeof options;
    if (getsockopt(xdp->dev.fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0 &&
        (options.flags & XDP_OPTIONS_ZEROCOPY) == 0)
        xdp_tell(xdp, "its driver cannot do without copies; frames are copied");
}

/* Our link address is not the interface's. A packet socket of no protocol hears nothing itself. */
static int be_promiscuous(struct xdp *xdp, char why[WEIR_LINE_MAX])
{
    const struct packet_mreq promiscuous = { .mr_ifindex = xdp->index,
                                             .mr_type = PACKET_MR_PROMISC };
    xdp->promisc_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (xdp->promisc_fd < 0 || setsockopt(xdp->promisc_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                                          &promiscuous, sizeof promiscuous) < 0)
        return fail(xdp, "promiscuous mode", "", why);
    return 0;
}

static int open_socket(struct xdp *xdp, char why[WEIR_LINE_MAX])
{
    xdp->dev.fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (xdp->dev.fd < 0)
        return fail(xdp, "socket",
                    errno == EPERM          ? " (needs CAP_NET_RAW)"
                    : errno == EAFNOSUPPORT ? " (this kernel has no AF_XDP)"
                                            : "",
                    why);
    const int octets = SEND_BUFFER;
    if (setsockopt(xdp->dev.fd, SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof octets) < 0)
        (void)setsockopt(xdp->dev.fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
    return netif_open(&xdp->dev, "xdp", &xdp->index, why);
}

static int open_all(struct xdp *xdp, const struct weir_dev_spec *spec, char why[WEIR_LINE_MAX])
{
    bool native = false;
    int error = open_socket(xdp, why);
    if (error == 0)
        error = choose_chunk(xdp, why);
    if (error == 0)
        error = make_umem(xdp, why);
    if (error == 0)
        error = make_rings(xdp, why);
    if (error != 0)
        return error;
    deal_chunks(xdp);
    error = bind_to(xdp, spec, why);
    if (error == 0)
        error = be_promiscuous(xdp, why);
    if (error == 0)
        error = xdp_program_attach(xdp, spec->queue, spec->generic, &xdp->link_fd, &native, why);
    if (error != 0)
        return error;
    if (!native && !spec->generic)
        xdp_tell(xdp, "its driver has no XDP; the kernel's generic one does the same, slower");
    if (spec->zerocopy)
        tell_copy(xdp);
    return 0;
}

int xdp_open(struct weir_dev **dev, const struct weir_dev_spec *spec, char why[WEIR_LINE_MAX])
{
    struct xdp *xdp = calloc(1, sizeof *xdp);
    if (xdp == NULL)
        return line_fail(why, -ENOMEM, "xdp %s: %s", spec->name, strerror(ENOMEM));
    xdp->dev.ops = &xdp_ops;
    memcpy(xdp->dev.name, spec->name, sizeof xdp->dev.name);
    xdp->dev.fd = xdp->link_fd = xdp->promisc_fd = -1;
    const int error = open_all(xdp, spec, why);
    if (error != 0) {
        xdp_ops.close(&xdp->dev);
        return error;
    }
    *dev = &xdp->dev;
    return 0;
}
