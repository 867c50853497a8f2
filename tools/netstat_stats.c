/* SPDX-License-Identifier: MIT */
#include "netstat.h"

#include <inttypes.h>
#include <stdio.h>

/* Sentences for the counters that most people look at; the others have their names. */

struct sentence {
    const char *name;
    const char *text; /* begins with %s, the number */
};

static const struct sentence sentences[] = {
    { "IpInReceives", "%s total packets received" },
    { "IpInHdrErrors", "%s with invalid headers" },
    { "IpInAddrErrors", "%s with invalid addresses" },
    { "IpForwDatagrams", "%s forwarded" },
    { "IpInUnknownProtos", "%s with unknown protocol" },
    { "IpInDiscards", "%s incoming packets discarded" },
    { "IpInDelivers", "%s incoming packets delivered" },
    { "IpOutRequests", "%s requests sent out" },
    { "IpOutDiscards", "%s outgoing packets dropped" },
    { "IpOutNoRoutes", "%s dropped because of missing route" },
    { "IpReasmTimeout", "%s fragments dropped after timeout" },
    { "IpReasmReqds", "%s reassemblies required" },
    { "IpReasmOKs", "%s packets reassembled ok" },
    { "IpReasmFails", "%s packet reassemblies failed" },
    { "IpFragOKs", "%s fragments received ok" },
    { "IpFragFails", "%s fragments failed" },
    { "IcmpInMsgs", "%s ICMP messages received" },
    { "IcmpInErrors", "%s input ICMP message failed" },
    { "IcmpOutMsgs", "%s ICMP messages sent" },
    { "IcmpOutErrors", "%s ICMP messages failed" },
    { "TcpActiveOpens", "%s active connection openings" },
    { "TcpPassiveOpens", "%s passive connection openings" },
    { "TcpAttemptFails", "%s failed connection attempts" },
    { "TcpEstabResets", "%s connection resets received" },
    { "TcpCurrEstab", "%s connections established" },
    { "TcpInSegs", "%s segments received" },
    { "TcpOutSegs", "%s segments sent out" },
    { "TcpRetransSegs", "%s segments retransmitted" },
    { "TcpInErrs", "%s bad segments received" },
    { "TcpOutRsts", "%s resets sent" },
    { "UdpInDatagrams", "%s packets received" },
    { "UdpNoPorts", "%s packets to unknown port received" },
    { "UdpInErrors", "%s packet receive errors" },
    { "UdpOutDatagrams", "%s packets sent" },
    { "UdpRcvbufErrors", "%s receive buffer errors" },
    { "UdpSndbufErrors", "%s send buffer errors" },
    { "TcpExtSyncookiesSent", "%s SYN cookies sent" },
    { "TcpExtSyncookiesRecv", "%s SYN cookies received" },
    { "TcpExtSyncookiesFailed", "%s invalid SYN cookies received" },
    { "TcpExtEmbryonicRsts", "%s resets received for embryonic SYN_RECV sockets" },
    { "TcpExtPAWSEstab", "%s packets rejected in established connections because of timestamp" },
    { "TcpExtTW", "%s TCP sockets finished time wait in fast timer" },
    { "TcpExtDelayedACKs", "%s delayed acks sent" },
    { "TcpExtListenOverflows", "%s times the listen queue of a socket overflowed" },
    { "TcpExtListenDrops", "%s SYNs to LISTEN sockets dropped" },
    { "TcpExtTCPFastRetrans", "%s fast retransmits" },
    { "TcpExtTCPAbortOnData", "%s connections reset due to unexpected data" },
    { "TcpExtTCPAbortOnClose", "%s connections reset due to early user close" },
    { "TcpExtTCPAbortOnTimeout", "%s connections aborted due to timeout" },
    { "TcpExtTCPTimeWaitOverflow", "%s times no room for TIME-WAIT" },
};

static const struct {
    const char *prefix, *title;
} sections[] = {
    /* The longer prefix first: each counter belongs to the first that fits. */
    { "TcpExt", "TcpExt" },     { "IpExt", "IpExt" },       { "IcmpMsg", "IcmpMsg" },
    { "UdpLite", "UdpLite" },   { "MPTcpExt", "MPTcpExt" }, { "Ip6", "Ip6" },
    { "Icmp6", "Icmp6" },       { "Udp6", "Udp6" },         { "Ip", "Ip" },
    { "Icmp", "Icmp" },         { "Tcp", "Tcp" },           { "Udp", "Udp" },
    { "WeirDrop", "WeirDrop" }, { "WeirPool", "WeirPool" }, { "Weir", "Weir" },
};
#define SECTIONS (sizeof sections / sizeof sections[0])

static size_t section_of(const char *name)
{
    size_t i = 0;
    while (i < SECTIONS && strncmp(name, sections[i].prefix, strlen(sections[i].prefix)) != 0)
        i++;
    return i;
}

static void put_counter(const struct facts_counter *counter, size_t section)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, counter->value);
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        if (strcmp(counter->name, sentences[i].name) != 0)
            continue;
        printf("    %s%s\n", number, sentences[i].text + 2); /* after its %s */
        return;
    }
    if (counter->value != 0)
        printf("    %s: %s\n", counter->name + strlen(sections[section].prefix), number);
}

void netstat_statistics(void *user, const struct facts_host *host)
{
    static const char *const order[] = { "Ip",     "Icmp",     "IcmpMsg", "Tcp",   "Udp",
                                         "TcpExt", "IpExt",    "Ip6",     "Icmp6", "Udp6",
                                         "Weir",   "WeirDrop", "WeirPool" };
    const struct look *look = user;
    char place[LOOK_PLACE_MAX];
    if (look->several)
        printf("%s\n", look_place(host->source, host->net, place));
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        bool titled = false;
        for (size_t k = 0; k < host->count; k++) {
            const size_t section = section_of(host->counter[k].name);
            if (section == SECTIONS || strcmp(sections[section].title, order[i]) != 0)
                continue;
            if (!titled)
                printf("%s:\n", order[i]);
            titled = true;
            put_counter(&host->counter[k], section);
        }
    }
}
