/* SPDX-License-Identifier: MIT */

/* libweir-packetdrill.so: weir behind the table of calls that packetdrill's --so_filename takes.
 *
 *     packetdrill --so_filename=.../libweir-packetdrill.so --so_flags=local=192.168.0.2/16 \
 *         --local_ip=192.168.0.2 --gateway_ip=192.168.0.1 --netmask_ip=255.255.0.0 script.pkt
 *
 * The flags are settings with commas between: `local=ADDRESS/BITS` (may be repeated), `mtu=N`, and
 * Linux's names, as `net.ipv4.tcp_sack=0`. The interface tells nothing of what stands in a script.
 *
 * Time is virtual: usleep moves it, gettimeofday a microsecond a call, and waiting for a packet
 * moves it to the next timer. Two threads call: a call that waits sleeps on a condition; whoever
 * moves the clock tries it again, and goes on only when its thread has asked for the time.
 *
 * Descriptors are the kernel's, of /dev/null, because packetdrill closes them by itself. It asks
 * for TCP_INFO by itself, too: with LD_PRELOAD of this same file getsockopt answers for weir's
 * sockets. */

#include "sock.h"
#include "tools/sysctl_table.h"

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
#define QUEUE_MAX       4096
#define IDLE_MAX        (30 * WEIR_SECOND) /* how long netdev_receive waits for a packet */
#define PATIENCE_S      2                  /* for a thread that was woken to ask for the time */
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
    struct net net;
    unsigned iface;
    uint16_t mtu;
    struct {
        struct weir_ip ip;
        unsigned bits;
    } address[ADDRESSES_MAX];
    unsigned address_count;
    int fd_of[FDS_MAX]; /* of a placeholder: net's descriptor, or 0 */
    struct packet_out queue[QUEUE_MAX];
    unsigned head, tail;
    /* the call that waits, and its thread */
    bool waiting, ended, awaited;
    pthread_t waiter;
    long result;
};

static struct adapter *adapter; /* packetdrill is one script, one process */

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
    net_notice(&a->net);
    while (weir_output(a->net.weir, a->iface, &out, 1, a->net.now) == 1) {
        queue_frame(a, &out);
        net_sent(&a->net, &out);
    }
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
    for (;;) {
        weir_time next = weir_deadline(a->net.weir);
        const weir_time call = a->waiting && !a->ended ? net_deadline(&a->net) : WEIR_NEVER;
        next = call < next ? call : next;
        if (next > until)
            break;
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
        while (!a->ended)
            pthread_cond_wait(&a->changed, &a->lock);
        a->waiting = false;
        result = a->result;
    }
    return result;
}

