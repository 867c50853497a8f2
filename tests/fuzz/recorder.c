/* SPDX-License-Identifier: MIT */
#include "doctor/recorder.h"

#include "fuzz/law.h"

/* Records of whatever content, half of them in each ring, with one connection that was seen: each
 * segment is drawn once or counted as nameless, and memory is given back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct flow_keep keep = { .all = true };
    struct recorder recorder = { .epoch = 1 };
    struct flow_table table;
    uint64_t segments = 0, drawn = 0;
    const size_t count = size / sizeof(struct weir_record);
    for (unsigned i = 0; i < 2; i++) {
        struct recorder_ring *ring = &recorder.ring[i];
        ring->count = ring->room = i == 0 ? count / 2 : count - count / 2;
        ring->record = malloc((ring->count + 1) * sizeof *ring->record);
        LAW(ring->record != NULL);
        memcpy(ring->record, data + (i == 0 ? 0 : count / 2 * sizeof *ring->record),
               ring->count * sizeof *ring->record);
        /* Times that no clock shows are not what this is about. */
        for (size_t k = 0; k < ring->count; k++)
            ring->record[k].when &= INT64_MAX >> 8;
    }
    const struct recorder_ring *flow = &recorder.ring[WEIR_TRACE_FLOW];
    for (size_t i = 0; i < flow->count; i++)
        segments +=
            flow->record[i].type == WEIR_REC_SEG_IN || flow->record[i].type == WEIR_REC_SEG_OUT;
    recorder.newest_count = 4;
    recorder.seen_count = recorder.seen_room = 1;
    recorder.seen = calloc(1, sizeof *recorder.seen);
    recorder.newest = calloc(4, sizeof *recorder.newest);
    LAW(recorder.seen != NULL && recorder.newest != NULL && flow_table_begin(&table, &keep));
    recorder.seen[0].conn = size > 0 ? data[size - 1] & 7 : 0;
    LAW(recorder_flows(&recorder, &table));
    for (size_t i = 0; i < table.count; i++)
        drawn += table.flows[i]->packets;
    LAW(drawn + recorder.nameless + recorder.twice + table.not_followed == segments);
    flow_table_free(&table);
    recorder_free(&recorder);
    return 0;
}
