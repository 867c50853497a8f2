/* SPDX-License-Identifier: MIT */
#include "ipc/sight_parts.h"

#include <ctype.h>
#include <stdio.h>

/* Linux's names where weir counts the same thing; a reader of nstat knows them. What only weir
 * counts, its drops and pools above all, begins with "Weir". */

#define POOLS_MAX 64

struct page_writer {
    struct sight_page *page;
    struct sight_counter *next;
};

static void put(struct page_writer *writer, const char *name, uint64_t value)
{
    if (writer->page->count >= (SIGHT_PAGE_MAX - sizeof *writer->page) / sizeof *writer->next)
        return;
    memset(writer->next, 0, sizeof *writer->next);
    snprintf(writer->next->name, sizeof writer->next->name, "%s", name);
    writer->next->value = value;
    writer->next++;
    writer->page->count++;
}

/* "rst_inexact" becomes "WeirDropRstInexact". */
static void put_named(struct page_writer *writer, const char *prefix, const char *words,
                      const char *suffix, uint64_t value)
{
    char name[SIGHT_NAME_MAX];
    size_t len = (size_t)snprintf(name, sizeof name, "%s", prefix);
    bool upper = true;
    for (; *words != '\0' && len + 1 < sizeof name; words++) {
        if (!isalnum((unsigned char)*words)) {
            upper = true;
            continue;
        }
        name[len++] = (char)(upper ? toupper((unsigned char)*words) : *words);
        upper = false;
    }
    snprintf(name + len, sizeof name - len, "%s", suffix);
    put(writer, name, value);
}

static uint64_t drops(const struct weir *weir, unsigned first, unsigned last)
{
    uint64_t sum = 0;
    for (unsigned drop = first; drop <= last; drop++)
        sum += weir_drop_count(weir, drop);
    return sum;
}

static void put_linux(struct page_writer *writer, const struct weir *weir)
{
    struct weir_counters c;
    weir_counters(weir, &c);
    put(writer, "IpInReceives", c.frames_in);
    put(writer, "IpInHdrErrors", drops(weir, WEIR_DROP_IP_BAD_HEADER, WEIR_DROP_IP_BAD_OPTION));
    put(writer, "IpInAddrErrors", drops(weir, WEIR_DROP_IP_MARTIAN, WEIR_DROP_IP_NOT_OURS));
    put(writer, "IpInUnknownProtos", weir_drop_count(weir, WEIR_DROP_IP_PROTO));
    put(writer, "IpOutRequests", c.frames_out);
    put(writer, "IpOutNoRoutes", weir_drop_count(weir, WEIR_DROP_NO_ROUTE));
    put(writer, "IpReasmTimeout", weir_drop_count(weir, WEIR_DROP_FRAG_TIMEOUT));
    put(writer, "IpReasmOKs", c.reassembled);
    put(writer, "IpReasmFails", drops(weir, WEIR_DROP_FRAG_BAD, WEIR_DROP_FRAG_TINY));
    put(writer, "IpFragOKs", c.fragmented);
    put(writer, "IcmpInMsgs", c.icmp_in);
    put(writer, "IcmpOutMsgs", c.icmp_out);
    put(writer, "IcmpInCsumErrors", weir_drop_count(weir, WEIR_DROP_ICMP_CSUM));
    put(writer, "TcpActiveOpens", c.active_opens);
    put(writer, "TcpPassiveOpens", c.passive_opens);
    put(writer, "TcpAttemptFails", c.attempt_fails);
    put(writer, "TcpEstabResets", c.estab_resets);
    put(writer, "TcpCurrEstab", c.established);
    put(writer, "TcpInSegs", c.segs_in);
    put(writer, "TcpOutSegs", c.segs_out);
    put(writer, "TcpRetransSegs", c.segs_rtx);
    put(writer, "TcpInErrs", drops(weir, WEIR_DROP_TCP_BAD, WEIR_DROP_TCP_CSUM));
    put(writer, "TcpOutRsts", c.rsts_out);
    put(writer, "TcpInCsumErrors", weir_drop_count(weir, WEIR_DROP_TCP_CSUM));
    put(writer, "UdpInDatagrams", c.datagrams_in);
    put(writer, "UdpNoPorts", weir_drop_count(weir, WEIR_DROP_UDP_PORT));
    put(writer, "UdpInErrors",
        drops(weir, WEIR_DROP_UDP_BAD, WEIR_DROP_UDP_CSUM) +
            weir_drop_count(weir, WEIR_DROP_UDP_FULL));
    put(writer, "UdpOutDatagrams", c.datagrams_out);
    put(writer, "UdpRcvbufErrors", weir_drop_count(weir, WEIR_DROP_UDP_FULL));
    put(writer, "UdpInCsumErrors", weir_drop_count(weir, WEIR_DROP_UDP_CSUM));
    put(writer, "TcpExtSyncookiesSent", c.cookies_sent);
    put(writer, "TcpExtSyncookiesRecv", c.cookies_ok);
    put(writer, "TcpExtSyncookiesFailed", c.cookies_failed);
    put(writer, "TcpExtListenOverflows", c.listen_overflows);
    put(writer, "TcpExtListenDrops",
        c.listen_overflows + drops(weir, WEIR_DROP_SYNQ_FULL, WEIR_DROP_SYNQ_FULL) +
            weir_drop_count(weir, WEIR_DROP_NO_CREDIT));
    put(writer, "TcpExtTCPTimeouts", c.rto_fired);
    put(writer, "TcpExtTCPFastRetrans", c.fast_rtx);
    put(writer, "TcpExtTCPSackRecovery", c.recoveries);
    put(writer, "TcpExtTCPDSACKRecv", c.dsack_in);
    put(writer, "TcpExtTCPChallengeACK", c.challenge_acks);
    put(writer, "TcpExtTCPTimeWaitOverflow", c.tw_overflow);
    put(writer, "TcpExtTWRecycled", c.tw_reused);
    put(writer, "TcpExtPAWSEstab", weir_drop_count(weir, WEIR_DROP_PAWS));
    put(writer, "TcpExtTCPReqQFullDrop", weir_drop_count(weir, WEIR_DROP_SYNQ_FULL));
    put(writer, "TcpExtTCPFastOpenActive", c.fast_active);
    put(writer, "TcpExtTCPFastOpenActiveFail", c.fast_active_fails);
    put(writer, "TcpExtTCPFastOpenPassive", c.fast_passive);
    put(writer, "TcpExtTCPFastOpenPassiveFail", c.fast_passive_fails);
    put(writer, "TcpExtTCPFastOpenListenOverflow", c.fast_overflows);
    put(writer, "TcpExtTCPFastOpenCookieReqd", c.fast_asks);
    put(writer, "TcpExtOutOfWindowIcmps", weir_drop_count(weir, WEIR_DROP_ICMP_OUT_OF_WINDOW));
    put(writer, "IpExtInOctets", c.octets_in);
    put(writer, "IpExtOutOctets", c.octets_out);
    put(writer, "WeirRstsIn", c.rsts_in);
    put(writer, "WeirSynIn", c.syn_in);
    put(writer, "WeirFramesIn", c.frames_in);
    put(writer, "WeirFramesOut", c.frames_out);
}

