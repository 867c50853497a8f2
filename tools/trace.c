/* SPDX-License-Identifier: MIT */

/* `weir trace`: what it is asked for, and where that goes. */

#include "trace.h"

#include "args.h"
#include "ladder.h"
#include "terminal.h"
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 116
#define COLUMNS_MOST    160
#define FILTER_MAX      4096
#define SECONDS_MAX     86400

static const char help[] =
    "usage: weir trace [OPTION...] FILE [FILE2]\n"
    "       weir trace [OPTION...] --stack|--net NAME|--socket PATH\n"
    "       weir trace [OPTION...] -i NAME [FILTER]\n"
    "\n"
    "The TCP connections of a capture (pcap or pcapng, gzip too; - is standard\n"
    "input), of a weir that runs, or of an interface: a table, or pictures of one.\n"
    "With a second file, captured at the other end, what was lost is exact.\n"
    "\n"
    "  --stack            what the weir that runs here remembers\n"
    "  --net NAME, --socket PATH\n"
    "                     of that one\n"
    "  -i NAME            what passes an interface, beside the kernel's sockets\n"
    "  --seconds N        look for so long; default: until a signal\n"
    "\n"
    "  --flow N           that one: everything of it in words, or the picture of it\n"
    "  --ladder           both ends' states and the segments between, in the terminal\n"
    "    --ascii          without line-drawing characters\n"
    "    --columns N      as wide as this, 80 to 160; default: the terminal's width\n"
    "    --absolute       sequence numbers as they are\n"
    "    --whole          without folding bulk\n"
    "    --svg FILE       as a picture\n"
    "  --tsg              time-sequence graph; --svg FILE, or --xpl FILE for xplot\n"
    "    --reverse        of what the other end sent\n"
    "  --rtt, --flight    round trips; octets in flight, window; with --svg FILE\n"
    "  --cwnd             the congestion window, of what is no file; with --svg FILE\n"
    "  --timeline         a bar for each flow, coloured by state; with --svg FILE\n"
    "  --diagram          RFC 9293's state diagram with the edges that were taken\n"
    "  --html FILE        one page with all of it, that needs no network\n"
    "  --json             the facts";

enum picture {
    PICTURE_NONE,
    PICTURE_LADDER,
    PICTURE_TSG,
    PICTURE_RTT,
    PICTURE_FLIGHT,
    PICTURE_CWND,
    PICTURE_TIMELINE,
    PICTURE_DIAGRAM,
};

enum long_option { /* long ones only */
    OPTION_FLOW = 512,
    OPTION_PICTURE, /* + enum picture */
    OPTION_ASCII = OPTION_PICTURE + 16,
    OPTION_ABSOLUTE,
    OPTION_WHOLE,
    OPTION_REVERSE,
    OPTION_SVG,
    OPTION_XPL,
    OPTION_HTML,
    OPTION_JSON,
    OPTION_STACK,
    OPTION_NET,
    OPTION_SOCKET,
    OPTION_SECONDS,
    OPTION_COLUMNS,
};

struct options {
    uint64_t flow;
    unsigned picture;
    bool ascii, absolute, whole, reverse, json, help;
    bool stack;
    const char *svg, *xpl, *html, *first, *second, *net, *socket, *iface;
    weir_time time;
    uint64_t columns; /* 0: of the terminal */
    char filter[FILTER_MAX];
};

static bool is_live(const struct options *options)
{
    return options->stack || options->net != NULL || options->socket != NULL ||
           options->iface != NULL;
}

/* Where it looks, if that is no file. ARGS_END: not one of these. */
static int take_source(struct options *options, int option)
{
    switch (option) {
    case 'i':
        options->iface = optarg;
        return TOOL_OK;
    case OPTION_STACK:
        options->stack = true;
        return TOOL_OK;
    case OPTION_NET:
        options->net = optarg;
        return TOOL_OK;
    case OPTION_SOCKET:
        options->socket = optarg;
        return TOOL_OK;
    case OPTION_SECONDS:
        if (!args_seconds(optarg, WEIR_MS, SECONDS_MAX * WEIR_SECOND, &options->time))
            return tool_usage("trace", "--seconds %s: a time up to %d s", optarg, SECONDS_MAX);
        return TOOL_OK;
    default:
        return ARGS_END;
    }
}

static int take(struct options *options, int option)
{
    const int status = take_source(options, option);
    if (status != ARGS_END)
        return status;
    switch (option) {
    case OPTION_FLOW:
        if (!args_number(optarg, 1, FLOWS_MAX, &options->flow))
            return tool_usage("trace", "--flow %s: a number from 1", optarg);
        return TOOL_OK;
    case OPTION_COLUMNS:
        if (!args_number(optarg, LADDER_NARROW, COLUMNS_MOST, &options->columns))
            return tool_usage("trace", "--columns %s: not a number from %d to %d", optarg,
                              LADDER_NARROW, COLUMNS_MOST);
        return TOOL_OK;
    case OPTION_ASCII:
        options->ascii = true;
        return TOOL_OK;
    case OPTION_ABSOLUTE:
        options->absolute = true;
        return TOOL_OK;
    case OPTION_WHOLE:
        options->whole = true;
        return TOOL_OK;
    case OPTION_REVERSE:
        options->reverse = true;
        return TOOL_OK;
    case OPTION_SVG:
        options->svg = optarg;
        return TOOL_OK;
    case OPTION_XPL:
        options->xpl = optarg;
        return TOOL_OK;
    case OPTION_HTML:
        options->html = optarg;
        return TOOL_OK;
    case OPTION_JSON:
        options->json = true;
        return TOOL_OK;
    case 'h':
        options->help = true;
        return TOOL_OK;
    default:
        break;
    }
    if (options->picture != PICTURE_NONE)
        return tool_usage("trace", "one picture at a time; --html has them all");
    options->picture = (unsigned)(option - OPTION_PICTURE);
    return TOOL_OK;
}

