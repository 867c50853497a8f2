/* SPDX-License-Identifier: MIT */
#include "ss_print.h"

#include "socket_text.h"
#include "terminal.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>

#define COMM_TEXT (4 * FACTS_COMM_MAX + 1)

/* users:(("nginx",pid=7,fd=6),("nginx",pid=8,fd=6)) */
static void put_users(FILE *file, const struct facts_flow *flow, const struct owners *owners)
{
    char comm[COMM_TEXT];
    size_t count = 0;
    const struct owner *owner = flow->source == FACTS_KERNEL && flow->inode != 0
                                    ? owners_find(owners, flow->inode, &count)
                                    : NULL;
    if (owner == NULL && flow->pid > 0) {
        fprintf(file, " users:((\"%s\",pid=%d", terminal_safe(flow->comm, comm, sizeof comm),
                flow->pid);
        if (flow->fd >= 0)
            fprintf(file, ",fd=%d", flow->fd);
        fputs("))", file);
        return;
    }
    for (size_t i = 0; owner != NULL && i < count; i++)
        fprintf(file, "%s(\"%s\",pid=%d,fd=%d)%s", i == 0 ? " users:(" : ",",
                terminal_safe(owner[i].comm, comm, sizeof comm), owner[i].pid, owner[i].fd,
                i + 1 == count ? ")" : "");
}

static void put_timer(FILE *file, const struct facts_flow *flow)
{
    static const char *const name[] = {
        [WEIR_TIMER_NONE] = "off",        [WEIR_TIMER_RTX] = "on",
        [WEIR_TIMER_PERSIST] = "persist", [WEIR_TIMER_KEEPALIVE] = "keepalive",
        [WEIR_TIMER_DELACK] = "delack",   [WEIR_TIMER_TIME_WAIT] = "timewait",
        [WEIR_TIMER_ORPHAN] = "timewait", [WEIR_TIMER_USER] = "user",
        [WEIR_TIMER_SYN_ACK] = "on",
    };
    char time[SOCKET_TIME_MAX];
    if (flow->timer == WEIR_TIMER_NONE || flow->timer > WEIR_TIMER_SYN_ACK ||
        flow->timer_in == WEIR_NEVER)
        return;
    fprintf(file, " timer:(%s,%s,%u)", name[flow->timer], socket_time_ss(flow->timer_in, time),
            flow->timer == WEIR_TIMER_KEEPALIVE ? flow->probes : flow->backoff);
}

static void put_identity(FILE *file, const struct facts_flow *flow)
{
    if (flow->quality[FACTS_USER] != FACTS_UNKNOWN && flow->uid != 0)
        fprintf(file, " uid:%u", flow->uid);
    if (flow->source == FACTS_KERNEL)
        fprintf(file, " ino:%u", flow->inode);
    if (flow->id != 0)
        fprintf(file, " sk:%" PRIx64, flow->id);
    if (flow->v6 && flow->source == FACTS_KERNEL &&
        (flow->state == WEIR_LISTEN || flow->state == WEIR_CLOSED))
        fprintf(file, " v6only:%d", flow->v6only);
    if (flow->mark != 0)
        fprintf(file, " fwmark:0x%x", flow->mark);
    if (flow->quality[FACTS_SHUTDOWN] != FACTS_UNKNOWN && flow->source == FACTS_KERNEL)
        fprintf(file, " %c-%c", (flow->shutdown & 1) != 0 ? '-' : '<',
                (flow->shutdown & 2) != 0 ? '-' : '>');
}

static void put_memory(FILE *file, const struct facts_flow *flow)
{
    const struct facts_memory *m = &flow->memory;
    if (flow->quality[FACTS_LIMITS] == FACTS_UNKNOWN)
        return;
    fprintf(file, " skmem:(r%u,rb%u,t%u,tb%u,f%u,w%u,o%u,bl%u,d%u)", m->rmem, m->rcvbuf, m->wmem,
            m->sndbuf, m->fwd, m->queued, m->optmem, m->backlog, m->drops);
}

/* ---- struct tcp_info in words ---- */

static void put_count(FILE *file, const char *name, uint64_t value)
{
    if (value != 0)
        fprintf(file, " %s:%" PRIu64, name, value);
}

/* Thousandths, without the zeros at the end as %g would write them. */
static void put_ms(FILE *file, const char *name, uint32_t us)
{
    fprintf(file, " %s:%g", name, us / 1000.0);
}

