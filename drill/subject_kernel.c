/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "base/csum.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define TUN_NAME    "tun0"
#define TUN_QUEUE   1024
#define ROUTE_TRIES 5000 /* milliseconds until an IPv6 address must have its route */

/* The kernel this runs on, in a network namespace of its own, with a TUN device as the wire. Calls
 * that the script says will wait are made by a thread. */
struct kernel_subject {
    struct run *run;
    int tun;
    pthread_t thread;
    bool thread_made, quit;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    const struct call *work; /* for the thread; NULL: none */
    struct call call;
    bool done;
    long result;
    weir_time ended;
    int done_pipe[2]; /* readable when the call is done */
};

static const long numbers[CALL_COUNT] = {
#define X(name) [CALL_##name] = SYS_##name,
    DRILL_CALLS(X)
#undef X
};

static weir_time kernel_now(void *subject)
{
    struct timespec now;
    (void)subject;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (weir_time)now.tv_sec * WEIR_SECOND + now.tv_nsec;
}

static long make(const struct call *call)
{
    const long *a = call->arg;
    const long result = syscall(numbers[call->id], a[0], a[1], a[2], a[3], a[4], a[5]);
    return result == -1 ? -errno : result;
}

/* ---- the thread that waits ---- */

static void *work(void *subject)
{
    struct kernel_subject *self = subject;
    pthread_mutex_lock(&self->lock);
    while (!self->quit) {
        if (self->work == NULL) {
            pthread_cond_wait(&self->wake, &self->lock);
            continue;
        }
        pthread_mutex_unlock(&self->lock);
        const long result = make(&self->call);
        const weir_time ended = kernel_now(NULL);
        pthread_mutex_lock(&self->lock);
        self->result = result;
        self->ended = ended;
        self->done = true;
        self->work = NULL;
        const ssize_t told = write(self->done_pipe[1], "", 1);
        (void)told;
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static long kernel_call(void *subject, const struct call *call, bool may_wait)
{
    struct kernel_subject *self = subject;
    if (!may_wait)
        return make(call);
    pthread_mutex_lock(&self->lock);
    self->call = *call;
    self->done = false;
    self->work = &self->call;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    return CALL_BLOCKS;
}

static long kernel_resume(void *subject, weir_time *when)
{
    struct kernel_subject *self = subject;
    char octet;
    pthread_mutex_lock(&self->lock);
    const bool done = self->done;
    const long result = self->result;
    *when = self->ended;
    if (done) {
        self->done = false;
        const ssize_t got = read(self->done_pipe[0], &octet, 1);
        (void)got;
    }
    pthread_mutex_unlock(&self->lock);
    return done ? result : CALL_BLOCKS;
}

/* ---- the wire ---- */

static void kernel_advance(void *subject, weir_time until)
{
    struct kernel_subject *self = subject;
    const weir_time left = until - kernel_now(NULL);
    struct pollfd fds[2] = { { .fd = self->tun, .events = POLLIN },
                             { .fd = self->done_pipe[0], .events = POLLIN } };
    const struct timespec wait = { left > 0 ? left / WEIR_SECOND : 0,
                                   left > 0 ? left % WEIR_SECOND : 0 };
    ppoll(fds, 2, &wait, NULL);
}

/* Packets come and go behind a header that says what a device with TSO would have to do, so that
 * the kernel sends as it does on real devices. */
#define HEAD sizeof(struct virtio_net_hdr)

static bool kernel_inject(void *subject, const uint8_t *packet, size_t len)
{
    struct kernel_subject *self = subject;
    struct virtio_net_hdr head = { 0 };
    const struct iovec iov[2] = { { &head, sizeof head }, { (void *)(uintptr_t)packet, len } };
    return writev(self->tun, iov, 2) == (ssize_t)(HEAD + len);
}

/* The sum that the kernel has left to the device. */
static void complete_sum(const struct virtio_net_hdr *head, uint8_t *packet, size_t len)
{
    const size_t at = (size_t)head->csum_start + head->csum_offset;
    if ((head->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0 || at + 2 > len)
        return;
    const uint16_t sum = csum_fold(csum_add(0, packet + head->csum_start, len - head->csum_start));
    packet[at] = (uint8_t)(sum >> 8);
    packet[at + 1] = (uint8_t)sum;
}

static bool kernel_take(void *subject, uint8_t *packet, size_t *len, struct seen *seen)
{
    struct kernel_subject *self = subject;
    struct virtio_net_hdr head;
    const struct iovec iov[2] = { { &head, sizeof head }, { packet, PACKET_ROOM } };
    const ssize_t got = readv(self->tun, iov, 2);
    if (got <= (ssize_t)HEAD)
        return false;
    *len = (size_t)got - HEAD;
    complete_sum(&head, packet, *len);
    seen->when = kernel_now(NULL);
    return true;
}

/* ---- settings ---- */

static bool kernel_set(void *subject, const char *name, const char *value,
                       char why[DRILL_ERROR_MAX])
{
    char path[256];
    (void)subject;
    const int n = snprintf(path, sizeof path, "/proc/sys/%s", name);
    for (char *p = path + 10; *p != '\0'; p++)
        if (*p == '.')
            *p = '/';
    const int fd = n < (int)sizeof path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    const size_t len = strlen(value);
    const bool good = fd >= 0 && write(fd, value, len) == (ssize_t)len;
    if (!good)
        snprintf(why, DRILL_ERROR_MAX, "%s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return good;
}

/* ---- the namespace and the device ---- */

static bool put_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

static void enter_namespace(struct run *run)
{
    char map[64];
    const unsigned uid = (unsigned)geteuid(), gid = (unsigned)getegid();
    if (unshare(CLONE_NEWNET) == 0)
        return;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        run_fail(run, "no network namespace can be made: %s", strerror(errno));
    (void)put_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    (void)put_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    (void)put_file("/proc/self/gid_map", map);
}

static void must(struct run *run, bool good, const char *what)
{
    if (!good)
        run_fail(run, "%s: %s", what, strerror(errno));
}

static void run_ip(struct run *run, const char *arguments)
{
    char command[256];
    snprintf(command, sizeof command, "ip %s", arguments);
    if (system(command) != 0)
        run_fail(run, "`%s` failed (is iproute2 there?)", command);
}

/* Linux adds an IPv6 address now and the route to it from a work queue, on a busy machine later
 * than the first packet of a script comes. */
static void await_address(struct run *run)
{
    char hex[33], line[256];
    for (unsigned i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", run->local.octet[i]);
    for (unsigned tries = 0; tries < ROUTE_TRIES; tries++) {
        FILE *file = fopen("/proc/net/ipv6_route", "re");
        bool there = file == NULL;
        while (!there && fgets(line, sizeof line, file) != NULL)
            there = strncmp(line, hex, 32) == 0 && strncmp(line + 32, " 80 ", 4) == 0;
        if (file != NULL)
            fclose(file);
        if (there)
            return;
        const struct timespec pause = { 0, WEIR_MS };
        nanosleep(&pause, NULL);
    }
    run_fail(run, "the address has no route after %d ms", ROUTE_TRIES);
}

static void make_wire(struct kernel_subject *self)
{
    struct run *run = self->run;
    struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
    char arguments[200], ip[WEIR_IP_TEXT_MAX];
    self->tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    must(run, self->tun >= 0, "/dev/net/tun");
    strcpy(ifr.ifr_name, TUN_NAME);
    must(run, ioctl(self->tun, TUNSETIFF, &ifr) == 0, "TUNSETIFF");
    must(run, ioctl(self->tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0,
         "TUNSETOFFLOAD");
    (void)put_file("/proc/sys/net/ipv6/conf/" TUN_NAME "/accept_dad", "0");
    (void)put_file("/proc/sys/net/ipv6/conf/" TUN_NAME "/router_solicitations", "0");
    (void)put_file("/proc/sys/net/ipv6/conf/" TUN_NAME "/addr_gen_mode", "1");
    snprintf(arguments, sizeof arguments, "link set dev %s mtu %u txqueuelen %u up", TUN_NAME,
             run->mtu, TUN_QUEUE);
    run_ip(run, arguments);
    run_ip(run, "link set dev lo up");
    snprintf(arguments, sizeof arguments, "addr add %s/%u dev %s%s", weir_ip_text(&run->local, ip),
             run->prefix_len, TUN_NAME, run->v6 ? " nodad" : "");
    run_ip(run, arguments);
    snprintf(arguments, sizeof arguments, "%s route add default dev %s", run->v6 ? "-6" : "-4",
             TUN_NAME);
    run_ip(run, arguments);
    if (run->v6)
        await_address(run);
}

static void kernel_end(void *subject)
{
    struct kernel_subject *self = subject;
    if (self->tun >= 0)
        close(self->tun);
    free(self);
}

/* The process is a child that plays one script and ends: its namespace, its sockets and a thread
 * that still waits go with it. */
bool subject_kernel(struct run *run)
{
    struct kernel_subject *self = calloc(1, sizeof *self);
    if (self == NULL)
        return false;
    self->run = run;
    self->tun = -1;
    run->subject = (struct subject){ self,          true,        kernel_now,  kernel_advance,
                                     kernel_inject, kernel_take, kernel_call, kernel_resume,
                                     kernel_set,    NULL,        kernel_end };
    enter_namespace(run);
    make_wire(self);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    must(run, pipe2(self->done_pipe, O_CLOEXEC | O_NONBLOCK) == 0, "pipe");
    self->thread_made = pthread_create(&self->thread, NULL, work, self) == 0;
    must(run, self->thread_made, "a thread");
    return true;
}
