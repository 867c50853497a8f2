/* SPDX-License-Identifier: MIT */
/* The user timeout option (RFC 5482): how long one end means to wait for its data, told to the
 * other, who may then wait as long. It is advice: it is used only where the configuration or the
 * program has asked for it, and within bounds, since it keeps memory here for as long as the peer
 * likes.
 *
 * An option in a pure ACK may be lost without a word. So it leaves with every segment until one
 * with text that carried it is acknowledged. */
#include "tcp/extra.h"
#include "tcp/tcp.h"

#define GRANULARITY_MINUTES UINT16_C(0x8000)
#define UTO_MAX             INT64_C(0x7fff)
#define MINUTE              (60 * WEIR_SECOND)

static weir_time time_of(uint16_t uto)
{
    const weir_time unit = uto & GRANULARITY_MINUTES ? MINUTE : WEIR_SECOND;
    return (uto & UTO_MAX) * unit;
}

/* RFC 5482, 3: seconds if that is exact enough, else minutes; rounded up. */
enum weir_error tcp_uto_set(struct tcb *tcb, int64_t time)
{
    if (time < 0 || time > UTO_MAX * MINUTE)
        return WEIR_INVALID;
    struct tcb_extra *extra = time == 0 ? tcb_extra(tcb) : tcb_extra_need(tcb);
    if (extra == NULL)
        return time == 0 ? WEIR_OK : WEIR_NO_MEMORY;
    const int64_t seconds = (time + WEIR_SECOND - 1) / WEIR_SECOND;
    const int64_t minutes = (time + MINUTE - 1) / MINUTE;
    extra->uto.advised = (uint16_t)(seconds <= UTO_MAX ? seconds : minutes | GRANULARITY_MINUTES);
    extra->uto.due = time > 0;
    extra->uto.sent = false;
    tcb->user_at = WEIR_NEVER;
    return WEIR_OK;
}

int64_t tcp_uto_get(const struct tcb *tcb)
{
    const struct tcb_extra *extra = tcb_extra(tcb);
    return extra == NULL ? 0 : time_of(extra->uto.advised);
}

/* RFC 5482, 3.1: ENABLED. */
static bool enabled(const struct tcb *tcb)
{
    const struct tcb_extra *extra = tcb_extra(tcb);
    return tcb->host->config->user_timeout_option || (extra != NULL && extra->uto.advised != 0);
}

/* The last one counts. A timeout of zero "is meaningless and MUST be ignored" (RFC 5482, 3). */
void tcp_uto_arrives(struct tcb *tcb, const struct tcp_opts *opts)
{
    if (!(opts->present & TCP_OPT_UTO) || time_of(opts->uto) == 0 || !enabled(tcb))
        return;
    struct tcb_extra *extra = tcb_extra_need(tcb);
    if (extra == NULL || extra->uto.remote == opts->uto)
        return;
    extra->uto.remote = opts->uto;
    tcb->user_at = WEIR_NEVER; /* counted anew */
}

void tcp_uto_fill(const struct tcb *tcb, struct tcp_opts *opts)
{
    const struct tcb_extra *extra = tcb_extra(tcb);
    if (extra == NULL || !extra->uto.due)
        return;
    opts->present |= TCP_OPT_UTO;
    opts->uto = extra->uto.advised;
}

void tcp_uto_left(struct tcb *tcb, const struct tcp_plan *plan)
{
    struct tcb_extra *extra = tcb_extra(tcb);
    if (extra == NULL || !(plan->opts.present & TCP_OPT_UTO) || plan->len == 0 || extra->uto.sent ||
        (plan->flags & TCP_SYN))
        return;
    extra->uto.sent = true;
    extra->uto.until = plan->seq + plan->len;
}

void tcp_uto_acked(struct tcb *tcb)
{
    struct tcb_extra *extra = tcb_extra(tcb);
    if (extra != NULL && extra->uto.sent && seq_geq(tcb->snd.una, extra->uto.until))
        extra->uto.due = extra->uto.sent = false;
}

/* RFC 5482, 3.1: USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)). Without anything
 * from the peer the connection stays as it is. */
weir_time tcp_uto_limit(const struct tcb *tcb)
{
    const struct weir_config *config = tcb->host->config;
    const struct tcb_extra *extra = tcb_extra(tcb);
    if (extra == NULL || (extra->uto.advised == 0 && extra->uto.remote == 0))
        return 0;
    weir_time limit = config->user_timeout_min;
    if (time_of(extra->uto.advised) > limit)
        limit = time_of(extra->uto.advised);
    if (time_of(extra->uto.remote) > limit)
        limit = time_of(extra->uto.remote);
    return limit < config->user_timeout_max ? limit : config->user_timeout_max;
}