static void put_rate(FILE *file, const char *name, double bits)
{
    fprintf(file, " %s %.0fbps", name, bits);
}

static void put_options(FILE *file, const struct facts_flow *flow)
{
    const struct linux_tcp_info *i = &flow->info;
    if ((i->tcpi_options & TCPI_OPT_TIMESTAMPS) != 0)
        fputs(" ts", file);
    if ((i->tcpi_options & TCPI_OPT_SACK) != 0)
        fputs(" sack", file);
    if ((i->tcpi_options & TCPI_OPT_ECN) != 0)
        fputs(" ecn", file);
    if ((i->tcpi_options & TCPI_OPT_ECN_SEEN) != 0)
        fputs(" ecnseen", file);
    if ((i->tcpi_options & TCPI_OPT_SYN_DATA) != 0)
        fputs(" fastopen", file);
    if (flow->cc[0] != '\0') {
        char name[4 * FACTS_CC_MAX];
        fprintf(file, " %s", terminal_safe(flow->cc, name, sizeof name));
    }
    if ((i->tcpi_options & TCPI_OPT_WSCALE) != 0)
        fprintf(file, " wscale:%u,%u", i->tcpi_snd_wscale, i->tcpi_rcv_wscale);
}

static void put_sizes(FILE *file, const struct linux_tcp_info *i)
{
    put_count(file, "mss", i->tcpi_snd_mss);
    put_count(file, "pmtu", i->tcpi_pmtu);
    put_count(file, "rcvmss", i->tcpi_rcv_mss);
    put_count(file, "advmss", i->tcpi_advmss);
    put_count(file, "cwnd", i->tcpi_snd_cwnd);
    if (i->tcpi_snd_ssthresh < 0xffff)
        put_count(file, "ssthresh", i->tcpi_snd_ssthresh);
    put_count(file, "bytes_sent", i->tcpi_bytes_sent);
    put_count(file, "bytes_retrans", i->tcpi_bytes_retrans);
    put_count(file, "bytes_acked", i->tcpi_bytes_acked);
    put_count(file, "bytes_received", i->tcpi_bytes_received);
    put_count(file, "segs_out", i->tcpi_segs_out);
    put_count(file, "segs_in", i->tcpi_segs_in);
    put_count(file, "data_segs_out", i->tcpi_data_segs_out);
    put_count(file, "data_segs_in", i->tcpi_data_segs_in);
    if (i->tcpi_rtt > 0 && i->tcpi_snd_mss != 0 && i->tcpi_snd_cwnd != 0)
        put_rate(file, "send",
                 8e6 * (double)i->tcpi_snd_cwnd * i->tcpi_snd_mss / (double)i->tcpi_rtt);
}

static void put_share(FILE *file, const char *name, uint64_t us, uint64_t busy)
{
    if (us != 0 && busy != 0)
        fprintf(file, " %s:%" PRIu64 "ms(%.1f%%)", name, us / 1000,
                100.0 * (double)us / (double)busy);
}

static void put_losses(FILE *file, const struct linux_tcp_info *i)
{
    if (i->tcpi_pacing_rate != 0 && i->tcpi_pacing_rate != UINT64_MAX)
        put_rate(file, "pacing_rate", 8.0 * (double)i->tcpi_pacing_rate);
    if (i->tcpi_delivery_rate != 0)
        put_rate(file, "delivery_rate", 8.0 * (double)i->tcpi_delivery_rate);
    put_count(file, "delivered", i->tcpi_delivered);
    put_count(file, "delivered_ce", i->tcpi_delivered_ce);
    if (i->tcpi_delivery_rate_app_limited)
        fputs(" app_limited", file);
    if (i->tcpi_busy_time != 0)
        fprintf(file, " busy:%" PRIu64 "ms", (uint64_t)(i->tcpi_busy_time / 1000));
    put_share(file, "rwnd_limited", i->tcpi_rwnd_limited, i->tcpi_busy_time);
    put_share(file, "sndbuf_limited", i->tcpi_sndbuf_limited, i->tcpi_busy_time);
    put_count(file, "unacked", i->tcpi_unacked);
    if (i->tcpi_retrans != 0 || i->tcpi_total_retrans != 0)
        fprintf(file, " retrans:%u/%u", i->tcpi_retrans, i->tcpi_total_retrans);
    put_count(file, "lost", i->tcpi_lost);
    put_count(file, "sacked", i->tcpi_sacked);
    put_count(file, "dsack_dups", i->tcpi_dsack_dups);
    if (i->tcpi_reordering != 3)
        put_count(file, "reordering", i->tcpi_reordering);
    put_count(file, "reord_seen", i->tcpi_reord_seen);
    if (i->tcpi_rcv_rtt != 0)
        put_ms(file, "rcv_rtt", i->tcpi_rcv_rtt);
    put_count(file, "rcv_space", i->tcpi_rcv_space);
    put_count(file, "rcv_ssthresh", i->tcpi_rcv_ssthresh);
    put_count(file, "notsent", i->tcpi_notsent_bytes);
    if (i->tcpi_min_rtt != 0 && i->tcpi_min_rtt != UINT32_MAX)
        put_ms(file, "minrtt", i->tcpi_min_rtt);
    put_count(file, "rcv_ooopack", i->tcpi_rcv_ooopack);
    put_count(file, "snd_wnd", i->tcpi_snd_wnd);
    put_count(file, "rcv_wnd", i->tcpi_rcv_wnd);
    put_count(file, "rehash", i->tcpi_rehash);
}

