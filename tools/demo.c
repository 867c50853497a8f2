/* SPDX-License-Identifier: MIT */

/* `weir demo`: the kernel's TCP at one end of a wire, weir's at the other.
 *
 * Two processes: this one only watches, so that whatever happens to the other, or to the terminal,
 * everything is cleaned up. The other moves into a network namespace of its own and does the work;
 * its children die with it, and the namespace with the last of them. */

#include "amount.h"
#include "args.h"
#include "demo_net.h"
#include "exchange.h"
#include "spawn.h"
#include "terminal.h"
#include "tool.h"
#include "transfer.h"
#include "weir/loop.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB          (1024u * 1024u)
#define SIZE_DEFAULT 256
#define SIZE_MAX_MIB 65536
#define CAPTURE      "weir-demo.pcapng"
#define ROOM_SPARE   (16u * MIB)
#define TSHARK_LIMIT (20 * WEIR_SECOND)
#define ORPHAN_GRACE (4 * WEIR_SECOND) /* weird takes up to two to close its connections */
#define ORPHAN_LOOK  (20 * WEIR_MS)

static const char help[] =
    "usage: weir demo [OPTION...]\n"
    "\n"
    "Builds a network namespace with Linux's TCP at one end of a wire and weir's at\n"
    "the other. Programs as they are installed carry a file each way over IPv4 and\n"
    "IPv6, curl or nginx (else python3) under `weir run`; then a small connection is\n"
    "drawn with the states of both ends. Nothing outside the namespace is touched,\n"
    "and nothing stays behind but the capture. Needs root, or a system that allows\n"
    "unprivileged user namespaces.\n"
    "\n"
    "  --ladder           only draw the small connection\n"
    "  --pair             draw it between two weirs in memory; needs no namespace\n"
    "  --size MIB         size of the file; default 256\n"
    "  --packet           a veth pair and an AF_PACKET socket, not a TAP device\n"
    "  --pcap FILE        where the capture of the small connection goes; default\n"
    "                     " CAPTURE "\n"
    "  --columns N        width of the ladder, 80 to 160; default: the terminal's\n"
    "  --ascii            no line-drawing characters\n"
    "  --help             this text\n";

struct demo {
    bool ladder_only, pair, packet;
    const char *pcap;
    uint64_t size_mib;
    struct ladder_style style;
    char directory[TRANSFER_PATH_MAX]; /* for everything temporary */
};

/* ---- Options ---- */

enum {
    OPT_LADDER = 256,
    OPT_PAIR,
    OPT_SIZE,
    OPT_PACKET,
    OPT_PCAP,
    OPT_COLUMNS,
    OPT_ASCII,
    OPT_HELP
};

static int option(struct demo *demo, const char *command, int option_value)
{
    uint64_t columns = 0;
    switch (option_value) {
    case OPT_LADDER:
        demo->ladder_only = true;
        return TOOL_OK;
    case OPT_PAIR:
        demo->pair = demo->ladder_only = true;
        return TOOL_OK;
    case OPT_SIZE:
        if (!args_number(optarg, 1, SIZE_MAX_MIB, &demo->size_mib))
            return tool_usage(command, "--size %s: not MiB from 1 to %d", optarg, SIZE_MAX_MIB);
        return TOOL_OK;
    case OPT_PACKET:
        demo->packet = true;
        return TOOL_OK;
    case OPT_PCAP:
        demo->pcap = optarg;
        return TOOL_OK;
    case OPT_COLUMNS:
        if (!args_number(optarg, LADDER_NARROW, 160, &columns))
            return tool_usage(command, "--columns %s: not a number from 80 to 160", optarg);
        demo->style.columns = (unsigned)columns;
        return TOOL_OK;
    case OPT_ASCII:
        demo->style.ascii = true;
        return TOOL_OK;
    default:
        return TOOL_USAGE;
    }
}

static int parse(struct demo *demo, int argc, char **argv, bool *done)
{
    static const struct option longs[] = {
        { "ladder", no_argument, NULL, OPT_LADDER },
        { "pair", no_argument, NULL, OPT_PAIR },
        { "size", required_argument, NULL, OPT_SIZE },
        { "packet", no_argument, NULL, OPT_PACKET },
        { "pcap", required_argument, NULL, OPT_PCAP },
        { "columns", required_argument, NULL, OPT_COLUMNS },
        { "ascii", no_argument, NULL, OPT_ASCII },
        { "help", no_argument, NULL, OPT_HELP },
        { NULL, 0, NULL, 0 },
    };
    for (int value; (value = args_next(argc, argv, ":", longs)) != ARGS_END;) {
        if (value == OPT_HELP) {
            fputs(help, stdout);
            *done = true;
            return TOOL_OK;
        }
        const int status = option(demo, argv[0], value);
        if (status != TOOL_OK)
            return status;
    }
    if (optind < argc)
        return tool_usage(argv[0], "what is '%s'?", argv[optind]);
    if (demo->pair && demo->packet)
        return tool_usage(argv[0], "--packet has no use with --pair");
    return TOOL_OK;
}

