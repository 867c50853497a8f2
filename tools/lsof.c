/* SPDX-License-Identifier: MIT */

/* `weir lsof -i`: which program has a socket, in the columns of lsof(8). */

#include "args.h"
#include "flow_json.h"
#include "look.h"
#include "socket_text.h"
#include "ss_filter.h"
#include "terminal.h"
#include "tool.h"

#include <ctype.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#define SELECTIONS_MAX 32
#define PIDS_MAX       64
#define PORTS_MAX      32
#define NAMES_MAX      16
#define COMMAND_MAX    9
#define CELL_MAX       32
#define END_MAX        (SOCKET_HOST_MAX + SOCKET_PORT_MAX + 8)

static const char help[] =
    "usage: weir lsof -i [46][tcp|udp][@HOST][:PORT[,PORT|-PORT]...] [OPTION...]\n"
    "\n"
    "Lists the programs that have sockets, as lsof(8) does: those of weir, and those\n"
    "of the kernel.\n"
    "\n"
    "  -i [SELECTION]  may be repeated: any of them\n"
    "  -p PID[,PID]    only these processes\n"
    "  -c NAME         whose command begins so; may be repeated: any of them\n"
    "  -u USER[,USER]  only those of these users, by name or number\n"
    "  -s TCP:STATE    only in this state (LISTEN, ESTABLISHED, CLOSE_WAIT, ...)\n"
    "  -n, -P, -l      numbers for hosts; for ports; for users\n"
    "  -t              only process ids\n"
    "\n"
    "What is asked for is all of it, as if lsof's -a were always there.\n";

struct port_range {
    uint16_t first, last;
};

struct selection {
    bool v4, v6, tcp, udp, any_host;
    struct weir_ip ip;
    struct port_range port[PORTS_MAX];
    unsigned port_count; /* 0: all */
};

struct lsof_options {
    struct look_options look;
    struct selection selection[SELECTIONS_MAX];
    unsigned selection_count;
    int32_t pid[PIDS_MAX];
    unsigned pid_count;
    const char *command[NAMES_MAX];
    unsigned command_count;
    uint32_t uid[NAMES_MAX];
    unsigned uid_count;
    uint32_t states;
    bool numeric_hosts, numeric_ports, numeric_users, terse, help;
};

/* ---- What is asked for ---- */

static bool read_port(const char *text, uint16_t *port)
{
    uint64_t number;
    if (args_number(text, 0, 65535, &number)) {
        *port = (uint16_t)number;
        return true;
    }
    const struct servent *entry = getservbyname(text, NULL);
    if (entry != NULL)
        *port = ntohs((uint16_t)entry->s_port);
    return entry != NULL;
}

static bool read_ports(char *text, struct selection *selection)
{
    char *at;
    for (char *word = strtok_r(text, ",", &at); word != NULL; word = strtok_r(NULL, ",", &at)) {
        if (selection->port_count == PORTS_MAX)
            return false;
        struct port_range *range = &selection->port[selection->port_count++];
        char *dash = isdigit((unsigned char)word[0]) ? strchr(word, '-') : NULL;
        if (dash != NULL)
            *dash = '\0';
        if (!read_port(word, &range->first) || (dash != NULL && !read_port(dash + 1, &range->last)))
            return false;
        if (dash == NULL)
            range->last = range->first;
    }
    return selection->port_count > 0;
}

static bool read_host(const char *text, struct weir_ip *ip)
{
    struct addrinfo *found = NULL;
    if (weir_ip_parse(text, ip))
        return true;
    if (getaddrinfo(text, NULL, NULL, &found) != 0)
        return false;
    if (found->ai_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)found->ai_addr;
        *ip = weir_ip_v4(0, 0, 0, 0);
        memcpy(ip->octet + 12, &in->sin_addr, 4);
    } else {
        const struct sockaddr_in6 *in6 = (const void *)found->ai_addr;
        memcpy(ip->octet, &in6->sin6_addr, 16);
    }
    freeaddrinfo(found);
    return true;
}

