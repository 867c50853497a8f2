/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_HTTP_CLIENT_H
#define WEIR_TOOLS_HTTP_CLIENT_H

/* Fetches one URL over one connection. Content goes from the receive ring straight to a descriptor
 * (writev), chunked or not. Redirections are reported, not followed. */

#include "http.h"
#include "url.h"
#include "weir/loop.h"

struct http_client_config {
    const struct url *url;
    struct weir_addr remote;
    int (*open_out)(void *user); /* asked once there is content: a blocking descriptor, or -errno */
    void *user;
    weir_time silence; /* longest time without a single octet */
};

/* What is known of the transfer; the rest is the client's own. */
struct http_client {
    const struct http_client_config *config;
    struct weir_loop *loop;
    struct weir *weir;
    weir_handle handle;
    int out; /* what open_out gave, which the caller closes; -1: it was not asked */

    bool over;   /* the transfer ended; the loop was stopped */
    bool failed; /* `wrong` says why */
    char wrong[256];
    bool closed;                       /* the connection has ended too, in order or not */
    struct http_response response;     /* status 0: none yet */
    uint64_t octets;                   /* of content, written */
    weir_time began, connected, ended; /* 0: not yet */

    char request[URL_TARGET_MAX + URL_AUTHORITY_MAX + 128];
    size_t request_len, request_off;
    char head[HTTP_HEAD_MAX];
    size_t head_len;
    bool in_content;
    struct http_chunks chunks;
    struct weir_loop_timer watchdog;
    weir_time active;
};

/* Opens the connection; `config` must stay. `loop` runs `weir` with http_client_event, and the
 * client as its `user`; it is stopped when the transfer is over, and again when the connection is.
 * 0, or -1 with `wrong` filled. */
int http_client_start(struct http_client *client, struct weir_loop *loop, struct weir *weir,
                      const struct http_client_config *config) __attribute__((warn_unused_result));

weir_loop_event_fn http_client_event;

/* Forgets the connection, in order if it still stands. */
void http_client_close(struct http_client *client);

#endif