static void choose_style(struct ladder_style *style)
{
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    if (style->columns == 0 && terminal)
        style->columns = terminal_columns();
    style->ascii = style->ascii || terminal_ascii();
    style->colour = terminal && terminal_colours();
}

/* ---- What the person sees: a name, what was found, and whether it was right ---- */

__attribute__((format(printf, 3, 4))) static bool say(bool ok, const char *what, const char *format,
                                                      ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* A failure is what, FAILED, and why on a line of its own. */
    const size_t head = ok ? strlen(text) : strcspn(text, ":");
    printf("%-10s %-60.*s %s\n", what, (int)head, text, ok ? "ok" : "FAILED");
    if (text[head] == ':')
        printf("%-10s %s\n", "", text + head + 2);
    fflush(stdout);
    return ok;
}

/* ---- The parts ---- */

static bool step_network(const struct demo *demo, struct demo_net *net)
{
    char log[TRANSFER_PATH_MAX + 16];
    if (!demo_net_enter(net))
        return say(false, "namespace", "a network of its own: %s", net->wrong);
    say(true, "namespace", "a network of its own, %s",
        net->as_root ? "made as root" : "in an unprivileged user namespace");
    snprintf(log, sizeof log, "%s/ip.log", demo->directory);
    if (!demo_net_build(net, demo->packet, log))
        return say(false, "wire", "a wire between the two: %s", net->wrong);
    return say(true, "wire", "%s: Linux %s, %s; weir .2, ::2", net->medium, DEMO_LINUX_V4,
               DEMO_LINUX_V6);
}

/* Counts the packets that tshark sees; -1: it complained. */
static long tshark_count(const struct demo *demo)
{
    char out[TRANSFER_PATH_MAX + 16], err[TRANSFER_PATH_MAX + 16], pcap[4096], line[512];
    snprintf(out, sizeof out, "%s/tshark.out", demo->directory);
    snprintf(err, sizeof err, "%s/tshark.err", demo->directory);
    snprintf(pcap, sizeof pcap, "%s", demo->pcap);
    char *const argv[] = { (char[]){ "tshark" }, (char[]){ "-n" }, (char[]){ "-r" }, pcap, NULL };
    const struct spawn_output output = { out, err };
    if (spawn_run(argv, &output, TSHARK_LIMIT) != 0)
        return -1;
    long count = 0;
    FILE *file = fopen(err, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strstr(line, "Running as user") == NULL)
            count = -1;
    if (file != NULL)
        fclose(file);
    file = count == 0 ? fopen(out, "re") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        count += strchr(line, '\n') != NULL;
    if (file != NULL)
        fclose(file);
    return count;
}

static bool step_capture(const struct demo *demo, uint64_t frames)
{
    const unsigned long long written = (unsigned long long)frames;
    if (!spawn_found("tshark"))
        return say(frames > 0, "capture", "%s, %llu frames (no tshark to try it with)", demo->pcap,
                   written);
    const long seen = tshark_count(demo);
    if (seen < 0)
        return say(false, "capture", "%s: tshark complains", demo->pcap);
    return say(seen > 0 && (uint64_t)seen == frames, "capture",
               "%s, %llu frames, %ld seen by tshark", demo->pcap, written, seen);
}

static bool step_exchange(const struct demo *demo, const char *device)
{
    const struct exchange_config config = { .device = device,
                                            .pcap = demo->pcap,
                                            .style = demo->style };
    struct exchange_result result;
    putchar('\n');
    const bool done = exchange_run(&config, &result);
    putchar('\n');
    if (!done)
        return say(false, "exchange", "a small connection: %s", result.wrong);
    say(true, "exchange", "%u segments, both ends closed in order", result.segments);
    if (!demo->pair)
        printf("%-10s %s\n", "",
               "(states as told by each end; reasons at Linux's segments inferred)");
    return step_capture(demo, result.frames);
}

static bool step_transfer(struct transfers *transfers, bool v4, bool to_linux)
{
    char rate[AMOUNT_MAX], octets[AMOUNT_MAX], time[AMOUNT_MAX];
    const bool done = to_linux ? transfer_to_linux(transfers, v4) : transfer_to_weir(transfers, v4);
    char what[48];
    snprintf(what, sizeof what, to_linux ? "curl from weir run %s" : "weir run curl from %s",
             to_linux ? transfer_server() : "python3");
    if (!done)
        return say(false, v4 ? "IPv4" : "IPv6", "%s: %s", what, transfers->wrong);
    return say(true, v4 ? "IPv4" : "IPv6", "%-26s %8s %7s %12s", what,
               amount_octets(transfers->size, octets), amount_time(transfers->took, time),
               amount_rate(transfers->size, transfers->took, rate));
}

