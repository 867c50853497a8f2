/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_CAPTURE_FILE_H
#define WEIR_DOCTOR_CAPTURE_FILE_H

/* Reads the packets of a capture file: pcap (microseconds or nanoseconds, either byte order) and
 * pcapng (any number of sections and interfaces, of any link types and snap lengths), plain or
 * compressed by gzip, from a file or a pipe.
 *
 * It is a reader of our own because libpcap refuses a pcapng file whose interfaces differ. It knows
 * blocks and octets, and nothing of what the packets mean (capture_packet.h). Nothing in a file is
 * believed: a length beyond CAPTURE_BLOCK_MAX, or one that contradicts another, ends the reading
 * with a line that says where. What came before it counts. Times are nanoseconds since 1970, from 0
 * to CAPTURE_WHEN_MAX: what claims to be elsewhere is taken for the nearer of both. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_BLOCK_MAX   ((uint32_t)16 << 20) /* a block of pcapng, a packet of pcap */
#define CAPTURE_IFACES_MAX  65536                /* interfaces of a file */
#define CAPTURE_COMMENT_MAX 512                  /* with the final zero; longer ones are cut */
#define CAPTURE_WHY_MAX     160
#define CAPTURE_WHEN_MAX    (INT64_MAX / 2) /* in 2116: the sum of two times is one, too */

/* The link types that are understood, by their numbers in a file (www.tcpdump.org/linktypes). */
enum capture_link {
    CAPTURE_NULL = 0,
    CAPTURE_ETHERNET = 1,
    CAPTURE_PPP = 9,
    CAPTURE_RAW_OLD = 12, /* as some systems wrote RAW */
    CAPTURE_RAW_BSD = 14,
    CAPTURE_PPP_HDLC = 50,
    CAPTURE_RAW = 101,
    CAPTURE_LOOP = 108,
    CAPTURE_SLL = 113,
    CAPTURE_IPV4 = 228,
    CAPTURE_IPV6 = 229,
    CAPTURE_SLL2 = 276,
};

struct capture_frame {
    uint64_t number; /* from 1 */
    int64_t when;
    uint32_t iface; /* index of the interface in the whole file */
    uint32_t link;  /* enum capture_link, or what nobody here understands */
    bool swapped;   /* the file's byte order is not this machine's (for CAPTURE_NULL) */
    const uint8_t *data;
    uint32_t len;       /* octets kept; valid until the next read */
    uint32_t whole_len; /* octets there were */
    char comment[CAPTURE_COMMENT_MAX];
};

struct capture_iface {
    uint32_t link, snap_len;
    uint64_t units; /* of time, a second; 0: those of `shift` */
    uint8_t shift;  /* units are 2^-shift s */
    int64_t offset; /* seconds */
    char name[32];
};

/* What is known of the file as a whole, after it was read. */
struct capture_about {
    bool is_pcapng, is_compressed;
    uint32_t ifaces;
    uint64_t frames, octets; /* octets on the wire */
    int64_t first, last;     /* times */
    uint32_t snap_len;       /* the smallest that was given; 0: whole frames */
    uint64_t snapped;        /* frames that are not whole */
    uint64_t backwards;      /* frames with a time before the one they follow */
    uint64_t dropped;        /* that the capturing kernel says it lost (pcapng) */
    bool mixed_links;
};

struct capture_file;

/* Opens `path` ("-": standard input). NULL with the reason in `why`. */
struct capture_file *capture_open(const char *path, char why[CAPTURE_WHY_MAX]);

enum capture_result {
    CAPTURE_FRAME,
    CAPTURE_END,
    CAPTURE_DAMAGED, /* nothing more can be read; `why` says what and where */
};
enum capture_result capture_next(struct capture_file *file, struct capture_frame *frame,
                                 char why[CAPTURE_WHY_MAX]);

/* Octets of the file itself read so far, and its size (0: not known), for a progress bar. */
uint64_t capture_position(const struct capture_file *file, uint64_t *size);
const struct capture_about *capture_about(const struct capture_file *file);
/* An interface of the file, numbered through all sections; NULL beyond the last. */
const struct capture_iface *capture_iface(const struct capture_file *file, uint32_t index);
void capture_close(struct capture_file *file);

/* "EN10MB", "RAW"; "link type 147" into `room` for what is not understood. */
const char *capture_link_text(uint32_t link, char room[32]);

#endif
