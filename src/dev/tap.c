/* SPDX-License-Identifier: MIT */

/* TAP: the kernel's end is an interface, ours a descriptor that reads and writes frames, each with
 * a virtio-net header.
 *
 * With the header the kernel hands over what its TCP built, up to 64 KiB with the sum still open,
 * and takes the same from us; this is worth a factor of ten. It receives inside our write and has a
 * frame's answer ready when that returns. There is no call for several frames, so a batch is a row
 * of reads. */
#include "dev/driver.h"
#include "dev/line.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Frames of a batch lie one behind the other, so that 64 small ones stay in the cache. It holds at
 * least this many of the longest. */
#define ARENA_SLOTS  5
#define ARENA_OCTETS ((size_t)ARENA_SLOTS * DRIVER_SLOT)

/* Where each frame begins: with the 10 octets of the virtio-net header its IP header is then
 * aligned. */
#define ARENA_ALIGN 64

/* What is written in one piece: an acknowledgement, a request, a short answer. */
#define SHORT_FRAME 256

struct tap {
    struct weir_dev dev;
    uint8_t *arena;
    size_t hdr_len; /* of the virtio-net header; 0: plain */
    unsigned want;  /* frames to read next time */
};

static struct tap *tap_of(struct weir_dev *dev)
{
    return (struct tap *)(void *)dev; /* its first member */
}

/* Takes one read of `got` octets as a frame. False: refused. */
static bool accept_frame(struct tap *tap, struct weir_frame *frame, const uint8_t *at, size_t got)
{
    frame->csum_ok = false;
    frame->gso_size = 0;
    frame->landed = 0;
    if (got <= tap->hdr_len || got > WEIR_FRAME_MAX + tap->hdr_len)
        return false;
    if (tap->hdr_len != 0) {
        struct virtio_net_hdr hdr;
        memcpy(&hdr, at, sizeof hdr);
        if (!vnet_to_frame(&hdr, frame))
            return false;
    }
    frame->data = at + tap->hdr_len;
    frame->len = got - tap->hdr_len;
    return true;
}

/* How many to read next: twice as many while there is more, as few as there were when there is not.
 * A lone frame is so answered before we look for the next one, and a flood is soon taken 64 at a
 * time. */
static void adapt(struct tap *tap, unsigned taken)
{
    if (!tap->dev.drained)
        tap->want = tap->want < WEIR_DEV_INPUT_MAX ? tap->want * 2 : WEIR_DEV_INPUT_MAX;
    else
        tap->want = taken > 0 ? taken : 1;
}

