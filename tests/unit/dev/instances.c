/* SPDX-License-Identifier: MIT */

/* Real instances on what this folder and src/loop provide: two of them joined by a pair, and one on
 * a TAP device with the kernel at the other end, each run by a loop and captured. */
#include "tap.h"

#include "namespace.h"

#include "weir/loop.h"
#include "weir/trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define BULK     (2 << 20) /* octets from one end to the other */
#define PORT     7
#define PATIENCE (5 * WEIR_SECOND)

/* An instance and what its program does: it sends BULK octets of the pattern, or takes them in, or
 * returns what it gets. */
enum role {
    SENDER,
    RECEIVER,
    ECHO
};

struct node {
    enum role role;
    struct weir *weir;
    void *memory;
    size_t memory_len;
    unsigned iface;
    weir_handle listener, conn;
    size_t done;
    bool wrong, over;
    struct weir_loop *loop;
};

static char why[WEIR_LINE_MAX];
static uint8_t buffer[65536];

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + at / 509);
}

static bool make(struct node *node, enum role role, uint8_t last, const uint8_t mac[6],
                 bool offload)
{
    struct weir_config config;
    weir_config_default(&config);
    config.tcp_max = 16;
    config.ring_chunks = 4096;
    memset(node, 0, sizeof *node);
    node->role = role;
    if (weir_secrets_fill(&config, why) != 0)
        return false;
    node->memory_len = weir_memory_size(&config);
    node->memory = mmap(NULL, node->memory_len, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const weir_time now = weir_loop_clock();
    struct weir_iface_config iface = { .medium = WEIR_ETHERNET,
                                       .mtu = 1500,
                                       .csum_offload = offload,
                                       .tso = offload,
                                       .no_dad = true };
    memcpy(iface.mac, mac, 6);
    const struct weir_ip ip = weir_ip_v4(192, 0, 2, last);
    return node->memory != MAP_FAILED &&
           weir_init(&node->weir, node->memory, node->memory_len, &config, now) == WEIR_OK &&
           weir_iface_add(node->weir, &iface, &node->iface, now) == WEIR_OK &&
           weir_address_add(node->weir, node->iface, &ip, 24, now) == WEIR_OK;
}

static void drop(struct node *node)
{
    munmap(node->memory, node->memory_len);
}

/* ---- The programs ---- */

static void end(struct node *node, weir_time now)
{
    (void)weir_release(node->weir, node->conn, now);
    node->conn = WEIR_NO_HANDLE;
    node->over = true;
    weir_loop_stop(node->loop);
}

static void send_more(struct node *node, weir_time now)
{
    while (node->done < BULK) {
        const size_t len = BULK - node->done < sizeof buffer ? BULK - node->done : sizeof buffer;
        size_t taken = 0;
        for (size_t i = 0; i < len; i++)
            buffer[i] = pattern(node->done + i);
        const enum weir_error error =
            weir_send(node->weir, node->conn, buffer, len, 0, &taken, now);
        node->wrong = node->wrong || (error != WEIR_OK && error != WEIR_AGAIN);
        if (error != WEIR_OK)
            return;
        node->done += taken;
    }
    (void)weir_shutdown(node->weir, node->conn, now);
}

static void receive(struct node *node, weir_time now)
{
    for (;;) {
        size_t len = 0;
        const enum weir_error error =
            weir_recv(node->weir, node->conn, buffer, sizeof buffer, &len, now);
        if (error == WEIR_AGAIN)
            return;
        node->wrong = node->wrong || error != WEIR_OK;
        if (error != WEIR_OK || len == 0) {
            end(node, now);
            return;
        }
        for (size_t i = 0; i < len; i++)
            node->wrong = node->wrong || buffer[i] != pattern(node->done + i);
        node->done += len;
    }
}

/* Takes in only what it can send back at once; the rest waits in the receive queue, and fills the
 * peer's window. */
static void echo(struct node *node, weir_time now)
{
    for (;;) {
        struct weir_span span[WEIR_SPANS];
        unsigned count = 1;
        size_t len = 0, taken = 0;
        if (weir_send_room(node->weir, node->conn, sizeof buffer, span, &count) != WEIR_OK ||
            count == 0)
            return;
        const size_t room = span[0].len < sizeof buffer ? span[0].len : sizeof buffer;
        const enum weir_error error = weir_recv(node->weir, node->conn, buffer, room, &len, now);
        if (error == WEIR_AGAIN)
            return;
        if (error != WEIR_OK || len == 0) {
            node->wrong = node->wrong || error != WEIR_OK;
            end(node, now);
            return;
        }
        const enum weir_error sent = weir_send(node->weir, node->conn, buffer, len, 0, &taken, now);
        node->wrong = node->wrong || sent != WEIR_OK || taken != len;
        node->done += taken;
    }
}

static void on_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct node *node = user;
    if (event->handle == node->listener) {
        if (weir_accept(weir, node->listener, &node->conn, now) == WEIR_OK)
            weir_rearm(weir, node->conn);
        return;
    }
    if (event->handle != node->conn)
        return;
    if (node->role == SENDER && (event->ready & WEIR_CONNECTED))
        send_more(node, now);
    if (node->role == SENDER && (event->ready & WEIR_EOF))
        end(node, now);
    if (node->role == RECEIVER)
        receive(node, now);
    if (node->role == ECHO)
        echo(node, now);
}

