/* SPDX-License-Identifier: MIT */

/* weir-relay: carries Ethernet frames between two interfaces, and mistreats them as told.
 *
 *     weir-relay IF1 IF2 SEED
 *
 *     TAG set LANE loss|duplicate|reorder PER_MILLION      TAG set LANE burst FRAMES
 *     TAG set LANE delay|late MICROSECONDS                 TAG set LANE rate KBIT/S
 *     TAG set LANE buffer OCTETS
 *     TAG hold LANE      TAG release LANE                  nothing leaves until released
 *     TAG cut LANE       TAG mend LANE                     everything is lost until mended
 *     TAG stats
 *
 * LANE is `ab` (what arrives on IF1), `ba` or `both`. Each command is answered by "TAG ok ...". It
 * ends with its standard input. Both interfaces must have segmentation and checksum offload turned
 * off at their senders: a frame longer than the MTU is counted in too_long and lost. */

#include "lane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH       64 /* frames read before the other lane has its turn */
#define BUFFER      (8 * 1024 * 1024)
#define FRAME_ROOM  (65536 + 64)
#define HEADERS     18 /* Ethernet, with room for a tag */
#define LINE_OCTETS 256
#define WORDS_MAX   5
#define NS_PER_S    INT64_C(1000000000)
#define NS_PER_US   1000
#define EXIT_USAGE  2

