/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

#include <string.h>

/* SEND and RECEIVE (RFC 9293, 3.10.2 and 3.10.3): in place, and by a copy on top of that. */

/* ---- SEND ---- */

static enum weir_error take_error(struct weir *weir, uint32_t index, struct tcb *tcb,
                                  enum weir_error otherwise)
{
    const enum weir_error error = (enum weir_error)tcb->error;
    if (error == WEIR_OK)
        return otherwise;
    tcb->error = WEIR_OK;
    watch_set(weir, HANDLE_CONN, index, tcp_ready(tcb));
    return error;
}

/* A connection that may send now, or why not. */
static enum weir_error sender(struct weir *weir, weir_handle handle, uint32_t *index,
                              struct conn **conn)
{
    *conn = conn_of(weir, handle, index);
    if (*conn == NULL)
        return WEIR_BAD_HANDLE;
    const enum weir_error error = tcp_send_error(&(*conn)->tcb);
    return error == WEIR_OK ? WEIR_OK : take_error(weir, *index, &(*conn)->tcb, error);
}

/* Shows room for `want` octets. None although the send buffer has room: memory is short, and the
 * program is told when there is some. */
static enum weir_error show_room(struct weir *weir, uint32_t index, size_t want,
                                 struct weir_span *span, unsigned *count)
{
    struct conn *conn = conn_at(weir, index);
    const uint32_t wanted = want > UINT32_MAX ? UINT32_MAX : (uint32_t)want;
    const uint32_t shown = tcp_send_view(&conn->tcb, wanted, span, count);
    weir->shown_len = shown;
    if (shown > 0 || want == 0)
        return WEIR_OK;
    *count = 0;
    if (tcp_send_room(&conn->tcb) > 0) {
        conn->wants_memory = true;
        conn_settle(weir, index, weir->now);
    }
    return WEIR_AGAIN;
}

/* What was shown and not used: a program that changes its mind keeps no memory. */
void room_unshow(struct weir *weir)
{
    uint32_t index;
    struct conn *conn = conn_of(weir, weir->shown, &index);
    weir->shown = WEIR_NO_HANDLE;
    if (conn == NULL)
        return;
    tcp_send_unview(&conn->tcb);
    memory_look(weir);
}

enum weir_error weir_send_room(struct weir *weir, weir_handle handle, size_t want,
                               struct weir_span *span, unsigned *count)
{
    uint32_t index;
    struct conn *conn;
    if (weir->shown != handle)
        room_forget(weir);
    const enum weir_error error = sender(weir, handle, &index, &conn);
    if (error != WEIR_OK) {
        *count = 0;
        return error;
    }
    weir->shown = handle;
    return show_room(weir, index, want, span, count);
}

/* Whether `len` octets behind the last one queued are being shown: they have memory, and the
 * program has written there. Memory that was given back since would hold somebody else's octets. */
static bool is_shown(const struct weir *weir, weir_handle handle, size_t len)
{
    return len == 0 || (weir->shown == handle && len <= weir->shown_len);
}

enum weir_error weir_send_put(struct weir *weir, weir_handle handle, size_t len, unsigned flags,
                              weir_time now)
{
    uint32_t index;
    struct conn *conn;
    const enum weir_error error = sender(weir, handle, &index, &conn);
    if (error != WEIR_OK)
        return error;
    weir->now = now;
    if ((flags & ~(WEIR_MORE | WEIR_FIN | WEIR_URG | WEIR_EOR)) != 0 ||
        !is_shown(weir, handle, len))
        return WEIR_INVALID;
    tcp_send_put(&conn->tcb, (uint32_t)len, flags, now);
    weir->shown = WEIR_NO_HANDLE;
    conn_settle(weir, index, now);
    return WEIR_OK;
}

