/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_HOST_H
#define WEIR_TOOLS_HOST_H

/* A host as the options of a command describe it: an instance, its addresses, the device under it,
 * and the loop that runs it. What get, serve, echo and ping have in common.
 *
 * With `--dev pair` a second instance is joined to it in memory, so that there is somebody to talk
 * to without any privilege. Both run in the same loop. */

#include "weir/dev.h"
#include "weir/loop.h"

#include <getopt.h>

#define HOST_ADDRESS_MAX 16

enum host_option { /* beyond the characters, which are the commands' own short options */
    HOST_DEV = 256,
    HOST_ADDR,
    HOST_GATEWAY,
    HOST_MAC,
    HOST_PCAP,
    HOST_STATS,
    HOST_NO_DAD,
    HOST_CTL,
    HOST_HELP,
};

/* Goes into a command's array of struct option. */
#define HOST_LONG_OPTIONS                                                                         \
    { "dev", required_argument, NULL, HOST_DEV }, { "addr", required_argument, NULL, HOST_ADDR }, \
        { "gateway", required_argument, NULL, HOST_GATEWAY },                                     \
        { "mac", required_argument, NULL, HOST_MAC },                                             \
        { "pcap", required_argument, NULL, HOST_PCAP },                                           \
        { "ctl", required_argument, NULL, HOST_CTL }, { "stats", no_argument, NULL, HOST_STATS }, \
        { "no-dad", no_argument, NULL, HOST_NO_DAD },                                             \
    {                                                                                             \
        "help", no_argument, NULL, HOST_HELP                                                      \
    }

/* What the help of a command says about them. */
extern const char host_help[];

struct host_options {
    const char *dev; /* as weir_dev_open reads it, or "pair" */
    struct {
        struct weir_ip ip;
        unsigned prefix_len;
    } address[HOST_ADDRESS_MAX];
    unsigned address_count;
    bool has_gateway_v4, has_gateway_v6, has_mac, stats, no_dad;
    struct weir_ip gateway_v4, gateway_v6;
    uint8_t mac[6];
    const char *pcap;
    const char *ctl; /* a control socket, for those who look */
};

/* Takes one option in. Returns enum tool_status; what is wrong has been said. */
int host_option(struct host_options *options, const char *command, int option, const char *text);

/* After the last option: is this a host? `pair_works` says whether the command can use a pair. */
int host_options_check(const struct host_options *options, const char *command, bool pair_works);

struct sight_server;

struct host {
    const char *command;
    const char *ctl;
    struct sight_server *sight; /* NULL: nobody looks */
    bool stats;
    bool is_pair;
    struct weir_loop *loop;
    struct weir *weir; /* the instance, and its one interface */
    unsigned iface;
    struct weir *far; /* the other end of a pair; else NULL */
    unsigned far_iface;
    struct weir_dev *dev;
    struct weir_pair *pair;
    struct weir_capture *capture;
    void *memory[2];
    size_t memory_len[2];
};

/* Opens everything but adds no instance to the loop (host_attach does): returns enum tool_status,
 * with everything closed again and the reason said if it is not TOOL_OK. */
int host_open(struct host *host, const char *command, const struct host_options *options);

/* Gives the near instance, and the far one if there is one, their event functions, and connects
 * the device. `far_event` may be NULL. */
int host_attach(struct host *host, weir_loop_event_fn *event, void *user,
                weir_loop_event_fn *far_event, void *far_user);

/* Runs the loop until weir_loop_stop, SIGINT or SIGTERM. */
int host_run(struct host *host);

/* Whether a signal ended it. */
bool host_interrupted(void);

/* Runs until duplicate address detection is through (or an address turned out to be taken: then
 * TOOL_FAILED, and said). */
int host_wait_addresses(struct host *host);

/* Whether the host has an address of the family. */
bool host_has_family(const struct host *host, bool v4);

/* Turns a name or a literal into an address that the host can reach by family; `/etc/hosts` is all
 * there is. Says what is wrong. */
int host_resolve(const struct host *host, const char *name, struct weir_ip *ip);

/* Prints the statistics if they were asked for, and closes everything. */
void host_close(struct host *host);

#endif
