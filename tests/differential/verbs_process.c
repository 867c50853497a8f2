/* SPDX-License-Identifier: MIT */
/* Verbs about who acts: the peer, forked processes, threads, signals, descriptors in flight. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct thread {
    pthread_t id;
    struct actor *actor;
    bool joined;
    char line[LINE_LEN];
    struct text text;
};

/* ---- The peer and processes ---- */

static void ask(struct call *call, int connection, const char *line)
{
    if (!actor_ask(connection, line, call->text))
        text_add(call->text, " = no answer");
    if (!actor_looks(line))
        actor_settle(call->actor);
}

static void act_peer(struct call *call)
{
    char line[LINE_LEN];
    call_rest(call, 1, line);
    ask(call, call->actor->peer, line);
}

/* pair a active|passive: a connection; both ends are called a. Says nothing if it works. */
static void act_pair(struct call *call)
{
    static const char *const steps[2][5] = {
        { "p server l", "socket a tcp", "connect a far:@pl", "p accept a l", "p close l" },
        { "server l", "p socket a tcp", "p connect a far:@l", "accept a l", "close l" },
    };
    static struct text text;
    const int passive = strcmp(call->arg[2], "passive") == 0;
    const unsigned settle_ms = call->actor->settle_ms;
    call->actor->settle_ms = 0; /* each step waits for what the one before did */
    for (int i = 0; i < 5; i++) {
        text_clear(&text);
        actor_do(call->actor, steps[passive][i], &text);
        if (strcmp(text.at, " = 0") != 0)
            text_add(call->text, " (%s%s)", steps[passive][i], text.at);
    }
    call->actor->settle_ms = settle_ms;
    actor_settle(call->actor);
}

/* fork c: a process called c, which has all our sockets */
static void act_fork(struct call *call)
{
    int ends[2];
    const int name = (int)(call_slot(call, 1) - call->actor->fd);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
        call_bad(call, "no pair");
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        close(call->actor->peer);
        actor_serve(call->actor, ends[1]);
    }
    close(ends[1]);
    call->actor->child[name] = ends[0];
    call->actor->pid[name] = pid;
    text_result(call->text, pid < 0 ? -1 : 0);
}

/* in c LINE */
static void act_in(struct call *call)
{
    char line[LINE_LEN];
    const int name = (int)(call_slot(call, 1) - call->actor->fd);
    call_rest(call, 2, line);
    ask(call, call->actor->child[name], line);
}

static void tell_status(struct call *call, int status)
{
    if (WIFSIGNALED(status))
        text_add(call->text, " = SIG%s", sigabbrev_np(WTERMSIG(status)));
    else
        text_add(call->text, " = exit %d", WEXITSTATUS(status));
}

/* kill c: by SIGKILL; end c: by ending its conversation */
static void act_end(struct call *call)
{
    const int name = (int)(call_slot(call, 1) - call->actor->fd);
    int status = 0;
    if (call->arg[0][0] == 'k')
        kill(call->actor->pid[name], SIGKILL);
    close(call->actor->child[name]);
    waitpid(call->actor->pid[name], &status, 0);
    tell_status(call, status);
}

/* exec a TEXT: a new program writes the text to the socket; see main() */
static void act_exec(struct call *call)
{
    char fd[16];
    int status = 0;
    snprintf(fd, sizeof fd, "%d", *call_slot(call, 1));
    const pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "transcript", "--write", fd, call->arg[2], (char *)NULL);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    tell_status(call, status);
}

/* ---- Descriptors in flight ---- */

/* flight k a: sends socket a into the pair that is called k, to be taken out by land */
static void act_flight(struct call *call)
{
    int ends[2];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { .iov_base = (char *)"f", .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), call_slot(call, 2), sizeof(int));
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
        call_bad(call, "no pair");
    text_result(call->text, sendmsg(ends[0], &message, 0));
    close(ends[0]);
    *call_slot(call, 1) = ends[1];
}

/* land b k: and the pair is gone */
static void act_land(struct call *call)
{
    char octet;
    int fd = -1;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { .iov_base = &octet, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    const int from = *call_slot(call, 2);
    text_result(call->text, recvmsg(from, &message, MSG_DONTWAIT));
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    *call_slot(call, 1) = fd;
    close(from);
}

/* ---- Threads ---- */

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    actor_do(thread->actor, thread->line, &thread->text);
    return NULL;
}

