/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "sock.h"
#include "tools/sysctl_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define START        (1000 * WEIR_SECOND)
#define TIMEOUTS_MAX 1000000 /* in one advance(); more means the clock stands */

struct weir_subject {
    struct run *run;
    struct weir_config config;
    struct net net;
    void *memory;
    size_t size;
    unsigned iface;
    weir_time start;
    struct weir_out frame;
    bool has_frame;
    uint64_t drops[WEIR_DROP_COUNT];
};

/* The memory of one instance serves all runs of a process, one after the other. */
static void *memory_for(size_t size)
{
    static void *memory;
    static size_t room;
    if (size <= room)
        return memory;
    if (memory != NULL)
        munmap(memory, room);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    room = memory == MAP_FAILED ? 0 : size;
    return room == 0 ? NULL : memory;
}

static void defaults(struct weir_config *config)
{
    weir_config_default(config);
    config->tcp_max = 64;
    config->listener_max = 8;
    config->synq_max = 256;
    config->tw_max = 64;
    config->sent_block_max = 2048;
    config->udp_max = 8;
    config->neigh_max = 16;
    config->ring_chunks = 4096;
    config->mtu_probing = 0;   /* Linux's default */
    config->rcv_max = 6 << 20; /* Linux's: a scale of 7 */
    config->snd_max = 4 << 20;
    config->frag_octets_max = 1 << 18;
    config->trace_flow = config->trace_story = 256;
    config->verify = true;
    config->seed = 1;
    for (unsigned i = 0; i < 8; i++)
        config->secret[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
}

/* Built when it is first needed: until then settings may change. */
static struct net *ready(struct weir_subject *self)
{
    struct run *run = self->run;
    struct weir_ip any = run->v6 ? (struct weir_ip){ { 0 } } : weir_ip_v4(0, 0, 0, 0);
    const struct weir_iface_config iface = { .medium = WEIR_IP_ONLY,
                                             .mtu = run->mtu,
                                             .no_dad = true };
    if (self->net.weir != NULL)
        return &self->net;
    self->size = weir_memory_size(&self->config);
    self->memory = self->size > 0 ? memory_for(self->size) : NULL;
    if (self->memory == NULL)
        run_fail(run, "no memory, or settings that make no sense together");
    const weir_time now = self->net.now;
    self->net.congestion = self->config.congestion;
    if (weir_init(&self->net.weir, self->memory, self->size, &self->config, now) != WEIR_OK ||
        weir_iface_add(self->net.weir, &iface, &self->iface, now) != WEIR_OK ||
        weir_address_add(self->net.weir, self->iface, &run->local, run->prefix_len, now) !=
            WEIR_OK ||
        weir_route_add(self->net.weir, &any, 0, NULL, self->iface, 0) != WEIR_OK)
        run_fail(run, "the instance cannot be built with these addresses");
    return &self->net;
}

static weir_time weir_now(void *subject)
{
    return ((struct weir_subject *)subject)->net.now;
}

static bool fetch(struct weir_subject *self)
{
    if (!self->has_frame)
        self->has_frame =
            weir_output(self->net.weir, self->iface, &self->frame, 1, self->net.now) == 1;
    return self->has_frame;
}

static void weir_advance(void *subject, weir_time until)
{
    struct weir_subject *self = subject;
    struct net *net = ready(self);
    for (unsigned i = 0; i < TIMEOUTS_MAX; i++) {
        if (fetch(self))
            return;
        weir_time next = weir_deadline(net->weir);
        const weir_time call = net_deadline(net);
        if (call < next)
            next = call;
        if (next > until) {
            if (until > net->now)
                net->now = until;
            weir_timeout(net->weir, net->now);
            fetch(self);
            return;
        }
        if (next > net->now)
            net->now = next;
        weir_timeout(net->weir, net->now);
        if (net->waiting.active) { /* its end may have come */
            fetch(self);
            return;
        }
    }
    run_fail(self->run, "the clock does not get on: a deadline that is not met");
}

static bool weir_inject(void *subject, const uint8_t *packet, size_t len)
{
    struct weir_subject *self = subject;
    struct net *net = ready(self);
    /* Of its own, so that a read beyond the end is seen. */
    uint8_t *copy = malloc(len);
    if (copy == NULL)
        abort();
    memcpy(copy, packet, len);
    const struct weir_frame frame = { .data = copy, .len = len, .when = net->now };
    for (unsigned i = 1; i < WEIR_DROP_COUNT; i++)
        self->drops[i] = weir_drop_count(net->weir, i);
    weir_input(net->weir, self->iface, &frame, 1, net->now);
    free(copy);
    net_notice(net);
    self->run->dropped = WEIR_DROP_NONE;
    for (unsigned i = 1; i < WEIR_DROP_COUNT; i++)
        if (weir_drop_count(net->weir, i) != self->drops[i])
            self->run->dropped = i;
    return true;
}

static bool weir_take(void *subject, uint8_t *packet, size_t *len, struct seen *seen)
{
    struct weir_subject *self = subject;
    (void)ready(self);
    if (!fetch(self))
        return false;
    self->has_frame = false;
    size_t at = self->frame.head_len;
    memcpy(packet, self->frame.head, at);
    for (unsigned i = 0; i < self->frame.span_count; i++) {
        memcpy(packet + at, self->frame.span[i].base, self->frame.span[i].len);
        at += self->frame.span[i].len;
    }
    net_sent(&self->net, &self->frame);
    *len = at;
    seen->when = self->net.now;
    seen->why = self->frame.why;
    seen->handle = self->frame.handle;
    return true;
}

static long weir_call(void *subject, const struct call *call, bool may_wait)
{
    (void)may_wait;
    return net_call(ready(subject), call);
}

static long weir_resume(void *subject, weir_time *when)
{
    struct weir_subject *self = subject;
    *when = self->net.now;
    return net_resume(&self->net);
}

/* How large the pieces are that a device is given to cut: here there is none, and what the script
 * expects in one piece is put together from several. */
static bool of_a_device(const char *name)
{
    return strcmp(name, "net.ipv4.tcp_tso_win_divisor") == 0 ||
           strcmp(name, "net.ipv4.tcp_min_tso_segs") == 0 ||
           strcmp(name, "net.ipv4.tcp_tso_rtt_log") == 0;
}

/* "%x-%x-%x-%x", as Linux reads it. */
static bool set_fastopen_key(struct weir_config *config, const char *value)
{
    unsigned word[4];
    char end;
    if (sscanf(value, "%8x-%8x-%8x-%8x%c", &word[0], &word[1], &word[2], &word[3], &end) != 4)
        return false;
    for (unsigned i = 0; i < 2; i++)
        config->fastopen_key[i] = (uint64_t)word[2 * i + 1] << 32 | word[2 * i];
    return true;
}

static bool weir_setting(void *subject, const char *name, const char *value,
                         char why[DRILL_ERROR_MAX])
{
    struct weir_subject *self = subject;
    char reason[SYSCTL_WHY_MAX];
    if (self->net.weir != NULL) {
        snprintf(why, DRILL_ERROR_MAX, "weir takes settings only before the first socket");
        return false;
    }
    if (strcmp(name, "net.ipv4.tcp_fastopen_key") == 0 && set_fastopen_key(&self->config, value))
        return true;
    if (of_a_device(name) || sysctl_apply(&self->config, name, value, reason))
        return true;
    snprintf(why, DRILL_ERROR_MAX, "%.300s", reason);
    return false;
}

static void weir_end(void *subject)
{
    free(subject);
}

bool subject_weir(struct run *run)
{
    struct weir_subject *self = calloc(1, sizeof *self);
    if (self == NULL)
        return false;
    self->run = run;
    self->net.now = START + run->shift;
    defaults(&self->config);
    run->subject = (struct subject){ self,      false,     weir_now,    weir_advance, weir_inject,
                                     weir_take, weir_call, weir_resume, weir_setting, weir_end };
    return true;
}

/* ---- what only weir can tell ---- */

/* By its handle; by its addresses in the small forms, which have none, and when the socket's own
 * connection is over but another has taken its ports. */
bool subject_weir_status(struct run *run, struct weir_status *status)
{
    struct weir_subject *self = run->subject.self;
    const struct flow *flow = run->current;
    struct net *net = ready(self);
    if (flow == NULL)
        return false;
    const struct sock *sock = flow->fd != FLOW_NO_FD ? net_sock(net, flow->fd) : NULL;
    struct weir_status own = { 0 };
    const bool known = sock != NULL && sock->handle != WEIR_NO_HANDLE &&
                       weir_status(net->weir, sock->handle, &own) == WEIR_OK;
    *status = own;
    if (known && own.state != WEIR_CLOSED)
        return true;
    uint64_t cursor = 0;
    weir_handle handle;
    while (weir_list(net->weir, &cursor, status, &handle))
        if (status->state != WEIR_LISTEN && status->state != WEIR_CLOSED &&
            status->local.port == flow->local_port && status->remote.port == flow->remote_port &&
            weir_ip_equal(&status->remote.ip, &flow->remote))
            return true;
    *status = own;
    return known;
}
