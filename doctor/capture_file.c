/* SPDX-License-Identifier: MIT */
#include "capture_file.h"

#include "capture_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define READ_BUFFER ((unsigned)256 << 10)

#define MAGIC_US      0xa1b2c3d4u
#define MAGIC_NS      0xa1b23c4du
#define MAGIC_PATCHED 0xa1b2cd34u /* Kuznetsov's: eight octets more a packet */

#define NS_A_SECOND 1000000000u

struct capture_file *capture_open(const char *path, char why[CAPTURE_WHY_MAX])
{
    struct capture_file *file = calloc(1, sizeof *file);
    struct stat about;
    if (file == NULL) {
        snprintf(why, CAPTURE_WHY_MAX, "no memory");
        return NULL;
    }
    const int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) < 0 || S_ISDIR(about.st_mode)) {
        snprintf(why, CAPTURE_WHY_MAX, "%s", fd < 0 ? strerror(errno) : "a directory");
        if (fd >= 0)
            close(fd);
        free(file);
        return NULL;
    }
    file->size = S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
    file->gz = gzdopen(fd, "rb");
    if (file->gz == NULL || gzbuffer(file->gz, READ_BUFFER) != 0) {
        snprintf(why, CAPTURE_WHY_MAX, "no memory");
        if (file->gz == NULL)
            close(fd);
        capture_close(file);
        return NULL;
    }
    if (capture_begin(file, why))
        return file;
    capture_close(file);
    return NULL;
}

void capture_close(struct capture_file *file)
{
    if (file == NULL)
        return;
    if (file->gz != NULL)
        gzclose(file->gz);
    free(file->block);
    free(file->iface);
    free(file);
}

uint64_t capture_position(const struct capture_file *file, uint64_t *size)
{
    const z_off_t at = gzoffset(file->gz);
    *size = file->size;
    return at > 0 ? (uint64_t)at : 0;
}

const struct capture_about *capture_about(const struct capture_file *file)
{
    return &file->about;
}

const struct capture_iface *capture_iface(const struct capture_file *file, uint32_t index)
{
    return index < file->iface_count ? &file->iface[index] : NULL;
}

const char *capture_link_text(uint32_t link, char room[32])
{
    switch (link) {
    case CAPTURE_NULL:
        return "NULL";
    case CAPTURE_ETHERNET:
        return "EN10MB";
    case CAPTURE_PPP:
    case CAPTURE_PPP_HDLC:
        return "PPP";
    case CAPTURE_RAW_OLD:
    case CAPTURE_RAW_BSD:
    case CAPTURE_RAW:
        return "RAW";
    case CAPTURE_LOOP:
        return "LOOP";
    case CAPTURE_SLL:
        return "LINUX_SLL";
    case CAPTURE_SLL2:
        return "LINUX_SLL2";
    case CAPTURE_IPV4:
        return "IPV4";
    case CAPTURE_IPV6:
        return "IPV6";
    default:
        snprintf(room, 32, "link type %" PRIu32, link);
        return room;
    }
}

/* ---- Octets ---- */

