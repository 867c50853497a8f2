/* SPDX-License-Identifier: MIT */

/* What needs no device: specs, frames made plain, the virtio-net header. */
#include "tap.h"

#include "dev/driver.h"
#include "weir/dev.h"

#include <errno.h>
#include <string.h>

static void test_specs(void)
{
    static const struct {
        const char *spec;
        int error;
        struct weir_dev_spec want;
    } cases[] = {
        { "tap:weir0", 0, { .kind = WEIR_DEV_TAP, .name = "weir0" } },
        { "tap:weir0,plain", 0, { .kind = WEIR_DEV_TAP, .name = "weir0", .plain = true } },
        { "packet:veth1", 0, { .kind = WEIR_DEV_PACKET, .name = "veth1" } },
        { "packet:veth1,plain", 0, { .kind = WEIR_DEV_PACKET, .name = "veth1", .plain = true } },
        { "tap:abcdefghijklmno", 0, { .kind = WEIR_DEV_TAP, .name = "abcdefghijklmno" } },
        { "tap:eth0.100", 0, { .kind = WEIR_DEV_TAP, .name = "eth0.100" } },
        { "xdp:veth1", 0, { .kind = WEIR_DEV_XDP, .name = "veth1" } },
        { "xdp:veth1:3", 0, { .kind = WEIR_DEV_XDP, .name = "veth1", .queue = 3 } },
        { "xdp:veth1,generic", 0, { .kind = WEIR_DEV_XDP, .name = "veth1", .generic = true } },
        { "xdp:veth1:1023,zerocopy,generic",
          0,
          { .kind = WEIR_DEV_XDP,
            .name = "veth1",
            .generic = true,
            .zerocopy = true,
            .queue = 1023 } },
        { "xdp:veth1:", -EINVAL, { .plain = false } },
        { "xdp:veth1:1024", -EINVAL, { .plain = false } },
        { "xdp:veth1:4294967296", -EINVAL, { .plain = false } },
        { "xdp:veth1:-1", -EINVAL, { .plain = false } },
        { "xdp:veth1:0x1", -EINVAL, { .plain = false } },
        { "xdp:veth1:0:0", -EINVAL, { .plain = false } },
        { "xdp:veth1,plain", -EINVAL, { .plain = false } },
        { "xdp:veth1,generic,generic", -EINVAL, { .plain = false } },
        { "xdp:veth1,", -EINVAL, { .plain = false } },
        { "xdp::0", -EINVAL, { .plain = false } },
        { "packet:veth1:0", -EINVAL, { .plain = false } },
        { "tap:weir0,generic", -EINVAL, { .plain = false } },
        { "tap:abcdefghijklmnop", -EINVAL, { .plain = false } },
        { "tap:", -EINVAL, { .plain = false } },
        { "tap:,plain", -EINVAL, { .plain = false } },
        { "tap:a b", -EINVAL, { .plain = false } },
        { "tap:a/b", -EINVAL, { .plain = false } },
        { "tap:tap%d", -EINVAL, { .plain = false } },
        { "tap:..", -EINVAL, { .plain = false } },
        { "tap:a\nb", -EINVAL, { .plain = false } },
        { "tap:weir0,", -EINVAL, { .plain = false } },
        { "tap:weir0,fast", -EINVAL, { .plain = false } },
        { "tap:weir0,plain,plain", -EINVAL, { .plain = false } },
        { "tap", -EINVAL, { .plain = false } },
        { "TAP:weir0", -EINVAL, { .plain = false } },
        { "pair", -EINVAL, { .plain = false } },
        { "", -EINVAL, { .plain = false } },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_dev_spec got;
        char why[WEIR_LINE_MAX] = "";
        const int error = weir_dev_parse(&got, cases[i].spec, why);
        const bool same =
            error == 0 && got.kind == cases[i].want.kind && got.plain == cases[i].want.plain &&
            got.generic == cases[i].want.generic && got.zerocopy == cases[i].want.zerocopy &&
            got.queue == cases[i].want.queue && strcmp(got.name, cases[i].want.name) == 0;
        if (cases[i].error == 0)
            CHECK(same, "spec %u is understood", i);
        else
            CHECK(error == cases[i].error && why[0] != '\0' && strlen(why) < 120,
                  "spec %u is refused with a line", i);
    }
}

static void test_open_errors(void)
{
    struct weir_dev *dev = NULL;
    char why[WEIR_LINE_MAX] = "";
    const int error = weir_dev_open(&dev, "packet:no-such-if", why);
    CHECK(error < 0 && dev == NULL, "an interface that is not there cannot be opened");
    CHECK(strncmp(why, "packet no-such-if: ", 19) == 0, "the line names it: %s", why);
    weir_dev_close(NULL);
}

static void test_copy(void)
{
    uint8_t a[] = "def", b[] = "ghij", to[16] = "";
    struct weir_out out = { .head = "abc", .head_len = 3, .span_count = 2 };
    out.span[0] = (struct weir_span){ a, 3 };
    out.span[1] = (struct weir_span){ b, 4 };
    CHECK(weir_out_len(&out) == 10, "a frame is as long as its parts");
    CHECK(weir_out_copy(&out, to, 9) == 0 && to[0] == 0,
          "nothing is copied where there is no room for all");
    CHECK(weir_out_copy(&out, to, 10) == 10 && memcmp(to, "abcdefghij", 10) == 0,
          "head and spans in their order");
}

