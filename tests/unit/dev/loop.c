/* SPDX-License-Identifier: MIT */

/* The loop with an instance and a driver that do as they are told: order, sleep, timers,
 * descriptors, a full driver. */
#include "tap.h"

#include "fake_core.h"

#include "loop/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct weir core;
static char why[WEIR_LINE_MAX];

/* ---- A driver over one end of a socket pair: what is written to the other end comes in ---- */

struct fake_dev {
    struct weir_dev dev;
    int far; /* the other end */
    uint8_t octets[64];
    bool full; /* output says -EAGAIN */
    int input_error;
    unsigned written, tries, inputs, lands;
    unsigned flushed;  /* of those written, at the last flush */
    uint8_t first[64]; /* of each frame written, its last octet */
};

static int fake_input(struct weir_dev *dev, struct weir_frame *frames, unsigned count,
                      weir_time now)
{
    struct fake_dev *fake = (struct fake_dev *)(void *)dev;
    (void)count;
    fake->inputs++;
    if (fake->input_error != 0)
        return -fake->input_error;
    const ssize_t got = recv(dev->fd, fake->octets, sizeof fake->octets, MSG_DONTWAIT);
    dev->drained = got <= 0;
    if (got <= 0)
        return 0;
    frames[0] = (struct weir_frame){ .data = fake->octets, .len = (size_t)got, .when = now };
    return 1;
}

static int fake_output(struct weir_dev *dev, const struct weir_out *out)
{
    struct fake_dev *fake = (struct fake_dev *)(void *)dev;
    uint8_t octets[WEIR_HEAD_MAX + 64];
    fake->tries++;
    if (fake->full)
        return -EAGAIN;
    const size_t len = weir_out_copy(out, octets, sizeof octets);
    fake->first[fake->written++ % 64] = len > 0 ? octets[len - 1] : 0;
    return 0;
}

static void fake_flush(struct weir_dev *dev)
{
    struct fake_dev *fake = (struct fake_dev *)(void *)dev;
    fake->flushed = fake->written;
}

static void fake_close(struct weir_dev *dev)
{
    struct fake_dev *fake = (struct fake_dev *)(void *)dev;
    close(dev->fd);
    close(fake->far);
}

static int fake_land(struct weir_dev *dev, struct weir_frame *frame,
                     const struct weir_landing *landing, weir_time now)
{
    struct fake_dev *fake = (struct fake_dev *)(void *)dev;
    const int count = fake_input(dev, frame, 1, now);
    fake->inputs--;
    fake->lands += count == 1;
    frame->hole = fake->octets + landing->head_len;
    return count;
}

static const struct weir_dev_ops fake_ops = {
    .input = fake_input,
    .output = fake_output,
    .close = fake_close,
    .land = fake_land,
    .flush = fake_flush,
};

static void open_fake(struct fake_dev *fake)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) < 0)
        ends[0] = ends[1] = -1;
    memset(fake, 0, sizeof *fake);
    fake->dev.ops = &fake_ops;
    memcpy(fake->dev.name, "fake", 5);
    fake->dev.fd = ends[0];
    fake->far = ends[1];
}

static struct weir_loop *open_loop(weir_time spin_ns)
{
    const struct weir_loop_config config = { .spin_ns = spin_ns };
    struct weir_loop *loop = NULL;
    fake_reset(&core);
    CHECK(weir_loop_open(&loop, &config, why) == 0, "a loop opens");
    return loop;
}

static void poke(struct fake_dev *fake)
{
    CHECK(send(fake->far, "frame", 5, 0) == 5, "a frame is on its way");
}

/* Some rounds that do not sleep, until nothing is left to do. */
static void settle(struct weir_loop *loop)
{
    for (unsigned i = 0; i < 5; i++)
        if (weir_loop_step(loop, 0, why) != 0)
            return;
}

/* ---- Order ---- */

static unsigned events_seen;

static void on_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    (void)now;
    events_seen += event->handle == 9 && user == &events_seen;
    fake_put_out(weir, "answer", 6);
}

