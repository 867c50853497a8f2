/* SPDX-License-Identifier: MIT */

/* `weir ss`: sockets, with the options and the columns of ss(8). */

#include "args.h"
#include "flow_json.h"
#include "socket_text.h"
#include "ss_print.h"
#include "tool.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: weir ss [OPTION...] [state NAME] [FILTER]\n"
    "\n"
    "Lists sockets as ss(8) does: those of weir, and those of the kernel.\n"
    "\n"
    "  -t, -u, -A LIST    TCP; UDP (neither: both); or both as tcp,udp\n"
    "  -4, -6             IPv4; IPv6\n"
    "  -a, -l             all; only those that listen (neither: the connected)\n"
    "  -n, -r             numbers for ports; names for hosts\n"
    "  -p, -e             the program that has it; user, inode and the like\n"
    "  -o, -i, -m         the timer; what TCP measured and why it waits; memory\n"
    "  -s                 only a summary\n"
    "  -E                 sockets of the kernel as they are destroyed, until Ctrl-C\n"
    "  -H, -O             no heading; one line each\n"
    "  -N NAME            as --netns\n"
    "\n"
    "FILTER: src ADDRESS[:PORT], dst 192.0.2.0/24, sport = :443, dport \\> :1023,\n"
    "dev eth0, joined by and, or, not and \\( \\)";

/* ---- Options ---- */

static bool take_short(struct ss_options *options, int option)
{
    bool *const flag[128] = {
        ['t'] = &options->tcp,       ['u'] = &options->udp,      ['4'] = &options->v4,
        ['6'] = &options->v6,        ['a'] = &options->all,      ['l'] = &options->listening,
        ['n'] = &options->numeric,   ['r'] = &options->resolve,  ['p'] = &options->processes,
        ['e'] = &options->extended,  ['o'] = &options->timers,   ['i'] = &options->info,
        ['m'] = &options->memory,    ['s'] = &options->summary,  ['E'] = &options->events,
        ['H'] = &options->no_header, ['O'] = &options->one_line, ['h'] = &options->help,
    };
    if (option < 0 || option >= 128 || flag[option] == NULL)
        return false;
    *flag[option] = true;
    return true;
}

static int take_family(struct ss_options *options, const char *text)
{
    if (strcmp(text, "inet") == 0)
        options->v4 = true;
    else if (strcmp(text, "inet6") == 0)
        options->v6 = true;
    else
        return tool_usage("ss", "-f %s: inet or inet6", text);
    return TOOL_OK;
}

/* -A tcp,udp: the tables, as ss names them. */
static int take_tables(struct ss_options *options, char *text)
{
    char *at;
    for (char *word = strtok_r(text, ",", &at); word != NULL; word = strtok_r(NULL, ",", &at)) {
        const bool both = strcmp(word, "inet") == 0 || strcmp(word, "all") == 0;
        if (!both && strcmp(word, "tcp") != 0 && strcmp(word, "udp") != 0)
            return tool_usage("ss", "-A %s: tcp, udp, inet or all; the others are ss(8)'s", word);
        options->tcp |= both || word[0] == 't';
        options->udp |= both || word[0] == 'u';
    }
    return TOOL_OK;
}

/* Options of ss(8) that are about other things. */
static int refuse(int option)
{
    if (option == 'K')
        return tool_usage("ss", "-K: looks only, ends nothing; ss(8) ends the kernel's");
    return tool_usage("ss", "-%c: TCP and UDP only; ss(8) shows the kernel's others", option);
}

