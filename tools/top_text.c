/* SPDX-License-Identifier: MIT */
#include "top.h"

#include "flow_ladder.h"
#include "socket_text.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define END_MAX 160
#define SHORT   16

/* "1.2M": octets in at most five characters. */
static char *short_size(uint64_t octets, char text[SHORT])
{
    static const char unit[] = " kMGT";
    unsigned i = 0;
    uint64_t tenths = octets * 10;
    if (octets > UINT64_MAX / 10)
        return strcpy(text, "much");
    while (tenths >= 10000 && i < 4) {
        tenths /= 1000;
        i++;
    }
    if (i == 0)
        snprintf(text, SHORT, "%u", (unsigned)(tenths / 10));
    else if (tenths < 100)
        snprintf(text, SHORT, "%u.%u%c", (unsigned)(tenths / 10), (unsigned)(tenths % 10), unit[i]);
    else
        snprintf(text, SHORT, "%u%c", (unsigned)(tenths / 10), unit[i]);
    return text;
}

/* "0.04", "12.3", "480": milliseconds in at most five characters. */
static char *short_ms(uint32_t us, char text[SHORT])
{
    if (us == 0 || us == UINT32_MAX)
        return strcpy(text, "-");
    if (us < 10000)
        snprintf(text, SHORT, "%u.%02u", us / 1000, us % 1000 / 10);
    else if (us < 1000000)
        snprintf(text, SHORT, "%u.%u", us / 1000, us % 1000 / 100);
    else
        snprintf(text, SHORT, "%us", us / 1000000);
    return text;
}

static char *end_text(const struct facts_flow *flow, const struct weir_addr *addr,
                      char text[END_MAX])
{
    char host[SOCKET_HOST_MAX], port[SOCKET_PORT_MAX];
    snprintf(text, END_MAX, "%s:%s", socket_host_ss(flow, addr, host),
             socket_port(flow, addr->port, true, port));
    return text;
}

static char *owner_text(const struct facts_flow *flow, char text[48])
{
    char comm[33];
    if (flow->pid <= 0)
        return strcpy(text, "-");
    snprintf(text, 48, "%.11s/%d", terminal_safe(flow->comm, comm, sizeof comm), flow->pid);
    return text;
}

static char *timer_text(const struct facts_flow *flow, char text[48])
{
    static const char *const name[] = { "",     "rtx",    "persist", "keep",  "delack",
                                        "2msl", "orphan", "user",    "synack" };
    if (flow->timer == WEIR_TIMER_NONE || flow->timer > WEIR_TIMER_SYN_ACK ||
        flow->timer_in == WEIR_NEVER)
        return strcpy(text, "-");
    snprintf(text, 48, "%s %lld.%llds", name[flow->timer],
             (long long)(flow->timer_in / WEIR_SECOND),
             (long long)(flow->timer_in % WEIR_SECOND / (100 * WEIR_MS)));
    return text;
}

/* Where a terminal is narrow, what is longest gives way first; who has a connection, what waits in
 * it and what holds it up stay in sight down to 80 columns. */
struct widths {
    unsigned columns; /* for which it is made */
    int local, peer, owner, size, limits, timer;
    bool rates, least;
};

static const struct widths *widths_of(const struct top *top)
{
    static const struct widths widths[] = {
        { 141, 21, 21, 16, 6, TOP_HISTORY, 12, true, true },
        { 126, 21, 21, 12, 6, 5, 8, true, true },
        { 110, 6, 21, 12, 6, 5, 7, true, true },
        { 98, 6, 21, 12, 6, 5, 7, false, true },
        { 0, 6, 21, 8, 5, 6, 0, false, false },
    };
    unsigned i = 0;
    while (top->columns != 0 && widths[i].columns > top->columns)
        i++;
    return &widths[i];
}

struct cells {
    const char *state, *local, *peer, *owner, *rtt, *least, *rtx, *rcvq, *sndq, *in, *out, *limits,
        *timer, *place;
};

