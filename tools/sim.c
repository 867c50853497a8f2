/* SPDX-License-Identifier: MIT */
#include "args.h"
#include "sim/sim.h"
#include "tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* weir sim: simulated networks, each from one seed. Many seeds run in blocks, each block in a
 * process of its own, so that a failed assertion or an endless loop in the stack is one failing
 * seed and not the end of all. */

#define BLOCK        50
#define SEED_SECONDS 60 /* of the processor: a seed that takes longer hangs */
#define CAPTURES_MAX 8  /* capture files that one call leaves behind */

struct options {
    bool one, hash, verbose, quiet;
    uint64_t first, last;
    const char *pcap;
    unsigned captures;
};

/* What the process of a block says: it begins with a seed (done false), and how that ended. */
struct message {
    uint64_t seed;
    bool done;
    struct sim_result result;
};

static void usage(void)
{
    puts("Usage: weir sim --seed N [--hash] [--pcap FILE] [--verbose]\n"
         "       weir sim --seeds A..B [--hash]\n"
         "\n"
         "Runs the stack in simulated networks, in virtual time, and watches it.\n"
         "\n"
         "  --seed N      one run, everything in it drawn from N\n"
         "  --seeds A..B  many runs, as TAP; what failed is run again to leave sim-N.pcapng\n"
         "  --hash        print the hash of all that was sent: the same on every machine\n"
         "  --pcap FILE   write all frames, with the reason for each (pcapng)\n"
         "  --verbose     print what the seed stands for, every frame and every change of state\n"
         "  --help        this text");
}

/* ---- One seed ---- */

static int run_one(const struct options *options)
{
    const struct sim_settings settings = { .seed = options->first,
                                           .pcap = options->pcap,
                                           .verbose = options->verbose };
    struct sim_result result;
    sim_run(&settings, &result);
    printf("seed %llu: %s; %llu events, %llu frames, %llu octets, %u streams complete, %u errors, "
           "%lld s\n",
           (unsigned long long)options->first, result.failed ? "FAILED" : "ok",
           (unsigned long long)result.events, (unsigned long long)result.frames,
           (unsigned long long)result.octets, result.conns_complete, result.conns_error,
           (long long)(result.took / WEIR_SECOND));
    if (options->hash)
        printf("hash %016llx\n", (unsigned long long)result.hash);
    if (result.failed)
        printf("%s\n", result.text);
    return result.failed ? TOOL_FAILED : TOOL_OK;
}

/* ---- Many seeds ---- */

/* INV 39: the same seed is the same run, also without the early time-outs, and without the frames
 * that land in the instances' memory, which may both change nothing. (A landing asks for its chunk
 * before the segment does: where a pool fails its n-th request, it is another that fails.) */
static void check_repeats(struct sim_settings settings, struct sim_result *result)
{
    static const char *const without[] = { "", " without early time-outs", " without landings" };
    for (unsigned i = 0; i < 3 && !result->failed; i++) {
        struct sim_result again;
        if (i == 2 && result->starved)
            break;
        settings.no_early = i == 1;
        settings.no_landing = i == 2;
        sim_run(&settings, &again);
        if (again.hash == result->hash)
            continue;
        result->failed = true;
        snprintf(result->text, sizeof result->text, "INV 39: the hash is %016llx, then %016llx%s",
                 (unsigned long long)result->hash, (unsigned long long)again.hash, without[i]);
    }
}

static void send_message(int fd, const struct message *message)
{
    if (write(fd, message, sizeof *message) != (ssize_t)sizeof *message)
        _exit(TOOL_FAILED);
}

/* Ends the process after so much time of its own, however busy the machine is; 0: not at all. */
static void limit_time(unsigned seconds)
{
    const struct itimerval limit = { .it_value = { .tv_sec = (time_t)seconds } };
    setitimer(ITIMER_VIRTUAL, &limit, NULL);
}

/* The process of a block. Does not return. */
static void child(int fd, FILE *errors, uint64_t first, uint64_t last, uint64_t repeat)
{
    dup2(fileno(errors), STDERR_FILENO);
    signal(SIGVTALRM, SIG_DFL);
    for (uint64_t seed = first;; seed++) {
        struct message message = { .seed = seed };
        send_message(fd, &message);
        limit_time(SEED_SECONDS);
        const struct sim_settings settings = { .seed = seed };
        sim_run(&settings, &message.result);
        if (seed == repeat)
            check_repeats(settings, &message.result);
        limit_time(0);
        message.done = true;
        send_message(fd, &message);
        if (seed == last)
            break;
    }
    _exit(TOOL_OK);
}

/* Runs a failing seed once more, to leave its frames behind. */
static void leave_capture(uint64_t seed, const char *path)
{
    const pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL || freopen("/dev/null", "w", stdout) == NULL)
            _exit(TOOL_FAILED);
        limit_time(SEED_SECONDS);
        struct sim_result result;
        sim_run(&(struct sim_settings){ .seed = seed, .pcap = path }, &result);
        _exit(TOOL_OK);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void report_failure(struct options *options, uint64_t seed, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "sim-%llu.pcapng", (unsigned long long)seed);
    printf("# seed %llu: %s\n", (unsigned long long)seed, text);
    printf("# replay: weir sim --seed %llu --pcap %s\n", (unsigned long long)seed, path);
    fflush(stdout);
    if (options->captures++ < CAPTURES_MAX)
        leave_capture(seed, path);
}

