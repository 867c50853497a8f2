/* SPDX-License-Identifier: MIT */

/* libweir-packetdrill.so through the table that packetdrill calls: loaded as packetdrill loads it,
 * in virtual time, with a call that waits in a second thread. */

#include "drill/packet.h"
#include "tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Only places are named here that the test calls; the table is 33 pointers in packetdrill's order.
 */
enum slot {
    SLOT_USERDATA,
    SLOT_FREE,
    SLOT_SOCKET,
    SLOT_BIND,
    SLOT_LISTEN,
    SLOT_ACCEPT,
    SLOT_READ = 7,
    SLOT_WRITE = 12,
    SLOT_CLOSE = 19,
    SLOT_GETSOCKOPT = 21,
    SLOT_SEND_PACKET = 24,
    SLOT_RECEIVE_PACKET,
    SLOT_USLEEP,
    SLOT_TIME,
    SLOT_COUNT = 33
};

static void *table[SLOT_COUNT];
static struct flow flow;

#define CALL(slot, type) ((type)table[slot])

typedef int four_ints(void *, int, int, int);
typedef int two_ints(void *, int, int);
typedef int one_int(void *, int);
typedef int bind_fn(void *, int, const struct sockaddr *, socklen_t);
typedef int accept_fn(void *, int, struct sockaddr *, socklen_t *);
typedef ssize_t read_fn(void *, int, void *, size_t);
typedef ssize_t write_fn(void *, int, const void *, size_t);
typedef int option_fn(void *, int, int, int, void *, socklen_t *);
typedef int send_fn(void *, const void *, size_t);
typedef int receive_fn(void *, void *, size_t *, long long *);
typedef int usleep_fn(void *, useconds_t);
typedef int time_fn(void *, struct timeval *, struct timezone *);

static long long now(void)
{
    struct timeval time;
    CALL(SLOT_TIME, time_fn *)(table[0], &time, NULL);
    return time.tv_sec * 1000000LL + time.tv_usec;
}

/* A packet as a script would write it. */
static void arrives(const char *text)
{
    static uint8_t packet[PACKET_ROOM];
    struct script script;
    char error[DRILL_ERROR_MAX], line[200];
    snprintf(line, sizeof line, "0 < %s", text);
    if (!CHECK(script_parse(&script, "test", line, strlen(line), NULL, 0, error), "%s", text))
        return;
    const size_t len = packet_build(script.events->packet, &flow, packet, error);
    CALL(SLOT_SEND_PACKET, send_fn *)(table[0], packet, len);
    script_free(&script);
}

static long long leaves(const char *wanted)
{
    static uint8_t packet[PACKET_ROOM];
    size_t len = sizeof packet;
    long long usecs = 0;
    struct seen seen;
    const char *wrong = NULL;
    char text[PACKET_TEXT];
    CALL(SLOT_RECEIVE_PACKET, receive_fn *)(table[0], packet, &len, &usecs);
    if (!CHECK(packet_read(packet, len, &seen, &wrong), "a packet leaves (%s)", wrong))
        return 0;
    if ((seen.is.flags & SEG_SYN) != 0)
        flow.local_shift = seen.is.seq;
    seen_relative(&seen, &flow);
    packet_show(&seen.is, text);
    CHECK(strncmp(text, wanted, strlen(wanted)) == 0, "%s leaves (%s)", wanted, text);
    return usecs;
}

static int connection;
static ssize_t got;
static long long returned_at;

static void *reader(void *unused)
{
    static char data[1000];
    (void)unused;
    got = CALL(SLOT_READ, read_fn *)(table[0], connection, data, sizeof data);
    returned_at = now();
    return NULL;
}

