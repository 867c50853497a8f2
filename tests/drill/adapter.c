/* SPDX-License-Identifier: MIT */

/* libweir-packetdrill.so through the table that packetdrill calls: loaded as packetdrill loads it,
 * in virtual time, with calls that wait in a second thread, and settings that somebody else makes.
 *
 * The object starts its program once more, preloaded, so nothing is checked before that. */

#include "drill/packet.h"
#include "tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MAX_MS 10000

/* Only places are named here that the test calls; the table is 33 pointers in packetdrill's order.
 */
enum slot {
    SLOT_USERDATA,
    SLOT_FREE,
    SLOT_SOCKET,
    SLOT_BIND,
    SLOT_LISTEN,
    SLOT_ACCEPT,
    SLOT_CONNECT,
    SLOT_READ,
    SLOT_WRITE = 12,
    SLOT_CLOSE = 19,
    SLOT_SHUTDOWN,
    SLOT_GETSOCKOPT,
    SLOT_POLL = 23,
    SLOT_SEND_PACKET,
    SLOT_RECEIVE_PACKET,
    SLOT_USLEEP,
    SLOT_TIME,
    SLOT_EPOLL_CREATE,
    SLOT_EPOLL_CTL,
    SLOT_EPOLL_WAIT,
    SLOT_COUNT = 33
};

static void *table[SLOT_COUNT], *init;
static struct flow flow;

#define CALL(slot, type) ((type)table[slot])

typedef int four_ints(void *, int, int, int);
typedef int two_ints(void *, int, int);
typedef int one_int(void *, int);
typedef int poll_fn(void *, struct pollfd *, nfds_t, int);
typedef int ctl_fn(void *, int, int, int, struct epoll_event *);
typedef int wait_fn(void *, int, struct epoll_event *, int, int);
typedef int bind_fn(void *, int, const struct sockaddr *, socklen_t);
typedef int accept_fn(void *, int, struct sockaddr *, socklen_t *);
typedef ssize_t read_fn(void *, int, void *, size_t);
typedef ssize_t write_fn(void *, int, const void *, size_t);
typedef int option_fn(void *, int, int, int, void *, socklen_t *);
typedef ssize_t sendfile_fn(int, int, off_t *, size_t);
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
        flow_learn(&flow, &(struct packet){ .proto = PROTO_TCP }, &seen);
    seen_relative(&seen, &flow);
    packet_show(&seen.is, text);
    CHECK(strncmp(text, wanted, strlen(wanted)) == 0, "%s leaves (%s)", wanted, text);
    return usecs;
}

static int connection;
static ssize_t got;
static long long returned_at;

static _Atomic long task; /* of the thread that calls */

static void begin_thread(pthread_t *thread, void *(*body)(void *))
{
    task = 0;
    pthread_create(thread, NULL, body, NULL);
}

/* Until the thread waits in the kernel, as packetdrill wants it. */
static void until_it_waits(void)
{
    const struct timespec moment = { 0, 1000000 };
    char path[64], text[200];
    const char *name_end = NULL;
    for (unsigned i = 0; i < WAIT_MAX_MS && (name_end == NULL || name_end[2] != 'S'); i++) {
        nanosleep(&moment, NULL);
        snprintf(path, sizeof path, "/proc/self/task/%ld/stat", (long)task);
        FILE *file = fopen(path, "r");
        const size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
        text[len] = '\0';
        name_end = strrchr(text, ')');
        if (file != NULL)
            fclose(file);
    }
    CHECK(name_end != NULL && name_end[2] == 'S', "the thread waits in the kernel");
}

static void *reader(void *unused)
{
    static char data[1000];
    (void)unused;
    task = syscall(SYS_gettid);
    got = CALL(SLOT_READ, read_fn *)(table[0], connection, data, sizeof data);
    returned_at = now();
    return NULL;
}

