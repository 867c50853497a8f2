/* SPDX-License-Identifier: MIT */

/* `weir dump`: packets of an interface or a file, in tcpdump's words, or into a file. */

#include "args.h"
#include "dump_text.h"
#include "dump_write.h"
#include "packets.h"
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#define SNAP_DEFAULT   262144
#define FILTER_MAX     4096
#define COUNT_ONLY     512 /* a long option without a letter */
#define LINKS_FILTERED 16  /* link types of one file that a filter is compiled for */

static const char help[] =
    "usage: weir dump [OPTION...] [FILTER]\n"
    "\n"
    "Packets, a line each, as tcpdump(8) writes them; what weir noted of one\n"
    "follows a #.\n"
    "\n"
    "  -i NAME        an interface, or any (the default); -D lists them\n"
    "  -r FILE        of a capture: pcap or pcapng, gzip too; - is standard input\n"
    "  -w FILE        into a pcapng file instead, comments too; - is standard output\n"
    "  -C N, -G N     with -w: the next file after N million octets; after N seconds,\n"
    "                 whose name then has a time, as in out-%H%M%S.pcapng\n"
    "  -W N           of -C: N files in turn; of -G: N files, then the end\n"
    "  -c N           only so many; --count: of a file, only how many\n"
    "  -s N           only so many octets of each\n"
    "  -Q in|out      only what comes; only what goes\n"
    "  -n             no names (-nn the same)\n"
    "  -q, -v, -vv    less; more of each header\n"
    "  -e             link addresses\n"
    "  -t, -tt, -ttt, -tttt, -ttttt\n"
    "                 no time; seconds since 1970; since the line before; with the\n"
    "                 date; since the first\n"
    "  -#             lines numbered\n"
    "  -S             sequence numbers as they are\n"
    "  -x, -X, -A     octets; with characters; only characters; -xx, -XX from the\n"
    "                 link header on\n"
    "  -l, -U, -p     lines as they come; packets of -w too; not promiscuous\n"
    "  -F FILE        the filter stands in a file\n"
    "  --json         an object each, in a line of its own\n"
    "\n"
    "FILTER is libpcap's language: tcp port 9000 and host 192.0.2.1 (pcap-filter(7))";

struct options {
    const char *iface, *read, *filter_file;
    uint64_t count, snap_len;
    unsigned times;
    bool help, json, list, count_only;
    struct dump_write write; /* path NULL: lines on standard output */
    struct packets_how how;
    uint64_t counted;
    char filter[FILTER_MAX];
    struct dump dump;
};

/* A filter, compiled for each link type that comes along. */
struct filters {
    const char *text;
    unsigned count;
    struct {
        uint32_t link;
        struct bpf_program program;
    } at[LINKS_FILTERED];
};

/* ---- Options ---- */

/* Options that only say so. */
static bool take_switch(struct options *options, int option)
{
    struct dump *dump = &options->dump;
    const struct {
        int option;
        bool *is_on;
    } switches[] = {
        { 'n', &dump->numeric },
        { 'q', &dump->quick },
        { 'e', &dump->link },
        { 'S', &dump->absolute },
        { '#', &dump->numbered },
        { 'h', &options->help },
        { 'j', &options->json },
        { 'D', &options->list },
        { COUNT_ONLY, &options->count_only },
        { 'U', &options->write.unbuffered },
        { 'p', &options->how.not_promiscuous },
    };
    for (unsigned i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (switches[i].option != option)
            continue;
        *switches[i].is_on = true;
        return true;
    }
    return false;
}

static void take_octets(struct dump *dump, enum dump_octets octets)
{
    dump->link_octets |= dump->octets == octets; /* -xx, -XX */
    dump->octets = octets;
}

static void take_flag(struct options *options, int option)
{
    struct dump *dump = &options->dump;
    if (take_switch(options, option))
        return;
    if (option == 'v')
        dump->verbose++;
    else if (option == 't')
        options->times++;
    else if (option == 'x' || option == 'X')
        take_octets(dump, option == 'x' ? DUMP_OCTETS_HEX : DUMP_OCTETS_BOTH);
    else if (option == 'A')
        dump->octets = DUMP_OCTETS_ASCII;
    else if (option == 'l')
        setvbuf(stdout, NULL, _IOLBF, 0);
}

