/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_TOOLS_COMMAND_H
#define WEIR_TESTS_TOOLS_COMMAND_H

/* Runs the command under test and keeps what it said. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_WORDS 24
#define COMMAND_TEXT  65536

struct command_result {
    int status; /* 128 + N for signal N; -1: it could not be started */
    char out[COMMAND_TEXT], err[COMMAND_TEXT];
};

static inline void command_read(int fd, char *text)
{
    size_t len = 0;
    ssize_t got;
    while (len + 1 < COMMAND_TEXT && (got = read(fd, text + len, COMMAND_TEXT - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(fd);
}

/* Where standard output goes instead of a temporary file; what is there is not read. */
static const char *command_output;
static unsigned command_limit = 20; /* seconds that it may take */

/* `words` is split at spaces. Output goes through temporary files, so that nothing can block. */
static inline void command_run(const char *program, const char *words,
                               struct command_result *result)
{
    char line[1024], *argv[COMMAND_WORDS + 2] = { (char *)(size_t)program }, *rest = NULL;
    unsigned count = 1;
    int status = 0;
    snprintf(line, sizeof line, "%s", words);
    for (char *word = strtok_r(line, " ", &rest); word != NULL && count <= COMMAND_WORDS;
         word = strtok_r(NULL, " ", &rest))
        argv[count++] = word;
    FILE *out = command_output != NULL ? fopen(command_output, "w") : tmpfile(), *err = tmpfile();
    result->status = -1;
    if (out == NULL || err == NULL)
        return;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(command_limit);
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        execv(program, argv);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    lseek(fileno(out), 0, SEEK_SET);
    lseek(fileno(err), 0, SEEK_SET);
    command_read(dup(fileno(out)), result->out);
    command_read(dup(fileno(err)), result->err);
    fclose(out);
    fclose(err);
}

#endif