static void test_order(void)
{
    struct fake_dev fake;
    struct weir_loop *loop = open_loop(0);
    open_fake(&fake);
    CHECK(weir_loop_add_instance(loop, &core, on_event, &events_seen) == 0, "an instance is added");
    CHECK(weir_loop_add_dev(loop, &core, 0, &fake.dev, NULL, 0) == 0, "and its driver");
    settle(loop);
    poke(&fake);
    core.deadline = 1; /* long past; input must come first all the same */
    memset(core.order, 0, sizeof core.order);
    CHECK(weir_loop_step(loop, 0, why) == 0, "a round");
    /* The first pair is what a step does for what the program did before it. */
    CHECK(strcmp(core.order, "eoeiteoe") == 0, "input, timeout, events, output: %s", core.order);
    core.event[0] = (struct weir_event){ .handle = 9 };
    core.event_count = 1;
    CHECK(weir_loop_step(loop, 0, why) == 0, "a round");
    CHECK(events_seen == 1 && fake.written == 1, "an event is told once, and its answer leaves");
    CHECK(fake.flushed == 1, "at once");
    CHECK(core.in_count == 1 && memcmp(core.in_octets[0], "frame", 5) == 0, "the frame came in");
    weir_loop_close(loop);
    weir_dev_close(&fake.dev);
}

/* ---- Sleep ---- */

static weir_time cpu_time(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * WEIR_SECOND +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) * WEIR_US;
}

static void test_idle(void)
{
    struct fake_dev fake;
    struct weir_loop *loop = open_loop(20 * WEIR_US);
    struct weir_loop_counters before, after;
    open_fake(&fake);
    CHECK(weir_loop_add_instance(loop, &core, NULL, NULL) == 0 &&
              weir_loop_add_dev(loop, &core, 0, &fake.dev, NULL, 0) == 0,
          "an instance without events, and its driver");
    settle(loop);
    const weir_time begin = weir_loop_clock(), cpu = cpu_time(), end = begin + 500 * WEIR_MS;
    weir_loop_counters(loop, &before);
    while (weir_loop_clock() < end)
        if (weir_loop_step(loop, end, why) != 0)
            break;
    weir_loop_counters(loop, &after);
    const weir_time used = cpu_time() - cpu;
    CHECK(after.rounds - before.rounds <= 5, "half a second of nothing takes %u rounds",
          (unsigned)(after.rounds - before.rounds));
    CHECK(used < 5 * WEIR_MS, "and %d us of CPU", (int)(used / WEIR_US));
    weir_loop_close(loop);
    weir_dev_close(&fake.dev);
}

static void test_deadline(void)
{
    struct weir_loop *loop = open_loop(0);
    CHECK(weir_loop_add_instance(loop, &core, NULL, NULL) == 0, "an instance without a driver");
    settle(loop);
    const weir_time at = weir_loop_clock() + 30 * WEIR_MS;
    core.deadline = at;
    CHECK(weir_loop_step(loop, WEIR_NEVER, why) == 0, "a round");
    CHECK(core.timeouts == 1 && core.timeout_at >= at,
          "sleeps until the instance's deadline, not less");
    CHECK(core.timeout_at < at + 200 * WEIR_MS, "and not much longer: %d us",
          (int)((core.timeout_at - at) / WEIR_US));
    core.deadline = weir_loop_clock() + 10 * WEIR_SECOND;
    const weir_time until = weir_loop_clock() + 20 * WEIR_MS;
    CHECK(weir_loop_step(loop, until, why) == 0 && weir_loop_clock() >= until && core.timeouts == 1,
          "but not beyond what a step is given");
    weir_loop_close(loop);
}

