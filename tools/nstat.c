/* SPDX-License-Identifier: MIT */

/* `weir nstat`: counters since the last look, as nstat(8) shows them.
 *
 * What was seen last stands in a file of the user's: a heading for each place, and a line for each
 * counter. A place that has begun anew since (its counters fell) is shown from 0. */

#include "args.h"
#include "json.h"
#include "look.h"
#include "netstat.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACES_MAX 512
#define PATH_LEN   512

static const char help[] =
    "usage: weir nstat [OPTION...] [PATTERN...]\n"
    "\n"
    "Shows counters, and how much they grew since the last time: those of weir and\n"
    "those of the kernel, with nstat(8)'s names. PATTERN: 'TcpExt*', 'WeirDrop*'.\n"
    "\n"
    "  -a   since the beginning, not since the last time\n"
    "  -z   also those that are 0\n"
    "  -s   does not remember what it saw\n"
    "  -r   only remembers\n"
    "  -j   as --json\n";

struct nstat_options {
    struct look_options look;
    bool absolute, zeros, keep, reset, help;
    char *const *pattern;
    int pattern_count;
};

struct nstat {
    const struct nstat_options *options;
    struct facts_host before[PLACES_MAX];
    char place[PLACES_MAX][LOOK_PLACE_MAX];
    unsigned before_count;
    FILE *after; /* what will have been seen last time */
    struct json json;
};

static int read_options(int argc, char **argv, struct nstat_options *options)
{
    static const struct option longs[] = {
        { "ignore", no_argument, NULL, 'a' },
        { "zeros", no_argument, NULL, 'z' },
        { "noupdate", no_argument, NULL, 's' },
        { "reset", no_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },
        LOOK_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    int option;
    while ((option = args_next(argc, argv, ":azsrjh", longs)) != ARGS_END) {
        if (option == ARGS_BAD)
            return TOOL_USAGE;
        options->absolute |= option == 'a';
        options->zeros |= option == 'z';
        options->keep |= option == 's';
        options->reset |= option == 'r';
        options->look.json |= option == 'j';
        options->help |= option == 'h';
        (void)look_option(&options->look, option, optarg);
    }
    options->pattern = argv + optind;
    options->pattern_count = argc - optind;
    return TOOL_OK;
}

/* ---- The file ---- */

static bool history_path(char path[PATH_LEN])
{
    const char *given = getenv("WEIR_NSTAT_HISTORY"), *own = getenv("XDG_RUNTIME_DIR");
    const int len = given != NULL ? snprintf(path, PATH_LEN, "%s", given)
                    : own != NULL ? snprintf(path, PATH_LEN, "%s/weir-nstat", own)
                                  : snprintf(path, PATH_LEN, "/tmp/.weir-nstat.u%u", geteuid());
    return len < PATH_LEN - 16;
}

/* /tmp is everybody's: what is not a plain file of ours is not believed. */
static FILE *open_ours(const char *path)
{
    struct stat it;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &it) < 0 || !S_ISREG(it.st_mode) || it.st_uid != geteuid()) {
        close(fd);
        errno = EPERM;
        return NULL;
    }
    return fdopen(fd, "r");
}

static void read_history(struct nstat *nstat, FILE *file)
{
    char line[256], name[64];
    unsigned long long value;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' && nstat->before_count < PLACES_MAX)
            snprintf(nstat->place[nstat->before_count++], LOOK_PLACE_MAX, "%.79s", line + 1);
        else if (nstat->before_count > 0 && sscanf(line, "%63s %llu", name, &value) == 2)
            (void)facts_host_add(&nstat->before[nstat->before_count - 1], name, value);
    }
}

/* ---- Showing ---- */

static bool is_asked_for(const struct nstat_options *options, const char *name)
{
    for (int i = 0; i < options->pattern_count; i++)
        if (fnmatch(options->pattern[i], name, 0) == 0)
            return true;
    return options->pattern_count == 0;
}

/* Sockets in use and the like are no counters: nstat leaves them out. */
static bool is_gauge(const char *name)
{
    return netstat_is_constant(name) || strcmp(name, "IpForwarding") == 0 ||
           strncmp(name, "Sock", 4) == 0 || strncmp(name, "Softnet", 7) == 0;
}

