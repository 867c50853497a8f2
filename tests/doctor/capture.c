/* SPDX-License-Identifier: MIT */

/* doctor/capture_*.c: files that are as they should be, in every form, and files that are not. */

#include "doctor/flow.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 4096

struct image {
    uint8_t octet[FILE_MAX];
    size_t len;
    bool swapped;
};

static void put(struct image *image, const void *octets, size_t len)
{
    memcpy(image->octet + image->len, octets, len);
    image->len += len;
}

static void put32(struct image *image, uint32_t value)
{
    if (image->swapped)
        value = __builtin_bswap32(value);
    put(image, &value, sizeof value);
}

static void put16(struct image *image, uint16_t value)
{
    if (image->swapped)
        value = __builtin_bswap16(value);
    put(image, &value, sizeof value);
}

/* 192.0.2.1:1000 > 192.0.2.2:80, SYN, with a payload that is not there: its length says 5. */
static const uint8_t syn4[] = {
    0x45, 0,    0, 45, 0, 7, 0x40, 0, 64, 6, 0, 0, 192,  0, 2, 1, 192, 0, 2, 2,
    0x03, 0xe8, 0, 80, 0, 0, 0,    1, 0,  0, 0, 0, 0x50, 2, 1, 0, 0,   0, 0, 0,
};

static uint32_t links_len(uint32_t link, uint8_t head[32])
{
    memset(head, 0, 32);
    switch (link) {
    case CAPTURE_ETHERNET: /* with one VLAN tag */
        memcpy(head + 12, "\x81\x00\x00\x07\x08\x00", 6);
        return 18;
    case CAPTURE_SLL:
        memcpy(head + 14, "\x08\x00", 2);
        return 16;
    case CAPTURE_SLL2:
        memcpy(head, "\x08\x00", 2);
        return 20;
    case CAPTURE_NULL:
        head[0] = 2;
        return 4;
    case CAPTURE_LOOP:
        head[3] = 2;
        return 4;
    case CAPTURE_PPP:
        memcpy(head, "\xff\x03\x00\x21", 4);
        return 4;
    default:
        return 0;
    }
}

static void put_padded(struct image *image, const uint8_t *octets, uint32_t len)
{
    put(image, octets, len);
    put(image, "\0\0\0", (4 - len % 4) % 4);
}

static void pcap_head(struct image *image, uint32_t magic, uint32_t link)
{
    put32(image, magic);
    put16(image, 2);
    put16(image, 4);
    put32(image, 0);
    put32(image, 0);
    put32(image, 65535);
    put32(image, link);
}

static void pcap_packet(struct image *image, uint32_t link, uint32_t fraction)
{
    uint8_t head[32];
    const uint32_t len = links_len(link, head);
    put32(image, 100);
    put32(image, fraction);
    put32(image, len + sizeof syn4);
    put32(image, len + 45);
    put(image, head, len);
    put(image, syn4, sizeof syn4);
}

static void section(struct image *image)
{
    put32(image, 0x0a0d0d0a);
    put32(image, 28);
    put32(image, 0x1a2b3c4d);
    put16(image, 1);
    put16(image, 0);
    put32(image, UINT32_MAX);
    put32(image, UINT32_MAX);
    put32(image, 28);
}

static void interface(struct image *image, uint16_t link, uint8_t resolution)
{
    put32(image, 1);
    put32(image, 32);
    put16(image, link);
    put16(image, 0);
    put32(image, 96);
    put16(image, 9);
    put16(image, 1);
    put(image, &resolution, 1);
    put(image, "\0\0\0", 3);
    put32(image, 0);
    put32(image, 32);
}

static void enhanced(struct image *image, uint32_t iface, uint32_t link, uint32_t ticks)
{
    uint8_t head[32], body[64];
    const uint32_t len = links_len(link, head), kept = len + sizeof syn4;
    const uint32_t whole = 32 + ((kept + 3) & ~3u) + 12;
    memcpy(body, head, len);
    memcpy(body + len, syn4, sizeof syn4);
    put32(image, 6);
    put32(image, whole);
    put32(image, iface);
    put32(image, 0);
    put32(image, ticks);
    put32(image, kept);
    put32(image, len + 45);
    put_padded(image, body, kept);
    put16(image, 1);
    put16(image, 3);
    put(image, "why", 4);
    put32(image, 0);
    put32(image, whole);
}

/* Opens an image as a file. */
static struct capture_file *open_image(const struct image *image, size_t len, char *why)
{
    char path[] = "/tmp/weir-capture-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0 || write(fd, image->octet, len) != (ssize_t)len)
        abort();
    close(fd);
    struct capture_file *file = capture_open(path, why);
    unlink(path);
    return file;
}

static bool is_syn(const struct capture_frame *frame)
{
    struct packet packet;
    packet_dissect(frame, &packet);
    return packet.kind == PACKET_TCP && packet.tcp.flags == PACKET_SYN && packet.tcp.len == 5 &&
           packet.from.port == 1000 && packet.to.port == 80 && packet.ip_id == 7;
}

