/* SPDX-License-Identifier: MIT */
#include "trace/trace.h"

#include "tap.h"

#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FLOW  16
#define STORY 8

static void begin(struct trace *trace, void *memory, size_t size)
{
    struct arena arena = { .base = memory, .size = size };
    memset(trace, 0xa5, sizeof *trace);
    trace_init(trace, &arena, FLOW, STORY);
}

static void sizes(void)
{
    static _Alignas(64) uint8_t memory[(FLOW + STORY) * sizeof(struct weir_record)];
    struct arena count = { .base = NULL };
    struct trace trace;
    memset(&trace, 0x5a, sizeof trace);
    const struct trace before = trace;
    trace_init(&trace, &count, FLOW, STORY);
    CHECK(count.used == sizeof memory, "a ring of 16 and one of 8 records are 768 octets");
    CHECK(memcmp(&before, &trace, sizeof trace) == 0, "counting touches nothing");
    CHECK(sizeof(struct weir_record) == 32, "a record is 32 octets");

    begin(&trace, memory, sizeof memory);
    bool zero = trace.ring[0].head == 0 && trace.ring[1].head == 0;
    for (unsigned drop = 0; drop < WEIR_DROP_COUNT; drop++)
        zero &= trace.drops[drop] == 0;
    CHECK(zero && trace.count.frames_in == 0, "all counters begin at 0");
    CHECK(trace.ring[WEIR_TRACE_FLOW].mask == FLOW - 1 &&
              trace.ring[WEIR_TRACE_STORY].mask == STORY - 1,
          "each ring has its size");
}

static void records(void)
{
    static _Alignas(64) uint8_t memory[1024];
    struct trace trace;
    struct weir_record out[4];
    uint64_t cursor = 0, lost = 99;
    begin(&trace, memory, sizeof memory);
    CHECK(trace_read(&trace, WEIR_TRACE_STORY, &cursor, out, 4, &lost) == 0 && lost == 0 &&
              cursor == 0,
          "nothing to read at first");
    trace_story(&trace, &(struct weir_record){ .when = 5,
                                               .type = WEIR_REC_STATE,
                                               .conn = 3,
                                               .flags = 1,
                                               .code = WEIR_CAUSE_RCV_FIN,
                                               .seq = 10,
                                               .ack = 11,
                                               .value = 12,
                                               .extra = 13 });
    trace_drop(
        &trace, 6, WEIR_DROP_PAWS,
        &(struct weir_record){ .conn = 4, .flags = 0x10, .seq = 20, .ack = 21, .value = 22 });
    CHECK(trace.drops[WEIR_DROP_PAWS] == 1, "a drop is counted under its reason");
    CHECK(trace_read(&trace, WEIR_TRACE_FLOW, &cursor, out, 4, NULL) == 0,
          "none of it is in the other ring");
    const unsigned count = trace_read(&trace, WEIR_TRACE_STORY, &cursor, out, 4, &lost);
    CHECK(count == 2 && cursor == 2 && lost == 0, "both are read, and the cursor stands behind");
    CHECK(out[0].when == 5 && out[0].type == WEIR_REC_STATE && out[0].conn == 3 &&
              out[0].flags == 1 && out[0].code == WEIR_CAUSE_RCV_FIN && out[0].seq == 10 &&
              out[0].ack == 11 && out[0].value == 12 && out[0].extra == 13 && out[0].window == 0,
          "a record of the story has every field");
    CHECK(out[1].when == 6 && out[1].type == WEIR_REC_DROP && out[1].conn == 4 &&
              out[1].flags == 0x10 && out[1].code == WEIR_DROP_PAWS && out[1].seq == 20 &&
              out[1].ack == 21 && out[1].value == 22 && out[1].extra == 0,
          "and so has a drop");
    CHECK(trace_read(&trace, WEIR_TRACE_STORY, &cursor, out, 4, &lost) == 0 && cursor == 2,
          "nothing is read twice");
}

static void write_flow(struct trace *trace, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < from + count; i++) {
        *trace_slot(trace, WEIR_TRACE_FLOW) = (struct weir_record){ .seq = i };
        trace_publish(trace, WEIR_TRACE_FLOW);
    }
}

