/* SPDX-License-Identifier: MIT */
#include "ladder.h"

#include <string.h>

/* A line is: time, left state, lifeline, what lies between, lifeline, right state.
 *
 *      0.113 SYN-SENT     |  SYN seq 0 win 65535                   syn  | LISTEN
 *                         |------------------------------------------->| SYN-RECEIVED
 */
#define TIME_WIDTH  9
#define STATE_WIDTH 12 /* "SYN-RECEIVED", "ESTABLISHED " */
#define FIXED       (TIME_WIDTH + 1 + STATE_WIDTH + 1 + 1 + 1 + 1 + STATE_WIDTH)
#define COLUMNS_MAX 160
#define BETWEEN_MAX (COLUMNS_MAX - FIXED)
#define LABEL_MAX   160
#define LOST_WIDTH  4 /* of the cross, and how far an arrow breaks off before the end */

struct glyphs {
    const char *lifeline, *line, *right, *left, *lost;
};

static const struct glyphs *glyphs(const struct ladder *ladder)
{
    static const struct glyphs ascii = { "|", "-", ">", "<", "X" };
    static const struct glyphs utf8 = { "\u2502", "\u2500", "\u25b6", "\u25c0", "\u2717" };
    return ladder->style.ascii ? &ascii : &utf8;
}

enum colour {
    COLOUR_TIME,
    COLOUR_STATE,
    COLOUR_WHY,
    COLOUR_ARROW,
    COLOUR_LOST,
    COLOUR_PLAIN
};

static void paint(const struct ladder *ladder, enum colour colour)
{
    static const char *const codes[] = {
        [COLOUR_TIME] = "\033[2m",  [COLOUR_STATE] = "\033[1m", [COLOUR_WHY] = "\033[36m",
        [COLOUR_ARROW] = "\033[2m", [COLOUR_LOST] = "\033[31m", [COLOUR_PLAIN] = "\033[0m",
    };
    if (ladder->style.colour)
        fputs(codes[colour], ladder->out);
}

static unsigned between(const struct ladder *ladder)
{
    return ladder->style.columns - FIXED;
}

static bool is_wide(const struct ladder *ladder)
{
    return ladder->style.columns >= LADDER_WIDE;
}

/* ---- The parts of a line ---- */

static void put_time(const struct ladder *ladder, weir_time when)
{
    if (when == WEIR_NEVER) {
        fprintf(ladder->out, "%*s ", TIME_WIDTH, "");
        return;
    }
    const weir_time us = (when - ladder->began) / WEIR_US;
    paint(ladder, COLOUR_TIME);
    fprintf(ladder->out, "%*lld.%03lld ", TIME_WIDTH - 4, (long long)(us / 1000),
            (long long)(us % 1000));
    paint(ladder, COLOUR_PLAIN);
}

/* The left state and its lifeline. A state is written where it changes, and only there. */
static void put_left(struct ladder *ladder, unsigned state)
{
    const bool changed = state != LADDER_NONE && state != ladder->state[0];
    if (changed)
        ladder->state[0] = state;
    paint(ladder, COLOUR_STATE);
    fprintf(ladder->out, "%-*s ", STATE_WIDTH, changed ? weir_state_text(state) : "");
    paint(ladder, COLOUR_PLAIN);
    fputs(glyphs(ladder)->lifeline, ladder->out);
}

static void put_right(struct ladder *ladder, unsigned state)
{
    const bool changed = state != LADDER_NONE && state != ladder->state[1];
    fputs(glyphs(ladder)->lifeline, ladder->out);
    if (changed) {
        ladder->state[1] = state;
        paint(ladder, COLOUR_STATE);
        fprintf(ladder->out, " %s", weir_state_text(state));
        paint(ladder, COLOUR_PLAIN);
    }
    fputc('\n', ladder->out);
}

static void put_line(const struct ladder *ladder, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fputs(glyphs(ladder)->line, ladder->out);
}

