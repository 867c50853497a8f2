/* SPDX-License-Identifier: MIT */

/* One round is: wait, frames in, timeouts, the program's descriptors and timers, events, frames
 * out.
 *
 * Input comes before timeouts because the acknowledgement that a timer waits for may already be
 * there. Output comes last because only then all is known that it has to say: the acknowledgement
 * rides on the answer.
 *
 * A round that leaves something undone (a full batch either way) makes the loop hot: the next round
 * does not ask epoll, but reads at once. The same holds while it spins. Then only every POLL_EVERY
 * rounds does epoll say what the program's own descriptors want, if it has any. A round in which
 * nothing came in and nothing fired ends there: it is what a spinning loop does most, and as long
 * as it takes, as late is the next frame seen. */
#include "loop/parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define POLL_EVERY  16  /* hot rounds between two looks at epoll */
#define EVENT_TURNS 8   /* turns of events and output in a round, before input has its turn again */
#define EVENTS_MAX  256 /* events of one instance in a turn */
#define PAIR_FRAMES 256 /* frames moved over a pair in a turn */
#define WORTH_MAX   8   /* short waits that are remembered; a long one halves them */
#define WORTH_LEAST 2   /* of those, for the next wait to be spent awake */

/* syscall: clock_gettime */
static weir_time clock_read(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (weir_time)ts.tv_sec * WEIR_SECOND + ts.tv_nsec;
}

weir_time weir_loop_clock(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

weir_time weir_loop_epoch(void)
{
    return clock_read(CLOCK_REALTIME) - clock_read(CLOCK_MONOTONIC);
}

__attribute__((format(printf, 3, 4))) static int fail(char why[WEIR_LINE_MAX], int error,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, WEIR_LINE_MAX, format, args);
    va_end(args);
    return error;
}

/* ---- Waiting ---- */

/* Looks up the instances' deadlines. They change only when something happens, so this is done after
 * a round's work and not before a frame is answered. */
static void note_deadline(struct weir_loop *loop)
{
    loop->deadline = WEIR_NEVER;
    for (unsigned i = 0; i < loop->instance_count; i++) {
        const weir_time at = weir_deadline(loop->instance[i].weir);
        loop->deadline = at < loop->deadline ? at : loop->deadline;
    }
}

static weir_time deadline_of(const struct weir_loop *loop)
{
    const weir_time timer = timer_deadline(loop);
    return timer < loop->deadline ? timer : loop->deadline;
}

static bool any_held(const struct weir_loop *loop)
{
    for (unsigned i = 0; i < loop->port_count; i++)
        if (port_holds(&loop->port[i]))
            return true;
    return false;
}

/* syscall: epoll_pwait2 epoll_ctl readv writev */

/* Asks epoll, for at most `span` nanoseconds (WEIR_NEVER: without end). */
static int poll_fds(struct weir_loop *loop, weir_time span)
{
    const struct timespec ts = { .tv_sec = span / WEIR_SECOND, .tv_nsec = span % WEIR_SECOND };
    int count =
        epoll_pwait2(loop->epoll_fd, loop->ready, READY_MAX, span == WEIR_NEVER ? NULL : &ts, NULL);
    if (count < 0 &&
        errno ==
            ENOSYS) { /* before Linux 5.11: milliseconds, rounded up so as not to wake too early */
        const weir_time ms = span / WEIR_MS + (span % WEIR_MS != 0 ? 1 : 0);
        count = epoll_wait(loop->epoll_fd, loop->ready, READY_MAX,
                           span == WEIR_NEVER ? -1 : (int)(ms < INT32_MAX ? ms : INT32_MAX));
    }
    loop->ready_count = count > 0 ? (unsigned)count : 0;
    return count < 0 && errno != EINTR ? -errno : 0;
}

/* Takes up what epoll said of our own descriptors. */
static void note_ready(struct weir_loop *loop)
{
    for (unsigned i = 0; i < loop->ready_count; i++) {
        const uint64_t data = loop->ready[i].data.u64;
        const uint32_t events = loop->ready[i].events;
        if (tag_kind(data) == TAG_STOP) {
            uint64_t value;
            const struct iovec iov = { &value, sizeof value };
            (void)!readv(loop->stop_fd, &iov, 1); /* `stopping` says the same */
        }
        if (tag_kind(data) != TAG_PORT)
            continue;
        struct port *port = &loop->port[(uint32_t)data];
        port->readable = port->readable || (events & ~(uint32_t)EPOLLOUT) != 0;
        if (events & EPOLLOUT)
            port_resume(port);
    }
}

