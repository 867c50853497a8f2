/* SPDX-License-Identifier: MIT */
#include "dns.h"

#include "probe.h"
#include "tool.h"

#include <ares.h>
#include <ares_nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/select.h>

struct dns {
    ares_channel channel;
    bool recurse, done;
    struct dns_answer *answer;
};

/* Told of each socket as it is connected: the last one is whose answer came. */
static int on_socket(ares_socket_t fd, int type, void *user)
{
    struct dns *dns = user;
    struct sockaddr_in6 peer = { 0 }; /* IPv4 has its port at the same place */
    socklen_t len = sizeof peer;
    if (dns->answer == NULL || getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
        return ARES_SUCCESS;
    char text[WEIR_IP_TEXT_MAX];
    const struct weir_ip ip = probe_ip((const struct sockaddr *)&peer);
    snprintf(dns->answer->server, sizeof dns->answer->server, "%s#%u", weir_ip_text(&ip, text),
             ntohs(peer.sin6_port));
    dns->answer->tcp = type == SOCK_STREAM;
    return ARES_SUCCESS;
}

static int set_server(struct dns *dns, const char *command, const struct dns_settings *settings)
{
    struct probe_target target = { .port = 0 };
    char ip[WEIR_IP_TEXT_MAX], text[WEIR_IP_TEXT_MAX + 16];
    const int status = probe_resolve(&target, command, settings->server, settings->family);
    if (status != TOOL_OK)
        return status;
    weir_ip_text(&target.ip, ip);
    const unsigned port = settings->port != 0 ? settings->port : 53;
    snprintf(text, sizeof text, strchr(ip, ':') != NULL ? "[%s]:%u" : "%s:%u", ip, port);
    if (ares_set_servers_ports_csv(dns->channel, text) == ARES_SUCCESS)
        return TOOL_OK;
    return tool_fail(command, "%s: cannot be used as a server", settings->server);
}

struct dns *dns_open(const char *command, const struct dns_settings *settings)
{
    struct ares_options options = {
        /* Errors are answers, too: SERVFAIL is shown, and nobody else is asked. */
        .flags = ARES_FLAG_NOCHECKRESP | (settings->tcp ? ARES_FLAG_USEVC : 0) |
                 (settings->recurse ? 0 : ARES_FLAG_NORECURSE),
        .timeout = (int)settings->timeout_ms,
        .tries = (int)settings->tries,
        .udp_port = (unsigned short)settings->port,
        .tcp_port = (unsigned short)settings->port,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
    if (settings->port != 0)
        mask |= ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
    struct dns *dns = calloc(1, sizeof *dns);
    if (dns == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(dns);
        tool_fail(command, "out of memory");
        return NULL;
    }
    const int status = ares_init_options(&dns->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        tool_fail(command, "%s", ares_strerror(status));
        ares_library_cleanup();
        free(dns);
        return NULL;
    }
    dns->recurse = settings->recurse;
    ares_set_socket_callback(dns->channel, on_socket, dns);
    if (settings->server != NULL && set_server(dns, command, settings) != TOOL_OK) {
        dns_close(dns);
        return NULL;
    }
    return dns;
}

void dns_close(struct dns *dns)
{
    if (dns == NULL)
        return;
    dns->answer = NULL;
    ares_destroy(dns->channel);
    ares_library_cleanup();
    free(dns);
}

static void on_answer(void *user, int status, int timeouts, unsigned char *message, int len)
{
    struct dns *dns = user;
    struct dns_answer *answer = dns->answer;
    (void)timeouts;
    dns->done = true;
    if (answer == NULL)
        return;
    if (message == NULL || !dns_take(answer, message, (size_t)len)) {
        answer->failure = status == ARES_ETIMEOUT ? "no answer in time"
                          : status == ARES_ECONNREFUSED
                              ? "no server could be reached (refused, or no route)"
                              : ares_strerror(status);
        return;
    }
}

void dns_ask(struct dns *dns, const char *name, unsigned type, struct dns_answer *answer)
{
    unsigned char *query = NULL;
    int len = 0;
    uint16_t id = 0;
    memset(answer, 0, offsetof(struct dns_answer, message));
    dns->answer = answer;
    dns->done = false;
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        id = (uint16_t)probe_clock();
    const int status =
        ares_create_query(name, ns_c_in, (int)type, id, dns->recurse, &query, &len, 0);
    if (status != ARES_SUCCESS) {
        answer->failure = status == ARES_EBADNAME ? "not a name" : ares_strerror(status);
        return;
    }
    const int64_t began = probe_clock();
    ares_send(dns->channel, query, len, on_answer, dns);
    while (!dns->done) {
        fd_set readable, writable;
        struct timeval time;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        const int most = ares_fds(dns->channel, &readable, &writable);
        if (most == 0)
            break;
        select(most, &readable, &writable, NULL, ares_timeout(dns->channel, NULL, &time));
        ares_process(dns->channel, &readable, &writable);
    }
    answer->took = probe_clock() - began;
    ares_free_string(query);
    dns->answer = NULL;
}
