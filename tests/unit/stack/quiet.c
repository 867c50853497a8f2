/* SPDX-License-Identifier: MIT */
/* What is not done: output is not asked where there is plainly nothing to send, and an ACK that can
 * say nothing does not go the way of those that can. Neither changes what is sent, so that no other
 * test would miss it. The first is seen by who waits for output; the second by counting
 * instructions, one by one, as a debugger does. */
#include "stack/instance.h"
#include "tap.h"
#include "world.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MAX 1000000

static struct world world;
static weir_handle client, server;

static void open_world(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.verify = false; /* what it looks at would be counted, too */
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE;
    CHECK(world_connect(&world, false, &listener, &client, &server), "they are connected");
}

/* ---- Who waits for output ---- */

static unsigned waiting(unsigned side)
{
    const struct weir *weir = world.side[side];
    unsigned count = 0;
    for (uint32_t i = 0; i < weir->due_count; i++)
        count += weir->due[i].control.count + weir->due[i].data.count;
    return count;
}

static unsigned bare_came, bare_asked;

/* A frame has gone in, and output had no turn yet. */
static void look(struct world *w, unsigned to, const struct weir_frame *frame)
{
    (void)w;
    const uint8_t *tcp = frame->data + 14 + 20;
    const size_t len = frame->len - 14 - 20 - (size_t)(tcp[12] >> 4) * 4;
    if (len > 0 || (tcp[13] & (TCP_SYN | TCP_FIN)) != 0)
        return;
    bare_came++;
    bare_asked += waiting(to) > 0;
}

static bool say(unsigned from, weir_handle conn, size_t len)
{
    static const uint8_t text[8000];
    size_t done = 0;
    return weir_send(world.side[from], conn, text, len, 0, &done, world.now) == WEIR_OK &&
           done == len;
}

static void an_ack_for_all(void)
{
    open_world();
    world.arrived = look;
    CHECK(say(0, client, 64), "64 octets are sent");
    world_run(&world, WEIR_SECOND);
    CHECK(say(1, server, 8000), "and 8,000 are sent back");
    world_run(&world, WEIR_SECOND);
    CHECK(bare_came >= 2, "there were ACKs without octets: %u", bare_came);
    CHECK(bare_asked == 0, "they were for all that was in flight, and ask for no output");
    world.arrived = NULL;
    world_close(&world);
}

static void a_last_segment(void)
{
    open_world();
    CHECK(say(0, client, 64) && waiting(0) == 1, "64 octets wait for output");
    struct weir_out out;
    CHECK(weir_output(world.side[0], 0, &out, 1, world.now) == 1, "they leave in a frame");
    CHECK(waiting(0) == 0, "and output is not asked for another");
    world_close(&world);
}

/* ---- What an ACK costs ---- */

/* Instructions of a child from its first stop to its second; 0 if it may not be watched. */
static unsigned steps(void (*act)(void))
{
    const pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        act();
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    unsigned count = 0;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return 0;
    do {
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0 ||
            waitpid(child, &status, 0) != child)
            return 0;
        count++;
    } while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP && count < STEPS_MAX);
    const bool stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
    if (WIFSTOPPED(status)) {
        ptrace(PTRACE_KILL, child, NULL, NULL);
        waitpid(child, &status, 0);
    }
    return stopped ? count : 0;
}

static uint8_t frame[2][1514]; /* for all that was sent, and one octet less: that is looked into */
static size_t frame_len[2];

static void do_nothing(void)
{
}

static void take_bare(void)
{
    world_inject(&world, 1, frame[0], frame_len[0]);
}

static void take_old(void)
{
    world_inject(&world, 1, frame[1], frame_len[1]);
}

static void an_ack_that_says_nothing(void)
{
    open_world();
    CHECK(say(0, client, 1), "the client has said something");
    world_run(&world, WEIR_SECOND);
    struct weir_status status;
    CHECK(weir_status(world.side[0], client, &status) == WEIR_OK, "where it stands is known");
    for (unsigned i = 0; i < 2; i++) {
        const struct tcp_seg seg = { .sport = status.local.port,
                                     .dport = 80,
                                     .seq = status.snd_nxt,
                                     .ack = status.rcv_nxt - i,
                                     .flags = TCP_ACK,
                                     .wnd = 500 };
        const struct tcp_opts opts = { 0 };
        frame_len[i] = world_segment(&status.local.ip, &status.remote.ip, &seg, &opts, frame[i]);
    }
    take_bare(); /* from now on its window is no news either */
    world_run(&world, WEIR_SECOND);
    const unsigned none = steps(do_nothing), bare = steps(take_bare), old = steps(take_old);
    if (none == 0 || bare == 0 || old == 0) {
        SKIP("a child may not be watched here");
    } else {
        printf("# %u steps are none of theirs, of %u and %u\n", none, bare, old);
        CHECK(bare > none && old > none, "steps were counted");
        CHECK(old > bare, "an ACK that says nothing takes less than an old one");
    }
    world_close(&world);
}

int main(void)
{
    an_ack_for_all();
    a_last_segment();
    an_ack_that_says_nothing();
    return tap_done();
}