static void put_info(FILE *file, const struct facts_flow *flow)
{
    const struct linux_tcp_info *i = &flow->info;
    put_options(file, flow);
    if (flow->state == WEIR_LISTEN) { /* the rest is 0, or says nothing */
        put_count(file, "cwnd", i->tcpi_snd_cwnd);
        put_count(file, "unacked", i->tcpi_unacked);
        return;
    }
    if (i->tcpi_rto != 0)
        put_ms(file, "rto", i->tcpi_rto);
    put_count(file, "backoff", i->tcpi_backoff);
    if (i->tcpi_rtt != 0)
        fprintf(file, " rtt:%g/%g", i->tcpi_rtt / 1000.0, i->tcpi_rttvar / 1000.0);
    if (i->tcpi_ato != 0)
        put_ms(file, "ato", i->tcpi_ato);
    put_sizes(file, i);
    put_count(file, "lastsnd", i->tcpi_last_data_sent);
    put_count(file, "lastrcv", i->tcpi_last_data_recv);
    put_count(file, "lastack", i->tcpi_last_ack_recv);
    put_losses(file, i);
}

/* What only weir knows, in one bracket that no other program's parser minds. */
static void put_weir(FILE *file, const struct facts_flow *flow)
{
    char time[SOCKET_TIME_MAX];
    fputs(" weir:(", file);
    const char *between = "";
    if (flow->quality[FACTS_SINCE] != FACTS_UNKNOWN) {
        fprintf(file, "for:%s", socket_duration(flow->state_for, time));
        between = ",";
    }
    if (flow->state == WEIR_LISTEN) {
        fprintf(file, "%shalf-open:%u", between, flow->listener.half_open);
    } else {
        fprintf(file, "%scause:\"%s\"", between, weir_cause_text(flow->cause));
        fprintf(file, ",waits:\"%s\"", weir_wait_text(flow->waits_for));
        if (flow->out_of_order != 0)
            fprintf(file, ",out-of-order:%u", flow->out_of_order);
        if (flow->rto_count != 0)
            fprintf(file, ",timeouts:%u", flow->rto_count);
        if (flow->soft_error != WEIR_OK)
            fprintf(file, ",soft:\"%s\"", weir_error_text((enum weir_error)flow->soft_error));
        if (flow->error != WEIR_OK)
            fprintf(file, ",error:\"%s\"", weir_error_text((enum weir_error)flow->error));
        if (flow->quality[FACTS_SEQUENCE] != FACTS_UNKNOWN)
            fprintf(file, ",una:%u,nxt:%u,rcv:%u", flow->snd_una, flow->snd_nxt, flow->rcv_nxt);
    }
    putc(')', file);
}

void ss_details(FILE *file, const struct ss_options *options, const struct facts_flow *flow,
                const struct owners *owners)
{
    char *text = NULL;
    size_t len = 0;
    FILE *more = open_memstream(&text, &len);
    if (more == NULL)
        return;
    if (options->processes)
        put_users(file, flow, owners);
    if (options->timers)
        put_timer(file, flow);
    if (options->extended)
        put_identity(file, flow);
    if (options->memory)
        put_memory(more, flow);
    if (options->info && flow->protocol == IPPROTO_TCP) {
        put_info(more, flow);
        if (flow->source == FACTS_STACK)
            put_weir(more, flow);
    }
    fclose(more);
    if (len > 0)
        fprintf(file, "%s%s", options->one_line ? "" : "\n\t", text);
    free(text);
}