static int check(const struct options *options)
{
    const unsigned picture = options->picture;
    const bool drawn = picture != PICTURE_NONE && picture != PICTURE_LADDER;
    const unsigned sources = (unsigned)(options->first != NULL) + (options->iface != NULL) +
                             (options->stack || options->net != NULL || options->socket != NULL);
    if (sources == 0)
        return tool_usage("trace", "which capture? weir trace FILE, or - for standard input");
    if (sources > 1 || (options->net != NULL && options->socket != NULL))
        return tool_usage("trace", "one of a file, a weir and an interface");
    if (options->time != 0 && !is_live(options))
        return tool_usage("trace", "--seconds goes with a weir or an interface");
    if (options->xpl != NULL && picture != PICTURE_TSG)
        return tool_usage("trace", "--xpl goes with --tsg");
    if (options->svg != NULL && picture == PICTURE_NONE)
        return tool_usage("trace", "--svg goes with a picture, as --ladder");
    if (drawn && options->svg == NULL && options->xpl == NULL)
        return tool_usage("trace", "a picture needs --svg FILE (- for standard output)");
    if ((options->html != NULL) + options->json + (picture != PICTURE_NONE) > 1)
        return tool_usage("trace", "only one of --html, --json and a picture");
    return TOOL_OK;
}

/* libpcap's language, of all words that are left. */
static int read_filter(int argc, char **argv, struct options *options)
{
    size_t len = 0;
    for (int i = optind; i < argc; i++) {
        len += (size_t)snprintf(options->filter + len, FILTER_MAX - len, "%s%s", len > 0 ? " " : "",
                                argv[i]);
        if (len >= FILTER_MAX)
            return tool_usage("trace", "the filter is longer than %d characters", FILTER_MAX - 1);
    }
    return check(options);
}

static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        { "flow", required_argument, NULL, OPTION_FLOW },
        { "ladder", no_argument, NULL, OPTION_PICTURE + PICTURE_LADDER },
        { "stack", no_argument, NULL, OPTION_STACK },
        { "net", required_argument, NULL, OPTION_NET },
        { "socket", required_argument, NULL, OPTION_SOCKET },
        { "seconds", required_argument, NULL, OPTION_SECONDS },
        { "columns", required_argument, NULL, OPTION_COLUMNS },
        { "cwnd", no_argument, NULL, OPTION_PICTURE + PICTURE_CWND },
        { "tsg", no_argument, NULL, OPTION_PICTURE + PICTURE_TSG },
        { "rtt", no_argument, NULL, OPTION_PICTURE + PICTURE_RTT },
        { "flight", no_argument, NULL, OPTION_PICTURE + PICTURE_FLIGHT },
        { "timeline", no_argument, NULL, OPTION_PICTURE + PICTURE_TIMELINE },
        { "diagram", no_argument, NULL, OPTION_PICTURE + PICTURE_DIAGRAM },
        { "ascii", no_argument, NULL, OPTION_ASCII },
        { "absolute", no_argument, NULL, OPTION_ABSOLUTE },
        { "whole", no_argument, NULL, OPTION_WHOLE },
        { "reverse", no_argument, NULL, OPTION_REVERSE },
        { "svg", required_argument, NULL, OPTION_SVG },
        { "xpl", required_argument, NULL, OPTION_XPL },
        { "html", required_argument, NULL, OPTION_HTML },
        { "json", no_argument, NULL, OPTION_JSON },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    args_begin();
    while ((option = args_next(argc, argv, ":hi:", longs)) != ARGS_END) {
        if (option == ARGS_BAD)
            return TOOL_USAGE;
        const int status = take(options, option);
        if (status != TOOL_OK || options->help)
            return status;
    }
    if (options->iface != NULL)
        return read_filter(argc, argv, options);
    if (argc - optind > 2)
        return tool_usage("trace", "%s: two captures at most", argv[optind + 2]);
    options->first = optind < argc ? argv[optind] : NULL;
    options->second = optind + 1 < argc ? argv[optind + 1] : NULL;
    return check(options);
}

/* ---- What is written ---- */

static unsigned columns(void)
{
    const unsigned found = terminal_columns();
    if (found == 0)
        return COLUMNS_DEFAULT;
    return found < COLUMNS_MOST ? found : COLUMNS_MOST;
}

