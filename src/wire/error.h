/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_ERROR_H
#define WEIR_WIRE_ERROR_H

/* What can be wrong with octets. Which drop reason that is, is the caller's to say: it knows the
 * protocol. */

enum wire_error {
    WIRE_OK = 0,
    WIRE_SHORT,   /* ends before what its own lengths promise */
    WIRE_BAD,     /* a field has a value that cannot be */
    WIRE_CSUM,    /* a checksum inside the header is wrong */
    WIRE_OPTION,  /* an option is malformed; `*_err_off` says where, if the protocol reports it */
    WIRE_MANY,    /* more headers or options than we are willing to walk */
    WIRE_UNKNOWN, /* a header, option or type that must be reported */
};

#endif
