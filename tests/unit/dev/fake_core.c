/* SPDX-License-Identifier: MIT */
#include "fake_core.h"

#include <string.h>

static void note_call(struct weir *weir, char call)
{
    const size_t len = strlen(weir->order);
    if (len + 1 < sizeof weir->order && (len == 0 || weir->order[len - 1] != call))
        weir->order[len] = call;
}

void fake_reset(struct weir *weir)
{
    memset(weir, 0, sizeof *weir);
    weir->deadline = weir->deadline_next = WEIR_NEVER;
}

void fake_put_out(struct weir *weir, const void *octets, size_t len)
{
    struct weir_out *out = &weir->out[weir->out_count++];
    memset(out, 0, sizeof *out);
    memcpy(out->head, octets, len);
    out->head_len = (uint16_t)len;
}

void fake_record(struct weir *weir, enum weir_trace_ring ring, struct weir_record record)
{
    weir->ring[ring].record[weir->ring[ring].count++] = record;
}

bool weir_landing(struct weir *weir, unsigned iface, struct weir_landing *landing)
{
    (void)iface;
    if (weir->landing == NULL)
        return false;
    *landing = *weir->landing;
    return true;
}

void weir_input(struct weir *weir, unsigned iface, const struct weir_frame *frames, size_t count,
                weir_time now)
{
    (void)iface;
    (void)now;
    note_call(weir, 'i');
    weir->in_calls++;
    for (size_t i = 0; i < count; i++) {
        if (weir->on_frame != NULL)
            weir->on_frame(weir, &frames[i]);
        if (weir->in_count == FAKE_FRAMES_MAX)
            continue;
        const size_t len = frames[i].len < 64 ? frames[i].len : 64;
        memcpy(weir->in_octets[weir->in_count], frames[i].data, len);
        weir->in[weir->in_count++] = frames[i];
    }
}

size_t weir_output(struct weir *weir, unsigned iface, struct weir_out *out, size_t count,
                   weir_time now)
{
    (void)iface;
    (void)now;
    size_t given = 0;
    note_call(weir, 'o');
    weir->out_calls++;
    while (given < count && weir->out_at < weir->out_count)
        out[given++] = weir->out[weir->out_at++];
    return given;
}

weir_time weir_deadline(const struct weir *weir)
{
    return weir->deadline;
}

void weir_timeout(struct weir *weir, weir_time now)
{
    note_call(weir, 't');
    weir->timeouts++;
    weir->timeout_at = now;
    weir->deadline = weir->deadline_next;
}

bool weir_next_event(struct weir *weir, struct weir_event *event)
{
    note_call(weir, 'e');
    if (weir->event_at == weir->event_count)
        return false;
    *event = weir->event[weir->event_at++];
    return true;
}

enum weir_error weir_status(const struct weir *weir, weir_handle handle, struct weir_status *status)
{
    if (handle == WEIR_NO_HANDLE)
        return WEIR_BAD_HANDLE;
    memset(status, 0, sizeof *status);
    status->state = weir->state;
    return WEIR_OK;
}

unsigned weir_trace_read(const struct weir *weir, enum weir_trace_ring ring, uint64_t *cursor,
                         struct weir_record *out, unsigned count, uint64_t *lost)
{
    unsigned given = 0;
    if (lost != NULL)
        *lost = 0;
    while (given < count && *cursor < weir->ring[ring].count)
        out[given++] = weir->ring[ring].record[(*cursor)++];
    return given;
}

#define TEXT(name, text) text,
static const char *const states[] = { WEIR_STATES(TEXT) };
static const char *const whys[] = { WEIR_WHYS(TEXT) };
static const char *const causes[] = { WEIR_CAUSES(TEXT) };
static const char *const drops[] = { WEIR_DROPS(TEXT) };

const char *weir_state_text(unsigned state)
{
    return state < WEIR_STATE_COUNT ? states[state] : "?";
}

const char *weir_why_text(unsigned why)
{
    return why < WEIR_WHY_COUNT ? whys[why] : "?";
}

const char *weir_cause_text(unsigned cause)
{
    return cause < WEIR_CAUSE_COUNT ? causes[cause] : "?";
}

const char *weir_drop_text(unsigned drop)
{
    return drop < WEIR_DROP_COUNT ? drops[drop] : "?";
}
