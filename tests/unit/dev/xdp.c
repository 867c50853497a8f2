/* SPDX-License-Identifier: MIT */

/* The AF_XDP driver with this program in the kernel's place: rings in plain memory, and one end of
 * a socket pair that is kicked. Its indices begin just below 2^32. */
#include "tap.h"

#include "dev/transport.h"
#include "dev/xdp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BEGIN (0u - 5)
#define CHUNK XDP_CHUNK_SMALL
#define AT    (XDP_HEADROOM + XDP_ALIGN) /* where in a chunk the kernel puts a frame */

static struct shared {
    uint32_t producer, consumer, flags;
    union {
        struct xdp_desc desc[XDP_RX_CHUNKS];
        uint64_t addr[XDP_RX_CHUNKS];
    } at;
} shared[XDP_RINGS]; /* fill, completion, rx, tx */

static struct xdp xdp;
static int far;
static struct weir_frame frames[WEIR_DEV_INPUT_MAX];

static struct xdp_ring ring(struct shared *of, uint32_t size)
{
    of->producer = of->consumer = BEGIN;
    of->flags = 0;
    return (struct xdp_ring){ &of->producer, &of->consumer, &of->flags, &of->at, size };
}

static void open_fake(void)
{
    int ends[2];
    memset(&xdp, 0, sizeof xdp);
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) < 0)
        ends[0] = ends[1] = -1;
    far = ends[1];
    xdp.dev = (struct weir_dev){ .ops = &xdp_ops, .name = "fake", .fd = ends[0], .mtu = 1500 };
    xdp.chunk_len = CHUNK;
    xdp.umem = calloc(1, xdp_umem_len(&xdp));
    xdp.fill = ring(&shared[0], XDP_RX_CHUNKS);
    xdp.completion = ring(&shared[1], XDP_TX_CHUNKS);
    xdp.rx = ring(&shared[2], XDP_RX_CHUNKS);
    xdp.tx = ring(&shared[3], XDP_TX_CHUNKS);
    for (unsigned i = 0; i < XDP_TX_CHUNKS; i++)
        xdp.free[xdp.free_count++] = (uint64_t)(XDP_RX_CHUNKS + i) * CHUNK;
}

static void close_fake(void)
{
    free(xdp.umem);
    close(xdp.dev.fd);
    close(far);
}

static unsigned kicks(void)
{
    unsigned count = 0;
    char octet;
    while (recv(far, &octet, 1, MSG_DONTWAIT) >= 0)
        count++;
    return count;
}

/* ---- What the kernel does ---- */

static void arrive(unsigned chunk, uint32_t len, unsigned ethertype)
{
    uint8_t *frame = xdp.umem + (size_t)chunk * CHUNK + AT;
    memset(frame, (int)chunk, len);
    frame[12] = (uint8_t)(ethertype >> 8);
    frame[13] = (uint8_t)ethertype;
    shared[2].at.desc[shared[2].producer++ % XDP_RX_CHUNKS] =
        (struct xdp_desc){ .addr = (uint64_t)chunk * CHUNK + AT, .len = len };
}

/* Takes the oldest frame to send; its address. */
static uint64_t leave(void)
{
    return shared[3].at.desc[shared[3].consumer++ % XDP_TX_CHUNKS].addr;
}

static void complete(uint64_t addr)
{
    shared[1].at.addr[shared[1].producer++ % XDP_TX_CHUNKS] = addr;
}

/* ---- In ---- */

