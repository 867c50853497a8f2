/* SPDX-License-Identifier: MIT */

/* libweir-packetdrill.so: weir behind the table of calls that packetdrill's --so_filename takes
 * (docs/drill.md has command lines).
 *
 * The flags are settings with commas between: `local=ADDRESS/BITS` (may be repeated), `mtu=N`,
 * `proc=FOLDER` or `proc=none` (where the settings are read that scripts make; /proc/sys), and
 * Linux's names, as `net.ipv4.tcp_sack=0`. The interface tells nothing of what stands in a script.
 * What the machine has counts least, then the flags, then what a script changes.
 *
 * Time is virtual: usleep moves it, so does gettimeofday, a microsecond a call, for who does
 * nothing but ask (packetdrill spins before an event), and waiting for a packet moves it to the
 * next timer. What is scripted for one moment happens at one, as in weir drill. Two threads call: a
 * call that waits sleeps on a condition; whoever moves the clock tries it again, and goes on only
 * when its thread has asked for the time.
 *
 * The instance is built when it is first needed, since settings come before. Descriptors are the
 * kernel's, of /dev/null, because packetdrill closes them by itself. */

#include "adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define START           (1000 * WEIR_SECOND)
#define FDS_MAX         1024
#define ASKED_FREE      8 /* gettimeofday() before the clock moves */
#define POLL_MAX        64
#define TIMEOUTS_MAX    1000000 /* in one advance(); more means the clock stands */
#define QUEUE_MAX       4096
#define IDLE_MAX        (30 * WEIR_SECOND) /* how long netdev_receive waits for a packet */
#define PATIENCE_S      2                  /* for a thread that was woken to ask for the time */
#define SETTLE_NS       200000             /* between two looks at such a thread afterwards, */
#define SETTLE_MAX      10000              /* and how many */
#define ADDRESSES_MAX   4
#define TCP_INFO_NUMBER 11 /* TCP_INFO of <linux/tcp.h>; <netinet/in.h> has none */

/* The layout is packetdrill's (its header packetdrill.h, as of May 2026). */
struct packetdrill_interface {
    void *userdata;
    void (*free)(void *);
    int (*socket)(void *, int, int, int);
    int (*bind)(void *, int, const struct sockaddr *, socklen_t);
    int (*listen)(void *, int, int);
    int (*accept)(void *, int, struct sockaddr *, socklen_t *);
    int (*connect)(void *, int, const struct sockaddr *, socklen_t);
    ssize_t (*read)(void *, int, void *, size_t);
    ssize_t (*readv)(void *, int, const struct iovec *, int);
    ssize_t (*recv)(void *, int, void *, size_t, int);
    ssize_t (*recvfrom)(void *, int, void *, size_t, int, struct sockaddr *, socklen_t *);
    ssize_t (*recvmsg)(void *, int, struct msghdr *, int);
    ssize_t (*write)(void *, int, const void *, size_t);
    ssize_t (*writev)(void *, int, const struct iovec *, int);
    ssize_t (*send)(void *, int, const void *, size_t, int);
    ssize_t (*sendto)(void *, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    ssize_t (*sendmsg)(void *, int, const struct msghdr *, int);
    int (*fcntl)(void *, int, int, ...);
    int (*ioctl)(void *, int, unsigned long, ...);
    int (*close)(void *, int);
    int (*shutdown)(void *, int, int);
    int (*getsockopt)(void *, int, int, int, void *, socklen_t *);
    int (*setsockopt)(void *, int, int, int, const void *, socklen_t);
    int (*poll)(void *, struct pollfd *, nfds_t, int);
    int (*netdev_send)(void *, const void *, size_t);
    int (*netdev_receive)(void *, void *, size_t *, long long *);
    int (*usleep)(void *, useconds_t);
    int (*gettimeofday)(void *, struct timeval *, struct timezone *);
    int (*epoll_create)(void *, int);
    int (*epoll_ctl)(void *, int, int, int, struct epoll_event *);
    int (*epoll_wait)(void *, int, struct epoll_event *, int, int);
    int (*pipe)(void *, int[2]);
    int (*splice)(void *, int, loff_t *, int, loff_t *, size_t, unsigned);
};

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc);

struct packet_out {
    weir_time when;
    size_t len;
    uint8_t *data;
};

