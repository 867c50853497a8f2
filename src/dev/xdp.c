/* SPDX-License-Identifier: MIT */

/* AF_XDP on one queue of an interface: frames come from and go to memory shared with the kernel,
 * without a system call for each, and before the kernel's own stack has seen them.
 *
 * That stack hears nothing of the queue while weir has it, neither what is for weir nor what would
 * be for the kernel. A frame is at most one MTU long and its sums are complete: there is no
 * metadata that could say otherwise. The other end of a veth pair leaves sums open unless it is
 * told not to; then the instance drops what comes, for a sum that is not there cannot be right, and
 * one line says what to do. */
#include "dev/xdp.h"

#include "dev/transport.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Kicks of one flush: the kernel sends 32 frames with each, and may be told to send fewer. */
#define KICKS_MAX 64

#define ETHERTYPE_AT   12
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8

static struct xdp *xdp_of(struct weir_dev *dev)
{
    return (struct xdp *)(void *)dev; /* its first member */
}

/* syscall: writev */
void xdp_tell(const struct xdp *xdp, const char *line)
{
    char text[WEIR_LINE_MAX + 32];
    const int len = snprintf(text, sizeof text, "weir: xdp %s: %s\n", xdp->dev.name, line);
    const struct iovec iov = { text, (size_t)len };
    (void)!writev(STDERR_FILENO, &iov, 1);
}

/* ---- In ---- */

/* What the instance was lent goes back to the kernel. There is room: the ring has a place for every
 * chunk. */
static void give_back(struct xdp *xdp)
{
    uint64_t *entries = xdp->fill.entries;
    if (xdp->lent_count == 0)
        return;
    for (unsigned i = 0; i < xdp->lent_count; i++)
        entries[xdp_ring_write_at(&xdp->fill, i)] = xdp->lent[i];
    xdp_ring_give(&xdp->fill, xdp->lent_count);
    xdp->lent_count = 0;
}

/* A driver without copies may have stopped for want of chunks.
 * syscall: recvmsg */
