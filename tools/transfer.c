/* SPDX-License-Identifier: MIT */
#include "transfer.h"

#include "demo_net.h"
#include "spawn.h"
#include "tool.h"
#include "weir/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME   "random.bin"
#define SERVE_PORT  "8080"
#define PYTHON_PORT 8000
#define LIMIT       (30 * WEIR_SECOND) /* for one transfer */
#define START_LIMIT (5 * WEIR_SECOND)  /* for a server to be there */
#define POLL_EVERY  (10 * WEIR_MS)
#define BLOCK       (1u << 20)

#define PATH_LEN (TRANSFER_PATH_MAX + 64)

__attribute__((format(printf, 2, 3))) static bool fail(struct transfers *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->wrong, sizeof t->wrong, format, args);
    va_end(args);
    return false;
}

static char *path_of(const struct transfers *t, const char *name, char path[PATH_LEN])
{
    snprintf(path, PATH_LEN, "%s/%s", t->directory, name);
    return path;
}

/* The first line of what a program complained of. */
static bool fail_with_log(struct transfers *t, const char *program, int status, const char *log)
{
    char line[256] = "";
    FILE *file = fopen(log, "re");
    if (file != NULL) {
        if (fgets(line, sizeof line, file) == NULL)
            line[0] = '\0';
        fclose(file);
    }
    line[strcspn(line, "\n")] = '\0';
    if (status == 127)
        return fail(t, "%s is not installed, or does not start", program);
    if (status == SPAWN_TIMEOUT)
        return fail(t, "%s did not finish in %lld s", program, (long long)(LIMIT / WEIR_SECOND));
    return fail(t, "%s: exit status %d: %s", program, status, line);
}

/* ---- The file ---- */

/* Random enough that nothing can be guessed or compressed, and quickly made: xorshift64*. */
static bool write_random(struct transfers *t, int fd)
{
    static uint64_t block[BLOCK / sizeof(uint64_t)];
    uint64_t x = 0;
    if (getrandom(&x, sizeof x, 0) != (ssize_t)sizeof x || x == 0)
        x = 1;
    for (uint64_t written = 0; written < t->size;) {
        for (size_t i = 0; i < sizeof block / sizeof block[0]; i++) {
            x ^= x >> 12;
            x ^= x << 25;
            x ^= x >> 27;
            block[i] = x * 0x2545f4914f6cdd1dU;
        }
        const uint64_t left = t->size - written;
        const size_t len = left < sizeof block ? (size_t)left : sizeof block;
        const ssize_t done = write(fd, block, len);
        if (done <= 0)
            return fail(t, "%s: %s", t->directory, strerror(errno));
        written += (uint64_t)done;
    }
    return true;
}

static bool hash_file(struct transfers *t, const char *path, char hash[TRANSFER_HASH_LEN + 1])
{
    char out[PATH_LEN], err[PATH_LEN];
    char *const argv[] = { (char[]){ "sha256sum" }, (char *)(uintptr_t)path, NULL };
    const struct spawn_output output = { path_of(t, "hash.out", out), path_of(t, "hash.err", err) };
    const int status = spawn_run(argv, &output, LIMIT);
    if (status != 0)
        return fail_with_log(t, "sha256sum", status, output.err);
    FILE *file = fopen(out, "re");
    const bool read = file != NULL && fscanf(file, "%64[0-9a-f]", hash) == 1;
    if (file != NULL)
        fclose(file);
    return (read && strlen(hash) == TRANSFER_HASH_LEN) || fail(t, "sha256sum printed no hash");
}