/* ---- Two on a pair ---- */

static bool file_has(const char *path, const char *text)
{
    char command[300];
    snprintf(command, sizeof command, "grep -qaF '%s' %s", text, path);
    return system(command) == 0;
}

static void test_pair(bool complete_sums, const char *path)
{
    static const uint8_t mac[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };
    struct node a, b;
    struct weir_loop *loop = NULL;
    struct weir_pair *pair = NULL;
    struct weir_capture *capture = NULL;
    const struct weir_capture_config file = { .path = path,
                                              .snap_len = 200,
                                              .epoch = weir_loop_epoch() };
    if (!CHECK(make(&a, SENDER, 1, mac[0], true) && make(&b, RECEIVER, 2, mac[1], true),
               "two instances"))
        return;
    CHECK(weir_loop_open(&loop, NULL, why) == 0 && weir_capture_open(&capture, &file, why) == 0,
          "a loop, a capture");
    a.loop = b.loop = loop;
    const struct weir_pair_end ends[2] = {
        { a.weir, a.iface, capture, (unsigned)weir_capture_attach(capture, a.weir, a.iface, "a") },
        { b.weir, b.iface, capture, (unsigned)weir_capture_attach(capture, b.weir, b.iface, "b") },
    };
    CHECK(weir_pair_open(&pair, ends, complete_sums, why) == 0 &&
              weir_loop_add_pair(loop, pair) == 0 &&
              weir_loop_add_instance(loop, a.weir, on_event, &a) == 0 &&
              weir_loop_add_instance(loop, b.weir, on_event, &b) == 0,
          "joined by a pair");
    const struct weir_addr to = { .ip = weir_ip_v4(192, 0, 2, 2), .port = PORT };
    CHECK(weir_listen(b.weir, &to, 8, 0, &b.listener) == WEIR_OK &&
              weir_connect(a.weir, NULL, &to, &a.conn, weir_loop_clock()) == WEIR_IN_PROGRESS,
          "one listens, one connects");
    for (const weir_time end_at = weir_loop_clock() + PATIENCE;
         !(a.over && b.over) && weir_loop_clock() < end_at;) {
        if (weir_loop_step(loop, end_at, why) != 0)
            break;
    }
    CHECK(a.done == BULK && b.done == BULK && !a.wrong && !b.wrong,
          "%zu octets sent, %zu arrive as they were", a.done, b.done);
    CHECK(a.over && b.over, "and both ends close");
    weir_check(a.weir);
    weir_check(b.weir);
    weir_pair_close(pair);
    weir_loop_close(loop);
    weir_capture_close(capture);
    CHECK(file_has(path, "out: syn [SYN-SENT]"), "the capture says why the first segment left");
    CHECK(file_has(path, "SYN-SENT -> ESTABLISHED: our syn acknowledged]"), "what the answer did");
    CHECK(file_has(path, "out: fin [LAST-ACK]"),
          "and why the last, which its program no longer saw");
    drop(&a);
    drop(&b);
}

static void test_readers(const char *path)
{
    if (!sh("command -v tshark >/dev/null 2>&1")) {
        SKIP("tshark is not installed");
        return;
    }
    CHECK(sh("test $(tshark -r %s -Y 'frame.comment' 2>/dev/null | wc -l) -gt 20", path),
          "tshark reads the packets and their comments");
    CHECK(!sh("tshark -r %s -o tcp.check_checksum:TRUE -Y '_ws.malformed' 2>/dev/null | grep -q .",
              path),
          "none malformed");
    CHECK(!sh("tshark -r %s -o tcp.check_checksum:TRUE -Y 'tcp.checksum.status == \"Bad\"' "
              "2>/dev/null | grep -q .",
              path),
          "no sum wrong");
    CHECK(sh("capinfos -c %s 2>/dev/null | grep -q 'Number of packets'", path),
          "capinfos counts them");
}

/* ---- One on a TAP device ---- */

/* The kernel's side, in a process of its own: sends BULK octets and wants them back. Exit status 0
 * if it gets them. */