/* What is in one piece goes by `read` and `write`, which cost 30 ns less than the others. */
/* syscall: read readv write writev */
static int tap_input(struct weir_dev *dev, struct weir_frame *frames, unsigned count, weir_time now)
{
    struct tap *tap = tap_of(dev);
    const unsigned want = count < tap->want ? count : tap->want;
    unsigned taken = 0;
    size_t used = 0;
    int error = 0;
    dev->drained = false;
    for (unsigned i = 0; i < want && used + DRIVER_SLOT <= ARENA_OCTETS; i++) {
        uint8_t *at = tap->arena + used;
        const ssize_t got = read(dev->fd, at, DRIVER_SLOT);
        if (got < 0) {
            dev->drained = errno != EINTR;
            error = errno == EAGAIN || errno == EINTR ? 0 : errno;
            break;
        }
        dev->counters.reads++;
        if (!accept_frame(tap, &frames[taken], at, (size_t)got)) {
            dev->counters.refused++;
            continue;
        }
        frames[taken].when = now;
        dev->counters.octets_in += frames[taken].len;
        taken++;
        used += ((size_t)got + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    }
    dev->counters.frames_in += taken;
    adapt(tap, taken);
    if (error == 0 || taken > 0)
        return (int)taken; /* an error comes again with the next call */
    return -error;
}

/* The iovecs of a frame that is to land: head, spans, and what they do not hold behind the hole.
 * Returns their number, and in `*room` the octets of the spans. */
static unsigned landing_iov(const struct tap *tap, struct iovec iov[DRIVER_IOV_MAX],
                            const struct weir_landing *landing, size_t *room)
{
    const size_t head_len = tap->hdr_len + landing->head_len;
    unsigned count = 0;
    iov[count++] = (struct iovec){ tap->arena, head_len };
    *room = 0;
    for (unsigned i = 0; i < landing->span_count; i++) {
        iov[count++] = (struct iovec){ landing->span[i].base, landing->span[i].len };
        *room += landing->span[i].len;
    }
    const size_t end = head_len + *room;
    iov[count++] = (struct iovec){ tap->arena + end, DRIVER_SLOT - end };
    return count;
}

/* One frame a call, since the next lands where this one ends. */
static int tap_land(struct weir_dev *dev, struct weir_frame *frame,
                    const struct weir_landing *landing, weir_time now)
{
    struct tap *tap = tap_of(dev);
    struct iovec iov[DRIVER_IOV_MAX];
    size_t room;
    const unsigned count = landing_iov(tap, iov, landing, &room);
    for (;;) {
        const ssize_t got = readv(dev->fd, iov, (int)count);
        dev->drained = got < 0 && errno != EINTR;
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        dev->counters.reads++;
        if (!accept_frame(tap, frame, tap->arena, (size_t)got)) {
            dev->counters.refused++;
            continue;
        }
        frame->when = now;
        if (frame->len > landing->head_len) {
            const size_t beyond = frame->len - landing->head_len;
            frame->landed = beyond < room ? beyond : room;
            frame->hole = tap->arena + tap->hdr_len + landing->head_len;
        }
        dev->counters.octets_in += frame->len;
        dev->counters.frames_in++;
        return 1;
    }
}

/* A short frame is put together and written in one piece: for the kernel to take up eight iovecs
 * costs more than copying it does. */
static ssize_t write_frame(int fd, const struct iovec *iov, unsigned count)
{
    uint8_t whole[SHORT_FRAME];
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        if (iov[i].iov_len > sizeof whole - len)
            return writev(fd, iov, (int)count);
        memcpy(whole + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    return write(fd, whole, len);
}

static int tap_output(struct weir_dev *dev, const struct weir_out *out)
{
    struct tap *tap = tap_of(dev);
    struct iovec iov[DRIVER_IOV_MAX];
    struct virtio_net_hdr hdr;
    unsigned count;
    if (tap->hdr_len != 0) {
        vnet_from_out(&hdr, out);
        count = vnet_iov(iov, &hdr, out);
    } else if (out->csum_start == 0) {
        count = vnet_iov(iov, NULL, out);
    } else {
        return driver_wrote(dev, out,
                            EPROTO); /* the interface promised what a plain one cannot do */
    }
    ssize_t wrote;
    do
        wrote = write_frame(dev->fd, iov, count);
    while (wrote < 0 && errno == EINTR);
    return driver_wrote(dev, out, wrote < 0 ? errno : 0);
}

static void tap_close(struct weir_dev *dev)
{
    struct tap *tap = tap_of(dev);
    if (dev->fd >= 0)
        close(dev->fd);
    if (tap->arena != MAP_FAILED)
        munmap(tap->arena, ARENA_OCTETS);
    free(tap);
}

static const struct weir_dev_ops tap_ops = {
    .input = tap_input,
    .output = tap_output,
    .close = tap_close,
    .land = tap_land,
};

/* Joins the interface, or makes it. */
static int attach(struct tap *tap, bool plain, char why[WEIR_LINE_MAX])
{
    const char *name = tap->dev.name;
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, name, strlen(name) + 1);
    request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (plain ? 0 : IFF_VNET_HDR));
    if (ioctl(tap->dev.fd, TUNSETIFF, &request) == 0)
        return 0;
    switch (errno) {
    case EPERM:
        return line_fail(why, -EPERM, "tap %s: %s (%s)", name, strerror(EPERM),
                         netif_exists(name) ? "it belongs to another user" : "needs CAP_NET_ADMIN");
    case EBUSY:
        return line_fail(why, -EBUSY, "tap %s: another program has it open", name);
    case EINVAL:
        return line_fail(why, -EINVAL, "tap %s: an interface of this name is no TAP device", name);
    default:
        return line_fail(why, -errno, "tap %s: %s", name, strerror(errno));
    }
}

/* A persistent device may keep what an earlier user set, so both ways are set. Not asked for: UDP
 * segmentation (TUN_F_USO), since a row of datagrams in one frame loses their borders; the kernel
 * then cuts them before it hands them over. */
static int set_offload(struct tap *tap, bool plain, char why[WEIR_LINE_MAX])
{
    struct weir_dev *dev = &tap->dev;
    const unsigned long offload = plain ? 0 : TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (!plain) {
        int hdr_len = sizeof(struct virtio_net_hdr);
        if (ioctl(dev->fd, TUNSETVNETHDRSZ, &hdr_len) < 0)
            return line_fail(why, -errno, "tap %s: virtio-net header: %s", dev->name,
                             strerror(errno));
        tap->hdr_len = sizeof(struct virtio_net_hdr);
    }
    if (ioctl(dev->fd, TUNSETOFFLOAD, offload) < 0)
        return line_fail(why, -errno, "tap %s: offload: %s", dev->name, strerror(errno));
    dev->csum = dev->tso = !plain;
    return 0;
}

int tap_open(struct weir_dev **dev, const struct weir_dev_spec *spec, char why[WEIR_LINE_MAX])
{
    struct tap *tap = calloc(1, sizeof *tap);
    if (tap == NULL)
        return line_fail(why, -ENOMEM, "tap %s: %s", spec->name, strerror(ENOMEM));
    tap->dev.ops = &tap_ops;
    memcpy(tap->dev.name, spec->name, sizeof tap->dev.name);
    tap->want = 1;
    tap->dev.fd = -1;
    int error;
    tap->arena =
        mmap(NULL, ARENA_OCTETS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tap->arena == MAP_FAILED) {
        error = line_fail(why, -errno, "tap %s: %s", spec->name, strerror(errno));
        goto fail;
    }
    tap->dev.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap->dev.fd < 0) {
        error = line_fail(why, -errno, "tap %s: /dev/net/tun: %s", spec->name, strerror(errno));
        goto fail;
    }
    error = attach(tap, spec->plain, why);
    if (error == 0)
        error = set_offload(tap, spec->plain, why);
    if (error == 0)
        error = netif_open(&tap->dev, "tap", NULL, why);
    if (error != 0)
        goto fail;
    *dev = &tap->dev;
    return 0;

fail:
    tap_close(&tap->dev);
    return error;
}