/* What the process said last before it died, or how it died. */
static void describe_death(FILE *errors, int status, char *text, size_t room)
{
    char line[300];
    snprintf(text, room, "died");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGVTALRM)
        snprintf(text, room, "no end after %d s of computing", SEED_SECONDS);
    else if (WIFSIGNALED(status))
        snprintf(text, room, "signal %d", WTERMSIG(status));
    rewind(errors);
    while (fgets(line, sizeof line, errors) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strstr(line, "ERROR") != NULL || strstr(line, "assert") != NULL ||
            strstr(line, "runtime error") != NULL || strstr(line, ".c:") != NULL) {
            snprintf(text, room, "%s", line);
            return;
        }
    }
}

/* Runs [first, last] in one process until it ends or dies. Returns the seed to go on with; counts
 * failures. */
static uint64_t run_process(struct options *options, uint64_t first, uint64_t last, uint64_t repeat,
                            unsigned *failures)
{
    int fds[2];
    FILE *errors = tmpfile();
    if (errors == NULL || pipe(fds) != 0) {
        perror("weir sim");
        exit(TOOL_FAILED);
    }
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(fds[1], errors, first, last, repeat);
    }
    close(fds[1]);
    struct message message = { .seed = first };
    while (pid > 0 && read(fds[0], &message, sizeof message) == (ssize_t)sizeof message) {
        if (!message.done)
            continue;
        if (options->hash)
            printf("# hash %llu %016llx\n", (unsigned long long)message.seed,
                   (unsigned long long)message.result.hash);
        if (!message.result.failed)
            continue;
        ++*failures;
        report_failure(options, message.seed, message.result.text);
    }
    int status = 0;
    if (pid > 0)
        waitpid(pid, &status, 0);
    close(fds[0]);
    if (pid < 0 || !message.done) {
        char text[320];
        describe_death(errors, status, text, sizeof text);
        ++*failures;
        report_failure(options, message.seed, text);
    }
    fclose(errors);
    return message.seed + 1;
}

static int run_many(struct options *options)
{
    unsigned blocks = 0;
    unsigned failed = 0;
    for (uint64_t first = options->first; first <= options->last; first += BLOCK) {
        const uint64_t last = options->last - first < BLOCK - 1 ? options->last : first + BLOCK - 1;
        unsigned failures = 0;
        for (uint64_t next = first; next <= last;)
            next = run_process(options, next, last, first, &failures);
        printf("%s %u - seeds %llu..%llu", failures > 0 ? "not ok" : "ok", ++blocks,
               (unsigned long long)first, (unsigned long long)last);
        if (failures > 0)
            printf(": %u failed", failures);
        printf("\n");
        fflush(stdout);
        failed += failures;
    }
    printf("1..%u\n", blocks);
    return failed > 0 ? TOOL_FAILED : TOOL_OK;
}

/* ---- Arguments ---- */

#define SEED_MAX UINT64_C(1000000000000000000)

static bool parse_range(const char *text, struct options *options)
{
    char first[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL || (size_t)(dots - text) >= sizeof first)
        return false;
    memcpy(first, text, (size_t)(dots - text));
    first[dots - text] = 0;
    return args_number(first, 0, SEED_MAX, &options->first) &&
           args_number(dots + 2, options->first, SEED_MAX, &options->last);
}

/* Returns TOOL_OK to go on. */
static int parse(int argc, char **argv, struct options *options, bool *help)
{
    static const struct option longs[] = {
        { "seed", required_argument, NULL, 's' },
        { "seeds", required_argument, NULL, 'S' },
        { "hash", no_argument, NULL, 'H' },
        { "pcap", required_argument, NULL, 'p' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool many = false;
    args_begin();
    for (int c; (c = args_next(argc, argv, ":vh", longs)) != ARGS_END;) {
        if (c == ARGS_BAD)
            return TOOL_USAGE;
        if (c == 's' && !args_number(optarg, 0, SEED_MAX, &options->first))
            return tool_usage("sim", "--seed: not a number: %s", optarg);
        if (c == 'S' && !parse_range(optarg, options))
            return tool_usage("sim", "--seeds: not a range A..B: %s", optarg);
        options->one = options->one || c == 's';
        many = many || c == 'S';
        options->hash = options->hash || c == 'H';
        options->verbose = options->verbose || c == 'v';
        *help = *help || c == 'h';
        if (c == 'p')
            options->pcap = optarg;
    }
    if (*help)
        return TOOL_OK;
    if (optind < argc)
        return tool_usage("sim", "unexpected argument: %s", argv[optind]);
    if (options->one == many)
        return tool_usage("sim", "say either --seed N or --seeds A..B");
    if (many && (options->pcap != NULL || options->verbose))
        return tool_usage("sim", "--pcap and --verbose go with --seed");
    return TOOL_OK;
}

int tool_sim(int argc, char **argv)
{
    struct options options = { .one = false };
    bool help = false;
    const int status = parse(argc, argv, &options, &help);
    if (status != TOOL_OK)
        return status;
    if (help) {
        usage();
        return TOOL_OK;
    }
    return options.one ? run_one(&options) : run_many(&options);
}