/* [46][tcp|udp][@HOST][:PORTS] */
static bool read_selection(const char *from, struct selection *selection)
{
    char text[256];
    *selection =
        (struct selection){ .v4 = true, .v6 = true, .tcp = true, .udp = true, .any_host = true };
    if (strlen(from) >= sizeof text)
        return false;
    char *at = strcpy(text, from);
    if (*at == '4' || *at == '6') {
        selection->v4 = *at == '4';
        selection->v6 = *at++ == '6';
    }
    if (strncasecmp(at, "tcp", 3) == 0 || strncasecmp(at, "udp", 3) == 0) {
        selection->tcp = tolower((unsigned char)*at) == 't';
        selection->udp = !selection->tcp;
        at += 3;
    }
    if (*at == '@') {
        char *host = ++at;
        char *end = *at == '[' ? strchr(at, ']') : NULL;
        if (end != NULL) {
            host++;
            *end = '\0';
            at = end + 1;
        } else {
            at += strcspn(at, ":");
        }
        const char after = *at;
        *at = '\0';
        selection->any_host = false;
        if (!read_host(host, &selection->ip))
            return false;
        *at = after;
    }
    if (*at == ':')
        return read_ports(at + 1, selection);
    return *at == '\0';
}

static int take_selection(struct lsof_options *options, const char *text)
{
    if (options->selection_count == SELECTIONS_MAX)
        return tool_usage("lsof", "-i %s: more than %d of them", text, SELECTIONS_MAX);
    if (!read_selection(text, &options->selection[options->selection_count++]))
        return tool_usage("lsof", "-i %s: not [46][tcp|udp][@HOST][:PORT]", text);
    return TOOL_OK;
}

static int take_pids(struct lsof_options *options, char *text)
{
    char *at;
    for (char *word = strtok_r(text, ",", &at); word != NULL; word = strtok_r(NULL, ",", &at)) {
        uint64_t pid;
        if (options->pid_count == PIDS_MAX || !args_number(word, 1, INT32_MAX, &pid))
            return tool_usage("lsof", "-p %s: not a process id, or too many", word);
        options->pid[options->pid_count++] = (int32_t)pid;
    }
    return TOOL_OK;
}

static int take_command(struct lsof_options *options, const char *name)
{
    if (options->command_count == NAMES_MAX)
        return tool_usage("lsof", "-c %s: more than %d of them", name, NAMES_MAX);
    options->command[options->command_count++] = name;
    return TOOL_OK;
}

static int take_users(struct lsof_options *options, char *text)
{
    char *at;
    for (char *word = strtok_r(text, ",", &at); word != NULL; word = strtok_r(NULL, ",", &at)) {
        uint64_t uid = 0;
        const struct passwd *user = getpwnam(word);
        if (options->uid_count == NAMES_MAX ||
            (user == NULL && !args_number(word, 0, UINT32_MAX, &uid)))
            return tool_usage("lsof", "-u %s: no such user, or too many", word);
        options->uid[options->uid_count++] = user != NULL ? user->pw_uid : (uint32_t)uid;
    }
    return TOOL_OK;
}

static int take_states(struct lsof_options *options, const char *text)
{
    const char *colon = strchr(text, ':');
    const char *name = colon != NULL ? colon + 1 : text;
    for (unsigned state = 0; state < WEIR_STATE_COUNT; state++) {
        const struct facts_flow flow = { .protocol = IPPROTO_TCP, .state = (uint8_t)state };
        if (strcasecmp(name, socket_state_netstat(&flow)) == 0)
            options->states = 1u << state;
    }
    return options->states != 0 ? TOOL_OK : tool_usage("lsof", "-s %s: no such state", text);
}

/* lsof takes "-i:80", "-i :80" and a bare "-i". */
static const char *optional_word(int argc, char **argv)
{
    if (optarg != NULL)
        return optarg;
    if (optind < argc && argv[optind][0] != '-')
        return argv[optind++];
    return "";
}

