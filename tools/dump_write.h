/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_DUMP_WRITE_H
#define WEIR_TOOLS_DUMP_WRITE_H

/* Where `weir dump -w` writes: one pcapng file, or one after the other, which end by size (-C), by
 * time (-G) or in a ring of so many (-W), named as tcpdump(8) names them.
 *
 * A file ends when a packet comes that belongs to the next, so that none is empty. Time is that of
 * the packets: of a capture that is read, it is not today. */

#include "dev/pcapng.h"
#include "doctor/capture_file.h"

#include <limits.h>

#define DUMP_FILES_MAX    1000000000 /* -W */
#define DUMP_ROTATION_MAX 1000000000 /* -C, -G */
#define DUMP_SIZE_UNIT    1000000    /* octets, of -C */

struct dump_write {
    const char *path;  /* with -G in the words of strftime(3) */
    const char *iface; /* what the interfaces in the file are called */
    uint32_t snap_len;
    uint64_t octets;  /* a file that has more ends; 0: no limit */
    uint64_t seconds; /* a file's time; 0: no limit */
    uint64_t files;   /* the ring, or with seconds alone how many there will be; 0: no limit */
    bool unbuffered;

    struct pcapng file;
    char name[PATH_MAX];
    int64_t began;   /* the second in which the file's time began */
    uint64_t number; /* of the file, among those of one name */
    uint64_t ended;  /* files whose time was up */
    bool is_open, failed;
    uint32_t ifaces;                           /* described in the file */
    uint32_t iface_number[CAPTURE_IFACES_MAX]; /* in the file, plus one; 0: not yet described */
};

/* What cannot be one with the other, before anything is made: returns enum tool_status. */
int dump_write_check(const struct dump_write *write);

/* Makes the first file; false if that fails, with a line printed. With `live` its time begins now,
 * else it is made when the first packet says what time it is. */
bool dump_write_open(struct dump_write *write, bool live);

/* False: no more, as there are as many files as were asked for, or one cannot be written. */
bool dump_write_frame(struct dump_write *write, const struct capture_frame *frame);

/* What is held back goes into the file. */
void dump_write_flush(struct dump_write *write);

/* Ends the last file; true if all could be written, else a line is printed. */
bool dump_write_close(struct dump_write *write);

#endif