static void check_waiting(void)
{
    pthread_t thread;
    begin_thread(&thread, reader);
    until_it_waits();
    const long long before = now();
    CALL(SLOT_USLEEP, usleep_fn *)(table[0], 500000);
    arrives("P. 1:101(100) ack 1001 win 65535");
    CALL(SLOT_USLEEP, usleep_fn *)(table[0], 500000);
    pthread_join(thread, NULL);
    CHECK(got == 100, "read gives what arrived (%zd)", got);
    CHECK(returned_at - before >= 500000 && returned_at - before < 501000,
          "it returns when that arrives (after %lld us)", returned_at - before);
    leaves(". 1001:1001(0) ack 101");
    begin_thread(&thread, reader);
    until_it_waits();
    CHECK(CALL(SLOT_WRITE, write_fn *)(table[0], connection, "", 1) == 1,
          "beside a read that waits something is written");
    leaves("P. 1001:1002(1) ack 101");
    arrives(". 101:101(0) ack 1002 win 65535");
    CHECK(CALL(SLOT_SHUTDOWN, two_ints *)(table[0], connection, SHUT_RD) == 0, "and shut down");
    pthread_join(thread, NULL);
    CHECK(got == 0, "which ends the read (%zd)", got);
}

static const struct flow peer = { .remote_port = 40001, .local_port = 8080, .ports_known = true };

static void start(const char *flags)
{
    ((void (*)(const char *, void *))init)(flags, table);
    flow = peer;
    flow.local = weir_ip_v4(192, 168, 0, 2);
    flow.remote = weir_ip_v4(192, 0, 2, 1);
}

static void finish(void)
{
    ((void (*)(void *))table[SLOT_FREE])(table[0]);
}

static int listening(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(8080) };
    addr.sin_addr.s_addr = htonl(0xc0a80002);
    const int fd = CALL(SLOT_SOCKET, four_ints *)(table[0], AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0, "a socket");
    CHECK(CALL(SLOT_BIND, bind_fn *)(table[0], fd, (struct sockaddr *)&addr, sizeof addr) == 0,
          "is bound");
    CHECK(CALL(SLOT_LISTEN, two_ints *)(table[0], fd, 5) == 0, "listens");
    return fd;
}

static int accepted(int fd)
{
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    const int live = CALL(SLOT_ACCEPT, accept_fn *)(table[0], fd, (struct sockaddr *)&from, &len);
    CHECK(live >= 0 && ntohs(from.sin_port) == flow.remote_port && len == sizeof from,
          "accepts, and says from whom");
    return live;
}

/* A second peer's SYN, and what it is answered. */
static void knocks(uint16_t port, const char *answer)
{
    flow.remote_port = port;
    flow.iss_known = flow.irs_known = false;
    flow.remote_shift = 0;
    arrives("S 0:0(0) win 65535 <mss 1000,sackOK,nop,nop>");
    leaves(answer);
}

static void check_connection(void)
{
    unsigned char info[280];
    static char zeros[1000];
    start("local=192.168.0.2/16,mtu=1500,proc=none,net.ipv4.tcp_sack=0");
    unsigned empty = 0;
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        empty += table[i] == NULL;
    CHECK(empty == 0, "every place of the table is filled");
    const int fd = listening();
    arrives("S 0:0(0) win 65535 <mss 1000>");
    leaves("S. 0:0(0) ack 1");
    arrives(". 1:1(0) ack 1 win 65535");
    connection = accepted(fd);
    const long long wrote = now();
    CHECK(CALL(SLOT_WRITE, write_fn *)(table[0], connection, zeros, 1000) == 1000, "writes");
    leaves("P. 1:1001(1000) ack 1");
    const long long again = leaves("P. 1:1001(1000) ack 1");
    CHECK(again - wrote >= 199000 && again - wrote < 2000000,
          "and once more when nobody acknowledges (%lld us)", again - wrote);
    arrives(". 1:1(0) ack 1001 win 65535");
    socklen_t len = sizeof info;
    CHECK(CALL(SLOT_GETSOCKOPT, option_fn *)(table[0], connection, IPPROTO_TCP, 11, info, &len) ==
                  0 &&
              len == 280 && info[0] == 1,
          "TCP_INFO is as long as packetdrill wants it");
    check_waiting();
    CHECK(CALL(SLOT_CLOSE, one_int *)(table[0], connection) == 0, "closes");
    leaves("F. 1002:1002(0) ack 101");
    errno = 0;
    CHECK(CALL(SLOT_CLOSE, one_int *)(table[0], connection) == -1 && errno == EBADF,
          "and not twice");
    CHECK(close(fd) == 0, "a descriptor is the kernel's, too");
    finish();
}