struct adapter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct weir_config config;
    struct adapter_settings settings;
    struct net net; /* net.weir is NULL until it is needed */
    unsigned iface;
    uint16_t mtu;
    const char *proc;
    struct instance_address address[ADDRESSES_MAX];
    unsigned address_count;
    int fd_of[FDS_MAX]; /* of a placeholder: net's descriptor, or 0 */
    struct packet_out queue[QUEUE_MAX];
    unsigned head, tail;
    unsigned asked; /* for the time, and nothing else, lately */
    /* the call that waits, and its thread */
    bool waiting, ended, awaited;
    pthread_t waiter;
    long waiter_task; /* its number in /proc */
    bool settling;    /* it has returned, and may have things to write down */
    long result;
};

static struct adapter *adapter; /* packetdrill is one script, one process */

/* ---- the instance ---- */

_Noreturn static void refuse(const char *what, const char *why)
{
    fprintf(stderr, "libweir-packetdrill: %s: %s\n", what, why);
    exit(1);
}

/* packetdrill has all memory locked, so that it is there at once: of no use where time is virtual,
 * and the instance is large. */
static void build(struct adapter *a)
{
    size_t size;
    (void)munlockall();
    void *memory = instance_memory(&a->config, &size);
    a->net.congestion = a->config.congestion;
    if (memory == NULL || instance_build(&a->net.weir, memory, size, &a->config, a->mtu, &a->iface,
                                         a->net.now) != WEIR_OK)
        refuse("the instance", "it cannot be built");
    for (unsigned i = 0; i < a->address_count; i++)
        if (instance_address(a->net.weir, a->iface, &a->address[i], a->net.now) != WEIR_OK)
            refuse("--so_flags", "an address that weir does not take");
}

static void take_settings(struct adapter *a)
{
    char why[SYSCTL_WHY_MAX];
    bool taken;
    if (!settings_follow(&a->settings, &a->config, &taken, why))
        return;
    if (!taken)
        refuse("a setting of the script", why);
    a->net.congestion = a->config.congestion;
    if (a->net.weir != NULL && weir_config_change(a->net.weir, &a->config) != WEIR_OK)
        refuse("settings of the script", "they make no sense together");
}

/* Before anything is done with it. */
static void lock(struct adapter *a)
{
    pthread_mutex_lock(&a->lock);
    a->asked = 0;
    if (a->net.weir != NULL)
        return;
    take_settings(a);
    build(a);
}

static void unlock(struct adapter *a)
{
    pthread_mutex_unlock(&a->lock);
}

/* ---- what leaves, and time ---- */

static void queue_frame(struct adapter *a, const struct weir_out *out)
{
    struct packet_out *packet = &a->queue[a->tail % QUEUE_MAX];
    if (a->tail - a->head == QUEUE_MAX)
        return; /* nobody takes them: lost, as in a full device */
    packet->data = malloc(PACKET_ROOM);
    if (packet->data == NULL)
        abort();
    packet->len = out->head_len;
    packet->when = a->net.now;
    memcpy(packet->data, out->head, out->head_len);
    for (unsigned i = 0; i < out->span_count; i++) {
        memcpy(packet->data + packet->len, out->span[i].base, out->span[i].len);
        packet->len += out->span[i].len;
    }
    a->tail++;
}

static void collect(struct adapter *a)
{
    struct weir_out out;
    while (weir_output(a->net.weir, a->iface, &out, 1, a->net.now) == 1)
        queue_frame(a, &out);
}

/* Lets the waiting call try again. If it is done, its thread is given the time to ask what time it
 * is before the clock moves on. */
static void retry(struct adapter *a)
{
    if (!a->waiting || a->ended)
        return;
    const long result = net_resume(&a->net);
    collect(a);
    if (result == CALL_BLOCKS)
        return;
    a->result = result;
    a->ended = a->awaited = true;
    pthread_cond_broadcast(&a->changed);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (a->awaited && pthread_cond_timedwait(&a->changed, &a->lock, &until) == 0)
        continue;
    a->awaited = false;
}