static void flush_captures(struct weir_loop *loop)
{
    for (unsigned i = 0; i < loop->port_count; i++)
        if (loop->port[i].capture != NULL)
            weir_capture_flush(loop->port[i].capture);
    for (unsigned i = 0; i < loop->pair_count; i++)
        weir_pair_flush(loop->pair[i]);
}

/* ---- Waiting awake ----
 *
 * To fall asleep and be woken by another CPU costs tens of microseconds, of both. Where the next
 * thing to do mostly comes sooner than that, epoll is asked again and again for as long. A few
 * waits that were longer end it, so that it costs next to nothing where little happens, and nothing
 * where nothing does. */

static bool is_worth_awake(const struct weir_loop *loop, weir_time now)
{
    return loop->config.awake_ns > 0 && loop->worth >= WORTH_LEAST && !loop->yield &&
           now >= loop->yield_until;
}

/* `ns`: how long there was nothing to do, and how long it took to wake up. */
static void note_wait(struct weir_loop *loop, weir_time ns)
{
    if (ns >= 2 * loop->config.awake_ns)
        loop->worth /= 2;
    else if (loop->worth < WORTH_MAX)
        loop->worth++;
}

/* For at most `span` nanoseconds; `*now` is the time at the end. 0 or -errno. */
static int poll_awake(struct weir_loop *loop, weir_time span, weir_time *now)
{
    const weir_time most = span < loop->config.awake_ns ? span : loop->config.awake_ns;
    const weir_time end = *now + most;
    int error = 0;
    loop->ready_count = 0;
    while (error == 0 && loop->ready_count == 0 && *now < end) {
        error = poll_fds(loop, 0);
        *now = weir_loop_clock();
    }
    return error;
}

/* Nothing is to be done at once. Waits for at most `span`, awake at first if that is worth it. */
static int poll_waiting(struct weir_loop *loop, weir_time span, weir_time *now)
{
    const weir_time begun = *now;
    int error = 0;
    if (is_worth_awake(loop, begun))
        error = poll_awake(loop, span, now);
    const weir_time gone = *now - begun;
    if (error == 0 && loop->ready_count == 0 && (span == WEIR_NEVER || gone < span)) {
        flush_captures(loop);
        loop->counters.sleeps++;
        error = poll_fds(loop, span == WEIR_NEVER ? span : span - gone);
        *now = weir_loop_clock();
    }
    note_wait(loop, *now - begun);
    return error;
}

void weir_loop_yield(struct weir_loop *loop, weir_time until)
{
    loop->yield = true;
    if (until > loop->yield_until)
        loop->yield_until = until;
}

/* What epoll is asked about the drivers. EPOLLOUT only while frames are held, for a driver is
 * writable nearly always. EPOLLIN not while the loop spins: it reads anyway, and the kernel has a
 * wake-up less to do for every frame. */
static void want_ports(struct weir_loop *loop, bool spins)
{
    for (unsigned i = 0; i < loop->port_count; i++) {
        struct port *port = &loop->port[i];
        const uint32_t wanted = (spins ? 0u : EPOLLIN) | (port_holds(port) ? EPOLLOUT : 0u);
        if (wanted == port->wanted)
            continue;
        struct epoll_event event = { .events = wanted, .data.u64 = tag_make(TAG_PORT, 0, i) };
        const int operation = wanted == 0         ? EPOLL_CTL_DEL
                              : port->wanted == 0 ? EPOLL_CTL_ADD
                                                  : EPOLL_CTL_MOD;
        if (epoll_ctl(loop->epoll_fd, operation, port->dev->fd, &event) == 0)
            port->wanted = wanted;
    }
}

