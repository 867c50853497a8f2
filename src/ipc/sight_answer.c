/* SPDX-License-Identifier: MIT */
#include "ipc/sight_parts.h"

#include <errno.h>
#include <netinet/in.h>

#define ALL_STATES ((1u << WEIR_STATE_COUNT) - 1)

static int64_t left(weir_time at, weir_time now)
{
    return at == WEIR_NEVER ? WEIR_NEVER : at > now ? at - now : 0;
}

/* Linux shows one timer, the one that runs out first. */
static void show_timer(struct sight_head *head, const struct weir_status *status, weir_time now)
{
    const weir_time at[] = { status->rtx_at, status->keepalive_at };
    const bool is_rtx = at[0] <= at[1];
    const weir_time first = is_rtx ? at[0] : at[1];
    head->timer_in = left(first, now);
    head->backoff = status->backoff;
    head->probes = status->keepalive_probes;
    if (first == WEIR_NEVER)
        head->timer = WEIR_TIMER_NONE;
    else if (is_rtx || status->timer == WEIR_TIMER_TIME_WAIT || status->timer == WEIR_TIMER_ORPHAN)
        head->timer = status->timer;
    else
        head->timer = WEIR_TIMER_KEEPALIVE;
}

static void fill_head(struct sight_head *head, const struct weir_status *status, weir_time now)
{
    *head = (struct sight_head){
        .local = status->local.ip,
        .remote = status->remote.ip,
        .lport = status->local.port,
        .rport = status->remote.port,
        .iface = status->local.iface,
        .protocol = status->protocol,
        .state = status->state,
        .rcvq = status->unread,
        .sndq = status->unacked + status->unsent,
        .fd = -1,
        .uid = UINT32_MAX,
    };
    if (status->state == WEIR_LISTEN) {
        head->rcvq = status->acceptq_len;
        head->sndq = status->backlog;
    }
    show_timer(head, status, now);
}

static void fill_secrets(struct sight_tail *tail, const struct weir_status *status)
{
    tail->iss = status->iss;
    tail->irs = status->irs;
    tail->snd_una = status->snd_una;
    tail->snd_nxt = status->snd_nxt;
    tail->rcv_nxt = status->rcv_nxt;
    tail->wl1 = status->snd_wl1;
}

static void fill_tail(struct sight_tail *tail, const struct weir_status *status,
                      const struct sight_source *source, weir_handle handle)
{
    const weir_time now = source->now;
    int64_t octets = 0;
    *tail = (struct sight_tail){
        .cause = status->cause,
        .waits_for = status->waits_for,
        .congestion = (uint8_t)(status->mss != 0 ? status->congestion + 1 : 0),
        .passive = status->passive,
        .timestamps = status->timestamps,
        .sack = status->sack,
        .snd_wscale = status->snd_wscale,
        .rcv_wscale = status->rcv_wscale,
        .error = (uint16_t)status->error,
        .soft_error = (uint16_t)status->soft_error,
        .unsent = status->unsent,
        .out_of_order = status->out_of_order,
        .rcv_wnd = status->rcv_wnd,
        .snd_wnd = status->snd_wnd,
        .in_flight = status->in_flight,
        .cwnd = status->cwnd,
        .ssthresh = status->ssthresh,
        .synq_len = status->synq_len,
        .acceptq_len = status->acceptq_len,
        .backlog = status->backlog,
        .dupacks = status->dupacks,
        .rto_count = status->rto_count,
        .recovery_count = status->recovery_count,
        .state_for = status->since == 0 ? -1 : now - status->since,
        .rtx_in = left(status->rtx_at, now),
        .delack_in = left(status->delack_at, now),
        .keepalive_in = left(status->keepalive_at, now),
        .user_in = left(status->user_at, now),
    };
    if (weir_get(source->weir, handle, WEIR_OPT_RCVBUF, &octets) == WEIR_OK)
        tail->rcv_max = (uint32_t)octets;
    if (weir_get(source->weir, handle, WEIR_OPT_SNDBUF, &octets) == WEIR_OK)
        tail->snd_max = (uint32_t)octets;
    if (source->secrets)
        fill_secrets(tail, status);
}