/* ---- what packetdrill does past the table ---- */

static void check_past_the_table(void)
{
    char path[] = "adapter-file-XXXXXX";
    unsigned char info[280] = { 0 };
    socklen_t len = sizeof info;
    start("local=192.168.0.2/16,proc=none");
    const int fd = listening();
    arrives("S 0:0(0) win 65535 <mss 1000>");
    leaves("S. 0:0(0) ack 1");
    arrives(". 1:1(0) ack 1 win 65535");
    connection = accepted(fd);
    CHECK(getsockopt(connection, IPPROTO_TCP, 11, info, &len) == 0 && len == 280 && info[0] == 1,
          "the C library's getsockopt asks weir, too");
    errno = 0;
    CHECK(getsockopt(0, SOL_SOCKET, SO_TYPE, info, &len) == -1 && errno != 0,
          "but not of descriptors that are not its");
    const int file = mkstemp(path);
    const char text[20] = { 0 };
    off_t at = 5;
    CHECK(file >= 0 && write(file, text, sizeof text) == (ssize_t)sizeof text, "a file");
    CHECK(sendfile(connection, file, &at, 100) == 15 && at == 20, "sendfile sends the rest of it");
    leaves("P. 1:16(15) ack 1");
    arrives(". 1:1(0) ack 16 win 65535");
    CHECK(sendfile(connection, file, &at, 100) == 0, "then nothing");
    sendfile_fn *const other = (sendfile_fn *)dlsym(RTLD_DEFAULT, "sendfile");
    at = 18;
    CHECK(other != NULL && other(connection, file, &at, 100) == 2, "under its other name, too");
    leaves("P. 16:18(2) ack 1");
    arrives(". 1:1(0) ack 18 win 65535");
    CHECK(lseek(file, 3, SEEK_SET) == 3 && sendfile(connection, file, NULL, 4) == 4 &&
              lseek(file, 0, SEEK_CUR) == 7,
          "without an offset the file's own is used");
    leaves("P. 18:22(4) ack 1");
    close(file);
    unlink(path);
    finish();
}

/* ---- calls that wait, poll, errors ---- */

static int call_result, call_errno;

static void *connector(void *unused)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(8080) };
    (void)unused;
    addr.sin_addr.s_addr = htonl(0xc0000201);
    task = syscall(SYS_gettid);
    errno = 0;
    call_result =
        CALL(SLOT_CONNECT, bind_fn *)(table[0], connection, (struct sockaddr *)&addr, sizeof addr);
    call_errno = errno;
    returned_at = now();
    return NULL;
}

static void check_connect(void)
{
    pthread_t thread;
    start("local=192.168.0.2/16,proc=none");
    flow.ports_known = false;
    flow.remote_port = 8080;
    connection = CALL(SLOT_SOCKET, four_ints *)(table[0], AF_INET, SOCK_STREAM, 0);
    begin_thread(&thread, connector);
    until_it_waits();
    const long long sent = leaves("S 0:0(0)");
    CALL(SLOT_USLEEP, usleep_fn *)(table[0], 100000);
    arrives("R. 0:0(0) ack 1 win 0");
    pthread_join(thread, NULL);
    CHECK(call_result == -1 && call_errno == ECONNREFUSED, "a connect that waits is refused (%d)",
          call_errno);
    CHECK(returned_at - sent >= 99000 && returned_at - sent < 102000,
          "when the reset arrives (after %lld us)", returned_at - sent);
    finish();
}

