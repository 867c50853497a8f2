/* SPDX-License-Identifier: MIT */

/* `weir demo` against this machine's kernel, small; and that an interrupt leaves nothing behind. */

#include "command.h"
#include "tap.h"

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static struct command_result result;
static char top[64];

/* Tried in a child: it would be this process that moves. */
static bool may_have_network(void)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool has_program(const char *name)
{
    char line[96];
    snprintf(line, sizeof line, "command -v %s >/dev/null 2>&1", name);
    const int status = system(line);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    while (directory != NULL && readdir(directory) != NULL)
        count++;
    if (directory != NULL)
        closedir(directory);
    return count - 2; /* itself, and its parent */
}

static unsigned lines_with(const char *text, const char *words)
{
    unsigned count = 0;
    for (const char *p = text; (p = strstr(p, words)) != NULL; p++)
        count++;
    return count;
}

static void check_run(const char *program, const char *words, unsigned transfers)
{
    command_run(program, words, &result);
    const bool right = result.status == 0 && strstr(result.out, "FAILED") == NULL &&
                       lines_with(result.out, "bit/s") == transfers &&
                       strstr(result.out, "TIME-WAIT") != NULL &&
                       strstr(result.out, "SYN-RECEIVED") != NULL;
    if (!CHECK(right, "weir %s: everything ok", words))
        printf("# status %d\n# %s\n# %s\n", result.status, result.out, result.err);
    CHECK(entries(top) == 1, "and only the capture is left");
}

/* Whether the program has begun so far that it hears of SIGINT: before, the signal just ends it. */
static bool hears(pid_t pid)
{
    char path[64], line[128];
    unsigned long long caught = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "SigCgt: %llx", &caught);
    if (file != NULL)
        fclose(file);
    return (caught >> (SIGINT - 1) & 1) != 0;
}

/* The program is stopped at different moments: while it builds, draws, and sends. */
static void check_interrupt(const char *program, long after_ms)
{
    int status = 0;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
            _exit(127);
        execl(program, program, "demo", "--size", "512", "--pcap", "x.pcapng", (char *)NULL);
        _exit(127);
    }
    const struct timespec pause = { after_ms / 1000, after_ms % 1000 * 1000000 };
    const struct timespec moment = { 0, 1000000 };
    for (unsigned i = 0; i < 10000 && !hears(pid); i++)
        nanosleep(&moment, NULL);
    nanosleep(&pause, NULL);
    kill(pid, SIGINT);
    waitpid(pid, &status, 0);
    unlink("x.pcapng");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 130, "interrupted after %ld ms: status 130",
          after_ms);
    CHECK(entries(top) == 0, "and nothing is left");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s WEIR\n", argv[0]);
        return 2;
    }
    char *program = realpath(argv[1], NULL);
    snprintf(top, sizeof top, "/tmp/weir-demo-test-XXXXXX");
    if (!may_have_network()) {
        SKIP("this system allows no network namespaces");
    } else if (!has_program("ip") || !has_program("curl") || !has_program("python3")) {
        SKIP("ip, curl or python3 is not installed");
    } else if (CHECK(program != NULL && mkdtemp(top) != NULL && chdir(top) == 0 &&
                         setenv("TMPDIR", top, 1) == 0,
                     "there is a place to work")) {
        command_limit = 100; /* a busy machine has taken more than twenty */
        check_run(program, "demo --size 4 --ascii --pcap x.pcapng", 4);
        check_run(program, "demo --packet --size 4 --ascii --pcap x.pcapng", 4);
        unlink("x.pcapng");
        check_interrupt(program, 30);
        check_interrupt(program, 300);
        check_interrupt(program, 2500);
        if (chdir("/") == 0)
            rmdir(top);
    }
    free(program);
    return tap_done();
}