static void test_input(void)
{
    open_fake();
    CHECK(weir_dev_input(&xdp.dev, frames, 64, 7) == 0 && xdp.dev.drained, "nothing there");
    arrive(3, 60, 0x0800);
    arrive(9, 1514, 0x86dd);
    arrive(4, 60, 0x8100);
    arrive(5, 13, 0x0800);
    CHECK(weir_dev_input(&xdp.dev, frames, 64, 7) == 2 && xdp.dev.drained, "two of four are taken");
    CHECK(frames[0].len == 60 && frames[0].data == xdp.umem + (size_t)3 * CHUNK + AT &&
              frames[0].when == 7 && !frames[0].csum_ok && frames[0].gso_size == 0,
          "the first lies where the kernel put it; nobody vouches for its sum");
    CHECK(frames[1].len == 1514 && frames[1].data[0] == 9, "and so does the second");
    CHECK(xdp.dev.counters.refused == 2 && xdp.dev.counters.frames_in == 2 &&
              xdp.dev.counters.octets_in == 1574 && xdp.dev.counters.reads == 1,
          "a tag, and what is shorter than a header, are refused");
    CHECK(shared[2].consumer == shared[2].producer, "their places are free");
    CHECK(shared[0].producer == BEGIN, "their chunks are not yet");
    CHECK(weir_dev_input(&xdp.dev, frames, 64, 8) == 0, "nothing more");
    bool right = shared[0].producer == BEGIN + 4;
    const unsigned given[] = { 3, 9, 4, 5 };
    for (unsigned i = 0; i < 4; i++)
        right =
            right && shared[0].at.addr[(BEGIN + i) % XDP_RX_CHUNKS] == (uint64_t)given[i] * CHUNK;
    CHECK(right, "now all four chunks are the kernel's again");
    close_fake();
}

static void test_batches(void)
{
    open_fake();
    for (unsigned i = 0; i < 100; i++)
        arrive(i, 60, 0x0800);
    CHECK(weir_dev_input(&xdp.dev, frames, 64, 0) == 64 && !xdp.dev.drained, "64 of a hundred");
    CHECK(weir_dev_input(&xdp.dev, frames, 10, 0) == 10 && !xdp.dev.drained &&
              frames[0].data[0] == 64,
          "ten if that is asked for");
    CHECK(weir_dev_input(&xdp.dev, frames, 64, 0) == 26 && xdp.dev.drained &&
              frames[25].data[0] == 99,
          "then the last");
    CHECK(kicks() == 0, "without a system call");
    xdp.gone = true;
    CHECK(weir_dev_input(&xdp.dev, frames, 64, 0) == -ENODEV, "an interface that is gone ends it");
    close_fake();
}

/* ---- Out ---- */

static struct weir_out frame_of(uint8_t *octets, size_t len)
{
    struct weir_out out = { .head_len = 14, .span_count = 1 };
    memset(out.head, 0x11, 14);
    out.span[0] = (struct weir_span){ octets, len };
    return out;
}

static void test_output(void)
{
    static uint8_t octets[1501];
    open_fake();
    memset(octets, 0x22, sizeof octets);
    struct weir_out out = frame_of(octets, 1500);
    CHECK(weir_dev_output(&xdp.dev, &out) == 0 && kicks() == 0, "a frame is written, not yet sent");
    const struct xdp_desc desc = shared[3].at.desc[BEGIN % XDP_TX_CHUNKS];
    CHECK(shared[3].producer == BEGIN + 1 && desc.len == 1514 && desc.options == 0 &&
              desc.addr / CHUNK >= XDP_RX_CHUNKS && desc.addr % CHUNK == 0,
          "into a chunk for output");
    CHECK(xdp.umem[desc.addr] == 0x11 && xdp.umem[desc.addr + 14] == 0x22 &&
              xdp.umem[desc.addr + 1513] == 0x22 && xdp.umem[desc.addr + 1514] == 0,
          "whole");
    weir_dev_flush(&xdp.dev);
    CHECK(kicks() == 1, "a flush tells the kernel");
    (void)leave();
    weir_dev_flush(&xdp.dev);
    (void)kicks();
    weir_dev_flush(&xdp.dev);
    CHECK(kicks() == 0, "and says nothing once the kernel has taken it");
    out = frame_of(octets, 1501);
    CHECK(weir_dev_output(&xdp.dev, &out) == 0 && xdp.dev.counters.lost == 1 &&
              xdp.dev.counters.last_error == EMSGSIZE,
          "one octet more than the MTU is lost");
    out = frame_of(octets, 20);
    out.csum_start = 14;
    CHECK(weir_dev_output(&xdp.dev, &out) == 0 && xdp.dev.counters.last_error == EPROTO,
          "and so is an open sum");
    close_fake();
}

