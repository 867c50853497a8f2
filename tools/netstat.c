/* SPDX-License-Identifier: MIT */

/* `weir netstat`: sockets and statistics, with the options and the columns of netstat(8). */

#include "args.h"
#include "flow_json.h"
#include "look.h"
#include "netstat.h"
#include "socket_text.h"
#include "ss_filter.h"
#include "terminal.h"
#include "tool.h"

#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ADDRESS_COLUMNS 23
#define COMM_TEXT       (4 * FACTS_COMM_MAX + 1)

static const char help[] =
    "usage: weir netstat [OPTION...]\n"
    "\n"
    "Lists sockets as netstat(8) does: those of weir, and those of the kernel.\n"
    "\n"
    "  -t, -u       TCP; UDP (neither: both)\n"
    "  -4, -6       IPv4; IPv6\n"
    "  -a, -l       all; only those that listen (neither: those that are connected)\n"
    "  -n           numbers for hosts, ports and users\n"
    "  -p, -e, -o   the program that has it; user and inode; the timer\n"
    "  -W           addresses are not cut to their column\n"
    "  -c           again every second, until Ctrl-C\n"
    "  -s           statistics, in words; -st and -su of the one protocol\n";

struct netstat_options {
    struct look_options look;
    bool tcp, udp, v4, v6, all, listening, numeric, programs, timers, extended, wide;
    bool statistics, again, help;
};

static bool take_short(struct netstat_options *options, int option)
{
    bool *const flag[128] = {
        ['t'] = &options->tcp,      ['u'] = &options->udp,        ['4'] = &options->v4,
        ['6'] = &options->v6,       ['a'] = &options->all,        ['l'] = &options->listening,
        ['n'] = &options->numeric,  ['p'] = &options->programs,   ['o'] = &options->timers,
        ['e'] = &options->extended, ['s'] = &options->statistics, ['c'] = &options->again,
        ['W'] = &options->wide,     ['h'] = &options->help,
    };
    if (option < 0 || option >= 128 || flag[option] == NULL)
        return false;
    *flag[option] = true;
    return true;
}

/* -A inet, --protocol=inet6 */
static int take_family(struct netstat_options *options, const char *text)
{
    if (strcmp(text, "inet") != 0 && strcmp(text, "inet6") != 0)
        return tool_usage("netstat", "-A %s: inet or inet6; netstat(8) has the others", text);
    *(text[4] == '6' ? &options->v6 : &options->v4) = true;
    return TOOL_OK;
}

/* Options of netstat(8) that are about other things, and what shows those. */
static int refuse(int option)
{
    const char *instead = option == 'i'   ? "ip -s link"
                          : option == 'r' ? "ip route"
                          : option == 'g' ? "ip maddress"
                                          : "netstat(8)";
    return tool_usage("netstat", "-%c: TCP and UDP only; %s shows the kernel's", option, instead);
}

