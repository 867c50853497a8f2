/* SPDX-License-Identifier: MIT */

/* The kernel's TCP as server and as client.
 *
 *   bench-kernel serve ROLE ADDRESS PORT [--spin]      ROLE: sink source pong accept
 *   bench-kernel source|sink ADDRESS PORT SECONDS      sends, receives, and says how much
 *   bench-kernel ping ADDRESS PORT COUNT [--spin]      one octet there and back; ns of each, sorted
 *   bench-kernel connect ADDRESS PORT SECONDS AT_ONCE FROM COUNT
 *                                                      connections from COUNT addresses, FROM on */
#include "kernel.h"

#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A default of BBR would pace, which costs the kernel half of its throughput here. */
#define CONGESTION "cubic"

#define PING_WARM_UP 1000
#define PING_MAX     10000000
#define AT_ONCE_MAX  1024
#define CONNECT_WAIT (3 * 1000) /* ms without any progress: the other end is stuck */
#define SECOND_NS    INT64_C(1000000000)

_Noreturn void die(const char *what)
{
    fprintf(stderr, "bench-kernel: %s: %s\n", what, strerror(errno));
    exit(1);
}

void set_option(int fd, int level, int option, int value)
{
    if (setsockopt(fd, level, option, &value, sizeof value) < 0)
        die("setsockopt");
}

void pin_congestion(int fd)
{
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, CONGESTION, sizeof CONGESTION - 1) < 0)
        die("TCP_CONGESTION " CONGESTION);
}

size_t receive_some(int fd, void *data, size_t room, bool spin)
{
    for (;;) {
        const ssize_t got = recv(fd, data, room, spin ? MSG_DONTWAIT : 0);
        if (got >= 0)
            return (size_t)got;
        if (errno != EAGAIN && errno != EINTR)
            die("recv");
    }
}

void send_all(int fd, const void *data, size_t len, bool spin)
{
    const uint8_t *octets = data;
    while (len > 0) {
        const ssize_t sent = send(fd, octets, len, MSG_NOSIGNAL | (spin ? MSG_DONTWAIT : 0));
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            die("send");
        octets += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
    }
}

static int connected(const struct sockaddr_in *remote)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    pin_congestion(fd);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (connect(fd, (const struct sockaddr *)remote, sizeof *remote) < 0)
        die("connect");
    return fd;
}

/* ---- Bulk ---- */

static void source(const struct sockaddr_in *remote, int64_t span)
{
    static uint8_t data[BULK_OCTETS];
    const int fd = connected(remote);
    struct bulk_meter meter;
    bulk_begin(&meter);
    while (clock_ns() - meter.start < span) {
        send_all(fd, data, sizeof data, false);
        meter.octets += sizeof data;
    }
    /* What is still in the buffers counts, and so does the time until the other end has it. */
    shutdown(fd, SHUT_WR);
    while (receive_some(fd, data, sizeof data, false) > 0)
        continue;
    bulk_end(&meter);
    close(fd);
}

static void sink(const struct sockaddr_in *remote, int64_t span)
{
    static uint8_t data[BULK_OCTETS];
    const int fd = connected(remote);
    struct bulk_meter meter;
    bulk_begin(&meter);
    while (clock_ns() - meter.start < span) {
        const size_t got = receive_some(fd, data, sizeof data, false);
        if (got == 0)
            break;
        meter.octets += got;
    }
    bulk_end(&meter);
    close(fd);
}

/* ---- Ping-pong ---- */

