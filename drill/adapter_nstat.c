/* SPDX-License-Identifier: MIT */

/* nstat(8) in a script's commands: it would show what the kernel has counted, of which weir is no
 * part. While such a command runs another one of that name stands before it in PATH, and prints
 * what weir has counted since the last time, in the same form. */

#include "adapter.h"

#include "ipc/sight.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNTERS_MAX 512
#define PATH_ROOM    4096

struct nstat_page {
    _Alignas(max_align_t) uint8_t octets[SIGHT_PAGE_MAX];
};

static const struct sight_counter *ask(const struct weir *weir, struct nstat_page *page,
                                       unsigned *count)
{
    const struct sight_request request = { .magic = SIGHT_MAGIC,
                                           .version = SIGHT_VERSION,
                                           .kind = SIGHT_COUNTERS };
    const struct sight_source source = { .weir = weir };
    (void)sight_answer(&source, &request, sizeof request, page->octets);
    const struct sight_page *head = (const struct sight_page *)page->octets;
    *count = head->count < COUNTERS_MAX ? head->count : COUNTERS_MAX;
    return (const struct sight_counter *)(head + 1);
}

static bool put(const char *folder, const char *name, const char *text)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    const bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written && chmod(path, 0700) == 0;
}

/* What has grown, a line each; the counters as they are now into `now`. */
static void list_growth(const struct weir *weir, const uint64_t *before, uint64_t *now, FILE *text)
{
    static struct nstat_page page;
    unsigned count;
    const struct sight_counter *counter = ask(weir, &page, &count);
    fprintf(text, "#kernel\n");
    for (unsigned i = 0; i < count; i++) {
        now[i] = counter[i].value;
        if (now[i] > before[i])
            fprintf(text, "%-32s%-16" PRIu64 " 0.0\n", counter[i].name, now[i] - before[i]);
    }
}

static int run_before_it(const char *folder, const char *command, int (*run)(const char *))
{
    const char *path = getenv("PATH");
    char *old = path != NULL ? strdup(path) : NULL;
    char mine[PATH_ROOM];
    snprintf(mine, sizeof mine, "%s:%s", folder, old != NULL ? old : "/usr/sbin:/usr/bin");
    setenv("PATH", mine, 1);
    const int result = run(command);
    if (old != NULL)
        setenv("PATH", old, 1);
    free(old);
    return result;
}

int nstat_run(const struct weir *weir, const char *command, int (*run)(const char *))
{
    static uint64_t before[COUNTERS_MAX];
    uint64_t now[COUNTERS_MAX] = { 0 };
    char folder[] = "/tmp/weir-nstat-XXXXXX", shell[PATH_ROOM], path[PATH_ROOM];
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    if (stream == NULL || mkdtemp(folder) == NULL)
        return run(command);
    list_growth(weir, before, now, stream);
    fclose(stream);
    snprintf(shell, sizeof shell, "#!/bin/sh\n: >%s/used\ncat %s/counters\n", folder, folder);
    const bool ready = put(folder, "counters", text) && put(folder, "nstat", shell);
    free(text);
    const int result = ready ? run_before_it(folder, command, run) : run(command);
    static const char *const names[] = { "used", "counters", "nstat" };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (unlink(path) == 0 && i == 0)
            memcpy(before, now, sizeof before);
    }
    rmdir(folder);
    return result;
}
