/* SPDX-License-Identifier: MIT */
#include "stack.h"

#include "owners.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DAEMONS "/run/weir"

/* ---- Finding ---- */

struct finding {
    const char *net; /* NULL: all */
    struct stack_instance *found;
    size_t room, count;
};

static bool is_socket(const char *path)
{
    struct stat it;
    return stat(path, &it) == 0 && S_ISSOCK(it.st_mode);
}

/* A weird cannot take its socket away, since it has given up the file system by the time it ends.
 * That of a private one nobody will ever take again: ours we remove. */
static bool is_left_behind(const char *name, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat it;
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    const bool refused = connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
                         errno == ECONNREFUSED;
    close(fd);
    if (refused && strncmp(name, "run-", 4) == 0 && stat(path, &it) == 0 && it.st_uid == geteuid())
        (void)unlink(path);
    return refused;
}

static void add(struct finding *finding, const char *name, const char *path)
{
    const bool named = finding->net != NULL;
    if (finding->count == finding->room || strlen(path) >= STACK_PATH_MAX || !is_socket(path))
        return;
    if (named ? strcmp(finding->net, name) != 0 : name != path && is_left_behind(name, path))
        return;
    struct stack_instance *instance = &finding->found[finding->count++];
    snprintf(instance->name, sizeof instance->name, "%.*s", (int)sizeof instance->name - 1, name);
    snprintf(instance->path, sizeof instance->path, "%s", path);
}

/* FOLDER/NAME/socket is a daemon's, FOLDER/run-PID.socket that of a private one. */
static void search(struct finding *finding, const char *folder)
{
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[512], name[sizeof entry->d_name];
        const char *dot = strrchr(entry->d_name, '.');
        if (entry->d_name[0] == '.')
            continue;
        if (dot != NULL && strcmp(dot, ".socket") == 0) {
            snprintf(name, sizeof name, "%.*s", (int)(dot - entry->d_name), entry->d_name);
            snprintf(path, sizeof path, "%.200s/%s", folder, entry->d_name);
        } else {
            snprintf(name, sizeof name, "%s", entry->d_name);
            snprintf(path, sizeof path, "%.200s/%s/socket", folder, entry->d_name);
        }
        add(finding, name, path);
    }
    closedir(directory);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct stack_instance *)a)->name,
                  ((const struct stack_instance *)b)->name);
}

size_t stack_find(const char *path, const char *net, struct stack_instance *found, size_t room)
{
    struct finding finding = { net, found, room, 0 };
    if (path != NULL) {
        finding.net = NULL;
        add(&finding, path, path);
        return finding.count;
    }
    search(&finding, DAEMONS);
    const char *own = getenv("XDG_RUNTIME_DIR");
    if (own != NULL && own[0] == '/') {
        char folder[256];
        snprintf(folder, sizeof folder, "%.240s/weir", own);
        search(&finding, folder);
    }
    qsort(found, finding.count, sizeof *found, by_name);
    return finding.count;
}

int stack_open(const struct stack_instance *instance, struct sight_client *client)
{
    return sight_connect(client, instance->path);
}

/* ---- Flows ---- */

struct reading {
    const struct stack_instance *instance;
    const struct facts_query *query;
    facts_flow_fn *on_flow;
    void *user;
    struct owner_names names;
    const struct sight_client *client;
};

static void mark(struct facts_flow *flow, enum facts_of_flow first, enum facts_of_flow last)
{
    for (unsigned fact = first; fact <= last; fact++)
        flow->quality[fact] = FACTS_EXACT;
}

static void take_head(struct facts_flow *flow, const struct sight_head *head)
{
    flow->protocol = head->protocol;
    flow->local = (struct weir_addr){ head->local, head->lport, head->iface };
    flow->remote = (struct weir_addr){ head->remote, head->rport, head->iface };
    flow->v6 = !weir_ip_is_v4(&head->local);
    flow->state = head->state;
    flow->rcvq = head->rcvq;
    flow->sndq = head->sndq;
    flow->timer = head->timer;
    flow->backoff = head->backoff;
    flow->probes = head->probes;
    flow->timer_in = head->timer_in;
    flow->id = head->handle;
    facts_mark(flow, FACTS_ADDRESSES, FACTS_EXACT);
    facts_mark(flow, FACTS_STATE, FACTS_EXACT);
    facts_mark(flow, FACTS_QUEUES, FACTS_EXACT);
    facts_mark(flow, FACTS_TIMER, FACTS_EXACT);
    if (flow->state != WEIR_LISTEN)
        return;
    flow->listener.waiting = head->rcvq;
    flow->listener.backlog = head->sndq;
    facts_mark(flow, FACTS_LISTENER, FACTS_EXACT);
}

