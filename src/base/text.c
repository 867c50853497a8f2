/* SPDX-License-Identifier: MIT */
#include "weir/base.h"

#include "base/assert.h"
#include "base/octets.h"

#define GROUPS   8
#define NO_ZEROS 17 /* no "::": further in than it can stand */

const char *weir_error_text(enum weir_error error)
{
    static const char *const text[WEIR_ERROR_COUNT] = {
        [WEIR_OK] = "success",
        [WEIR_AGAIN] = "not now, try again",
        [WEIR_BAD_HANDLE] = "bad handle",
        [WEIR_INVALID] = "invalid argument",
        [WEIR_NO_MEMORY] = "no memory left",
        [WEIR_IN_USE] = "address already in use",
        [WEIR_NOT_LOCAL] = "cannot assign requested address",
        [WEIR_NET_UNREACH] = "network is unreachable",
        [WEIR_HOST_UNREACH] = "no route to host",
        [WEIR_NOT_CONN] = "not connected",
        [WEIR_IS_CONN] = "already connected",
        [WEIR_IN_PROGRESS] = "connection in progress",
        [WEIR_REFUSED] = "connection refused",
        [WEIR_RESET] = "connection reset by peer",
        [WEIR_ABORTED] = "connection aborted",
        [WEIR_TIMED_OUT] = "connection timed out",
        [WEIR_PIPE] = "broken pipe",
        [WEIR_TOO_LONG] = "message too long",
        [WEIR_NO_PROTO] = "protocol not available",
        [WEIR_ACCESS] = "permission denied",
        [WEIR_PROTOCOL] = "protocol error",
    };
    const unsigned i = (unsigned)error;
    if (i >= WEIR_ERROR_COUNT || text[i] == NULL)
        return "unknown error";
    return text[i];
}

/* ---- to text ---- */

static char *put_decimal(char *at, unsigned value)
{
    if (value >= 100)
        *at++ = (char)('0' + value / 100);
    if (value >= 10)
        *at++ = (char)('0' + value / 10 % 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

static char *put_hex(char *at, unsigned value)
{
    bool started = false;
    for (unsigned shift = 16; shift > 0;) {
        shift -= 4;
        const unsigned digit = value >> shift & 0xf;
        started = started || digit != 0 || shift == 0;
        if (started)
            *at++ = "0123456789abcdef"[digit];
    }
    return at;
}

static unsigned group_of(const struct weir_ip *ip, unsigned i)
{
    const uint8_t *at = &ip->octet[(size_t)2 * i];
    return (unsigned)at[0] << 8 | at[1];
}

/* RFC 5952, 4.2: the longest run of at least two zero groups, the first of equals, becomes "::". */
static void longest_zeros(const struct weir_ip *ip, unsigned *start, unsigned *len)
{
    *start = GROUPS;
    *len = 1;
    unsigned run = 0;
    for (unsigned i = 0; i < GROUPS; i++) {
        run = group_of(ip, i) == 0 ? run + 1 : 0;
        if (run > *len) {
            *len = run;
            *start = i + 1 - run;
        }
    }
}

static char *put_v6(char *at, const struct weir_ip *ip)
{
    unsigned zeros;
    unsigned zeros_len;
    longest_zeros(ip, &zeros, &zeros_len);
    for (unsigned i = 0; i < GROUPS;) {
        if (i == zeros) {
            *at++ = ':';
            *at++ = ':';
            i += zeros_len;
            continue;
        }
        if (i > 0 && i != zeros + zeros_len)
            *at++ = ':';
        at = put_hex(at, group_of(ip, i));
        i++;
    }
    return at;
}

char *weir_ip_text(const struct weir_ip *ip, char text[WEIR_IP_TEXT_MAX])
{
    char *at = text;
    if (weir_ip_is_v4(ip)) {
        for (unsigned i = 12; i < 16; i++) {
            if (i > 12)
                *at++ = '.';
            at = put_decimal(at, ip->octet[i]);
        }
    } else {
        at = put_v6(at, ip);
    }
    *at = '\0';
    WEIR_ASSERT(at < text + WEIR_IP_TEXT_MAX);
    return text;
}

/* ---- from text ---- */

/* Four decimal numbers to the end of the string. A leading zero is refused: some readers would take
 * it for octal. */
static bool parse_v4(const char *text, uint8_t octet[4])
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0 && *text++ != '.')
            return false;
        unsigned value = 0;
        unsigned digits = 0;
        for (; *text >= '0' && *text <= '9'; text++) {
            if (++digits > 3 || (digits > 1 && value == 0))
                return false;
            value = value * 10 + (unsigned)(*text - '0');
        }
        if (digits == 0 || value > 255)
            return false;
        octet[i] = (uint8_t)value;
    }
    return *text == '\0';
}

/* One to four hexadecimal digits. Returns what follows them, or NULL. */
static const char *parse_group(const char *text, uint8_t octet[2])
{
    unsigned value = 0;
    unsigned digits = 0;
    for (; hex_digit(*text) >= 0; text++) {
        if (++digits > 4)
            return NULL;
        value = value << 4 | (unsigned)hex_digit(*text);
    }
    octet[0] = (uint8_t)(value >> 8);
    octet[1] = (uint8_t)value;
    return digits > 0 ? text : NULL;
}

/* Whether the next thing is dotted decimal (the last 32 bits may be) rather than a group. */
static bool is_dotted(const char *text)
{
    while (*text >= '0' && *text <= '9')
        text++;
    return *text == '.';
}

/* The groups as written, packed; `*zeros` is how many octets precede "::", or NO_ZEROS. False if
 * malformed. */
static bool parse_groups(const char *text, uint8_t octet[16], unsigned *len, unsigned *zeros)
{
    *len = 0;
    *zeros = NO_ZEROS;
    if (text[0] == ':') {
        if (text[1] != ':')
            return false;
        *zeros = 0;
        text += 2;
        if (*text == '\0')
            return true;
    }
    for (;;) {
        if (is_dotted(text)) {
            *len += 4;
            return *len <= 16 && parse_v4(text, &octet[*len - 4]);
        }
        if (*len == 16)
            return false;
        text = parse_group(text, &octet[*len]);
        if (text == NULL)
            return false;
        *len += 2;
        if (*text == '\0')
            return true;
        if (*text++ != ':')
            return false;
        if (*text != ':')
            continue;
        if (*zeros != NO_ZEROS)
            return false;
        *zeros = *len;
        if (*++text == '\0')
            return true;
    }
}

static bool parse_v6(const char *text, struct weir_ip *ip)
{
    uint8_t octet[16];
    unsigned len;
    unsigned zeros;
    if (!parse_groups(text, octet, &len, &zeros))
        return false;

    /* Without "::" it must be all 16 octets; with it, at least one group must be left out. */
    const bool shortened = zeros != NO_ZEROS;
    if (shortened != (len < 16))
        return false;
    struct weir_ip result = { { 0 } };
    for (unsigned i = 0; i < len; i++)
        result.octet[shortened && i >= zeros ? i + 16 - len : i] = octet[i];
    *ip = result;
    return true;
}

bool weir_ip_parse(const char *text, struct weir_ip *ip)
{
    uint8_t octet[4];
    if (parse_v4(text, octet)) {
        *ip = weir_ip_v4(octet[0], octet[1], octet[2], octet[3]);
        return true;
    }
    return parse_v6(text, ip);
}
