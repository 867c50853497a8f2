/* SPDX-License-Identifier: MIT */
#include "ping.h"

#include "tool.h"

#include <sys/socket.h>

struct stack_ping {
    struct ping *ping;
    struct host host;
    weir_handle endpoint;
    struct weir_loop_timer timer;
    weir_time ends; /* the deadline; 0: none */
};

static void on_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct stack_ping *self = user;
    struct ping *ping = self->ping;
    (void)now;
    if (event->handle != self->endpoint)
        return;
    struct weir_datagram info;
    while (weir_udp_recv(weir, self->endpoint, ping->reply, sizeof ping->reply, &info) == WEIR_OK) {
        const struct ping_reply reply = {
            .from = &info.from.ip,
            .seq = info.seq,
            .ttl = info.ttl,
            .data = ping->reply,
            .len = info.len,
            /* In memory, all of a turn happens at the same time by the loop's clock. */
            .when = self->host.is_pair ? weir_loop_clock() : info.when,
        };
        ping_answered(ping, &reply);
    }
    if ((event->ready & WEIR_ERROR) != 0) {
        const enum weir_error error = weir_error_take(weir, self->endpoint);
        if (error != WEIR_OK)
            ping_trouble(ping, NULL, 0, weir_error_text(error));
    }
    if (ping_all_answered(ping))
        weir_loop_stop(self->host.loop);
}

static void on_time(void *user, weir_time now)
{
    struct stack_ping *self = user;
    struct ping *ping = self->ping;
    if (ping_all_sent(ping) || (self->ends != 0 && now >= self->ends)) {
        weir_loop_stop(self->host.loop); /* the last reply did not come */
        return;
    }
    const uint16_t seq = (uint16_t)(ping->stats.sent + 1);
    const enum weir_error error = weir_ping_send(self->host.weir, self->endpoint, &ping->ip, seq,
                                                 ping->data, ping->size, now);
    if (error == WEIR_OK)
        ping_sent(ping, seq, now);
    else
        ping_trouble(ping, NULL, seq, weir_error_text(error));
    ping->stats.sent++;
    weir_time next = now + (ping_all_sent(ping) ? ping->wait : ping->interval);
    if (self->ends != 0 && next > self->ends)
        next = self->ends;
    weir_loop_set_timer(self->host.loop, &self->timer, next);
}

static int open_endpoint(struct stack_ping *self)
{
    struct host *host = &self->host;
    enum weir_error error = weir_ping_open(host->weir, &self->endpoint);
    if (error == WEIR_OK && self->ping->ttl > 0)
        error = weir_set(host->weir, self->endpoint, WEIR_OPT_TTL, (int64_t)self->ping->ttl,
                         weir_loop_clock());
    return error == WEIR_OK ? TOOL_OK : tool_fail("ping", "%s", weir_error_text(error));
}

static int run(struct stack_ping *self)
{
    struct ping *ping = self->ping;
    struct host *host = &self->host;
    int status = host_resolve(host, ping->target, &ping->ip);
    if (status == TOOL_OK && ping->family != AF_UNSPEC &&
        weir_ip_is_v4(&ping->ip) != (ping->family == AF_INET))
        status = tool_fail("ping", "%s: not of that family", ping->target);
    if (status == TOOL_OK)
        status = host_attach(host, on_event, self, NULL, NULL);
    if (status == TOOL_OK)
        status = host_wait_addresses(host);
    if (status == TOOL_OK)
        status = open_endpoint(self);
    if (status != TOOL_OK)
        return status;
    if (host->is_pair && ping->count == 0)
        ping->count = 4;
    const weir_time now = weir_loop_clock();
    ping_begin(ping, now);
    self->ends = ping->deadline > 0 ? now + ping->deadline : 0;
    self->timer = (struct weir_loop_timer){ .on_time = on_time, .user = self };
    weir_loop_set_timer(host->loop, &self->timer, now);
    status = host_run(host);
    weir_loop_clear_timer(host->loop, &self->timer);
    const int verdict = ping_end(ping, weir_loop_clock());
    return status != TOOL_OK ? status : verdict;
}

int ping_over_stack(struct ping *ping)
{
    struct stack_ping self = { .ping = ping };
    int status = host_open(&self.host, "ping", &ping->options);
    if (status != TOOL_OK)
        return status;
    status = run(&self);
    host_close(&self.host);
    return status;
}
