/* SPDX-License-Identifier: MIT */
#include "look.h"

#include "terminal.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char look_help[] = "Where it looks (all instances of weir, and this machine's kernel):\n"
                         "  --stack            only weir\n"
                         "  --kernel           only the kernel\n"
                         "  --net NAME         the weir that serves /run/weir/NAME/socket\n"
                         "  --socket PATH      the weir that serves PATH\n"
                         "  --netns NAME|all   the kernel in that network namespace, or in each\n"
                         "  --json             as JSON\n"
                         "  --help             this text\n";

int look_show_help(const char *help)
{
    const size_t len = strlen(help);
    printf("%.*s\n\n%s", (int)(len - (help[len - 1] == '\n')), help, look_help);
    return TOOL_OK;
}

bool look_option(struct look_options *options, int option, const char *text)
{
    switch (option) {
    case LOOK_STACK:
        options->stack = true;
        return true;
    case LOOK_KERNEL:
        options->kernel = true;
        return true;
    case LOOK_NET:
        options->net = text;
        return true;
    case LOOK_SOCKET:
        options->socket = text;
        return true;
    case LOOK_NETNS:
        options->netns = text;
        return true;
    case LOOK_JSON:
        options->json = true;
        return true;
    default:
        return false;
    }
}

static int find_stacks(struct look *look, const struct look_options *options)
{
    look->stacks = calloc(STACKS_MAX, sizeof *look->stacks);
    if (look->stacks == NULL)
        return tool_fail(look->command, "no memory");
    look->stack_count = stack_find(options->socket, options->net, look->stacks, STACKS_MAX);
    if (look->stack_count > 0)
        return TOOL_OK;
    if (options->socket != NULL)
        return tool_fail(look->command, "%s: no control socket there", options->socket);
    if (options->net != NULL)
        return tool_fail(look->command, "%s: no weir of that name serves here", options->net);
    return TOOL_OK;
}

static int find_nets(struct look *look, const struct look_options *options)
{
    look->nets = calloc(KERNEL_NETS_MAX, sizeof *look->nets);
    if (look->nets == NULL)
        return tool_fail(look->command, "no memory");
    look->net_count = kernel_find(options->netns, look->nets, KERNEL_NETS_MAX);
    if (look->net_count == 0)
        return tool_fail(look->command, "%s: no network namespace of that name", options->netns);
    return TOOL_OK;
}

int look_begin(struct look *look, const char *command, const struct look_options *options)
{
    const bool named_stack = options->net != NULL || options->socket != NULL;
    const bool named_kernel = options->netns != NULL;
    /* Who names one place means that one, unless both were named. */
    const bool stack = options->stack || named_stack || (!options->kernel && !named_kernel);
    const bool kernel = options->kernel || named_kernel || (!options->stack && !named_stack);
    *look = (struct look){ .command = command, .quiet = options->quiet, .named = named_stack };
    int status = stack ? find_stacks(look, options) : TOOL_OK;
    if (status == TOOL_OK && kernel)
        status = find_nets(look, options);
    look->several = look->stack_count + look->net_count > 1;
    if (status != TOOL_OK)
        look_end(look);
    return status;
}

void look_end(struct look *look)
{
    free(look->stacks);
    free(look->nets);
    owners_free(&look->owners);
    look->stacks = NULL;
    look->nets = NULL;
}

char *look_place(enum facts_source source, const char *net, char text[LOOK_PLACE_MAX])
{
    char safe[FACTS_NET_MAX];
    snprintf(text, LOOK_PLACE_MAX, "%s%s%s", facts_source_text(source), net[0] != '\0' ? ":" : "",
             terminal_safe(net, safe, sizeof safe));
    return text;
}

/* A place that went away between finding and looking is no failure of ours. */
static void complain(struct look *look, enum facts_source source, const char *net, int error)
{
    char place[LOOK_PLACE_MAX];
    if (error == 0 || error == -ECONNREFUSED || error == -ENOENT)
        return;
    if (error == -EACCES && source == FACTS_STACK && !look->named)
        return; /* another user's, as other users' processes are */
    look->status = TOOL_FAILED;
    if (look->quiet)
        return;
    look_place(source, net, place);
    if (error == -EPROTO)
        look->status = tool_fail(look->command, "%s: answers as another version of weir", place);
    else if (error == -EACCES && source == FACTS_STACK)
        look->status =
            tool_fail(look->command, "%s: does not let us look, or has just ended", place);
    else
        look->status = tool_fail(look->command, "%s: %s", place, strerror(-error));
}

struct passing {
    facts_flow_fn *on_flow;
    void *user;
    bool stopped;
};

static bool pass(void *user, const struct facts_flow *flow)
{
    struct passing *passing = user;
    passing->stopped = !passing->on_flow(passing->user, flow);
    return !passing->stopped;
}

void look_flows(struct look *look, const struct facts_query *query, facts_flow_fn *on_flow,
                void *user)
{
    struct passing passing = { on_flow, user, false };
    for (size_t i = 0; i < look->stack_count && !passing.stopped; i++)
        complain(look, FACTS_STACK, look->stacks[i].name,
                 stack_flows(&look->stacks[i], query, pass, &passing));
    if (look->net_count == 0 || passing.stopped)
        return;
    owners_free(&look->owners);
    if ((query->want & FACTS_WANT_OWNER) != 0)
        (void)owners_read(&look->owners);
    for (size_t i = 0; i < look->net_count && !passing.stopped; i++)
        complain(look, FACTS_KERNEL, look->nets[i].name,
                 kernel_flows(&look->nets[i], query, &look->owners, pass, &passing));
}

void look_hosts(struct look *look, look_host_fn *on_host, void *user)
{
    for (size_t i = 0; i < look->stack_count; i++) {
        struct facts_host host = { 0 };
        const int error = stack_counters(&look->stacks[i], &host);
        complain(look, FACTS_STACK, look->stacks[i].name, error);
        if (error == 0)
            on_host(user, &host);
        facts_host_free(&host);
    }
    for (size_t i = 0; i < look->net_count; i++) {
        struct facts_host host = { 0 };
        const int error = kernel_counters(&look->nets[i], &host);
        complain(look, FACTS_KERNEL, look->nets[i].name, error);
        if (error == 0)
            on_host(user, &host);
        facts_host_free(&host);
    }
}

void look_ifaces(struct look *look, facts_iface_fn *on_iface, void *user)
{
    for (size_t i = 0; i < look->stack_count; i++)
        complain(look, FACTS_STACK, look->stacks[i].name,
                 stack_ifaces(&look->stacks[i], on_iface, user));
    for (size_t i = 0; i < look->net_count; i++)
        complain(look, FACTS_KERNEL, look->nets[i].name,
                 kernel_ifaces(&look->nets[i], on_iface, user));
}