static void test_spin(void)
{
    struct fake_dev fake;
    struct weir_loop *loop = open_loop(40 * WEIR_MS);
    struct weir_loop_counters before, after;
    open_fake(&fake);
    CHECK(weir_loop_add_instance(loop, &core, NULL, NULL) == 0 &&
              weir_loop_add_dev(loop, &core, 0, &fake.dev, NULL, 0) == 0,
          "a spinning loop");
    settle(loop);
    poke(&fake);
    settle(loop);
    weir_loop_counters(loop, &before);
    const weir_time end = weir_loop_clock() + 10 * WEIR_SECOND;
    do {
        if (weir_loop_step(loop, weir_loop_clock() + 100 * WEIR_MS, why) != 0)
            break;
        weir_loop_counters(loop, &after);
    } while (after.sleeps == before.sleeps && weir_loop_clock() < end);
    CHECK(after.rounds - before.rounds > 100, "looks for frames after the last one: %u rounds",
          (unsigned)(after.rounds - before.rounds));
    CHECK(after.sleeps - before.sleeps == 1, "then sleeps");
    weir_loop_close(loop);
    weir_dev_close(&fake.dev);
}

/* ---- Landing ---- */

static void test_landing(void)
{
    struct fake_dev fake;
    struct weir_loop *loop = open_loop(0);
    const struct weir_landing landing = { .head_len = 2 };
    open_fake(&fake);
    CHECK(weir_loop_add_instance(loop, &core, NULL, NULL) == 0 &&
              weir_loop_add_dev(loop, &core, 0, &fake.dev, NULL, 0) == 0,
          "a loop with a driver that can have frames land");
    poke(&fake);
    settle(loop);
    CHECK(fake.lands == 0 && core.in_count == 1, "nothing is expected: read as ever");
    settle(loop);

    const unsigned inputs = fake.inputs;
    core.landing = &landing;
    for (unsigned i = 0; i <= LANDED_MAX; i++)
        poke(&fake);
    CHECK(weir_loop_step(loop, WEIR_NEVER, why) == 0, "a round");
    CHECK(fake.lands == LANDED_MAX && core.in_count == 1 + LANDED_MAX &&
              core.in_calls == 1 + LANDED_MAX,
          "frames land one by one, and after %d of them others have their turn", LANDED_MAX);
    settle(loop);
    CHECK(fake.lands == LANDED_MAX + 1 && core.in_count == 1 + fake.lands, "then the last one");
    CHECK(fake.inputs == inputs, "and nothing is read otherwise");

    core.landing = NULL;
    poke(&fake);
    settle(loop);
    CHECK(fake.lands == LANDED_MAX + 1 && core.in_count == 2 + fake.lands,
          "no more is expected: read as ever");
    core.landing = &landing;
    fake.input_error = EBADFD;
    poke(&fake);
    CHECK(weir_loop_step(loop, WEIR_NEVER, why) == -EBADFD, "a device that is gone is told of: %s",
          why);
    weir_loop_close(loop);
    weir_dev_close(&fake.dev);
}

/* ---- Waiting awake ---- */

/* One round that finds `fd` readable, or waits for `span`. How often it slept. */
static unsigned wait_once(struct weir_loop *loop, int fd, weir_time span)
{
    struct weir_loop_counters before, after;
    char octet = 0;
    if (fd >= 0)
        CHECK(write(fd, &octet, 1) == 1, "something is there");
    weir_loop_counters(loop, &before);
    CHECK(weir_loop_step(loop, weir_loop_clock() + span, why) == 0, "a round");
    weir_loop_counters(loop, &after);
    return (unsigned)(after.sleeps - before.sleeps);
}

static void on_octet(void *user, int fd, uint32_t ready, weir_time now)
{
    char octet;
    (void)ready;
    (void)now;
    CHECK(read(fd, &octet, 1) == 1, "an octet");
    if (user != NULL)
        ++*(unsigned *)user;
}

