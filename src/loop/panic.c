/* SPDX-License-Identifier: MIT */
#include "weir/loop.h"
#include "weir/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define RECORDS_SHOWN 32

#define LINE_MAX 256

static const struct weir *watched;

/* syscall: writev */

/* Not stdio: the one call that weird's sandbox leaves for it. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[LINE_MAX];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    const struct iovec iov = { line, len < LINE_MAX ? (size_t)len : LINE_MAX - 1 };
    (void)!writev(STDERR_FILENO, &iov, 1);
}

void weir_panic_watch(const struct weir *weir)
{
    watched = weir;
}

static void print_record(const struct weir_record *record)
{
    say("  %" PRId64 " ns conn %d type %u flags %02x code %u seq %u ack %u value %u extra %u",
        record->when, (int)record->conn, record->type, record->flags, record->code, record->seq,
        record->ack, record->value, record->extra);
    if (record->type == WEIR_REC_DROP)
        say("  drop: %s", weir_drop_text(record->code));
    if (record->type == WEIR_REC_STATE)
        say("  %s -> %s: %s", weir_state_text(record->flags), weir_state_text(record->extra),
            weir_cause_text(record->code));
    say("\n");
}

/* The end of the story: reading goes on from the oldest record, keeping the last in a ring. */
static void print_story(const struct weir *weir)
{
    struct weir_record last[RECORDS_SHOWN];
    uint64_t cursor = 0;
    unsigned count = 0;
    while (weir_trace_read(weir, WEIR_TRACE_STORY, &cursor, &last[count % RECORDS_SHOWN], 1,
                           NULL) == 1)
        count++;
    const unsigned shown = count < RECORDS_SHOWN ? count : RECORDS_SHOWN;
    say("weir: the last %u of %u records of its story:\n", shown, count);
    for (unsigned i = count - shown; i < count; i++)
        print_record(&last[i % RECORDS_SHOWN]);
}

_Noreturn void weir_panic(const char *file, int line, const char *what)
{
    say("weir: %s:%d: does not hold: %s\n", file, line, what);
    const struct weir *weir = watched;
    watched = NULL; /* if the records cannot be read either, the second panic says only so */
    if (weir != NULL)
        print_story(weir);
    abort();
}