/* Chunks come back in another order than they went. */
static void test_full(void)
{
    static uint8_t octets[46];
    static uint64_t gone[XDP_TX_CHUNKS];
    static bool seen[XDP_RX_CHUNKS + XDP_TX_CHUNKS];
    open_fake();
    const struct weir_out out = frame_of(octets, sizeof octets);
    unsigned written = 0;
    while (written < 2 * XDP_TX_CHUNKS && weir_dev_output(&xdp.dev, &out) == 0)
        written++;
    CHECK(written == XDP_TX_CHUNKS && xdp.dev.counters.full == 1,
          "as many as there are chunks, then it is full: %u", written);
    bool twice = false;
    for (unsigned i = 0; i < XDP_TX_CHUNKS; i++) {
        gone[i] = leave();
        twice = twice || seen[gone[i] / CHUNK];
        seen[gone[i] / CHUNK] = true;
    }
    CHECK(!twice, "no chunk has two frames");
    CHECK(weir_dev_output(&xdp.dev, &out) == -EAGAIN, "taken is not yet sent");
    complete(gone[700]);
    complete(gone[2]);
    CHECK(weir_dev_output(&xdp.dev, &out) == 0 && weir_dev_output(&xdp.dev, &out) == 0 &&
              weir_dev_output(&xdp.dev, &out) == -EAGAIN,
          "two that are sent make room for two");
    const uint64_t a = leave(), b = leave();
    CHECK((a == gone[700] && b == gone[2]) || (a == gone[2] && b == gone[700]), "in their chunks");
    CHECK(shared[1].consumer == shared[1].producer, "the completions are taken");
    CHECK(xdp.dev.counters.frames_out == XDP_TX_CHUNKS + 2 && xdp.dev.counters.lost == 0,
          "nothing is lost");
    close_fake();
}

static void test_down(void)
{
    static uint8_t octets[46];
    open_fake();
    const struct weir_out out = frame_of(octets, sizeof octets);
    (void)kicks();
    xdp.down = true;
    CHECK(weir_dev_output(&xdp.dev, &out) == 0 && kicks() == 1 && !xdp.down &&
              xdp.dev.counters.frames_out == 1,
          "an interface that was down is tried again");
    close_fake();
}

/* ---- Sums ---- */

static size_t udp_frame(uint8_t *frame, bool v6, size_t len)
{
    const size_t at = v6 ? 54 : 34;
    memset(frame, 0, at + len);
    frame[12] = v6 ? 0x86 : 0x08;
    frame[13] = v6 ? 0xdd : 0;
    frame[14] = v6 ? 0x60 : 0x45;
    if (v6) {
        frame[19] = (uint8_t)len;
        frame[20] = 17;
        frame[22 + 15] = 1;
        frame[38 + 15] = 2;
    } else {
        frame[17] = (uint8_t)(20 + len);
        frame[23] = 17;
        memcpy(frame + 26, "\300\0\2\1\300\0\2\2", 8);
    }
    memset(frame + at, 0x37, len);
    return at + len;
}

static void test_open_sum(bool v6)
{
    uint8_t frame[200];
    const size_t len = udp_frame(frame, v6, 29), field = (v6 ? 54 : 34) + 6;
    transport_complete(frame, len);
    CHECK(!transport_sum_is_open(frame, len), "IPv%d: a right sum is not open", v6 ? 6 : 4);
    frame[len - 1] ^= 1;
    CHECK(!transport_sum_is_open(frame, len), "nor is a wrong one");
    frame[len - 1] ^= 1;
    /* Over addresses, protocol and length: 0001 + 0002 + 0011 + 001d, with IPv4 c000 + 0201 +
     * c000 + 0202 + 0011 + 001d = 18431, and 8432. */
    frame[field] = v6 ? 0 : 0x84;
    frame[field + 1] = v6 ? 0x31 : 0x32;
    CHECK(transport_sum_is_open(frame, len), "the pseudo header's alone is");
    frame[v6 ? 20 : 23] = 1;
    CHECK(!transport_sum_is_open(frame, len), "but not of another protocol");
    frame[v6 ? 20 : 23] = 17;
    CHECK(!transport_sum_is_open(frame, len - 1), "nor of a frame that is cut off");
    frame[field] = frame[field + 1] = 0;
    CHECK(!transport_sum_is_open(frame, len), "and UDP may have none");
}

int main(void)
{
    test_input();
    test_batches();
    test_output();
    test_full();
    test_down();
    test_open_sum(false);
    test_open_sum(true);
    return tap_done();
}
