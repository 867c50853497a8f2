/* SPDX-License-Identifier: MIT */
#include "mtr.h"

#include "args.h"
#include "terminal.h"
#include "tool.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_DEFAULT   10
#define INTERVAL_DEFAULT WEIR_SECOND
#define INTERVAL_MIN     (10 * WEIR_MS)
#define INTERVAL_MAX     (3600 * WEIR_SECOND)
#define WAIT_DEFAULT     (2 * WEIR_SECOND)
#define WAIT_MAX         (60 * WEIR_SECOND)
#define UNKNOWN_MAX      5  /* silent hops behind the last that answers, as in mtr(8) */
#define SPREAD           10 /* probes of a round before anything is known of its length */
#define LEN_DEFAULT      64
#define GAP_MIN          (5 * WEIR_MS)
#define NAMES_MS         2000

static const char help_mtr[] =
    "usage: weir mtr [OPTION...] HOST\n"
    "\n"
    "Probes every hop on the way to HOST again and again: live on the screen, or with\n"
    "-r as a report, which says in words what the losses mean. A hop in the middle\n"
    "that answers seldom is no fault while those behind it answer.\n"
    "\n"
    "  -r, --report      no screen; the table after all rounds\n"
    "  -w, --wide        a report with names as long as they are\n"
    "  -j, --json        the report as JSON\n"
    "  -c, --count N     rounds; report: 10, screen: no end\n"
    "  -i, --interval S  seconds for a round; default 1\n"
    "  -G, --wait S      seconds to wait for an answer; default 2\n"
    "  -u, --udp         UDP probes\n"
    "  -T, --tcp         TCP SYNs\n"
    "  -P, --port N      UDP: the first port (33434); TCP: the port (80)\n"
    "  -f, --first N     the first TTL; default 1\n"
    "  -m, --max-hops N  the last TTL, at most 64; default 30\n"
    "  -a, --address A   from this address of the machine's\n"
    "  -I, --interface I by this interface\n"
    "  -s, --size N      octets of the whole packet; default 64\n"
    "  -n, --numeric     no names\n"
    "  -b, --show-ips    names and addresses\n"
    "  -4, -6            only this family\n";

static const char help_pathping[] =
    "usage: weir pathping [-n] [-4|-6] [-q ROUNDS] [-h HOPS] [-p MS] [-w MS] HOST\n"
    "\n"
    "pathping is Windows' command. It finds the route, then probes each hop on it for\n"
    "a while and counts what is lost. That is what mtr does, so this is 'weir mtr\n"
    "--report' with pathping's options; it says so, and what the losses mean.\n"
    "\n"
    "  -q, --queries N   probes for each hop; default 10 (Windows: 100)\n"
    "  -h, --max-hops N  the last TTL; default 30\n"
    "  -p, --period MS   milliseconds between rounds; default 1000\n"
    "  -w, --wait MS     milliseconds to wait for an answer; default 3000\n"
    "  -n, --numeric     no names\n"
    "  -4, -6            only this family\n"
    "      --help        this text\n";

/* ---- Rounds ---- */

static unsigned last_ttl(const struct mtr *mtr)
{
    if (mtr->end != 0)
        return mtr->end;
    const int heard = path_last_heard(&mtr->path);
    const unsigned most = mtr->path.first + (unsigned)(heard + 1) + UNKNOWN_MAX - 1;
    return most < mtr->last_ttl ? most : (unsigned)mtr->last_ttl;
}

static void note_address(struct mtr *mtr, struct path_hop *hop, const struct weir_ip *from)
{
    for (unsigned i = 0; i < hop->address_count; i++)
        if (weir_ip_equal(&hop->address[i], from))
            return;
    if (hop->address_count == PATH_ADDRESSES)
        return;
    hop->address[hop->address_count++] = *from;
    names_want(mtr->names, from);
}

static void take_in(struct mtr *mtr, struct probe *probe)
{
    struct path_hop *hop = &mtr->path.hop[probe->ttl - mtr->path.first];
    if (probe->answer != PROBE_SILENT) {
        ping_stats_add(&hop->stats, probe->took, 0);
        note_address(mtr, hop, &probe->from);
        if (probe->answer == PROBE_REACHED)
            hop->reached = true;
        if (probe->answer == PROBE_STOPPED)
            memcpy(hop->stopped, probe->mark, sizeof hop->stopped);
        if (probe->answer >= PROBE_REACHED && (mtr->end == 0 || probe->ttl < mtr->end))
            mtr->end = probe->ttl;
    }
    hop->stats.sent++; /* counted when it is decided, so that one under way is not a loss */
    *probe = (struct probe){ .fd = -1, .answer = PROBE_SILENT };
}