/* Waits for something to do, or sees that there is; `*now` is the time then. */
static int wait_ready(struct weir_loop *loop, weir_time until, weir_time *now)
{
    *now = weir_loop_clock();
    const bool busy = loop->hot || *now < loop->spin_end;
    for (unsigned i = 0; i < loop->port_count; i++)
        loop->port[i].readable = busy;
    loop->ready_count = 0;
    want_ports(loop, busy && loop->config.spin_ns > 0);
    const bool look = loop->watch_count > 0 && loop->counters.rounds % POLL_EVERY == 0;
    if (busy && !look && !any_held(loop))
        return 0;

    weir_time span = 0;
    if (!busy) {
        const weir_time deadline = deadline_of(loop);
        const weir_time wake = until < deadline ? until : deadline;
        span = wake == WEIR_NEVER ? WEIR_NEVER : wake > *now ? wake - *now : 0;
    }
    int error;
    if (span > 0) {
        error = poll_waiting(loop, span, now);
    } else {
        error = poll_fds(loop, 0);
        *now = weir_loop_clock();
    }
    loop->yield = false;
    if (error == 0)
        note_ready(loop);
    return error;
}

/* ---- The parts of a round ---- */

/* Returns the number of frames, or -errno. */
static int run_input(struct weir_loop *loop, weir_time now, char why[WEIR_LINE_MAX])
{
    int total = 0;
    for (unsigned i = 0; i < loop->port_count; i++) {
        struct port *port = &loop->port[i];
        if (!port->readable)
            continue;
        const int count = port_input(port, now);
        if (count < 0)
            return fail(why, count, "device %s: %s", port->dev->name, strerror(-count));
        if (count > 0)
            loop->spin_end = now + loop->config.spin_ns;
        loop->hot = loop->hot || !port->dev->drained;
        total += count;
    }
    return total;
}

static void run_timeouts(struct weir_loop *loop, weir_time now)
{
    for (unsigned i = 0; i < loop->instance_count; i++)
        if (weir_deadline(loop->instance[i].weir) <= now)
            weir_timeout(loop->instance[i].weir, now);
}

static unsigned run_events(struct weir_loop *loop, weir_time now)
{
    unsigned total = 0;
    for (unsigned i = 0; i < loop->instance_count; i++) {
        const struct instance *instance = &loop->instance[i];
        struct weir_event event;
        unsigned count = 0;
        while (instance->on_event != NULL && count < EVENTS_MAX &&
               weir_next_event(instance->weir, &event)) {
            instance->on_event(instance->user, instance->weir, &event, now);
            count++;
        }
        total += count;
    }
    return total;
}

static void run_output(struct weir_loop *loop, weir_time now)
{
    for (unsigned i = 0; i < loop->port_count; i++) {
        const struct port_sent sent = port_output(&loop->port[i], now);
        if (sent.frames > 0)
            loop->spin_end = now + loop->config.spin_ns;
        loop->counters.held += sent.held;
        loop->undone = loop->undone || sent.more;
    }
    for (unsigned i = 0; i < loop->pair_count; i++)
        if (weir_pair_move(loop->pair[i], PAIR_FRAMES, now) > 0)
            loop->undone = true;
}

/* Events and output in turns: output may go on with events that it had to wait for, and make some
 * of its own (a connect to a neighbour that is known not to answer fails there). */
static void run_turns(struct weir_loop *loop, weir_time now)
{
    for (unsigned turn = 0; turn < EVENT_TURNS; turn++) {
        const unsigned told = run_events(loop, now);
        if (told == 0 && turn > 0)
            return;
        /* The program may have taken its time. */
        run_output(loop, told == 0 ? now : weir_loop_clock());
    }
    loop->undone = true;
}

static void run_program(struct weir_loop *loop, weir_time now)
{
    loop->undone = false;
    run_turns(loop, now);
    loop->hot = loop->hot || loop->undone;
    note_deadline(loop);
}

static int run_round(struct weir_loop *loop, weir_time until, char why[WEIR_LINE_MAX])
{
    weir_time now;
    const int error = wait_ready(loop, until, &now);
    if (error != 0)
        return fail(why, error, "epoll: %s", strerror(-error));
    loop->counters.rounds++;
    loop->hot = false;
    const int frames = run_input(loop, now, why);
    if (frames < 0)
        return frames;
    const bool fired = deadline_of(loop) <= now;
    if (frames == 0 && !fired && !loop->undone && loop->ready_count == 0)
        return 0;
    if (fired)
        run_timeouts(loop, now);
    watch_run(loop, now);
    timer_run(loop, now);
    run_program(loop, now);
    return 0;
}