static int take_option(struct lsof_options *options, int option, int argc, char **argv)
{
    switch (option) {
    case 'i':
        return take_selection(options, optional_word(argc, argv));
    case 'p':
        return take_pids(options, optarg);
    case 's':
        return take_states(options, optarg);
    case 'c':
        return take_command(options, optarg);
    case 'u':
        return take_users(options, optarg);
    case 'U':
        return tool_usage("lsof", "-U: TCP and UDP only; lsof(8) shows the kernel's others");
    case 'n':
        options->numeric_hosts = true;
        return TOOL_OK;
    case 'P':
        options->numeric_ports = true;
        return TOOL_OK;
    case 'l':
        options->numeric_users = true;
        return TOOL_OK;
    case 't':
        options->terse = true;
        return TOOL_OK;
    case 'h':
        options->help = true;
        return TOOL_OK;
    case 'a': /* what is asked for is always all of it */
        return TOOL_OK;
    default:
        (void)look_option(&options->look, option, optarg);
        return TOOL_OK;
    }
}

static int read_options(int argc, char **argv, struct lsof_options *options)
{
    static const struct option longs[] = {
        { "help", no_argument, NULL, 'h' },
        LOOK_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    int option, status = TOOL_OK;
    while ((option = args_next(argc, argv, ":i::p:c:u:s:nPltahU", longs)) != ARGS_END) {
        if (option == ARGS_BAD)
            return TOOL_USAGE;
        status = take_option(options, option, argc, argv);
        if (status != TOOL_OK)
            return status;
    }
    if (optind < argc)
        return tool_usage("lsof", "not an option: %s (files are lsof's own business)",
                          argv[optind]);
    if (options->selection_count == 0 && !options->help)
        return take_selection(options, "");
    return TOOL_OK;
}

static bool has_port(const struct selection *selection, uint16_t port)
{
    for (unsigned i = 0; i < selection->port_count; i++)
        if (port >= selection->port[i].first && port <= selection->port[i].last)
            return true;
    return selection->port_count == 0;
}

static bool selects(const struct selection *selection, const struct facts_flow *flow)
{
    const bool local = selection->any_host || weir_ip_equal(&selection->ip, &flow->local.ip);
    const bool remote = selection->any_host || weir_ip_equal(&selection->ip, &flow->remote.ip);
    if ((flow->v6 ? !selection->v6 : !selection->v4) ||
        (flow->protocol == IPPROTO_TCP ? !selection->tcp : !selection->udp))
        return false;
    return (local && has_port(selection, flow->local.port)) ||
           (remote && has_port(selection, flow->remote.port));
}

static bool is_asked_for(const struct lsof_options *options, const struct facts_flow *flow)
{
    if (options->states != 0 &&
        (flow->protocol != IPPROTO_TCP || (options->states >> flow->state & 1) == 0))
        return false;
    for (unsigned i = 0; i < options->selection_count; i++)
        if (selects(&options->selection[i], flow))
            return true;
    return false;
}

/* The process's user, not the socket's: that is what lsof shows. */
static uint32_t user_of(const struct facts_flow *flow)
{
    char path[64];
    struct stat it;
    snprintf(path, sizeof path, "/proc/%d", flow->pid);
    return stat(path, &it) == 0 ? it.st_uid : flow->uid;
}

static bool has_owner(const struct lsof_options *options, const struct facts_flow *flow)
{
    bool pid = options->pid_count == 0, command = options->command_count == 0;
    bool user = options->uid_count == 0;
    for (unsigned i = 0; i < options->pid_count; i++)
        pid |= options->pid[i] == flow->pid;
    for (unsigned i = 0; i < options->command_count; i++)
        command |= strncmp(flow->comm, options->command[i], strlen(options->command[i])) == 0;
    const uint32_t uid = user ? 0 : user_of(flow);
    for (unsigned i = 0; i < options->uid_count; i++)
        user |= options->uid[i] == uid;
    return pid && command && user;
}

/* ---- Lines: sorted by process and descriptor, so all are kept until the end ---- */

struct line {
    struct facts_flow flow; /* with this line's owner */
};

struct listing {
    const struct lsof_options *options;
    const struct look *look;
    struct line *line;
    size_t count, room;
    bool full;
};

static bool keep(struct listing *listing, const struct facts_flow *flow)
{
    if (listing->count == listing->room) {
        const size_t room = listing->room != 0 ? 2 * listing->room : 64;
        struct line *grown = realloc(listing->line, room * sizeof *grown);
        listing->full = grown == NULL;
        if (grown == NULL)
            return false;
        listing->line = grown;
        listing->room = room;
    }
    listing->line[listing->count++].flow = *flow;
    return true;
}

static bool add_flow(void *user, const struct facts_flow *flow)
{
    struct listing *listing = user;
    if (!is_asked_for(listing->options, flow))
        return true;
    if (flow->source == FACTS_STACK)
        return flow->pid <= 0 || !has_owner(listing->options, flow) || keep(listing, flow);
    size_t count = 0;
    const struct owner *owner =
        flow->inode == 0 ? NULL : owners_find(&listing->look->owners, flow->inode, &count);
    for (size_t i = 0; i < count; i++) {
        struct facts_flow one = *flow;
        one.pid = owner[i].pid;
        one.fd = owner[i].fd;
        memcpy(one.comm, owner[i].comm, sizeof one.comm);
        if (has_owner(listing->options, &one) && !keep(listing, &one))
            return false;
    }
    return true;
}

static int by_process(const void *a, const void *b)
{
    const struct facts_flow *x = &((const struct line *)a)->flow;
    const struct facts_flow *y = &((const struct line *)b)->flow;
    return x->pid != y->pid ? (x->pid > y->pid) - (x->pid < y->pid)
                            : (x->fd > y->fd) - (x->fd < y->fd);
}

static char *put_end(const struct lsof_options *options, const struct facts_flow *flow,
                     const struct weir_addr *addr, char text[END_MAX])
{
    static const struct weir_ip any = { { 0 } };
    const struct weir_ip any4 = weir_ip_v4(0, 0, 0, 0);
    char host[SOCKET_HOST_MAX], port[SOCKET_PORT_MAX];
    if (weir_ip_equal(&addr->ip, &any) || weir_ip_equal(&addr->ip, &any4))
        strcpy(host, "*");
    else if (options->numeric_hosts)
        weir_ip_text(&addr->ip, host);
    else
        socket_resolve(&addr->ip, host);
    const bool brackets = strchr(host, ':') != NULL;
    socket_port(flow, addr->port, options->numeric_ports, port);
    snprintf(text, END_MAX, "%s%s%s:%s", brackets ? "[" : "", host, brackets ? "]" : "", port);
    return text;
}

/* The columns whose width is that of their widest cell. */
enum {
    CELL_COMMAND,
    CELL_PID,
    CELL_USER,
    CELL_DEVICE,
    CELLS
};

static void fill_cells(const struct lsof_options *options, const struct facts_flow *flow,
                       char cell[CELLS][CELL_MAX])
{
    char command[COMMAND_MAX + 1];
    const uint32_t uid = user_of(flow);
    const struct passwd *user = options->numeric_users ? NULL : getpwuid(uid);
    snprintf(cell[CELL_COMMAND], CELL_MAX, "%s",
             terminal_safe(flow->comm, command, sizeof command));
    snprintf(cell[CELL_PID], CELL_MAX, "%d", flow->pid);
    if (user != NULL)
        terminal_safe(user->pw_name, cell[CELL_USER], CELL_MAX);
    else
        snprintf(cell[CELL_USER], CELL_MAX, "%u", uid);
    if (flow->source == FACTS_KERNEL)
        snprintf(cell[CELL_DEVICE], CELL_MAX, "%u", flow->inode);
    else
        snprintf(cell[CELL_DEVICE], CELL_MAX, "weir");
}

static void put_line(const struct lsof_options *options, const struct facts_flow *flow,
                     const int width[CELLS])
{
    char cell[CELLS][CELL_MAX], fd[16] = "-", local[END_MAX], remote[END_MAX];
    const bool tcp = flow->protocol == IPPROTO_TCP, connected = flow->remote.port != 0;
    fill_cells(options, flow, cell);
    if (flow->fd >= 0)
        snprintf(fd, sizeof fd, "%d", flow->fd);
    put_end(options, flow, &flow->local, local);
    put_end(options, flow, &flow->remote, remote);
    printf("%-*s %*s %*s %4s%c  %s %*s      0t0  %s %s%s%s%s%s%s\n", width[CELL_COMMAND],
           cell[CELL_COMMAND], width[CELL_PID], cell[CELL_PID], width[CELL_USER], cell[CELL_USER],
           fd, flow->fd >= 0 ? 'u' : ' ', flow->v6 ? "IPv6" : "IPv4", width[CELL_DEVICE],
           cell[CELL_DEVICE], tcp ? "TCP" : "UDP", local, connected ? "->" : "",
           connected ? remote : "", tcp ? " (" : "", tcp ? socket_state_netstat(flow) : "",
           tcp ? ")" : "");
}

/* Finds the widths, and writes the heading. */
static void put_heading(const struct listing *listing, int width[CELLS])
{
    static const char *const title[CELLS] = { "COMMAND", "PID", "USER", "DEVICE" };
    for (unsigned i = 0; i < CELLS; i++)
        width[i] = (int)strlen(title[i]);
    for (size_t i = 0; i < listing->count; i++) {
        char cell[CELLS][CELL_MAX];
        fill_cells(listing->options, &listing->line[i].flow, cell);
        for (unsigned k = 0; k < CELLS; k++)
            if ((int)strlen(cell[k]) > width[k])
                width[k] = (int)strlen(cell[k]);
    }
    printf("%-*s %*s %*s   FD   TYPE %*s SIZE/OFF NODE NAME\n", width[0], title[0], width[1],
           title[1], width[2], title[2], width[3], title[3]);
}

static void put_lines(struct listing *listing)
{
    const struct lsof_options *options = listing->options;
    struct json json;
    int width[CELLS];
    json_begin(&json, stdout);
    if (listing->count > 1)
        qsort(listing->line, listing->count, sizeof *listing->line, by_process);
    if (options->look.json)
        json_array(&json, NULL);
    else if (!options->terse && listing->count > 0)
        put_heading(listing, width);
    int32_t last = 0;
    for (size_t i = 0; i < listing->count; i++) {
        const struct facts_flow *flow = &listing->line[i].flow;
        if (options->look.json)
            flow_json(&json, flow);
        else if (!options->terse)
            put_line(options, flow, width);
        else if (flow->pid != last)
            printf("%d\n", flow->pid);
        last = flow->pid;
    }
    if (options->look.json) {
        json_end_array(&json);
        json_finish(&json);
    }
}

int tool_lsof(int argc, char **argv)
{
    struct lsof_options options = { .terse = false };
    struct look look;
    int status = read_options(argc, argv, &options);
    if (status != TOOL_OK || options.help)
        return status != TOOL_OK ? status : look_show_help(help);
    status = look_begin(&look, "lsof", &options.look);
    if (status != TOOL_OK)
        return status;
    struct listing listing = { .options = &options, .look = &look };
    const struct facts_query query = {
        .want = FACTS_WANT_OWNER, .states = SS_ALL, .tcp = true, .udp = true, .v4 = true, .v6 = true
    };
    look_flows(&look, &query, add_flow, &listing);
    put_lines(&listing);
    status = look.status;
    if (listing.full)
        status = tool_fail("lsof", "no memory");
    else if (status == TOOL_OK && listing.count == 0)
        status = TOOL_FAILED; /* as lsof: nothing found */
    free(listing.line);
    look_end(&look);
    return status;
}
