/* SPDX-License-Identifier: MIT */
#include "dev/pcapng.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define BUFFER_OCTETS ((size_t)256 << 10)

/* Types of blocks. */
#define SECTION_HEADER        0x0a0d0d0au
#define INTERFACE_DESCRIPTION 1u
#define ENHANCED_PACKET       6u

#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define LINKTYPE_ETHERNET 1u

/* Codes of options. */
#define OPT_END      0
#define OPT_COMMENT  1
#define SHB_USERAPPL 4
#define IF_NAME      2
#define IF_TSRESOL   9
#define EPB_FLAGS    2

#define TSRESOL_NS 9 /* units of 10^-9 s */

/* A block but for its data and texts, rounded up. */
#define BLOCK_OVERHEAD 128

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

static void put(struct pcapng *file, const void *octets, size_t len)
{
    if (len == 0)
        return; /* the end of options has no octets to point to */
    memcpy(file->buffer + file->used, octets, len);
    file->used += len;
}

static void put16(struct pcapng *file, uint16_t value)
{
    put(file, &value, sizeof value); /* in the machine's order: the magic says which */
}

static void put32(struct pcapng *file, uint32_t value)
{
    put(file, &value, sizeof value);
}

/* `len` octets and zeros up to a multiple of four. */
static void put_padded(struct pcapng *file, const void *octets, size_t len)
{
    static const uint8_t zero[3];
    put(file, octets, len);
    put(file, zero, padded(len) - len);
}

static void put_option(struct pcapng *file, uint16_t code, const void *value, size_t len)
{
    put16(file, code);
    put16(file, (uint16_t)len);
    put_padded(file, value, len);
}

/* Where the block begins; its length is filled in by block_end. */
static size_t block_begin(struct pcapng *file, uint32_t type)
{
    const size_t begin = file->used;
    put32(file, type);
    put32(file, 0);
    return begin;
}

static void block_end(struct pcapng *file, size_t begin)
{
    const uint32_t len = (uint32_t)(file->used - begin + sizeof len);
    memcpy(file->buffer + begin + 4, &len, sizeof len);
    put32(file, len);
}

/* Room for a block of at most `len` octets in the buffer and in the file. */
static bool make_room(struct pcapng *file, size_t len)
{
    WEIR_ASSERT(len <= BUFFER_OCTETS);
    if (!pcapng_works(file))
        return false;
    if (file->octets_max - file->written - file->used < len) {
        file->full = true;
        return false;
    }
    if (file->used + len > BUFFER_OCTETS)
        pcapng_flush(file);
    return pcapng_works(file);
}

/* How many of the first `len` octets of the buffer are whole blocks. */
static size_t whole_blocks(const struct pcapng *file, size_t len)
{
    size_t end = 0;
    for (;;) {
        uint32_t block_len;
        if (end + 8 > len)
            return end;
        memcpy(&block_len, file->buffer + end + 4, sizeof block_len);
        if (block_len > len - end)
            return end;
        end += block_len;
    }
}

/* syscall: writev */
void pcapng_flush(struct pcapng *file)
{
    size_t done = 0;
    while (file->error == 0 && done < file->used) {
        const struct iovec rest = { file->buffer + done, file->used - done };
        const ssize_t wrote = writev(file->fd, &rest, 1);
        if (wrote >= 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            file->error = errno;
    }
    if (done <
        file->used) { /* cut off the part of a block; a pipe cannot be cut, and its reader knows */
        done = whole_blocks(file, done);
        if (ftruncate(file->fd, (off_t)(file->written + done)) < 0)
            done = 0;
    }
    file->written += done;
    file->used = 0;
}

int pcapng_open(struct pcapng *file, const char *path, uint64_t octets_max)
{
    static const char application[] = "weir";
    *file = (struct pcapng){ .octets_max = octets_max };
    file->buffer = malloc(BUFFER_OCTETS);
    if (file->buffer == NULL)
        return -ENOMEM;
    file->ours = strcmp(path, "-") != 0;
    file->fd =
        file->ours ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
    if (file->fd < 0) {
        const int error = -errno;
        free(file->buffer);
        return error;
    }
    if (!make_room(file, BLOCK_OVERHEAD))
        return 0;
    const int64_t section_len = -1; /* not known */
    const size_t begin = block_begin(file, SECTION_HEADER);
    put32(file, BYTE_ORDER_MAGIC);
    put16(file, 1);
    put16(file, 0);
    put(file, &section_len, sizeof section_len);
    put_option(file, SHB_USERAPPL, application, sizeof application - 1);
    put_option(file, OPT_END, NULL, 0);
    block_end(file, begin);
    return 0;
}

void pcapng_iface(struct pcapng *file, const char *name, uint32_t snap_len)
{
    pcapng_iface_of(file, name, snap_len, LINKTYPE_ETHERNET);
}

void pcapng_iface_of(struct pcapng *file, const char *name, uint32_t snap_len, uint16_t link)
{
    static const uint8_t resolution = TSRESOL_NS;
    const size_t name_len = strlen(name);
    if (!make_room(file, BLOCK_OVERHEAD + padded(name_len)))
        return;
    const size_t begin = block_begin(file, INTERFACE_DESCRIPTION);
    put16(file, link);
    put16(file, 0);
    put32(file, snap_len);
    put_option(file, IF_NAME, name, name_len);
    put_option(file, IF_TSRESOL, &resolution, sizeof resolution);
    put_option(file, OPT_END, NULL, 0);
    block_end(file, begin);
    file->iface_count++;
}

void pcapng_packet(struct pcapng *file, const struct pcapng_packet *packet)
{
    const size_t comment_len = strlen(packet->comment);
    const uint32_t flags = packet->direction;
    WEIR_ASSERT(packet->iface < file->iface_count || !pcapng_works(file));
    if (!make_room(file, BLOCK_OVERHEAD + padded(packet->len) + padded(comment_len)))
        return;
    const size_t begin = block_begin(file, ENHANCED_PACKET);
    put32(file, packet->iface);
    put32(file, (uint32_t)(packet->when >> 32));
    put32(file, (uint32_t)packet->when);
    put32(file, packet->len);
    put32(file, packet->whole_len);
    put_padded(file, packet->data, packet->len);
    if (comment_len > 0)
        put_option(file, OPT_COMMENT, packet->comment, comment_len);
    if (flags != 0)
        put_option(file, EPB_FLAGS, &flags, sizeof flags);
    put_option(file, OPT_END, NULL, 0);
    block_end(file, begin);
}

void pcapng_close(struct pcapng *file)
{
    pcapng_flush(file);
    if (file->ours && close(file->fd) < 0 && file->error == 0)
        file->error = errno;
    free(file->buffer);
    file->buffer = NULL;
}