/* ---- Running ---- */

int weir_loop_step(struct weir_loop *loop, weir_time until, char why[WEIR_LINE_MAX])
{
    run_program(loop, weir_loop_clock()); /* what was done to the instances since the last step */
    return run_round(loop, until, why);
}

int weir_loop_run(struct weir_loop *loop, char why[WEIR_LINE_MAX])
{
    int error = 0;
    run_program(loop, weir_loop_clock());
    while (error == 0 && !__atomic_load_n(&loop->stopping, __ATOMIC_RELAXED))
        error = run_round(loop, WEIR_NEVER, why);
    __atomic_store_n(&loop->stopping, false, __ATOMIC_RELAXED);
    flush_captures(loop);
    return error;
}

void weir_loop_stop(struct weir_loop *loop)
{
    const int kept = errno; /* a signal handler must leave it */
    __atomic_store_n(&loop->stopping, true, __ATOMIC_RELAXED);
    uint64_t one = 1;
    const struct iovec iov = { &one, sizeof one };
    (void)!writev(loop->stop_fd, &iov, 1);
    errno = kept;
}

void weir_loop_counters(const struct weir_loop *loop, struct weir_loop_counters *counters)
{
    *counters = loop->counters;
}

/* ---- Birth, what belongs to it, death ---- */

int weir_loop_open(struct weir_loop **loop, const struct weir_loop_config *config,
                   char why[WEIR_LINE_MAX])
{
    struct weir_loop *made = calloc(1, sizeof *made);
    if (made == NULL)
        return fail(why, -ENOMEM, "loop: %s", strerror(ENOMEM));
    if (config != NULL)
        made->config = *config;
    made->hot = true;
    made->stop_fd = -1;
    made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (made->epoll_fd >= 0)
        made->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = tag_make(TAG_STOP, 0, 0) };
    if (made->stop_fd < 0 || epoll_ctl(made->epoll_fd, EPOLL_CTL_ADD, made->stop_fd, &event) < 0) {
        const int error = -errno;
        weir_loop_close(made);
        return fail(why, error, "loop: %s", strerror(-error));
    }
    *loop = made;
    return 0;
}

int weir_loop_add_instance(struct weir_loop *loop, struct weir *weir, weir_loop_event_fn *on_event,
                           void *user)
{
    if (loop->instance_count == WEIR_LOOP_INSTANCES_MAX)
        return -ENOSPC;
    loop->instance[loop->instance_count++] = (struct instance){ weir, on_event, user };
    return 0;
}

int weir_loop_add_dev(struct weir_loop *loop, struct weir *weir, unsigned iface,
                      struct weir_dev *dev, struct weir_capture *capture, unsigned port)
{
    if (loop->port_count == WEIR_LOOP_DEVS_MAX)
        return -ENOSPC;
    struct epoll_event event = { .events = EPOLLIN,
                                 .data.u64 = tag_make(TAG_PORT, 0, loop->port_count) };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, dev->fd, &event) < 0)
        return -errno;
    loop->port[loop->port_count++] = (struct port){ .weir = weir,
                                                    .iface = iface,
                                                    .dev = dev,
                                                    .capture = capture,
                                                    .capture_port = port,
                                                    .wanted = EPOLLIN };
    loop->hot = true;
    return 0;
}

int weir_loop_add_pair(struct weir_loop *loop, struct weir_pair *pair)
{
    if (loop->pair_count == WEIR_LOOP_PAIRS_MAX)
        return -ENOSPC;
    loop->pair[loop->pair_count++] = pair;
    loop->hot = true;
    return 0;
}

void weir_loop_close(struct weir_loop *loop)
{
    if (loop == NULL)
        return;
    for (unsigned i = 0; i < loop->port_count; i++)
        port_end(&loop->port[i]);
    if (loop->stop_fd >= 0)
        close(loop->stop_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop->watch);
    free(loop);
}
