/* SPDX-License-Identifier: MIT */
#include "kernel_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LINE_LEN 8192

/* "Tcp: RtoAlgorithm RtoMin ..." and below it "Tcp: 1 200 ...". */
static void pair_lines(struct facts_host *host, char *names, char *values)
{
    char *name_at, *value_at;
    const char *prefix = strtok_r(names, " \n", &name_at);
    const char *again = strtok_r(values, " \n", &value_at);
    if (prefix == NULL || again == NULL || strcmp(prefix, again) != 0)
        return;
    const int prefix_len = (int)strcspn(prefix, ":");
    for (;;) {
        const char *name = strtok_r(NULL, " \n", &name_at);
        const char *value = strtok_r(NULL, " \n", &value_at);
        char whole[40];
        if (name == NULL || value == NULL)
            return;
        snprintf(whole, sizeof whole, "%.*s%s", prefix_len, prefix, name);
        (void)facts_host_add(host, whole, strtoull(value, NULL, 10)); /* MaxConn is -1 */
    }
}

static void read_pairs(struct facts_host *host, const char *path)
{
    char names[LINE_LEN], values[LINE_LEN];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(names, sizeof names, file) != NULL && fgets(values, sizeof values, file) != NULL)
        pair_lines(host, names, values);
    fclose(file);
}

/* "Ip6InReceives", a tab, "12". */
static void read_lines(struct facts_host *host, const char *path)
{
    char line[256], name[64];
    unsigned long long value;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%63s %llu", name, &value) == 2)
            (void)facts_host_add(host, name, value);
    fclose(file);
}

/* "TCP: inuse 5 orphan 0 tw 3 alloc 7 mem 1" becomes SockTCPinuse and so on. */
static void read_sockstat(struct facts_host *host, const char *path)
{
    char line[512];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        char *at, whole[40];
        const char *prefix = strtok_r(line, " \n", &at);
        if (prefix == NULL)
            continue;
        const int prefix_len = (int)strcspn(prefix, ":");
        for (;;) {
            const char *name = strtok_r(NULL, " \n", &at);
            const char *value = name != NULL ? strtok_r(NULL, " \n", &at) : NULL;
            if (value == NULL)
                break;
            snprintf(whole, sizeof whole, "Sock%.*s%s", prefix_len, prefix, name);
            (void)facts_host_add(host, whole, strtoull(value, NULL, 10));
        }
    }
    fclose(file);
}

/* One line a CPU, in hexadecimal: processed, dropped, squeezed, ... */
static void read_softnet(struct facts_host *host, const char *path)
{
    char line[512];
    unsigned value[3];
    uint64_t sum[3] = { 0 };
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%x %x %x", &value[0], &value[1], &value[2]) != 3)
            continue;
        for (unsigned i = 0; i < 3; i++)
            sum[i] += value[i];
    }
    fclose(file);
    (void)facts_host_add(host, "SoftnetProcessed", sum[0]);
    (void)facts_host_add(host, "SoftnetDropped", sum[1]);
    (void)facts_host_add(host, "SoftnetSqueezed", sum[2]);
}

int kernel_counters(const struct kernel_net *net, struct facts_host *host)
{
    int home = -1;
    const int error = kernel_net_enter(net, &home);
    if (error < 0)
        return error;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    host->source = FACTS_KERNEL;
    host->when = now.tv_sec * WEIR_SECOND + now.tv_nsec;
    memcpy(host->net, net->name, sizeof host->net);
    /* "thread-self": /proc/net is the namespace of the process's first thread. */
    read_pairs(host, "/proc/thread-self/net/snmp");
    read_lines(host, "/proc/thread-self/net/snmp6");
    read_pairs(host, "/proc/thread-self/net/netstat");
    read_sockstat(host, "/proc/thread-self/net/sockstat");
    read_sockstat(host, "/proc/thread-self/net/sockstat6");
    read_softnet(host, "/proc/thread-self/net/softnet_stat");
    kernel_net_leave(home);
    return host->count > 0 ? 0 : -ENODATA;
}

uint64_t kernel_uptime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec;
}