static void put_cells(const struct top *top, const struct cells *cells, char text[TOP_LINE_MAX])
{
    const struct widths *at = widths_of(top);
    char rates[16] = "", rtt[16];
    const size_t known = strlen(cells->limits);
    const size_t shown = (size_t)at->limits;
    if (at->rates)
        snprintf(rates, sizeof rates, "%5.5s %5.5s ", cells->in, cells->out);
    if (at->least)
        snprintf(rtt, sizeof rtt, "%5.5s/%-5.5s", cells->rtt, cells->least);
    else
        snprintf(rtt, sizeof rtt, "%5.5s", cells->rtt);
    /* Of what held it up, the newest. */
    snprintf(text, TOP_LINE_MAX,
             "%-11.11s %-*.*s %-*.*s %-*.*s %s %5.5s %*.*s %*.*s %s%-*.*s %-*.*s %s", cells->state,
             at->local, at->local, cells->local, at->peer, at->peer, cells->peer, at->owner,
             at->owner, cells->owner, rtt, cells->rtx, at->size, at->size, cells->rcvq, at->size,
             at->size, cells->sndq, rates, at->limits, at->limits,
             cells->limits + (known > shown && known == TOP_HISTORY ? known - shown : 0), at->timer,
             at->timer, cells->timer, cells->place);
}

const char *top_heading(const struct top *top, char text[TOP_LINE_MAX])
{
    const struct cells cells = {
        "STATE", "LOCAL", "PEER", "OWNER", "RTT",    "MIN",   "RTX%",
        "RECVQ", "SENDQ", "IN/s", "OUT/s", "LIMITS", "TIMER", top->places > 1 ? "STACK" : ""
    };
    put_cells(top, &cells, text);
    return text;
}

char *top_line(const struct top *top, const struct top_flow *flow, char text[TOP_LINE_MAX])
{
    const struct facts_flow *facts = &flow->facts;
    char local[END_MAX], remote[END_MAX], owner[48], rtt[SHORT], least[SHORT], rtx[SHORT];
    char rcvq[SHORT], sndq[SHORT], in[SHORT], out[SHORT], timer[48], place[LOOK_PLACE_MAX];
    const bool known = facts->quality[FACTS_INFO] != FACTS_UNKNOWN;
    if (known && facts->info.tcpi_bytes_sent > 0)
        snprintf(rtx, sizeof rtx, "%u.%u", flow->retrans_permille / 10,
                 flow->retrans_permille % 10);
    else
        strcpy(rtx, "-");
    const char *left = end_text(facts, &facts->local, local);
    if (widths_of(top)->local < (int)strlen(left)) /* its port says more than its address */
        left = strrchr(left, ':');
    owner_text(facts, owner);
    if ((int)strlen(owner) > widths_of(top)->owner) /* half a process id is a wrong one */
        owner[strcspn(owner, "/")] = '\0';
    const struct cells cells = {
        socket_state_ss(facts),
        left,
        end_text(facts, &facts->remote, remote),
        owner,
        short_ms(facts->info.tcpi_rtt, rtt),
        short_ms(facts->info.tcpi_min_rtt, least),
        rtx,
        short_size(facts->rcvq, rcvq),
        short_size(facts->sndq, sndq),
        short_size(flow->in_rate, in),
        short_size(flow->out_rate, out),
        flow->limits,
        timer_text(facts, timer),
        top->places > 1 ? look_place(facts->source, facts->net, place) : "",
    };
    put_cells(top, &cells, text);
    return text;
}

/* ---- One flow ---- */

static void put_timer(FILE *file, const char *what, int64_t in)
{
    char time[SOCKET_TIME_MAX];
    if (in != WEIR_NEVER)
        fprintf(file, "  %s in %s", what, socket_duration(in, time));
}

static void put_owner(FILE *file, const struct facts_flow *flow)
{
    char comm[80];
    fprintf(file, "\nowner       %s",
            flow->comm[0] != '\0' ? terminal_safe(flow->comm, comm, sizeof comm) : "-");
    if (flow->pid > 0)
        fprintf(file, " pid %d", flow->pid);
    if (flow->pid > 0 && flow->fd >= 0)
        fprintf(file, " fd %d", flow->fd);
    fprintf(file, "  (%s)\n", facts_quality_text(flow->quality[FACTS_OWNER]));
}

