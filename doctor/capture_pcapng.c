/* SPDX-License-Identifier: MIT */

/* The blocks of a pcapng file (draft-ietf-opsawg-pcapng). */

#include "capture_parts.h"

#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MAGIC 0x1a2b3c4du

#define BLOCK_INTERFACE  1u
#define BLOCK_PACKET     2u /* obsolete, but written by old tools */
#define BLOCK_SIMPLE     3u
#define BLOCK_STATISTICS 5u
#define BLOCK_ENHANCED   6u

#define OPTION_END     0
#define OPTION_COMMENT 1
#define IF_NAME        2
#define IF_TSRESOL     9
#define IF_TSOFFSET    14
#define ISB_IFDROP     5

/* The fixed parts, without the type and the two lengths. */
#define SECTION_FIXED    16
#define INTERFACE_FIXED  8
#define PACKET_FIXED     20
#define SIMPLE_FIXED     4
#define STATISTICS_FIXED 12
#define BLOCK_FRAME      12 /* type, length, length again */

#define NS_A_SECOND 1000000000u

struct option {
    uint16_t code, len;
    const uint8_t *value;
};

/* Takes the next option from [*at, end); false at the end, or where they make no sense. */
static bool next_option(const struct capture_file *file, const uint8_t **at, const uint8_t *end,
                        struct option *option)
{
    if (end - *at < 4)
        return false;
    option->code = capture_u16(file, *at);
    option->len = capture_u16(file, *at + 2);
    option->value = *at + 4;
    const size_t padded = ((size_t)option->len + 3) & ~(size_t)3;
    if (option->code == OPTION_END || (size_t)(end - *at - 4) < padded)
        return false;
    *at += 4 + padded;
    return true;
}

/* Reads a whole block into file->block: its body, without type and lengths. */
static enum capture_result read_block(struct capture_file *file, uint32_t *type, uint32_t *len,
                                      char why[CAPTURE_WHY_MAX])
{
    uint8_t head[8], order[4];
    const bool first = file->pending;
    const uint32_t section = PCAPNG_SECTION;
    file->pending = false;
    memcpy(head, &section, sizeof section);
    const enum capture_got got = capture_read(file, head + (first ? 4 : 0), first ? 4 : 8);
    if (got == CAPTURE_NOTHING && !first)
        return CAPTURE_END;
    if (got != CAPTURE_ALL)
        return capture_damaged(file, "the file ends within the header of a block", why);
    *type = capture_u32(file, head);
    uint32_t have = 0;
    if (*type == PCAPNG_SECTION) { /* its own byte order comes first */
        if (capture_read(file, order, sizeof order) != CAPTURE_ALL)
            return capture_damaged(file, "the file ends within the header of a section", why);
        file->swapped = false;
        if (capture_u32(file, order) != BYTE_ORDER_MAGIC)
            file->swapped = true;
        if (capture_u32(file, order) != BYTE_ORDER_MAGIC)
            return capture_damaged(file, "a section without its byte order", why);
        have = sizeof order;
    }
    const uint32_t whole = capture_u32(file, head + 4);
    if (whole > CAPTURE_BLOCK_MAX || whole < BLOCK_FRAME + have || whole % 4 != 0)
        return capture_damaged(file, "a block cannot have that length", why);
    *len = whole - BLOCK_FRAME;
    if (!capture_room(file, *len + 4))
        return capture_damaged(file, "no memory", why);
    memcpy(file->block, order, have);
    if (capture_read(file, file->block + have, *len + 4 - have) != CAPTURE_ALL)
        return capture_damaged(file, "the file ends within a block", why);
    if (capture_u32(file, file->block + *len) != whole)
        return capture_damaged(file, "the two lengths of a block differ", why);
    return CAPTURE_FRAME;
}

static void resolution(struct capture_iface *iface, uint8_t value)
{
    const unsigned digits = value & 0x7f;
    iface->units = 1;
    if (value & 0x80) {
        iface->units = 0;
        iface->shift = digits < 63 ? (uint8_t)digits : 63;
        return;
    }
    for (unsigned i = 0; i < digits && i < 18; i++)
        iface->units *= 10;
}

static enum capture_result interface(struct capture_file *file, uint32_t len,
                                     char why[CAPTURE_WHY_MAX])
{
    const uint8_t *at = file->block + INTERFACE_FIXED, *end = file->block + len;
    struct option option;
    if (len < INTERFACE_FIXED)
        return capture_damaged(file, "a block is too short", why);
    struct capture_iface *iface = capture_iface_add(file);
    if (iface == NULL)
        return capture_damaged(file, "too many interfaces", why);
    iface->link = capture_u16(file, file->block);
    iface->snap_len = capture_u32(file, file->block + 4);
    while (next_option(file, &at, end, &option)) {
        if (option.code == IF_NAME)
            snprintf(iface->name, sizeof iface->name, "%.*s", (int)option.len,
                     (const char *)option.value);
        else if (option.code == IF_TSRESOL && option.len == 1)
            resolution(iface, option.value[0]);
        else if (option.code == IF_TSOFFSET && option.len == 8) {
            const uint64_t low = capture_u32(file, option.value + (file->swapped ? 4 : 0));
            const uint64_t high = capture_u32(file, option.value + (file->swapped ? 0 : 4));
            iface->offset = (int64_t)(high << 32 | low);
        }
    }
    capture_iface_note(file, iface);
    return CAPTURE_FRAME;
}