static bool step_transfers(const struct demo *demo, const char *device)
{
    struct transfers transfers = { .device = device, .size = demo->size_mib * MIB };
    char octets[AMOUNT_MAX];
    memcpy(transfers.directory, demo->directory, sizeof transfers.directory);
    putchar('\n');
    if (!transfer_prepare(&transfers))
        return say(false, "file", "a file to send: %s", transfers.wrong);
    say(true, "file", "%s of random octets, SHA-256 %.8s...", amount_octets(transfers.size, octets),
        transfers.hash);
    if (!transfer_begin(&transfers))
        return say(false, "weird", "at weir's end of the wire: %s", transfers.wrong);
    bool done = true;
    for (unsigned i = 0; i < 4; i++)
        done &= step_transfer(&transfers, i < 2, i % 2 == 0);
    if (!transfer_end(&transfers))
        return say(false, "weird", "its end: %s", transfers.wrong);
    if (done)
        printf("%-10s %s\n", "",
               "(the same SHA-256 at both ends; times include the program's start)");
    return done;
}

static int work(const struct demo *demo)
{
    struct demo_net net;
    if (demo->pair)
        return step_exchange(demo, "pair") ? TOOL_OK : TOOL_FAILED;
    if (!step_network(demo, &net))
        return TOOL_FAILED;
    bool done = true;
    if (!demo->ladder_only)
        done = step_transfers(demo, net.device);
    done &= step_exchange(demo, net.device);
    return done ? TOOL_OK : TOOL_FAILED;
}

/* ---- The watcher ---- */

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

/* Not SA_RESTART: waiting has to end. */
static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

static void release_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], SIG_DFL);
}

/* Where there is room for the file twice, in memory if possible: a disk would be what is measured.
 */
static bool make_directory(struct demo *demo)
{
    const char *places[] = { getenv("TMPDIR"), "/dev/shm", "/tmp", "/var/tmp" };
    const uint64_t need = demo->ladder_only ? MIB : 2 * demo->size_mib * MIB + ROOM_SPARE;
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct statvfs info;
        if (places[i] == NULL || statvfs(places[i], &info) < 0 ||
            (uint64_t)info.f_bavail * info.f_frsize < need || access(places[i], W_OK) < 0)
            continue;
        const int len =
            snprintf(demo->directory, sizeof demo->directory, "%s/weir-demo-XXXXXX", places[i]);
        if (len > 0 && (size_t)len < sizeof demo->directory && mkdtemp(demo->directory) != NULL)
            return true;
    }
    return false;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void signal_children(int number)
{
    int child;
    FILE *file = fopen("/proc/thread-self/children", "re");
    while (file != NULL && fscanf(file, "%d", &child) == 1)
        kill((pid_t)child, number);
    if (file != NULL)
        fclose(file);
}

/* What the worker started dies with it, but for a weird (who gives up rights gives up that, too)
 * and for what a program started in its turn, which comes to us only when that has gone. They end
 * in order if they are told to; nginx's workers without a master or a network would not. */
static void end_orphans(void)
{
    const weir_time end = weir_loop_clock() + ORPHAN_GRACE;
    for (weir_time now; (now = weir_loop_clock()) < end + ORPHAN_GRACE;) {
        signal_children(now < end ? SIGTERM : SIGKILL);
        pid_t gone;
        while ((gone = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if (gone < 0 && errno == ECHILD)
            break;
        spawn_sleep(ORPHAN_LOOK);
    }
}

/* Waits for the worker, and for what it leaves. */
static int watch(pid_t worker)
{
    int status = 0;
    while (waitpid(worker, &status, 0) < 0) {
        if (errno != EINTR)
            return TOOL_FAILED;
        if (caught != 0)
            kill(worker, SIGKILL);
    }
    end_orphans();
    if (caught != 0)
        return 128 + caught;
    return WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_FAILED;
}

int tool_demo(int argc, char **argv)
{
    struct demo demo = { .pcap = CAPTURE, .size_mib = SIZE_DEFAULT };
    bool done = false;
    int status = parse(&demo, argc, argv, &done);
    if (status != TOOL_OK || done)
        return status;
    choose_style(&demo.style);
    if (!make_directory(&demo))
        return tool_fail(argv[0], "no room for twice %llu MiB in $TMPDIR, /dev/shm or /tmp",
                         (unsigned long long)demo.size_mib);
    catch_signals();
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans come to us, so that we see the last one go */
    const pid_t watcher = getpid();
    const pid_t worker = fork();
    if (worker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        release_signals();
        if (getppid() != watcher)
            _exit(TOOL_FAILED);
        status = work(&demo);
        if (fflush(stdout) != 0 || ferror(stdout) != 0)
            status = tool_fail(argv[0], "standard output: %s", strerror(errno));
        _exit(status);
    }
    if (worker < 0)
        status = tool_fail(argv[0], "fork: %s", strerror(errno));
    else
        status = watch(worker);
    nftw(demo.directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    if (caught != 0)
        tool_fail(argv[0], "interrupted; nothing is left behind");
    return status;
}
