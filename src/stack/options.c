/* SPDX-License-Identifier: MIT */
#include "stack/fastopen.h"

/* Options: what is TCP's goes there, what is in the IP header and what an endpoint has is here. A
 * listener keeps them for its connections. */

/* Bounds of what is not TCP's own. */
static bool fits(enum weir_option option, int64_t value)
{
    switch (option) {
    case WEIR_OPT_TTL:
        return value >= 1 && value <= UINT8_MAX;
    case WEIR_OPT_TOS:
    case WEIR_OPT_MIN_TTL:
    case WEIR_OPT_MIN_HOPS:
        return value >= 0 && value <= UINT8_MAX;
    case WEIR_OPT_FASTOPEN:
        return value >= 0 && value <= UINT32_MAX;
    case WEIR_OPT_BROADCAST:
    case WEIR_OPT_NO_CHECK6:
    case WEIR_OPT_FASTOPEN_NO_COOKIE:
        return value == 0 || value == 1;
    default:
        return true;
    }
}

static bool is_ip(enum weir_option option)
{
    return option == WEIR_OPT_TTL || option == WEIR_OPT_TOS || option == WEIR_OPT_MIN_TTL ||
           option == WEIR_OPT_MIN_HOPS;
}

bool conn_set_ip(struct conn *conn, enum weir_option option, int64_t value)
{
    if (option == WEIR_OPT_TTL)
        conn->ttl = (uint8_t)value;
    else if (option == WEIR_OPT_TOS)
        conn->tos = (uint8_t)(value & ~ECN_CE); /* those bits are TCP's own, as Linux has it */
    else if (option == (weir_ip_is_v4(&conn->peer) ? WEIR_OPT_MIN_TTL : WEIR_OPT_MIN_HOPS))
        conn->watch.min_ttl = (uint8_t)value;
    return is_ip(option);
}

/* Tries the value on the scratch TCB: what a connection would refuse, its listener refuses. */
static enum weir_error set_listener(struct weir *weir, struct listener *listener,
                                    enum weir_option option, int64_t value, weir_time now)
{
    enum weir_error error = WEIR_OK;
    if (option == WEIR_OPT_DEFER_ACCEPT) {
        if (value < 0)
            return WEIR_INVALID;
        value = synq_defer_time(weir, synq_defer_retries(weir, value));
    } else if (!is_ip(option) && option != WEIR_OPT_FASTOPEN &&
               option != WEIR_OPT_FASTOPEN_NO_COOKIE) {
        const struct tcp_birth birth = { .host = &weir->tcp, .index = UINT32_MAX, .path_mss = 536 };
        const struct tw_entry entry = { 0 };
        tcp_unshrink(&entry, &weir->scratch, &birth, now);
        weir->scratch.state = WEIR_SYN_RECEIVED; /* as a child's is when it inherits */
        error = tcp_set(&weir->scratch, option, value, now);
        tcp_free(&weir->scratch);
    }
    if (error != WEIR_OK)
        return error;
    listener->option[option] = value;
    listener->option_set |= UINT64_C(1) << option;
    return WEIR_OK;
}

static enum weir_error set_endpoint(struct weir *weir, struct endpoint *endpoint,
                                    enum weir_option option, int64_t value)
{
    switch (option) {
    case WEIR_OPT_TTL:
        endpoint->ttl = (uint8_t)value;
        return WEIR_OK;
    case WEIR_OPT_TOS:
        endpoint->tos = (uint8_t)value;
        return WEIR_OK;
    case WEIR_OPT_GROUP_TTL:
    case WEIR_OPT_GROUP_IFACE:
    case WEIR_OPT_GROUP_LOOP:
    case WEIR_OPT_GROUP_ALL:
        return endpoint_set_group(weir, endpoint, option, value);
    case WEIR_OPT_BROADCAST:
        endpoint->broadcast = value == 1;
        return WEIR_OK;
    case WEIR_OPT_NO_CHECK6:
        endpoint->no_check6 = value != 0;
        return WEIR_OK;
    case WEIR_OPT_RCVBUF:
        if (value < 1 || value > UINT32_MAX)
            return WEIR_INVALID;
        udp_queue_limit(&endpoint->queue, &weir->rings, (uint32_t)value);
        return WEIR_OK;
    default:
        return WEIR_INVALID;
    }
}

