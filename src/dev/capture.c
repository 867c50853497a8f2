/* SPDX-License-Identifier: MIT */

/* A capture: frames on their way, with what the instance's own records say of them.
 *
 * Outgoing frames carry their reason. For an incoming one we note where the trace rings stand, give
 * it to the instance alone, and read what was recorded meanwhile. The records name a connection by
 * number, and say its state only when that changes; so the last state of each is remembered here,
 * from the records and from the frames that leave. */
#include "weir/dev.h"
#include "weir/trace.h"

#include "base/octets.h"
#include "dev/line.h"
#include "dev/pcapng.h"
#include "dev/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_BATCH 64 /* records read at a time */
#define STATES_KEPT \
    4096 /* connections whose state is remembered; two of the same slot forget each other */
#define SENT_KEPT     64 /* at least as many segments as are taken from weir_output at a time */
#define COMMENT_MAX   160
#define LINE_PATH_MAX 80
#define NO_CONN       UINT32_MAX

/* A frame keeps at least its headers, so that what is written means something. */
#define SNAP_MIN 128

struct known_state {
    uint32_t conn;
    uint8_t state; /* WEIR_STATE_COUNT: nothing is known in this slot */
};

/* A segment that an instance recorded as sent, to be found again when its frame comes by. */
struct sent_segment {
    uint32_t conn, seq, ack;
};

struct port {
    struct weir *weir;
    unsigned iface;
    uint64_t flow_at, story_at;          /* cursors of the rings */
    struct known_state *known;           /* STATES_KEPT of them */
    struct sent_segment sent[SENT_KEPT]; /* the last of them, number i at i % SENT_KEPT */
    unsigned sent_count;
};

struct weir_capture {
    struct weir_capture_config config;
    char path[LINE_PATH_MAX]; /* as much of it as a line shows */
    struct pcapng file;
    struct port port[WEIR_CAPTURE_PORTS_MAX];
    unsigned port_count;
    uint64_t frames;
    bool ended;
    uint8_t frame[WEIR_HEAD_MAX + WEIR_FRAME_MAX]; /* a copy of the one being written */
};

/* What the records say of one incoming frame. */
struct verdict {
    uint32_t conn;
    unsigned drop; /* WEIR_DROP_NONE: it was used */
    bool changed;  /* from, to, cause are valid */
    unsigned from, to, cause;
};

/* ---- States ---- */

static struct known_state *known_slot(const struct port *port, uint32_t conn)
{
    return &port->known[conn % STATES_KEPT];
}

static void remember(struct port *port, uint32_t conn, unsigned state)
{
    *known_slot(port, conn) = (struct known_state){ conn, (uint8_t)state };
}

static unsigned recall(const struct port *port, uint32_t conn)
{
    const struct known_state *known = known_slot(port, conn);
    return conn != NO_CONN && known->conn == conn ? known->state : WEIR_STATE_COUNT;
}

/* ---- Records ---- */

static void note_story(struct port *port, const struct weir_record *record, struct verdict *verdict)
{
    if (record->type == WEIR_REC_DROP && verdict->drop == WEIR_DROP_NONE)
        verdict->drop = record->code;
    if (record->type != WEIR_REC_STATE)
        return;
    if (!verdict->changed)
        verdict->from = record->flags;
    verdict->changed = true;
    verdict->to = record->extra;
    verdict->cause = record->code;
    if (record->conn != NO_CONN)
        remember(port, record->conn, record->extra);
}

static void note_flow(struct port *port, const struct weir_record *record, struct verdict *verdict)
{
    if (record->type == WEIR_REC_SEG_OUT && record->conn != NO_CONN)
        port->sent[port->sent_count++ % SENT_KEPT] =
            (struct sent_segment){ record->conn, record->seq, record->ack };
    if (record->type != WEIR_REC_SEG_IN)
        return;
    verdict->conn = record->conn;
    verdict->drop = record->code;
}

