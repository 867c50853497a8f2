/* SPDX-License-Identifier: MIT */

/* A program as others write them, that knows nothing of weir: linked statically, with threads or
 * children for its connections. run_tcp.py starts it under `weir run`.
 *
 *   weir-run-subject serve thread|fork|epoll ADDRESS PORT COUNT   echoes COUNT connections
 *   weir-run-subject talk ADDRESS PORT COUNT OCTETS               and checks what comes back
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 16384

static void fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static socklen_t address(const char *ip, const char *port, struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (void *)out;
    struct sockaddr_in6 *in6 = (void *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)atoi(port));
        return sizeof *in;
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET6, ip, &in6->sin6_addr) != 1)
        exit(2);
    return sizeof *in6;
}

/* ---- serve ---- */

static bool echo_some(int fd)
{
    char octets[CHUNK];
    const ssize_t got = read(fd, octets, sizeof octets);
    for (ssize_t sent = 0; sent < got;) {
        const ssize_t n = write(fd, octets + sent, (size_t)(got - sent));
        if (n < 0)
            return false;
        sent += n;
    }
    return got > 0;
}

static void echo_all(int fd)
{
    while (echo_some(fd))
        continue;
    close(fd);
}

static void *thread_main(void *fd)
{
    echo_all((int)(intptr_t)fd);
    return NULL;
}

static void serve_threads(int listener, int count)
{
    pthread_t *thread = calloc((size_t)count, sizeof *thread);
    for (int i = 0; i < count; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        const int fd = accept(listener, (struct sockaddr *)&peer, &len);
        if (fd < 0 || pthread_create(&thread[i], NULL, thread_main, (void *)(intptr_t)fd) != 0)
            fail("accept");
    }
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
    free(thread);
}

static void serve_children(int listener, int count)
{
    for (int i = 0; i < count; i++) {
        const int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            fail("accept");
        const pid_t pid = fork();
        if (pid == 0) {
            close(listener);
            echo_all(fd);
            _exit(0);
        }
        close(fd);
    }
    for (int i = 0; i < count; i++)
        (void)wait(NULL);
}

static void serve_epoll(int listener, int count)
{
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (int ended = 0; ended < count;) {
        if (epoll_wait(epoll, &event, 1, -1) != 1)
            fail("epoll_wait");
        if (event.data.fd != listener) {
            if (!echo_some(event.data.fd)) {
                close(event.data.fd);
                ended++;
            }
            continue;
        }
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        const int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
        event = (struct epoll_event){ .events = EPOLLIN, .data.fd = fd };
        if (fd >= 0)
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int serve(const char *how, const char *ip, const char *port, int count)
{
    struct sockaddr_storage local;
    const socklen_t len = address(ip, port, &local);
    const int listener = socket(local.ss_family, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&local, len) < 0 || listen(listener, 64) < 0)
        fail("bind");
    puts("ready");
    fflush(stdout);
    if (strcmp(how, "thread") == 0)
        serve_threads(listener, count);
    else if (strcmp(how, "fork") == 0)
        serve_children(listener, count);
    else
        serve_epoll(listener, count);
    return 0;
}

/* ---- talk ---- */

static void talk_once(const struct sockaddr_storage *peer, socklen_t len, size_t octets)
{
    static uint8_t out[1 << 20], in[1 << 20];
    const int fd = socket(peer->ss_family, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)peer, len) < 0)
        fail("connect");
    for (size_t i = 0; i < octets; i++)
        out[i] = (uint8_t)(i * 7 + i / 251);
    size_t sent = 0, got = 0;
    while (got < octets) {
        const size_t part = octets - sent < CHUNK ? octets - sent : CHUNK;
        if (part > 0 && write(fd, out + sent, part) != (ssize_t)part)
            fail("write");
        sent += part;
        const ssize_t n = read(fd, in + got, sizeof in - got);
        if (n <= 0)
            fail("read");
        got += (size_t)n;
    }
    if (got != octets || memcmp(in, out, octets) != 0)
        fail("what came back differs");
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2], argv[3], argv[4], atoi(argv[5]));
    if (argc != 6 || strcmp(argv[1], "talk") != 0 || atol(argv[5]) > 1 << 20)
        return 2;
    struct sockaddr_storage peer;
    const socklen_t len = address(argv[2], argv[3], &peer);
    for (int i = 0; i < atoi(argv[4]); i++)
        talk_once(&peer, len, (size_t)atol(argv[5]));
    puts("done");
    return 0;
}
