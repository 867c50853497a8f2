/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_LOOK_H
#define WEIR_TOOLS_LOOK_H

/* Where ss, netstat, lsof, nstat, sar and top look, and the options that say so: all instances of
 * weir and this machine's kernel, unless they are told otherwise.
 *
 * What cannot be looked at (no right, gone meanwhile) is said in one line and the rest goes on; the
 * command's status then is TOOL_FAILED. */

#include "doctor/facts.h"
#include "doctor/kernel.h"
#include "doctor/owners.h"
#include "doctor/stack.h"

#include <getopt.h>

enum look_option { /* beyond those of a command */
    LOOK_STACK = 512,
    LOOK_KERNEL,
    LOOK_NET,
    LOOK_SOCKET,
    LOOK_NETNS,
    LOOK_JSON,
};

/* Goes into a command's array of struct option. */
#define LOOK_LONG_OPTIONS                                                                     \
    { "stack", no_argument, NULL, LOOK_STACK }, { "kernel", no_argument, NULL, LOOK_KERNEL }, \
        { "net", required_argument, NULL, LOOK_NET },                                         \
        { "socket", required_argument, NULL, LOOK_SOCKET },                                   \
        { "netns", required_argument, NULL, LOOK_NETNS },                                     \
    {                                                                                         \
        "json", no_argument, NULL, LOOK_JSON                                                  \
    }

/* What the help of a command says about them. */
extern const char look_help[];

/* Prints a command's help and that. TOOL_OK. */
int look_show_help(const char *help);

struct look_options {
    bool stack, kernel; /* only these; neither: both */
    const char *net, *socket, *netns;
    bool json;
    bool quiet; /* says nothing of what it cannot look at */
};

/* Takes one option in: true if it was one of ours. */
bool look_option(struct look_options *options, int option, const char *text);

struct look {
    const char *command;
    struct stack_instance *stacks;
    size_t stack_count;
    struct kernel_net *nets;
    size_t net_count;
    struct owners owners;
    bool quiet;
    bool named;   /* one weir was asked for: that it refuses is worth a line */
    bool several; /* more than one place: each line or heading should say which */
    int status;   /* what the command ends with */
};

/* Finds the places. TOOL_FAILED if one was named that is not there. */
int look_begin(struct look *look, const char *command, const struct look_options *options);
void look_end(struct look *look);

/* Gives every flow of every place. Reads owners if the query wants them. */
void look_flows(struct look *look, const struct facts_query *query, facts_flow_fn *on_flow,
                void *user);

/* Gives the counters of each place. */
typedef void look_host_fn(void *user, const struct facts_host *host);
void look_hosts(struct look *look, look_host_fn *on_host, void *user);

/* Gives the interfaces of each place. */
void look_ifaces(struct look *look, facts_iface_fn *on_iface, void *user);

/* "weir:default", "kernel", "kernel:blue": safe for a terminal. */
#define LOOK_PLACE_MAX 80
char *look_place(enum facts_source source, const char *net, char text[LOOK_PLACE_MAX]);

#endif
