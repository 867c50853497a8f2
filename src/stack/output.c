/* SPDX-License-Identifier: MIT */
#include "base/cold.h"
#include "base/csum.h"
#include "stack/ao.h"
#include "stack/auth.h"
#include "wire/cursor.h"

/* Frames out. An interface has two FIFO lists of connections that may have something to send:
 * `control` goes before `data`. The head is asked for its plan; without one it leaves the list,
 * with one it sends and goes to the tail when its turn is over. So finding work costs the same
 * however many connections there are, an acknowledgement waits for at most one superframe, and
 * those who send much get equal shares. */

/* ---- one frame ---- */

static void fill_csum(const struct weir *weir, const struct conn *conn, struct weir_out *out,
                      size_t ip_len, size_t tcp_len)
{
    uint8_t *tcp = out->head + ip_len;
    uint32_t payload = 0;
    for (unsigned i = 0; i < out->span_count; i++)
        payload += (uint32_t)out->span[i].len;
    csum32 sum = ip_pseudo_sum(&weir->local[conn->local].ip, &conn->peer, IP_PROTO_TCP,
                               (uint32_t)tcp_len + payload);
    uint16_t value;
    if (conn->path.loopback || ip_path_csum_offload(&weir->ip, &conn->path)) {
        out->csum_start = (uint16_t)ip_len;
        out->csum_offset = TCP_CSUM_OFF;
        value = (uint16_t)~csum_fold(sum); /* the pseudo header's sum; the device adds the rest */
    } else {
        sum = csum_add(sum, tcp, tcp_len);
        bool odd = false;
        for (unsigned i = 0; i < out->span_count; i++) {
            const struct weir_span *span = &out->span[i];
            sum = odd ? csum_add_odd(sum, span->base, span->len)
                      : csum_add(sum, span->base, span->len);
            odd ^= (span->len & 1) != 0;
        }
        value = csum_fold(sum);
    }
    struct wr w = wr_begin(tcp + TCP_CSUM_OFF, 2);
    wr_u16(&w, value);
}

static void build(struct weir *weir, uint32_t index, const struct tcp_plan *plan,
                  struct weir_out *out)
{
    struct conn *conn = conn_at(weir, index);
    const struct tcp_seg seg = {
        .sport = conn->lport,
        .dport = conn->rport,
        .seq = plan->seq,
        .ack = plan->ack,
        .flags = plan->flags,
        .wnd = plan->wnd,
        .urg = plan->urg,
        .len = plan->len,
    };
    const struct ip_head ip_head = {
        .src = &weir->local[conn->local].ip,
        .dst = &conn->peer,
        .proto = IP_PROTO_TCP,
        .ttl = conn->ttl,
        .tos = (uint8_t)(conn->tos | plan->ecn),
        .payload_len = plan->head_len + plan->len,
    };
    const size_t ip_len = ip_head_build(&weir->ip, &conn->path, &ip_head, out->head);
    const size_t tcp_len =
        wire_tcp_emit(out->head + ip_len, WEIR_HEAD_MAX - ip_len, &seg, &plan->opts);
    WEIR_ASSERT(tcp_len == plan->head_len);
    out->head_len = (uint16_t)(ip_len + tcp_len);
    out->gso_size = plan->gso_size;
    out->csum_start = out->csum_offset = 0;
    out->transport_off = (uint16_t)ip_len;
    out->why = plan->why;
    out->handle = conn->tcb.owned ? conn_handle(weir, index) : WEIR_NO_HANDLE;
    out->span_count = tcp_plan_spans(&conn->tcb, plan, out->span, WEIR_SPANS);
    if (conn->tcb.is_signed) {
        const struct flow flow = flow_of_conn(weir, conn);
        uint8_t *head = out->head + ip_len;
        if (conn->tcb.has_ao)
            ao_sign(weir, &flow, &conn->tcb, head, tcp_len, out->span, out->span_count);
        else
            auth_sign(weir, &flow, head, tcp_len, out->span, out->span_count);
    }
    fill_csum(weir, conn, out, ip_len, tcp_len);
}