enum weir_error weir_set(struct weir *weir, weir_handle handle, enum weir_option option,
                         int64_t value, weir_time now)
{
    if ((unsigned)option >= WEIR_OPT_COUNT || !fits(option, value))
        return WEIR_INVALID;
    weir->now = now;
    uint32_t index;
    struct conn *conn = conn_of(weir, handle, &index);
    if (conn != NULL) {
        if (conn_set_ip(conn, option, value))
            return WEIR_OK;
        if (option == WEIR_OPT_FASTOPEN || option == WEIR_OPT_FASTOPEN_NO_COOKIE)
            return value == 1 ? fast_connect(weir, conn, option != WEIR_OPT_FASTOPEN, now)
                              : WEIR_INVALID;
        const enum weir_error error = tcp_set(&conn->tcb, option, value, now);
        conn_settle(weir, index, now);
        return error;
    }
    struct listener *listener = listener_of(weir, handle, NULL);
    if (listener != NULL)
        return set_listener(weir, listener, option, value, now);
    struct endpoint *endpoint = endpoint_of(weir, handle, NULL);
    return endpoint != NULL ? set_endpoint(weir, endpoint, option, value) : WEIR_BAD_HANDLE;
}

static enum weir_error get_endpoint(const struct endpoint *endpoint, enum weir_option option,
                                    int64_t *value)
{
    switch (option) {
    case WEIR_OPT_TTL:
        *value = endpoint->ttl != 0 ? endpoint->ttl : IP_TTL;
        return WEIR_OK;
    case WEIR_OPT_TOS:
        *value = endpoint->tos;
        return WEIR_OK;
    case WEIR_OPT_GROUP_TTL:
    case WEIR_OPT_GROUP_IFACE:
    case WEIR_OPT_GROUP_LOOP:
    case WEIR_OPT_GROUP_ALL:
        return endpoint_get_group(endpoint, option, value);
    case WEIR_OPT_BROADCAST:
        *value = endpoint->broadcast;
        return WEIR_OK;
    case WEIR_OPT_NO_CHECK6:
        *value = endpoint->no_check6;
        return WEIR_OK;
    case WEIR_OPT_RCVBUF:
        *value = endpoint->queue.max;
        return WEIR_OK;
    default:
        return WEIR_INVALID;
    }
}

enum weir_error weir_get(const struct weir *weir, weir_handle handle, enum weir_option option,
                         int64_t *value)
{
    if ((unsigned)option >= WEIR_OPT_COUNT)
        return WEIR_INVALID;
    const struct conn *conn = conn_of(weir, handle, NULL);
    if (conn != NULL) {
        if (option == WEIR_OPT_TTL)
            *value = conn->ttl != 0 ? conn->ttl : IP_TTL;
        else if (option == WEIR_OPT_TOS)
            *value = conn->tos;
        else if (is_ip(option))
            *value = conn->watch.min_ttl;
        else if (option == WEIR_OPT_FASTOPEN)
            *value = tcp_fast_room(&conn->tcb);
        else
            return tcp_get(&conn->tcb, option, value);
        return WEIR_OK;
    }
    const struct listener *listener = listener_of(weir, handle, NULL);
    if (listener != NULL) {
        if (!(listener->option_set >> option & 1))
            return WEIR_INVALID;
        *value = listener->option[option];
        return WEIR_OK;
    }
    const struct endpoint *endpoint = endpoint_of(weir, handle, NULL);
    return endpoint != NULL ? get_endpoint(endpoint, option, value) : WEIR_BAD_HANDLE;
}
