/* SPDX-License-Identifier: MIT */
#include "transfer.h"

#include "demo_net.h"
#include "run.h"
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
#include <sys/un.h>
#include <unistd.h>

#define FILE_NAME   "random.bin"
#define SERVE_PORT  8080
#define SOCKET_NAME "net/socket"
#define WORDS_MAX   16                 /* of a program's command line */
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

/* ---- weird ---- */

#define WORD(text) ((char[]){ text })

static int become_weird(int argc, char **argv)
{
    (void)argc;
    run_exec_weird((const char *const *)argv);
}

/* Until it takes those who want to join. */
static bool wait_for_socket(const char *path)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const weir_time end = weir_loop_clock() + START_LIMIT;
    memcpy(name.sun_path, path, strnlen(path, sizeof name.sun_path - 1));
    while (weir_loop_clock() < end) {
        const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        const bool there = fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) == 0;
        if (fd >= 0)
            close(fd);
        if (there)
            return true;
        spawn_sleep(POLL_EVERY);
    }
    return false;
}

bool transfer_begin(struct transfers *t)
{
    char socket_path[PATH_LEN], err[PATH_LEN], device[64];
    const struct spawn_output output = { NULL, path_of(t, "weird.err", err) };
    snprintf(device, sizeof device, "%s", t->device);
    char *argv[] = { WORD("weird"),
                     WORD("--dev"),
                     device,
                     WORD("--addr"),
                     WORD(DEMO_WEIR_V4 "/24"),
                     WORD("--addr"),
                     WORD(DEMO_WEIR_V6 "/64"),
                     WORD("--socket"),
                     path_of(t, SOCKET_NAME, socket_path),
                     NULL };
    if (strlen(socket_path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return fail(t, "%s: too long a name for a socket", t->directory);
    t->weird = spawn_tool(become_weird, argv, &output);
    if (t->weird > 0 && wait_for_socket(socket_path))
        return true;
    return fail_with_log(t, "weird", spawn_stop(t->weird), err);
}

bool transfer_end(struct transfers *t)
{
    char err[PATH_LEN];
    const int status = spawn_stop(t->weird);
    t->weird = 0;
    return status == 0 || fail_with_log(t, "weird", status, path_of(t, "weird.err", err));
}

/* ---- Servers and clients ---- */

/* The words of `weir run`, if `on_weir`, and then those of the program. */
static pid_t start(struct transfers *t, bool on_weir, char *const words[],
                   const struct spawn_output *output)
{
    char socket_path[PATH_LEN];
    char *argv[WORDS_MAX + 5] = { WORD("run"), WORD("--socket"),
                                  path_of(t, SOCKET_NAME, socket_path), WORD("--") };
    unsigned count = 4;
    if (!on_weir)
        return spawn_program(words, output);
    for (unsigned i = 0; i < WORDS_MAX && words[i] != NULL; i++)
        argv[count++] = words[i];
    return spawn_tool(tool_run, argv, output);
}

/* Until somebody takes connections there. */
static bool wait_for_port(const char *address, bool v4)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(SERVE_PORT) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(SERVE_PORT) };
    const weir_time end = weir_loop_clock() + START_LIMIT;
    (void)inet_pton(v4 ? AF_INET : AF_INET6, address,
                    v4 ? (void *)&in4.sin_addr : (void *)&in6.sin6_addr);
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

/* Servers lie where not every PATH leads. */
static const char *nginx_path(void)
{
    if (access("/usr/sbin/nginx", X_OK) == 0)
        return "/usr/sbin/nginx";
    return spawn_found("nginx") ? "nginx" : NULL;
}

const char *transfer_server(void)
{
    return nginx_path() != NULL ? "nginx" : "python3";
}

static bool write_nginx_config(struct transfers *t, const char *host, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return fail(t, "%s: %s", path, strerror(errno));
    fprintf(file,
            "daemon off; worker_processes 2; user root; pid %1$s/nginx.pid; error_log stderr;\n"
            "events { worker_connections 64; }\n"
            "http {\n"
            "    access_log off; sendfile on; tcp_nopush on;\n"
            "    client_body_temp_path %1$s/n1; proxy_temp_path %1$s/n2;\n"
            "    fastcgi_temp_path %1$s/n3; uwsgi_temp_path %1$s/n4; scgi_temp_path %1$s/n5;\n"
            "    server { listen %2$s:%3$d; root %1$s/www; }\n"
            "}\n",
            t->directory, host, SERVE_PORT);
    return fclose(file) == 0 || fail(t, "%s: %s", path, strerror(errno));
}

static pid_t start_nginx(struct transfers *t, const char *host, const struct spawn_output *output)
{
    char config[PATH_LEN], program[64];
    snprintf(program, sizeof program, "%s", nginx_path());
    if (!write_nginx_config(t, host, path_of(t, "nginx.conf", config)))
        return -1;
    char *const argv[] = { program, WORD("-e"), WORD("stderr"), WORD("-c"), config, NULL };
    return start(t, true, argv, output);
}

static pid_t start_python(struct transfers *t, bool on_weir, const char *address,
                          const struct spawn_output *output)
{
    char directory[PATH_LEN], port[8], bind[64];
    snprintf(port, sizeof port, "%d", SERVE_PORT);
    snprintf(bind, sizeof bind, "%s", address);
    char *const argv[] = { WORD("python3"),
                           WORD("-m"),
                           WORD("http.server"),
                           WORD("--bind"),
                           bind,
                           WORD("--directory"),
                           path_of(t, "www", directory),
                           port,
                           NULL };
    return start(t, on_weir, argv, output);
}

static bool run_curl(struct transfers *t, bool on_weir, const char *host, const char *to)
{
    char err[PATH_LEN], target[PATH_LEN], url[128];
    const struct spawn_output output = { NULL, path_of(t, "curl.err", err) };
    snprintf(target, sizeof target, "%s", to);
    snprintf(url, sizeof url, "http://%s:%d/" FILE_NAME, host, SERVE_PORT);
    char *const argv[] = { WORD("curl"), WORD("-q"), WORD("-sS"),
                           WORD("-g"),   WORD("-f"), WORD("--noproxy"),
                           WORD("*"),    WORD("-o"), target,
                           url,          NULL };
    const weir_time began = weir_loop_clock();
    const int status = spawn_wait(start(t, on_weir, argv, &output), LIMIT);
    t->took = weir_loop_clock() - began;
    return status == 0 || fail_with_log(t, "curl", status, err);
}

static bool transfer(struct transfers *t, bool v4, bool to_linux)
{
    char err[PATH_LEN], to[PATH_LEN], host[64];
    const struct spawn_output output = { NULL, path_of(t, "server.err", err) };
    const char *address =
        to_linux ? (v4 ? DEMO_WEIR_V4 : DEMO_WEIR_V6) : (v4 ? DEMO_LINUX_V4 : DEMO_LINUX_V6);
    snprintf(host, sizeof host, v4 ? "%s" : "[%s]", address);
    const bool nginx = to_linux && nginx_path() != NULL;
    const pid_t server =
        nginx ? start_nginx(t, host, &output) : start_python(t, to_linux, address, &output);
    path_of(t, "got", to);
    const bool there = server > 0 && wait_for_port(address, v4);
    const bool done = there && run_curl(t, !to_linux, host, to);
    const int status = spawn_stop(server); /* python3 ends by the signal */
    if (!there)
        return fail_with_log(t, nginx ? "nginx" : "python3 -m http.server", status, err);
    return done && compare(t, to);
}

bool transfer_to_linux(struct transfers *t, bool v4)
{
    return transfer(t, v4, true);
}

bool transfer_to_weir(struct transfers *t, bool v4)
{
    return transfer(t, v4, false);
}
