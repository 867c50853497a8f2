/* SPDX-License-Identifier: MIT */
#include "exchange.h"

#include "demo_net.h"
#include "host.h"
#include "kernel_end.h"
#include "spawn.h"
#include "tool.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PORT       7777
#define QUIET      (80 * WEIR_MS) /* twice a delayed acknowledgement: nothing more will come */
#define QUIET_PAIR (1 * WEIR_MS)  /* in memory, unless a timer runs */
#define SETTLE     WEIR_MS        /* for the kernel to have handled a frame */
#define NAP        (200 * WEIR_US)
#define RECORDS    16

static const char from_weir[] = "hello, this is weir\n";
static const char from_right[] = "hello back\n";

struct exchange {
    const struct exchange_config *config;
    struct exchange_result *result;
    struct host host;
    struct ladder ladder;
    bool pair;
    struct kernel_end kernel;    /* the right end, if it is the kernel */
    weir_handle listener, child; /* the right end, if it is a weir */
    weir_handle conn;            /* the left end */
    uint16_t port;               /* of the left end; 0: not known yet */
    uint64_t cursor, far_cursor;
    uint8_t frame[WEIR_FRAME_MAX];
};

__attribute__((format(printf, 2, 3))) static bool fail(struct exchange *x, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(x->result->wrong, sizeof x->result->wrong, format, args);
    va_end(args);
    return false;
}

/* ---- The state of both ends ---- */

static unsigned left_state(const struct exchange *x)
{
    struct weir_status status;
    if (x->conn == WEIR_NO_HANDLE || weir_status(x->host.weir, x->conn, &status) != WEIR_OK)
        return WEIR_CLOSED;
    return status.state;
}

/* The far weir's connection may be a half-open entry without a handle, so it is looked for. */
static unsigned far_state(const struct exchange *x)
{
    struct weir_status status;
    weir_handle handle;
    uint64_t cursor = 0;
    unsigned state = x->listener != WEIR_NO_HANDLE ? WEIR_LISTEN : WEIR_CLOSED;
    while (weir_list(x->host.far, &cursor, &status, &handle))
        if (x->port != 0 && status.remote.port == x->port)
            return status.state;
    return x->child != WEIR_NO_HANDLE ? WEIR_CLOSED : state;
}

static unsigned right_state(const struct exchange *x)
{
    return x->pair ? far_state(x) : kernel_end_state(&x->kernel, x->port);
}

/* ---- Drawing ---- */

/* What a segment is, where the sender's own reason cannot be known. */
static const char *looks_like(const struct weir_record *record)
{
    const bool syn = (record->flags & 0x02) != 0, fin = (record->flags & 0x01) != 0;
    const bool rst = (record->flags & 0x04) != 0, ack = (record->flags & 0x10) != 0;
    if (rst)
        return "reset";
    if (syn)
        return ack ? "syn-ack" : "syn";
    if (fin)
        return "fin";
    return record->value > 0 ? "data" : "ack";
}

/* Draws what the left instance has just recorded: at most one segment, since it is called after
 * each frame. `sender_state` is that of the sender before the frame was handled. */
static void draw(struct exchange *x, unsigned sender_state, const char *why)
{
    struct weir_record records[RECORDS];
    const unsigned count =
        weir_trace_read(x->host.weir, WEIR_TRACE_FLOW, &x->cursor, records, RECORDS, NULL);
    for (unsigned i = 0; i < count; i++) {
        const struct weir_record *record = &records[i];
        if (record->type != WEIR_REC_SEG_IN && record->type != WEIR_REC_SEG_OUT)
            continue;
        const bool in = record->type == WEIR_REC_SEG_IN;
        struct ladder_segment segment = ladder_recorded(record);
        segment.why = why != NULL ? why : in ? looks_like(record) : weir_why_text(record->code);
        segment.state[0] = left_state(x);
        segment.state[1] = right_state(x);
        segment.sender_state = sender_state;
        ladder_segment(&x->ladder, &segment);
        x->result->segments++;
    }
}

static void note(struct exchange *x, const char *text)
{
    ladder_note(&x->ladder, weir_loop_clock(), text, left_state(x), right_state(x));
}

/* ---- Moving frames one by one, so that each can be looked at ---- */

static void give_left(struct exchange *x, const struct weir_frame *frame, weir_time now)
{
    if (x->host.capture != NULL)
        weir_capture_input(x->host.capture, 0, frame, 1, now);
    else
        weir_input(x->host.weir, x->host.iface, frame, 1, now);
}

