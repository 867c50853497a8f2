/* SPDX-License-Identifier: MIT */
#include "netstat.h"

#include <inttypes.h>
#include <stdio.h>

/* Sentences for the counters that most people look at; the others have their names. */

struct sentence {
    const char *name;
    const char *text; /* stands behind the number */
    bool always;      /* also of 0 */
};

static const struct sentence sentences[] = {
    { "IpInReceives", "total packets received", true },
    { "IpInHdrErrors", "with invalid headers", false },
    { "IpInAddrErrors", "with invalid addresses", false },
    { "IpForwDatagrams", "forwarded", true },
    { "IpInUnknownProtos", "with unknown protocol", false },
    { "IpInDiscards", "incoming packets discarded", true },
    { "IpInDelivers", "incoming packets delivered", true },
    { "IpOutRequests", "requests sent out", true },
    { "IpOutDiscards", "outgoing packets dropped", false },
    { "IpOutNoRoutes", "dropped because of missing route", false },
    { "IpReasmTimeout", "fragments dropped after timeout", false },
    { "IpReasmReqds", "reassemblies required", false },
    { "IpReasmOKs", "packets reassembled ok", false },
    { "IpReasmFails", "packet reassemblies failed", false },
    { "IpFragOKs", "fragments received ok", false },
    { "IpFragFails", "fragments failed", false },
    { "IcmpInMsgs", "ICMP messages received", true },
    { "IcmpInErrors", "input ICMP message failed", true },
    { "IcmpOutMsgs", "ICMP messages sent", true },
    { "IcmpOutErrors", "ICMP messages failed", true },
    { "TcpActiveOpens", "active connection openings", true },
    { "TcpPassiveOpens", "passive connection openings", true },
    { "TcpAttemptFails", "failed connection attempts", true },
    { "TcpEstabResets", "connection resets received", true },
    { "TcpCurrEstab", "connections established", true },
    { "TcpInSegs", "segments received", true },
    { "TcpOutSegs", "segments sent out", true },
    { "TcpRetransSegs", "segments retransmitted", true },
    { "TcpInErrs", "bad segments received", true },
    { "TcpOutRsts", "resets sent", true },
    { "UdpInDatagrams", "packets received", true },
    { "UdpNoPorts", "packets to unknown port received", true },
    { "UdpInErrors", "packet receive errors", true },
    { "UdpOutDatagrams", "packets sent", true },
    { "UdpRcvbufErrors", "receive buffer errors", true },
    { "UdpSndbufErrors", "send buffer errors", true },
    { "TcpExtSyncookiesSent", "SYN cookies sent", false },
    { "TcpExtSyncookiesRecv", "SYN cookies received", false },
    { "TcpExtSyncookiesFailed", "invalid SYN cookies received", false },
    { "TcpExtEmbryonicRsts", "resets received for embryonic SYN_RECV sockets", false },
    { "TcpExtPAWSEstab", "packets rejected in established connections because of timestamp",
      false },
    { "TcpExtTW", "TCP sockets finished time wait in fast timer", false },
    { "TcpExtDelayedACKs", "delayed acks sent", false },
    { "TcpExtListenOverflows", "times the listen queue of a socket overflowed", false },
    { "TcpExtListenDrops", "SYNs to LISTEN sockets dropped", false },
    { "TcpExtTCPFastRetrans", "fast retransmits", false },
    { "TcpExtTCPAbortOnData", "connections reset due to unexpected data", false },
    { "TcpExtTCPAbortOnClose", "connections reset due to early user close", false },
    { "TcpExtTCPAbortOnTimeout", "connections aborted due to timeout", false },
    { "TcpExtTCPTimeWaitOverflow", "times no room for TIME-WAIT", false },
};

/* What is no count: netstat and nstat leave these out. */
static const char *const constants[] = {
    "IpDefaultTTL", "TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn",
};

bool netstat_is_constant(const char *name)
{
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++)
        if (strcmp(name, constants[i]) == 0)
            return true;
    return false;
}

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

static const struct sentence *sentence_of(const char *name)
{
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++)
        if (strcmp(name, sentences[i].name) == 0)
            return &sentences[i];
    return NULL;
}

static void put_counter(const struct facts_counter *counter, size_t section)
{
    const struct sentence *sentence = sentence_of(counter->name);
    if (netstat_is_constant(counter->name) ||
        (counter->value == 0 && (sentence == NULL || !sentence->always)))
        return;
    if (sentence != NULL)
        printf("    %" PRIu64 " %s\n", counter->value, sentence->text);
    else
        printf("    %s: %" PRIu64 "\n", counter->name + strlen(sections[section].prefix),
               counter->value);
}

/* -st and -su: of the one protocol alone. */
static bool is_asked_for(const struct netstat_what *what, const char *title)
{
    const bool tcp = strncmp(title, "Tcp", 3) == 0, udp = strncmp(title, "Udp", 3) == 0;
    return what->only_tcp ? tcp : what->only_udp ? udp : true;
}

void netstat_statistics(void *user, const struct facts_host *host)
{
    static const char *const order[] = { "Ip",     "Icmp",     "IcmpMsg", "Tcp",   "Udp",
                                         "TcpExt", "IpExt",    "Ip6",     "Icmp6", "Udp6",
                                         "Weir",   "WeirDrop", "WeirPool" };
    const struct netstat_what *what = user;
    char place[LOOK_PLACE_MAX];
    if (what->look->several)
        printf("%s\n", look_place(host->source, host->net, place));
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        bool titled = false;
        for (size_t k = 0; k < host->count && is_asked_for(what, order[i]); k++) {
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