/* To `until`, or to the moment at which something leaves, if `stop`. */
static void advance(struct adapter *a, weir_time until, bool stop)
{
    for (unsigned i = 0; a->net.weir != NULL; i++) {
        weir_time next = weir_deadline(a->net.weir);
        const weir_time call = a->waiting && !a->ended ? net_deadline(&a->net) : WEIR_NEVER;
        next = call < next ? call : next;
        if (next > until)
            break;
        if (i == TIMEOUTS_MAX)
            refuse("the clock", "it does not get on: a deadline that is not met");
        if (next > a->net.now)
            a->net.now = next;
        weir_timeout(a->net.weir, a->net.now);
        collect(a);
        retry(a);
        if (stop && a->head != a->tail)
            return;
    }
    if (until > a->net.now)
        a->net.now = until;
    if (a->net.weir == NULL)
        return;
    weir_timeout(a->net.weir, a->net.now);
    collect(a);
    retry(a);
}

/* ---- calls ---- */

static int net_fd(const struct adapter *a, int fd)
{
    return fd >= 0 && fd < FDS_MAX && a->fd_of[fd] != 0 ? a->fd_of[fd] : -1;
}

static int placeholder(struct adapter *a, long live)
{
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || fd >= FDS_MAX) {
        fprintf(stderr, "libweir-packetdrill: no descriptor\n");
        exit(1);
    }
    a->fd_of[fd] = (int)live;
    return fd;
}