struct relay {
    int socket[2]; /* frames of socket[i] go into lane[i] and leave by the other */
    size_t longest;
    struct lane lane[2];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "weir-relay: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int open_interface(const char *name, size_t *longest)
{
    const int one = 1, room = BUFFER;
    struct ifreq request = { 0 };
    const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (fd < 0)
        die("AF_PACKET");
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = (int)if_nametoindex(name),
    };
    if (address.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die(name);
    struct packet_mreq all = { .mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0)
        die(name);
    /* As root of a user namespace only the ordinary limit may be had. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (ioctl(fd, SIOCGIFMTU, &request) < 0)
        die(name);
    *longest = (size_t)request.ifr_mtu + HEADERS;
    return fd;
}

static void read_frames(struct relay *relay, unsigned i)
{
    static uint8_t frame[FRAME_ROOM];
    for (unsigned n = 0; n < BATCH; n++) {
        const ssize_t len = recv(relay->socket[i], frame, sizeof frame, MSG_TRUNC);
        if (len < 0 && (errno == EAGAIN || errno == EINTR || errno == ENETDOWN))
            return;
        if (len < 0)
            die("recv");
        if ((size_t)len > relay->longest)
            relay->lane[i].too_long++;
        else
            lane_put(&relay->lane[i], frame, (size_t)len, clock_now());
    }
}

/* ---- Commands ---- */

static void print_stats(const struct relay *relay, const char *tag)
{
    printf("%s ok", tag);
    for (unsigned i = 0; i < 2; i++) {
        const struct lane *l = &relay->lane[i];
        const char *name = i == 0 ? "ab" : "ba";
        printf(" %s_passed=%llu %s_lost=%llu %s_duplicated=%llu %s_reordered=%llu "
               "%s_overflowed=%llu %s_too_long=%llu %s_full=%llu %s_waiting=%u",
               name, (unsigned long long)l->passed, name, (unsigned long long)l->lost, name,
               (unsigned long long)l->duplicated, name, (unsigned long long)l->reordered, name,
               (unsigned long long)l->overflowed, name, (unsigned long long)l->too_long, name,
               (unsigned long long)l->full, name, l->count);
    }
    putchar('\n');
}

static bool set(struct lane *lane, const char *what, const char *value)
{
    const unsigned long n = strtoul(value, NULL, 10);
    if (strcmp(what, "delay") == 0)
        lane->delay = (int64_t)n * NS_PER_US;
    else if (strcmp(what, "loss") == 0)
        lane->loss = (uint32_t)n;
    else if (strcmp(what, "duplicate") == 0)
        lane->duplicate = (uint32_t)n;
    else if (strcmp(what, "reorder") == 0)
        lane->reorder = (uint32_t)n;
    else if (strcmp(what, "late") == 0)
        lane->late_by = (int64_t)n * NS_PER_US;
    else if (strcmp(what, "burst") == 0)
        lane->burst = (uint32_t)n;
    else if (strcmp(what, "rate") == 0)
        lane->rate = (uint32_t)n;
    else if (strcmp(what, "buffer") == 0)
        lane->buffer = (uint32_t)n;
    else
        return false;
    return true;
}

static bool tell(struct lane *lane, char **word, unsigned count)
{
    const char *verb = word[1];
    if (strcmp(verb, "hold") == 0 || strcmp(verb, "release") == 0)
        lane->held = verb[0] == 'h';
    else if (strcmp(verb, "cut") == 0 || strcmp(verb, "mend") == 0)
        lane->cut = verb[0] == 'c';
    else if (strcmp(verb, "set") == 0 && count == WORDS_MAX)
        return set(lane, word[3], word[4]);
    else
        return false;
    return true;
}

static void obey(struct relay *relay, char *line)
{
    char *word[WORDS_MAX] = { NULL };
    char *rest = NULL;
    unsigned count = 0;
    for (char *w = strtok_r(line, " ", &rest); w != NULL && count < WORDS_MAX;
         w = strtok_r(NULL, " ", &rest))
        word[count++] = w;
    if (count == 2 && strcmp(word[1], "stats") == 0) {
        print_stats(relay, word[0]);
        return;
    }
    bool done = false;
    for (unsigned i = 0; count >= 3 && i < 2; i++)
        if (strcmp(word[2], "both") == 0 || strcmp(word[2], i == 0 ? "ab" : "ba") == 0)
            done = tell(&relay->lane[i], word, count);
    printf("%s %s\n", count > 0 ? word[0] : "-", done ? "ok" : "error EINVAL 0");
}

/* False at the end of standard input. */
static bool read_commands(struct relay *relay)
{
    static char line[LINE_OCTETS];
    static size_t len;
    const ssize_t got = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
    if (got <= 0)
        return false;
    len += (size_t)got;
    for (char *end; (end = memchr(line, '\n', len)) != NULL;) {
        *end = '\0';
        obey(relay, line);
        len -= (size_t)(end + 1 - line);
        memmove(line, end + 1, len);
    }
    fflush(stdout);
    return len < sizeof line - 1;
}

static void sleep_until_due(const struct relay *relay, struct pollfd *fds)
{
    const int64_t a = lane_due(&relay->lane[0]), b = lane_due(&relay->lane[1]);
    const int64_t due = a < b ? a : b;
    int64_t wait = due == LANE_NEVER ? NS_PER_S : due - clock_now();
    if (wait < 0)
        wait = 0;
    const struct timespec time = { (time_t)(wait / NS_PER_S), (long)(wait % NS_PER_S) };
    if (ppoll(fds, 3, &time, NULL) < 0 && errno != EINTR)
        die("poll");
}

int main(int argc, char **argv)
{
    struct relay relay = { 0 };
    if (argc != 4) {
        fprintf(stderr, "usage: weir-relay IF1 IF2 SEED\n");
        return EXIT_USAGE;
    }
    const uint64_t seed = strtoull(argv[3], NULL, 10);
    for (unsigned i = 0; i < 2; i++) {
        relay.socket[i] = open_interface(argv[1 + i], &relay.longest);
        relay.lane[i].state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + i;
    }
    relay.lane[0].to = relay.socket[1];
    relay.lane[1].to = relay.socket[0];
    struct pollfd fds[3] = {
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = relay.socket[0], .events = POLLIN },
        { .fd = relay.socket[1], .events = POLLIN },
    };
    puts("0 ready");
    fflush(stdout);
    for (;;) {
        sleep_until_due(&relay, fds);
        for (unsigned i = 0; i < 2; i++)
            if (fds[i + 1].revents != 0)
                read_frames(&relay, i);
        for (unsigned i = 0; i < 2; i++)
            lane_move(&relay.lane[i], clock_now());
        if (fds[0].revents != 0 && !read_commands(&relay))
            return EXIT_SUCCESS;
    }
}