static uint16_t cwnd_kib(uint32_t cwnd)
{
    const uint32_t kib = (cwnd >> 10) + ((cwnd & 1023u) != 0);
    return kib < UINT16_MAX ? (uint16_t)kib : UINT16_MAX;
}

static void record_sent(struct weir *weir, uint32_t index, const struct tcp_plan *plan,
                        weir_time now)
{
    struct weir_record *record = trace_slot(&weir->trace, WEIR_TRACE_FLOW);
    *record = (struct weir_record){
        .when = now,
        .conn = index,
        .type = WEIR_REC_SEG_OUT,
        .flags = (uint8_t)plan->flags,
        .code = plan->why,
        .seq = plan->seq,
        .ack = plan->ack,
        .value = plan->len,
        .window = plan->wnd,
        .extra = cwnd_kib(conn_at(weir, index)->tcb.cc.cwnd),
    };
    trace_publish(&weir->trace, WEIR_TRACE_FLOW);
    weir->trace.count.segs_out +=
        plan->gso_size == 0 ? 1 : (plan->len + plan->gso_size - 1) / plan->gso_size;
}

/* ---- the way ---- */

struct tcp_env output_env(const struct weir *weir, const struct conn *conn, bool path_ready)
{
    const bool tso =
        !conn->path.loopback && !conn->tcb.is_signed && ip_path_tso(&weir->ip, &conn->path);
    /* A run of octets of any start lies in one chunk more than its length needs. */
    const uint32_t spans_max = (uint32_t)(WEIR_SPANS - 1) << weir->rings.chunk_shift;
    const uint32_t gso_max = GSO_OCTETS_MAX < spans_max ? GSO_OCTETS_MAX : spans_max;
    return (struct tcp_env){ .gso_max = tso ? gso_max : 0, .path_ready = path_ready };
}

/* Finds the way again if tables have changed. The list a connection is on follows its interface. */
static enum weir_error renew_path(struct weir *weir, uint32_t index, weir_time now)
{
    struct conn *conn = conn_at(weir, index);
    if (ip_path_valid(&weir->ip, &conn->path))
        return WEIR_OK;
    struct weir_ip src = weir->local[conn->local].ip;
    struct ip_path path;
    const enum weir_error error = ip_path_find(&weir->ip, &src, &conn->peer,
                                               scope_of(&conn->peer, conn->path.iface), &path, now);
    if (error != WEIR_OK)
        return error;
    const bool mtu_changed = path.mtu != conn->path.mtu;
    conn->path = path;
    if (mtu_changed)
        tcp_path_changed(&conn->tcb, path_mss_of(&conn->peer, path.mtu), now);
    return WEIR_OK;
}

/* There is no way to the peer. One segment is lost for that, as on any wire, so that the
 * retransmission timer runs and gives up in its own time. */
WEIR_COLD static void lose(struct weir *weir, uint32_t index, enum weir_drop drop, weir_time now)
{
    struct conn *conn = conn_at(weir, index);
    struct tcb *tcb = &conn->tcb;
    const struct tcp_env env = output_env(weir, conn, true);
    struct tcp_plan plan;
    due_leave(weir, index);
    if (tcp_output_plan(tcb, &env, now, &plan)) {
        trace_story(&weir->trace, &(struct weir_record){ .when = now,
                                                         .conn = index,
                                                         .type = WEIR_REC_LIMIT,
                                                         .flags = (uint8_t)plan.flags,
                                                         .code = (uint16_t)drop,
                                                         .seq = plan.seq,
                                                         .ack = plan.ack,
                                                         .value = plan.len });
        tcp_output_commit(tcb, &plan, now);
    } else {
        tcp_output_idle(tcb, &env, now);
    }
}

/* The neighbour does not answer: TCP hears of it as of an ICMP error, so that an opening connection
 * fails at once. */
