/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_CAPTURE_PARTS_H
#define WEIR_DOCTOR_CAPTURE_PARTS_H

/* What the two files that read captures share, and nobody else needs. */

#include "capture_file.h"

#include <zlib.h>

#define PCAPNG_SECTION 0x0a0d0d0au /* the same in both byte orders */

/* Snap lengths from here on mean: whole frames. */
#define CAPTURE_WHOLE 65535u

struct capture_file {
    gzFile gz;
    uint64_t size, at;
    bool swapped;
    bool pending;   /* the type of a block has been read already */
    unsigned extra; /* octets that follow a packet's header */
    uint8_t *block;
    size_t block_room;
    struct capture_iface *iface;
    uint32_t iface_count, iface_room;
    uint32_t section_first; /* the first interface of this section */
    int64_t before;         /* the time of the last frame */
    struct capture_about about;
};

enum capture_got {
    CAPTURE_ALL,
    CAPTURE_SOME,
    CAPTURE_NOTHING,
    CAPTURE_BROKEN,
};
enum capture_got capture_read(struct capture_file *file, void *to, size_t len);
bool capture_room(struct capture_file *file, size_t len);
uint32_t capture_u32(const struct capture_file *file, const uint8_t *at);
uint16_t capture_u16(const struct capture_file *file, const uint8_t *at);

/* Says where and what, and returns CAPTURE_DAMAGED. */
enum capture_result capture_damaged(const struct capture_file *file, const char *what,
                                    char why[CAPTURE_WHY_MAX]);

bool capture_begin(struct capture_file *file, char why[CAPTURE_WHY_MAX]);

/* A new interface, in units of a microsecond; NULL if there are too many, or no memory. */
struct capture_iface *capture_iface_add(struct capture_file *file);
/* Takes what is known of the last interface into what is known of the file. */
void capture_iface_note(struct capture_file *file, const struct capture_iface *iface);

enum capture_result pcapng_next(struct capture_file *file, struct capture_frame *frame,
                                char why[CAPTURE_WHY_MAX]);

#endif