static int take_direction(struct options *options, const char *text)
{
    if (strcmp(text, "in") != 0 && strcmp(text, "out") != 0 && strcmp(text, "inout") != 0)
        return tool_usage("dump", "-Q %s: in, out or inout", text);
    options->how.only_in = strcmp(text, "in") == 0;
    options->how.only_out = strcmp(text, "out") == 0;
    return TOOL_OK;
}

static int take_rotation(struct dump_write *write, int option)
{
    uint64_t value;
    const uint64_t most = option == 'W' ? DUMP_FILES_MAX : DUMP_ROTATION_MAX;
    if (!args_number(optarg, 1, most, &value))
        return tool_usage("dump", "-%c %s: a number from 1 to %" PRIu64, option, optarg, most);
    if (option == 'C')
        write->octets = value * DUMP_SIZE_UNIT;
    else if (option == 'G')
        write->seconds = value;
    else
        write->files = value;
    return TOOL_OK;
}

static int take(struct options *options, int option)
{
    switch (option) {
    case 'i':
        options->iface = optarg;
        return TOOL_OK;
    case 'C':
    case 'G':
    case 'W':
        return take_rotation(&options->write, option);
    case 'Q':
        return take_direction(options, optarg);
    case 'F':
        options->filter_file = optarg;
        return TOOL_OK;
    case 'r':
        options->read = optarg;
        return TOOL_OK;
    case 'w':
        options->write.path = optarg;
        return TOOL_OK;
    case 'c':
        if (!args_number(optarg, 1, UINT64_MAX, &options->count))
            return tool_usage("dump", "-c %s: a number from 1", optarg);
        return TOOL_OK;
    case 's':
        if (!args_number(optarg, 0, SNAP_DEFAULT, &options->snap_len))
            return tool_usage("dump", "-s %s: a number up to %d", optarg, SNAP_DEFAULT);
        if (options->snap_len == 0)
            options->snap_len = SNAP_DEFAULT;
        return TOOL_OK;
    default:
        take_flag(options, option);
        return TOOL_OK;
    }
}

/* The words that are left are the filter. */
static int join_filter(struct options *options, int count, char *const *words)
{
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        const int wrote =
            snprintf(options->filter + len, FILTER_MAX - len, "%s%s", len > 0 ? " " : "", words[i]);
        len += (size_t)wrote;
        if (len >= FILTER_MAX)
            return tool_usage("dump", "the filter is longer than %d characters", FILTER_MAX - 1);
    }
    return TOOL_OK;
}

/* -F: the file is the filter, in as many lines as it likes. */
static int read_filter(struct options *options, int words)
{
    FILE *file = words == 0 ? fopen(options->filter_file, "r") : NULL;
    if (words != 0)
        return tool_usage("dump", "-F %s: and another filter besides", options->filter_file);
    if (file == NULL)
        return tool_fail("dump", "-F %s: %s", options->filter_file, strerror(errno));
    const size_t len = fread(options->filter, 1, FILTER_MAX, file);
    const bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return tool_fail("dump", "-F %s: cannot be read", options->filter_file);
    if (len == FILTER_MAX)
        return tool_usage("dump", "the filter is longer than %d characters", FILTER_MAX - 1);
    return TOOL_OK;
}