/* Reads everything recorded since the last call. */
static struct verdict read_records(struct port *port)
{
    struct verdict verdict = { .conn = NO_CONN };
    struct weir_record record[READ_BATCH];
    unsigned count;
    do {
        count = weir_trace_read(port->weir, WEIR_TRACE_STORY, &port->story_at, record, READ_BATCH,
                                NULL);
        for (unsigned i = 0; i < count; i++)
            note_story(port, &record[i], &verdict);
    } while (count == READ_BATCH);
    do {
        count =
            weir_trace_read(port->weir, WEIR_TRACE_FLOW, &port->flow_at, record, READ_BATCH, NULL);
        for (unsigned i = 0; i < count; i++)
            note_flow(port, &record[i], &verdict);
    } while (count == READ_BATCH);
    return verdict;
}

/* ---- Comments ---- */

static void append_segments(char comment[COMMENT_MAX], unsigned gso_size)
{
    const size_t len = strlen(comment);
    if (gso_size != 0)
        snprintf(comment + len, COMMENT_MAX - len, ", segments of %u", gso_size);
}

static void append_state(char comment[COMMENT_MAX], unsigned state)
{
    const size_t len = strlen(comment);
    if (state < WEIR_STATE_COUNT)
        snprintf(comment + len, COMMENT_MAX - len, " [%s]", weir_state_text(state));
}

static void comment_in(char comment[COMMENT_MAX], const struct port *port,
                       const struct verdict *verdict, unsigned gso_size)
{
    if (verdict->drop == WEIR_DROP_NONE)
        snprintf(comment, COMMENT_MAX, "in: used");
    else
        snprintf(comment, COMMENT_MAX, "in: drop: %s", weir_drop_text(verdict->drop));
    append_segments(comment, gso_size);
    const size_t len = strlen(comment);
    if (verdict->changed)
        snprintf(comment + len, COMMENT_MAX - len, " [%s -> %s: %s]",
                 weir_state_text(verdict->from), weir_state_text(verdict->to),
                 weir_cause_text(verdict->cause));
    else
        append_state(comment, recall(port, verdict->conn));
}

/* Whose segment this is, if its program has let go of the connection, so that it has no handle. */
static uint32_t sender_of(const struct port *port, const struct weir_out *out)
{
    if (out->transport_off == 0 || out->transport_off + 12 > out->head_len)
        return NO_CONN;
    const uint8_t *tcp = out->head + out->transport_off;
    const uint32_t seq = get_u32(tcp + 4), ack = get_u32(tcp + 8);
    for (unsigned i = 0; i < SENT_KEPT && i < port->sent_count; i++)
        if (port->sent[i].seq == seq && port->sent[i].ack == ack)
            return port->sent[i].conn;
    return NO_CONN;
}

static void comment_out(char comment[COMMENT_MAX], struct port *port, const struct weir_out *out)
{
    snprintf(comment, COMMENT_MAX, "out: %s", weir_why_text(out->why));
    append_segments(comment, out->gso_size);
    (void)read_records(port);
    struct weir_status status;
    if (weir_status(port->weir, out->handle, &status) == WEIR_OK) {
        remember(port, (uint32_t)out->handle, status.state);
        append_state(comment, status.state);
    } else {
        append_state(comment, recall(port, sender_of(port, out)));
    }
}

/* ---- Writing ---- */

static void report(const struct weir_capture *capture, const char *what)
{
    char line[WEIR_LINE_MAX];
    snprintf(line, sizeof line, "capture %s: %s; it ends here, the traffic goes on", capture->path,
             what);
    if (capture->config.report != NULL)
        capture->config.report(capture->config.user, line);
    else
        fprintf(stderr, "weir: %s\n", line);
}

/* Says once that the file takes no more, and why. */
static void check_file(struct weir_capture *capture)
{
    if (capture->ended || pcapng_works(&capture->file))
        return;
    capture->ended = true;
    report(capture,
           capture->file.full ? "the file has reached its size" : strerror(capture->file.error));
    pcapng_flush(&capture->file); /* what fitted, if only the size ended it */
}

/* Writes the copy in capture->frame. */
static void write_frame(struct weir_capture *capture, struct pcapng_packet *packet, size_t len,
                        weir_time when)
{
    const uint32_t snap_len = capture->config.snap_len;
    packet->when = (uint64_t)(when + capture->config.epoch);
    packet->data = capture->frame;
    packet->whole_len = (uint32_t)len;
    packet->len = snap_len != 0 && snap_len < len ? snap_len : (uint32_t)len;
    pcapng_packet(&capture->file, packet);
    check_file(capture);
    if (!capture->ended)
        capture->frames++;
}