/* One frame from the left to the right; false if none is due. */
static bool move_right(struct exchange *x)
{
    struct weir_out out;
    const weir_time now = weir_loop_clock();
    const unsigned sender_state = left_state(x);
    if (weir_output(x->host.weir, x->host.iface, &out, 1, now) == 0)
        return false;
    if (x->host.capture != NULL)
        weir_capture_output(x->host.capture, 0, &out, now);
    if (x->pair) {
        const size_t len = weir_out_copy(&out, x->frame, sizeof x->frame);
        const struct weir_frame frame = {
            .data = x->frame, .len = len, .when = now, .csum_ok = true
        };
        weir_input(x->host.far, x->host.far_iface, &frame, 1, now);
    } else {
        (void)weir_dev_output(x->host.dev, &out); /* a loss would show as a retransmission */
        weir_dev_flush(x->host.dev);
        spawn_sleep(SETTLE);
    }
    draw(x, sender_state, NULL);
    return true;
}

static const char *far_reason(struct exchange *x)
{
    struct weir_record records[RECORDS];
    const char *why = NULL;
    const unsigned count =
        weir_trace_read(x->host.far, WEIR_TRACE_FLOW, &x->far_cursor, records, RECORDS, NULL);
    for (unsigned i = 0; i < count; i++)
        if (records[i].type == WEIR_REC_SEG_OUT)
            why = weir_why_text(records[i].code);
    return why;
}

/* One frame from the right to the left. */
static bool move_left(struct exchange *x)
{
    struct weir_frame frame;
    struct weir_out out;
    const weir_time now = weir_loop_clock();
    const unsigned sender_state = right_state(x);
    const char *why = NULL;
    if (!x->pair && weir_dev_input(x->host.dev, &frame, 1, now) <= 0)
        return false;
    if (x->pair) {
        if (weir_output(x->host.far, x->host.far_iface, &out, 1, now) == 0)
            return false;
        const size_t len = weir_out_copy(&out, x->frame, sizeof x->frame);
        frame = (struct weir_frame){ .data = x->frame, .len = len, .when = now, .csum_ok = true };
        why = far_reason(x);
    }
    give_left(x, &frame, now);
    draw(x, sender_state, why);
    return true;
}

static void drain_events(struct weir *weir)
{
    struct weir_event event;
    while (weir_next_event(weir, &event))
        continue;
}

static bool timer_near(const struct weir *weir, weir_time now)
{
    return weir_deadline(weir) < now + QUIET;
}

/* Moves frames until both ends have had nothing to say for a while. */
static void settle(struct exchange *x)
{
    weir_time last = weir_loop_clock();
    for (;;) {
        bool moved = move_left(x);
        weir_time now = weir_loop_clock();
        weir_timeout(x->host.weir, now);
        if (x->pair)
            weir_timeout(x->host.far, now);
        drain_events(x->host.weir);
        moved |= move_right(x);
        now = weir_loop_clock();
        if (moved) {
            last = now;
            continue;
        }
        const bool timers =
            timer_near(x->host.weir, now) || (x->pair && timer_near(x->host.far, now));
        if (now - last > (x->pair && !timers ? QUIET_PAIR : QUIET))
            return;
        spawn_sleep(NAP);
    }
}

/* ---- The right end ---- */

static bool right_listen(struct exchange *x)
{
    if (!x->pair)
        return kernel_end_listen(&x->kernel, DEMO_LINUX_V4, PORT) || fail(x, "%s", x->kernel.wrong);
    const struct weir_addr any = { .port = PORT };
    const enum weir_error error = weir_listen(x->host.far, &any, 1, 0, &x->listener);
    return error == WEIR_OK || fail(x, "listen: %s", weir_error_text(error));
}

static bool right_accept(struct exchange *x)
{
    if (!x->pair)
        return kernel_end_accept(&x->kernel) || fail(x, "%s", x->kernel.wrong);
    const enum weir_error error =
        weir_accept(x->host.far, x->listener, &x->child, weir_loop_clock());
    return error == WEIR_OK || fail(x, "accept: %s", weir_error_text(error));
}

static bool right_read(struct exchange *x, char *text, size_t room, size_t *len)
{
    if (!x->pair)
        return kernel_end_read(&x->kernel, text, room, len) || fail(x, "%s", x->kernel.wrong);
    const enum weir_error error =
        weir_recv(x->host.far, x->child, text, room, len, weir_loop_clock());
    return error == WEIR_OK || fail(x, "right end: %s", weir_error_text(error));
}

static bool right_write(struct exchange *x, const char *text, size_t len)
{
    size_t done = 0;
    if (!x->pair)
        return kernel_end_write(&x->kernel, text, len) || fail(x, "%s", x->kernel.wrong);
    const enum weir_error error =
        weir_send(x->host.far, x->child, text, len, 0, &done, weir_loop_clock());
    return (error == WEIR_OK && done == len) || fail(x, "right end: %s", weir_error_text(error));
}

