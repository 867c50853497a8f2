/* SPDX-License-Identifier: MIT */
#include "kernel.h"

#include "kernel_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* A diag message is 72 octets and attributes; the kernel fills 32 KiB at a time if it may. */
#define BUFFER_LEN   65536
#define REQUEST_ROOM 256

/* The kernel's numbers for the states. */
enum linux_state {
    LINUX_ESTABLISHED = 1,
    LINUX_SYN_SENT,
    LINUX_SYN_RECV,
    LINUX_FIN_WAIT1,
    LINUX_FIN_WAIT2,
    LINUX_TIME_WAIT,
    LINUX_CLOSE,
    LINUX_CLOSE_WAIT,
    LINUX_LAST_ACK,
    LINUX_LISTEN,
    LINUX_CLOSING,
    LINUX_NEW_SYN_RECV,
    LINUX_BOUND_INACTIVE, /* bound, and nothing else (Linux 6.7) */
};

static const uint8_t our_state[] = {
    [LINUX_ESTABLISHED] = WEIR_ESTABLISHED,
    [LINUX_SYN_SENT] = WEIR_SYN_SENT,
    [LINUX_SYN_RECV] = WEIR_SYN_RECEIVED,
    [LINUX_FIN_WAIT1] = WEIR_FIN_WAIT_1,
    [LINUX_FIN_WAIT2] = WEIR_FIN_WAIT_2,
    [LINUX_TIME_WAIT] = WEIR_TIME_WAIT,
    [LINUX_CLOSE] = WEIR_CLOSED,
    [LINUX_CLOSE_WAIT] = WEIR_CLOSE_WAIT,
    [LINUX_LAST_ACK] = WEIR_LAST_ACK,
    [LINUX_LISTEN] = WEIR_LISTEN,
    [LINUX_CLOSING] = WEIR_CLOSING,
    [LINUX_NEW_SYN_RECV] = WEIR_SYN_RECEIVED,
    [LINUX_BOUND_INACTIVE] = WEIR_CLOSED,
};
#define LINUX_STATES (sizeof our_state / sizeof our_state[0])

struct reading {
    const struct kernel_net *net;
    const struct facts_query *query;
    const struct owners *owners;
    facts_flow_fn *on_flow;
    facts_event_fn *on_event;
    void *user;
    uint8_t protocol;
    bool stopped;
};

static uint32_t linux_states(uint32_t states)
{
    uint32_t mask = 0;
    for (unsigned state = 1; state < LINUX_STATES; state++)
        if ((states >> our_state[state] & 1) != 0)
            mask |= 1u << state;
    return mask;
}

/* ---- One socket ---- */

static struct weir_ip address(uint8_t family, const uint32_t from[4])
{
    struct weir_ip ip = weir_ip_v4(0, 0, 0, 0);
    if (family == AF_INET6)
        memcpy(ip.octet, from, 16);
    else
        memcpy(ip.octet + 12, from, 4);
    return ip;
}

static void take_timer(struct facts_flow *flow, const struct inet_diag_msg *message)
{
    static const uint8_t ours[] = { WEIR_TIMER_NONE, WEIR_TIMER_RTX, WEIR_TIMER_KEEPALIVE,
                                    WEIR_TIMER_TIME_WAIT, WEIR_TIMER_PERSIST };
    flow->timer = message->idiag_timer < sizeof ours ? ours[message->idiag_timer] : WEIR_TIMER_NONE;
    flow->timer_in = flow->timer == WEIR_TIMER_NONE ? WEIR_NEVER : message->idiag_expires * WEIR_MS;
    flow->backoff = flow->probes = message->idiag_retrans;
    if (flow->state == WEIR_SYN_RECEIVED && flow->timer == WEIR_TIMER_RTX)
        flow->timer = WEIR_TIMER_SYN_ACK;
    facts_mark(flow, FACTS_TIMER, FACTS_EXACT);
}

