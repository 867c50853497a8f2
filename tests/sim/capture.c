/* SPDX-License-Identifier: MIT */
#include "sim/world.h"

#include <string.h>

/* The frames of a run as pcapng: one interface a host, nanoseconds, and as comment why a frame was
 * sent or what became of it. Every frame is flushed, since the next may be the one that fails an
 * assertion. */

struct block {
    uint8_t data[SIM_FRAME_MAX + 1024];
    size_t len;
};

static void put16(struct block *block, unsigned value)
{
    block->data[block->len++] = (uint8_t)value;
    block->data[block->len++] = (uint8_t)(value >> 8);
}

static void put32(struct block *block, uint32_t value)
{
    put16(block, value & 0xffff);
    put16(block, value >> 16);
}

static void put_octets(struct block *block, const void *data, size_t len)
{
    memcpy(block->data + block->len, data, len);
    block->len += len;
    while (block->len % 4 != 0)
        block->data[block->len++] = 0;
}

static void put_option(struct block *block, unsigned code, const void *data, size_t len)
{
    put16(block, code);
    put16(block, (unsigned)len);
    put_octets(block, data, len);
}

static void begin(struct block *block, uint32_t type)
{
    block->len = 0;
    put32(block, type);
    put32(block, 0);
}

static void write_block(struct sim *sim, struct block *block)
{
    const uint32_t total = (uint32_t)block->len + 4;
    put32(block, total);
    const size_t end = block->len;
    block->len = 4;
    put32(block, total);
    if (fwrite(block->data, 1, end, sim->pcap) != end || fflush(sim->pcap) != 0) {
        fprintf(stderr, "weir sim: the capture file cannot be written\n");
        fclose(sim->pcap);
        sim->pcap = NULL;
    }
}

bool sim_capture_open(struct sim *sim, const char *path)
{
    static struct block block;
    sim->pcap = fopen(path, "wb");
    if (sim->pcap == NULL)
        return false;
    begin(&block, 0x0a0d0d0a);
    put32(&block, 0x1a2b3c4d);
    put16(&block, 1);
    put16(&block, 0);
    put32(&block, UINT32_MAX); /* the section's length is not known: minus one, in 64 bits */
    put32(&block, UINT32_MAX);
    write_block(sim, &block);
    for (unsigned h = 0; h < sim->plan.host_count && sim->pcap != NULL; h++) {
        const char name[] = { 'h', 'o', 's', 't', (char)('0' + h) };
        const uint8_t resolution = 9;
        begin(&block, 1);
        put16(&block, sim->plan.ip_only ? 101 : 1); /* LINKTYPE_RAW or LINKTYPE_ETHERNET */
        put16(&block, 0);
        put32(&block, 0);
        put_option(&block, 2, name, sizeof name);
        put_option(&block, 9, &resolution, 1);
        put32(&block, 0);
        write_block(sim, &block);
    }
    return sim->pcap != NULL;
}

void sim_capture_frame(struct sim *sim, unsigned h, const struct sim_frame *frame,
                       const char *comment)
{
    static struct block block;
    if (sim->pcap == NULL || sim->failed)
        return;
    const uint64_t when = (uint64_t)sim->now;
    begin(&block, 6);
    put32(&block, h);
    put32(&block, (uint32_t)(when >> 32));
    put32(&block, (uint32_t)when);
    put32(&block, frame->len);
    put32(&block, frame->len);
    put_octets(&block, frame->data, frame->len);
    put_option(&block, 1, comment, strlen(comment));
    put32(&block, 0);
    write_block(sim, &block);
}
