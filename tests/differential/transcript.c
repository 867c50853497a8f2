/* SPDX-License-Identifier: MIT */
/* Plays cases on sockets and writes down what every call gave back.
 *
 *     transcript --serve PATH --own ADDR --peer ADDR           the peer, on the kernel
 *     transcript --control PATH --own ADDR --peer ADDR [--sequences] [CASES...]
 *
 * Addresses are given for each family. PATH is an AF_UNIX socket, over which the subject tells
 * the peer what to do; it is never a socket under test. Every case is a process of its own with a
 * peer process of its own, so that none inherits anything from another, and one that hangs is
 * ended and says where. The transcript is in the order of the cases, whatever runs beside what. */
#include "actor.h"
#include "cases.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX     128
#define JOBS_DEFAULT 80
#define SETTLE_MS    12
#define CASE_MS      20000 /* more than the longest case, which waits for TCP to give up */

static struct {
    const char *serve;
    const char *control;
    const char *only;
    const char *sides;         /* of the sequences, those in this list; NULL: all */
    const char *address[2][2]; /* own and peer, by family */
    bool sequences;
    int jobs;
    unsigned settle_ms;
} set = { .jobs = JOBS_DEFAULT, .settle_ms = SETTLE_MS };

struct job {
    struct text text;
    pid_t pid; /* 0: the place is free */
    long began;
    size_t scene;
};

static struct scene scenes[CASES_MAX];
static char *written[CASES_MAX];
static struct job jobs[JOBS_MAX];
static struct pollfd pipes[JOBS_MAX];

static int control_socket(bool listens)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = listens ? set.serve : set.control;
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const int result = listens ? bind(fd, (struct sockaddr *)&address, sizeof address)
                               : connect(fd, (struct sockaddr *)&address, sizeof address);
    if (fd < 0 || result != 0 || (listens && listen(fd, 2 * JOBS_MAX) != 0)) {
        fprintf(stderr, "transcript: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    return fd;
}

static void actor_ready(struct actor *actor)
{
    actor_init(actor);
    for (int six = 0; six < 2; six++) {
        actor->own[six] = set.address[0][six] != NULL ? set.address[0][six] : "";
        actor->far[six] = set.address[1][six] != NULL ? set.address[1][six] : "";
    }
}

/* The peer: a process for each case, which ends when the case does. */
static _Noreturn void serve(void)
{
    const int listener = control_socket(true);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        const int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            continue;
        if (fork() == 0) {
            struct actor actor;
            signal(SIGCHLD, SIG_DFL);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(listener);
            actor_ready(&actor);
            actor_serve(&actor, connection);
        }
        close(connection);
    }
}

/* ---- One case ---- */

static void put(int fd, struct text *text)
{
    for (size_t at = 0; at < text->len;) {
        const ssize_t wrote = write(fd, text->at + at, text->len - at);
        if (wrote <= 0)
            _exit(1);
        at += (size_t)wrote;
    }
    text_clear(text);
}

static _Noreturn void play(const struct scene *scene, int out)
{
    static struct text text;
    struct actor actor;
    char line[LINE_LEN];
    actor_ready(&actor);
    actor.settle_ms = set.settle_ms;
    actor.family = scene->family;
    actor.peer = control_socket(false);
    snprintf(line, sizeof line, "family %d", scene->family);
    if (!actor_ask(actor.peer, line, &text))
        _exit(1);
    text_clear(&text);
    for (const char *at = scene->lines; *at != '\0'; at = strchr(at, '\n') + 1) {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        text_add(&text, "%s", line);
        put(out, &text); /* at once, so that one who looks at a hang knows where */
        actor_do(&actor, line, &text);
        text_add(&text, "\n");
    }
    put(out, &text);
    _exit(0);
}

/* ---- All of them ---- */

static void begin(struct job *job, struct pollfd *pipe_end, size_t scene)
{
    int ends[2];
    if (pipe(ends) != 0) {
        perror("transcript: pipe");
        exit(2);
    }
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; i < set.jobs; i++)
            if (jobs[i].pid != 0)
                close(pipes[i].fd);
        close(ends[0]);
        play(&scenes[scene], ends[1]);
    }
    close(ends[1]);
    text_clear(&job->text);
    text_add(&job->text, "[%s %s] %s\n", scenes[scene].name, scenes[scene].variant,
             scenes[scene].title);
    job->pid = pid;
    job->began = actor_now_ms();
    job->scene = scene;
    *pipe_end = (struct pollfd){ .fd = ends[0], .events = POLLIN };
}

