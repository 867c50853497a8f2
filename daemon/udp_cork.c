/* SPDX-License-Identifier: MIT */

/* Datagrams that are put together by several calls (MSG_MORE), of sockets that name whom they send
 * to. A connected S does that by itself, and nobody tells us of the call that ends it. */

#include "udp.h"

#include <errno.h>
#include <stdlib.h>

#define LEN_MAX_V4 65507 /* behind the headers of IP and UDP */
#define LEN_MAX_V6 65527

int udp_cork_add(struct udp_socket *socket, const struct weir_addr *to, const void *data,
                 size_t len)
{
    struct udp_cork *cork = socket->cork;
    if (cork == NULL && (cork = malloc(sizeof *cork)) == NULL)
        return ENOBUFS;
    if (socket->cork == NULL) {
        cork->to = *to;
        cork->len = 0;
        socket->cork = cork;
    }
    const size_t most = weir_ip_is_v4(&cork->to.ip) ? LEN_MAX_V4 : LEN_MAX_V6;
    if (len > most - cork->len)
        return EMSGSIZE;
    memcpy(cork->data + cork->len, data, len);
    cork->len += len;
    return 0;
}

void udp_cork_end(struct udp_socket *socket)
{
    free(socket->cork);
    socket->cork = NULL;
}
