/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DEV_DRIVER_H
#define WEIR_DEV_DRIVER_H

/* What the drivers share: the virtio-net header, the facts of an interface, and how each of them is
 * opened. */

#include "weir/dev.h"

#include <linux/virtio_net.h>
#include <sys/uio.h>

/* One iovec for the virtio-net header, one for the frame's head, the rest for its spans. */
#define DRIVER_IOV_MAX (2 + WEIR_SPANS)

/* Room for one frame with its virtio-net header, the header placed so that the IP header, 14 octets
 * into the frame, begins at a multiple of four. */
#define DRIVER_SLOT 65600

/* ---- vnet.c ---- */

/* The virtio-net header that says what `out` leaves to the device. */
void vnet_from_out(struct virtio_net_hdr *hdr, const struct weir_out *out);

/* Fills csum_ok and gso_size. False: a header no kernel writes; the frame is not to be used. */
bool vnet_to_frame(const struct virtio_net_hdr *hdr, struct weir_frame *frame);

/* The iovecs of `hdr` (NULL: none) and the whole frame; returns their number. */
unsigned vnet_iov(struct iovec iov[DRIVER_IOV_MAX], struct virtio_net_hdr *hdr,
                  const struct weir_out *out);

/* Counts the outcome of one write, `error` being 0 or an errno. Returns -EAGAIN if the frame must
 * be kept, else 0. */
int driver_wrote(struct weir_dev *dev, const struct weir_out *out, int error);

/* ---- netif.c ---- */

/* Whether an interface of this name exists in this network namespace. */
bool netif_exists(const char *name);

/* Fills mtu and mac of `dev` by its name, brings the interface up if it is down, and stores its
 * index (which may be NULL). `label` begins the line in `why`. */
int netif_open(struct weir_dev *dev, const char *label, int *index, char why[WEIR_LINE_MAX]);

/* ---- tap.c, packet.c, xdp_open.c ---- */

int tap_open(struct weir_dev **dev, const struct weir_dev_spec *spec, char why[WEIR_LINE_MAX]);
int packet_open(struct weir_dev **dev, const struct weir_dev_spec *spec, char why[WEIR_LINE_MAX]);
int xdp_open(struct weir_dev **dev, const struct weir_dev_spec *spec, char why[WEIR_LINE_MAX]);

#endif
