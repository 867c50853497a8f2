/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_EVERY 4096 /* packets between two looks at the clock */
#define BAR_WIDTH      40u

/* ---- Progress ---- */

static int64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * WEIR_SECOND + at.tv_nsec;
}

void trace_progress_begin(struct trace_progress *progress, bool wanted)
{
    *progress =
        (struct trace_progress){ .began = now(), .wanted = wanted && isatty(STDERR_FILENO) };
}

void trace_progress(struct trace_progress *progress, const struct capture_file *file)
{
    uint64_t size;
    char bar[BAR_WIDTH + 1];
    if (!progress->wanted || capture_about(file)->frames % PROGRESS_EVERY != 0 ||
        now() - progress->began < WEIR_SECOND)
        return;
    const uint64_t at = capture_position(file, &size);
    const unsigned percent = size > 0 && at <= size ? (unsigned)(at * 100 / size) : 0;
    if (progress->drawn == percent + 1)
        return;
    progress->drawn = percent + 1;
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < percent * BAR_WIDTH / 100 ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %u%%", bar, percent);
}

void trace_progress_end(struct trace_progress *progress)
{
    if (progress->drawn != 0)
        fprintf(stderr, "\r%*s\r", (int)BAR_WIDTH + 8, "");
    progress->drawn = 0;
}

/* ---- Text ---- */

char *trace_addr(const struct weir_addr *addr, char text[TRACE_ADDR_MAX])
{
    char ip[WEIR_IP_TEXT_MAX];
    const bool v4 = weir_ip_is_v4(&addr->ip);
    snprintf(text, TRACE_ADDR_MAX, v4 ? "%s:%u" : "[%s]:%u", weir_ip_text(&addr->ip, ip),
             addr->port);
    return text;
}

char *trace_time(int64_t ns, char text[TRACE_TIME_MAX])
{
    const char *sign = ns < 0 ? "-" : "";
    const long long us = (long long)((ns < 0 ? -ns : ns) / WEIR_US);
    if (us < 1000)
        snprintf(text, TRACE_TIME_MAX, "%s%lld us", sign, us);
    else if (us < 1000000)
        snprintf(text, TRACE_TIME_MAX, "%s%lld.%lld ms", sign, us / 1000, us % 1000 / 100);
    else
        snprintf(text, TRACE_TIME_MAX, "%s%lld.%02lld s", sign, us / 1000000, us % 1000000 / 10000);
    return text;
}

char *trace_amount(uint64_t octets, char text[TRACE_TIME_MAX])
{
    static const char *const unit[] = { "", " k", " M", " G", " T" };
    unsigned i = 0;
    uint64_t tenths = octets * 10;
    /* "9999", but "1.2 M" rather than "1234.5 k" */
    while (tenths >= (i == 0 ? 100000u : 10000u) && i + 1 < sizeof unit / sizeof unit[0]) {
        tenths /= 1000;
        i++;
    }
    if (i == 0)
        snprintf(text, TRACE_TIME_MAX, "%llu", (unsigned long long)octets);
    else
        snprintf(text, TRACE_TIME_MAX, "%llu.%llu%s", (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10), unit[i]);
    return text;
}

void trace_complain(const struct trace *trace, const char *path)
{
    const struct capture_about *about = &trace->about;
    if (trace->damaged)
        tool_fail("trace", "%s: %s; what came before it counts", path, trace->why);
    if (trace->other_links > 0)
        tool_fail("trace", "%s: %llu frames are of a link type that is not understood", path,
                  (unsigned long long)trace->other_links);
    if (about->backwards > 0)
        tool_fail("trace", "%s: %llu times go backwards: orders and round trips may be wrong", path,
                  (unsigned long long)about->backwards);
    if (trace->lost > 0)
        tool_fail("trace", "%s: %llu records were overwritten before they were read", path,
                  (unsigned long long)trace->lost);
    if (about->dropped > 0)
        tool_fail("trace", "%s: the capture itself lost %llu packets", path,
                  (unsigned long long)about->dropped);
    if (trace->table.not_followed > 0)
        tool_fail("trace", "%s: more than %u connections; %llu packets of others are not followed",
                  path, FLOWS_MAX, (unsigned long long)trace->table.not_followed);
}

/* ---- Files ---- */

bool trace_load(struct trace *trace, const struct trace_want *want)
{
    struct trace_progress progress;
    struct capture_frame *frame = malloc(sizeof *frame);
    enum capture_result result;
    *trace = (struct trace){ .damaged = false };
    if (frame == NULL || !flow_table_begin(&trace->table, &want->keep)) {
        snprintf(trace->why, sizeof trace->why, "no memory");
        free(frame);
        return false;
    }
    if (want->second != NULL) {
        free(frame);
        return trace_merge(trace, want);
    }
    struct capture_file *file = capture_open(want->path, trace->why);
    if (file == NULL) {
        free(frame);
        return false;
    }
    trace_progress_begin(&progress, want->progress);
    while ((result = capture_next(file, frame, trace->why)) == CAPTURE_FRAME) {
        struct packet packet;
        packet_dissect(frame, &packet);
        (void)flow_table_add(&trace->table, frame, &packet, NULL);
        trace->other_links += packet.kind == PACKET_OTHER && packet.ethertype == 0;
        trace_progress(&progress, file);
    }
    trace_progress_end(&progress);
    flow_table_finish(&trace->table);
    trace->damaged = result == CAPTURE_DAMAGED;
    trace->about = *capture_about(file);
    capture_close(file);
    free(frame);
    return true;
}

void trace_free(struct trace *trace)
{
    flow_table_free(&trace->table);
}