/* weird saw the program get the socket; where it is by now, the program alone knows. */
static void take_owner(struct facts_flow *flow, const struct sight_head *head,
                       struct reading *reading)
{
    flow->uid = head->uid;
    flow->pid = head->pid;
    flow->fd = head->fd;
    if (head->uid != UINT32_MAX)
        facts_mark(flow, FACTS_USER, FACTS_EXACT);
    if (head->pid <= 0)
        return;
    const struct owner_name *name = owner_name(&reading->names, head->pid);
    flow->pid = name->pid;
    memcpy(flow->comm, name->comm, sizeof flow->comm);
    facts_mark(flow, FACTS_OWNER, FACTS_SAMPLED);
    if (head->uid != UINT32_MAX || !name->found)
        return;
    flow->uid = name->uid;
    facts_mark(flow, FACTS_USER, FACTS_SAMPLED);
}

static void take_tail(struct facts_flow *flow, const struct sight_tail *tail)
{
    flow->state_for = tail->state_for;
    flow->cause = tail->cause;
    flow->passive = tail->passive != 0;
    flow->rtx_in = tail->rtx_in;
    flow->delack_in = tail->delack_in;
    flow->keepalive_in = tail->keepalive_in;
    flow->user_in = tail->user_in;
    flow->snd_wnd = tail->snd_wnd;
    flow->rcv_wnd = tail->rcv_wnd;
    flow->rcv_max = flow->memory.rcvbuf = tail->rcv_max;
    flow->snd_max = flow->memory.sndbuf = tail->snd_max;
    flow->memory.rmem = flow->rcvq + tail->out_of_order;
    flow->memory.wmem = flow->memory.queued = flow->sndq;
    flow->out_of_order = tail->out_of_order;
    flow->in_flight = tail->in_flight;
    flow->rto_count = tail->rto_count;
    flow->recovery_count = tail->recovery_count;
    flow->dupacks = tail->dupacks;
    flow->waits_for = tail->waits_for;
    flow->error = tail->error;
    flow->soft_error = tail->soft_error;
    const char *cc = tail->congestion > 0 ? weir_congestion_name(tail->congestion - 1u) : NULL;
    if (cc != NULL) {
        snprintf(flow->cc, sizeof flow->cc, "%s", cc);
        facts_mark(flow, FACTS_CONGESTION, FACTS_EXACT);
    }
    flow->listener.half_open = tail->synq_len;
    mark(flow, FACTS_CAUSE, FACTS_ROLE);
    mark(flow, FACTS_TIMERS, FACTS_TIMERS);
    mark(flow, FACTS_WINDOWS, FACTS_LIMITS);
    mark(flow, FACTS_WAITS, FACTS_ERRORS);
    if (tail->state_for >= 0)
        facts_mark(flow, FACTS_SINCE, FACTS_EXACT);
    if (flow->state == WEIR_LISTEN) {
        flow->memory.rmem = flow->memory.wmem = flow->memory.queued = 0;
        facts_mark(flow, FACTS_WAITS, FACTS_UNKNOWN);
    }
}

static void take_secrets(struct facts_flow *flow, const struct sight_tail *tail)
{
    flow->iss = tail->iss;
    flow->irs = tail->irs;
    flow->snd_una = tail->snd_una;
    flow->snd_nxt = tail->snd_nxt;
    flow->rcv_nxt = tail->rcv_nxt;
    facts_mark(flow, FACTS_SEQUENCE, FACTS_EXACT);
}