static void send_next(struct mtr *mtr, weir_time now)
{
    if (mtr->ttl == 0 || now < mtr->next_at)
        return;
    for (unsigned i = 0; i < MTR_FLIGHT_MAX; i++) {
        struct probe *probe = &mtr->flight[i];
        if (probe->answer == PROBE_WAITS)
            continue;
        mtr->error = probe_send(&mtr->target, probe, mtr->ttl, mtr->seq);
        if (mtr->error != 0)
            *probe = (struct probe){ .fd = -1, .answer = PROBE_SILENT };
        mtr->seq = (uint16_t)((mtr->seq + 1) % 30000); /* UDP's ports stay below 65536 */
        break;
    }
    const unsigned last = last_ttl(mtr), hops = last + 1 - mtr->path.first;
    if (mtr->path.count < mtr->ttl + 1 - mtr->path.first)
        mtr->path.count = mtr->ttl + 1 - mtr->path.first;
    mtr->ttl = mtr->ttl >= last ? 0 : mtr->ttl + 1;
    weir_time gap = mtr->interval / (hops > SPREAD ? hops : SPREAD);
    if (gap < GAP_MIN)
        gap = GAP_MIN;
    mtr->next_at = now + gap;
}

/* The round's end; the next begins an interval after its beginning. */
static bool next_round(struct mtr *mtr, weir_time now)
{
    if (mtr->ttl != 0)
        return true;
    if (mtr->rounds != 0 && mtr->round >= mtr->rounds)
        return false;
    if (now < mtr->round_at)
        return true;
    mtr->round++;
    mtr->round_at = now + mtr->interval;
    mtr->ttl = mtr->path.first;
    mtr->next_at = now;
    return true;
}

bool mtr_step(struct mtr *mtr, int also)
{
    weir_time now = probe_clock();
    const bool more = next_round(mtr, now);
    send_next(mtr, now);
    weir_time until = now + mtr->wait;
    if (mtr->ttl != 0)
        until = mtr->next_at;
    else if (more && mtr->round_at < until)
        until = mtr->round_at;
    unsigned waiting = 0;
    for (unsigned i = 0; i < MTR_FLIGHT_MAX; i++) {
        const struct probe *probe = &mtr->flight[i];
        waiting += probe->answer == PROBE_WAITS;
        if (probe->answer == PROBE_WAITS && probe->sent_at + mtr->wait < until)
            until = probe->sent_at + mtr->wait;
    }
    if (!more && waiting == 0)
        return false;
    probe_wait(&mtr->target, mtr->flight, MTR_FLIGHT_MAX, until, also);
    now = probe_clock();
    for (unsigned i = 0; i < MTR_FLIGHT_MAX; i++) {
        struct probe *probe = &mtr->flight[i];
        if (probe->answer == PROBE_WAITS && now - probe->sent_at >= mtr->wait) {
            probe_close(probe);
            probe->answer = PROBE_SILENT;
        }
        if (probe->answer != PROBE_WAITS && probe->ttl != 0)
            take_in(mtr, probe);
    }
    if (mtr->end != 0 && mtr->path.count > mtr->end + 1 - mtr->path.first)
        mtr->path.count = mtr->end + 1 - mtr->path.first;
    names_turn(mtr->names, 0);
    return true;
}

void mtr_reset(struct mtr *mtr)
{
    for (unsigned i = 0; i < PATH_HOPS_MAX; i++)
        mtr->path.hop[i].stats = (struct ping_stats){ 0 };
    mtr->round = 0;
}

/* ---- Options ---- */

struct words {
    uint64_t first, size, port, period_ms, wait_ms;
    int family;
    bool numeric, counted;
};

static int number(const struct mtr *mtr, const char *name, uint64_t min, uint64_t max,
                  uint64_t *value)
{
    if (args_number(optarg, min, max, value))
        return TOOL_OK;
    return tool_usage(mtr->command, "%s %s: not a number from %" PRIu64 " to %" PRIu64, name,
                      optarg, min, max);
}

static int seconds(const struct mtr *mtr, const char *name, weir_time max, weir_time *value)
{
    if (args_seconds(optarg, INTERVAL_MIN, max, value))
        return TOOL_OK;
    return tool_usage(mtr->command, "%s %s: not seconds from 0.01 to %" PRId64, name, optarg,
                      max / WEIR_SECOND);
}

