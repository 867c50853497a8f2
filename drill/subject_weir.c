/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "instance.h"
#include "sock.h"

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
static void *memory_for(const struct weir_config *config, size_t *size)
{
    static void *memory;
    static size_t room;
    *size = weir_memory_size(config);
    if (*size == 0 || *size <= room)
        return *size == 0 ? NULL : memory;
    if (memory != NULL)
        munmap(memory, room);
    memory = instance_memory(config, size);
    room = memory == NULL ? 0 : *size;
    return memory;
}

/* Built when it is first needed: until then settings may change. */
static struct net *ready(struct weir_subject *self)
{
    struct run *run = self->run;
    const struct instance_address address = { run->local, run->prefix_len };
    if (self->net.weir != NULL)
        return &self->net;
    self->memory = memory_for(&self->config, &self->size);
    if (self->memory == NULL)
        run_fail(run, "no memory, or settings that make no sense together");
    const weir_time now = self->net.now;
    self->net.congestion = self->config.congestion;
    if (instance_build(&self->net.weir, self->memory, self->size, &self->config, run->mtu,
                       &self->iface, now) != WEIR_OK ||
        instance_address(self->net.weir, self->iface, &address, now) != WEIR_OK)
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

static bool weir_setting(void *subject, const char *name, const char *value,
                         char why[DRILL_ERROR_MAX])
{
    struct weir_subject *self = subject;
    char reason[SYSCTL_WHY_MAX];
    const bool taken = self->net.weir == NULL
                           ? instance_set(&self->config, name, value, reason)
                           : instance_change(self->net.weir, &self->config, name, value, reason);
    self->net.congestion = self->config.congestion;
    if (taken)
        return true;
    snprintf(why, DRILL_ERROR_MAX, "%.300s", reason);
    return false;
}

static bool weir_file(void *subject, const char *path, long len)
{
    return net_file_set(&((struct weir_subject *)subject)->net, path, len);
}

static void weir_end(void *subject)
{
    net_files_end(&((struct weir_subject *)subject)->net);
    free(subject);
}

bool subject_weir(struct run *run)
{
    struct weir_subject *self = calloc(1, sizeof *self);
    if (self == NULL)
        return false;
    self->run = run;
    self->net.now = START + run->shift;
    instance_defaults(&self->config);
    run->subject = (struct subject){ self,         false,     weir_now,  weir_advance,
                                     weir_inject,  weir_take, weir_call, weir_resume,
                                     weir_setting, weir_file, weir_end };
    return true;
}

/* ---- what only weir can tell ---- */

struct weir *subject_weir_instance(struct run *run)
{
    return ready(run->subject.self)->weir;
}

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
