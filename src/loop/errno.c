/* SPDX-License-Identifier: MIT */
#include "loop/parts.h"

#include <errno.h>

int weir_errno(enum weir_error error)
{
    static const int table[WEIR_ERROR_COUNT] = {
        [WEIR_OK] = 0,
        [WEIR_AGAIN] = EAGAIN,
        [WEIR_BAD_HANDLE] = EBADF,
        [WEIR_INVALID] = EINVAL,
        [WEIR_NO_MEMORY] = ENOBUFS,
        [WEIR_IN_USE] = EADDRINUSE,
        [WEIR_NOT_LOCAL] = EADDRNOTAVAIL,
        [WEIR_NET_UNREACH] = ENETUNREACH,
        [WEIR_HOST_UNREACH] = EHOSTUNREACH,
        [WEIR_NOT_CONN] = ENOTCONN,
        [WEIR_IS_CONN] = EISCONN,
        [WEIR_IN_PROGRESS] = EINPROGRESS,
        [WEIR_REFUSED] = ECONNREFUSED,
        [WEIR_RESET] = ECONNRESET,
        [WEIR_ABORTED] = ECONNABORTED,
        [WEIR_TIMED_OUT] = ETIMEDOUT,
        [WEIR_PIPE] = EPIPE,
        [WEIR_TOO_LONG] = EMSGSIZE,
        [WEIR_NO_PROTO] = ENOPROTOOPT,
        [WEIR_ACCESS] = EACCES,
        [WEIR_PROTOCOL] = EPROTO,
    };
    return (unsigned)error < WEIR_ERROR_COUNT ? table[error] : EIO;
}