static void overtaken(void)
{
    static _Alignas(64) uint8_t memory[1024];
    struct trace trace;
    struct weir_record out[FLOW * 2];
    uint64_t cursor = 0, lost = 0;
    begin(&trace, memory, sizeof memory);

    trace_story(&trace, &(struct weir_record){ .when = 1, .type = WEIR_REC_STATE, .seq = 77 });
    write_flow(&trace, 0, 100);
    CHECK(trace_read(&trace, WEIR_TRACE_STORY, &cursor, out, 4, &lost) == 1 && out[0].seq == 77,
          "bulk in the flow leaves the story alone");

    cursor = 0;
    unsigned count = trace_read(&trace, WEIR_TRACE_FLOW, &cursor, out, FLOW * 2, &lost);
    CHECK(count == FLOW - 1 && out[0].seq == 85 && out[14].seq == 99 && cursor == 100,
          "the last 15 of 100 are kept");
    CHECK(lost == 85, "and the reader is told that 85 are lost");

    write_flow(&trace, 100, 10);
    count = trace_read(&trace, WEIR_TRACE_FLOW, &cursor, out, 3, &lost);
    CHECK(count == 3 && out[0].seq == 100 && out[2].seq == 102 && lost == 0,
          "a reader that keeps up loses nothing");
    write_flow(&trace, 110, 12);
    count = trace_read(&trace, WEIR_TRACE_FLOW, &cursor, out, FLOW, &lost);
    CHECK(count == 15 && out[0].seq == 107 && lost == 4, "one that was overtaken loses only that");

    cursor = 1000;
    count = trace_read(&trace, WEIR_TRACE_FLOW, &cursor, out, FLOW, &lost);
    CHECK(count == 0 && cursor == 122 && lost == 0, "a cursor from the future goes to the end");
    cursor = 0;
    CHECK(trace_read(&trace, WEIR_TRACE_FLOW, &cursor, out, 0, &lost) == 0 && cursor == 107,
          "no room, no records");
}

/* A writer that never waits and a reader on another thread: every record that is handed out is
 * whole and in its place. The reader takes the whole ring at a time, so that the writer runs over
 * it in nearly every copy. */
#define RACE_RECORDS 20000000u
#define RACE_FLOW    4096

static struct trace race;

static void *race_writer(void *unused)
{
    for (uint32_t i = 0; i < RACE_RECORDS; i++) {
        *trace_slot(&race, WEIR_TRACE_FLOW) = (struct weir_record){
            .when = i, .conn = i, .seq = i, .ack = ~i, .value = i, .extra = (uint16_t)i
        };
        trace_publish(&race, WEIR_TRACE_FLOW);
    }
    return unused;
}

static bool whole(const struct weir_record *record, uint32_t number)
{
    return record->when == number && record->conn == number && record->seq == number &&
           record->ack == ~number && record->value == number && record->extra == (uint16_t)number;
}

static void threads(void)
{
    static _Alignas(64) uint8_t memory[(RACE_FLOW + STORY) * sizeof(struct weir_record)];
    static struct weir_record out[RACE_FLOW];
    struct arena arena = { .base = memory, .size = sizeof memory };
    trace_init(&race, &arena, RACE_FLOW, STORY);
    pthread_t thread;
    if (pthread_create(&thread, NULL, race_writer, NULL) != 0) {
        CHECK(false, "a thread can be made");
        return;
    }
    uint64_t cursor = 0, got = 0, lost_all = 0, torn = 0;
    while (cursor < RACE_RECORDS) {
        uint64_t lost;
        const unsigned count = trace_read(&race, WEIR_TRACE_FLOW, &cursor, out, RACE_FLOW, &lost);
        for (unsigned i = 0; i < count; i++)
            torn += !whole(&out[i], (uint32_t)(cursor - count + i));
        got += count;
        lost_all += lost;
    }
    pthread_join(thread, NULL);
    CHECK(torn == 0, "no record is torn while another thread writes");
    CHECK(got + lost_all == RACE_RECORDS, "each of %u records is read or reported lost",
          RACE_RECORDS);
}

/* The same, made to happen: the second page that the reader copies to cannot be written, and the
 * fault is the writer's turn. */
static struct trace faulted;
static uint8_t *fault_page;
static uint32_t fault_writes;

static void fault(int signal)
{
    (void)signal;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (mprotect(fault_page, page, PROT_READ | PROT_WRITE) != 0)
        abort();
    write_flow(&faulted, (uint32_t)faulted.ring[WEIR_TRACE_FLOW].head, fault_writes);
}