void sight_answer_counters(const struct sight_source *source, struct sight_page *page)
{
    struct page_writer writer = { page, (struct sight_counter *)(page + 1) };
    struct weir_pool_use pool[POOLS_MAX];
    page->head_len = sizeof *writer.next;
    put_linux(&writer, source->weir);
    for (unsigned drop = 1; drop < WEIR_DROP_COUNT; drop++)
        put_named(&writer, "WeirDrop", weir_drop_name(drop), "",
                  weir_drop_count(source->weir, drop));
    unsigned pools = weir_pools(source->weir, pool, POOLS_MAX);
    pools = pools < POOLS_MAX ? pools : POOLS_MAX;
    for (unsigned i = 0; i < pools; i++) {
        put_named(&writer, "WeirPool", pool[i].name, "Used", pool[i].used);
        put_named(&writer, "WeirPool", pool[i].name, "Max", pool[i].total);
        put_named(&writer, "WeirPool", pool[i].name, "Refused", pool[i].refused);
    }
    page->flags |= SIGHT_END;
}

void sight_answer_devices(const struct sight_source *source, struct sight_page *page)
{
    struct weir_dev *dev = source->dev;
    page->head_len = sizeof(struct sight_device);
    page->flags |= SIGHT_END;
    if (dev == NULL)
        return;
    weir_dev_count(dev);
    struct sight_device device = {
        .frames_in = dev->counters.frames_in,
        .octets_in = dev->counters.octets_in,
        .frames_out = dev->counters.frames_out,
        .octets_out = dev->counters.octets_out,
        .refused = dev->counters.refused,
        .missed = dev->counters.missed,
        .lost = dev->counters.lost,
    };
    memcpy(device.name, dev->name, sizeof device.name);
    memcpy(page + 1, &device, sizeof device);
    page->count = 1;
}