/* The head of an arrow; of one that breaks off, a cross and the way that was not made. */
static void put_head(const struct ladder *ladder, bool leftward, bool lost)
{
    const struct glyphs *glyph = glyphs(ladder);
    if (!lost) {
        fputs(leftward ? glyph->left : glyph->right, ladder->out);
        return;
    }
    if (leftward)
        fprintf(ladder->out, "%*s", LOST_WIDTH - 1, "");
    paint(ladder, COLOUR_LOST);
    fputs(glyph->lost, ladder->out);
    paint(ladder, COLOUR_PLAIN);
    if (!leftward)
        fprintf(ladder->out, "%*s", LOST_WIDTH - 1, "");
    paint(ladder, COLOUR_ARROW);
}

static void put_arrow(const struct ladder *ladder, bool leftward, bool lost)
{
    paint(ladder, COLOUR_ARROW);
    if (leftward)
        put_head(ladder, leftward, lost);
    put_line(ladder, between(ladder) - (lost ? LOST_WIDTH : 1));
    if (!leftward)
        put_head(ladder, leftward, lost);
    paint(ladder, COLOUR_PLAIN);
}

/* Words to the left, the reason to the right; what is too long is cut. */
static void put_words(const struct ladder *ladder, const char *label, const char *why)
{
    const unsigned room = between(ladder) - 2;
    const unsigned why_len = (unsigned)strnlen(why, room / 2);
    const unsigned label_room = room - why_len - (why_len > 0 ? 1 : 0);
    fprintf(ladder->out, " %-*.*s", (int)label_room, (int)label_room, label);
    if (why_len > 0) {
        paint(ladder, COLOUR_WHY);
        fprintf(ladder->out, " %.*s", (int)why_len, why);
        paint(ladder, COLOUR_PLAIN);
    }
    fputc(' ', ladder->out);
}

/* The same inside an arrow: "-- label ---------- why -->" */
static void put_arrow_words(const struct ladder *ladder, const struct ladder_segment *segment,
                            const char *label)
{
    const bool leftward = segment->leftward;
    const char *why = segment->why;
    /* Strokes: two before the words, two behind, and the head. Spaces: two around each word. */
    const unsigned room = between(ladder) - 5 - 2 - 2 - (segment->lost ? LOST_WIDTH - 1 : 0);
    const unsigned label_len = (unsigned)strnlen(label, room);
    const unsigned why_len = (unsigned)strnlen(why, room - label_len);
    const unsigned rest = room - label_len - why_len + (why_len > 0 ? 0 : 2);
    paint(ladder, COLOUR_ARROW);
    if (leftward)
        put_head(ladder, leftward, segment->lost);
    put_line(ladder, 2);
    paint(ladder, COLOUR_PLAIN);
    fprintf(ladder->out, " %.*s ", (int)label_len, label);
    paint(ladder, COLOUR_ARROW);
    put_line(ladder, rest);
    paint(ladder, COLOUR_WHY);
    if (why_len > 0)
        fprintf(ladder->out, " %.*s ", (int)why_len, why);
    paint(ladder, COLOUR_ARROW);
    put_line(ladder, 2);
    if (!leftward)
        put_head(ladder, leftward, segment->lost);
    paint(ladder, COLOUR_PLAIN);
}

/* ---- What is drawn ---- */

static void begin_time(struct ladder *ladder, weir_time when)
{
    if (!ladder->begun)
        ladder->began = when;
    ladder->begun = true;
}

void ladder_begin(struct ladder *ladder, FILE *out, const struct ladder_style *style,
                  const char *left, const char *right)
{
    *ladder = (struct ladder){ .out = out, .style = *style };
    ladder->state[0] = ladder->state[1] = LADDER_NONE;
    if (ladder->style.columns < LADDER_NARROW)
        ladder->style.columns = LADDER_NARROW;
    if (ladder->style.columns > COLUMNS_MAX)
        ladder->style.columns = COLUMNS_MAX;

    const int width = (int)between(ladder);
    const int left_len = (int)strnlen(left, (size_t)width / 2 - 1);
    fprintf(out, "%*s %-*s ", TIME_WIDTH, "ms", STATE_WIDTH, "state");
    fprintf(out, "%.*s%*.*s state\n", left_len, left, width + 2 - left_len, width / 2 - 1, right);
}

