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
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define START         (1000 * WEIR_SECOND)
#define FDS_MAX       1024
#define ASKED_FREE    8       /* gettimeofday() before the clock moves */
#define TIMEOUTS_MAX  1000000 /* in one advance(); more means the clock stands */
#define QUEUE_MAX     4096
#define IDLE_MAX      (30 * WEIR_SECOND) /* how long netdev_receive waits for a packet */
#define PATIENCE_S    10                 /* for a thread that was woken to ask for the time */
#define SETTLE_NS     200000             /* between two looks at such a thread afterwards, */
#define SETTLE_MAX    10000              /* and how many */
#define ADDRESSES_MAX 4

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
    void *memory;
    size_t memory_size;
    unsigned iface;
    uint16_t mtu;
    char *proc; /* NULL: nothing is read */
    struct instance_address address[ADDRESSES_MAX];
    unsigned address_count;
    int fd_of[FDS_MAX]; /* of a placeholder: net's descriptor, or 0 */
    struct packet_out queue[QUEUE_MAX];
    unsigned head, tail;
    unsigned asked; /* for the time, and nothing else, lately */
    /* the call that waits, and its thread */
    bool waiting, ended, awaited;
    pthread_t waiter, script; /* the latter: packetdrill's own thread */
    long waiter_task;         /* its number in /proc */
    bool settling;            /* it has returned, and may have things to write down */
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
    (void)munlockall();
    a->memory = instance_memory(&a->config, &a->memory_size);
    a->net.congestion = a->config.congestion;
    if (a->memory == NULL || instance_build(&a->net.weir, a->memory, a->memory_size, &a->config,
                                            a->mtu, &a->iface, a->net.now) != WEIR_OK)
        refuse("the instance", "it cannot be built");
    for (unsigned i = 0; i < a->address_count; i++)
        if (instance_address(a->net.weir, a->iface, &a->address[i], a->net.now) != WEIR_OK)
            refuse("--so_flags", "an address that weir does not take");
}

static void take_settings(struct adapter *a)
{
    char why[SYSCTL_WHY_MAX];
    uint64_t key[2];
    bool taken;
    memcpy(key, a->config.fastopen_key, sizeof key);
    if (!settings_follow(&a->settings, &a->config, &taken, why))
        return;
    if (!taken)
        refuse("a setting of the script", why);
    a->net.congestion = a->config.congestion;
    if (a->net.weir != NULL && weir_config_change(a->net.weir, &a->config) != WEIR_OK)
        refuse("settings of the script", "they make no sense together");
    if (a->net.weir != NULL && memcmp(key, a->config.fastopen_key, sizeof key) != 0)
        weir_fastopen_key(a->net.weir, a->config.fastopen_key);
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
    a->ended = true;
    if (pthread_equal(a->waiter, a->script))
        return; /* it is we who wait */
    a->awaited = true;
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

int adapter_fd(const struct adapter *a, int fd)
{
    return fd >= 0 && fd < FDS_MAX && a->fd_of[fd] != 0 ? a->fd_of[fd] : -1;
}

int adapter_open(struct adapter *a, long live)
{
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || fd >= FDS_MAX) {
        fprintf(stderr, "libweir-packetdrill: no descriptor\n");
        exit(1);
    }
    a->fd_of[fd] = (int)live;
    return fd;
}

void adapter_forget(struct adapter *a, int fd)
{
    a->fd_of[fd] = 0;
    syscall(SYS_close, fd);
}

static long returned(long result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

/* A call that waits in packetdrill's own thread, in which the script cannot help it: time passes
 * until it returns. */
static void wait_alone(struct adapter *a)
{
    const weir_time until = a->net.now + IDLE_MAX;
    while (!a->ended) {
        const weir_time call = net_deadline(&a->net), next = weir_deadline(a->net.weir);
        const weir_time soon = call < next ? call : next;
        if (soon > until)
            refuse("a call waits", "the script gives it no end");
        advance(a, soon > a->net.now ? soon : a->net.now, false);
    }
}

static long wait_for_it(struct adapter *a)
{
    a->waiting = true;
    a->ended = false;
    a->waiter = pthread_self();
    a->waiter_task = syscall(SYS_gettid);
    if (pthread_equal(a->waiter, a->script)) {
        wait_alone(a);
    } else {
        while (!a->ended)
            pthread_cond_wait(&a->changed, &a->lock);
        a->settling = true;
    }
    a->waiting = false;
    return a->result;
}

/* Beside a call that waits in its thread, the script makes others. */
static long make_locked(struct adapter *a, const struct call *call)
{
    const bool beside = a->waiting && !a->ended;
    const struct waiting before = a->net.waiting;
    const long result = net_call(&a->net, call);
    collect(a);
    if (!beside)
        return result == CALL_BLOCKS ? wait_for_it(a) : result;
    if (result == CALL_BLOCKS)
        refuse("a call waits", "another one does already");
    a->net.waiting = before;
    retry(a);
    return result;
}

long adapter_call(struct adapter *a, const struct call *call)
{
    lock(a);
    const long result = make_locked(a, call);
    unlock(a);
    return returned(result);
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

unsigned packetdrill_interface_waiting(void)
{
    return adapter != NULL ? adapter->tail - adapter->head : 0;
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
    if (a->memory != NULL)
        munmap(a->memory, a->memory_size);
    free(a->proc);
    adapter = NULL;
    free(a);
}

/* ---- what packetdrill does past the table ---- */

bool adapter_has(int fd)
{
    return adapter != NULL && adapter_fd(adapter, fd) >= 0;
}

struct adapter *adapter_now(void)
{
    return adapter;
}

const struct weir *adapter_instance(void)
{
    return adapter != NULL ? adapter->net.weir : NULL;
}

void adapter_shell_done(const char *command)
{
    if (adapter == NULL)
        return;
    pthread_mutex_lock(&adapter->lock);
    take_settings(adapter);
    if (adapter->net.weir != NULL && strstr(command != NULL ? command : "", "tcp_metrics flush"))
        weir_known_flush(adapter->net.weir);
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
        free(a->proc);
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
    a->script = pthread_self();
    a->mtu = 1500;
    a->proc = strdup("/proc/sys");
    a->net.now = START;
    instance_defaults(&a->config);
    read_flags(a, flags, false);
    if (a->address_count == 0)
        refuse("--so_flags", "local=ADDRESS/BITS is missing");
    settings_begin(&a->settings, a->proc, &a->config);
    read_flags(a, flags, true);
    adapter = a;
    *ifc = (struct packetdrill_interface){ .userdata = a,
                                           .free = ad_free,
                                           .netdev_send = ad_netdev_send,
                                           .netdev_receive = ad_netdev_receive,
                                           .usleep = ad_usleep,
                                           .gettimeofday = ad_gettimeofday };
    adapter_calls_fill(ifc);
}
