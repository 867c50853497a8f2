/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "code.h"
#include "symbols.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define TCP_INFO_NUMBER 11 /* TCP_INFO of <linux/tcp.h> */
#define INFO_ROOM       512

/* ---- struct tcp_info, as Linux lays it out: name, place, octets ---- */

struct info_field {
    const char *name;
    uint16_t at;
    uint8_t size, shift, width; /* width 0: the whole of it */
};

static const struct info_field fields[] = {
    { "tcpi_state", 0, 1, 0, 0 },
    { "tcpi_ca_state", 1, 1, 0, 0 },
    { "tcpi_retransmits", 2, 1, 0, 0 },
    { "tcpi_probes", 3, 1, 0, 0 },
    { "tcpi_backoff", 4, 1, 0, 0 },
    { "tcpi_options", 5, 1, 0, 0 },
    { "tcpi_snd_wscale", 6, 1, 0, 4 },
    { "tcpi_rcv_wscale", 6, 1, 4, 4 },
    { "tcpi_delivery_rate_app_limited", 7, 1, 0, 1 },
    { "tcpi_fastopen_client_fail", 7, 1, 1, 2 },
    { "tcpi_rto", 8, 4, 0, 0 },
    { "tcpi_ato", 12, 4, 0, 0 },
    { "tcpi_snd_mss", 16, 4, 0, 0 },
    { "tcpi_rcv_mss", 20, 4, 0, 0 },
    { "tcpi_unacked", 24, 4, 0, 0 },
    { "tcpi_sacked", 28, 4, 0, 0 },
    { "tcpi_lost", 32, 4, 0, 0 },
    { "tcpi_retrans", 36, 4, 0, 0 },
    { "tcpi_fackets", 40, 4, 0, 0 },
    { "tcpi_last_data_sent", 44, 4, 0, 0 },
    { "tcpi_last_ack_sent", 48, 4, 0, 0 },
    { "tcpi_last_data_recv", 52, 4, 0, 0 },
    { "tcpi_last_ack_recv", 56, 4, 0, 0 },
    { "tcpi_pmtu", 60, 4, 0, 0 },
    { "tcpi_rcv_ssthresh", 64, 4, 0, 0 },
    { "tcpi_rtt", 68, 4, 0, 0 },
    { "tcpi_rttvar", 72, 4, 0, 0 },
    { "tcpi_snd_ssthresh", 76, 4, 0, 0 },
    { "tcpi_snd_cwnd", 80, 4, 0, 0 },
    { "tcpi_advmss", 84, 4, 0, 0 },
    { "tcpi_reordering", 88, 4, 0, 0 },
    { "tcpi_rcv_rtt", 92, 4, 0, 0 },
    { "tcpi_rcv_space", 96, 4, 0, 0 },
    { "tcpi_total_retrans", 100, 4, 0, 0 },
    { "tcpi_pacing_rate", 104, 8, 0, 0 },
    { "tcpi_max_pacing_rate", 112, 8, 0, 0 },
    { "tcpi_bytes_acked", 120, 8, 0, 0 },
    { "tcpi_bytes_received", 128, 8, 0, 0 },
    { "tcpi_segs_out", 136, 4, 0, 0 },
    { "tcpi_segs_in", 140, 4, 0, 0 },
    { "tcpi_notsent_bytes", 144, 4, 0, 0 },
    { "tcpi_min_rtt", 148, 4, 0, 0 },
    { "tcpi_data_segs_in", 152, 4, 0, 0 },
    { "tcpi_data_segs_out", 156, 4, 0, 0 },
    { "tcpi_delivery_rate", 160, 8, 0, 0 },
    { "tcpi_busy_time", 168, 8, 0, 0 },
    { "tcpi_rwnd_limited", 176, 8, 0, 0 },
    { "tcpi_sndbuf_limited", 184, 8, 0, 0 },
    { "tcpi_delivered", 192, 4, 0, 0 },
    { "tcpi_delivered_ce", 196, 4, 0, 0 },
    { "tcpi_bytes_sent", 200, 8, 0, 0 },
    { "tcpi_bytes_retrans", 208, 8, 0, 0 },
    { "tcpi_dsack_dups", 216, 4, 0, 0 },
    { "tcpi_reord_seen", 220, 4, 0, 0 },
    { "tcpi_rcv_ooopack", 224, 4, 0, 0 },
    { "tcpi_snd_wnd", 228, 4, 0, 0 },
    { "tcpi_rcv_wnd", 232, 4, 0, 0 },
    { "tcpi_rehash", 236, 4, 0, 0 },
    { "tcpi_total_rto", 240, 2, 0, 0 },
    { "tcpi_total_rto_recoveries", 242, 2, 0, 0 },
    { "tcpi_total_rto_time", 244, 4, 0, 0 },
    { "tcpi_received_ce", 248, 4, 0, 0 },
    { "tcpi_delivered_e1_bytes", 252, 4, 0, 0 },
    { "tcpi_delivered_e0_bytes", 256, 4, 0, 0 },
    { "tcpi_delivered_ce_bytes", 260, 4, 0, 0 },
    { "tcpi_received_e1_bytes", 264, 4, 0, 0 },
    { "tcpi_received_e0_bytes", 268, 4, 0, 0 },
    { "tcpi_received_ce_bytes", 272, 4, 0, 0 },
    { "tcpi_accecn_fail_mode", 276, 2, 0, 0 },
    { "tcpi_accecn_opt_seen", 278, 2, 0, 0 },
};