static struct pollfd polled[3];

static void *poller(void *unused)
{
    (void)unused;
    task = syscall(SYS_gettid);
    call_result = CALL(SLOT_POLL, poll_fn *)(table[0], polled, 3, 250);
    returned_at = now();
    return NULL;
}

static void check_poll(void)
{
    pthread_t thread;
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 77 };
    start("local=192.168.0.2/16,proc=none");
    const int fd = listening(), epoll = CALL(SLOT_EPOLL_CREATE, one_int *)(table[0], 1);
    CHECK(epoll >= 0 && epoll != fd, "an epoll descriptor");
    CHECK(CALL(SLOT_EPOLL_CTL, ctl_fn *)(table[0], epoll, EPOLL_CTL_ADD, fd, &event) == 0,
          "watches");
    CHECK(CALL(SLOT_EPOLL_WAIT, wait_fn *)(table[0], epoll, &event, 1, 0) == 0, "nothing yet");
    polled[0] = (struct pollfd){ fd, POLLIN, 0 };
    polled[1] = (struct pollfd){ -1, POLLIN, 7 };
    polled[2] = (struct pollfd){ 1000, POLLIN, 0 };
    CHECK(CALL(SLOT_POLL, poll_fn *)(table[0], polled, 3, 0) == 1 && polled[1].revents == 0 &&
              polled[2].revents == POLLNVAL,
          "poll passes over what is negative, and says what is not open");
    polled[2].fd = -1;
    const long long first = now();
    CHECK(CALL(SLOT_POLL, poll_fn *)(table[0], polled, 3, 30) == 0 && now() - first == 30000,
          "one that waits where nobody can help lets its time pass");
    const long long before = now();
    begin_thread(&thread, poller);
    until_it_waits();
    CALL(SLOT_USLEEP, usleep_fn *)(table[0], 1000000);
    pthread_join(thread, NULL);
    CHECK(call_result == 0 && returned_at - before == 250000,
          "poll gives up in its time (%d after %lld us)", call_result, returned_at - before);
    arrives("S 0:0(0) win 65535 <mss 1000>");
    leaves("S. 0:0(0) ack 1");
    arrives(". 1:1(0) ack 1 win 65535");
    CHECK(CALL(SLOT_EPOLL_WAIT, wait_fn *)(table[0], epoll, &event, 1, 0) == 1 &&
              event.data.u64 == 77,
          "epoll_wait gives back what was given to it");
    finish();
}

static void check_clock(void)
{
    size_t len = 100;
    long long usecs = 0;
    char packet[100];
    start("local=192.168.0.2/16,proc=none");
    (void)listening();
    const long long first = now();
    CHECK(now() == first, "one moment lasts for some questions");
    long long last = first;
    for (unsigned i = 0; i < 1000 && last == first; i++)
        last = now();
    CHECK(last > first, "but who does nothing but ask sees time pass");
    CHECK(CALL(SLOT_RECEIVE_PACKET, receive_fn *)(table[0], packet, &len, &usecs) == 0 && len == 0,
          "where nothing ever leaves, waiting ends");
    CHECK(now() - first >= 30000000, "after 30 seconds that nobody had to wait");
    finish();
}

/* ---- settings ---- */

static char folder[] = "adapter-proc-XXXXXX";

static void setting(const char *name, const char *value)
{
    char path[200];
    snprintf(path, sizeof path, "%s/net/ipv4/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (CHECK(file != NULL, "%s is %s", name, value)) {
        fprintf(file, "%s\n", value);
        fclose(file);
    }
}

