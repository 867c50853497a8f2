/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_ADAPTER_H
#define WEIR_DRILL_ADAPTER_H

/* Between the files of libweir-packetdrill.so (adapter.c says what it is). */

#include "instance.h"
#include "sock.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/types.h>

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

/* ---- adapter_settings.c: what a script's shell commands set ---- */

#define SETTINGS_MAX     256
#define SETTING_NAME_MAX 64
#define SETTING_TEXT_MAX 128 /* two keys of Fast Open, and more */

struct adapter_settings {
    const char *root; /* "/proc/sys"; NULL: nothing is read */
    unsigned count;
    struct {
        char name[SETTING_NAME_MAX];
        char first[SETTING_TEXT_MAX], now[SETTING_TEXT_MAX];
    } at[SETTINGS_MAX];
};

/* Reads what the machine has, and takes into `config` what weir can have, but for the sizes of
 * pools. */
void settings_begin(struct adapter_settings *settings, const char *root,
                    struct weir_config *config);

/* Reads again, and takes into `config` what has changed since. Returns whether something has. False
 * in `*taken`, with the reason in `why`: weir does not have it. */
bool settings_follow(struct adapter_settings *settings, struct weir_config *config, bool *taken,
                     char why[SYSCTL_WHY_MAX]);

/* ---- adapter.c ---- */

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc);
/* How many packets netdev_receive gives before it waits. packetdrill does not ask; who plays
 * without a script does (tests/differential/segments.py). */
unsigned packetdrill_interface_waiting(void);

struct adapter;

struct adapter *adapter_now(void); /* of this process; NULL before and after it */
long adapter_call(struct adapter *adapter, const struct call *call); /* as a system call: errno */
int adapter_fd(const struct adapter *adapter, int fd); /* the socket layer's; -1: not one of its */
int adapter_open(struct adapter *adapter, long live);  /* a descriptor for one of the layer's */
void adapter_forget(struct adapter *adapter, int fd);

const struct weir *adapter_instance(void); /* NULL: it has not been needed yet */
bool adapter_has(int fd);                  /* whether a descriptor is one of weir's */
/* A command of the script's has run: settings may be others, and what weir keeps of destinations is
 * forgotten after `ip tcp_metrics flush`. */
void adapter_shell_done(const char *command);

/* ---- adapter_calls.c ---- */

void adapter_calls_fill(struct packetdrill_interface *ifc);
int adapter_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t adapter_write(int fd, const void *data, size_t len);

/* ---- adapter_nstat.c ---- */

/* Runs a command in which nstat(8) is weir's. */
int nstat_run(const struct weir *weir, const char *command, int (*run)(const char *));

/* ---- adapter_preload.c ---- */

/* Starts the program once more, with this object preloaded, if it is not. Returns if it is, or if
 * that cannot be. */
void preload_ensure(void);

#endif