/* Nanoseconds since 1970; what does not fit wraps, as the file's writer meant no such time. */
static int64_t time_of(const struct capture_iface *iface, uint64_t ticks)
{
    uint64_t seconds, rest;
    if (iface->units == 0) {
        seconds = ticks >> iface->shift;
        const uint64_t part = ticks & ((UINT64_C(1) << iface->shift) - 1);
        rest = iface->shift <= 32 ? part * NS_A_SECOND >> iface->shift
                                  : (part >> (iface->shift - 32)) * NS_A_SECOND >> 32;
    } else {
        seconds = ticks / iface->units;
        rest = ticks % iface->units;
        rest = iface->units <= NS_A_SECOND ? rest * (NS_A_SECOND / iface->units)
                                           : rest / (iface->units / NS_A_SECOND);
    }
    return (int64_t)((seconds + (uint64_t)iface->offset) * NS_A_SECOND + rest);
}

static void comments(struct capture_file *file, struct capture_frame *frame, uint32_t from,
                     uint32_t len)
{
    const uint8_t *at = file->block + from, *end = file->block + len;
    struct option option;
    size_t used = 0;
    while (next_option(file, &at, end, &option)) {
        if (option.code != OPTION_COMMENT || used + 3 >= sizeof frame->comment)
            continue;
        const char *between = used > 0 ? "; " : "";
        const int wrote = snprintf(frame->comment + used, sizeof frame->comment - used, "%s%.*s",
                                   between, (int)option.len, (const char *)option.value);
        used += (size_t)wrote;
        if (used >= sizeof frame->comment)
            used = sizeof frame->comment - 1;
    }
}

static enum capture_result packet(struct capture_file *file, struct capture_frame *frame,
                                  uint32_t type, uint32_t len, char why[CAPTURE_WHY_MAX])
{
    const uint8_t *block = file->block;
    const uint32_t fixed = type == BLOCK_SIMPLE ? SIMPLE_FIXED : PACKET_FIXED;
    if (len < fixed)
        return capture_damaged(file, "a block is too short", why);
    const uint32_t number = type == BLOCK_SIMPLE     ? 0
                            : type == BLOCK_ENHANCED ? capture_u32(file, block)
                                                     : capture_u16(file, block);
    if (number >= file->iface_count - file->section_first)
        return capture_damaged(file, "a packet of an interface that was not described", why);
    frame->iface = file->section_first + number;
    const struct capture_iface *iface = &file->iface[frame->iface];
    frame->link = iface->link;
    frame->data = block + fixed;
    if (type == BLOCK_SIMPLE) { /* no time of its own: that of the packet before */
        frame->when = file->before;
        frame->whole_len = capture_u32(file, block);
        frame->len = frame->whole_len < len - fixed ? frame->whole_len : len - fixed;
        if (iface->snap_len != 0 && frame->len > iface->snap_len)
            frame->len = iface->snap_len;
        return CAPTURE_FRAME;
    }
    frame->when =
        time_of(iface, (uint64_t)capture_u32(file, block + 4) << 32 | capture_u32(file, block + 8));
    frame->len = capture_u32(file, block + 12);
    frame->whole_len = capture_u32(file, block + 16);
    if (frame->len > len - fixed)
        return capture_damaged(file, "a packet is longer than its block", why);
    comments(file, frame, fixed + ((frame->len + 3) & ~3u), len);
    return CAPTURE_FRAME;
}

static void statistics(struct capture_file *file, uint32_t len)
{
    const uint8_t *at = file->block + STATISTICS_FIXED, *end = file->block + len;
    struct option option;
    if (len < STATISTICS_FIXED)
        return;
    while (next_option(file, &at, end, &option))
        if (option.code == ISB_IFDROP && option.len == 8)
            file->about.dropped += capture_u32(file, option.value + (file->swapped ? 4 : 0));
}

enum capture_result pcapng_next(struct capture_file *file, struct capture_frame *frame,
                                char why[CAPTURE_WHY_MAX])
{
    for (;;) {
        uint32_t type = 0, len = 0;
        enum capture_result result = read_block(file, &type, &len, why);
        if (result != CAPTURE_FRAME)
            return result;
        if (type == BLOCK_ENHANCED || type == BLOCK_SIMPLE || type == BLOCK_PACKET)
            return packet(file, frame, type, len, why);
        if (type == PCAPNG_SECTION && len < SECTION_FIXED)
            return capture_damaged(file, "a block is too short", why);
        if (type == PCAPNG_SECTION)
            file->section_first = file->iface_count;
        if (type == BLOCK_INTERFACE)
            result = interface(file, len, why);
        if (type == BLOCK_STATISTICS)
            statistics(file, len);
        if (result != CAPTURE_FRAME)
            return result;
    }
}