static long returned(long result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

static long make_locked(struct adapter *a, const struct call *call)
{
    long result = net_call(&a->net, call);
    collect(a);
    if (result == CALL_BLOCKS) {
        a->waiting = true;
        a->ended = false;
        a->waiter = pthread_self();
        a->waiter_task = syscall(SYS_gettid);
        while (!a->ended)
            pthread_cond_wait(&a->changed, &a->lock);
        a->waiting = false;
        a->settling = true;
        result = a->result;
    }
    return result;
}

static long make_call(struct adapter *a, const struct call *call)
{
    lock(a);
    const long result = make_locked(a, call);
    unlock(a);
    return returned(result);
}

static long make(void *userdata, enum call_id id, long a0, long a1, long a2, long a3, long a4)
{
    const struct call call = { id, { a0, a1, a2, a3, a4, 0 } };
    return make_call(userdata, &call);
}

/* A call on a descriptor. */
#define ON(fd) net_fd(userdata, (fd))

static int ad_socket(void *userdata, int domain, int type, int protocol)
{
    const long live = make(userdata, CALL_socket, domain, type, protocol, 0, 0);
    return live < 0 ? -1 : placeholder(userdata, live);
}

static int ad_bind(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
    return (int)make(userdata, CALL_bind, ON(fd), (long)addr, (long)len, 0, 0);
}

static int ad_listen(void *userdata, int fd, int backlog)
{
    return (int)make(userdata, CALL_listen, ON(fd), backlog, 0, 0, 0);
}

static int ad_accept(void *userdata, int fd, struct sockaddr *addr, socklen_t *len)
{
    const long live = make(userdata, CALL_accept, ON(fd), (long)addr, (long)len, 0, 0);
    return live < 0 ? -1 : placeholder(userdata, live);
}

static int ad_connect(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
    return (int)make(userdata, CALL_connect, ON(fd), (long)addr, (long)len, 0, 0);
}

static ssize_t ad_read(void *userdata, int fd, void *data, size_t len)
{
    return make(userdata, CALL_read, ON(fd), (long)data, (long)len, 0, 0);
}

static ssize_t ad_readv(void *userdata, int fd, const struct iovec *iov, int count)
{
    return make(userdata, CALL_readv, ON(fd), (long)iov, count, 0, 0);
}

static ssize_t ad_recvmsg(void *userdata, int fd, struct msghdr *msg, int flags)
{
    return make(userdata, CALL_recvmsg, ON(fd), (long)msg, flags, 0, 0);
}

static ssize_t ad_recvfrom(void *userdata, int fd, void *data, size_t len, int flags,
                           struct sockaddr *addr, socklen_t *addr_len)
{
    struct iovec iov = { data, len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = addr };
    if (addr_len != NULL)
        msg.msg_namelen = *addr_len;
    const ssize_t result = ad_recvmsg(userdata, fd, &msg, flags);
    if (result >= 0 && addr_len != NULL)
        *addr_len = msg.msg_namelen;
    return result;
}

static ssize_t ad_recv(void *userdata, int fd, void *data, size_t len, int flags)
{
    return ad_recvfrom(userdata, fd, data, len, flags, NULL, NULL);
}

static ssize_t ad_write(void *userdata, int fd, const void *data, size_t len)
{
    return make(userdata, CALL_write, ON(fd), (long)data, (long)len, 0, 0);
}

static ssize_t ad_writev(void *userdata, int fd, const struct iovec *iov, int count)
{
    return make(userdata, CALL_writev, ON(fd), (long)iov, count, 0, 0);
}

static ssize_t ad_sendmsg(void *userdata, int fd, const struct msghdr *msg, int flags)
{
    return make(userdata, CALL_sendmsg, ON(fd), (long)msg, flags, 0, 0);
}

static ssize_t ad_sendto(void *userdata, int fd, const void *data, size_t len, int flags,
                         const struct sockaddr *addr, socklen_t addr_len)
{
    struct iovec iov = { (void *)(uintptr_t)data, len };
    const struct msghdr msg = { .msg_iov = &iov,
                                .msg_iovlen = 1,
                                .msg_name = (void *)(uintptr_t)addr,
                                .msg_namelen = addr_len };
    return ad_sendmsg(userdata, fd, &msg, flags);
}

static ssize_t ad_send(void *userdata, int fd, const void *data, size_t len, int flags)
{
    return ad_sendto(userdata, fd, data, len, flags, NULL, 0);
}

static int ad_fcntl(void *userdata, int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    const bool sets = command == F_SETFL || command == F_SETFD;
    const int value = sets ? va_arg(args, int) : 0;
    va_end(args);
    return (int)make(userdata, CALL_fcntl, ON(fd), command, value, 0, 0);
}

static int ad_ioctl(void *userdata, int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    int *value = va_arg(args, int *);
    va_end(args);
    return (int)make(userdata, CALL_ioctl, ON(fd), (long)request, (long)value, 0, 0);
}

static int ad_close(void *userdata, int fd)
{
    struct adapter *a = userdata;
    const long result = make(userdata, CALL_close, ON(fd), 0, 0, 0, 0);
    if (net_fd(a, fd) >= 0) {
        a->fd_of[fd] = 0;
        syscall(SYS_close, fd);
    }
    return (int)result;
}

static int ad_shutdown(void *userdata, int fd, int how)
{
    return (int)make(userdata, CALL_shutdown, ON(fd), how, 0, 0, 0);
}

static int ad_getsockopt(void *userdata, int fd, int level, int name, void *value, socklen_t *len)
{
    /* packetdrill wants nine numbers of SO_MEMINFO before it looks at TCP_INFO. */
    if (level == SOL_SOCKET && name == SO_MEMINFO && *len >= 36) {
        memset(value, 0, 36);
        *len = 36;
        return 0;
    }
    const socklen_t room = *len;
    const int result =
        (int)make(userdata, CALL_getsockopt, ON(fd), level, name, (long)value, (long)len);
    if (result == 0 && level == IPPROTO_TCP && name == TCP_INFO_NUMBER && *len < room) {
        memset((char *)value + *len, 0, room - *len);
        *len = room;
    }
    return result;
}

static int ad_setsockopt(void *userdata, int fd, int level, int name, const void *value,
                         socklen_t len)
{
    return (int)make(userdata, CALL_setsockopt, ON(fd), level, name, (long)value, (long)len);
}

static int ad_poll(void *userdata, struct pollfd *fds, nfds_t count, int ms)
{
    struct pollfd mine[POLL_MAX];
    if (count > POLL_MAX) {
        errno = EINVAL;
        return -1;
    }
    for (nfds_t i = 0; i < count; i++) {
        mine[i] = fds[i];
        mine[i].fd = ON(fds[i].fd) >= 0 ? ON(fds[i].fd) : FDS_MAX;
    }
    const long result = make(userdata, CALL_poll, (long)mine, (long)count, ms, 0, 0);
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = mine[i].revents;
    return (int)result;
}

static int ad_epoll_create(void *userdata, int size)
{
    const long live = make(userdata, CALL_epoll_create, size, 0, 0, 0, 0);
    return live < 0 ? -1 : placeholder(userdata, live);
}

static int ad_epoll_ctl(void *userdata, int epoll, int operation, int fd, struct epoll_event *event)
{
    return (int)make(userdata, CALL_epoll_ctl, ON(epoll), operation, ON(fd), (long)event, 0);
}

static int ad_epoll_wait(void *userdata, int epoll, struct epoll_event *events, int room, int ms)
{
    return (int)make(userdata, CALL_epoll_wait, ON(epoll), (long)events, room, ms, 0);
}

static int ad_pipe(void *userdata, int fds[2])
{
    int live[2] = { 0, 0 };
    if (make(userdata, CALL_pipe, (long)live, 0, 0, 0, 0) < 0)
        return -1;
    for (unsigned i = 0; i < 2; i++)
        fds[i] = placeholder(userdata, live[i]);
    return 0;
}

/* An offset is the script's number, and a pointer to it never NULL: 0 is none. */
static int ad_splice(void *userdata, int in, loff_t *in_at, int out, loff_t *out_at, size_t len,
                     unsigned flags)
{
    const bool from = in_at != NULL && *in_at != 0, to = out_at != NULL && *out_at != 0;
    const struct call call = { CALL_splice,
                               { ON(in), from ? (long)in_at : 0, ON(out), to ? (long)out_at : 0,
                                 (long)len, (long)flags } };
    return (int)make_call(userdata, &call);
}

/* ---- packets and the clock ---- */

static int ad_netdev_send(void *userdata, const void *packet, size_t len)
{
    struct adapter *a = userdata;
    lock(a);
    const struct weir_frame frame = { .data = packet, .len = len, .when = a->net.now };
    weir_input(a->net.weir, a->iface, &frame, 1, a->net.now);
    collect(a);
    retry(a);
    unlock(a);
    return 0;
}

static int ad_netdev_receive(void *userdata, void *data, size_t *len, long long *usecs)
{
    struct adapter *a = userdata;
    lock(a);
    if (a->head == a->tail)
        advance(a, a->net.now + IDLE_MAX, true);
    if (a->head == a->tail) {
        fprintf(stderr, "libweir-packetdrill: nothing leaves within %d s\n",
                (int)(IDLE_MAX / WEIR_SECOND));
        *len = 0; /* which packetdrill says of: "packet of 0 bytes" */
    } else {
        struct packet_out *packet = &a->queue[a->head++ % QUEUE_MAX];
        const size_t part = packet->len < *len ? packet->len : *len;
        memcpy(data, packet->data, part);
        *len = part;
        *usecs = packet->when / WEIR_US;
        free(packet->data);
    }
    unlock(a);
    return 0;
}

static bool is_asleep(long task)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", task);
    FILE *file = fopen(path, "re");
    const size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    const char *name_end = len > 0 ? strrchr(text, ')') : NULL;
    return name_end == NULL || strncmp(name_end, ") S", 3) == 0;
}

