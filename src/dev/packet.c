/* SPDX-License-Identifier: MIT */

/* AF_PACKET on an interface, best one end of a veth pair: for where there is no /dev/net/tun.
 *
 * The socket sees what arrives at the interface, with PACKET_VNET_HDR whole as the other end's TCP
 * built it, and sends as the interface would. The kernel's own stack hears the same frames. It
 * stays silent as long as the interface has no address and nothing is forwarded, because weir
 * answers under a link address of its own, which the kernel takes for somebody else's; that is also
 * why the interface is made promiscuous. IPv6's link-local address, which the kernel adds by
 * itself, does no harm. */
#include "dev/driver.h"
#include "dev/line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Frames of one recvmmsg. Each needs room for the longest. */
#define BATCH 16

/* What the kernel may keep for us while we are busy: a full window of several connections. It
 * counts a frame at what its memory costs it, so this is about half of it in octets. */
#define SOCKET_BUFFER (32 << 20)

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

struct control {
    _Alignas(struct cmsghdr) uint8_t octets[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

struct packet {
    struct weir_dev dev;
    bool vnet;
    int index;      /* of the interface */
    uint8_t *slots; /* BATCH of them */
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH][2];
    struct virtio_net_hdr hdr[BATCH];
    struct control control[BATCH];
};

static struct packet *packet_of(struct weir_dev *dev)
{
    return (struct packet *)(void *)dev; /* its first member */
}

/* TP_STATUS_* of a frame: what the kernel says beside it. */
static uint32_t status_of(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        struct tpacket_auxdata aux;
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        return aux.tp_status;
    }
    return 0;
}

static bool accept_frame(struct packet *packet, unsigned i, struct weir_frame *frame)
{
    struct msghdr *msg = &packet->msg[i].msg_hdr;
    const size_t got = packet->msg[i].msg_len;
    const size_t hdr_len = packet->vnet ? sizeof(struct virtio_net_hdr) : 0;
    if ((msg->msg_flags & MSG_TRUNC) || got <= hdr_len || got - hdr_len > WEIR_FRAME_MAX)
        return false;

    /* A VLAN tag is taken out of the frame; unless we look, one of another network would seem to be
     * ours. */
    const uint32_t status = status_of(msg);
    if (status & TP_STATUS_VLAN_VALID)
        return false;

    /* A plain socket too sees what the other end's TCP built, if that end has its offloads on. */
    frame->csum_ok = (status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID)) != 0;
    frame->gso_size = 0;
    frame->landed = 0;
    if (packet->vnet && !vnet_to_frame(&packet->hdr[i], frame))
        return false;
    frame->data = packet->slots + (size_t)i * DRIVER_SLOT;
    frame->len = got - hdr_len;
    return true;
}

/* syscall: recvmmsg sendmsg */
static int packet_input(struct weir_dev *dev, struct weir_frame *frames, unsigned count,
                        weir_time now)
{
    struct packet *packet = packet_of(dev);
    const unsigned want = count < BATCH ? count : BATCH;
    for (unsigned i = 0; i < want; i++) /* the last batch left its own lengths here */
        packet->msg[i].msg_hdr.msg_controllen = sizeof packet->control[i];
    const int got = recvmmsg(dev->fd, packet->msg, want, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (got < 0) {
        dev->drained = errno == EAGAIN;
        if (errno == EAGAIN || errno == EINTR)
            return 0;
        if (errno != ENETDOWN)
            return -errno;
        dev->counters.down++; /* told once; the interface may come back, unless it is no more */
        char name[IF_NAMESIZE];
        return if_indextoname((unsigned)packet->index, name) != NULL ? 0 : -ENODEV;
    }
    dev->drained = (unsigned)got < want;
    dev->counters.reads++;
    unsigned taken = 0;
    for (unsigned i = 0; i < (unsigned)got; i++) {
        if (!accept_frame(packet, i, &frames[taken])) {
            dev->counters.refused++;
            continue;
        }
        frames[taken].when = now;
        dev->counters.octets_in += frames[taken].len;
        taken++;
    }
    dev->counters.frames_in += taken;
    return (int)taken;
}

static int packet_output(struct weir_dev *dev, const struct weir_out *out)
{
    struct packet *packet = packet_of(dev);
    struct iovec iov[DRIVER_IOV_MAX];
    struct virtio_net_hdr hdr;
    struct msghdr msg = { .msg_iov = iov };
    if (packet->vnet) {
        vnet_from_out(&hdr, out);
        msg.msg_iovlen = vnet_iov(iov, &hdr, out);
    } else if (out->csum_start == 0) {
        msg.msg_iovlen = vnet_iov(iov, NULL, out);
    } else {
        return driver_wrote(dev, out,
                            EPROTO); /* the interface promised what a plain one cannot do */
    }
    ssize_t wrote;
    do
        wrote = sendmsg(dev->fd, &msg, MSG_DONTWAIT);
    while (wrote < 0 && errno == EINTR);
    return driver_wrote(dev, out, wrote < 0 ? errno : 0);
}

static void packet_close(struct weir_dev *dev)
{
    struct packet *packet = packet_of(dev);
    if (dev->fd >= 0)
        close(dev->fd);
    if (packet->slots != MAP_FAILED)
        munmap(packet->slots, (size_t)BATCH * DRIVER_SLOT);
    free(packet);
}

static const struct weir_dev_ops packet_ops = {
    .input = packet_input,
    .output = packet_output,
    .close = packet_close,
};

static void prepare_messages(struct packet *packet)
{
    for (unsigned i = 0; i < BATCH; i++) {
        struct iovec *iov = packet->iov[i];
        unsigned count = 0;
        if (packet->vnet)
            iov[count++] = (struct iovec){ &packet->hdr[i], sizeof packet->hdr[i] };
        iov[count++] = (struct iovec){ packet->slots + (size_t)i * DRIVER_SLOT, DRIVER_SLOT };
        struct msghdr *msg = &packet->msg[i].msg_hdr;
        msg->msg_iov = iov;
        msg->msg_iovlen = count;
        msg->msg_control = &packet->control[i];
    }
}

/* With the right to go beyond the system's limit, or up to it. */
static void set_buffer(int fd, int forced, int option)
{
    const int octets = SOCKET_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, forced, &octets, sizeof octets) < 0)
        (void)setsockopt(fd, SOL_SOCKET, option, &octets, sizeof octets); /* the default will do */
}