static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = { { "help", no_argument, NULL, 'h' },
                                           { "json", no_argument, NULL, 'j' },
                                           { "count", no_argument, NULL, COUNT_ONLY },
                                           { "list-interfaces", no_argument, NULL, 'D' },
                                           { "number", no_argument, NULL, '#' },
                                           { "interface", required_argument, NULL, 'i' },
                                           { NULL, 0, NULL, 0 } };
    static const enum dump_time times[] = { DUMP_TIME_DAY,   DUMP_TIME_NONE, DUMP_TIME_EPOCH,
                                            DUMP_TIME_DELTA, DUMP_TIME_DATE, DUMP_TIME_SINCE };
    int option;
    args_begin();
    while ((option = args_next(argc, argv, "+:i:r:w:c:C:G:W:s:Q:F:nvqeStxXAlUpD#h", longs)) !=
           ARGS_END) {
        if (option == ARGS_BAD)
            return TOOL_USAGE;
        const int status = take(options, option);
        if (status != TOOL_OK || options->help)
            return status;
    }
    if (options->times >= sizeof times / sizeof times[0])
        return tool_usage("dump", "-t: five at most");
    options->dump.time = times[options->times];
    if (options->iface != NULL && options->read != NULL)
        return tool_usage("dump", "-i and -r: an interface or a file");
    if (options->count_only && options->read == NULL)
        return tool_usage("dump", "--count goes with -r");
    const int status = dump_write_check(&options->write);
    if (status != TOOL_OK)
        return status;
    return options->filter_file != NULL ? read_filter(options, argc - optind)
                                        : join_filter(options, argc - optind, argv + optind);
}

/* ---- Filters ---- */

static int filter_add(struct filters *filters, uint32_t link)
{
    pcap_t *dead;
    if (filters->count == LINKS_FILTERED)
        return tool_fail("dump", "more than %d link types in one file", LINKS_FILTERED);
    /* libpcap knows these by their numbers in memory, which are not those of a file. */
    const int dlt = link == CAPTURE_RAW ? DLT_RAW : (int)link;
    dead = pcap_open_dead(dlt, SNAP_DEFAULT);
    if (dead == NULL)
        return tool_fail("dump", "no memory");
    struct bpf_program *program = &filters->at[filters->count].program;
    const int error = pcap_compile(dead, program, filters->text, 1, PCAP_NETMASK_UNKNOWN);
    int status = TOOL_OK;
    if (error != 0)
        status = tool_usage("dump", "filter \"%s\": %s", filters->text, pcap_geterr(dead));
    else
        filters->at[filters->count++].link = link;
    pcap_close(dead);
    return status;
}

/* Whether a frame is wanted; -1 with the line printed if the filter makes no sense. */
static int is_wanted(struct filters *filters, const struct capture_frame *frame)
{
    const struct pcap_pkthdr head = { .caplen = frame->len, .len = frame->whole_len };
    if (filters->text[0] == '\0')
        return 1;
    for (unsigned i = 0; i < filters->count; i++)
        if (filters->at[i].link == frame->link)
            return pcap_offline_filter(&filters->at[i].program, &head, frame->data) != 0;
    return filter_add(filters, frame->link) == TOOL_OK ? is_wanted(filters, frame) : -1;
}

static void filters_free(struct filters *filters)
{
    for (unsigned i = 0; i < filters->count; i++)
        pcap_freecode(&filters->at[i].program);
}

/* ---- One frame ---- */

static bool is_not_last(struct options *options)
{
    return options->count == 0 || --options->count > 0;
}

/* False: that was the last. */
static bool pass(struct options *options, struct capture_frame *frame)
{
    if (options->read != NULL && frame->len > options->snap_len)
        frame->len = (uint32_t)options->snap_len;
    if (options->count_only)
        options->counted++;
    else if (options->write.path != NULL)
        return dump_write_frame(&options->write, frame) && is_not_last(options);
    else if (options->json)
        dump_json(stdout, frame);
    else
        dump_packet(&options->dump, frame);
    return ferror(stdout) == 0 && is_not_last(options);
}

/* ---- A file ---- */