static bool on_one(void *user, const struct sight_flow *from)
{
    struct reading *reading = user;
    const unsigned want = reading->query->want;
    struct facts_flow flow = { .source = FACTS_STACK, .vantage = FACTS_AT_LOCAL, .fd = -1 };
    take_head(&flow, &from->head);
    if (!facts_wanted(reading->query, &flow))
        return true;
    memcpy(flow.net, reading->instance->name, sizeof flow.net);
    flow.state_for = -1;
    flow.rtx_in = flow.delack_in = flow.keepalive_in = flow.user_in = WEIR_NEVER;
    if ((want & FACTS_WANT_OWNER) != 0)
        take_owner(&flow, &from->head, reading);
    const bool tcp = flow.protocol == IPPROTO_TCP;
    if ((want & FACTS_WANT_INFO) != 0 && tcp && flow.state != WEIR_LISTEN) {
        flow.info = from->info;
        flow.info_len = sizeof flow.info;
        facts_mark(&flow, FACTS_INFO, FACTS_EXACT);
    }
    if ((want & FACTS_WANT_TAIL) != 0) {
        take_tail(&flow, &from->tail);
        if (reading->client->secrets && tcp && flow.state != WEIR_LISTEN)
            take_secrets(&flow, &from->tail);
    }
    return reading->on_flow(reading->user, &flow);
}

int stack_flows(const struct stack_instance *instance, const struct facts_query *query,
                facts_flow_fn *on_flow, void *user)
{
    struct sight_client client;
    struct reading reading = {
        .instance = instance, .query = query, .on_flow = on_flow, .user = user, .client = &client
    };
    struct sight_request request = {
        .want = ((query->want & FACTS_WANT_INFO) != 0 ? SIGHT_WANT_INFO : 0) |
                ((query->want & FACTS_WANT_TAIL) != 0 ? SIGHT_WANT_TAIL : 0),
        .states = query->states,
    };
    int error = stack_open(instance, &client);
    if (error == 0)
        error = sight_snapshot(&client, &request, on_one, &reading);
    sight_close(&client);
    return error;
}

/* ---- Counters and events ---- */

static bool on_counter(void *user, const struct sight_counter *counter)
{
    return facts_host_add(user, counter->name, counter->value);
}

int stack_counters(const struct stack_instance *instance, struct facts_host *host)
{
    struct sight_client client;
    int error = stack_open(instance, &client);
    if (error == 0)
        error = sight_counters(&client, on_counter, host);
    host->source = FACTS_STACK;
    memcpy(host->net, instance->name, sizeof host->net);
    host->when = client.now;
    sight_close(&client);
    return error;
}

struct iface_reading {
    const struct stack_instance *instance;
    const struct sight_client *client;
    facts_iface_fn *on_iface;
    void *user;
};

static bool on_device(void *user, const struct sight_device *device)
{
    const struct iface_reading *reading = user;
    struct facts_iface iface = {
        .source = FACTS_STACK,
        .when = reading->client->now,
        .rx_octets = device->octets_in,
        .rx_packets = device->frames_in,
        .rx_errors = device->refused,
        .rx_dropped = device->missed,
        .tx_octets = device->octets_out,
        .tx_packets = device->frames_out,
        .tx_errors = device->lost,
    };
    memcpy(iface.net, reading->instance->name, sizeof iface.net);
    snprintf(iface.name, sizeof iface.name, "%s", device->name);
    reading->on_iface(reading->user, &iface);
    return true;
}

int stack_ifaces(const struct stack_instance *instance, facts_iface_fn *on_iface, void *user)
{
    struct sight_client client;
    struct iface_reading reading = { instance, &client, on_iface, user };
    int error = stack_open(instance, &client);
    if (error == 0)
        error = sight_devices(&client, on_device, &reading);
    sight_close(&client);
    return error;
}

struct event_reading {
    const struct stack_instance *instance;
    const struct sight_client *client;
    facts_event_fn *on_event;
    void *user;
};

static bool on_record(void *user, const struct weir_record *record)
{
    const struct event_reading *reading = user;
    struct facts_event event = { .source = FACTS_STACK, .record = *record };
    memcpy(event.net, reading->instance->name, sizeof event.net);
    event.ago = reading->client->now - record->when;
    return reading->on_event(reading->user, &event);
}

int stack_events(const struct stack_instance *instance, enum weir_trace_ring ring, uint64_t *cursor,
                 facts_event_fn *on_event, void *user)
{
    struct sight_client client;
    struct event_reading reading = { instance, &client, on_event, user };
    int error = stack_open(instance, &client);
    if (error == 0)
        error = sight_stream(&client, ring, cursor, on_record, &reading);
    sight_close(&client);
    return error;
}