static int read_options(int argc, char **argv, struct ss_options *options)
{
    static const struct option longs[] = {
        { "tcp", no_argument, NULL, 't' },
        { "udp", no_argument, NULL, 'u' },
        { "ipv4", no_argument, NULL, '4' },
        { "ipv6", no_argument, NULL, '6' },
        { "all", no_argument, NULL, 'a' },
        { "listening", no_argument, NULL, 'l' },
        { "numeric", no_argument, NULL, 'n' },
        { "resolve", no_argument, NULL, 'r' },
        { "processes", no_argument, NULL, 'p' },
        { "extended", no_argument, NULL, 'e' },
        { "options", no_argument, NULL, 'o' },
        { "info", no_argument, NULL, 'i' },
        { "memory", no_argument, NULL, 'm' },
        { "summary", no_argument, NULL, 's' },
        { "events", no_argument, NULL, 'E' },
        { "no-header", no_argument, NULL, 'H' },
        { "oneline", no_argument, NULL, 'O' },
        { "help", no_argument, NULL, 'h' },
        { "family", required_argument, NULL, 'f' },
        { "query", required_argument, NULL, 'A' },
        LOOK_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    char why[SS_FILTER_WHY];
    int option, status = TOOL_OK;
    while ((option = args_next(argc, argv, ":tu46alnrpeoimsEHOhf:N:A:Kxw0dSM", longs)) !=
           ARGS_END) {
        if (option == ARGS_BAD)
            return TOOL_USAGE;
        if (option == 'f')
            status = take_family(options, optarg);
        else if (option == 'A')
            status = take_tables(options, optarg);
        else if (option == 'N')
            options->look.netns = optarg;
        else if (option < 128 && strchr("Kxw0dSM", option) != NULL)
            status = refuse(option);
        else if (!look_option(&options->look, option, optarg))
            (void)take_short(options, option);
        if (status != TOOL_OK)
            return status;
    }
    if (!options->tcp && !options->udp)
        options->tcp = options->udp = true;
    if (!options->v4 && !options->v6)
        options->v4 = options->v6 = true;
    if (!ss_filter_parse(&options->filter, argc - optind, argv + optind, why))
        return tool_usage("ss", "%s", why);
    return TOOL_OK;
}

/* UDP sockets do not listen; ss says UNCONN, and -l means those. */
static uint32_t states_of(const struct ss_options *options, bool tcp)
{
    const uint32_t open = tcp ? SS_STATE(LISTEN) : SS_STATE(CLOSED);
    if (options->filter.states != 0)
        return options->filter.states;
    if (options->filter.given)
        return 0;
    if (options->all)
        return SS_ALL & ~(tcp ? SS_STATE(CLOSED) : 0);
    return options->listening ? open : SS_CONNECTED;
}

static struct facts_query query_of(const struct ss_options *options)
{
    const bool json = options->look.json;
    struct facts_query query = {
        .states = states_of(options, true) | states_of(options, false),
        .tcp = options->tcp,
        .udp = options->udp,
        .v4 = options->v4,
        .v6 = options->v6,
    };
    if (options->info || options->memory)
        query.want |= FACTS_WANT_INFO | FACTS_WANT_TAIL;
    if (options->processes || options->extended || json)
        query.want |= FACTS_WANT_OWNER;
    if (json)
        query.want |= FACTS_WANT_INFO | FACTS_WANT_TAIL;
    return query;
}

/* ---- Lists ---- */

struct listing {
    const struct ss_options *options;
    struct ss_table table;
    struct json json;
};

static bool is_asked_for(const struct ss_options *options, const struct facts_flow *flow)
{
    const uint32_t states = states_of(options, flow->protocol == IPPROTO_TCP);
    return (states >> flow->state & 1) != 0 && ss_filter_match(&options->filter, flow);
}

static bool add_flow(void *user, const struct facts_flow *flow)
{
    struct listing *listing = user;
    if (!is_asked_for(listing->options, flow))
        return true;
    if (listing->options->look.json)
        flow_json(&listing->json, flow);
    else
        ss_table_add(&listing->table, listing->options, flow);
    return !ferror(stdout);
}

static int list(struct look *look, const struct ss_options *options)
{
    struct listing *listing = calloc(1, sizeof *listing);
    const struct facts_query query = query_of(options);
    if (listing == NULL || !ss_table_begin(&listing->table, options, look)) {
        free(listing);
        return tool_fail("ss", "no memory");
    }
    listing->options = options;
    if (options->look.json) {
        json_begin(&listing->json, stdout);
        json_array(&listing->json, NULL);
        listing->table.no_header = true;
    }
    look_flows(look, &query, add_flow, listing);
    ss_table_end(&listing->table);
    if (options->look.json) {
        json_end_array(&listing->json);
        json_finish(&listing->json);
    }
    free(listing);
    return look->status;
}

/* ---- -E ---- */

static bool show_event(void *user, const struct facts_event *event)
{
    const struct ss_options *options = user;
    struct ss_row row = { .line = NULL };
    size_t len;
    if (!ss_filter_match(&options->filter, &event->flow))
        return true;
    socket_host_ss(&event->flow, &event->flow.local, row.local);
    socket_host_ss(&event->flow, &event->flow.remote, row.remote);
    socket_port(&event->flow, event->flow.local.port, options->numeric, row.lport);
    socket_port(&event->flow, event->flow.remote.port, options->numeric, row.rport);
    FILE *file = open_memstream(&row.line, &len);
    if (file == NULL)
        return false;
    ss_details(file, options, &event->flow, &(struct owners){ 0 });
    fclose(file);
    printf("%-10s %-6u %-6u %s:%s %s:%s%s\n", socket_state_ss(&event->flow), event->flow.rcvq,
           event->flow.sndq, row.local, row.lport, row.remote, row.rport, row.line);
    fflush(stdout);
    free(row.line);
    return true;
}

static int watch(const struct look *look, struct ss_options *options)
{
    const struct facts_query query = { .want = FACTS_WANT_INFO | FACTS_WANT_TAIL,
                                       .states = SS_ALL,
                                       .tcp = true,
                                       .v4 = options->v4,
                                       .v6 = options->v6 };
    if (look->net_count != 1)
        return tool_usage("ss", "-E looks at the kernel in one network namespace");
    const int error = kernel_watch(&look->nets[0], &query, show_event, options);
    return error == 0 ? TOOL_OK : tool_fail("ss", "-E: %s", strerror(-error));
}

int tool_ss(int argc, char **argv)
{
    struct ss_options options = { .tcp = false };
    struct look look;
    int status = read_options(argc, argv, &options);
    if (status != TOOL_OK || options.help)
        return status != TOOL_OK ? status : look_show_help(help);
    if (options.events && !options.look.stack)
        options.look.kernel = true;
    status = look_begin(&look, "ss", &options.look);
    if (status != TOOL_OK)
        return status;
    if (options.events)
        status = watch(&look, &options);
    else
        status = options.summary ? ss_summary(&look, options.look.json) : list(&look, &options);
    look_end(&look);
    return status;
}