char *ladder_flags(uint8_t flags, char text[LADDER_FLAGS_MAX])
{
    /* SYN and FIN first: they are what a reader looks for. */
    static const struct {
        uint8_t bit;
        const char *name;
    } names[] = {
        { 0x02, "SYN" }, { 0x01, "FIN" }, { 0x04, "RST" }, { 0x10, "ACK" },
        { 0x08, "PSH" }, { 0x20, "URG" }, { 0x40, "ECE" }, { 0x80, "CWR" },
    };
    text[0] = '\0';
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((flags & names[i].bit) == 0)
            continue;
        if (text[0] != '\0')
            strcat(text, ",");
        strcat(text, names[i].name);
    }
    if (text[0] == '\0')
        strcpy(text, "-");
    return text;
}

static void segment_label(struct ladder *ladder, const struct ladder_segment *segment,
                          char label[LABEL_MAX])
{
    char flags[LADDER_FLAGS_MAX];
    const unsigned sender = segment->leftward ? 1 : 0;
    if (!ladder->has_first[sender]) {
        ladder->has_first[sender] = true;
        ladder->first[sender] = segment->seq;
    }
    int len = snprintf(label, LABEL_MAX, "%s seq %u", ladder_flags(segment->flags, flags),
                       segment->seq - ladder->first[sender]);
    if ((segment->flags & 0x10) != 0)
        len += snprintf(label + len, LABEL_MAX - (size_t)len, " ack %u",
                        segment->ack - ladder->first[!sender]);
    if (segment->len > 0)
        len += snprintf(label + len, LABEL_MAX - (size_t)len, " len %u", segment->len);
    if (is_wide(ladder))
        snprintf(label + len, LABEL_MAX - (size_t)len, " win %u", segment->window);
}

void ladder_segment(struct ladder *ladder, const struct ladder_segment *segment)
{
    char label[LABEL_MAX];
    begin_time(ladder, segment->when);
    segment_label(ladder, segment, label);
    const unsigned left = segment->state[0], right = segment->state[1];
    if (is_wide(ladder)) {
        put_time(ladder, segment->when);
        put_left(ladder, left);
        put_arrow_words(ladder, segment, label);
        put_right(ladder, right);
        return;
    }
    /* Above the arrow stands the sender's state when the segment left, beside the arrow what both
     * have become when it has arrived. */
    put_time(ladder, segment->when);
    put_left(ladder, segment->leftward ? LADDER_NONE : segment->sender_state);
    put_words(ladder, label, segment->why);
    put_right(ladder, segment->leftward ? segment->sender_state : LADDER_NONE);
    put_time(ladder, WEIR_NEVER);
    put_left(ladder, left);
    put_arrow(ladder, segment->leftward, segment->lost);
    put_right(ladder, right);
}

void ladder_note(struct ladder *ladder, weir_time when, const char *text, unsigned left,
                 unsigned right)
{
    if (when != WEIR_NEVER)
        begin_time(ladder, when);
    put_time(ladder, when);
    put_left(ladder, left);
    put_words(ladder, text, "");
    put_right(ladder, right);
}

struct ladder_segment ladder_recorded(const struct weir_record *record)
{
    return (struct ladder_segment){
        .when = record->when,
        .leftward = record->type == WEIR_REC_SEG_IN,
        .flags = record->flags,
        .seq = record->seq,
        .ack = record->ack,
        .len = record->value,
        .window = record->window,
        .why = "",
        .state = { LADDER_NONE, LADDER_NONE },
        .sender_state = LADDER_NONE,
    };
}
