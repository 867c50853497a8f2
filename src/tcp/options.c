/* SPDX-License-Identifier: MIT */
/* What a program may set on a connection. Values are checked here; what is out of range is refused
 * and nothing changes. */
#include "tcp/tcp.h"

#define BUF_MIN     4096                  /* octets, SNDBUF and RCVBUF */
#define KEEP_MAX    (WEIR_SECOND * 32767) /* as Linux: MAX_TCP_KEEPIDLE */
#define LINGER2_MAX (WEIR_SECOND * 120)   /* as Linux: TCP_FIN_TIMEOUT_MAX */

static bool is_flag(int64_t value)
{
    return value == 0 || value == 1;
}

static enum weir_error set_flag(struct tcb *tcb, enum weir_option option, bool on)
{
    switch (option) {
    case WEIR_OPT_NODELAY: /* as Linux: what is queued goes, corked or not */
        tcb->nodelay = on;
        tcb->push_now |= on;
        break;
    case WEIR_OPT_CORK:
        tcb->cork = on;
        tcb->held &= on;
        tcb->push_now |= !on && tcb->nodelay;
        break;
    case WEIR_OPT_QUICKACK:
        tcb->quickack = on;
        if (on && tcb->delack_at != WEIR_NEVER)
            tcp_owe_ack(tcb, WEIR_WHY_ACK);
        break;
    case WEIR_OPT_THIN_LINEAR:
        tcb->thin_linear = on;
        return WEIR_OK;
    case WEIR_OPT_OOBINLINE: /* urgent octets always stay in the stream (RFC 6093, 6) */
        return on ? WEIR_OK : WEIR_INVALID;
    default:
        tcb->keepalive = on;
        tcb->probes = tcb->state >= WEIR_ESTABLISHED ? 0 : tcb->probes;
        break;
    }
    tcb->due |= TCP_DUE_DATA;
    return WEIR_OK;
}

static bool in(int64_t value, int64_t low, int64_t high)
{
    return value >= low && value <= high;
}

static enum weir_error set_buffer(struct tcb *tcb, enum weir_option option, int64_t value)
{
    const int64_t reach = ring_reach(tcb->host->rings);
    if (value < 0)
        return WEIR_INVALID;
    uint32_t octets = (uint32_t)(value > reach ? reach : value);
    if (octets < BUF_MIN)
        octets = BUF_MIN;
    if (option == WEIR_OPT_SNDBUF) {
        tcb->snd.buf = octets;
        return WEIR_OK;
    }
    /* The window may not be taken back: a smaller bound takes effect as octets arrive (RFC 9293
     * SHLD-14). The scale was chosen in the SYN. */
    const uint32_t scaled = UINT32_C(65535) << tcb->rcv_wscale;
    const uint32_t most = tcp_window_max(tcb);
    tcb->rcv.max = octets < scaled ? octets : scaled;
    if (tcb->rcv.max > most)
        tcb->rcv.max = most;
    if (tcb->rcv.max < tcb->rcv.space)
        tcb->rcv.max = tcb->rcv.space;
    return WEIR_OK;
}

static enum weir_error set_time(struct tcb *tcb, enum weir_option option, int64_t value)
{
    if (option == WEIR_OPT_USER_TIMEOUT_OPTION)
        return tcp_uto_set(tcb, value);
    if (option == WEIR_OPT_LINGER2) {
        if (value != -1 && !in(value, 0, LINGER2_MAX))
            return WEIR_INVALID;
        tcb->linger2 = (int8_t)(value < 0 ? -1 : (value + WEIR_SECOND - 1) / WEIR_SECOND);
        return WEIR_OK;
    }
    if (option == WEIR_OPT_USER_TIMEOUT) {
        if (!in(value, 0, KEEP_MAX))
            return WEIR_INVALID;
        tcb->user_timeout_ms = (uint32_t)((value + WEIR_MS - 1) / WEIR_MS);
        tcb->user_at = WEIR_NEVER;
        return WEIR_OK;
    }
    if (!in(value, WEIR_SECOND, KEEP_MAX))
        return WEIR_INVALID;
    if (option == WEIR_OPT_KEEPIDLE)
        tcb->keep_idle_s = (uint16_t)(value / WEIR_SECOND);
    else
        tcb->keep_intvl_s = (uint16_t)(value / WEIR_SECOND);
    return WEIR_OK;
}

