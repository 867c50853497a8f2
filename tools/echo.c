/* SPDX-License-Identifier: MIT */

/* `weir echo`: sends back what arrives, over TCP and UDP (RFC 862, on any port). */

#include "args.h"
#include "host.h"
#include "tool.h"

#include <stdio.h>
#include <string.h>

#define BACKLOG      128
#define SPAN_MAX     16
#define DATAGRAM_MAX 65535

static const char help[] =
    "usage: weir echo --port N --dev DEVICE --addr IP/LEN [OPTION...]\n"
    "\n"
    "Sends back what arrives on a TCP and a UDP port, until it is interrupted.\n"
    "\n"
    "  -p, --port N       the port; default 7\n";

struct echo {
    struct host_options options;
    struct host host;
    uint16_t port;
    weir_handle listener, endpoint;
    uint8_t datagram[DATAGRAM_MAX];
};

static int parse(struct echo *echo, int argc, char **argv, bool *done)
{
    static const struct option longs[] = {
        HOST_LONG_OPTIONS,
        { "port", required_argument, NULL, 'p' },
        { NULL, 0, NULL, 0 },
    };
    for (int option; (option = args_next(argc, argv, ":p:", longs)) != ARGS_END;) {
        uint64_t port = 0;
        if (option == HOST_HELP) {
            fputs(help, stdout);
            fputs(host_help, stdout);
            *done = true;
            return TOOL_OK;
        }
        if (option == 'p') {
            if (!args_number(optarg, 1, 65535, &port))
                return tool_usage(argv[0], "--port %s: not a number from 1 to 65535", optarg);
            echo->port = (uint16_t)port;
            continue;
        }
        const int status = host_option(&echo->options, argv[0], option, optarg);
        if (status != TOOL_OK)
            return status;
    }
    if (optind < argc)
        return tool_usage(argv[0], "what is '%s'?", argv[optind]);
    return host_options_check(&echo->options, argv[0], false);
}

/* ---- TCP ---- */

enum step {
    STEP_MORE,  /* something was echoed */
    STEP_LATER, /* nothing to read, or no room to write: an event will come */
    STEP_OVER,  /* the connection is done with */
};

/* Copies from the receive ring into the send ring, as much as both allow. Whatever there is no
 * room for stays in the receive ring, whose window then closes: the sender is held back, and
 * nothing is stored twice. */
static enum step echo_once(struct weir *weir, weir_handle conn, weir_time now)
{
    struct weir_span spans[SPAN_MAX];
    unsigned count = SPAN_MAX;
    enum weir_error error = weir_recv_view(weir, conn, spans, &count);
    if (error != WEIR_OK)
        return error == WEIR_AGAIN ? STEP_LATER : STEP_OVER;
    if (count == 0 || spans[0].len == 0)
        return STEP_OVER;
    /* One span at a time: weir_send may invalidate the others. */
    size_t sent = 0;
    error = weir_send(weir, conn, spans[0].base, spans[0].len, 0, &sent, now);
    if (error != WEIR_OK)
        return error == WEIR_AGAIN || error == WEIR_NO_MEMORY ? STEP_LATER : STEP_OVER;
    if (weir_recv_took(weir, conn, sent, now) != WEIR_OK)
        return STEP_OVER;
    return STEP_MORE;
}

static void echo_conn(struct weir *weir, weir_handle conn, weir_time now)
{
    enum step step;
    do {
        step = echo_once(weir, conn, now);
    } while (step == STEP_MORE);
    if (step == STEP_OVER)
        weir_release(weir, conn, now);
}

/* ---- UDP ---- */

static void echo_datagrams(struct echo *echo, struct weir *weir, weir_time now)
{
    struct weir_datagram info;
    while (weir_udp_recv(weir, echo->endpoint, echo->datagram, sizeof echo->datagram, &info) ==
           WEIR_OK) {
        /* A datagram that cannot be sent back is lost, as datagrams may be. Never to port 7 or to
         * ourselves from ourselves: two echoes would play forever. */
        if (info.from.port == echo->port)
            continue;
        const size_t len = info.len < sizeof echo->datagram ? info.len : sizeof echo->datagram;
        if (weir_udp_send(weir, echo->endpoint, &info.from, echo->datagram, len, now) != WEIR_OK)
            continue;
    }
    (void)weir_error_take(weir, echo->endpoint);
}

static void on_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct echo *echo = user;
    if (event->handle == echo->endpoint) {
        echo_datagrams(echo, weir, now);
    } else if (event->handle == echo->listener) {
        weir_handle conn;
        while (weir_accept(weir, echo->listener, &conn, now) == WEIR_OK)
            continue; /* its first event follows */
    } else {
        echo_conn(weir, event->handle, now);
    }
}

static int start(struct echo *echo, const char *command)
{
    const struct weir_addr any = { .port = echo->port };
    struct weir *weir = echo->host.weir;
    enum weir_error error = weir_listen(weir, &any, BACKLOG, 0, &echo->listener);
    if (error == WEIR_OK)
        error = weir_udp_open(weir, &any, &echo->endpoint);
    if (error != WEIR_OK)
        return tool_fail(command, "port %u: %s", echo->port, weir_error_text(error));
    int status = host_attach(&echo->host, on_event, echo, NULL, NULL);
    if (status == TOOL_OK)
        status = host_wait_addresses(&echo->host);
    if (status != TOOL_OK)
        return status;

    struct weir_address_info info;
    for (unsigned i = 0; weir_address_info(weir, i, &info); i++) {
        char ip[WEIR_IP_TEXT_MAX];
        printf("echoing at %s, port %u, TCP and UDP\n", weir_ip_text(&info.ip, ip), echo->port);
    }
    fflush(stdout);
    return host_run(&echo->host);
}

int tool_echo(int argc, char **argv)
{
    static struct echo echo; /* a datagram is too large for the stack of a thread */
    bool done = false;
    echo.port = 7;
    int status = parse(&echo, argc, argv, &done);
    if (status == TOOL_OK && !done)
        status = host_open(&echo.host, argv[0], &echo.options);
    if (status != TOOL_OK || done)
        return status;
    status = start(&echo, argv[0]);
    host_close(&echo.host);
    return host_interrupted() ? TOOL_OK : status;
}