/* Neither limit comes near what a machine can do to a wait: all are short, or all are long. */
static void test_awake(void)
{
    const weir_time limit[2] = { 100 * WEIR_SECOND, 1 };
    for (unsigned i = 0; i < 2; i++) {
        const struct weir_loop_config config = { .awake_ns = limit[i] };
        struct weir_loop *loop = NULL;
        int fd[2];
        fake_reset(&core);
        CHECK(weir_loop_open(&loop, &config, why) == 0 && pipe(fd) == 0 &&
                  weir_loop_add_fd(loop, fd[0], EPOLLIN, on_octet, NULL) == 0,
              "a loop with a pipe");
        settle(loop);
        unsigned first = 0, later = 0;
        for (unsigned turn = 0; turn < 2; turn++)
            first += wait_once(loop, fd[1], 100 * WEIR_SECOND);
        for (unsigned turn = 0; turn < 8; turn++)
            later += wait_once(loop, fd[1], 100 * WEIR_SECOND);
        CHECK(first == 2, "it begins asleep");
        CHECK(later == (i == 0 ? 0 : 8), "then it waits awake only if that is short: %u", later);
        if (i == 0)
            CHECK(wait_once(loop, -1, WEIR_MS) == 0, "also when nothing comes");
        weir_loop_yield(loop, 0);
        CHECK(wait_once(loop, fd[1], 100 * WEIR_SECOND) == 1, "and not when it is to yield,");
        CHECK(wait_once(loop, fd[1], 100 * WEIR_SECOND) == i, "which is for once");
        weir_loop_yield(loop, weir_loop_clock());
        CHECK(wait_once(loop, fd[1], 100 * WEIR_SECOND) == 1 &&
                  wait_once(loop, fd[1], 100 * WEIR_SECOND) == i,
              "nor when it was to till now, but the next time,");
        weir_loop_yield(loop, weir_loop_clock() + 100 * WEIR_SECOND);
        weir_loop_yield(loop, 0);
        for (unsigned turn = 0; turn < 2; turn++)
            CHECK(wait_once(loop, fd[1], 100 * WEIR_SECOND) == 1, "nor till then, which stays");
        weir_loop_close(loop);
        close(fd[0]);
        close(fd[1]);
    }
}

/* It costs no more than a few such waits when nothing comes any more. */
static void test_awake_idle(void)
{
    const struct weir_loop_config config = { .awake_ns = 4 * WEIR_MS };
    struct weir_loop *loop = NULL;
    struct weir_loop_counters before, after;
    int fd[2];
    fake_reset(&core);
    CHECK(weir_loop_open(&loop, &config, why) == 0 && pipe(fd) == 0 &&
              weir_loop_add_fd(loop, fd[0], EPOLLIN, on_octet, NULL) == 0,
          "a loop that was busy");
    settle(loop);
    for (unsigned turn = 0; turn < 20; turn++)
        (void)wait_once(loop, fd[1], 100 * WEIR_SECOND);
    weir_loop_counters(loop, &before);
    const weir_time cpu = cpu_time();
    for (unsigned turn = 0; turn < 50; turn++)
        (void)wait_once(loop, -1, 10 * WEIR_MS);
    weir_loop_counters(loop, &after);
    const weir_time used = cpu_time() - cpu;
    CHECK(after.sleeps - before.sleeps >= 25, "long waits end asleep");
    CHECK(used < 100 * WEIR_MS, "and half a second of them takes %d us of CPU",
          (int)(used / WEIR_US));
    weir_loop_close(loop);
    close(fd[0]);
    close(fd[1]);
}

/* A descriptor that is closed by the loop is heard of no more, and its number may be another's. */
static void test_close_fd(void)
{
    struct weir_loop *loop = open_loop(0);
    int first[2], second[2];
    unsigned heard[2] = { 0, 0 };
    CHECK(pipe(first) == 0 && weir_loop_add_fd(loop, first[0], EPOLLIN, on_octet, &heard[0]) == 0 &&
              write(first[1], "x", 1) == 1,
          "a pipe with an octet");
    weir_loop_close_fd(loop, first[0]);
    CHECK(fcntl(first[0], F_GETFD) < 0 && errno == EBADF, "it is closed");
    CHECK(pipe(second) == 0 && second[0] == first[0], "the next pipe has its number");
    settle(loop);
    CHECK(weir_loop_add_fd(loop, second[0], EPOLLIN, on_octet, &heard[1]) == 0 &&
              write(second[1], "y", 1) == 1,
          "and is added");
    settle(loop);
    CHECK(heard[0] == 0 && heard[1] == 1, "only the second is heard of: %u, %u", heard[0],
          heard[1]);
    weir_loop_close_fd(loop, -1);
    weir_loop_close(loop);
    close(first[1]);
    close(second[0]);
    close(second[1]);
}

