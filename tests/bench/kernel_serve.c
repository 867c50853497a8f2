/* SPDX-License-Identifier: MIT */
#include "kernel.h"

#include "clock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64

static void serve_sink(int fd)
{
    static uint8_t data[BULK_OCTETS];
    struct bulk_meter meter;
    bulk_begin(&meter);
    for (ssize_t got; (got = read(fd, data, sizeof data)) > 0;)
        meter.octets += (uint64_t)got;
    bulk_end(&meter);
}

static void serve_source(int fd)
{
    static uint8_t data[BULK_OCTETS];
    struct bulk_meter meter;
    bulk_begin(&meter);
    for (ssize_t sent; (sent = send(fd, data, sizeof data, MSG_NOSIGNAL)) > 0;)
        meter.octets += (uint64_t)sent;
    bulk_end(&meter);
}

static void serve_pong(int fd, bool spin)
{
    uint8_t data[REQUEST_OCTETS];
    for (size_t got; (got = receive_some(fd, data, sizeof data, spin)) > 0;)
        send_all(fd, data, got, spin);
}

/* One connection after the other. */
_Noreturn static void serve_each(const char *role, int listener, bool spin)
{
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            die("accept");
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        if (strcmp(role, "sink") == 0)
            serve_sink(fd);
        else if (strcmp(role, "source") == 0)
            serve_source(fd);
        else
            serve_pong(fd, spin);
        close(fd);
    }
}

/* ---- Many short connections ---- */

static void watch(int epoll_fd, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void accept_all(int epoll_fd, int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
        watch(epoll_fd, fd, EPOLLIN);
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept");
}

/* A request is one segment and arrives whole; the answer fits in any send buffer. */
static void answer(int fd)
{
    uint8_t data[REQUEST_OCTETS];
    const ssize_t got = recv(fd, data, sizeof data, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || send(fd, data, (size_t)got, MSG_NOSIGNAL) != got)
        close(fd);
}

_Noreturn static void serve_accept(int listener, bool spin)
{
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    watch(epoll_fd, listener, EPOLLIN);
    for (;;) {
        struct epoll_event ready[EVENTS_MAX];
        const int count = epoll_wait(epoll_fd, ready, EVENTS_MAX, spin ? 0 : -1);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == listener)
                accept_all(epoll_fd, listener);
            else
                answer(ready[i].data.fd);
        }
    }
}

_Noreturn void kernel_serve(const char *role, const struct sockaddr_in *local, bool spin)
{
    const bool many = strcmp(role, "accept") == 0;
    const int type = SOCK_STREAM | SOCK_CLOEXEC | (many ? SOCK_NONBLOCK : 0);
    const int listener = socket(AF_INET, type, 0);
    if (listener < 0)
        die("socket");
    pin_congestion(listener);
    set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(listener, (const struct sockaddr *)local, sizeof *local) < 0)
        die("bind");
    if (listen(listener, SERVER_BACKLOG) < 0)
        die("listen");
    puts("ready");
    fflush(stdout);
    if (many)
        serve_accept(listener, spin);
    serve_each(role, listener, spin);
}