static int set_options(struct packet *packet, char why[WEIR_LINE_MAX])
{
    const struct weir_dev *dev = &packet->dev;
    const int on = 1;
    const struct packet_mreq promiscuous = { .mr_ifindex = packet->index,
                                             .mr_type = PACKET_MR_PROMISC };
    const struct {
        int option;
        const void *value;
        socklen_t len;
        const char *text;
    } options[] = {
        { PACKET_IGNORE_OUTGOING, &on, sizeof on, "ignore outgoing frames" },
        { PACKET_AUXDATA, &on, sizeof on, "auxiliary data" },
        { PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous, "promiscuous mode" },
        { PACKET_VNET_HDR, &on, sizeof on, "virtio-net header" },
    };
    const unsigned count = sizeof options / sizeof options[0] - (packet->vnet ? 0 : 1);
    for (unsigned i = 0; i < count; i++)
        if (setsockopt(dev->fd, SOL_PACKET, options[i].option, options[i].value, options[i].len) <
            0)
            return line_fail(why, -errno, "packet %s: %s: %s", dev->name, options[i].text,
                             strerror(errno));
    set_buffer(dev->fd, SO_RCVBUFFORCE, SO_RCVBUF);
    set_buffer(dev->fd, SO_SNDBUFFORCE, SO_SNDBUF);
    return 0;
}

/* Last of all, so that no frame is seen before all is set. */
static int bind_to(struct packet *packet, char why[WEIR_LINE_MAX])
{
    struct weir_dev *dev = &packet->dev;
    const struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = packet->index,
    };
    if (bind(dev->fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return line_fail(why, -errno, "packet %s: bind: %s", dev->name, strerror(errno));
    return 0;
}

int packet_open(struct weir_dev **dev, const struct weir_dev_spec *spec, char why[WEIR_LINE_MAX])
{
    struct packet *packet = calloc(1, sizeof *packet);
    if (packet == NULL)
        return line_fail(why, -ENOMEM, "packet %s: %s", spec->name, strerror(ENOMEM));
    packet->dev.ops = &packet_ops;
    memcpy(packet->dev.name, spec->name, sizeof packet->dev.name);
    packet->vnet = !spec->plain;
    packet->dev.csum = packet->dev.tso = packet->vnet;
    packet->dev.fd = -1;
    int error;
    packet->slots = mmap(NULL, (size_t)BATCH * DRIVER_SLOT, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (packet->slots == MAP_FAILED) {
        error = line_fail(why, -errno, "packet %s: %s", spec->name, strerror(errno));
        goto fail;
    }
    prepare_messages(packet);
    packet->dev.fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (packet->dev.fd < 0) {
        error = line_fail(why, -errno, "packet %s: %s%s", spec->name, strerror(errno),
                          errno == EPERM ? " (needs CAP_NET_RAW)" : "");
        goto fail;
    }
    error = netif_open(&packet->dev, "packet", &packet->index, why);
    if (error == 0)
        error = set_options(packet, why);
    if (error == 0)
        error = bind_to(packet, why);
    if (error != 0)
        goto fail;
    *dev = &packet->dev;
    return 0;

fail:
    packet_close(&packet->dev);
    return error;
}