WEIR_COLD static void lose_unheard(struct weir *weir, uint32_t index, weir_time now)
{
    struct tcb *tcb = &conn_at(weir, index)->tcb;
    lose(weir, index, WEIR_DROP_NEIGH_FAILED, now);
    /* Nothing in flight: nothing. */
    (void)!tcp_icmp_error(tcb, WEIR_HOST_UNREACH, tcb->snd.una, now);
    conn_settle(weir, index, now);
}

/* ---- the turn of one connection ---- */

static void turn_over(struct weir *weir, uint32_t index)
{
    struct conn *conn = conn_at(weir, index);
    const enum conn_on on = (enum conn_on)conn->on;
    if (on != CONN_ON_CONTROL && on != CONN_ON_DATA)
        return;
    struct due *due = &weir->due[conn->due_list];
    const struct list *list = on == CONN_ON_DATA ? &due->data : &due->control;
    if (list->count == 1) { /* nobody else is on it: its turn begins again */
        if (on == CONN_ON_DATA)
            due->left = 0;
        return;
    }
    due_leave(weir, index);
    due_wait(weir, index, on);
}

/* After a segment: `data` if its turn is one of data, which lasts for output_quantum octets. */
static void count_turn(struct weir *weir, uint32_t index, bool data, uint32_t octets)
{
    struct conn *conn = conn_at(weir, index);
    struct due *due = &weir->due[conn->due_list];
    if (data && conn->on == CONN_ON_DATA && due->data.head == index) {
        if (due->left == 0)
            due->left = weir->config.output_quantum;
        due->left -= octets < due->left ? octets : due->left;
        if (due->left > 0 && octets > 0)
            return;
    }
    turn_over(weir, index);
}

static bool send_plan(struct weir *weir, uint32_t index, const struct tcp_plan *plan,
                      struct weir_out *out, weir_time now)
{
    struct conn *conn = conn_at(weir, index);
    const bool data = conn->on == CONN_ON_DATA;
    const uint32_t generation = conn->generation;
    build(weir, index, plan, out);
    record_sent(weir, index, plan, now);
    tcp_output_commit(&conn->tcb, plan, now);
    conn_settle(weir, index, now);
    if (conn_used(weir, index) && conn->generation == generation)
        count_turn(weir, index, data, plan->len);
    return true;
}

/* Fills `out` and returns true, or takes the connection off its list. */
static bool output_conn(struct weir *weir, uint32_t index, struct weir_out *out, weir_time now)
{
    struct conn *conn = conn_at(weir, index);
    struct tcb *tcb = &conn->tcb;
    const uint32_t list = conn->due_list;
    const enum weir_error error = renew_path(weir, index, now);
    if (error != WEIR_OK) {
        tcp_no_way(tcb, error);
        lose(weir, index, WEIR_DROP_NO_ROUTE, now);
        conn_settle(weir, index, now);
        return false;
    }
    if (conn_due_list(weir, conn) != list) {
        conn_settle(weir, index, now); /* another interface's turn */
        return false;
    }
    struct tcp_env env = output_env(weir, conn, true);
    struct tcp_plan plan;
    if (!tcp_output_plan(tcb, &env, now, &plan)) {
        tcp_output_idle(tcb, &env, now);
        conn_settle(weir, index, now);
        return false;
    }
    switch (ip_path_ready(&weir->ip, &conn->path, &conn->peer, index, now)) {
    case IP_READY:
        return send_plan(weir, index, &plan, out, now);
    case IP_RESOLVING:
        env.path_ready = false;
        tcp_output_idle(tcb, &env, now);
        due_wait(weir, index, CONN_ON_NEIGHBOUR);
        return false;
    case IP_UNREACHABLE:
        break;
    }
    lose_unheard(weir, index, now);
    return false;
}

static bool due_waits(const struct due *due)
{
    return (due->control.count | due->data.count) != 0;
}

static bool output_due(struct weir *weir, struct due *due, struct weir_out *out, weir_time now)
{
    /* Every connection without a plan leaves its list, so this ends. */
    while (due_waits(due)) {
        const uint32_t index = due->control.count > 0 ? due->control.head : due->data.head;
        if (output_conn(weir, index, out, now))
            return true;
    }
    return false;
}