static enum weir_error set_count(struct tcb *tcb, enum weir_option option, int64_t value)
{
    if (!in(value, 1, 127))
        return WEIR_INVALID;
    if (option == WEIR_OPT_KEEPCNT)
        tcb->keep_cnt = (uint8_t)value;
    else
        tcb->syn_retries = (uint8_t)value;
    return WEIR_OK;
}

static enum weir_error set_maxseg(struct tcb *tcb, int64_t value)
{
    if (tcb->state >= WEIR_ESTABLISHED || (value != 0 && !in(value, TCP_MSS_FLOOR, UINT16_MAX)))
        return WEIR_INVALID;
    tcb->maxseg = (uint16_t)value;
    tcp_mss_update(tcb);
    if (tcb->octets_out == 0 && tcb->cc.cwnd > cc_initial_window(tcb->mss))
        tcb->cc.cwnd = cc_initial_window(tcb->mss); /* RFC 6928, 2: of this connection's segments */
    return WEIR_OK;
}

/* A low-water mark beyond the window would never be reached: the window grows for it. */
static enum weir_error set_lowat(struct tcb *tcb, enum weir_option option, int64_t value)
{
    if (!in(value, 0, UINT32_MAX))
        return WEIR_INVALID;
    if (option == WEIR_OPT_NOTSENT_LOWAT) {
        tcb->notsent_lowat = (uint32_t)value;
        tcb->due |= TCP_DUE_DATA;
        return WEIR_OK;
    }
    tcb->rcv_lowat = (uint32_t)value;
    uint32_t space = value > tcb->rcv.max / 2 ? tcb->rcv.max : 2 * (uint32_t)value;
    if (!tcb->ws_ok && space > UINT16_MAX)
        space = UINT16_MAX;
    if (tcb->state != WEIR_CLOSED && space > tcb->rcv.space && tcb_credit(tcb, space)) {
        tcb->rcv.space = space;
        if (tcp_window_update_owed(tcb))
            tcp_owe_ack(tcb, WEIR_WHY_WINDOW_UPDATE);
    }
    return WEIR_OK;
}

static enum weir_error set_pacing(struct tcb *tcb, int64_t value)
{
    if (!in(value, 0, UINT32_MAX))
        return WEIR_INVALID;
    tcb->pacing_max = (uint32_t)value;
    return WEIR_OK;
}

enum weir_error tcp_set(struct tcb *tcb, enum weir_option option, int64_t value, weir_time now)
{
    enum weir_error error = WEIR_INVALID;
    switch (option) {
    case WEIR_OPT_NODELAY:
    case WEIR_OPT_CORK:
    case WEIR_OPT_QUICKACK:
    case WEIR_OPT_KEEPALIVE:
    case WEIR_OPT_OOBINLINE:
    case WEIR_OPT_THIN_LINEAR:
        error = is_flag(value) ? set_flag(tcb, option, value == 1) : WEIR_INVALID;
        break;
    case WEIR_OPT_SNDBUF:
    case WEIR_OPT_RCVBUF:
        error = set_buffer(tcb, option, value);
        break;
    case WEIR_OPT_KEEPIDLE:
    case WEIR_OPT_KEEPINTVL:
    case WEIR_OPT_USER_TIMEOUT:
    case WEIR_OPT_LINGER2:
    case WEIR_OPT_USER_TIMEOUT_OPTION:
        error = set_time(tcb, option, value);
        break;
    case WEIR_OPT_KEEPCNT:
    case WEIR_OPT_SYNCNT:
        error = set_count(tcb, option, value);
        break;
    case WEIR_OPT_MAXSEG:
        error = set_maxseg(tcb, value);
        break;
    case WEIR_OPT_CONGESTION:
        error = tcp_cc_choose(tcb, value);
        break;
    case WEIR_OPT_RCVLOWAT:
    case WEIR_OPT_NOTSENT_LOWAT:
        error = set_lowat(tcb, option, value);
        break;
    case WEIR_OPT_MAX_PACING_RATE:
        error = set_pacing(tcb, value);
        break;
    default:
        break;
    }
    tcp_settle(tcb, now);
    return error;
}