/* What a code block has set. */
struct code_name {
    struct code_name *next;
    const char *name;
    struct code_value value;
};

struct info {
    struct run *run;
    unsigned char data[INFO_ROOM];
    socklen_t len;
};

/* Little-endian and big-endian machines alike: the kernel's own order. */
static double field_value(const struct info *info, const struct info_field *field)
{
    uint64_t whole = 0;
    uint32_t word;
    uint16_t half;
    const unsigned char *p = info->data + field->at;
    if (field->size == 8) {
        memcpy(&whole, p, 8);
    } else if (field->size == 4) {
        memcpy(&word, p, 4);
        whole = word;
    } else if (field->size == 2) {
        memcpy(&half, p, 2);
        whole = half;
    } else {
        whole = *p;
    }
    if (field->width != 0)
        whole = whole >> field->shift & ((UINT64_C(1) << field->width) - 1);
    return (double)whole;
}

static bool lookup(void *context, const char *name, struct code_value *value)
{
    struct info *info = context;
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        if (fields[i].at + fields[i].size > info->len)
            run_fail(info->run, "this stack's TCP_INFO has no %s", name);
        value->number = field_value(info, &fields[i]);
        return true;
    }
    for (const struct code_name *n = info->run->names; n != NULL; n = n->next) {
        if (strcmp(n->name, name) == 0) {
            *value = n->value;
            return true;
        }
    }
    int64_t number;
    if (!symbol_value(name, &number))
        return false;
    value->number = (double)number;
    return true;
}

static void store(void *context, const char *name, const struct code_value *value)
{
    struct run *run = ((struct info *)context)->run;
    struct code_name *entry = arena_take(&run->arena, sizeof *entry);
    entry->name = arena_text(&run->arena, name, strlen(name));
    entry->value = *value;
    if (value->text != NULL)
        entry->value.text = arena_text(&run->arena, value->text, value->len);
    entry->next = run->names;
    run->names = entry;
}

/* Asks the socket of the current conversation; a block that asks nothing needs none. */
static void ask(struct run *run, struct info *info)
{
    int fd = run->current != NULL ? run->current->fd : FLOW_NO_FD;
    for (unsigned i = RUN_FDS_MAX; fd == FLOW_NO_FD && i > 0; i--)
        if (run->fd[i - 1].used)
            fd = run->fd[i - 1].live;
    info->len = sizeof info->data;
    const struct call call = {
        CALL_getsockopt, { fd, IPPROTO_TCP, TCP_INFO_NUMBER, (long)info->data, (long)&info->len }
    };
    if (fd == FLOW_NO_FD || call_raw(run, call) < 0)
        info->len = 0;
}

void code_event(struct run *run, const struct event *event)
{
    struct info info = { .run = run };
    struct code code = { .lookup = lookup, .store = store, .context = &info };
    ask(run, &info);
    if (!code_run(&code, event->text, strlen(event->text)))
        run_fail(run, "%s", code.error);
}