/* The thread whose call is over writes down what it gave (the descriptor of an accept) while the
 * script waits for the next event. That takes real time, of which there is none here: so it is
 * waited for until it sleeps again. */
static void let_settle(struct adapter *a)
{
    pthread_mutex_lock(&a->lock);
    const bool settling = a->settling && !pthread_equal(a->waiter, pthread_self());
    a->settling = a->settling && !settling;
    pthread_mutex_unlock(&a->lock);
    const struct timespec moment = { 0, SETTLE_NS };
    for (unsigned i = 0; settling && i < SETTLE_MAX; i++) {
        nanosleep(&moment, NULL);
        if (is_asleep(a->waiter_task))
            return;
    }
}

static int ad_usleep(void *userdata, useconds_t usecs)
{
    struct adapter *a = userdata;
    let_settle(a);
    pthread_mutex_lock(&a->lock);
    advance(a, a->net.now + usecs * WEIR_US, false);
    pthread_mutex_unlock(&a->lock);
    return 0;
}

static int ad_gettimeofday(void *userdata, struct timeval *now, struct timezone *zone)
{
    struct adapter *a = userdata;
    (void)zone;
    pthread_mutex_lock(&a->lock);
    if (a->awaited && pthread_equal(a->waiter, pthread_self())) {
        a->awaited = false;
        pthread_cond_broadcast(&a->changed);
    } else if (++a->asked > ASKED_FREE) {
        advance(a, a->net.now + WEIR_US, false);
    }
    now->tv_sec = (time_t)(a->net.now / WEIR_SECOND);
    now->tv_usec = (suseconds_t)(a->net.now % WEIR_SECOND / WEIR_US);
    pthread_mutex_unlock(&a->lock);
    return 0;
}