/* How full a pool is says nothing as a difference: shown when it is asked for. */
static bool is_level(const char *name)
{
    return strncmp(name, "WeirPool", 8) == 0;
}

static bool is_hidden(const struct nstat_options *options, const struct facts_counter *counter)
{
    const bool asked = options->absolute || options->pattern_count > 0;
    return options->reset || is_gauge(counter->name) || (is_level(counter->name) && !asked) ||
           !is_asked_for(options, counter->name);
}

static const struct facts_host *history_of(const struct nstat *nstat, const char *place)
{
    for (unsigned i = 0; i < nstat->before_count; i++)
        if (strcmp(nstat->place[i], place) == 0)
            return &nstat->before[i];
    return NULL;
}

static uint64_t grown(const struct nstat *nstat, const struct facts_host *before,
                      const struct facts_counter *counter)
{
    const uint64_t then = before != NULL ? facts_host_get(before, counter->name, 0) : 0;
    if (nstat->options->absolute || is_level(counter->name) || counter->value < then)
        return counter->value;
    return counter->value - then;
}

static void show_host(void *user, const struct facts_host *host)
{
    struct nstat *nstat = user;
    const struct nstat_options *options = nstat->options;
    char place[LOOK_PLACE_MAX];
    look_place(host->source, host->net, place);
    const struct facts_host *before = history_of(nstat, place);
    if (nstat->after != NULL)
        fprintf(nstat->after, "#%s\n", place);
    if (options->look.json)
        json_object(&nstat->json, place);
    else if (!options->reset)
        printf("#%s\n", place);
    for (size_t i = 0; i < host->count; i++) {
        const struct facts_counter *counter = &host->counter[i];
        const uint64_t value = grown(nstat, before, counter);
        if (nstat->after != NULL)
            fprintf(nstat->after, "%s %" PRIu64 "\n", counter->name, counter->value);
        if ((value == 0 && !options->zeros) || is_hidden(options, counter))
            continue;
        if (options->look.json)
            json_unsigned(&nstat->json, counter->name, value);
        else
            printf("%-32s%-16" PRIu64 "%6.1f\n", counter->name, value, 0.0);
    }
    if (options->look.json)
        json_end_object(&nstat->json);
}

static int show(struct nstat *nstat, struct look *look)
{
    char path[PATH_LEN], fresh[PATH_LEN + 16];
    int status = TOOL_OK, fd = -1;
    if (!history_path(path))
        return tool_fail("nstat", "the history's path is too long");
    FILE *file = open_ours(path);
    if (file == NULL && errno != ENOENT)
        return tool_fail("nstat", "%s: %s", path, strerror(errno));
    if (file != NULL) {
        read_history(nstat, file);
        fclose(file);
    }
    if (!nstat->options->keep) {
        snprintf(fresh, sizeof fresh, "%s.XXXXXX", path);
        fd = mkostemp(fresh, O_CLOEXEC);
        nstat->after = fd < 0 ? NULL : fdopen(fd, "w");
        if (nstat->after == NULL)
            return tool_fail("nstat", "%s: %s", fresh, strerror(errno));
    }
    json_begin(&nstat->json, stdout);
    if (nstat->options->look.json)
        json_object(&nstat->json, NULL);
    look_hosts(look, show_host, nstat);
    if (nstat->options->look.json) {
        json_end_object(&nstat->json);
        json_finish(&nstat->json);
    }
    status = look->status;
    if (nstat->after != NULL && (fclose(nstat->after) != 0 || rename(fresh, path) < 0)) {
        status = tool_fail("nstat", "%s: %s", path, strerror(errno));
        (void)unlink(fresh);
    }
    return status;
}

int tool_nstat(int argc, char **argv)
{
    struct nstat_options options = { .absolute = false };
    struct look look;
    int status = read_options(argc, argv, &options);
    if (status != TOOL_OK || options.help)
        return status != TOOL_OK ? status : look_show_help(help);
    struct nstat *nstat = calloc(1, sizeof *nstat);
    if (nstat == NULL)
        return tool_fail("nstat", "no memory");
    nstat->options = &options;
    status = look_begin(&look, "nstat", &options.look);
    if (status == TOOL_OK) {
        status = show(nstat, &look);
        look_end(&look);
    }
    for (unsigned i = 0; i < nstat->before_count; i++)
        facts_host_free(&nstat->before[i]);
    free(nstat);
    return status;
}