static void ladders(const struct trace *trace, const struct options *options)
{
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    const struct trace_style style = {
        .columns = options->columns != 0 ? (unsigned)options->columns : columns(),
        .ascii = options->ascii || (terminal && terminal_ascii()),
        .colour = terminal && terminal_colours(),
        .absolute = options->absolute,
        .whole = options->whole,
    };
    for (size_t i = 0; i < trace->table.count; i++) {
        const struct flow *flow = trace->table.flows[i];
        if (options->flow != 0 && flow->id != options->flow)
            continue;
        if (options->flow == 0)
            printf("%sflow %llu\n", i > 0 ? "\n" : "", (unsigned long long)flow->id);
        trace_ladder(stdout, flow, &style);
    }
}

static void picture(FILE *out, const struct trace *trace, const struct options *options)
{
    const uint64_t id = options->flow != 0 ? options->flow : 1;
    const struct flow *flow = trace->table.count > 0 ? trace->table.flows[id - 1] : NULL;
    if (options->picture == PICTURE_TIMELINE)
        trace_timeline_svg(out, trace, options->flow);
    else if (flow == NULL)
        return;
    else if (options->picture == PICTURE_LADDER)
        trace_ladder_svg(out, flow);
    else if (options->xpl != NULL)
        trace_tsg_xpl(out, flow, options->reverse);
    else if (options->picture == PICTURE_TSG)
        trace_tsg_svg(out, flow, options->reverse);
    else if (options->picture == PICTURE_RTT)
        trace_rtt_svg(out, flow);
    else if (options->picture == PICTURE_FLIGHT)
        trace_flight_svg(out, flow);
    else if (options->picture == PICTURE_CWND)
        trace_cwnd_svg(out, flow);
    else
        trace_diagram_svg(out, flow);
}

static int write_file(const struct trace *trace, const struct options *options)
{
    const char *path = options->html != NULL  ? options->html
                       : options->xpl != NULL ? options->xpl
                                              : options->svg;
    const bool is_stdout = strcmp(path, "-") == 0;
    FILE *out = is_stdout ? stdout : fopen(path, "we");
    if (out == NULL)
        return tool_fail("trace", "%s: %s", path, strerror(errno));
    if (options->html != NULL)
        trace_html(out, trace, options->flow);
    else
        picture(out, trace, options);
    const bool bad = ferror(out) != 0 || fflush(out) != 0;
    const int error = errno;
    if (!is_stdout)
        fclose(out);
    return bad ? tool_fail("trace", "%s: %s", path, strerror(error)) : TOOL_OK;
}

static int show(const struct trace *trace, const struct options *options)
{
    if (options->flow > trace->table.count)
        return tool_usage("trace", "--flow %llu: there are %zu", (unsigned long long)options->flow,
                          trace->table.count);
    const uint64_t id = options->flow != 0 ? options->flow : 1;
    if (options->picture == PICTURE_CWND &&
        (trace->table.count == 0 || !trace_has_cwnd(trace->table.flows[id - 1])))
        return tool_fail("trace", "the congestion window is not known: no packet tells it, a weir "
                                  "(--net) or the kernel (-i) does");
    if (options->html != NULL || options->svg != NULL || options->xpl != NULL)
        return write_file(trace, options);
    if (options->picture == PICTURE_LADDER)
        ladders(trace, options);
    else if (options->json)
        trace_json(stdout, trace, options->flow);
    else if (options->flow != 0)
        trace_flow_text(stdout, trace->table.flows[options->flow - 1]);
    else
        trace_summary(stdout, trace, isatty(STDOUT_FILENO) ? columns() : 0);
    return ferror(stdout) ? TOOL_FAILED : TOOL_OK;
}

/* What is to be said of the source comes last. */
static int show_all(const struct trace *trace, const struct options *options, const char *source)
{
    const int status = show(trace, options);
    fflush(stdout);
    trace_complain(trace, source);
    return status;
}

static int run(const struct options *options, struct trace *trace)
{
    const bool pictures = options->picture != PICTURE_NONE || options->html != NULL;
    const struct flow_keep keep = { .all = pictures && options->flow == 0,
                                    .only = pictures ? options->flow : 0 };
    int status;
    if (is_live(options)) {
        const struct trace_live_want want = { options->net,    options->socket, options->iface,
                                              options->filter, options->time,   keep };
        status = trace_live(trace, &want);
        if (status == TOOL_OK)
            status = show_all(trace, options, trace->source);
        return status;
    }
    const struct trace_want want = { options->first, options->second, keep, .progress = true };
    if (!trace_load(trace, &want))
        return tool_fail("trace", "%s: %s", options->first, trace->why);
    status = show_all(trace, options, options->first);
    return trace->damaged && status == TOOL_OK ? TOOL_FAILED : status;
}

int tool_trace(int argc, char **argv)
{
    struct options options = { .flow = 0 };
    struct trace trace;
    int status = read_options(argc, argv, &options);
    if (status != TOOL_OK)
        return status;
    if (options.help) {
        puts(help);
        return TOOL_OK;
    }
    status = run(&options, &trace);
    trace_free(&trace);
    return status;
}