static int compare_ns(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void ping(const struct sockaddr_in *remote, uint32_t count, bool spin)
{
    uint32_t *ns = calloc(count, sizeof *ns);
    if (ns == NULL)
        die("calloc");
    const int fd = connected(remote);
    for (uint32_t i = 0; i < count + PING_WARM_UP; i++) {
        uint8_t octet = 1;
        const int64_t start = clock_ns();
        send_all(fd, &octet, 1, spin);
        if (receive_some(fd, &octet, 1, spin) != 1)
            die("the other end closed");
        if (i >= PING_WARM_UP)
            ns[i - PING_WARM_UP] = (uint32_t)(clock_ns() - start);
    }
    close(fd);
    qsort(ns, count, sizeof *ns, compare_ns);
    printf("median %u p99 %u max %u\n", ns[count / 2], ns[(uint64_t)count * 99 / 100],
           ns[count - 1]);
    free(ns);
}

/* ---- Connections per second ---- */

struct storm {
    struct sockaddr_in remote;
    in_addr_t from; /* host order; 0: the system chooses, and nothing is set */
    uint32_t from_count, opened, done;
    uint32_t most; /* to be opened */
    int epoll_fd;
};

/* To the next of our addresses: one has not ports enough, since each stays in TIME-WAIT at this
 * end.
 */
static void storm_bind(const struct storm *storm, int fd)
{
    struct sockaddr_in local = { .sin_family = AF_INET };
    local.sin_addr.s_addr = htonl(storm->from + storm->opened % storm->from_count);
    pin_congestion(fd);
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (bind(fd, (const struct sockaddr *)&local, sizeof local) < 0)
        die("bind");
}

static void storm_open(struct storm *storm)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (storm->from != INADDR_ANY)
        storm_bind(storm, fd);
    if (connect(fd, (const struct sockaddr *)&storm->remote, sizeof storm->remote) < 0 &&
        errno != EINPROGRESS)
        die("connect");
    struct epoll_event event = { .events = EPOLLOUT, .data.fd = fd };
    if (epoll_ctl(storm->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    storm->opened++;
}

static void storm_step(struct storm *storm, const struct epoll_event *event)
{
    uint8_t data[REQUEST_OCTETS] = { 0 };
    const int fd = event->data.fd;
    if ((event->events & EPOLLOUT) != 0) {
        if (send(fd, data, sizeof data, MSG_NOSIGNAL) != (ssize_t)sizeof data)
            die("send");
        struct epoll_event next = { .events = EPOLLIN, .data.fd = fd };
        if (epoll_ctl(storm->epoll_fd, EPOLL_CTL_MOD, fd, &next) < 0)
            die("epoll_ctl");
        return;
    }
    errno = 0;
    if (recv(fd, data, sizeof data, 0) != (ssize_t)sizeof data)
        die("not the answer that was expected");
    close(fd);
    storm->done++;
    if (storm->opened < storm->most)
        storm_open(storm);
}

static void storm_wait(struct storm *storm)
{
    struct epoll_event ready[AT_ONCE_MAX];
    const int count = epoll_wait(storm->epoll_fd, ready, AT_ONCE_MAX, CONNECT_WAIT);
    if (count == 0)
        errno = ETIMEDOUT;
    if (count <= 0)
        die("connections");
    for (int i = 0; i < count; i++)
        storm_step(storm, &ready[i]);
}

/* One connection from each address, so that both ends know their neighbours: a SYN-ACK that is lost
 * for want of one would come again after a second, which is half of what is measured. */
static void storm_warm_up(struct storm *storm)
{
    storm->most = storm->from_count;
    storm_open(storm);
    while (storm->done < storm->most)
        storm_wait(storm);
    storm->done = 0;
    storm->most = UINT32_MAX;
}

static void storm_run(struct storm *storm, int64_t span, uint32_t at_once)
{
    storm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (storm->epoll_fd < 0)
        die("epoll_create1");
    storm_warm_up(storm);
    const int64_t start = clock_ns();
    for (uint32_t i = 0; i < at_once; i++)
        storm_open(storm);
    while (clock_ns() - start < span)
        storm_wait(storm);
    printf("connections %u ns %lld\n", storm->done, (long long)(clock_ns() - start));
}

/* ---- Arguments ---- */

static void usage(void)
{
    fputs("usage: bench-kernel serve ROLE ADDRESS PORT [--spin]\n"
          "       bench-kernel source|sink ADDRESS PORT SECONDS\n"
          "       bench-kernel ping ADDRESS PORT COUNT [--spin]\n"
          "       bench-kernel connect ADDRESS PORT SECONDS AT_ONCE FROM COUNT\n",
          stderr);
    exit(2);
}

static uint64_t number(const char *text, uint64_t most)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value == 0 || value > most)
        usage();
    return value;
}

static struct sockaddr_in address(const char *ip, const char *port)
{
    struct sockaddr_in made = { .sin_family = AF_INET,
                                .sin_port = htons((uint16_t)number(port, UINT16_MAX)) };
    if (inet_pton(AF_INET, ip, &made.sin_addr) != 1)
        usage();
    return made;
}

int main(int argc, char **argv)
{
    const bool spin = argc > 1 && strcmp(argv[argc - 1], "--spin") == 0;
    argc -= spin ? 1 : 0;
    const char *verb = argc > 1 ? argv[1] : "";
    if (argc == 5 && strcmp(verb, "serve") == 0) {
        const struct sockaddr_in local = address(argv[3], argv[4]);
        kernel_serve(argv[2], &local, spin);
    }
    if (argc < 5)
        usage();
    struct storm storm = { .remote = address(argv[2], argv[3]) };
    const int64_t span = (int64_t)number(argv[4], PING_MAX) * SECOND_NS;
    if (argc == 5 && strcmp(verb, "source") == 0) {
        source(&storm.remote, span);
    } else if (argc == 5 && strcmp(verb, "sink") == 0) {
        sink(&storm.remote, span);
    } else if (argc == 5 && strcmp(verb, "ping") == 0) {
        ping(&storm.remote, (uint32_t)number(argv[4], PING_MAX), spin);
    } else if (argc == 8 && strcmp(verb, "connect") == 0) {
        storm.from = ntohl(address(argv[6], "1").sin_addr.s_addr);
        storm.from_count = (uint32_t)number(argv[7], 255);
        storm_run(&storm, span, (uint32_t)number(argv[5], AT_ONCE_MAX));
    } else {
        usage();
    }
    return 0;
}