static void wake_input(struct xdp *xdp)
{
    struct msghdr none;
    memset(&none, 0, sizeof none);
    if (__atomic_load_n(xdp->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP)
        (void)!recvmsg(xdp->dev.fd, &none, MSG_DONTWAIT);
}

static bool accept_frame(struct xdp *xdp, const struct xdp_desc *desc, struct weir_frame *frame)
{
    const uint8_t *data = xdp->umem + desc->addr;
    if (desc->len < XDP_LINK_HEADER)
        return false;
    const unsigned ethertype = (unsigned)data[ETHERTYPE_AT] << 8 | data[ETHERTYPE_AT + 1];
    if (ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ)
        return false;
    *frame = (struct weir_frame){ .data = data, .len = desc->len };
    if (!xdp->told && transport_sum_is_open(data, desc->len)) {
        xdp->told = true;
        xdp_tell(xdp, "frames come without checksums and are dropped: their sender leaves those "
                      "to its device (there: ethtool -K IF tx off)");
    }
    return true;
}

static void kick(struct xdp *xdp);

static int xdp_input(struct weir_dev *dev, struct weir_frame *frames, unsigned count, weir_time now)
{
    struct xdp *xdp = xdp_of(dev);
    const struct xdp_desc *descs = xdp->rx.entries;
    give_back(xdp);
    wake_input(xdp);
    if (xdp->queued)
        kick(xdp);
    const uint32_t ready = xdp_ring_ready(&xdp->rx);
    const unsigned limit = count < WEIR_DEV_INPUT_MAX ? count : WEIR_DEV_INPUT_MAX;
    const unsigned got = ready < limit ? ready : limit;
    dev->drained = got == ready;
    if (got == 0)
        return xdp->gone ? -ENODEV : 0;
    unsigned taken = 0;
    for (unsigned i = 0; i < got; i++) {
        const struct xdp_desc *desc = &descs[xdp_ring_read_at(&xdp->rx, i)];
        xdp->lent[xdp->lent_count++] = desc->addr & ~(uint64_t)(xdp->chunk_len - 1);
        if (!accept_frame(xdp, desc, &frames[taken])) {
            dev->counters.refused++;
            continue;
        }
        frames[taken].when = now;
        dev->counters.octets_in += frames[taken].len;
        taken++;
    }
    xdp_ring_take(&xdp->rx, got);
    dev->counters.reads++;
    dev->counters.frames_in += taken;
    return (int)taken;
}

/* ---- Out ---- */

/* Chunks whose frames are on their way are free again. */
static void take_completed(struct xdp *xdp)
{
    const uint64_t *entries = xdp->completion.entries;
    const uint32_t ready = xdp_ring_ready(&xdp->completion);
    for (uint32_t i = 0; i < ready && xdp->free_count < XDP_TX_CHUNKS; i++)
        xdp->free[xdp->free_count++] = entries[xdp_ring_read_at(&xdp->completion, i)];
    xdp_ring_take(&xdp->completion, ready);
}

/* Takes note of what a kick met with. What the kernel has no room for stays in the ring, and the
 * next kick finds it there. */
static void note_kick(struct xdp *xdp, int error)
{
    const bool was_down = xdp->down;
    xdp->down = error == ENETDOWN;
    if (xdp->down && !was_down)
        xdp->dev.counters.down++;
    if (error != ENETDOWN && error != ENXIO)
        return;
    char name[IF_NAMESIZE];
    xdp->gone = error == ENXIO || if_indextoname((unsigned)xdp->index, name) == NULL;
    xdp->dev.counters.last_error = error;
}

/* Has the kernel send what is in the ring, as far as it goes.
 * syscall: sendmsg */
static void kick(struct xdp *xdp)
{
    struct msghdr none;
    memset(&none, 0, sizeof none);
    int error = EAGAIN;
    for (unsigned i = 0; i < KICKS_MAX && error == EAGAIN; i++) {
        const uint32_t before = xdp_ring_waiting(&xdp->tx);
        error = sendmsg(xdp->dev.fd, &none, MSG_DONTWAIT) < 0 ? errno : 0;
        if (error == EAGAIN && xdp_ring_waiting(&xdp->tx) == before)
            break;
    }
    xdp->queued = xdp_ring_waiting(&xdp->tx) > 0;
    note_kick(xdp, error);
}

static void xdp_flush(struct weir_dev *dev)
{
    struct xdp *xdp = xdp_of(dev);
    if (xdp->queued)
        kick(xdp);
}

/* The next frame's chunk, on top of the stack. False: all are on their way. */
static bool have_chunk(struct xdp *xdp)
{
    if (!xdp->queued || xdp->free_count == 0)
        take_completed(xdp);
    if (xdp->free_count == 0 && xdp->queued) {
        kick(xdp);
        take_completed(xdp);
    }
    return xdp->free_count > 0 && xdp_ring_room(&xdp->tx) > 0;
}

static int xdp_output(struct weir_dev *dev, const struct weir_out *out)
{
    struct xdp *xdp = xdp_of(dev);
    if (out->csum_start != 0)
        return driver_wrote(dev, out, EPROTO); /* the interface promised what this one cannot do */
    if (weir_out_len(out) > dev->mtu + XDP_LINK_HEADER)
        return driver_wrote(dev, out, EMSGSIZE);
    if (xdp->down)
        kick(xdp); /* to see whether it still is */
    if (xdp->down || xdp->gone)
        return driver_wrote(dev, out, ENETDOWN);
    if (!have_chunk(xdp))
        return driver_wrote(dev, out, EAGAIN);
    const uint64_t addr = xdp->free[--xdp->free_count];
    struct xdp_desc *descs = xdp->tx.entries;
    descs[xdp_ring_write_at(&xdp->tx, 0)] = (struct xdp_desc){
        .addr = addr,
        .len = (uint32_t)weir_out_copy(out, xdp->umem + addr, xdp->chunk_len),
    };
    xdp_ring_give(&xdp->tx, 1);
    xdp->queued = true;
    return driver_wrote(dev, out, 0);
}

/* ---- Counters, end ---- */

/* syscall: getsockopt */
static void xdp_count(struct weir_dev *dev)
{
    struct xdp_statistics statistics;
    socklen_t len = sizeof statistics;
    memset(&statistics, 0, sizeof statistics);
    if (getsockopt(dev->fd, SOL_XDP, XDP_STATISTICS, &statistics, &len) == 0)
        dev->counters.missed = statistics.rx_dropped + statistics.rx_ring_full;
}

static void xdp_close(struct weir_dev *dev)
{
    struct xdp *xdp = xdp_of(dev);
    const int fds[] = { xdp->link_fd, xdp->promisc_fd, dev->fd };
    for (unsigned i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (unsigned i = 0; i < XDP_RINGS; i++)
        if (xdp->map[i].iov_base != NULL)
            munmap(xdp->map[i].iov_base, xdp->map[i].iov_len);
    if (xdp->umem != NULL)
        munmap(xdp->umem, xdp_umem_len(xdp));
    free(xdp);
}

const struct weir_dev_ops xdp_ops = {
    .input = xdp_input,
    .output = xdp_output,
    .close = xdp_close,
    .flush = xdp_flush,
    .count = xdp_count,
};