static int take_mtr(struct mtr *mtr, struct words *words, int option)
{
    switch (option) {
    case 'c':
        words->counted = true;
        return number(mtr, "--count", 1, UINT32_MAX, &mtr->rounds);
    case 'i':
        return seconds(mtr, "--interval", INTERVAL_MAX, &mtr->interval);
    case 'G':
        return seconds(mtr, "--wait", WAIT_MAX, &mtr->wait);
    case 'P':
        return number(mtr, "--port", 1, UINT16_MAX, &words->port);
    case 'f':
        return number(mtr, "--first", 1, PATH_HOPS_MAX, &words->first);
    case 'm':
        return number(mtr, "--max-hops", 1, PATH_HOPS_MAX, &mtr->last_ttl);
    case 's':
        return number(mtr, "--size", 28, PROBE_PAYLOAD_MAX, &words->size);
    case 'a':
        mtr->target.source = optarg;
        return TOOL_OK;
    case 'I':
        mtr->target.iface = optarg;
        return TOOL_OK;
    case 'u':
    case 'T':
        mtr->target.kind = option == 'u' ? PROBE_UDP : PROBE_TCP;
        return TOOL_OK;
    case '4':
    case '6':
        words->family = option == '4' ? AF_INET : AF_INET6;
        return TOOL_OK;
    default:
        mtr->wide = mtr->wide || option == 'w';
        mtr->both = mtr->both || option == 'b';
        mtr->report = mtr->report || option == 'r' || option == 'w' || option == 'j';
        mtr->as_json = mtr->as_json || option == 'j';
        words->numeric = words->numeric || option == 'n';
        return TOOL_OK;
    }
}

static int take_pathping(struct mtr *mtr, struct words *words, int option)
{
    switch (option) {
    case 'q':
        words->counted = true;
        return number(mtr, "--queries", 1, UINT32_MAX, &mtr->rounds);
    case 'h':
        return number(mtr, "--max-hops", 1, PATH_HOPS_MAX, &mtr->last_ttl);
    case 'p':
        return number(mtr, "--period", 10, 3600000, &words->period_ms);
    case 'w':
        return number(mtr, "--wait", 10, 60000, &words->wait_ms);
    default:
        return take_mtr(mtr, words, option);
    }
}

static int operand(struct mtr *mtr, int argc, char **argv)
{
    if (optind == argc)
        return tool_usage(mtr->command, "a host is missing");
    if (optind + 1 < argc)
        return tool_usage(mtr->command, "one host at a time; what is '%s'?", argv[optind + 1]);
    mtr->host = argv[optind];
    return TOOL_OK;
}