static void right_close(struct exchange *x)
{
    if (!x->pair)
        kernel_end_close(&x->kernel);
    else
        weir_shutdown(x->host.far, x->child, weir_loop_clock());
}

/* ---- The play ---- */

static bool act_connect(struct exchange *x)
{
    struct weir_addr remote = { .port = PORT };
    struct weir_status status;
    if (!weir_ip_parse(x->pair ? DEMO_WEIR_V4 : DEMO_LINUX_V4, &remote.ip) || !right_listen(x))
        return false;
    note(x, x->pair ? "the right end listens" : "Linux listens");
    const enum weir_error error =
        weir_connect(x->host.weir, NULL, &remote, &x->conn, weir_loop_clock());
    if (error != WEIR_IN_PROGRESS && error != WEIR_OK)
        return fail(x, "connect: %s", weir_error_text(error));
    if (weir_status(x->host.weir, x->conn, &status) == WEIR_OK)
        x->port = status.local.port;
    note(x, "weir connects");
    settle(x);
    if (left_state(x) != WEIR_ESTABLISHED)
        return fail(x, "the handshake ended in %s", weir_state_text(left_state(x)));
    return right_accept(x);
}

static bool act_talk(struct exchange *x)
{
    char text[64];
    size_t done = 0;
    const size_t there = sizeof from_weir - 1, back = sizeof from_right - 1;
    const enum weir_error error =
        weir_send(x->host.weir, x->conn, from_weir, there, 0, &done, weir_loop_clock());
    if (error != WEIR_OK || done != there)
        return fail(x, "send: %s", weir_error_text(error));
    settle(x);
    if (!right_read(x, text, sizeof text, &done))
        return false;
    if (done != there || memcmp(text, from_weir, there) != 0)
        return fail(x, "the right end read something else than was sent");
    if (!right_write(x, from_right, back))
        return false;
    settle(x);
    if (weir_recv(x->host.weir, x->conn, text, sizeof text, &done, weir_loop_clock()) != WEIR_OK ||
        done != back || memcmp(text, from_right, back) != 0)
        return fail(x, "weir read something else than was sent");
    return true;
}

static bool act_close(struct exchange *x)
{
    char text[64];
    size_t done = 1;
    weir_shutdown(x->host.weir, x->conn, weir_loop_clock());
    note(x, "weir closes");
    settle(x);
    if (!right_read(x, text, sizeof text, &done))
        return false;
    if (done != 0)
        return fail(x, "the right end read octets after the end");
    right_close(x);
    note(x, x->pair ? "the right end closes" : "Linux closes");
    settle(x);
    if (left_state(x) != WEIR_TIME_WAIT)
        return fail(x, "weir ended in %s", weir_state_text(left_state(x)));
    if (right_state(x) != WEIR_CLOSED)
        return fail(x, "the right end ended in %s", weir_state_text(right_state(x)));
    return true;
}

static bool play(struct exchange *x)
{
    char left[64], right[64];
    snprintf(left, sizeof left, "weir %s", x->pair ? "192.0.2.1" : DEMO_WEIR_V4);
    snprintf(right, sizeof right, "%s %s", x->pair ? "weir" : "Linux",
             x->pair ? "192.0.2.2" : DEMO_LINUX_V4);
    ladder_begin(&x->ladder, stdout, &x->config->style, left, right);
    return act_connect(x) && act_talk(x) && act_close(x);
}

static bool open_host(struct exchange *x)
{
    struct host_options options = { .dev = x->config->device, .pcap = x->config->pcap };
    if (!x->pair) {
        options.address_count = 1;
        options.address[0].prefix_len = 24;
        if (!weir_ip_parse(DEMO_WEIR_V4, &options.address[0].ip))
            return false;
    }
    return host_open(&x->host, "demo", &options) == TOOL_OK ||
           fail(x, "weir does not start on %s", x->config->device);
}

bool exchange_run(const struct exchange_config *config, struct exchange_result *result)
{
    struct exchange *x = calloc(1, sizeof *x);
    *result = (struct exchange_result){ .wrong = "out of memory" };
    if (x == NULL)
        return false;
    x->config = config;
    x->result = result;
    x->pair = strcmp(config->device, "pair") == 0;
    kernel_end_init(&x->kernel);
    bool done = open_host(x);
    if (done) {
        done = play(x);
        if (x->host.capture != NULL) {
            result->frames = weir_capture_frames(x->host.capture);
            if (done && weir_capture_ended(x->host.capture))
                done = fail(x, "the capture could not be written");
        }
        host_close(&x->host);
    }
    kernel_end_free(&x->kernel);
    free(x);
    return done;
}