/* ---- A full driver ---- */

static void test_full(void)
{
    struct fake_dev fake;
    struct weir_loop *loop = open_loop(0);
    struct weir_loop_counters counters;
    uint8_t octets[2] = { 'x', 'a' };
    open_fake(&fake);
    CHECK(weir_loop_add_instance(loop, &core, NULL, NULL) == 0 &&
              weir_loop_add_dev(loop, &core, 0, &fake.dev, NULL, 0) == 0,
          "a driver that will be full");
    settle(loop);
    for (unsigned i = 0; i < 20; i++) {
        const uint8_t head[1] = { (uint8_t)('A' + i) };
        fake_put_out(&core, head, 1);
    }
    core.out[0].span_count = 2;
    core.out[0].span[0] = core.out[0].span[1] = (struct weir_span){ octets, 2 };
    fake.full = true;

    /* Fill the socket, so that epoll finds it not writable. */
    uint8_t filler[64] = { 0 };
    while (send(fake.dev.fd, filler, sizeof filler, MSG_DONTWAIT) > 0)
        continue;
    CHECK(weir_loop_step(loop, 0, why) == 0, "a round");
    weir_loop_counters(loop, &counters);
    CHECK(fake.written == 0 && counters.held == 16 && core.out_at == 16,
          "a batch is kept, and no more is taken");
    memcpy(octets, "??", 2); /* the instance's memory changes with its next call */

    const weir_time cpu = cpu_time(), until = weir_loop_clock() + 100 * WEIR_MS;
    const unsigned tries = fake.tries;
    while (weir_loop_clock() < until)
        if (weir_loop_step(loop, until, why) != 0)
            break;
    CHECK(cpu_time() - cpu < 5 * WEIR_MS && fake.tries == tries,
          "meanwhile it sleeps and does not try again");

    fake.full = false;
    uint8_t drain[64];
    while (recv(fake.far, drain, sizeof drain, MSG_DONTWAIT) > 0)
        continue;
    CHECK(weir_loop_step(loop, weir_loop_clock() + WEIR_SECOND, why) == 0, "writable again");
    settle(loop);
    CHECK(fake.written == 20 && fake.flushed == 20 && fake.dev.counters.lost == 0, "all leave: %u",
          fake.written);
    CHECK(fake.first[0] == 'a' && fake.first[1] == 'B' && fake.first[15] == 'P' &&
              fake.first[16] == 'Q' && fake.first[19] == 'T',
          "in their order, as they were");
    const weir_time cpu2 = cpu_time(), until2 = weir_loop_clock() + 50 * WEIR_MS;
    while (weir_loop_clock() < until2)
        if (weir_loop_step(loop, until2, why) != 0)
            break;
    CHECK(cpu_time() - cpu2 < 5 * WEIR_MS, "and then it sleeps again");
    weir_loop_close(loop);
    weir_dev_close(&fake.dev);
}

static void test_gone(void)
{
    struct fake_dev fake;
    struct weir_loop *loop = open_loop(0);
    open_fake(&fake);
    CHECK(weir_loop_add_dev(loop, &core, 0, &fake.dev, NULL, 0) == 0, "a driver that dies");
    fake.input_error = EBADFD;
    CHECK(weir_loop_run(loop, why) == -EBADFD, "ends the run");
    CHECK(strncmp(why, "device fake: ", 13) == 0, "with a line: %s", why);
    weir_loop_close(loop);
    weir_dev_close(&fake.dev);
}

/* ---- Descriptors, timers, stop ---- */

struct pipes {
    struct weir_loop *loop;
    int fd[3][2];
    unsigned called[3];
};

static void on_third(void *user, int fd, uint32_t ready, weir_time now)
{
    struct pipes *pipes = user;
    (void)fd;
    (void)ready;
    (void)now;
    pipes->called[2]++;
}