static int read_options(int argc, char **argv, struct netstat_options *options)
{
    static const struct option longs[] = {
        { "tcp", no_argument, NULL, 't' },
        { "udp", no_argument, NULL, 'u' },
        { "all", no_argument, NULL, 'a' },
        { "listening", no_argument, NULL, 'l' },
        { "numeric", no_argument, NULL, 'n' },
        { "programs", no_argument, NULL, 'p' },
        { "timers", no_argument, NULL, 'o' },
        { "extend", no_argument, NULL, 'e' },
        { "wide", no_argument, NULL, 'W' },
        { "continuous", no_argument, NULL, 'c' },
        { "statistics", no_argument, NULL, 's' },
        { "inet", no_argument, NULL, '4' },
        { "inet6", no_argument, NULL, '6' },
        { "protocol", required_argument, NULL, 'A' },
        { "verbose", no_argument, NULL, 'v' }, /* nothing is left out that it would tell of */
        { "help", no_argument, NULL, 'h' },
        LOOK_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    int option;
    while ((option = args_next(argc, argv, ":tualnpoesc46WhvA:irgxwM", longs)) != ARGS_END) {
        if (option == ARGS_BAD)
            return TOOL_USAGE;
        if (option == 'A' && take_family(options, optarg) != TOOL_OK)
            return TOOL_USAGE;
        if (option < 128 && strchr("irgxwM", option) != NULL)
            return refuse(option);
        if (!look_option(&options->look, option, optarg))
            (void)take_short(options, option);
    }
    if (optind < argc)
        return tool_usage("netstat", "not an option: %s", argv[optind]);
    if (!options->tcp && !options->udp)
        options->tcp = options->udp = true;
    if (!options->v4 && !options->v6)
        options->v4 = options->v6 = true;
    return TOOL_OK;
}

/* ---- Lines ---- */

struct listing {
    const struct netstat_options *options;
    const struct look *look;
    struct json json;
};

static char *put_address(const struct netstat_options *options, const struct facts_flow *flow,
                         const struct weir_addr *addr, char text[160])
{
    static const struct weir_ip any = { { 0 } };
    const struct weir_ip any4 = weir_ip_v4(0, 0, 0, 0);
    char host[SOCKET_HOST_MAX], port[SOCKET_PORT_MAX];
    socket_port(flow, addr->port, options->numeric, port);
    const bool is_any = weir_ip_equal(&addr->ip, &any) || weir_ip_equal(&addr->ip, &any4);
    if (is_any)
        snprintf(host, sizeof host, "%s", !flow->v6 ? "0.0.0.0" : options->numeric ? "::" : "[::]");
    else if (options->numeric)
        weir_ip_text(&addr->ip, host);
    else
        socket_resolve(&addr->ip, host);
    /* A cut address keeps its port: that is what one looks for. */
    const size_t room = ADDRESS_COLUMNS - 1 - strlen(port);
    if (!options->wide && strlen(host) > room)
        host[room] = '\0';
    snprintf(text, 160, "%s:%s", host, port);
    return text;
}

static void put_user(const struct netstat_options *options, const struct facts_flow *flow)
{
    const struct passwd *user = options->numeric ? NULL : getpwuid(flow->uid);
    char safe[64];
    if (flow->quality[FACTS_USER] == FACTS_UNKNOWN)
        printf(" %-10s", "-");
    else if (user != NULL)
        printf(" %-10s", terminal_safe(user->pw_name, safe, sizeof safe));
    else
        printf(" %-10u", flow->uid);
    printf(" %-10u", flow->inode);
}

static void put_program(const struct facts_flow *flow)
{
    char comm[COMM_TEXT], text[COMM_TEXT + 16];
    if (flow->pid > 0)
        snprintf(text, sizeof text, "%d/%s", flow->pid,
                 terminal_safe(flow->comm, comm, sizeof comm));
    else
        strcpy(text, "-");
    printf(" %-20s", text);
}

static void put_timer(const struct facts_flow *flow)
{
    static const char *const name[] = {
        [WEIR_TIMER_NONE] = "off",        [WEIR_TIMER_RTX] = "on",
        [WEIR_TIMER_PERSIST] = "probe",   [WEIR_TIMER_KEEPALIVE] = "keepalive",
        [WEIR_TIMER_DELACK] = "delack",   [WEIR_TIMER_TIME_WAIT] = "timewait",
        [WEIR_TIMER_ORPHAN] = "timewait", [WEIR_TIMER_USER] = "user",
        [WEIR_TIMER_SYN_ACK] = "on",
    };
    const bool runs = flow->timer != WEIR_TIMER_NONE && flow->timer <= WEIR_TIMER_SYN_ACK &&
                      flow->timer_in != WEIR_NEVER;
    const int64_t centi = runs ? flow->timer_in / (10 * WEIR_MS) : 0;
    printf(" %s (%lld.%02lld/%u/%u)", name[runs ? flow->timer : WEIR_TIMER_NONE],
           (long long)(centi / 100), (long long)(centi % 100),
           flow->timer == WEIR_TIMER_KEEPALIVE ? 0 : flow->backoff,
           flow->timer == WEIR_TIMER_KEEPALIVE ? flow->probes : 0);
}

static bool is_asked_for(const struct netstat_options *options, const struct facts_flow *flow)
{
    const bool tcp = flow->protocol == IPPROTO_TCP;
    const bool open = tcp ? flow->state == WEIR_LISTEN : flow->state == WEIR_CLOSED;
    if (tcp && flow->state == WEIR_CLOSED)
        return false; /* bound, or over: no table of Linux has it */
    return options->all || (options->listening ? open : !open);
}

static bool put_flow(void *user, const struct facts_flow *flow)
{
    struct listing *listing = user;
    const struct netstat_options *options = listing->options;
    char local[160], remote[160], protocol[8], place[LOOK_PLACE_MAX];
    if (!is_asked_for(options, flow))
        return true;
    if (options->look.json) {
        flow_json(&listing->json, flow);
        return true;
    }
    snprintf(protocol, sizeof protocol, "%.4s%s", socket_protocol(flow), flow->v6 ? "6" : "");
    printf("%-4s  %6u %6u %-23s %-23s %-11s", protocol, flow->rcvq,
           flow->state == WEIR_LISTEN ? 0 : flow->sndq,
           put_address(options, flow, &flow->local, local),
           put_address(options, flow, &flow->remote, remote), socket_state_netstat(flow));
    if (options->extended)
        put_user(options, flow);
    if (options->programs)
        put_program(flow);
    if (options->timers)
        put_timer(flow);
    if (listing->look->several)
        printf(" %s", look_place(flow->source, flow->net, place));
    putchar('\n');
    return !ferror(stdout);
}

static void put_heading(const struct netstat_options *options, bool several)
{
    const char *which = options->all         ? "servers and established"
                        : options->listening ? "only servers"
                                             : "w/o servers";
    printf("Active Internet connections (%s)\n", which);
    fputs("Proto Recv-Q Send-Q Local Address           Foreign Address         State      ",
          stdout);
    if (options->extended)
        fputs(" User       Inode     ", stdout);
    if (options->programs)
        fputs(" PID/Program name    ", stdout);
    if (options->timers)
        fputs(" Timer", stdout);
    puts(several ? " Stack" : "");
}

static void list(struct look *look, const struct netstat_options *options)
{
    struct listing listing = { .options = options, .look = look };
    json_begin(&listing.json, stdout);
    if (options->look.json)
        json_array(&listing.json, NULL);
    else
        put_heading(options, look->several);
    for (unsigned pass = 0; pass < 4; pass++) {
        const bool tcp = pass < 2, v6 = pass % 2 == 1;
        struct facts_query query = {
            .want = options->programs || options->extended ? FACTS_WANT_OWNER : 0,
            .states = SS_ALL,
            .tcp = tcp && options->tcp,
            .udp = !tcp && options->udp,
            .v4 = !v6 && options->v4,
            .v6 = v6 && options->v6,
        };
        if (options->look.json)
            query.want |= FACTS_WANT_OWNER | FACTS_WANT_INFO | FACTS_WANT_TAIL;
        if ((query.tcp || query.udp) && (query.v4 || query.v6))
            look_flows(look, &query, put_flow, &listing);
    }
    if (options->look.json) {
        json_end_array(&listing.json);
        json_finish(&listing.json);
    }
}

int tool_netstat(int argc, char **argv)
{
    struct netstat_options options = { .tcp = false };
    struct look look;
    int status = read_options(argc, argv, &options);
    if (status != TOOL_OK || options.help)
        return status != TOOL_OK ? status : look_show_help(help);
    do {
        status = look_begin(&look, "netstat", &options.look);
        if (status != TOOL_OK)
            return status;
        struct netstat_what what = { .look = &look,
                                     .only_tcp = !options.udp,
                                     .only_udp = !options.tcp };
        if (options.statistics)
            look_hosts(&look, netstat_statistics, &what);
        else
            list(&look, &options);
        status = look.status;
        look_end(&look);
        if (options.again && (fflush(stdout) != 0 || ferror(stdout) || sleep(1) != 0))
            break;
    } while (options.again);
    return status;
}
