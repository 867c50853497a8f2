/* SPDX-License-Identifier: MIT */
#include "tool.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* weir bench: a door to tests/bench/run.py, and `weir bench path` to path.py beside it. What they
 * measure with is built beside the command and never installed, so it works from a build directory
 * inside the source tree only. */

#define SCRIPTS         "/../tests/bench/"
#define SCRIPT_NAME_MAX 16

static void usage(void)
{
    puts("usage: weir bench [OPTION...]\n"
         "       weir bench path [OPTION...]   (--help has its own)\n"
         "\n"
         "Measures weir beside the kernel's own TCP, and lwIP where it is installed: bulk,\n"
         "ping-pong and connections per second over TAP, and the core alone. Runs\n"
         "tests/bench/run.py of the source tree this command was built in, which sets up\n"
         "network namespaces of its own and takes about six minutes. `make bench` builds\n"
         "first.\n"
         "\n"
         "  --only WORD  only measures with WORD in their name (bulk, ping, connect, core)\n"
         "  --rounds N   how often all is repeated (5)\n"
         "  --quick      one short round: does it all work?\n"
         "  --window N   of weir, in octets; default: what the library has\n"
         "  --no-pin     let the scheduler choose the CPUs\n"
         "  --write      update the tables in docs/performance.md\n"
         "  --help       this text");
}

/* The directory this program lies in, without a final slash. False: unknown, or too long. */
static bool own_directory(char path[PATH_MAX])
{
    const ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (len <= 0 || len == PATH_MAX - 1)
        return false;
    path[len] = '\0';
    *strrchr(path, '/') = '\0';
    return true;
}

int tool_bench(int argc, char **argv)
{
    static char run_name[] = "run.py", path_name[] = "path.py";
    static char build_option[] = "--build";
    const bool is_path = argc > 1 && strcmp(argv[1], "path") == 0;
    char *script_name = is_path ? path_name : run_name;
    if (is_path) {
        argc--;
        argv++;
    }
    for (int i = 1; i < argc && !is_path; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            usage();
            return TOOL_OK;
        }
    char build[PATH_MAX];
    char script[PATH_MAX + sizeof SCRIPTS + SCRIPT_NAME_MAX];
    if (!own_directory(build))
        return tool_fail("bench", "cannot tell where this program lies");
    snprintf(script, sizeof script, "%s%s%s", build, SCRIPTS, script_name);
    if (access(script, X_OK) != 0)
        return tool_fail("bench", "no %s; run `make bench` in the source tree", script);

    char **given = calloc((size_t)argc + 3, sizeof *given);
    if (given == NULL)
        return tool_fail("bench", "out of memory");
    given[0] = script_name;
    given[1] = build_option;
    given[2] = build;
    memcpy(given + 3, argv + 1, (size_t)(argc - 1) * sizeof *given);
    fflush(stdout);
    execv(script, given);
    free(given);
    return tool_fail("bench", "%s: cannot be run", script);
}
