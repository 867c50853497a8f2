/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DEV_PCAPNG_H
#define WEIR_DEV_PCAPNG_H

/* Writes a pcapng file (draft-ietf-opsawg-pcapng): one section, its interfaces, its packets. Knows
 * blocks and octets, and nothing of what the packets mean. Times are nanoseconds since 1970.
 *
 * Blocks are collected and written together. What is in the file always ends with a whole block,
 * also when the disk is full, as far as the file can be cut. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pcapng {
    int fd;
    bool ours; /* fd is closed with it */
    uint8_t *buffer;
    size_t used;         /* octets in buffer: whole blocks */
    uint64_t written;    /* octets in the file */
    uint64_t octets_max; /* of the file; UINT64_MAX: no limit */
    uint32_t iface_count;
    int error; /* errno of the write that failed; nothing is written any more */
    bool full; /* the next block would have gone beyond octets_max; likewise */
};

enum pcapng_direction {
    PCAPNG_IN = 1,
    PCAPNG_OUT = 2
}; /* as in epb_flags */

struct pcapng_packet {
    uint32_t iface;
    enum pcapng_direction direction;
    uint64_t when;
    const uint8_t *data;
    uint32_t len;       /* octets kept */
    uint32_t whole_len; /* octets there were */
    const char *comment;
};

/* Makes or empties the file ("-": standard output) and begins the section. 0 or -errno. */
int pcapng_open(struct pcapng *file, const char *path, uint64_t octets_max);

/* Adds an Ethernet interface, numbered from 0. `snap_len` 0: whole frames. */
void pcapng_iface(struct pcapng *file, const char *name, uint32_t snap_len);

/* The same of another link type, by its number in a file. */
void pcapng_iface_of(struct pcapng *file, const char *name, uint32_t snap_len, uint16_t link);

/* A direction of 0 is one that is not known, an empty comment none. */
void pcapng_packet(struct pcapng *file, const struct pcapng_packet *packet);

/* False once nothing is written any more: `error` or `full` says why. */
static inline bool pcapng_works(const struct pcapng *file)
{
    return file->error == 0 && !file->full;
}

void pcapng_flush(struct pcapng *file);

/* Flushes and ends it; `error` stays readable. */
void pcapng_close(struct pcapng *file);

#endif