enum weir_error weir_send(struct weir *weir, weir_handle handle, const void *data, size_t len,
                          unsigned flags, size_t *done, weir_time now)
{
    *done = 0;
    uint32_t index;
    struct conn *conn;
    room_forget(weir);
    enum weir_error error = sender(weir, handle, &index, &conn);
    if (error != WEIR_OK)
        return error;
    weir->now = now;
    const uint8_t *octets = data;
    do {
        struct weir_span span[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        error = show_room(weir, index, len - *done, span, &count);
        if (error != WEIR_OK)
            break;
        size_t taken = 0;
        for (unsigned i = 0; i < count; i++) {
            const size_t left = len - *done - taken;
            const size_t part = span[i].len < left ? span[i].len : left;
            memcpy(span[i].base, octets + *done + taken, part);
            taken += part;
        }
        *done += taken;
        /* What belongs to the end of the data goes with its last octet. */
        const bool last = *done == len;
        tcp_send_put(&conn->tcb, (uint32_t)taken, last ? flags : WEIR_MORE, now);
    } while (*done < len);
    if (*done<len && * done> 0) /* what could be taken has ended, as on Linux */
        tcp_send_put(&conn->tcb, 0, 0, now);
    conn_settle(weir, index, now);
    return *done > 0 || len == 0 ? WEIR_OK : error;
}

/* ---- RECEIVE ---- */

static enum weir_error show_readable(struct weir *weir, uint32_t index, struct weir_span *span,
                                     unsigned *count)
{
    struct tcb *tcb = &conn_at(weir, index)->tcb;
    const enum weir_error error = tcp_recv_view(tcb, span, count);
    /* An error is told once, after all that came before it was read. */
    return *count == 0 ? take_error(weir, index, tcb, error) : error;
}

enum weir_error weir_recv_view(struct weir *weir, weir_handle handle, struct weir_span *span,
                               unsigned *count)
{
    uint32_t index;
    if (conn_of(weir, handle, &index) == NULL) {
        *count = 0;
        return WEIR_BAD_HANDLE;
    }
    return show_readable(weir, index, span, count);
}

enum weir_error weir_recv_took(struct weir *weir, weir_handle handle, size_t len, weir_time now)
{
    uint32_t index;
    struct conn *conn = conn_of(weir, handle, &index);
    if (conn == NULL)
        return WEIR_BAD_HANDLE;
    if (len > tcp_readable(&conn->tcb))
        return WEIR_INVALID;
    weir->now = now;
    tcp_recv_took(&conn->tcb, (uint32_t)len, now);
    conn_settle(weir, index, now);
    return WEIR_OK;
}

enum weir_error weir_recv(struct weir *weir, weir_handle handle, void *data, size_t room,
                          size_t *done, weir_time now)
{
    *done = 0;
    uint32_t index;
    struct conn *conn = conn_of(weir, handle, &index);
    if (conn == NULL)
        return WEIR_BAD_HANDLE;
    if (room == 0)
        return WEIR_INVALID; /* nothing read would look like the end */
    weir->now = now;
    uint8_t *octets = data;
    while (*done < room) {
        struct weir_span span[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        const enum weir_error error = *done == 0 ? show_readable(weir, index, span, &count)
                                                 : tcp_recv_view(&conn->tcb, span, &count);
        if (error != WEIR_OK || count == 0)
            return *done > 0 ? WEIR_OK : error;
        size_t given = 0;
        for (unsigned i = 0; i < count; i++) {
            const size_t left = room - *done - given;
            const size_t part = span[i].len < left ? span[i].len : left;
            memcpy(octets + *done + given, span[i].base, part);
            given += part;
        }
        *done += given;
        tcp_recv_took(&conn->tcb, (uint32_t)given, now);
        conn_settle(weir, index, now);
    }
    return WEIR_OK;
}

enum weir_error weir_urgent(const struct weir *weir, weir_handle handle, uint32_t *ahead)
{
    const struct conn *conn = conn_of(weir, handle, NULL);
    if (conn == NULL)
        return WEIR_BAD_HANDLE;
    const struct tcb *tcb = &conn->tcb;
    if (!tcb->rcv_urg || seq_leq(tcb->rcv.up, tcb->rcv.read))
        return WEIR_AGAIN;
    *ahead = tcb->rcv.up - tcb->rcv.read;
    return WEIR_OK;
}
