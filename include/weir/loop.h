/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

/* A loop that runs an instance: frames in, timeouts, events, frames out, and sleep until there is
 * something to do.
 *
 * It is built on epoll, belongs to one thread, and uses no CPU while nothing is due. Time is
 * CLOCK_MONOTONIC. Usually it runs one instance over one driver; it can run a few, so that two
 * instances joined by a pair need no second thread.
 *
 * Everything added is borrowed and must stay until the loop is closed: closing it closes no
 * instance, driver, pair, capture or descriptor. Callbacks may call anything of the instance and of
 * the loop but weir_loop_run, weir_loop_step and weir_loop_close. Errors are as in dev.h. */

#include "weir/dev.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_loop;

#define WEIR_LOOP_INSTANCES_MAX 4
#define WEIR_LOOP_DEVS_MAX      8
#define WEIR_LOOP_PAIRS_MAX     4

struct weir_loop_config {
    weir_time spin_ns; /* how long to look for frames without sleeping after the last one; 0: sleep
                          at once */
    /* How long to wait awake, for whatever it may be, before a sleep; but only while what is waited
     * for mostly comes within that time, so that an idle loop uses no CPU. 0: never. It costs a CPU
     * that others may want: not for a machine of one. */
    weir_time awake_ns;
};

/* `config` may be NULL: all zero. */
int weir_loop_open(struct weir_loop **loop, const struct weir_loop_config *config,
                   char why[WEIR_LINE_MAX]) __attribute__((warn_unused_result));
void weir_loop_close(struct weir_loop *loop); /* NULL is allowed */

/* Now, on the loop's clock: for weir_init and calls outside of callbacks. */
weir_time weir_loop_clock(void);

/* What to add to that clock for nanoseconds since 1970 (weir_capture_config.epoch). */
weir_time weir_loop_epoch(void);

/* Runs `weir`, and gives each of its events to `on_event` (NULL: events are not asked for).
 * -ENOSPC. */
typedef void weir_loop_event_fn(void *user, struct weir *weir, const struct weir_event *event,
                                weir_time now);
int weir_loop_add_instance(struct weir_loop *loop, struct weir *weir, weir_loop_event_fn *on_event,
                           void *user) __attribute__((warn_unused_result));

/* Connects an interface of an added instance to a driver. `capture` may be NULL; otherwise `port`
 * is its port for this interface. -ENOSPC. */
int weir_loop_add_dev(struct weir_loop *loop, struct weir *weir, unsigned iface,
                      struct weir_dev *dev, struct weir_capture *capture, unsigned port)
    __attribute__((warn_unused_result));

/* Moves the frames of a pair; both its instances were added. -ENOSPC. */
int weir_loop_add_pair(struct weir_loop *loop, struct weir_pair *pair)
    __attribute__((warn_unused_result));

/* ---- Running ---- */

/* Runs until weir_loop_stop: 0. -errno and a line in `why`: a device is gone. May be called again.
 */
int weir_loop_run(struct weir_loop *loop, char why[WEIR_LINE_MAX])
    __attribute__((warn_unused_result));

/* One round, which sleeps until there is something to do but not beyond `until` (0: not at all;
 * WEIR_NEVER). For programs that test a condition of their own between rounds. */
int weir_loop_step(struct weir_loop *loop, weir_time until, char why[WEIR_LINE_MAX])
    __attribute__((warn_unused_result));

/* May be called from anywhere, also from a signal handler or another thread. Called before
 * weir_loop_run, it makes that return at once. */
void weir_loop_stop(struct weir_loop *loop);

/* ---- What else the program waits for ---- */

/* Descriptors: `events` and `ready` are of epoll (EPOLLIN, EPOLLOUT, ...), level-triggered. Adding
 * one again, also with other events (0: only errors), replaces what was there. Remove it before
 * closing it. */
typedef void weir_loop_fd_fn(void *user, int fd, uint32_t ready, weir_time now);
int weir_loop_add_fd(struct weir_loop *loop, int fd, uint32_t events, weir_loop_fd_fn *on_ready,
                     void *user) __attribute__((warn_unused_result));
void weir_loop_remove_fd(struct weir_loop *loop, int fd);
/* Removes it, if it was added, and closes it. Sooner done than both, but only for a descriptor of
 * which there is no other (dup, another process): epoll would go on telling of that. */
void weir_loop_close_fd(struct weir_loop *loop, int fd);

/* One-shot timers, in the caller's memory, zeroed at first. A timer that has fired may be set
 * again, also by its own callback. Meant for a handful: every round looks at all of them. */
typedef void weir_loop_timer_fn(void *user, weir_time now);
struct weir_loop_timer {
    weir_loop_timer_fn *on_time;
    void *user;
    weir_time at; /* the rest is the loop's */
    struct weir_loop_timer *next;
    bool set;
};
void weir_loop_set_timer(struct weir_loop *loop, struct weir_loop_timer *timer, weir_time at);
void weir_loop_clear_timer(struct weir_loop *loop, struct weir_loop_timer *timer);

/* To be called by a callback that has just let somebody go on who will be back at once, and would
 * rather have this CPU meanwhile: the next wait is not spent awake, nor are those behind it that
 * begin before `until` (0: there are none). The latest `until` counts. */
void weir_loop_yield(struct weir_loop *loop, weir_time until);

struct weir_loop_counters {
    uint64_t rounds;
    uint64_t sleeps; /* rounds that gave the CPU away */
    uint64_t held;   /* frames kept for a driver that was full */
};
void weir_loop_counters(const struct weir_loop *loop, struct weir_loop_counters *counters);

/* ---- What a program must bring, brought along ---- */

/* Fills `seed` and `secret` from the system's random source. */
int weir_secrets_fill(struct weir_config *config, char why[WEIR_LINE_MAX])
    __attribute__((warn_unused_result));

/* Cryptography by libcrypto, for weir_config.crypto. A program that uses it links with -lcrypto. */
extern const struct weir_crypto weir_crypto;

/* The errno that Linux gives for it; 0 for WEIR_OK. */
int weir_errno(enum weir_error error);

/* Names the one instance whose last records weir_panic prints before it aborts; NULL: none. */
void weir_panic_watch(const struct weir *weir);

#ifdef __cplusplus
}
#endif

#endif