static void on_first(void *user, int fd, uint32_t ready, weir_time now)
{
    struct pipes *pipes = user;
    char octet;
    (void)now;
    CHECK((ready & EPOLLIN) && read(fd, &octet, 1) == 1, "a readable descriptor is told");
    pipes->called[0]++;
    /* Ready in the same round; so is the third, which now asks for nothing. */
    weir_loop_remove_fd(pipes->loop, pipes->fd[1][0]);
    weir_loop_remove_fd(pipes->loop, pipes->fd[2][0]);
    CHECK(weir_loop_add_fd(pipes->loop, pipes->fd[2][0], 0, on_third, pipes) == 0, "added anew");
}

static void on_second(void *user, int fd, uint32_t ready, weir_time now)
{
    struct pipes *pipes = user;
    (void)fd;
    (void)ready;
    (void)now;
    pipes->called[1]++;
}

static void test_fds(void)
{
    struct pipes pipes = { .loop = open_loop(0) };
    for (unsigned i = 0; i < 3; i++)
        CHECK(pipe(pipes.fd[i]) == 0, "pipe %u", i);
    CHECK(weir_loop_add_fd(pipes.loop, -1, EPOLLIN, on_first, &pipes) == -EBADF,
          "no descriptor is refused");
    CHECK(weir_loop_add_fd(pipes.loop, pipes.fd[0][0], EPOLLIN, on_first, &pipes) == 0 &&
              weir_loop_add_fd(pipes.loop, pipes.fd[1][0], EPOLLIN, on_second, &pipes) == 0 &&
              weir_loop_add_fd(pipes.loop, pipes.fd[2][0], EPOLLIN, on_third, &pipes) == 0,
          "three are added");
    for (unsigned i = 0; i < 3; i++)
        CHECK(write(pipes.fd[i][1], "x", 1) == 1, "pipe %u has something", i);
    CHECK(weir_loop_step(pipes.loop, WEIR_NEVER, why) == 0, "a round");
    settle(pipes.loop);
    CHECK(pipes.called[0] == 1 && pipes.called[1] == 0,
          "one that was removed meanwhile is not called");
    CHECK(pipes.called[2] == 0, "nor one that was replaced");
    CHECK(weir_loop_add_fd(pipes.loop, pipes.fd[1][0], 0, on_second, &pipes) == 0 &&
              weir_loop_step(pipes.loop, 0, why) == 0 && pipes.called[1] == 0,
          "without events it is not either");
    CHECK(weir_loop_add_fd(pipes.loop, pipes.fd[1][0], EPOLLIN, on_second, &pipes) == 0 &&
              weir_loop_step(pipes.loop, WEIR_NEVER, why) == 0 && pipes.called[1] == 1,
          "with events again, it is");
    weir_loop_remove_fd(pipes.loop, pipes.fd[0][0]);
    weir_loop_remove_fd(pipes.loop, pipes.fd[0][0]);
    weir_loop_close(pipes.loop);
    for (unsigned i = 0; i < 3; i++) {
        close(pipes.fd[i][0]);
        close(pipes.fd[i][1]);
    }
}

static char fired[16];

struct named_timer {
    struct weir_loop_timer timer; /* first */
    struct weir_loop *loop;
    char name;
    unsigned again;
    weir_time again_at;
};

static void on_time(void *user, weir_time now)
{
    struct named_timer *named = user;
    const size_t len = strlen(fired);
    (void)now;
    if (len + 1 < sizeof fired)
        fired[len] = named->name;
    if (named->again > 0) {
        named->again--;
        weir_loop_set_timer(named->loop, &named->timer, named->again_at);
    }
    if (named->name == 's')
        weir_loop_stop(named->loop);
}