static void take_message(struct facts_flow *flow, const struct inet_diag_msg *message)
{
    const struct inet_diag_sockid *id = &message->id;
    const uint16_t iface = (uint16_t)id->idiag_if;
    flow->v6 = message->idiag_family == AF_INET6;
    flow->local = (struct weir_addr){ address(message->idiag_family, id->idiag_src),
                                      ntohs(id->idiag_sport), iface };
    flow->remote = (struct weir_addr){ address(message->idiag_family, id->idiag_dst),
                                       ntohs(id->idiag_dport), iface };
    flow->state = message->idiag_state < LINUX_STATES ? our_state[message->idiag_state]
                                                      : (uint8_t)WEIR_CLOSED;
    flow->rcvq = message->idiag_rqueue;
    flow->sndq = message->idiag_wqueue;
    flow->inode = message->idiag_inode;
    flow->uid = message->idiag_uid;
    flow->id = (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];
    take_timer(flow, message);
    facts_mark(flow, FACTS_ADDRESSES, FACTS_EXACT);
    facts_mark(flow, FACTS_STATE, FACTS_EXACT);
    facts_mark(flow, FACTS_QUEUES, FACTS_EXACT);
    facts_mark(flow, FACTS_USER, FACTS_EXACT);
    if (flow->inode != 0)
        facts_mark(flow, FACTS_INODE, FACTS_EXACT);
    if (flow->state != WEIR_LISTEN)
        return;
    flow->listener.waiting = flow->rcvq;
    flow->listener.backlog = flow->sndq;
    facts_mark(flow, FACTS_LISTENER, FACTS_EXACT);
}

/* A kernel of another time gives less, or more. */
#define BEHIND_SND_WND offsetof(struct linux_tcp_info, tcpi_rcv_wnd)

static void take_info(struct facts_flow *flow, const void *from, size_t len)
{
    memcpy(&flow->info, from, len < sizeof flow->info ? len : sizeof flow->info);
    flow->info_len = (uint32_t)len;
    facts_mark(flow, FACTS_INFO, FACTS_EXACT);
    if (len < BEHIND_SND_WND)
        return;
    flow->snd_wnd = flow->info.tcpi_snd_wnd;
    flow->rcv_wnd = flow->info.tcpi_rcv_wnd; /* 0: an older kernel */
    facts_mark(flow, FACTS_WINDOWS, FACTS_EXACT);
    flow->rto_count = flow->info.tcpi_total_rto;
}

static void take_memory(struct facts_flow *flow, const void *from, size_t len)
{
    uint32_t value[9] = { 0 };
    memcpy(value, from, len < sizeof value ? len : sizeof value);
    flow->memory = (struct facts_memory){
        .rmem = value[SK_MEMINFO_RMEM_ALLOC],
        .rcvbuf = value[SK_MEMINFO_RCVBUF],
        .wmem = value[SK_MEMINFO_WMEM_ALLOC],
        .sndbuf = value[SK_MEMINFO_SNDBUF],
        .fwd = value[SK_MEMINFO_FWD_ALLOC],
        .queued = value[SK_MEMINFO_WMEM_QUEUED],
        .optmem = value[SK_MEMINFO_OPTMEM],
        .backlog = value[SK_MEMINFO_BACKLOG],
        .drops = value[SK_MEMINFO_DROPS],
    };
    flow->rcv_max = flow->memory.rcvbuf;
    flow->snd_max = flow->memory.sndbuf;
    flow->listener.drops = flow->memory.drops;
    facts_mark(flow, FACTS_LIMITS, FACTS_EXACT);
}

