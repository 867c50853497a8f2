/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include "wire.h"

#include <string.h>

/* The program's side of a case: the user calls, and the shortcuts made of them. */

static struct weir_addr our_addr(const struct t *t)
{
    return (struct weir_addr){ .ip = our_ip(t), .port = OUR_PORT };
}

static void check_ok(struct t *t, int line, enum weir_error error, const char *call)
{
    if (error != WEIR_OK)
        t_fail(t, line, "%s: %s", call, weir_error_text(error));
}

/* ---- opening ---- */

void t_listen(struct t *t, int line, unsigned backlog)
{
    begin(t);
    const struct weir_addr local = our_addr(t);
    check_ok(t, line, weir_listen(t->weir, &local, backlog, 0, &t->listener), "weir_listen");
}

void t_connect(struct t *t, int line)
{
    begin(t);
    const struct weir_addr local = our_addr(t), remote = peer_addr(t);
    const enum weir_error error = weir_connect(t->weir, &local, &remote, &t->conn, t->now);
    if (error != WEIR_IN_PROGRESS)
        t_fail(t, line, "weir_connect: %s", weir_error_text(error));
    collect(t);
}

void t_accept(struct t *t, int line)
{
    check_ok(t, line, weir_accept(t->weir, t->listener, &t->conn, t->now), "weir_accept");
    collect(t);
}

void t_passive(struct t *t, int line, const char *options)
{
    if (t->listener == WEIR_NO_HANDLE)
        t_listen(t, line, 16);
    t_in(t, line, "S 0 <%s>", options);
    t_out(t, line, "S. 0 ack 1");
    t_in(t, line, ". 1 ack 1");
    t_quiet(t, line);
    t_accept(t, line);
    t_state(t, line, WEIR_ESTABLISHED);
}

void t_active(struct t *t, int line, const char *options)
{
    t_connect(t, line);
    t_out(t, line, "S 0");
    if (strstr(options, "ts") != NULL)
        t->peers[t->peer].ts = true;
    char answer[100];
    /* The SYN-ACK echoes our timestamp. */
    const char *stamp = strstr(options, "ts 1 -");
    if (stamp != NULL) {
        memcpy(answer, options, (size_t)(stamp - options));
        strcpy(answer + (stamp - options), "ts 1 =");
        strcat(answer, stamp + 6);
        options = answer;
    }
    t_in(t, line, "S. 0 ack 1 <%s>", options);
    t_out(t, line, ". 1 ack 1");
    t_state(t, line, WEIR_ESTABLISHED);
}

static void to_fin_wait_2(struct t *t, int line)
{
    t_close(t, line);
    t_out(t, line, "F. 1 ack 1");
    t_in(t, line, ". 1 ack 2");
}

static void to_close_wait(struct t *t, int line)
{
    t_in(t, line, "F. 1 ack 1");
    t_out(t, line, ". 1 ack 2");
}

void t_reach(struct t *t, int line, enum weir_state wanted)
{
    if (wanted == WEIR_SYN_SENT || wanted == WEIR_SYN_RECEIVED) {
        t_connect(t, line);
        t_out(t, line, "S 0");
        if (wanted == WEIR_SYN_RECEIVED) {
            t_in(t, line, "S 0 <%s>", PLAIN);
            t_out(t, line, "S. 0 ack 1");
        }
    } else if (t->wrap) {
        t_active(t, line, PLAIN);
    } else {
        t_passive(t, line, PLAIN);
    }
    switch (wanted) {
    case WEIR_FIN_WAIT_1:
    case WEIR_CLOSING:
        t_close(t, line);
        t_out(t, line, "F. 1 ack 1");
        if (wanted == WEIR_CLOSING) {
            t_in(t, line, "F. 1 ack 1");
            t_out(t, line, ". 2 ack 2");
        }
        break;
    case WEIR_FIN_WAIT_2:
    case WEIR_TIME_WAIT:
        to_fin_wait_2(t, line);
        if (wanted == WEIR_TIME_WAIT) {
            t_in(t, line, "F. 1 ack 2");
            t_out(t, line, ". 2 ack 2");
        }
        break;
    case WEIR_CLOSE_WAIT:
    case WEIR_LAST_ACK:
        to_close_wait(t, line);
        if (wanted == WEIR_LAST_ACK) {
            t_close(t, line);
            t_out(t, line, "F. 1 ack 2");
        }
        break;
    default:
        break;
    }
    t_state(t, line, wanted);
}

/* ---- SEND and RECEIVE ---- */