static int from_file(struct options *options, struct filters *filters)
{
    char why[CAPTURE_WHY_MAX];
    enum capture_result result;
    int status = TOOL_OK;
    struct capture_file *file = capture_open(options->read, why);
    struct capture_frame *frame = malloc(sizeof *frame);
    if (file == NULL || frame == NULL) {
        capture_close(file);
        free(frame);
        return tool_fail("dump", "%s: %s", options->read, file == NULL ? why : "no memory");
    }
    while ((result = capture_next(file, frame, why)) == CAPTURE_FRAME) {
        const int wanted = is_wanted(filters, frame);
        if (wanted < 0)
            status = TOOL_USAGE;
        if (wanted < 0 || (wanted > 0 && !pass(options, frame)))
            break;
    }
    if (options->count_only)
        printf("%" PRIu64 " packet%s\n", options->counted, options->counted == 1 ? "" : "s");
    fflush(stdout);
    if (result == CAPTURE_DAMAGED)
        status = tool_fail("dump", "%s: %s", options->read, why);
    capture_close(file);
    free(frame);
    return status;
}

/* ---- An interface ---- */

static int listen_to(struct packets *packets, struct options *options)
{
    struct capture_frame *frame = calloc(1, sizeof *frame);
    int got = 0;
    if (frame == NULL)
        return tool_fail("dump", "no memory");
    while (!packets_stopped() && (got = packets_next(packets, frame, PACKETS_WAIT)) >= 0) {
        if (got > 0 && !pass(options, frame))
            break;
        if (got > 0)
            continue;
        dump_write_flush(&options->write); /* nothing for now: what was said is shown */
        fflush(stdout);
    }
    free(frame);
    return got < 0 ? TOOL_FAILED : TOOL_OK;
}

static int from_iface(struct options *options)
{
    const char *name = options->iface != NULL ? options->iface : "any";
    struct packets packets;
    char room[32];
    options->how.snap_len = (unsigned)options->snap_len;
    int status = packets_open(&packets, "dump", name, &options->how, options->filter);
    if (status != TOOL_OK)
        return status;
    fprintf(stderr, "listening on %s, link-type %s, snapshot length %d bytes\n", name,
            capture_link_text(packets_link(&packets), room), (int)options->snap_len);
    status = listen_to(&packets, options);
    fflush(stdout);
    packets_close(&packets, true);
    return status;
}

/* -D */
static int list_interfaces(void)
{
    char why[PCAP_ERRBUF_SIZE];
    pcap_if_t *all;
    unsigned number = 0;
    if (pcap_findalldevs(&all, why) != 0)
        return tool_fail("dump", "%s", why);
    for (const pcap_if_t *one = all; one != NULL; one = one->next)
        printf("%u.%s%s%s%s%s\n", ++number, one->name, one->description != NULL ? " (" : "",
               one->description != NULL ? one->description : "",
               one->description != NULL ? ")" : "",
               (one->flags & PCAP_IF_RUNNING) != 0 ? " [up]" : "");
    pcap_freealldevs(all);
    return TOOL_OK;
}

static int run(struct options *options)
{
    struct filters filters = { .text = options->filter };
    int status;
    if (options->filter[0] != '\0' && options->read != NULL) {
        status =
            filter_add(&filters, CAPTURE_ETHERNET); /* a bad one is said before a file is made */
        if (status != TOOL_OK)
            return status;
    }
    options->write.iface = options->iface != NULL ? options->iface : "any";
    options->write.snap_len = (uint32_t)options->snap_len;
    if (options->write.path != NULL && !dump_write_open(&options->write, options->read == NULL)) {
        filters_free(&filters);
        return TOOL_FAILED;
    }
    status = options->read != NULL ? from_file(options, &filters) : from_iface(options);
    if (!dump_write_close(&options->write))
        status = TOOL_FAILED;
    filters_free(&filters);
    return status;
}

int tool_dump(int argc, char **argv)
{
    struct options *options = calloc(1, sizeof *options);
    if (options == NULL)
        return tool_fail("dump", "no memory");
    options->snap_len = SNAP_DEFAULT;
    options->dump.out = stdout;
    int status = read_options(argc, argv, options);
    if (status == TOOL_OK && options->help)
        puts(help);
    else if (status == TOOL_OK && options->list)
        status = list_interfaces();
    else if (status == TOOL_OK && !dump_begin(&options->dump))
        status = tool_fail("dump", "no memory");
    else if (status == TOOL_OK)
        status = run(options);
    dump_end(&options->dump);
    free(options);
    return status;
}