static void test_timers(void)
{
    struct named_timer timer[5] = {
        { .name = 'a' }, { .name = 'b' }, { .name = 'c' }, { .name = 'd' }, { .name = 's' }
    };
    struct weir_loop *loop = open_loop(0);
    const weir_time now = weir_loop_clock();
    for (unsigned i = 0; i < 5; i++) {
        timer[i].loop = loop;
        timer[i].timer.on_time = on_time;
        timer[i].timer.user = &timer[i];
    }
    timer[1].again = 2;
    timer[1].again_at = now + 5 * WEIR_MS; /* before c, however late it is */
    memset(fired, 0, sizeof fired);
    weir_loop_set_timer(loop, &timer[2].timer, now + 20 * WEIR_MS);
    weir_loop_set_timer(loop, &timer[0].timer, now + 5 * WEIR_MS);
    weir_loop_set_timer(loop, &timer[1].timer, now + 5 * WEIR_MS);
    weir_loop_set_timer(loop, &timer[3].timer, now + 6 * WEIR_MS);
    weir_loop_set_timer(loop, &timer[4].timer, now + 10 * WEIR_SECOND);
    weir_loop_set_timer(loop, &timer[4].timer, now + 30 * WEIR_MS);
    weir_loop_clear_timer(loop, &timer[3].timer);
    weir_loop_clear_timer(loop, &timer[3].timer);
    CHECK(weir_loop_run(loop, why) == 0, "runs until a timer stops it");
    const weir_time took = weir_loop_clock() - now;
    CHECK(strcmp(fired, "abbbcs") == 0, "timers fire in order, again if set again: %s", fired);
    CHECK(took >= 30 * WEIR_MS && took < 10 * WEIR_SECOND, "at their time: %d us",
          (int)(took / WEIR_US));
    weir_loop_stop(loop);
    CHECK(weir_loop_run(loop, why) == 0, "stopped before it runs, it returns at once");
    settle(loop);
    const weir_time until = weir_loop_clock() + 20 * WEIR_MS;
    CHECK(weir_loop_step(loop, until, why) == 0 && weir_loop_clock() >= until,
          "and can sleep again");
    weir_loop_close(loop);
}

static struct weir_loop *signalled;

static void on_signal(int number)
{
    (void)number;
    weir_loop_stop(signalled);
}

static void *stop_later(void *loop)
{
    usleep(20000);
    weir_loop_stop(loop);
    return NULL;
}

static void test_stop(void)
{
    struct weir_loop *loop = signalled = open_loop(0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, stop_later, loop) == 0, "another thread");
    CHECK(weir_loop_run(loop, why) == 0, "ends a sleeping loop");
    pthread_join(thread, NULL);
    signal(SIGALRM, on_signal);
    ualarm(20000, 0);
    CHECK(weir_loop_run(loop, why) == 0, "and so does a signal");
    weir_loop_close(loop);
    weir_loop_close(NULL);
}

/* ---- Two instances on a pair ---- */

/* More than a pair copies at a time. */
static void on_big(struct weir *weir, const struct weir_frame *frame)
{
    const uint8_t last = frame->data[frame->len - 1];
    weir->event_count +=
        frame->len == 65001 && frame->data[0] == last && frame->data[30000] == last;
}

static void test_big_frames(struct weir_pair *pair, struct weir *to)
{
    static uint8_t octets[20][65000];
    fake_reset(&core);
    fake_reset(to);
    to->on_frame = on_big;
    for (unsigned i = 0; i < 20; i++) {
        memset(octets[i], 'a' + (int)i, sizeof octets[i]);
        fake_put_out(&core, octets[i], 1);
        core.out[i].span_count = 1;
        core.out[i].span[0] = (struct weir_span){ octets[i], sizeof octets[i] };
    }
    CHECK(weir_pair_move(pair, 100, 1) == 20 && to->event_count == 20,
          "twenty frames of 64 KiB arrive whole: %u", to->event_count);
}