static int on_attribute(const struct nlattr *attribute, void *user)
{
    struct facts_flow *flow = user;
    const void *payload = mnl_attr_get_payload(attribute);
    const size_t len = mnl_attr_get_payload_len(attribute);
    switch (mnl_attr_get_type(attribute)) {
    case INET_DIAG_INFO:
        take_info(flow, payload, len);
        break;
    case INET_DIAG_SKMEMINFO:
        take_memory(flow, payload, len);
        break;
    case INET_DIAG_CONG:
        snprintf(flow->cc, sizeof flow->cc, "%.*s", (int)len, (const char *)payload);
        facts_mark(flow, FACTS_CONGESTION, FACTS_EXACT);
        break;
    case INET_DIAG_SHUTDOWN:
        flow->shutdown = len > 0 ? *(const uint8_t *)payload : 0;
        facts_mark(flow, FACTS_SHUTDOWN, FACTS_EXACT);
        break;
    case INET_DIAG_SKV6ONLY:
        flow->v6only = len > 0 && *(const uint8_t *)payload != 0;
        break;
    case INET_DIAG_MARK:
        memcpy(&flow->mark, payload, len < sizeof flow->mark ? len : sizeof flow->mark);
        break;
    case INET_DIAG_CGROUP_ID:
        memcpy(&flow->cgroup, payload, len < sizeof flow->cgroup ? len : sizeof flow->cgroup);
        break;
    case INET_DIAG_PROTOCOL:
        flow->protocol = len > 0 ? *(const uint8_t *)payload : flow->protocol;
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

/* Why nothing leaves the kernel does not say, but the numbers do. */
static void infer_wait(struct facts_flow *flow)
{
    const struct linux_tcp_info *info = &flow->info;
    if (flow->quality[FACTS_INFO] == FACTS_UNKNOWN || flow->state == WEIR_LISTEN)
        return;
    const uint64_t in_flight = (uint64_t)info->tcpi_unacked * info->tcpi_snd_mss;
    if (flow->state == WEIR_SYN_SENT || flow->state == WEIR_SYN_RECEIVED)
        flow->waits_for = WEIR_WAIT_HANDSHAKE;
    else if (info->tcpi_notsent_bytes == 0)
        flow->waits_for = WEIR_WAIT_NOTHING;
    else if (info->tcpi_unacked >= info->tcpi_snd_cwnd)
        flow->waits_for = WEIR_WAIT_CWND;
    else if (flow->timer == WEIR_TIMER_PERSIST || in_flight + info->tcpi_snd_mss > flow->snd_wnd)
        flow->waits_for = WEIR_WAIT_PEER_WINDOW;
    else
        flow->waits_for = WEIR_WAIT_OUTPUT;
    facts_mark(flow, FACTS_WAITS, FACTS_INFERRED);
}

static void take_owner(struct facts_flow *flow, const struct owners *owners)
{
    size_t count;
    const struct owner *owner =
        owners != NULL && flow->inode != 0 ? owners_find(owners, flow->inode, &count) : NULL;
    if (owner == NULL)
        return;
    flow->pid = owner->pid;
    flow->fd = owner->fd;
    memcpy(flow->comm, owner->comm, sizeof flow->comm);
    facts_mark(flow, FACTS_OWNER, FACTS_SAMPLED);
}

static int on_message(const struct nlmsghdr *header, void *user)
{
    struct reading *reading = user;
    struct facts_flow flow = { .source = FACTS_KERNEL, .vantage = FACTS_AT_LOCAL, .fd = -1 };
    if (reading->stopped || mnl_nlmsg_get_payload_len(header) < sizeof(struct inet_diag_msg))
        return MNL_CB_OK; /* the rest of a dump must still be read */
    memcpy(flow.net, reading->net->name, sizeof flow.net);
    flow.protocol = reading->protocol;
    flow.state_for = -1;
    flow.rtx_in = flow.delack_in = flow.keepalive_in = flow.user_in = WEIR_NEVER;
    take_message(&flow, mnl_nlmsg_get_payload(header));
    if (mnl_attr_parse(header, sizeof(struct inet_diag_msg), on_attribute, &flow) < MNL_CB_STOP)
        return MNL_CB_OK;
    if (!facts_wanted(reading->query, &flow))
        return MNL_CB_OK;
    infer_wait(&flow);
    take_owner(&flow, reading->owners);
    if (reading->on_flow != NULL) {
        reading->stopped = !reading->on_flow(reading->user, &flow);
        return MNL_CB_OK;
    }
    struct facts_event event = { .source = FACTS_KERNEL, .flow = flow };
    memcpy(event.net, flow.net, sizeof event.net);
    reading->stopped = !reading->on_event(reading->user, &event);
    return reading->stopped ? MNL_CB_STOP : MNL_CB_OK;
}

/* ---- A dump ---- */

static int ask(struct mnl_socket *socket, uint8_t family, const struct reading *reading,
               unsigned sequence)
{
    _Alignas(struct nlmsghdr) char buffer[REQUEST_ROOM];
    struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
    header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    header->nlmsg_seq = sequence;
    struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(header, sizeof *request);
    const unsigned want = reading->query->want;
    unsigned extra = 1u << (INET_DIAG_SHUTDOWN - 1);
    if ((want & FACTS_WANT_INFO) != 0)
        extra |= 1u << (INET_DIAG_INFO - 1) | 1u << (INET_DIAG_CONG - 1);
    if ((want & (FACTS_WANT_TAIL | FACTS_WANT_INFO)) != 0)
        extra |= 1u << (INET_DIAG_SKMEMINFO - 1);
    request->sdiag_family = family;
    request->sdiag_protocol = reading->protocol;
    request->idiag_ext = (uint8_t)extra;
    request->idiag_states = linux_states(reading->query->states);
    return mnl_socket_sendto(socket, header, header->nlmsg_len) < 0 ? -errno : 0;
}

static int dump(struct mnl_socket *socket, uint8_t family, struct reading *reading, char *buffer)
{
    const unsigned sequence = (unsigned)time(NULL) + family + reading->protocol;
    int error = ask(socket, family, reading, sequence);
    int more = MNL_CB_OK;
    while (error == 0 && more == MNL_CB_OK) {
        const ssize_t got = mnl_socket_recvfrom(socket, buffer, BUFFER_LEN);
        if (got < 0 && errno == EINTR)
            continue;
        more = got < 0 ? MNL_CB_ERROR
                       : mnl_cb_run(buffer, (size_t)got, sequence, mnl_socket_get_portid(socket),
                                    on_message, reading);
        if (more == MNL_CB_ERROR)
            error = -errno;
    }
    return error == -EINTR ? 0 : error; /* the dump changed under our eyes: that is so */
}

static int dump_all(struct mnl_socket *socket, struct reading *reading)
{
    static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };
    const struct facts_query *query = reading->query;
    char *buffer = malloc(BUFFER_LEN);
    int error = buffer == NULL ? -ENOMEM : 0;
    for (unsigned i = 0; i < 2 && error == 0; i++) {
        reading->protocol = protocols[i];
        if (protocols[i] == IPPROTO_TCP ? !query->tcp : !query->udp)
            continue;
        if (query->v4)
            error = dump(socket, AF_INET, reading, buffer);
        if (error == 0 && query->v6)
            error = dump(socket, AF_INET6, reading, buffer);
        if (error == -ENOENT) /* a kernel without the module for it has no such sockets to show */
            error = 0;
    }
    free(buffer);
    return error;
}

int kernel_flows(const struct kernel_net *net, const struct facts_query *query,
                 const struct owners *owners, facts_flow_fn *on_flow, void *user)
{
    struct reading reading = {
        .net = net, .query = query, .owners = owners, .on_flow = on_flow, .user = user
    };
    int home = -1;
    int error = kernel_net_enter(net, &home);
    if (error < 0)
        return error;
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    error = socket == NULL ? -errno : 0;
    if (error == 0 && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
        error = -errno;
    if (error == 0)
        error = dump_all(socket, &reading);
    if (socket != NULL)
        mnl_socket_close(socket);
    kernel_net_leave(home);
    return error;
}

/* ---- The dying ---- */

static int join(struct mnl_socket *socket, int group)
{
    return mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0 ? -errno
                                                                                           : 0;
}

static int watch(struct mnl_socket *socket, struct reading *reading)
{
    char *buffer = malloc(BUFFER_LEN);
    int error = buffer == NULL ? -ENOMEM : 0;
    while (error == 0 && !reading->stopped) {
        const ssize_t got = mnl_socket_recvfrom(socket, buffer, BUFFER_LEN);
        if (got < 0 && errno == ENOBUFS)
            continue; /* some were lost */
        if (got < 0)
            error = -errno;
        else
            (void)mnl_cb_run(buffer, (size_t)got, 0, 0, on_message, reading);
    }
    free(buffer);
    return error == -EINTR ? 0 : error;
}

int kernel_watch(const struct kernel_net *net, const struct facts_query *query,
                 facts_event_fn *on_event, void *user)
{
    struct reading reading = {
        .net = net, .query = query, .on_event = on_event, .user = user, .protocol = IPPROTO_TCP
    };
    int home = -1;
    int error = kernel_net_enter(net, &home);
    if (error < 0)
        return error;
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    kernel_net_leave(home);
    error = socket == NULL ? -errno : 0;
    if (error == 0 && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
        error = -errno;
    if (error == 0)
        error = join(socket, SKNLGRP_INET_TCP_DESTROY);
    if (error == 0)
        error = join(socket, SKNLGRP_INET6_TCP_DESTROY);
    if (error == 0)
        error = watch(socket, &reading);
    if (socket != NULL)
        mnl_socket_close(socket);
    return error;
}