static void input_one(struct weir_capture *capture, unsigned number, const struct weir_frame *frame,
                      weir_time now)
{
    struct port *port = &capture->port[number];
    const size_t len = frame->len <= sizeof capture->frame ? frame->len : sizeof capture->frame;
    char comment[COMMENT_MAX];
    (void)read_records(port); /* what happened before belongs to no incoming frame */
    weir_input(port->weir, port->iface, frame, 1, now);
    const struct verdict verdict = read_records(port);
    comment_in(comment, port, &verdict, frame->gso_size);

    memcpy(capture->frame, frame->data, len);
    if (frame->csum_ok)
        transport_complete(capture->frame, len);
    struct pcapng_packet packet = { .iface = number, .direction = PCAPNG_IN, .comment = comment };
    write_frame(capture, &packet, len, frame->when);
}

void weir_capture_input(struct weir_capture *capture, unsigned port,
                        const struct weir_frame *frames, size_t count, weir_time now)
{
    size_t i = 0;
    for (; i < count && !capture->ended; i++)
        input_one(capture, port, &frames[i], now);
    if (i < count)
        weir_input(capture->port[port].weir, capture->port[port].iface, frames + i, count - i, now);
}

void weir_capture_output(struct weir_capture *capture, unsigned port, const struct weir_out *out,
                         weir_time now)
{
    if (capture->ended)
        return;
    char comment[COMMENT_MAX];
    const size_t len = weir_out_copy(out, capture->frame, sizeof capture->frame);
    weir_out_complete(out, capture->frame, len);
    comment_out(comment, &capture->port[port], out);
    struct pcapng_packet packet = { .iface = port, .direction = PCAPNG_OUT, .comment = comment };
    write_frame(capture, &packet, len, now);
}

void weir_capture_flush(struct weir_capture *capture)
{
    if (capture->ended)
        return;
    pcapng_flush(&capture->file);
    check_file(capture);
}

/* ---- Birth and death ---- */

int weir_capture_open(struct weir_capture **capture, const struct weir_capture_config *config,
                      char why[WEIR_LINE_MAX])
{
    struct weir_capture *made = calloc(1, sizeof *made);
    if (made == NULL)
        return line_fail(why, -ENOMEM, "capture %.80s: %s", config->path, strerror(ENOMEM));
    made->config = *config;
    made->config.path = NULL; /* it is the caller's */
    snprintf(made->path, sizeof made->path, "%s", config->path);
    if (config->snap_len != 0 && config->snap_len < SNAP_MIN)
        made->config.snap_len = SNAP_MIN;
    const uint64_t octets_max = config->octets_max != 0 ? config->octets_max : UINT64_MAX;
    const int error = pcapng_open(&made->file, config->path, octets_max);
    if (error != 0) {
        free(made);
        return line_fail(why, error, "capture %.80s: %s", config->path, strerror(-error));
    }
    *capture = made;
    return 0;
}

int weir_capture_attach(struct weir_capture *capture, struct weir *weir, unsigned iface,
                        const char *name)
{
    if (capture->port_count == WEIR_CAPTURE_PORTS_MAX)
        return -ENOSPC;
    struct port *port = &capture->port[capture->port_count];
    port->known = malloc(STATES_KEPT * sizeof *port->known);
    if (port->known == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < STATES_KEPT; i++)
        port->known[i] = (struct known_state){ NO_CONN, WEIR_STATE_COUNT };
    port->weir = weir;
    port->iface = iface;
    pcapng_iface(&capture->file, name, capture->config.snap_len);
    check_file(capture);
    return (int)capture->port_count++;
}

uint64_t weir_capture_frames(const struct weir_capture *capture)
{
    return capture->frames;
}

bool weir_capture_ended(const struct weir_capture *capture)
{
    return capture->ended;
}

void weir_capture_close(struct weir_capture *capture)
{
    if (capture == NULL)
        return;
    pcapng_close(&capture->file);
    check_file(capture);
    for (unsigned i = 0; i < capture->port_count; i++)
        free(capture->port[i].known);
    free(capture);
}