static void put_facts(FILE *file, const struct top_flow *flow)
{
    const struct facts_flow *f = &flow->facts;
    const struct linux_tcp_info *i = &f->info;
    char time[SOCKET_TIME_MAX];
    fprintf(file, "state       %s", socket_state_ss(f));
    if (f->quality[FACTS_SINCE] != FACTS_UNKNOWN)
        fprintf(file, " for %s", socket_duration(f->state_for, time));
    if (f->quality[FACTS_CAUSE] != FACTS_UNKNOWN)
        fprintf(file, ", because: %s", weir_cause_text(f->cause));
    if (f->quality[FACTS_ROLE] != FACTS_UNKNOWN && f->state != WEIR_LISTEN)
        fprintf(file, " (%s)", f->passive ? "opened by the peer" : "opened here");
    put_owner(file, f);
    fprintf(file,
            "queues      %u octets the program has not read, %u the peer has not acknowledged",
            f->rcvq, f->sndq);
    if (f->out_of_order != 0)
        fprintf(file, ", %u out of order", f->out_of_order);
    fprintf(file, "\nwaits for   %s (%s)\n", weir_wait_text(f->waits_for),
            facts_quality_text(f->quality[FACTS_WAITS]));
    fputs("timers    ", file);
    put_timer(file, weir_timer_text(f->timer), f->timer_in);
    put_timer(file, "delayed ack", f->delack_in);
    put_timer(file, "user timeout", f->user_in);
    if (f->timer_in == WEIR_NEVER && f->delack_in == WEIR_NEVER && f->user_in == WEIR_NEVER)
        fputs("  none", file);
    fprintf(file,
            "\nround trip  %.3f ms, least %.3f, variance %.3f; retransmission after %.0f ms, "
            "back-off %u\n",
            i->tcpi_rtt / 1000.0, i->tcpi_min_rtt == UINT32_MAX ? 0 : i->tcpi_min_rtt / 1000.0,
            i->tcpi_rttvar / 1000.0, i->tcpi_rto / 1000.0, i->tcpi_backoff);
    fprintf(file, "windows     congestion %u segments of %u, peer %u octets, ours %u octets\n",
            i->tcpi_snd_cwnd, i->tcpi_snd_mss, f->snd_wnd, f->rcv_wnd);
    fprintf(file, "sent        %llu octets, %llu of them again, in %u segments\n",
            (unsigned long long)i->tcpi_bytes_sent, (unsigned long long)i->tcpi_bytes_retrans,
            i->tcpi_segs_out);
    fprintf(file, "received    %llu octets in %u segments\n",
            (unsigned long long)i->tcpi_bytes_received, i->tcpi_segs_in);
}

static void put_ladder(FILE *file, const struct facts_flow *flow, unsigned columns, bool ascii)
{
    struct stack_instance found[STACKS_MAX];
    const struct ladder_style style = { .columns = columns, .ascii = ascii };
    const char *path = strchr(flow->net, '/') != NULL ? flow->net : NULL;
    const size_t count = stack_find(path, path == NULL ? flow->net : NULL, found, STACKS_MAX);
    int error = -ENODATA;
    fputs("\n", file);
    if (count > 0 && flow->id != 0)
        error = flow_ladder(file, &style, flow, &found[0]);
    if (error == -ENODATA)
        fputs("Nothing is remembered of its segments.\n", file);
    else if (error != 0)
        fprintf(file, "Its segments: %s\n", strerror(-error));
}

char *top_details(const struct top *top, const struct top_flow *flow, unsigned columns, bool ascii)
{
    char *text = NULL, local[END_MAX], remote[END_MAX], place[LOOK_PLACE_MAX];
    size_t len = 0;
    const struct facts_flow *facts = &flow->facts;
    FILE *file = open_memstream(&text, &len);
    (void)top;
    if (file == NULL)
        return NULL;
    fprintf(file, "%s -> %s   %s\n\n", end_text(facts, &facts->local, local),
            end_text(facts, &facts->remote, remote), look_place(facts->source, facts->net, place));
    put_facts(file, flow);
    if (facts->source == FACTS_STACK)
        put_ladder(file, facts, columns, ascii);
    else
        fputs("\nThe kernel does not remember its segments: weir dump shows them as they come.\n",
              file);
    fclose(file);
    return text;
}