static void check_settings(void)
{
    char flags[200], command[200];
    snprintf(flags, sizeof flags, "net.ipv4.tcp_timestamps=0,local=192.168.0.2/16,proc=%s", folder);
    setting("tcp_sack", "1");
    setting("tcp_timestamps", "1");
    setting("tcp_window_scaling", "0");
    start(flags);
    setting("tcp_sack", "0");
    const int fd = listening();
    knocks(40001, "S. 0:0(0) ack 1 win 15360 <mss 1460>");
    setting("tcp_sack", "1");
    knocks(40002, "S. 0:0(0) ack 1 win 15360 <mss 1460>");
    CHECK(system("true") == 0, "a command has run");
    knocks(40003, "S. 0:0(0) ack 1 win 15360 <mss 1460,nop,nop,sackOK>");
    snprintf(command, sizeof command, "echo 0 > %s/net/ipv4/tcp_sack", folder);
    CHECK(system(command) == 0, "one that changes something");
    knocks(40004, "S. 0:0(0) ack 1 win 15360 <mss 1460>");
    CHECK(system("nstat | grep -q 'TcpInSegs  *4 '") == 0, "nstat shows what weir has counted");
    CHECK(system("nstat | grep -q TcpInSegs") != 0, "and the next one, what has come since");
    CALL(SLOT_CLOSE, one_int *)(table[0], fd);
    finish();
}

/* What refuses ends the process, with 1 and a line. */
static void check_refused(const char *flags, const char *name, const char *value)
{
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        FILE *const quiet = freopen("/dev/null", "w", stderr);
        (void)!freopen("/dev/null", "w", stdout);
        start(flags);
        if (quiet != NULL && value != NULL) {
            char path[200];
            snprintf(path, sizeof path, "%s/net/ipv4/%s", folder, name);
            FILE *file = fopen(path, "w");
            fprintf(file, "%s\n", value);
            fclose(file);
            (void)CALL(SLOT_SOCKET, four_ints *)(table[0], AF_INET, SOCK_STREAM, 0);
        } else if (name != NULL) {
            (void)accepted(listening());
        }
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%s %s is refused",
          flags != NULL ? flags : "no flags", name != NULL ? name : "");
}

static void make_folder(void)
{
    char path[200];
    if (!CHECK(mkdtemp(folder) != NULL, "a folder"))
        return;
    snprintf(path, sizeof path, "%s/net", folder);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/net/ipv4", folder);
    (void)mkdir(path, 0700);
}

static void remove_folder(void)
{
    static const char *const names[] = { "net/ipv4/tcp_sack",
                                         "net/ipv4/tcp_window_scaling",
                                         "net/ipv4/tcp_timestamps",
                                         "net/ipv4/tcp_reordering",
                                         "net/ipv4",
                                         "net",
                                         "" };
    char path[200];
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
}

static void check_refusals(void)
{
    char flags[200];
    check_refused(NULL, NULL, NULL);
    check_refused("local=192.168.0.2/16,proc=none,mtu=5", NULL, NULL);
    check_refused("local=192.168.0.2/33,proc=none", NULL, NULL);
    check_refused("local=elsewhere,proc=none", NULL, NULL);
    check_refused("local=192.168.0.2/16,proc=none,nonsense", NULL, NULL);
    check_refused("local=192.168.0.2/16,proc=none,net.ipv4.tcp_sack=maybe", NULL, NULL);
    check_refused("local=192.168.0.2/16,proc=none,net.ipv4.tcp_no_such=1", NULL, NULL);
    check_refused("local=192.168.0.2/16,proc=none", "an accept that nothing ends", NULL);
    setting("tcp_reordering", "3");
    snprintf(flags, sizeof flags, "local=192.168.0.2/16,proc=%s", folder);
    check_refused(flags, "tcp_reordering", "7");
}

int main(int argc, char **argv)
{
    void *library = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL && !CHECK(false, "the library loads (%s)", dlerror()))
        return tap_done();
    init = dlsym(library, "packetdrill_interface_init");
    if (init == NULL && !CHECK(false, "it has packetdrill_interface_init"))
        return tap_done();
    check_connection();
    check_past_the_table();
    check_connect();
    check_poll();
    check_clock();
    make_folder();
    check_settings();
    check_refusals();
    remove_folder();
    return tap_done();
}