static void test_links(void)
{
    static const uint32_t links[] = { CAPTURE_ETHERNET, CAPTURE_SLL, CAPTURE_SLL2, CAPTURE_NULL,
                                      CAPTURE_LOOP,     CAPTURE_PPP, CAPTURE_RAW };
    char why[CAPTURE_WHY_MAX], room[32];
    for (unsigned i = 0; i < 2 * sizeof links / sizeof links[0]; i++) {
        struct image image = { .swapped = i % 2 == 1 };
        struct capture_frame frame;
        const uint32_t link = links[i / 2];
        pcap_head(&image, 0xa1b2c3d4, link);
        pcap_packet(&image, link, 250000);
        struct capture_file *file = open_image(&image, image.len, why);
        const bool read = file != NULL && capture_next(file, &frame, why) == CAPTURE_FRAME;
        CHECK(read && is_syn(&frame), "%s%s: a SYN with the length that IP gives",
              capture_link_text(link, room), image.swapped ? ", the other byte order" : "");
        CHECK(read && frame.when == 100250000000, "its time");
        CHECK(file != NULL && capture_next(file, &frame, why) == CAPTURE_END, "and the end");
        capture_close(file);
    }
}

static void test_pcapng(void)
{
    char why[CAPTURE_WHY_MAX];
    for (unsigned swapped = 0; swapped < 2; swapped++) {
        struct image image = { .swapped = swapped == 1 };
        struct capture_frame frame;
        section(&image);
        interface(&image, CAPTURE_ETHERNET, 9);
        interface(&image, CAPTURE_RAW, 3);
        enhanced(&image, 1, CAPTURE_RAW, 5);
        enhanced(&image, 0, CAPTURE_ETHERNET, 7);
        section(&image); /* its interfaces are numbered anew */
        interface(&image, CAPTURE_SLL2, 0x8a);
        enhanced(&image, 0, CAPTURE_SLL2, 512);
        struct capture_file *file = open_image(&image, image.len, why);
        static const int64_t times[] = { 5000000, 7, 500000000 };
        for (unsigned i = 0; i < 3; i++) {
            const bool read = capture_next(file, &frame, why) == CAPTURE_FRAME;
            CHECK(read && is_syn(&frame) && frame.when == times[i] &&
                      strcmp(frame.comment, "why") == 0,
                  "pcapng, packet %u of three link types and three units of time", i + 1);
        }
        CHECK(capture_next(file, &frame, why) == CAPTURE_END, "and the end");
        CHECK(capture_about(file)->mixed_links && capture_about(file)->snap_len == 96,
              "that links differ is known");
        capture_close(file);
    }
}

/* Cut anywhere: what is whole counts, then one line, or the end where that falls between packets.
 */
static void test_cut(void)
{
    char why[CAPTURE_WHY_MAX];
    for (unsigned ng = 0; ng < 2; ng++) {
        struct image image = { .len = 0 };
        unsigned good = 0;
        if (ng) {
            section(&image);
            interface(&image, CAPTURE_RAW, 9);
            enhanced(&image, 0, CAPTURE_RAW, 1);
        } else {
            pcap_head(&image, 0xa1b23c4d, CAPTURE_RAW);
            pcap_packet(&image, CAPTURE_RAW, 1);
        }
        for (size_t len = 0; len < image.len; len++) {
            struct capture_frame frame;
            why[0] = '\0';
            struct capture_file *file = open_image(&image, len, why);
            const enum capture_result result =
                file != NULL ? capture_next(file, &frame, why) : CAPTURE_DAMAGED;
            good += (result == CAPTURE_DAMAGED && why[0] != '\0') || result == CAPTURE_END;
            capture_close(file);
        }
        CHECK(good == image.len, "%s, cut at each octet: a line, and never a packet",
              ng ? "pcapng" : "pcap");
    }
}

/* A length that lies in any octet of a block: the reader stays within what it has. */
static void test_bent(void)
{
    char why[CAPTURE_WHY_MAX];
    struct image image = { .len = 0 };
    unsigned ended = 0, tried = 0;
    section(&image);
    interface(&image, CAPTURE_ETHERNET, 9);
    enhanced(&image, 0, CAPTURE_ETHERNET, 1);
    for (size_t at = 0; at < image.len; at++)
        for (unsigned value = 0; value < 256; value += 51) {
            struct image bent = image;
            struct capture_frame frame;
            unsigned frames = 0;
            bent.octet[at] = (uint8_t)value;
            tried++;
            struct capture_file *file = open_image(&bent, bent.len, why);
            while (file != NULL && frames < 10 &&
                   capture_next(file, &frame, why) == CAPTURE_FRAME) {
                struct packet packet;
                packet_dissect(&frame, &packet);
                frames++;
            }
            ended += frames < 10;
            capture_close(file);
        }
    CHECK(ended == tried, "an octet bent anywhere: the reading ends");
}

/* One octet more than the block has room for behind its fixed part. */
static void test_longer_than_block(void)
{
    char why[CAPTURE_WHY_MAX] = "";
    struct image image = { .len = 0 };
    struct capture_frame frame;
    section(&image);
    interface(&image, CAPTURE_RAW, 9);
    const size_t begins = image.len;
    enhanced(&image, 0, CAPTURE_RAW, 1);
    const uint32_t len = (uint32_t)(image.len - begins) - 32 + 1;
    memcpy(image.octet + begins + 20, &len, sizeof len);
    struct capture_file *file = open_image(&image, image.len, why);
    CHECK(file != NULL && capture_next(file, &frame, why) == CAPTURE_DAMAGED &&
              strstr(why, "longer than its block") != NULL,
          "a packet longer than its block: %s", why);
    capture_close(file);
}

int main(void)
{
    test_links();
    test_pcapng();
    test_cut();
    test_bent();
    test_longer_than_block();
    return tap_done();
}