static void finish(struct job *job, struct pollfd *pipe_end, bool hangs)
{
    int status;
    if (hangs)
        kill(job->pid, SIGKILL);
    close(pipe_end->fd);
    waitpid(job->pid, &status, 0);
    if (hangs)
        text_add(&job->text, " HANGS\n");
    else if (WIFSIGNALED(status))
        text_add(&job->text, " ENDED BY SIG%s\n", sigabbrev_np(WTERMSIG(status)));
    else if (status != 0)
        text_add(&job->text, " BROKEN\n");
    written[job->scene] = strdup(job->text.at);
    job->pid = 0;
    pipe_end->fd = -1;
}

/* What the job wrote; ends it when it is done or overdue. */
static void tend(struct job *job, struct pollfd *pipe_end)
{
    const size_t room = TEXT_MAX - 1 - job->text.len;
    if (pipe_end->revents != 0) {
        const ssize_t len = read(pipe_end->fd, job->text.at + job->text.len, room);
        if (len > 0) {
            job->text.len += (size_t)len;
            job->text.at[job->text.len] = '\0';
        } else {
            finish(job, pipe_end, false);
            return;
        }
    }
    if (actor_now_ms() - job->began > CASE_MS)
        finish(job, pipe_end, true);
}

static bool wanted(const struct scene *scene)
{
    char name[sizeof scene->name + sizeof scene->variant];
    snprintf(name, sizeof name, "%s %s", scene->name, scene->variant);
    if (set.sides != NULL && scene->variant[0] != 'v' && strstr(set.sides, scene->variant) == NULL)
        return false;
    return set.only == NULL || fnmatch(set.only, name, FNM_EXTMATCH) == 0;
}

static void play_all(size_t count)
{
    size_t next = 0;
    bool busy = true;
    for (int i = 0; i < set.jobs; i++)
        pipes[i].fd = -1;
    while (busy) {
        busy = false;
        for (int i = 0; i < set.jobs; i++) {
            while (next < count && !wanted(&scenes[next]))
                next++;
            if (jobs[i].pid == 0 && next < count)
                begin(&jobs[i], &pipes[i], next++);
            busy = busy || jobs[i].pid != 0;
        }
        poll(pipes, (nfds_t)set.jobs, 100);
        for (int i = 0; i < set.jobs; i++)
            if (jobs[i].pid != 0)
                tend(&jobs[i], &pipes[i]);
    }
    for (size_t i = 0; i < count; i++)
        if (written[i] != NULL)
            printf("%s\n", written[i]);
}

/* ---- The command line ---- */

static _Noreturn void usage(void)
{
    fprintf(
        stderr,
        "usage: transcript --serve PATH --own ADDR... --peer ADDR...\n"
        "       transcript --control PATH --own ADDR... --peer ADDR... [--sequences]\n"
        "                  [--only PATTERN] [--sides LIST] [--jobs N] [--settle MS] [CASES...]\n");
    exit(2);
}

static void take(int option)
{
    if (option == 's')
        set.serve = optarg;
    else if (option == 'c')
        set.control = optarg;
    else if (option == 'o' || option == 'p')
        set.address[option == 'p'][strchr(optarg, ':') != NULL] = optarg;
    else if (option == 'q')
        set.sequences = true;
    else if (option == 'n')
        set.only = optarg;
    else if (option == 'i')
        set.sides = optarg;
    else if (option == 'j')
        set.jobs = atoi(optarg);
    else if (option == 't')
        set.settle_ms = (unsigned)atoi(optarg);
    else
        usage();
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "serve", required_argument, NULL, 's' },  { "control", required_argument, NULL, 'c' },
        { "own", required_argument, NULL, 'o' },    { "peer", required_argument, NULL, 'p' },
        { "sequences", no_argument, NULL, 'q' },    { "only", required_argument, NULL, 'n' },
        { "sides", required_argument, NULL, 'i' },  { "jobs", required_argument, NULL, 'j' },
        { "settle", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 },
    };
    /* The new program of the verb `exec`. */
    if (argc == 4 && strcmp(argv[1], "--write") == 0)
        return write(atoi(argv[2]), argv[3], strlen(argv[3])) < 0 ? errno : 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        take(option);
    if (set.serve != NULL)
        serve();
    if (set.control == NULL || set.jobs < 1 || set.jobs > JOBS_MAX)
        usage();
    size_t count = 0;
    for (int i = optind; i < argc; i++)
        count = cases_read(argv[i], scenes, count);
    if (set.sequences)
        count = cases_sequences(scenes, count);
    play_all(count);
    return 0;
}