static void ad_free(void *userdata)
{
    struct adapter *a = userdata;
    while (a->head != a->tail)
        free(a->queue[a->head++ % QUEUE_MAX].data);
    adapter = NULL;
    free(a);
}

/* ---- what packetdrill does past the table ---- */

bool adapter_has(int fd)
{
    return adapter != NULL && net_fd(adapter, fd) >= 0;
}

int adapter_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return ad_getsockopt(adapter, fd, level, name, value, len);
}

ssize_t adapter_write(int fd, const void *data, size_t len)
{
    return ad_write(adapter, fd, data, len);
}

void adapter_shell_done(void)
{
    if (adapter == NULL)
        return;
    pthread_mutex_lock(&adapter->lock);
    take_settings(adapter);
    pthread_mutex_unlock(&adapter->lock);
}

/* ---- beginning ---- */

static unsigned number(const char *word, const char *text, unsigned least, unsigned most)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value < least || value > most)
        refuse(word, "not a number, or out of range");
    return (unsigned)value;
}

static void add_address(struct adapter *a, char *text)
{
    char *slash = strchr(text, '/');
    struct weir_ip ip;
    if (slash != NULL)
        *slash++ = '\0';
    if (!weir_ip_parse(text, &ip))
        refuse(text, "no address");
    if (a->address_count == ADDRESSES_MAX)
        refuse(text, "one address too many");
    const bool v4 = weir_ip_is_v4(&ip);
    const unsigned bits = slash == NULL ? v4 ? 16 : 64 : number("local", slash, 1, v4 ? 32 : 128);
    a->address[a->address_count++] = (struct instance_address){ ip, bits };
}

/* One flag, in one of two rounds: what settings rest upon, and settings. */
static void take_flag(struct adapter *a, char *word, char *value, bool settings)
{
    char why[SYSCTL_WHY_MAX];
    const bool local = strcmp(word, "local") == 0, mtu = strcmp(word, "mtu") == 0;
    const bool proc = strcmp(word, "proc") == 0;
    if (settings && !local && !mtu && !proc) {
        if (!instance_set(&a->config, word, value, why))
            refuse(word, why);
    } else if (!settings && local) {
        add_address(a, value);
    } else if (!settings && mtu) {
        a->mtu = (uint16_t)number(word, value, 576, UINT16_MAX);
    } else if (!settings && proc) {
        a->proc = strcmp(value, "none") == 0 ? NULL : strdup(value);
    }
}

static void read_flags(struct adapter *a, const char *flags, bool settings)
{
    char *copy = strdup(flags != NULL ? flags : ""), *rest = NULL;
    if (copy == NULL)
        abort();
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(word, '=');
        if (value == NULL)
            refuse(word, "not NAME=VALUE");
        *value++ = '\0';
        take_flag(a, word, value, settings);
    }
    free(copy);
}

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc)
{
    preload_ensure();
    struct adapter *a = calloc(1, sizeof *a);
    if (a == NULL)
        abort();
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    a->mtu = 1500;
    a->proc = "/proc/sys";
    a->net.now = START;
    instance_defaults(&a->config);
    read_flags(a, flags, false);
    if (a->address_count == 0)
        refuse("--so_flags", "local=ADDRESS/BITS is missing");
    settings_begin(&a->settings, a->proc, &a->config);
    read_flags(a, flags, true);
    adapter = a;
    *ifc = (struct packetdrill_interface){
        a,
        ad_free,
        ad_socket,
        ad_bind,
        ad_listen,
        ad_accept,
        ad_connect,
        ad_read,
        ad_readv,
        ad_recv,
        ad_recvfrom,
        ad_recvmsg,
        ad_write,
        ad_writev,
        ad_send,
        ad_sendto,
        ad_sendmsg,
        ad_fcntl,
        ad_ioctl,
        ad_close,
        ad_shutdown,
        ad_getsockopt,
        ad_setsockopt,
        ad_poll,
        ad_netdev_send,
        ad_netdev_receive,
        ad_usleep,
        ad_gettimeofday,
        ad_epoll_create,
        ad_epoll_ctl,
        ad_epoll_wait,
        ad_pipe,
        ad_splice,
    };
}
