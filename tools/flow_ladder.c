/* SPDX-License-Identifier: MIT */
#include "flow_ladder.h"

#include "socket_text.h"

#include <errno.h>
#include <stdlib.h>

/* Both rings are read; each has its records in the order of time. */
struct gathering {
    uint32_t conn;
    struct weir_record record[FLOW_LADDER_MAX];
    unsigned count; /* of all that were added; the last FLOW_LADDER_MAX are kept */
};

static bool add(void *user, const struct facts_event *event)
{
    struct gathering *gathering = user;
    const struct weir_record *record = &event->record;
    if (record->conn != gathering->conn)
        return true;
    gathering->record[gathering->count++ % FLOW_LADDER_MAX] = *record;
    return true;
}

static unsigned kept(const struct gathering *gathering)
{
    return gathering->count < FLOW_LADDER_MAX ? gathering->count : FLOW_LADDER_MAX;
}

static const struct weir_record *at(const struct gathering *gathering, unsigned i)
{
    const unsigned first = gathering->count - kept(gathering);
    return &gathering->record[(first + i) % FLOW_LADDER_MAX];
}

/* A place that was another connection's before: what is older than its birth is not ours. */
static weir_time birth(const struct gathering *story)
{
    weir_time born = 0;
    for (unsigned i = 0; i < kept(story); i++) {
        const struct weir_record *record = at(story, i);
        if (record->type == WEIR_REC_STATE &&
            (record->code == WEIR_CAUSE_OPEN || record->code == WEIR_CAUSE_PASSIVE))
            born = record->when;
    }
    return born;
}

static void draw_segment(struct ladder *ladder, const struct weir_record *record, unsigned state)
{
    const bool in = record->type == WEIR_REC_SEG_IN;
    struct ladder_segment segment = ladder_recorded(record);
    if (!in)
        segment.why = weir_why_text(record->code);
    else if (record->code != 0)
        segment.why = weir_drop_text(record->code);
    segment.state[0] = in ? state : LADDER_NONE;
    segment.sender_state = in ? LADDER_NONE : state;
    ladder_segment(ladder, &segment);
}

/* What is no segment, in words; false for what a segment's line says already. */
static bool draw_event(struct ladder *ladder, const struct weir_record *record)
{
    char text[96];
    switch (record->type) {
    case WEIR_REC_STATE:
        snprintf(text, sizeof text, "%s: %s", weir_state_text(record->extra),
                 weir_cause_text(record->code));
        break;
    case WEIR_REC_DROP:
        snprintf(text, sizeof text, "dropped: %s", weir_drop_text(record->code));
        break;
    case WEIR_REC_TIMER:
        snprintf(text, sizeof text, "timer: %s, back-off %u", weir_timer_text(record->code),
                 record->value);
        break;
    case WEIR_REC_RECOVERY:
        snprintf(text, sizeof text, "%s recovery, cwnd %u",
                 record->flags != 0 ? "enters" : "leaves", record->value);
        break;
    case WEIR_REC_WINDOW:
        snprintf(text, sizeof text, "peer's window %s",
                 record->flags != 0 ? "has closed" : "is open again");
        break;
    case WEIR_REC_ERROR:
        snprintf(text, sizeof text, "the program is told: %s",
                 weir_error_text((enum weir_error)record->code));
        break;
    default:
        return false;
    }
    const bool state = record->type == WEIR_REC_STATE;
    ladder_note(ladder, record->when, text, state ? record->extra : LADDER_NONE, LADDER_NONE);
    return true;
}

static unsigned draw(struct ladder *ladder, const struct gathering *flow,
                     const struct gathering *story)
{
    const weir_time born = birth(story);
    unsigned drawn = 0, state = LADDER_NONE;
    for (unsigned f = 0, s = 0; f < kept(flow) || s < kept(story);) {
        /* A state that a segment caused is drawn after it. */
        const bool take_flow =
            f < kept(flow) && (s >= kept(story) || at(flow, f)->when <= at(story, s)->when);
        const struct weir_record *record = take_flow ? at(flow, f++) : at(story, s++);
        if (record->when < born)
            continue;
        if (record->type == WEIR_REC_STATE)
            state = record->extra;
        if (record->type == WEIR_REC_SEG_IN || record->type == WEIR_REC_SEG_OUT) {
            draw_segment(ladder, record, state);
            drawn++;
        } else if (draw_event(ladder, record)) {
            drawn++;
        }
    }
    return drawn;
}

int flow_ladder(FILE *out, const struct ladder_style *style, const struct facts_flow *flow,
                const struct stack_instance *instance)
{
    struct gathering *both = calloc(2, sizeof *both);
    char left[160], right[160], host[SOCKET_HOST_MAX];
    uint64_t cursor = 0;
    if (both == NULL)
        return -ENOMEM;
    both[0].conn = both[1].conn = (uint32_t)flow->id;
    int error = stack_events(instance, WEIR_TRACE_FLOW, &cursor, add, &both[0]);
    cursor = 0;
    if (error == 0)
        error = stack_events(instance, WEIR_TRACE_STORY, &cursor, add, &both[1]);
    if (error == 0) {
        struct ladder ladder = { .out = NULL };
        snprintf(left, sizeof left, "%s:%u", socket_host_ss(flow, &flow->local, host),
                 flow->local.port);
        snprintf(right, sizeof right, "%s:%u", socket_host_ss(flow, &flow->remote, host),
                 flow->remote.port);
        ladder_begin(&ladder, out, style, left, right);
        if (flow->quality[FACTS_SEQUENCE] != FACTS_UNKNOWN) {
            ladder.has_first[0] = ladder.has_first[1] = true;
            ladder.first[0] = flow->iss;
            ladder.first[1] = flow->irs;
        }
        if (draw(&ladder, &both[0], &both[1]) == 0)
            error = -ENODATA;
    }
    free(both);
    return error;
}
