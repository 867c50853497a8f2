/* SPDX-License-Identifier: MIT */

/* `weir dump -w`: one file after the other by size and by time, named as tcpdump(8) names them, and
 * interfaces of several link types in one. */

#include "command.h"
#include "tap.h"

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BEGAN      1700000000 /* 22:13:20 UTC */
#define SECONDS    7
#define PER_SECOND 400
#define FRAME      1400

static struct command_result result;
static char program[PATH_MAX]; /* from the root: the folder changes */

static void put32(FILE *file, uint32_t value)
{
    fwrite(&value, sizeof value, 1, file); /* in the machine's order: the magic says which */
}

/* Frames of a type that nobody takes apart, so many a second. */
static bool make_capture(const char *name)
{
    static const uint8_t frame[FRAME] = { [12] = 0x88, [13] = 0xb5 };
    static const uint32_t head[] = { 0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1 };
    FILE *file = fopen(name, "w");
    if (file == NULL)
        return false;
    fwrite(head, sizeof head, 1, file);
    for (uint32_t i = 0; i < SECONDS * PER_SECOND; i++) {
        put32(file, BEGAN + i / PER_SECOND);
        put32(file, i % PER_SECOND * (1000000 / PER_SECOND));
        put32(file, FRAME);
        put32(file, FRAME);
        fwrite(frame, sizeof frame, 1, file);
    }
    return fclose(file) == 0;
}

static void put_packet(FILE *file, uint32_t iface, const uint8_t *data, uint32_t len)
{
    const uint32_t block = 32 + (len + 3) / 4 * 4;
    const uint32_t head[] = { 6, block, iface, 0, 1000000, len, len };
    fwrite(head, sizeof head, 1, file);
    fwrite(data, block - 32, 1, file);
    put32(file, block);
}

/* Two interfaces; what comes first is of the second, and of another link type. */
static bool make_mixed(const char *name)
{
    static const uint32_t section[] = { 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, ~0u, ~0u, 28 };
    static const uint32_t ifaces[] = { 1, 20, 1, 0, 20, 1, 20, 101, 0, 20 };
    static const uint8_t ip[28] = { 0x45, 0, 0,   28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0,
                                    2,    1, 192, 0,  2, 2, 0, 1, 0,  2,  0, 8, 0,   0 };
    uint8_t eth[44] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0 };
    memcpy(eth + 14, ip, sizeof ip);
    FILE *file = fopen(name, "w");
    if (file == NULL)
        return false;
    fwrite(section, sizeof section, 1, file);
    fwrite(ifaces, sizeof ifaces, 1, file);
    put_packet(file, 1, ip, sizeof ip);
    put_packet(file, 0, eth, sizeof ip + 14);
    return fclose(file) == 0;
}

static bool ran(const char *words)
{
    command_run(program, words, &result);
    if (CHECK(result.status == 0, "weir %s", words))
        return true;
    printf("# status %d, stderr: %s\n", result.status, result.err);
    return false;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* What is in "out", as "NAME:PACKETS NAME:PACKETS", and takes it away. */
static void take_files(char *text, size_t room)
{
    struct dirent **entries;
    const int count = scandir("out", &entries, is_visible, by_name);
    size_t len = 0;
    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        char words[300], path[270];
        snprintf(path, sizeof path, "out/%s", entries[i]->d_name);
        snprintf(words, sizeof words, "dump --count -r %s", path);
        command_run(program, words, &result);
        const int wrote = snprintf(text + len, room - len, "%s%s:%ld", i > 0 ? " " : "",
                                   entries[i]->d_name, strtol(result.out, NULL, 10));
        len += wrote > 0 && (size_t)wrote < room - len ? (size_t)wrote : 0;
        unlink(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void test_rotation(void)
{
    /* A file ends when it has more than a million octets: 697 frames and what stands around them.
     */
    static const struct {
        const char *words, *files;
    } rows[] = {
        { "-w out/f", "f:2800" },
        { "-w out/f -C 1", "f:697 f1:697 f2:697 f3:697 f4:12" },
        { "-w out/f -C 1 -c 697", "f:697" },
        { "-w out/f -C 1 -c 698", "f:697 f1:1" },
        { "-w out/f -C 1 -W 3", "f0:697 f1:12 f2:697" },
        { "-w out/f -C 1 -W 1", "f:12" },
        { "-w out/f -C 1 -W 11", "f00:697 f01:697 f02:697 f03:697 f04:12" },
        { "-w out/%S -G 3", "20:1200 23:1200 26:400" },
        { "-w out/%S -G 3 -W 2", "20:1200 23:1200" },
        { "-w out/%S -G 7", "20:2800" },
        { "-w out/f -G 3", "f:400" },
        { "-w out/f%S- -G 3 -C 1", "f20-:697 f20-1:503 f23-:697 f23-1:503 f26-:400" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char words[200], files[1000];
        snprintf(words, sizeof words, "dump -r in %s", rows[i].words);
        ran(words);
        if (strstr(rows[i].words, "-G 3 -W 2") != NULL)
            CHECK(strcmp(result.err, "Maximum file limit reached: 2\n") == 0,
                  "and says why it ends");
        take_files(files, sizeof files);
        if (!CHECK(strcmp(files, rows[i].files) == 0, "%s: %s", rows[i].words, rows[i].files))
            printf("# %s\n", files);
    }
}

static void test_mixed(void)
{
    static struct command_result before;
    command_run(program, "dump -ner mixed", &before);
    ran("dump -r mixed -w out/copy");
    ran("dump -ner out/copy");
    if (!CHECK(strcmp(before.out, result.out) == 0 && strstr(before.out, "192.0.2.1.1") != NULL,
               "a copy of two link types is what it was"))
        printf("# %s# %s", before.out, result.out);
    unlink("out/copy");
    command_run(program, "dump -r in -w nowhere/f -C 1", &result);
    CHECK(result.status == 1 && strstr(result.err, "nowhere/f: No such file") != NULL,
          "a file that cannot be made is named");
    command_run(program, "dump -r in -w nowhere/%S -G 1", &result);
    CHECK(result.status == 1 && strstr(result.err, "nowhere/20: No such file") != NULL,
          "by the name it would have");
}

int main(int argc, char **argv)
{
    char top[64];
    const char *tmp = getenv("TMPDIR");
    if (argc != 2) {
        fprintf(stderr, "usage: %s WEIR\n", argv[0]);
        return 2;
    }
    if (realpath(argv[1], program) == NULL) {
        perror(argv[1]);
        return 2;
    }
    setenv("TZ", "UTC", 1);
    snprintf(top, sizeof top, "%.40s/weir-rotation-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (CHECK(mkdtemp(top) != NULL && chdir(top) == 0 && mkdir("out", 0700) == 0 &&
                  make_capture("in") && make_mixed("mixed"),
              "the captures are there")) {
        test_rotation();
        test_mixed();
    }
    unlink("in");
    unlink("mixed");
    rmdir("out");
    rmdir(top);
    return tap_done();
}
