/* SPDX-License-Identifier: MIT */
#include "path_end.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS        9
#define MESSAGES_MAX (1u << 20)
#define NS_PER_US    1000
#define NS_PER_MS    1000000

_Noreturn void path_die(const char *what, const char *why)
{
    fprintf(stderr, "path: %s: %s\n", what, why);
    exit(1);
}

_Noreturn static void usage(void)
{
    fputs("usage: bench-path-kernel|bench-path-weir DEVICE source|sink LOCAL REMOTE PORT SECONDS "
          "WARM-UP FLOWS CONGESTION bulk|messages\n",
          stderr);
    exit(2);
}

static unsigned long number(const char *text, unsigned long most)
{
    char *rest;
    const unsigned long value = strtoul(text, &rest, 10);
    if (rest == text || *rest != '\0' || value > most)
        usage();
    return value;
}

void path_end_parse(struct path_end *end, int count, char **word)
{
    if (count != WORDS)
        usage();
    *end = (struct path_end){
        .source = strcmp(word[0], "source") == 0,
        .messages = strcmp(word[8], "messages") == 0,
        .local = word[1],
        .remote = word[2],
        .port = (uint16_t)number(word[3], UINT16_MAX),
        .span = (int64_t)number(word[4], 3600) * PATH_SECOND,
        .warm_up = (int64_t)number(word[5], 3600) * PATH_SECOND,
        .flows = (unsigned)number(word[6], PATH_FLOWS),
        .congestion = word[7],
    };
    end->late = calloc(MESSAGES_MAX, sizeof *end->late);
    if (end->late == NULL)
        path_die("calloc", "out of memory");
}

/* ---- Messages: when they were sent, eight octets of it, then nothing of interest ---- */

void path_end_message(uint8_t message[MESSAGE_OCTETS], int64_t now)
{
    memset(message, 0, MESSAGE_OCTETS);
    memcpy(message, &now, sizeof now);
}

int64_t path_end_message_at(const struct path_end *end, unsigned flow, uint64_t n)
{
    return end->start + (int64_t)n * MESSAGE_APART +
           MESSAGE_APART * (int64_t)flow / (int64_t)end->flows;
}

static void note_late(struct path_end *end, const struct path_flow *flow, int64_t now)
{
    int64_t sent;
    memcpy(&sent, flow->stamp, sizeof sent);
    if (end->late_count < MESSAGES_MAX)
        end->late[end->late_count++] = (uint32_t)((now - sent) / NS_PER_US);
}

static void take_messages(struct path_end *end, struct path_flow *flow, const uint8_t *octets,
                          size_t len, int64_t now)
{
    for (size_t i = 0; i < len; i++) {
        const size_t at = (size_t)((flow->offset + i) % MESSAGE_OCTETS);
        if (at < sizeof flow->stamp)
            flow->stamp[at] = octets[i];
        if (at == MESSAGE_OCTETS - 1)
            note_late(end, flow, now);
    }
}

void path_end_take(struct path_end *end, unsigned i, const uint8_t *octets, size_t len, int64_t now)
{
    struct path_flow *flow = &end->flow[i];
    if (end->messages)
        take_messages(end, flow, octets, len, now);
    flow->offset += len;
    if (now - end->start >= end->warm_up)
        flow->octets += len;
}

/* ---- What came of it ---- */

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void path_end_report(struct path_end *end)
{
    const int64_t counted = end->span - end->warm_up;
    for (unsigned i = 0; i < end->flows; i++)
        printf("flow %u port %u kbit/s %llu\n", i, end->flow[i].port,
               (unsigned long long)(end->flow[i].octets * 8 / (uint64_t)(counted / NS_PER_MS)));
    if (end->messages && end->late_count > 0) {
        qsort(end->late, end->late_count, sizeof *end->late, compare);
        printf("messages %u median_us %u p99_us %u max_us %u\n", end->late_count,
               end->late[end->late_count / 2], end->late[(uint64_t)end->late_count * 99 / 100],
               end->late[end->late_count - 1]);
    }
    fflush(stdout);
}