static long make(void *userdata, enum call_id id, long a0, long a1, long a2, long a3, long a4)
{
    struct adapter *a = userdata;
    const struct call call = { id, { a0, a1, a2, a3, a4, 0 } };
    pthread_mutex_lock(&a->lock);
    const long result = make_locked(a, &call);
    pthread_mutex_unlock(&a->lock);
    return returned(result);
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
    struct pollfd mine[64];
    if (count > 64) {
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
    (void)userdata;
    (void)fds;
    errno = ENOSYS;
    return -1;
}

static int ad_splice(void *userdata, int in, loff_t *in_at, int out, loff_t *out_at, size_t len,
                     unsigned flags)
{
    (void)userdata, (void)in, (void)in_at, (void)out, (void)out_at, (void)len, (void)flags;
    errno = ENOSYS;
    return -1;
}

/* ---- packets and the clock ---- */

static int ad_netdev_send(void *userdata, const void *packet, size_t len)
{
    struct adapter *a = userdata;
    pthread_mutex_lock(&a->lock);
    const struct weir_frame frame = { .data = packet, .len = len, .when = a->net.now };
    weir_input(a->net.weir, a->iface, &frame, 1, a->net.now);
    collect(a);
    retry(a);
    pthread_mutex_unlock(&a->lock);
    return 0;
}

static int ad_netdev_receive(void *userdata, void *data, size_t *len, long long *usecs)
{
    struct adapter *a = userdata;
    pthread_mutex_lock(&a->lock);
    if (a->head == a->tail)
        advance(a, a->net.now + IDLE_MAX, true);
    if (a->head == a->tail) {
        *len = 0; /* which packetdrill says of: "packet of 0 bytes" */
    } else {
        struct packet_out *packet = &a->queue[a->head++ % QUEUE_MAX];
        const size_t part = packet->len < *len ? packet->len : *len;
        memcpy(data, packet->data, part);
        *len = part;
        *usecs = packet->when / WEIR_US;
        free(packet->data);
    }
    pthread_mutex_unlock(&a->lock);
    return 0;
}

static int ad_usleep(void *userdata, useconds_t usecs)
{
    struct adapter *a = userdata;
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
    } else {
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

/* packetdrill asks its own libc for TCP_INFO. Preloaded, this is in the way. */
int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
    if (adapter != NULL && net_fd(adapter, fd) >= 0)
        return ad_getsockopt(adapter, fd, level, name, value, len);
    return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

/* ---- beginning ---- */

_Noreturn static void refuse(const char *what, const char *why)
{
    fprintf(stderr, "libweir-packetdrill: %s: %s\n", what, why);
    exit(1);
}

static void add_address(struct adapter *a, char *text)
{
    char *slash = strchr(text, '/');
    unsigned bits = 0;
    if (slash != NULL) {
        *slash = '\0';
        bits = (unsigned)strtoul(slash + 1, NULL, 10);
    }
    if (a->address_count == ADDRESSES_MAX || !weir_ip_parse(text, &a->address[a->address_count].ip))
        refuse(text, "no address, or one too many");
    const bool v4 = weir_ip_is_v4(&a->address[a->address_count].ip);
    a->address[a->address_count++].bits = bits != 0 ? bits : v4 ? 16 : 64;
}

static void read_flags(struct adapter *a, const char *flags)
{
    char why[SYSCTL_WHY_MAX];
    char *copy = strdup(flags != NULL ? flags : ""), *rest = NULL;
    if (copy == NULL)
        abort();
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(word, '=');
        if (value == NULL)
            refuse(word, "not NAME=VALUE");
        *value++ = '\0';
        if (strcmp(word, "local") == 0)
            add_address(a, value);
        else if (strcmp(word, "mtu") == 0)
            a->mtu = (uint16_t)strtoul(value, NULL, 10);
        else if (!sysctl_apply(&a->config, word, value, why))
            refuse(word, why);
    }
    free(copy);
    if (a->address_count == 0)
        refuse("--so_flags", "local=ADDRESS/BITS is missing");
}

static void build(struct adapter *a)
{
    const struct weir_iface_config iface = { .medium = WEIR_IP_ONLY,
                                             .mtu = a->mtu,
                                             .no_dad = true };
    const struct weir_ip any4 = weir_ip_v4(0, 0, 0, 0), any6 = { { 0 } };
    const size_t size = weir_memory_size(&a->config);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    a->net.now = START;
    if (memory == MAP_FAILED ||
        weir_init(&a->net.weir, memory, size, &a->config, START) != WEIR_OK ||
        weir_iface_add(a->net.weir, &iface, &a->iface, START) != WEIR_OK)
        refuse("the instance", "it cannot be built");
    for (unsigned i = 0; i < a->address_count; i++) {
        const bool v4 = weir_ip_is_v4(&a->address[i].ip);
        if (weir_address_add(a->net.weir, a->iface, &a->address[i].ip, a->address[i].bits, START) !=
                WEIR_OK ||
            weir_route_add(a->net.weir, v4 ? &any4 : &any6, 0, NULL, a->iface, 0) != WEIR_OK)
            refuse("an address", "weir does not take it");
    }
}

/* packetdrill locks all memory before this, so the instance is small. */
static void small(struct weir_config *config)
{
    weir_config_default(config);
    config->tcp_max = 64;
    config->listener_max = 8;
    config->synq_max = 64;
    config->tw_max = 64;
    config->sent_block_max = 512;
    config->udp_max = 8;
    config->neigh_max = 16;
    config->ring_chunks = 1024;
    config->mtu_probing = 0;   /* Linux's default */
    config->rcv_max = 6 << 20; /* Linux's: a scale of 7 */
    config->snd_max = 4 << 20;
    config->frag_octets_max = 1 << 17;
    config->trace_flow = config->trace_story = 256;
    config->seed = 1;
    for (unsigned i = 0; i < 8; i++)
        config->secret[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
}

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc)
{
    struct adapter *a = calloc(1, sizeof *a);
    if (a == NULL)
        abort();
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    a->mtu = 1500;
    small(&a->config);
    read_flags(a, flags);
    build(a);
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
