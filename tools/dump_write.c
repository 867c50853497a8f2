/* SPDX-License-Identifier: MIT */
#include "dump_write.h"

#include "tool.h"
#include "weir/base.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int dump_write_check(const struct dump_write *write)
{
    const bool rotates = write->octets != 0 || write->seconds != 0;
    if (write->path == NULL && (rotates || write->files != 0))
        return tool_usage("dump", "-C, -G and -W go with -w");
    if (write->files != 0 && !rotates)
        return tool_usage("dump", "-W goes with -C or -G");
    if (rotates && strcmp(write->path, "-") == 0)
        return tool_usage("dump", "-C and -G: standard output is one file");
    return TOOL_OK;
}

/* So many digits that the names of a ring sort. */
static int digits(uint64_t files)
{
    int count = 0;
    for (uint64_t last = files > 0 ? files - 1 : 0; last > 0; last /= 10)
        count++;
    return count;
}

static bool make_name(struct dump_write *write)
{
    char path[PATH_MAX];
    const time_t began = (time_t)write->began;
    struct tm local;
    int len;
    if (write->seconds == 0)
        len = snprintf(path, sizeof path, "%s", write->path);
    else
        len = (int)strftime(path, sizeof path, write->path, localtime_r(&began, &local));
    if (len <= 0 || (size_t)len >= sizeof path)
        return false;
    const int width = write->octets != 0 ? digits(write->files) : 0;
    if (write->number == 0 && width == 0)
        len = snprintf(write->name, sizeof write->name, "%s", path);
    else
        len = snprintf(write->name, sizeof write->name, "%s%0*" PRIu64, path, width, write->number);
    return (size_t)len < sizeof write->name;
}

static bool open_next(struct dump_write *write)
{
    int error = 0;
    if (!make_name(write))
        write->failed = tool_fail("dump", "-w %s: not a name for a file", write->path) != TOOL_OK;
    else if ((error = pcapng_open(&write->file, write->name, UINT64_MAX)) != 0)
        write->failed = tool_fail("dump", "%s: %s", write->name, strerror(-error)) != TOOL_OK;
    write->is_open = !write->failed;
    write->ifaces = 0;
    memset(write->iface_number, 0, sizeof write->iface_number);
    return write->is_open;
}

static bool end_file(struct dump_write *write)
{
    if (!write->is_open)
        return !write->failed;
    write->is_open = false;
    pcapng_close(&write->file);
    if (write->file.error != 0)
        write->failed =
            tool_fail("dump", "%s: %s", write->name, strerror(write->file.error)) != TOOL_OK;
    return !write->failed;
}

bool dump_write_open(struct dump_write *write, bool live)
{
    write->began = time(NULL);
    return (write->seconds != 0 && !live) || open_next(write);
}

/* The time of a file is up. */
static bool next_time(struct dump_write *write, int64_t now)
{
    if (!end_file(write))
        return false;
    write->ended++;
    if (write->octets == 0 && write->files != 0 && write->ended >= write->files) {
        fprintf(stderr, "Maximum file limit reached: %" PRIu64 "\n", write->files);
        return false;
    }
    write->began = now;
    write->number = 0;
    return open_next(write);
}

static bool next_size(struct dump_write *write)
{
    if (!end_file(write))
        return false;
    write->number++;
    /* With -G, too, -W is only about the names, as in tcpdump. */
    if (write->files != 0 && write->number >= write->files)
        write->number = 0;
    return open_next(write);
}

static bool right_file(struct dump_write *write, int64_t now)
{
    if (write->seconds != 0 && !write->is_open) {
        write->began = now;
        return open_next(write);
    }
    if (write->seconds != 0 && now - write->began >= (int64_t)write->seconds)
        return next_time(write, now);
    if (write->octets != 0 && write->file.written + write->file.used > write->octets)
        return next_size(write);
    return true;
}

bool dump_write_frame(struct dump_write *write, const struct capture_frame *frame)
{
    if (!right_file(write, frame->when / WEIR_SECOND))
        return false;
    uint32_t *number = &write->iface_number[frame->iface];
    if (*number == 0) {
        pcapng_iface_of(&write->file, write->iface, write->snap_len, (uint16_t)frame->link);
        *number = ++write->ifaces;
    }
    const struct pcapng_packet packet = {
        .iface = *number - 1,
        .when = (uint64_t)(frame->when > 0 ? frame->when : 0),
        .data = frame->data,
        .len = frame->len,
        .whole_len = frame->whole_len,
        .comment = frame->comment,
    };
    pcapng_packet(&write->file, &packet);
    if (write->unbuffered)
        pcapng_flush(&write->file);
    return pcapng_works(&write->file);
}

void dump_write_flush(struct dump_write *write)
{
    if (write->is_open)
        pcapng_flush(&write->file);
}

bool dump_write_close(struct dump_write *write)
{
    return end_file(write);
}
