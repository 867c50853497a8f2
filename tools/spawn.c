/* SPDX-License-Identifier: MIT */
#include "spawn.h"

#include "args.h"
#include "weir/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_EVERY (2 * WEIR_MS)
#define GRACE      (2 * WEIR_SECOND) /* between asking and making */

void spawn_sleep(weir_time time)
{
    struct timespec left = { time / WEIR_SECOND, time % WEIR_SECOND };
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

static bool redirect(int fd, const char *path)
{
    const int file = open(path != NULL ? path : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0)
        return false;
    const bool done = dup2(file, fd) >= 0;
    close(file);
    return done;
}

/* In the child: dies with its parent, and starts from a clean slate. */
static void become_child(pid_t parent, const struct spawn_output *output)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before that was set */
        _exit(127);
    signal(SIGINT, SIG_IGN); /* the one who started it decides when it ends */
    const int in = open("/dev/null", O_RDONLY);
    if (in < 0 || dup2(in, STDIN_FILENO) < 0 || !redirect(STDOUT_FILENO, output->out) ||
        !redirect(STDERR_FILENO, output->err))
        _exit(127);
    close(in);
}

static pid_t fork_quietly(const struct spawn_output *output)
{
    const pid_t parent = getpid();
    fflush(stdout);
    fflush(stderr);
    const pid_t pid = fork();
    if (pid == 0)
        become_child(parent, output);
    return pid;
}

pid_t spawn_program(char *const argv[], const struct spawn_output *output)
{
    const pid_t pid = fork_quietly(output);
    if (pid != 0)
        return pid;
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

pid_t spawn_tool(int (*tool)(int argc, char **argv), char **argv, const struct spawn_output *output)
{
    const pid_t pid = fork_quietly(output);
    if (pid != 0)
        return pid;
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    args_begin();
    const int status = tool(argc, argv);
    fflush(stdout);
    _exit(status);
}

static int status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int spawn_wait(pid_t pid, weir_time limit)
{
    if (pid < 0)
        return 127;
    const weir_time end = weir_loop_clock() + limit;
    int status;
    for (;;) {
        const pid_t done = waitpid(pid, &status, WNOHANG);
        if (done == pid)
            return status_of(status);
        if (done < 0 && errno != EINTR)
            return 127;
        if (weir_loop_clock() >= end)
            break;
        spawn_sleep(POLL_EVERY);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return SPAWN_TIMEOUT;
}

int spawn_stop(pid_t pid)
{
    if (pid < 0)
        return 127;
    kill(pid, SIGTERM);
    return spawn_wait(pid, GRACE);
}

int spawn_run(char *const argv[], const struct spawn_output *output, weir_time limit)
{
    return spawn_wait(spawn_program(argv, output), limit);
}

bool spawn_found(const char *program)
{
    const char *path = getenv("PATH");
    char file[4096];
    for (const char *p = path != NULL ? path : ""; *p != '\0';) {
        const size_t len = strcspn(p, ":");
        snprintf(file, sizeof file, "%.*s/%s", (int)len, p, program);
        if (access(file, X_OK) == 0)
            return true;
        p += len + (p[len] == ':');
    }
    return false;
}
