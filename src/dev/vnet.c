/* SPDX-License-Identifier: MIT */
#include "dev/driver.h"

#include <errno.h>
#include <string.h>

/* Where in an Ethernet frame, a TCP header, a UDP header the fields are that the header speaks of.
 */
#define ETHERTYPE_AT   12
#define TCP_CSUM_AT    16
#define TCP_OFFSET_AT  12
#define TCP_FLAGS_AT   13
#define TCP_CWR        0x80
#define UDP_HEADER_LEN 8

#define ETHERTYPE_IPV6 0x86dd

#define GSO_UDP_L4 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, younger than some headers */

/* Where the payload begins: behind the TCP or UDP header. */
static size_t payload_off(const struct weir_out *out)
{
    if (out->csum_offset != TCP_CSUM_AT)
        return (size_t)out->transport_off + UDP_HEADER_LEN;
    return out->transport_off + (size_t)4 * (out->head[out->transport_off + TCP_OFFSET_AT] >> 4);
}

static uint8_t gso_type(const struct weir_out *out)
{
    if (out->csum_offset != TCP_CSUM_AT)
        return GSO_UDP_L4;
    const unsigned ethertype = (unsigned)out->head[ETHERTYPE_AT] << 8 | out->head[ETHERTYPE_AT + 1];
    const bool cwr = (out->head[out->transport_off + TCP_FLAGS_AT] & TCP_CWR) != 0;
    return (uint8_t)((ethertype == ETHERTYPE_IPV6 ? VIRTIO_NET_HDR_GSO_TCPV6
                                                  : VIRTIO_NET_HDR_GSO_TCPV4) |
                     (cwr ? VIRTIO_NET_HDR_GSO_ECN : 0));
}

void vnet_from_out(struct virtio_net_hdr *hdr, const struct weir_out *out)
{
    memset(hdr, 0, sizeof *hdr);
    if (out->csum_start == 0)
        return;
    hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    hdr->csum_start = out->csum_start;
    hdr->csum_offset = out->csum_offset;
    if (out->gso_size == 0 || out->transport_off == 0)
        return;
    /* A frame of one segment needs no cutting, whatever its sender noted. */
    const size_t payload_at = payload_off(out);
    if (weir_out_len(out) <= payload_at + out->gso_size)
        return;
    hdr->gso_type = gso_type(out);
    hdr->gso_size = out->gso_size;
    hdr->hdr_len = (uint16_t)payload_at;
}

bool vnet_to_frame(const struct virtio_net_hdr *hdr, struct weir_frame *frame)
{
    frame->csum_ok =
        (hdr->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) != 0;
    frame->gso_size = 0;
    if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE)
        return true;
    frame->gso_size = hdr->gso_size;
    return hdr->gso_size != 0;
}

unsigned vnet_iov(struct iovec iov[DRIVER_IOV_MAX], struct virtio_net_hdr *hdr,
                  const struct weir_out *out)
{
    unsigned count = 0;
    if (hdr != NULL)
        iov[count++] = (struct iovec){ hdr, sizeof *hdr };
    /* The kernel only reads what an output iovec points to, but its type cannot say so. */
    union {
        const uint8_t *read;
        void *base;
    } head = { .read = out->head };
    iov[count++] = (struct iovec){ head.base, out->head_len };
    for (unsigned i = 0; i < out->span_count; i++)
        iov[count++] = (struct iovec){ out->span[i].base, out->span[i].len };
    return count;
}

int driver_wrote(struct weir_dev *dev, const struct weir_out *out, int error)
{
    if (error == EAGAIN) {
        dev->counters.full++;
        return -EAGAIN;
    }
    if (error != 0) {
        dev->counters.lost++;
        dev->counters.last_error = error;
        return 0;
    }
    dev->counters.frames_out++;
    dev->counters.octets_out += weir_out_len(out);
    return 0;
}
