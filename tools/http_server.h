/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_HTTP_SERVER_H
#define WEIR_TOOLS_HTTP_SERVER_H

/* Serves the files of one directory over HTTP/1.1 to many connections at once: GET, HEAD, one
 * range, kept connections. Files go from the page cache straight into the stack's send rings.
 *
 * Nothing outside the directory can be reached, not by ".." and not by a symbolic link. Only
 * regular files and directories are shown. A connection that is silent for too long is closed. */

#include "weir/loop.h"

struct http_server;

#define HTTP_SERVER_CONN_MAX 1024 /* more wait in the accept queue */

struct http_server_config {
    const char *directory;
    uint16_t port;
    bool verbose; /* one line on standard output for each answer */
};

/* Opens the directory and listens on every address of `weir`, which `loop` runs with
 * http_server_event as its event function and the server as its `user`. 0, or -1 with the reason
 * in `why`. */
int http_server_open(struct http_server **server, struct weir_loop *loop, struct weir *weir,
                     const struct http_server_config *config, char why[WEIR_LINE_MAX])
    __attribute__((warn_unused_result));

weir_loop_event_fn http_server_event;

/* Answers given so far, and octets of content in them. */
void http_server_totals(const struct http_server *server, uint64_t *answers, uint64_t *octets);

void http_server_close(struct http_server *server); /* NULL is allowed */

#endif