void t_write(struct t *t, int line, size_t len, unsigned flags)
{
    static uint8_t text[1 << 20];
    size_t done;
    if (len > sizeof text)
        t_fail(t, line, "the case itself is wrong: %zu octets", len);
    for (size_t i = 0; i < len; i++)
        text[i] = pattern(1 + t->wrote + (uint32_t)i, false);
    check_ok(t, line, weir_send(t->weir, t->conn, text, len, flags, &done, t->now), "weir_send");
    if (done != len)
        t_fail(t, line, "weir_send took %zu of %zu octets", done, len);
    t->wrote += (uint32_t)len;
    t_note(t, "            write %zu octets\n", len);
    collect(t);
}

void t_read(struct t *t, int line, size_t len)
{
    static uint8_t text[1 << 20];
    size_t done;
    const struct weir_status status = status_of(t);
    check_ok(t, line, weir_recv(t->weir, t->conn, text, len, &done, t->now), "weir_recv");
    t_note(t, "            read %zu of %u octets\n", done, status.unread);
    if (done != len)
        t_fail(t, line, "weir_recv gave %zu octets, not %zu", done, len);
    for (size_t i = 0; i < done; i++)
        if (text[i] != pattern(1 + t->read + (uint32_t)i, t->other))
            t_fail(t, line, "octet %zu of the stream was read as another", t->read + i);
    t->read += (uint32_t)done;
    collect(t);
}

void t_recv_says(struct t *t, int line, enum weir_error error)
{
    uint8_t octet;
    size_t done = 0;
    const enum weir_error seen = weir_recv(t->weir, t->conn, &octet, 1, &done, t->now);
    if (seen != error || done != 0)
        t_fail(t, line, "expected of weir_recv: %s, 0 octets\n# seen: %s, %zu octets",
               weir_error_text(error), weir_error_text(seen), done);
}

void t_send_says(struct t *t, int line, enum weir_error error)
{
    size_t done = 0;
    const uint8_t octet = pattern(1 + t->wrote, false);
    const enum weir_error seen = weir_send(t->weir, t->conn, &octet, 1, 0, &done, t->now);
    if (seen != error)
        t_fail(t, line, "expected of weir_send: %s\n# seen: %s", weir_error_text(error),
               weir_error_text(seen));
    t->wrote += (uint32_t)done;
    collect(t);
}

void t_error(struct t *t, int line, enum weir_error error)
{
    const enum weir_error seen = weir_error_take(t->weir, t->conn);
    if (seen != error)
        t_fail(t, line, "expected error: %s\n# seen: %s", weir_error_text(error),
               weir_error_text(seen));
}

void t_ready(struct t *t, int line, unsigned mask, unsigned wanted)
{
    const unsigned seen = weir_ready_now(t->weir, t->conn);
    if ((seen & mask) != wanted)
        t_fail(t, line, "readiness is %#x, of which %#x should be %#x", seen, mask, wanted);
}

/* ---- ending ---- */

void t_close(struct t *t, int line)
{
    check_ok(t, line, weir_shutdown(t->weir, t->conn, t->now), "weir_shutdown");
    t_note(t, "            close\n");
    collect(t);
}

void t_abort(struct t *t, int line)
{
    check_ok(t, line, weir_abort(t->weir, t->conn, t->now), "weir_abort");
    t_note(t, "            abort\n");
    collect(t);
}

void t_release(struct t *t, int line)
{
    check_ok(t, line, weir_release(t->weir, t->conn, t->now), "weir_release");
    t_note(t, "            release\n");
    t->conn = WEIR_NO_HANDLE;
    collect(t);
}

void t_set(struct t *t, int line, enum weir_option option, int64_t value)
{
    const weir_handle handle = t->conn != WEIR_NO_HANDLE ? t->conn : t->listener;
    check_ok(t, line, weir_set(t->weir, handle, option, value, t->now), "weir_set");
    collect(t);
}

/* ---- STATUS ---- */

struct weir_status status_of(struct t *t)
{
    struct weir_status status = { .state = WEIR_CLOSED };
    if (t->conn != WEIR_NO_HANDLE && weir_status(t->weir, t->conn, &status) == WEIR_OK)
        return status;
    uint64_t cursor = 0;
    weir_handle handle;
    while (weir_list(t->weir, &cursor, &status, &handle))
        if (status.state != WEIR_LISTEN && status.remote.port == PEER_PORT + t->peer)
            return status;
    return (struct weir_status){ .state = WEIR_CLOSED };
}

unsigned state_of(struct t *t)
{
    return status_of(t).state;
}

void t_state(struct t *t, int line, enum weir_state wanted)
{
    const unsigned seen = state_of(t);
    if (seen != (unsigned)wanted)
        t_fail(t, line, "expected state: %s\n# seen: %s", weir_state_text(wanted),
               weir_state_text(seen));
}
