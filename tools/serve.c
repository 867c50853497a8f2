/* SPDX-License-Identifier: MIT */

/* `weir serve`: the files of a directory, over HTTP, on our own stack. */

#include "amount.h"
#include "args.h"
#include "host.h"
#include "http_server.h"
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>

static const char help[] =
    "usage: weir serve DIRECTORY --port N --dev DEVICE --addr IP/LEN [OPTION...]\n"
    "\n"
    "Serves the files of a directory over HTTP until it is interrupted.\n"
    "\n"
    "  -p, --port N       the TCP port; default 80\n"
    "  -v, --verbose      one line on standard output for each answer\n";

struct serve {
    struct http_server_config config;
    struct host_options host;
};

static int parse(struct serve *serve, int argc, char **argv, bool *done)
{
    static const struct option longs[] = {
        HOST_LONG_OPTIONS,
        { "port", required_argument, NULL, 'p' },
        { "verbose", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    for (int option; (option = args_next(argc, argv, ":p:v", longs)) != ARGS_END;) {
        int status = TOOL_OK;
        uint64_t port = 0;
        if (option == HOST_HELP) {
            fputs(help, stdout);
            fputs(host_help, stdout);
            *done = true;
            return TOOL_OK;
        }
        if (option == 'p' && !args_number(optarg, 1, 65535, &port))
            return tool_usage(argv[0], "--port %s: not a number from 1 to 65535", optarg);
        if (option == 'p')
            serve->config.port = (uint16_t)port;
        else if (option == 'v')
            serve->config.verbose = true;
        else
            status = host_option(&serve->host, argv[0], option, optarg);
        if (status != TOOL_OK)
            return status;
    }
    if (optind == argc)
        return tool_usage(argv[0], "a directory is missing");
    if (optind + 1 < argc)
        return tool_usage(argv[0], "one directory at a time; what is '%s'?", argv[optind + 1]);
    serve->config.directory = argv[optind];
    return host_options_check(&serve->host, argv[0], false);
}

/* Said once everything stands, so that a script may wait for these lines. */
static void announce(const struct host *host, const struct serve *serve)
{
    struct weir_address_info info;
    for (unsigned i = 0; weir_address_info(host->weir, i, &info); i++) {
        char ip[WEIR_IP_TEXT_MAX];
        const bool v4 = weir_ip_is_v4(&info.ip);
        printf("serving %s at http://%s%s%s:%u/\n", serve->config.directory, v4 ? "" : "[",
               weir_ip_text(&info.ip, ip), v4 ? "" : "]", serve->config.port);
    }
    fflush(stdout);
}

int tool_serve(int argc, char **argv)
{
    struct serve serve = { .config.port = 80 };
    struct host host;
    bool done = false;
    int status = parse(&serve, argc, argv, &done);
    if (status == TOOL_OK && !done)
        status = host_open(&host, argv[0], &serve.host);
    if (status != TOOL_OK || done)
        return status;

    struct http_server *server = NULL;
    char why[WEIR_LINE_MAX] = "";
    if (http_server_open(&server, host.loop, host.weir, &serve.config, why) < 0)
        status = tool_fail(argv[0], "%s", why);
    if (status == TOOL_OK)
        status = host_attach(&host, http_server_event, server, NULL, NULL);
    if (status == TOOL_OK)
        status = host_wait_addresses(&host);
    if (status == TOOL_OK) {
        announce(&host, &serve);
        status = host_run(&host);
    }
    if (server != NULL) {
        uint64_t answers, octets;
        char text[AMOUNT_MAX];
        http_server_totals(server, &answers, &octets);
        fprintf(stderr, "%" PRIu64 " answers, %s\n", answers, amount_octets(octets, text));
    }
    http_server_close(server);
    host_close(&host);
    return host_interrupted() ? TOOL_OK : status; /* that is how a server ends */
}