static void test_pair(void)
{
    static struct weir other;
    struct weir_loop *loop = open_loop(0);
    struct weir_pair *pair = NULL;
    struct weir_pair_end end[2] = { { .weir = &core }, { .weir = &core } };
    uint8_t payload[] = "payload";
    fake_reset(&other);
    CHECK(weir_pair_open(&pair, end, false, why) == -EINVAL,
          "an instance is not joined to itself: %s", why);
    end[1].weir = &other;
    CHECK(weir_pair_open(&pair, end, false, why) == 0, "two are");
    for (unsigned i = 0; i < 40; i++)
        fake_put_out(&core, "to other", 8);
    fake_put_out(&other, "to core", 7);
    core.out[39].span_count = 1;
    core.out[39].span[0] = (struct weir_span){ payload, 7 };
    core.out[39].csum_start = 2;
    core.out[39].gso_size = 3;
    CHECK(weir_pair_move(pair, 10, 1) == 10 && other.in_count == 10,
          "no more frames than asked for");
    CHECK(weir_loop_add_instance(loop, &core, NULL, NULL) == 0 &&
              weir_loop_add_instance(loop, &other, NULL, NULL) == 0 &&
              weir_loop_add_pair(loop, pair) == 0,
          "a loop runs both");
    settle(loop);
    CHECK(other.in_count == 40 && core.in_count == 1, "all frames arrive, both ways");
    CHECK(memcmp(core.in_octets[0], "to core", 7) == 0 &&
              memcmp(other.in_octets[39], "to otherpayload", 15) == 0 && other.in[39].len == 15,
          "whole");
    CHECK(other.in[39].csum_ok && other.in[39].gso_size == 3 && !other.in[0].csum_ok,
          "with their offloads");
    CHECK(other.in_calls < 10, "several at a time: %u calls", other.in_calls);
    test_big_frames(pair, &other);
    weir_pair_close(pair);

    CHECK(weir_pair_open(&pair, end, true, why) == 0, "with complete sums");
    fake_reset(&core);
    fake_reset(&other);
    fake_put_out(&core, "\0\0\x12\x34\0\0", 6);
    core.out[0].csum_start = 2;
    core.out[0].csum_offset = 2;
    CHECK(weir_pair_move(pair, 10, 1) == 1 && !other.in[0].csum_ok &&
              other.in_octets[0][4] == 0xed && other.in_octets[0][5] == 0xcb,
          "the other side has to check: %02x%02x", other.in_octets[0][4], other.in_octets[0][5]);
    weir_pair_close(pair);
    weir_loop_close(loop);
}

static void test_secrets(void)
{
    struct weir_config a, b;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    CHECK(weir_secrets_fill(&a, why) == 0 && weir_secrets_fill(&b, why) == 0, "secrets are filled");
    CHECK(a.seed != b.seed && memcmp(a.secret, b.secret, sizeof a.secret) != 0,
          "differently each time");
    bool all = true;
    for (unsigned i = 0; i < sizeof a.secret / sizeof a.secret[0]; i++)
        all = all && a.secret[i] != 0 && a.secret[i] != b.secret[i];
    CHECK(all && a.tcp_max == 0, "every word of them, and nothing else");
}

/* In a process of its own, which must not survive it. */
static void test_panic(void)
{
    int ends[2], status = 0;
    static char text[20000];
    CHECK(pipe(ends) == 0, "a pipe for what it says");
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        fake_reset(&core);
        for (unsigned i = 0; i < 100; i++)
            fake_record(
                &core, WEIR_TRACE_STORY,
                (struct weir_record){ .type = WEIR_REC_DROP, .code = WEIR_DROP_PAWS, .seq = i });
        const struct rlimit no_core = { 0, 0 };
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        weir_panic_watch(&core);
        weir_panic("file.c", 42, "two == 3");
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t got;
         len < sizeof text - 1 && (got = read(ends[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)got;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
          "a panic ends the process");
    CHECK(strncmp(text, "weir: file.c:42: does not hold: two == 3\n", 41) == 0,
          "says where and what");
    CHECK(strstr(text, "the last 32 of 100 records") != NULL && strstr(text, "seq 68 ") != NULL &&
              strstr(text, "seq 67 ") == NULL && strstr(text, "drop: old timestamp") != NULL,
          "and how it came to it");
}

int main(void)
{
    test_order();
    test_idle();
    test_deadline();
    test_spin();
    test_landing();
    test_awake();
    test_awake_idle();
    test_close_fd();
    test_full();
    test_gone();
    test_fds();
    test_timers();
    test_stop();
    test_pair();
    test_secrets();
    test_panic();
    return tap_done();
}