bool transfer_prepare(struct transfers *t)
{
    char path[PATH_LEN];
    if (mkdir(path_of(t, "www", path), 0700) < 0)
        return fail(t, "%s: %s", path, strerror(errno));
    path_of(t, "www/" FILE_NAME, path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(t, "%s: %s", path, strerror(errno));
    const bool written = write_random(t, fd);
    if (close(fd) < 0 || !written)
        return written ? fail(t, "%s: %s", path, strerror(errno)) : false;
    return hash_file(t, path, t->hash);
}

/* What arrived is compared, and removed whatever the outcome: there is only room for one. */
static bool compare(struct transfers *t, const char *path)
{
    char hash[TRANSFER_HASH_LEN + 1] = "";
    const bool hashed = hash_file(t, path, hash);
    unlink(path);
    if (!hashed)
        return false;
    return strcmp(hash, t->hash) == 0 || fail(t, "what arrived has another SHA-256");
}

/* ---- weir serves, Linux fetches ---- */

/* Until the server has said that it is there. */
static bool wait_for_words(struct transfers *t, const char *path)
{
    const weir_time end = weir_loop_clock() + START_LIMIT;
    struct stat info;
    while (stat(path, &info) < 0 || info.st_size == 0) {
        if (weir_loop_clock() > end)
            return false;
        spawn_sleep(POLL_EVERY);
    }
    (void)t;
    return true;
}

#define WORD(text) ((char[]){ text })

static pid_t start_serve(struct transfers *t, const struct spawn_output *output)
{
    char directory[PATH_LEN], device[64];
    snprintf(device, sizeof device, "%s", t->device);
    char *argv[] = {
        WORD("serve"),    path_of(t, "www", directory),
        WORD("--port"),   WORD(SERVE_PORT),
        WORD("--dev"),    device,
        WORD("--addr"),   WORD(DEMO_WEIR_V4 "/24"),
        WORD("--addr"),   WORD(DEMO_WEIR_V6 "/64"),
        WORD("--no-dad"), NULL,
    };
    return spawn_tool(tool_serve, argv, output);
}

static bool run_curl(struct transfers *t, bool v4, const char *to)
{
    char err[PATH_LEN], target[PATH_LEN];
    const struct spawn_output output = { NULL, path_of(t, "curl.err", err) };
    snprintf(target, sizeof target, "%s", to);
    char *const argv[] = {
        WORD("curl"),
        WORD("-q"),
        WORD("-sS"),
        WORD("-g"),
        WORD("-f"),
        WORD("--noproxy"),
        WORD("*"),
        WORD("-o"),
        target,
        v4 ? WORD("http://" DEMO_WEIR_V4 ":" SERVE_PORT "/" FILE_NAME)
           : WORD("http://[" DEMO_WEIR_V6 "]:" SERVE_PORT "/" FILE_NAME),
        NULL,
    };
    const weir_time began = weir_loop_clock();
    const int status = spawn_run(argv, &output, LIMIT);
    t->took = weir_loop_clock() - began;
    return status == 0 || fail_with_log(t, "curl", status, err);
}

bool transfer_to_linux(struct transfers *t, bool v4)
{
    char out[PATH_LEN], err[PATH_LEN], to[PATH_LEN];
    const struct spawn_output output = { path_of(t, "serve.out", out),
                                         path_of(t, "serve.err", err) };
    unlink(out);
    const pid_t serve = start_serve(t, &output);
    path_of(t, "to-linux", to);
    const bool there = wait_for_words(t, out);
    bool done = there && run_curl(t, v4, to);
    const int status = spawn_stop(serve);
    if (!there)
        return fail_with_log(t, "weir serve", status, err);
    if (done && status != 0)
        done = fail_with_log(t, "weir serve", status, err);
    return done && compare(t, to);
}

/* ---- Linux serves, weir fetches ---- */

/* Until the kernel's end accepts connections. */
static bool wait_for_port(bool v4)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(PYTHON_PORT) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(PYTHON_PORT) };
    const weir_time end = weir_loop_clock() + START_LIMIT;
    inet_pton(AF_INET, DEMO_LINUX_V4, &in4.sin_addr);
    inet_pton(AF_INET6, DEMO_LINUX_V6, &in6.sin6_addr);
    while (weir_loop_clock() < end) {
        const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const struct sockaddr *to =
            v4 ? (const struct sockaddr *)&in4 : (const struct sockaddr *)&in6;
        const bool there =
            fd >= 0 && connect(fd, to, v4 ? (socklen_t)sizeof in4 : (socklen_t)sizeof in6) == 0;
        if (fd >= 0)
            close(fd);
        if (there)
            return true;
        spawn_sleep(POLL_EVERY);
    }
    return false;
}

static pid_t start_python(struct transfers *t, bool v4, const struct spawn_output *output)
{
    char directory[PATH_LEN], port[8];
    snprintf(port, sizeof port, "%d", PYTHON_PORT);
    char *const argv[] = {
        WORD("python3"),
        WORD("-m"),
        WORD("http.server"),
        WORD("--bind"),
        v4 ? WORD(DEMO_LINUX_V4) : WORD(DEMO_LINUX_V6),
        WORD("--directory"),
        path_of(t, "www", directory),
        port,
        NULL,
    };
    return spawn_program(argv, output);
}

static bool run_get(struct transfers *t, bool v4, char *to)
{
    char err[PATH_LEN], device[64];
    const struct spawn_output output = { NULL, path_of(t, "get.err", err) };
    snprintf(device, sizeof device, "%s", t->device);
    char *argv[] = {
        WORD("get"),
        v4 ? WORD("http://" DEMO_LINUX_V4 ":8000/" FILE_NAME)
           : WORD("http://[" DEMO_LINUX_V6 "]:8000/" FILE_NAME),
        WORD("--quiet"),
        WORD("--output"),
        to,
        WORD("--dev"),
        device,
        WORD("--addr"),
        v4 ? WORD(DEMO_WEIR_V4 "/24") : WORD(DEMO_WEIR_V6 "/64"),
        WORD("--no-dad"),
        NULL,
    };
    const weir_time began = weir_loop_clock();
    const int status = spawn_wait(spawn_tool(tool_get, argv, &output), LIMIT);
    t->took = weir_loop_clock() - began;
    return status == 0 || fail_with_log(t, "weir get", status, err);
}

bool transfer_to_weir(struct transfers *t, bool v4)
{
    char err[PATH_LEN], to[PATH_LEN];
    const struct spawn_output output = { NULL, path_of(t, "python.err", err) };
    const pid_t python = start_python(t, v4, &output);
    path_of(t, "to-weir", to);
    const bool there = wait_for_port(v4);
    const bool done = there && run_get(t, v4, to);
    const int status = spawn_stop(python); /* it ends by the signal */
    if (!there)
        return fail_with_log(t, "python3 -m http.server", status, err);
    return done && compare(t, to);
}