/* The thread waits in the kernel, as packetdrill wants it. */
static void check_waiting(void)
{
    pthread_t thread;
    const struct timespec moment = { 0, 300000000 };
    pthread_create(&thread, NULL, reader, NULL);
    nanosleep(&moment, NULL);
    const long long before = now();
    CALL(SLOT_USLEEP, usleep_fn *)(table[0], 500000);
    arrives("P. 1:101(100) ack 1001 win 65535");
    CALL(SLOT_USLEEP, usleep_fn *)(table[0], 500000);
    pthread_join(thread, NULL);
    CHECK(got == 100, "read gives what arrived (%zd)", got);
    CHECK(returned_at - before >= 500000 && returned_at - before < 501000,
          "it returns when that arrives (after %lld us)", returned_at - before);
    leaves(". 1001:1001(0) ack 101");
}

static void check_connection(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(8080) }, from;
    socklen_t len = sizeof from;
    unsigned char info[280];
    static char zeros[1000];
    addr.sin_addr.s_addr = htonl(0xc0a80002);
    const int fd = CALL(SLOT_SOCKET, four_ints *)(table[0], AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0, "a socket");
    CHECK(CALL(SLOT_BIND, bind_fn *)(table[0], fd, (struct sockaddr *)&addr, sizeof addr) == 0,
          "is bound");
    CHECK(CALL(SLOT_LISTEN, two_ints *)(table[0], fd, 5) == 0, "listens");
    arrives("S 0:0(0) win 65535 <mss 1000>");
    leaves("S. 0:0(0) ack 1");
    arrives(". 1:1(0) ack 1 win 65535");
    connection = CALL(SLOT_ACCEPT, accept_fn *)(table[0], fd, (struct sockaddr *)&from, &len);
    CHECK(connection >= 0 && ntohs(from.sin_port) == 40001 && len == sizeof from,
          "accepts, and says from whom");
    const long long wrote = now();
    CHECK(CALL(SLOT_WRITE, write_fn *)(table[0], connection, zeros, 1000) == 1000, "writes");
    leaves("P. 1:1001(1000) ack 1");
    const long long again = leaves("P. 1:1001(1000) ack 1");
    CHECK(again - wrote >= 199000 && again - wrote < 2000000,
          "and once more when nobody acknowledges (%lld us)", again - wrote);
    arrives(". 1:1(0) ack 1001 win 65535");
    len = sizeof info;
    CHECK(CALL(SLOT_GETSOCKOPT, option_fn *)(table[0], connection, IPPROTO_TCP, 11, info, &len) ==
                  0 &&
              len == 280 && info[0] == 1,
          "TCP_INFO is as long as packetdrill wants it");
    check_waiting();
    CHECK(CALL(SLOT_CLOSE, one_int *)(table[0], connection) == 0, "closes");
    leaves("F. 1001:1001(0) ack 101");
    errno = 0;
    CHECK(CALL(SLOT_CLOSE, one_int *)(table[0], connection) == -1 && errno == EBADF,
          "and not twice");
    CHECK(close(fd) == 0, "a descriptor is the kernel's, too");
}

int main(int argc, char **argv)
{
    void *library = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!CHECK(library != NULL, "the library loads (%s)", library == NULL ? dlerror() : ""))
        return tap_done();
    void (*init)(const char *, void *) =
        (void (*)(const char *, void *))dlsym(library, "packetdrill_interface_init");
    if (!CHECK(init != NULL, "it has packetdrill_interface_init"))
        return tap_done();
    init("local=192.168.0.2/16,mtu=1500,proc=none,net.ipv4.tcp_sack=0", table);
    unsigned empty = 0;
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        empty += table[i] == NULL;
    CHECK(empty == 0, "every place of the table is filled");
    flow = (struct flow){ .local = weir_ip_v4(192, 168, 0, 2),
                          .remote = weir_ip_v4(192, 0, 2, 1),
                          .local_port = 8080,
                          .remote_port = 40001,
                          .ports_known = true };
    check_connection();
    ((void (*)(void *))table[SLOT_FREE])(table[0]);
    return tap_done();
}