/* Reads a ring of `flow` records, two pages of them, while `writes` are written half-way. */
static void overtaken_within(uint32_t flow, uint32_t writes)
{
    const size_t size = flow * sizeof(struct weir_record);
    struct arena arena = { .base = aligned_alloc(64, size + 1024), .size = size + 1024 };
    struct weir_record *out =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena.base == NULL || out == MAP_FAILED)
        abort();
    trace_init(&faulted, &arena, flow, STORY);
    write_flow(&faulted, 0, flow * 3);
    fault_page = (uint8_t *)out + size / 2;
    fault_writes = writes;
    mprotect(fault_page, size / 2, PROT_NONE);

    uint64_t cursor = flow * 2 + 1, lost;
    const unsigned count = trace_read(&faulted, WEIR_TRACE_FLOW, &cursor, out, flow, &lost);
    const uint32_t gone = writes < flow - 1 ? writes : flow - 1;
    bool whole_records = true;
    for (unsigned i = 0; i < count; i++)
        whole_records &= out[i].seq == flow * 2 + 1 + gone + i;
    CHECK(faulted.ring[WEIR_TRACE_FLOW].head == flow * 3 + writes, "the reader was interrupted");
    CHECK(count == flow - 1 - gone && whole_records && lost == gone && cursor == flow * 3,
          "of %u records, %u overwritten while they were copied are not handed out", flow - 1,
          gone);
    free(arena.base);
    munmap(out, size);
}

static void overtaken_in_the_middle(void)
{
    const uint32_t half = (uint32_t)((size_t)sysconf(_SC_PAGESIZE) / sizeof(struct weir_record));
    const struct sigaction action = { .sa_handler = fault };
    struct sigaction before;
    sigaction(SIGSEGV, &action, &before);
    overtaken_within(half * 2, 0);
    overtaken_within(half * 2, 1);
    overtaken_within(half * 2, half / 2);
    overtaken_within(half * 2, half + half / 2);
    overtaken_within(half * 2, half * 2 - 1);
    overtaken_within(half * 2, half * 9);
    sigaction(SIGSEGV, &before, NULL);
}

static void names(void)
{
#define X(name, text) #name,
    static const char *const drops[] = { WEIR_DROPS(X) };
#undef X
    bool holds = true;
    for (unsigned i = 0; i < WEIR_DROP_COUNT; i++) {
        const char *name = weir_drop_name(i);
        holds &= strlen(name) == strlen(drops[i]);
        for (size_t k = 0; holds && name[k] != '\0'; k++)
            holds &= name[k] == tolower((unsigned char)drops[i][k]);
    }
    CHECK(holds, "every drop reason has its name in lower case");
    CHECK(strcmp(weir_drop_name(WEIR_DROP_RST_INEXACT), "rst_inexact") == 0 &&
              strcmp(weir_drop_text(WEIR_DROP_RST_INEXACT), "reset that misses rcv.nxt") == 0 &&
              strcmp(weir_state_text(WEIR_FIN_WAIT_1), "FIN-WAIT-1") == 0 &&
              strcmp(weir_why_text(WEIR_WHY_PROBE), "window probe") == 0 &&
              strcmp(weir_cause_text(WEIR_CAUSE_UNREAD), "closed with unread data") == 0 &&
              strcmp(weir_wait_text(WEIR_WAIT_CWND), "congestion window") == 0 &&
              strcmp(weir_timer_text(WEIR_TIMER_DELACK), "delayed ack") == 0,
          "one of each");

    static const struct {
        const char *(*text)(unsigned);
        unsigned count;
    } tables[] = {
        { weir_state_text, WEIR_STATE_COUNT }, { weir_why_text, WEIR_WHY_COUNT },
        { weir_cause_text, WEIR_CAUSE_COUNT }, { weir_drop_text, WEIR_DROP_COUNT },
        { weir_drop_name, WEIR_DROP_COUNT },   { weir_wait_text, WEIR_WAIT_COUNT },
        { weir_timer_text, WEIR_TIMER_COUNT },
    };
    for (unsigned t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        bool good = strcmp(tables[t].text(tables[t].count), "?") == 0 &&
                    strcmp(tables[t].text(~0u), "?") == 0;
        for (unsigned i = 0; i < tables[t].count; i++) {
            good &= tables[t].text(i)[0] != '\0' && tables[t].text(i)[0] != '?';
            for (unsigned k = 0; k < i; k++)
                good &= strcmp(tables[t].text(i), tables[t].text(k)) != 0;
        }
        CHECK(good, "table %u: a text of its own for each, and \"?\" beyond", t);
    }
}

int main(void)
{
    sizes();
    records();
    overtaken();
    threads();
    overtaken_in_the_middle();
    names();
    return tap_done();
}