static int run_client(void)
{
    static uint8_t octets[BULK];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    size_t sent = 0, got = 0;
    inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = { .tv_sec = 5 };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        return 2;
    for (size_t i = 0; i < BULK; i++)
        octets[i] = pattern(i);
    while (got < BULK) {
        const ssize_t put =
            sent < BULK ? send(fd, octets + sent, BULK - sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (put < 0 && errno != EAGAIN)
            return 3;
        sent += put > 0 ? (size_t)put : 0;
        const ssize_t took = recv(fd, buffer, sizeof buffer, sent < BULK ? MSG_DONTWAIT : 0);
        if (took == 0 || (took < 0 && (errno != EAGAIN || sent == BULK)))
            return 4;
        for (ssize_t i = 0; i < took; i++)
            if (buffer[i] != pattern(got + (size_t)i))
                return 5;
        got += took > 0 ? (size_t)took : 0;
    }
    shutdown(fd, SHUT_WR);
    return recv(fd, buffer, 1, 0) == 0 ? 0 : 6;
}

static weir_time cpu_time(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * WEIR_SECOND +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) * WEIR_US;
}

static void run_echo(struct node *node, struct weir_dev *dev)
{
    int status = -1;
    const pid_t child = fork();
    if (child == 0)
        _exit(run_client());
    const weir_time end_at = weir_loop_clock() + PATIENCE;
    while (!node->over && weir_loop_clock() < end_at)
        if (weir_loop_step(node->loop, end_at, why) != 0)
            break;
    /* The last acknowledgements. */
    const weir_time linger = weir_loop_clock() + 100 * WEIR_MS;
    while (weir_loop_clock() < linger)
        if (weir_loop_step(node->loop, linger, why) != 0)
            break;
    (void)waitpid(child, &status, 0);
    CHECK(status == 0, "the kernel's program gets back what it sent: %d", status >> 8);
    CHECK(node->done == BULK && !node->wrong && node->over, "%zu octets went through", node->done);
    CHECK(dev->counters.lost == 0, "no frame was refused by the device");
}

static void run_idle(struct node *node)
{
    struct weir_loop_counters before, after;
    const weir_time cpu = cpu_time(), until = weir_loop_clock() + 300 * WEIR_MS;
    weir_loop_counters(node->loop, &before);
    while (weir_loop_clock() < until)
        if (weir_loop_step(node->loop, until, why) != 0)
            break;
    weir_loop_counters(node->loop, &after);
    CHECK(cpu_time() - cpu < 10 * WEIR_MS, "idle, it uses %d us of CPU in 300 ms, in %u rounds",
          (int)((cpu_time() - cpu) / WEIR_US), (unsigned)(after.rounds - before.rounds));
}

static void test_wire(const char *spec, const char *kernel_end)
{
    struct weir_dev *dev = NULL;
    struct node node;
    if (!CHECK(weir_dev_open(&dev, spec, why) == 0, "%s opens %s", spec, why))
        return;
    CHECK(sh("ip addr add 192.0.2.1/24 dev %s && ip link set %s up", kernel_end, kernel_end),
          "the kernel's end");
    CHECK(make(&node, ECHO, 2, dev->mac, dev->csum), "an instance");
    CHECK(weir_loop_open(&node.loop, NULL, why) == 0 &&
              weir_loop_add_instance(node.loop, node.weir, on_event, &node) == 0 &&
              weir_loop_add_dev(node.loop, node.weir, node.iface, dev, NULL, 0) == 0,
          "a loop runs it");
    const struct weir_addr at = { .port = PORT };
    CHECK(weir_listen(node.weir, &at, 8, 0, &node.listener) == WEIR_OK, "it listens");
    run_echo(&node, dev);
    run_idle(&node);
    weir_check(node.weir);
    weir_loop_close(node.loop);
    weir_dev_close(dev);
    drop(&node);
    (void)sh("ip link del %s 2>/dev/null", kernel_end);
}

int main(void)
{
    char path[] = "/tmp/weir-test-XXXXXX";
    const int fd = mkstemp(path);
    close(fd);
    test_pair(false, path);
    test_pair(true, path);
    test_readers(path);
    unlink(path);
    if (!enter_namespace() || !sh("command -v ip >/dev/null")) {
        SKIP("needs a network namespace and iproute2");
        return tap_done();
    }
    if (access("/dev/net/tun", R_OK | W_OK) == 0) {
        test_wire("tap:weirtap", "weirtap");
        test_wire("tap:weirtap,plain", "weirtap");
    } else {
        SKIP("/dev/net/tun cannot be opened");
    }
    CHECK(sh("ip link add weira type veth peer name weirb"), "a veth pair");
    test_wire("packet:weirb", "weira");
    return tap_done();
}