/* Sums over the octets given, worked out by hand. The field holds the pseudo header's part. */
static void test_complete(void)
{
    uint8_t frame[] = { 0xaa, 0xbb, 0x12, 0x34, 0x00, 0x01, 0x00, 0x03, 0x45 };
    const struct weir_out none = { .head_len = 9 };
    uint8_t copy[9];
    memcpy(copy, frame, sizeof copy);
    weir_out_complete(&none, copy, sizeof copy);
    CHECK(memcmp(copy, frame, sizeof copy) == 0, "no csum_start, no change");

    const struct weir_out odd = { .csum_start = 2, .csum_offset = 2 };
    weir_out_complete(&odd, copy, sizeof copy); /* 1234 + 0001 + 0003 + 4500 = 5738 */
    CHECK(copy[4] == 0xa8 && copy[5] == 0xc7, "the sum over an odd number of octets: %02x%02x",
          copy[4], copy[5]);

    uint8_t zero[] = { 0xff, 0xfe, 0, 0, 0, 0, 0x00, 0x01 };
    const struct weir_out udp = { .csum_start = 0, .csum_offset = 6 };
    weir_out_complete(&udp, zero, sizeof zero);
    CHECK(zero[6] == 0 && zero[7] == 1, "csum_start 0 asks for nothing");
    uint8_t padded[] = { 0, 0, 0xff, 0xfe, 0, 0, 0, 0, 0x00, 0x01 };
    const struct weir_out udp2 = { .csum_start = 2, .csum_offset = 6 };
    weir_out_complete(&udp2, padded, sizeof padded);
    CHECK(padded[8] == 0xff && padded[9] == 0xff, "UDP's sum of 0 is sent as ffff");
    const struct weir_out tcp = { .csum_start = 1, .csum_offset = 16 };
    uint8_t thin[10] = { 1, 2, 3 };
    weir_out_complete(&tcp, thin, sizeof thin);
    CHECK(thin[0] == 1 && thin[9] == 0, "a field beyond the end is left alone");
}

static struct weir_out segment(unsigned ethertype, uint16_t gso_size, size_t payload)
{
    static uint8_t octets[60000];
    const uint16_t ip_len = ethertype == 0x86dd ? 40 : 20;
    struct weir_out out = { .gso_size = gso_size, .csum_offset = 16, .span_count = 1 };
    out.head[12] = (uint8_t)(ethertype >> 8);
    out.head[13] = (uint8_t)ethertype;
    out.transport_off = out.csum_start = (uint16_t)(14 + ip_len);
    out.head[out.transport_off + 12] = 8 << 4; /* 32 octets of TCP header */
    out.head_len = (uint16_t)(out.transport_off + 32);
    out.span[0] = (struct weir_span){ octets, payload };
    return out;
}

static void test_vnet_out(void)
{
    struct virtio_net_hdr hdr;
    struct weir_out out = segment(0x0800, 1448, 14480);
    vnet_from_out(&hdr, &out);
    CHECK(hdr.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM && hdr.csum_start == 34 && hdr.csum_offset == 16,
          "the sum is left to the device");
    CHECK(hdr.gso_type == VIRTIO_NET_HDR_GSO_TCPV4 && hdr.gso_size == 1448 && hdr.hdr_len == 66,
          "IPv4: cut into segments behind the whole header");
    out.head[out.transport_off + 13] = 0x80;
    vnet_from_out(&hdr, &out);
    CHECK(hdr.gso_type == (VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN),
          "CWR only in the first segment");
    out = segment(0x86dd, 1428, 14280);
    vnet_from_out(&hdr, &out);
    CHECK(hdr.gso_type == VIRTIO_NET_HDR_GSO_TCPV6 && hdr.hdr_len == 86, "IPv6 likewise");
    out = segment(0x0800, 1448, 1448);
    vnet_from_out(&hdr, &out);
    CHECK(hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE && hdr.gso_size == 0 && hdr.flags != 0,
          "one segment is not cut");
    out = segment(0x0800, 1448, 1449);
    vnet_from_out(&hdr, &out);
    CHECK(hdr.gso_type == VIRTIO_NET_HDR_GSO_TCPV4, "one octet more is");
    out = segment(0x0800, 1000, 5000);
    out.csum_offset = 6;
    vnet_from_out(&hdr, &out);
    CHECK(hdr.gso_type == 5 && hdr.hdr_len == 42, "UDP has its own type");
    out = segment(0x0800, 1448, 14480);
    out.csum_start = 0;
    vnet_from_out(&hdr, &out);
    CHECK(hdr.flags == 0 && hdr.gso_type == 0, "no open sum, nothing left to the device");
}

static void test_vnet_in(void)
{
    static const struct {
        const char *text;
        struct virtio_net_hdr hdr;
        bool good, csum_ok;
        uint16_t gso_size;
    } cases[] = {
        { "nothing said", { 0 }, true, false, 0 },
        { "sum open", { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM }, true, true, 0 },
        { "sum checked", { .flags = VIRTIO_NET_HDR_F_DATA_VALID }, true, true, 0 },
        { "merged",
          { .flags = 1, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448 },
          true,
          true,
          1448 },
        { "stray size", { .gso_size = 1448 }, true, false, 0 },
        { "merged from pieces of 0", { .gso_type = VIRTIO_NET_HDR_GSO_TCPV6 }, false, false, 0 },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_frame frame = { .len = 1 };
        const bool good = vnet_to_frame(&cases[i].hdr, &frame);
        CHECK(good == cases[i].good && frame.csum_ok == cases[i].csum_ok &&
                  frame.gso_size == cases[i].gso_size,
              "virtio-net header: %s", cases[i].text);
    }
}

int main(void)
{
    test_specs();
    test_open_errors();
    test_copy();
    test_complete();
    test_vnet_out();
    test_vnet_in();
    return tap_done();
}