/* ---- those who waited ---- */

void output_wake(struct weir *weir, weir_time now)
{
    for (uint32_t i = 0; ip_waiter_told(&weir->ip) && i < weir->config.tcp_max; i++) {
        bool failed;
        const uint32_t index = ip_waiter_next(&weir->ip, &failed);
        struct conn *conn = conn_at(weir, index);
        WEIR_ASSERT(conn->on == CONN_ON_NEIGHBOUR);
        conn->on = CONN_ON_NOTHING;
        if (failed)
            lose_unheard(weir, index, now);
        else
            conn_settle(weir, index, now);
    }
}

/* ---- packets to ourselves ---- */

static struct due *loop_due(const struct weir *weir)
{
    return &weir->due[weir->due_count - 1];
}

bool loop_is_due(const struct weir *weir)
{
    return due_waits(loop_due(weir)) || !frameq_is_empty(&weir->ip.loop);
}

static bool loop_step(struct weir *weir, weir_time now)
{
    struct arrival *in = &weir->arrival[0];
    if (ip_loop_next(&weir->ip, &in->packet, now)) {
        weir->trace.count.frames_in++;
        weir->trace.count.octets_in += in->packet.packet_len;
        in->drop = WEIR_DROP_NONE;
        input_prepare(weir, in);
        input_packet(weir, in, now);
        return true;
    }
    struct weir_out out;
    if (!output_due(weir, loop_due(weir), &out, now))
        return false;
    weir->trace.count.frames_out++;
    (void)!ip_loop_put(&weir->ip, &out, now); /* no room is a lost packet; ip counts it */
    return true;
}

void loop_turn(struct weir *weir, weir_time now)
{
    if (!loop_is_due(weir)) {
        ip_loop_release(&weir->ip);
        return;
    }
    for (unsigned i = 0; i < LOOP_BATCH && loop_step(weir, now); i++)
        continue;
}

/* ---- the call ---- */

static void count_out(struct weir *weir, const struct weir_out *out)
{
    weir->trace.count.frames_out++;
    weir->trace.count.octets_out += out->head_len;
    for (unsigned i = 0; i < out->span_count; i++)
        weir->trace.count.octets_out += out->span[i].len;
}

/* The next frame of an interface: what ip has to say, and then the connections. */
static bool output_next(struct weir *weir, unsigned iface, struct weir_out *out, weir_time now)
{
    if (ip_reply_next(&weir->ip, iface, out))
        return true;
    struct due *due = &weir->due[iface];
    /* Looking for a plan may make ip ask for a neighbour: that leaves in the same call. */
    return due_waits(due) &&
           (output_due(weir, due, out, now) || ip_reply_next(&weir->ip, iface, out));
}

/* Not part of weir_output, which mostly has nothing to do and then saves no registers for this. */
__attribute__((noinline)) static size_t output_frames(struct weir *weir, unsigned iface,
                                                      struct weir_out *out, size_t count,
                                                      weir_time now)
{
    size_t filled = 0;
    while (filled < count && output_next(weir, iface, &out[filled], now))
        count_out(weir, &out[filled++]);
    return filled;
}

/* Mostly there is nothing to be done but to look: a loop that turns asks again and again. */
size_t weir_output(struct weir *weir, unsigned iface, struct weir_out *out, size_t count,
                   weir_time now)
{
    weir->now = now;
    weir->events_told = 0;
    ip_call_begins(&weir->ip);
    room_forget(weir);
    landing_forget(weir);
    output_wake_told(weir, now);
    loop_turn(weir, now);
    const bool due = iface < ip_iface_count(&weir->ip) &&
                     (ip_reply_waits(&weir->ip, iface) || due_waits(&weir->due[iface]));
    const size_t filled = due ? output_frames(weir, iface, out, count, now) : 0;
    if (weir->config.verify)
        weir_check(weir);
    return filled;
}
