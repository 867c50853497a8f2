/* SPDX-License-Identifier: MIT */

/* The kernel's end of the race over a bad path (path_end.h). DEVICE is not looked at: routes
 * decide. Buffers are what the kernel makes them. */
#include "path_end.h"

#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS  1
#define PATIENCE (20 * PATH_SECOND) /* for flows to be connected, or the first to come */

struct kernel_end {
    struct path_end end;
    int listener;
    unsigned opened;
    struct pollfd fd[PATH_FLOWS + 1];
    uint64_t messages[PATH_FLOWS];
};

_Noreturn static void die(const char *what)
{
    path_die(what, strerror(errno));
}

static struct sockaddr_in address(const char *ip, uint16_t port)
{
    struct sockaddr_in made = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (inet_pton(AF_INET, ip, &made.sin_addr) != 1)
        path_die(ip, "not an address");
    return made;
}

static int tcp_socket(const struct path_end *end)
{
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, end->congestion,
                             (socklen_t)strlen(end->congestion)) < 0)
        die(end->congestion);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return fd;
}

/* ---- The sink ---- */

static void listen_at(struct kernel_end *k)
{
    const struct sockaddr_in local = address(k->end.local, k->end.port);
    k->listener = tcp_socket(&k->end);
    if (bind(k->listener, (const struct sockaddr *)&local, sizeof local) < 0 ||
        listen(k->listener, PATH_FLOWS) < 0)
        die("listen");
    k->fd[0] = (struct pollfd){ .fd = k->listener, .events = POLLIN };
    puts("ready");
    fflush(stdout);
}

static void accept_one(struct kernel_end *k)
{
    struct sockaddr_in remote;
    socklen_t len = sizeof remote;
    const int fd =
        accept4(k->listener, (struct sockaddr *)&remote, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        die("accept");
    if (k->end.start == 0)
        k->end.start = clock_ns();
    k->end.flow[k->opened].port = ntohs(remote.sin_port);
    k->fd[++k->opened] = (struct pollfd){ .fd = fd, .events = POLLIN };
    if (k->opened == k->end.flows)
        k->fd[0].fd = -1;
}

static void receive(struct kernel_end *k, unsigned i)
{
    static uint8_t data[PATH_READ];
    const ssize_t got = recv(k->fd[i + 1].fd, data, sizeof data, 0);
    if (got > 0)
        path_end_take(&k->end, i, data, (size_t)got, clock_ns());
    else if (got == 0 || errno != EAGAIN)
        k->fd[i + 1].fd = -1;
}

static void run_sink(struct kernel_end *k)
{
    const int64_t begun = clock_ns();
    listen_at(k);
    while (k->end.start == 0 ? clock_ns() - begun < PATIENCE
                             : clock_ns() - k->end.start < k->end.span) {
        if (poll(k->fd, k->opened + 1, TICK_MS) <= 0)
            continue;
        for (unsigned i = 0; i < k->opened; i++)
            if (k->fd[i + 1].revents != 0)
                receive(k, i);
        if (k->fd[0].revents != 0)
            accept_one(k);
    }
    path_end_report(&k->end);
}

/* ---- The source ---- */

static void connect_all(struct kernel_end *k)
{
    const struct sockaddr_in local = address(k->end.local, 0);
    const struct sockaddr_in remote = address(k->end.remote, k->end.port);
    for (unsigned i = 0; i < k->end.flows; i++) {
        const int fd = tcp_socket(&k->end);
        if (bind(fd, (const struct sockaddr *)&local, sizeof local) < 0 ||
            connect(fd, (const struct sockaddr *)&remote, sizeof remote) < 0)
            die("connect");
        k->fd[k->opened++] = (struct pollfd){ .fd = fd, .events = k->end.messages ? 0 : POLLOUT };
    }
    k->end.start = clock_ns();
    puts("connected");
    fflush(stdout);
}

static void send_bulk(struct kernel_end *k)
{
    static const uint8_t data[PATH_READ];
    if (poll(k->fd, k->opened, TICK_MS) <= 0)
        return;
    for (unsigned i = 0; i < k->opened; i++)
        if (k->fd[i].revents != 0 &&
            send(k->fd[i].fd, data, sizeof data, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
            errno != EAGAIN)
            k->fd[i].fd = -1;
}

static void send_messages(struct kernel_end *k)
{
    uint8_t message[MESSAGE_OCTETS];
    const int64_t now = clock_ns();
    for (unsigned i = 0; i < k->opened; i++) {
        if (now < path_end_message_at(&k->end, i, k->messages[i]))
            continue;
        path_end_message(message, now);
        k->messages[i]++;
        if (send(k->fd[i].fd, message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) !=
            (ssize_t)sizeof message)
            die("a message does not fit");
    }
    poll(NULL, 0, TICK_MS);
}

static void say_sent(const struct kernel_end *k)
{
    uint64_t sent = 0, again = 0;
    for (unsigned i = 0; i < k->opened; i++) {
        struct tcp_info info = { 0 };
        socklen_t len = sizeof info;
        if (k->fd[i].fd < 0 || getsockopt(k->fd[i].fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
            continue;
        sent += info.tcpi_bytes_sent;
        again += info.tcpi_bytes_retrans;
    }
    printf("sent %llu again %llu\n", (unsigned long long)sent, (unsigned long long)again);
}

static void run_source(struct kernel_end *k)
{
    connect_all(k);
    for (int64_t left; (left = k->end.start + k->end.span - clock_ns()) > 0;) {
        if (!k->end.messages)
            send_bulk(k);
        else if (left > MESSAGE_QUIET)
            send_messages(k);
        else
            poll(NULL, 0, TICK_MS);
    }
    say_sent(k);
}

int main(int argc, char **argv)
{
    static struct kernel_end k;
    path_end_parse(&k.end, argc - 2, argv + 2);
    if (k.end.source)
        run_source(&k);
    else
        run_sink(&k);
    return 0;
}