/* As SIOCOUTQ and SIOCOUTQNSD count: the FIN is one more, and while the connection is being opened
 * there is nothing. */
static int64_t queue_of(const struct tcb *tcb, bool unsent_only)
{
    if (!tcp_syn_acked(tcb) || tcb->state == WEIR_CLOSED)
        return 0;
    const seq32 end = tcb->snd.end + (tcb->fin_queued ? 1u : 0u);
    return end - (unsent_only ? tcb->snd.nxt : tcb->snd.una);
}

static enum weir_error get_time(const struct tcb *tcb, enum weir_option option, int64_t *value)
{
    if (option == WEIR_OPT_USER_TIMEOUT_OPTION) {
        *value = tcp_uto_get(tcb);
        return WEIR_OK;
    }
    *value = tcb->linger2 < 0 ? -1 : tcb->linger2 * WEIR_SECOND;
    return option == WEIR_OPT_LINGER2 ? WEIR_OK : WEIR_INVALID;
}

enum weir_error tcp_get(const struct tcb *tcb, enum weir_option option, int64_t *value)
{
    const struct weir_config *config = tcb->host->config;
    switch (option) {
    case WEIR_OPT_NODELAY:
        *value = tcb->nodelay;
        return WEIR_OK;
    case WEIR_OPT_CORK:
        *value = tcb->cork;
        return WEIR_OK;
    case WEIR_OPT_QUICKACK:
        *value = tcb->quickack;
        return WEIR_OK;
    case WEIR_OPT_KEEPALIVE:
        *value = tcb->keepalive;
        return WEIR_OK;
    case WEIR_OPT_OOBINLINE:
        *value = 1;
        return WEIR_OK;
    case WEIR_OPT_THIN_LINEAR:
        *value = tcb->thin_linear;
        return WEIR_OK;
    case WEIR_OPT_SNDBUF:
        *value = tcp_send_buf(tcb);
        return WEIR_OK;
    case WEIR_OPT_RCVBUF:
        *value = tcb->rcv.max;
        return WEIR_OK;
    case WEIR_OPT_KEEPIDLE:
        *value = tcb->keep_idle_s != 0 ? tcb->keep_idle_s * WEIR_SECOND : config->keepalive_idle;
        return WEIR_OK;
    case WEIR_OPT_KEEPINTVL:
        *value =
            tcb->keep_intvl_s != 0 ? tcb->keep_intvl_s * WEIR_SECOND : config->keepalive_interval;
        return WEIR_OK;
    case WEIR_OPT_USER_TIMEOUT:
        *value = tcb->user_timeout_ms * WEIR_MS;
        return WEIR_OK;
    case WEIR_OPT_KEEPCNT:
        *value = tcb->keep_cnt != 0 ? tcb->keep_cnt : config->keepalive_probes;
        return WEIR_OK;
    case WEIR_OPT_SYNCNT:
        *value = tcb->syn_retries != 0 ? tcb->syn_retries : config->syn_retries;
        return WEIR_OK;
    case WEIR_OPT_CONGESTION:
        *value = tcb->cc_which;
        return WEIR_OK;
    case WEIR_OPT_RCVLOWAT:
        *value = tcb->rcv_lowat != 0 ? tcb->rcv_lowat : 1;
        return WEIR_OK;
    case WEIR_OPT_NOTSENT_LOWAT:
        *value = tcb->notsent_lowat;
        return WEIR_OK;
    case WEIR_OPT_MAX_PACING_RATE:
        *value = tcb->pacing_max;
        return WEIR_OK;
    case WEIR_OPT_OUTQ:
    case WEIR_OPT_OUTQ_UNSENT:
        *value = queue_of(tcb, option == WEIR_OPT_OUTQ_UNSENT);
        return WEIR_OK;
    case WEIR_OPT_AT_MARK:
        *value = tcb->rcv_urg && tcb->rcv.up == tcb->rcv.read + 1;
        return WEIR_OK;
    case WEIR_OPT_MAXSEG:
        *value = tcb->maxseg != 0 && tcb->maxseg < tcb->mss ? tcb->maxseg : tcb->mss;
        return WEIR_OK;
    default:
        return get_time(tcb, option, value);
    }
}