static void answer_snapshot(const struct sight_source *source, const struct sight_request *request,
                            struct sight_page *page)
{
    uint8_t *out = (uint8_t *)(page + 1);
    uint32_t budget = SIGHT_LOOK_MAX;
    page->head_len = sizeof(struct sight_head);
    page->info_len = (request->want & SIGHT_WANT_INFO) != 0 ? sizeof(struct linux_tcp_info) : 0;
    page->tail_len = (request->want & SIGHT_WANT_TAIL) != 0 ? sizeof(struct sight_tail) : 0;
    const size_t each = (size_t)page->head_len + page->info_len + page->tail_len;
    uint32_t room = (uint32_t)((SIGHT_PAGE_MAX - sizeof *page) / each);
    if (request->count != 0 && request->count < room)
        room = request->count;

    struct weir_status status;
    weir_handle handle;
    bool found = true;
    while (page->count < room &&
           (found = weir_list_some(source->weir, &page->cursor, &budget, &status, &handle))) {
        if ((request->states >> status.state & 1) == 0)
            continue;
        struct sight_flow flow;
        fill_head(&flow.head, &status, source->now);
        flow.head.handle = handle;
        if (source->owner != NULL)
            source->owner(source->user, &flow.head, status.cookie);
        memcpy(out, &flow.head, page->head_len);
        if (page->info_len != 0) {
            info_fill(&flow.info, &status, source->now);
            memcpy(out + page->head_len, &flow.info, page->info_len);
        }
        if (page->tail_len != 0) {
            fill_tail(&flow.tail, &status, source, handle);
            memcpy(out + page->head_len + page->info_len, &flow.tail, page->tail_len);
        }
        out += each;
        page->count++;
    }
    if (!found && budget > 0)
        page->flags |= SIGHT_END;
}

/* Sequence numbers are what a blind attacker lacks. */
static void blank(struct weir_record *record)
{
    switch (record->type) {
    case WEIR_REC_SEG_IN:
    case WEIR_REC_SEG_OUT:
    case WEIR_REC_STATE:
    case WEIR_REC_DROP:
    case WEIR_REC_RTX:
    case WEIR_REC_RECOVERY:
        record->seq = record->ack = 0;
        break;
    default:
        break;
    }
}

static void answer_stream(const struct sight_source *source, const struct sight_request *request,
                          struct sight_page *page)
{
    struct weir_record *out = (struct weir_record *)(page + 1);
    unsigned room = (SIGHT_PAGE_MAX - sizeof *page) / sizeof *out;
    if (request->want > WEIR_TRACE_STORY) {
        page->error = EINVAL;
        return;
    }
    if (request->count != 0 && request->count < room)
        room = request->count;
    page->head_len = sizeof *out;
    page->count = weir_trace_read(source->weir, (enum weir_trace_ring)request->want, &page->cursor,
                                  out, room, &page->lost);
    for (uint32_t i = 0; !source->secrets && i < page->count; i++)
        blank(&out[i]);
    if (page->count < room)
        page->flags |= SIGHT_END;
}

bool sight_is_request(const void *message, size_t len)
{
    uint32_t magic = 0;
    if (len >= sizeof magic)
        memcpy(&magic, message, sizeof magic);
    return magic == SIGHT_MAGIC;
}

/* What is not of our version, or too short, is answered with nothing but the error: the page's
 * first fields never change their place. */
static int check(const struct sight_request *request, size_t len)
{
    if (len != sizeof *request || request->version != SIGHT_VERSION)
        return EPROTO;
    return request->kind >= SIGHT_KINDS || request->kind == 0 ? EOPNOTSUPP : 0;
}

size_t sight_answer(const struct sight_source *source, const void *message, size_t len, void *to)
{
    struct sight_page *page = to;
    struct sight_request request = { 0 };
    memcpy(&request, message, len < sizeof request ? len : sizeof request);
    *page = (struct sight_page){
        .magic = SIGHT_MAGIC,
        .version = SIGHT_VERSION,
        .kind = request.kind,
        .error = check(&request, len),
        .flags = source->secrets ? SIGHT_SECRETS : 0,
        .cursor = request.cursor,
        .now = source->now,
        .epoch = source->epoch,
        .pid = source->pid,
    };
    if (page->error != 0)
        return sizeof *page;
    if (request.kind == SIGHT_SNAPSHOT)
        answer_snapshot(source, &request, page);
    else if (request.kind == SIGHT_STREAM)
        answer_stream(source, &request, page);
    else if (request.kind == SIGHT_COUNTERS)
        sight_answer_counters(source, page);
    else
        sight_answer_devices(source, page);
    const size_t each = (size_t)page->head_len + page->info_len + page->tail_len;
    return sizeof *page + page->count * each;
}