enum capture_got capture_read(struct capture_file *file, void *to, size_t len)
{
    size_t done = 0;
    while (done < len) {
        const int got = gzread(file->gz, (uint8_t *)to + done, (unsigned)(len - done));
        if (got < 0)
            return CAPTURE_BROKEN;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    file->at += done;
    return done == len ? CAPTURE_ALL : done == 0 ? CAPTURE_NOTHING : CAPTURE_SOME;
}

bool capture_room(struct capture_file *file, size_t len)
{
    if (len <= file->block_room)
        return true;
    const size_t room = len + len / 2;
    uint8_t *block = realloc(file->block, room);
    if (block == NULL)
        return false;
    file->block = block;
    file->block_room = room;
    return true;
}

uint32_t capture_u32(const struct capture_file *file, const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return file->swapped ? __builtin_bswap32(value) : value;
}

uint16_t capture_u16(const struct capture_file *file, const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return file->swapped ? __builtin_bswap16(value) : value;
}

enum capture_result capture_damaged(const struct capture_file *file, const char *what,
                                    char why[CAPTURE_WHY_MAX])
{
    int error = Z_OK;
    (void)gzerror(file->gz, &error);
    const bool broken = error == Z_DATA_ERROR || error == Z_BUF_ERROR || error == Z_STREAM_ERROR;
    snprintf(why, CAPTURE_WHY_MAX, "after %" PRIu64 " packets, at octet %" PRIu64 ": %s",
             file->about.frames, file->at, broken ? "the compression is damaged" : what);
    return CAPTURE_DAMAGED;
}

/* ---- The beginning ---- */

struct capture_iface *capture_iface_add(struct capture_file *file)
{
    if (file->iface_count >= CAPTURE_IFACES_MAX)
        return NULL;
    if (file->iface_count == file->iface_room) {
        const uint32_t room = file->iface_room != 0 ? 2 * file->iface_room : 4;
        struct capture_iface *iface = realloc(file->iface, room * sizeof *iface);
        if (iface == NULL)
            return NULL;
        file->iface = iface;
        file->iface_room = room;
    }
    struct capture_iface *iface = &file->iface[file->iface_count++];
    *iface = (struct capture_iface){ .units = 1000000 };
    return iface;
}

void capture_iface_note(struct capture_file *file, const struct capture_iface *iface)
{
    if (iface->snap_len != 0 && iface->snap_len < CAPTURE_WHOLE &&
        (file->about.snap_len == 0 || iface->snap_len < file->about.snap_len))
        file->about.snap_len = iface->snap_len;
    if (iface->link != file->iface[0].link)
        file->about.mixed_links = true;
    file->about.ifaces = file->iface_count;
}

static bool pcap_begin(struct capture_file *file, uint32_t magic, char why[CAPTURE_WHY_MAX])
{
    uint8_t head[20];
    file->extra = magic == MAGIC_PATCHED ? 8 : 0;
    if (capture_read(file, head, sizeof head) != CAPTURE_ALL) {
        snprintf(why, CAPTURE_WHY_MAX, "the file ends within its header");
        return false;
    }
    struct capture_iface *iface = capture_iface_add(file);
    if (iface == NULL) {
        snprintf(why, CAPTURE_WHY_MAX, "no memory");
        return false;
    }
    iface->units = magic == MAGIC_NS ? NS_A_SECOND : 1000000;
    iface->snap_len = capture_u32(file, head + 12);
    iface->link = capture_u32(file, head + 16) & 0x0fffffff; /* above it: the length of an FCS */
    capture_iface_note(file, iface);
    return true;
}

bool capture_begin(struct capture_file *file, char why[CAPTURE_WHY_MAX])
{
    uint8_t first[4];
    const enum capture_got got = capture_read(file, first, sizeof first);
    file->about.is_compressed = gzdirect(file->gz) == 0;
    if (got == CAPTURE_NOTHING) {
        snprintf(why, CAPTURE_WHY_MAX, "the file is empty");
        return false;
    }
    const uint32_t magic = capture_u32(file, first);
    const uint32_t other = __builtin_bswap32(magic);
    if (got == CAPTURE_ALL && magic == PCAPNG_SECTION) {
        file->about.is_pcapng = true;
        file->pending = true;
        return true;
    }
    const bool ours = magic == MAGIC_US || magic == MAGIC_NS || magic == MAGIC_PATCHED;
    file->swapped = other == MAGIC_US || other == MAGIC_NS || other == MAGIC_PATCHED;
    if (got == CAPTURE_ALL && (ours || file->swapped))
        return pcap_begin(file, ours ? magic : other, why);
    snprintf(why, CAPTURE_WHY_MAX, "neither pcap nor pcapng");
    return false;
}

/* ---- Packets ---- */

static enum capture_result pcap_next(struct capture_file *file, struct capture_frame *frame,
                                     char why[CAPTURE_WHY_MAX])
{
    uint8_t head[24];
    const struct capture_iface *iface = &file->iface[0];
    const enum capture_got got = capture_read(file, head, 16u + file->extra);
    if (got == CAPTURE_NOTHING)
        return CAPTURE_END;
    if (got != CAPTURE_ALL)
        return capture_damaged(file, "the file ends within the header of a packet", why);
    frame->len = capture_u32(file, head + 8);
    frame->whole_len = capture_u32(file, head + 12);
    if (frame->len > CAPTURE_BLOCK_MAX)
        return capture_damaged(file, "a packet cannot be that long", why);
    if (!capture_room(file, frame->len))
        return capture_damaged(file, "no memory", why);
    if (frame->len > 0 && capture_read(file, file->block, frame->len) != CAPTURE_ALL)
        return capture_damaged(file, "the file ends within a packet", why);
    const uint64_t fraction = (uint64_t)capture_u32(file, head + 4) * (NS_A_SECOND / iface->units);
    frame->when = (int64_t)((uint64_t)capture_u32(file, head) * NS_A_SECOND + fraction);
    frame->data = file->block;
    frame->link = iface->link;
    frame->iface = 0;
    return CAPTURE_FRAME;
}

static void note(struct capture_file *file, struct capture_frame *frame)
{
    struct capture_about *about = &file->about;
    if (frame->whole_len < frame->len)
        frame->whole_len = frame->len;
    frame->when = frame->when < 0                  ? 0
                  : frame->when > CAPTURE_WHEN_MAX ? CAPTURE_WHEN_MAX
                                                   : frame->when;
    if (about->frames == 0)
        about->first = about->last = frame->when;
    if (frame->when < file->before)
        about->backwards++;
    file->before = frame->when;
    if (frame->when > about->last)
        about->last = frame->when;
    if (frame->when < about->first)
        about->first = frame->when;
    about->snapped += frame->len < frame->whole_len;
    about->octets += frame->whole_len;
    frame->number = ++about->frames;
    frame->swapped = file->swapped;
}

enum capture_result capture_next(struct capture_file *file, struct capture_frame *frame,
                                 char why[CAPTURE_WHY_MAX])
{
    frame->comment[0] = '\0';
    const enum capture_result result =
        file->about.is_pcapng ? pcapng_next(file, frame, why) : pcap_next(file, frame, why);
    if (result == CAPTURE_FRAME)
        note(file, frame);
    return result;
}