/* thread t LINE: performs it in a thread that takes no signals */
static void act_thread(struct call *call)
{
    const int name = (int)(call_slot(call, 1) - call->actor->fd);
    struct thread *thread = calloc(1, sizeof *thread);
    sigset_t all;
    sigset_t before;
    if (thread == NULL)
        call_bad(call, "no memory");
    thread->actor = call->actor;
    call_rest(call, 2, thread->line);
    call->actor->thread[name] = thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread->id, NULL, thread_main, thread) != 0)
        call_bad(call, "no thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool join(struct thread *thread, long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (!thread->joined)
        thread->joined = pthread_timedjoin_np(thread->id, NULL, &until) == 0;
    return thread->joined;
}

/* join t MS: its result, if it is done by then */
static void act_join(struct call *call)
{
    struct thread *thread = call->actor->thread[call_slot(call, 1) - call->actor->fd];
    if (thread == NULL)
        call_bad(call, "no such thread");
    if (join(thread, atol(call->arg[2])))
        text_add(call->text, "%s", thread->text.at);
    else
        text_add(call->text, " = still waiting");
}

/* joined MS: how many threads are done by then, and what those that are say if all say the same */
static void act_joined(struct call *call)
{
    const struct timespec pause = { .tv_nsec = atol(call->arg[1]) * 1000000L };
    int all = 0;
    int done = 0;
    const char *said = NULL;
    nanosleep(&pause, NULL);
    for (int i = 0; i < SLOTS; i++) {
        struct thread *thread = call->actor->thread[i];
        if (thread == NULL)
            continue;
        all++;
        if (!join(thread, 1))
            continue;
        done++;
        said =
            said == NULL || strcmp(said, thread->text.at) == 0 ? thread->text.at : " differently";
    }
    text_add(call->text, " = %d of %d%s", done, all, said != NULL ? said : "");
}

/* ---- Signals and time ---- */

static void on_alarm(int number)
{
    (void)number;
}

/* alarm MS [restart] */
static void act_alarm(struct call *call)
{
    struct sigaction action = { .sa_handler = on_alarm };
    action.sa_flags = call_has(call, "restart") ? SA_RESTART : 0;
    sigaction(SIGALRM, &action, NULL);
    const long ms = atol(call->arg[1]);
    const struct itimerval once = { .it_value = { .tv_sec = ms / 1000,
                                                  .tv_usec = ms % 1000 * 1000 } };
    setitimer(ITIMER_REAL, &once, NULL);
}

/* within MIN MAX LINE: says so if it took less or more than that, in ms */
static void act_within(struct call *call)
{
    char line[LINE_LEN];
    const long began = actor_now_ms();
    call_rest(call, 3, line);
    actor_do(call->actor, line, call->text);
    const long took = actor_now_ms() - began;
    if (took < atol(call->arg[1]))
        text_add(call->text, ", too soon");
    else if (took > atol(call->arg[2]))
        text_add(call->text, ", too late");
}

/* after MS LINE: performs it in the peer so much later; the answer is not waited for */
static void act_after(struct call *call)
{
    char line[LINE_LEN];
    const int peer = call->actor->peer;
    const long ms = atol(call->arg[1]);
    call_rest(call, 2, line);
    const pid_t pid = fork();
    if (pid == 0) {
        static struct text text;
        const struct timespec pause = { .tv_nsec = ms % 1000 * 1000000L };
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; i < SLOTS; i++)
            close(call->actor->fd[i]); /* or a close by our parent would not be the last */
        nanosleep(&pause, NULL);
        actor_ask(peer, line, &text);
        _exit(0);
    }
    text_add(call->text, "%s", pid < 0 ? " = no process" : "");
}

/* family 4|6: said to the peer before all else */
static void act_family(struct call *call)
{
    call->actor->family = atoi(call->arg[1]);
}

const struct verb verbs_process[] = {
    { "p", act_peer, true, 1 },      { "pair", act_pair, true, 2 },
    { "fork", act_fork, true, 1 },   { "in", act_in, true, 2 },
    { "kill", act_end, false, 1 },   { "end", act_end, false, 1 },
    { "exec", act_exec, false, 2 },  { "flight", act_flight, false, 2 },
    { "land", act_land, false, 2 },  { "thread", act_thread, false, 2 },
    { "join", act_join, true, 2 },   { "joined", act_joined, true, 1 },
    { "alarm", act_alarm, true, 1 }, { "within", act_within, true, 3 },
    { "after", act_after, true, 2 }, { "family", act_family, true, 1 },
    { NULL, NULL, false, 0 },
};
