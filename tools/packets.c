/* SPDX-License-Identifier: MIT */
#include "packets.h"

#include "tool.h"
#include "weir/base.h"

#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

bool packets_stopped(void)
{
    return stopped != 0;
}

static int activate(struct packets *packets, const char *name, const struct packets_how *how)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    pcap_t *live = pcap_create(name, error);
    packets->live = live;
    if (live == NULL)
        return tool_fail(packets->command, "%s: %s", name, error);
    pcap_set_snaplen(live, (int)how->snap_len);
    pcap_set_promisc(live, !how->not_promiscuous && strcmp(name, "any") != 0);
    pcap_set_timeout(live, PACKETS_WAIT);
    pcap_set_tstamp_precision(live, PCAP_TSTAMP_PRECISION_NANO);
    const int result = pcap_activate(live);
    /* libpcap itself would sleep through a signal as long as no packet comes. */
    if (result >= 0 && pcap_setnonblock(live, 1, error) >= 0)
        return TOOL_OK;
    const char *what = pcap_statustostr(result), *more = pcap_geterr(live);
    const bool adds = more[0] != '\0' && strcmp(more, what) != 0;
    return tool_fail(packets->command, "%s: %s%s%s", name, what, adds ? ": " : "",
                     adds ? more : "");
}

static int set_filter(struct packets *packets, const char *text)
{
    struct bpf_program program;
    if (text[0] == '\0')
        return TOOL_OK;
    if (pcap_compile(packets->live, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
        return tool_usage(packets->command, "filter \"%s\": %s", text, pcap_geterr(packets->live));
    const int error = pcap_setfilter(packets->live, &program);
    pcap_freecode(&program);
    return error == 0 ? TOOL_OK : tool_fail(packets->command, "%s", pcap_geterr(packets->live));
}

int packets_open(struct packets *packets, const char *command, const char *iface,
                 const struct packets_how *how, const char *filter)
{
    const struct sigaction action = { .sa_handler = on_signal };
    *packets = (struct packets){ .command = command };
    int status = activate(packets, iface, how);
    if (status == TOOL_OK && (how->only_in || how->only_out) &&
        pcap_setdirection(packets->live, how->only_in ? PCAP_D_IN : PCAP_D_OUT) != 0)
        status = tool_fail(command, "%s: %s", iface, pcap_geterr(packets->live));
    if (status == TOOL_OK)
        status = set_filter(packets, filter);
    if (status != TOOL_OK) {
        packets_close(packets, false);
        return status;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return TOOL_OK;
}

uint32_t packets_link(const struct packets *packets)
{
    /* libpcap knows this one by its number in memory, which is not that of a file. */
    const int dlt = pcap_datalink(packets->live);
    return dlt == DLT_RAW ? CAPTURE_RAW : (uint32_t)dlt;
}

int packets_next(struct packets *packets, struct capture_frame *frame, int wait)
{
    struct pcap_pkthdr *head;
    int got = pcap_next_ex(packets->live, &head, &frame->data);
    if (got == 0 && wait > 0) {
        struct pollfd one = { .fd = pcap_get_selectable_fd(packets->live), .events = POLLIN };
        (void)poll(&one, 1, wait); /* a signal ends it early */
        got = pcap_next_ex(packets->live, &head, &frame->data);
    }
    if (got < 0) {
        tool_fail(packets->command, "%s", pcap_geterr(packets->live));
        return -1;
    }
    if (got == 0)
        return 0;
    frame->number = ++packets->count;
    frame->link = packets_link(packets);
    frame->when = head->ts.tv_sec * WEIR_SECOND + head->ts.tv_usec; /* nanoseconds */
    frame->len = head->caplen;
    frame->whole_len = head->len;
    return 1;
}

void packets_close(struct packets *packets, bool counts)
{
    struct pcap_stat stat;
    if (packets->live == NULL)
        return;
    if (counts && pcap_stats(packets->live, &stat) == 0)
        fprintf(stderr, "%u packets received by filter, %u dropped by kernel\n", stat.ps_recv,
                stat.ps_drop);
    pcap_close(packets->live);
    packets->live = NULL;
}