static int parse_mtr(struct mtr *mtr, struct words *words, int argc, char **argv)
{
    static const struct option longs[] = {
        { "report", no_argument, NULL, 'r' },
        { "wide", no_argument, NULL, 'w' },
        { "report-wide", no_argument, NULL, 'w' },
        { "show-ips", no_argument, NULL, 'b' },
        { "json", no_argument, NULL, 'j' },
        { "count", required_argument, NULL, 'c' },
        { "report-cycles", required_argument, NULL, 'c' },
        { "interval", required_argument, NULL, 'i' },
        { "wait", required_argument, NULL, 'G' },
        { "udp", no_argument, NULL, 'u' },
        { "tcp", no_argument, NULL, 'T' },
        { "port", required_argument, NULL, 'P' },
        { "first", required_argument, NULL, 'f' },
        { "first-ttl", required_argument, NULL, 'f' },
        { "max-ttl", required_argument, NULL, 'm' },
        { "psize", required_argument, NULL, 's' },
        { "max-hops", required_argument, NULL, 'm' },
        { "address", required_argument, NULL, 'a' },
        { "interface", required_argument, NULL, 'I' },
        { "size", required_argument, NULL, 's' },
        { "numeric", no_argument, NULL, 'n' },
        { "no-dns", no_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    for (int c; (c = args_next(argc, argv, ":rwbjc:i:G:uTP:f:m:a:I:s:n46h", longs)) != ARGS_END;) {
        if (c == ARGS_BAD)
            return TOOL_USAGE;
        if (c == 'h') {
            fputs(help_mtr, stdout);
            return -1;
        }
        const int status = take_mtr(mtr, words, c);
        if (status != TOOL_OK)
            return status;
    }
    return operand(mtr, argc, argv);
}

static int parse_pathping(struct mtr *mtr, struct words *words, int argc, char **argv)
{
    static const struct option longs[] = {
        { "queries", required_argument, NULL, 'q' },
        { "max-hops", required_argument, NULL, 'h' },
        { "period", required_argument, NULL, 'p' },
        { "wait", required_argument, NULL, 'w' },
        { "numeric", no_argument, NULL, 'n' },
        { "help", no_argument, NULL, '?' + 256 },
        { NULL, 0, NULL, 0 },
    };
    for (int c; (c = args_next(argc, argv, ":q:h:p:w:n46", longs)) != ARGS_END;) {
        if (c == ARGS_BAD)
            return TOOL_USAGE;
        if (c == '?' + 256) {
            fputs(help_pathping, stdout);
            return -1;
        }
        const int status = take_pathping(mtr, words, c);
        if (status != TOOL_OK)
            return status;
    }
    mtr->report = true;
    mtr->interval = (weir_time)words->period_ms * WEIR_MS;
    mtr->wait = (weir_time)words->wait_ms * WEIR_MS;
    return operand(mtr, argc, argv);
}

/* ---- All of it ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static int prepare(struct mtr *mtr, const struct words *words)
{
    if (words->first > mtr->last_ttl)
        return tool_usage(mtr->command, "--first %" PRIu64 " is beyond --max-hops %" PRIu64,
                          words->first, mtr->last_ttl);
    const int status = probe_resolve(&mtr->target, mtr->command, mtr->host, words->family);
    if (status != TOOL_OK)
        return status;
    const size_t headers = mtr->target.address.ss_family == AF_INET ? 28 : 48;
    mtr->target.payload = words->size > headers ? (size_t)words->size - headers : 0;
    mtr->target.port = (uint16_t)words->port;
    if (words->port == 0)
        mtr->target.port = mtr->target.kind == PROBE_TCP ? PROBE_TCP_PORT : PROBE_UDP_PORT;
    else if (mtr->target.kind == PROBE_ICMP)
        return tool_usage(mtr->command, "--port goes with --udp or --tcp");
    mtr->path.first = (unsigned)words->first;
    for (unsigned i = 0; i < MTR_FLIGHT_MAX; i++)
        mtr->flight[i] = (struct probe){ .fd = -1, .answer = PROBE_SILENT };
    if (!isatty(STDOUT_FILENO) || !terminal_draws())
        mtr->report = true;
    if (mtr->report && !words->counted)
        mtr->rounds = ROUNDS_DEFAULT;
    mtr->names = words->numeric ? NULL : names_open();
    return TOOL_OK;
}

static int run(struct mtr *mtr)
{
    if (!mtr->report)
        return mtr_screen(mtr);
    const struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    while (!interrupted && mtr_step(mtr, -1))
        if (mtr->error != 0 && path_last_heard(&mtr->path) < 0 && mtr->round > 1)
            break;
    if (mtr->error != 0 && path_last_heard(&mtr->path) < 0)
        return tool_fail(mtr->command, "%s: %s%s", mtr->host, strerror(mtr->error),
                         probe_advice(&mtr->target, mtr->error));
    names_turn(mtr->names, NAMES_MS);
    if (mtr->as_json)
        mtr_json(mtr);
    else
        mtr_report(mtr);
    return TOOL_OK;
}

static int begin(int argc, char **argv, bool pathping)
{
    struct words words = {
        .first = 1, .size = LEN_DEFAULT, .period_ms = 1000, .wait_ms = 3000, .family = AF_UNSPEC
    };
    struct mtr *mtr = calloc(1, sizeof *mtr);
    if (mtr == NULL)
        return tool_fail(argv[0], "out of memory");
    mtr->command = argv[0];
    mtr->target.kind = PROBE_ICMP;
    mtr->interval = INTERVAL_DEFAULT;
    mtr->wait = WAIT_DEFAULT;
    mtr->last_ttl = 30;
    int status =
        pathping ? parse_pathping(mtr, &words, argc, argv) : parse_mtr(mtr, &words, argc, argv);
    if (status == TOOL_OK)
        status = prepare(mtr, &words);
    if (status == TOOL_OK && pathping)
        puts(
            "pathping is Windows' name for this; here it is weir mtr --report. Each hop is probed\n"
            "again and again, and what is lost is counted; the words at the end say what it "
            "means.\n");
    if (status == TOOL_OK)
        status = run(mtr);
    names_close(mtr->names);
    for (unsigned i = 0; i < MTR_FLIGHT_MAX; i++)
        if (mtr->flight[i].answer == PROBE_WAITS && mtr->flight[i].ttl != 0)
            probe_close(&mtr->flight[i]);
    free(mtr);
    return status == -1 ? TOOL_OK : status;
}

int tool_mtr(int argc, char **argv)
{
    return begin(argc, argv, false);
}

int tool_pathping(int argc, char **argv)
{
    return begin(argc, argv, true);
}
