/* SPDX-License-Identifier: MIT */
#include "weir/dev.h"

#include "dev/driver.h"
#include "dev/line.h"

#include <errno.h>
#include <string.h>

/* Linux takes more than this in a name, but nobody means it, and it would spoil the line we print.
 */
static bool name_ok(const char *name, size_t len)
{
    if (len == 0 || len >= WEIR_DEV_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '/' || name[i] == ':' || name[i] == '%')
            return false;
    return !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

/* What may stand behind a name, for each kind. */
static bool option_ok(struct weir_dev_spec *parsed, const char *option, size_t len)
{
    const struct {
        const char *text;
        bool xdp;
        bool *set;
    } options[] = {
        { "plain", false, &parsed->plain },
        { "generic", true, &parsed->generic },
        { "zerocopy", true, &parsed->zerocopy },
    };
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (options[i].xdp != (parsed->kind == WEIR_DEV_XDP) || *options[i].set ||
            strlen(options[i].text) != len || memcmp(options[i].text, option, len) != 0)
            continue;
        *options[i].set = true;
        return true;
    }
    return false;
}

/* `text` begins with a comma or is at its end. */
static int parse_options(struct weir_dev_spec *parsed, const char *text, const char *spec,
                         char why[WEIR_LINE_MAX])
{
    while (*text == ',') {
        const size_t len = strcspn(text + 1, ",");
        if (!option_ok(parsed, text + 1, len))
            return line_fail(why, -EINVAL, "device \"%.60s\": the only option%s", spec,
                             parsed->kind == WEIR_DEV_XDP ? "s are \",generic\" and \",zerocopy\""
                                                          : " is \",plain\"");
        text += 1 + len;
    }
    return 0;
}

/* Reads ":QUEUE" and returns where it ends; NULL: it is none. */
static const char *parse_queue(struct weir_dev_spec *parsed, const char *text)
{
    unsigned queue = 0;
    const char *digit = text + 1;
    for (; *digit >= '0' && *digit <= '9' && queue <= WEIR_DEV_QUEUE_MAX; digit++)
        queue = queue * 10 + (unsigned)(*digit - '0');
    parsed->queue = (uint16_t)queue;
    return digit > text + 1 && queue <= WEIR_DEV_QUEUE_MAX && (*digit == '\0' || *digit == ',')
               ? digit
               : NULL;
}

int weir_dev_parse(struct weir_dev_spec *parsed, const char *spec, char why[WEIR_LINE_MAX])
{
    static const struct {
        const char *prefix;
        enum weir_dev_kind kind;
    } kinds[] = {
        { "tap:", WEIR_DEV_TAP },
        { "packet:", WEIR_DEV_PACKET },
        { "xdp:", WEIR_DEV_XDP },
    };
    *parsed = (struct weir_dev_spec){ .plain = false };
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const size_t prefix_len = strlen(kinds[i].prefix);
        if (strncmp(spec, kinds[i].prefix, prefix_len) != 0)
            continue;
        parsed->kind = kinds[i].kind;
        const char *name = spec + prefix_len;
        const size_t name_len = strcspn(name, parsed->kind == WEIR_DEV_XDP ? ":," : ",");
        if (!name_ok(name, name_len))
            return line_fail(why, -EINVAL, "device \"%.60s\": the name must have 1 to %d letters",
                             spec, WEIR_DEV_NAME_MAX - 1);
        memcpy(parsed->name, name, name_len);
        const char *rest = name + name_len;
        if (*rest == ':')
            rest = parse_queue(parsed, rest);
        if (rest == NULL)
            return line_fail(why, -EINVAL, "device \"%.60s\": a queue is a number from 0 to %d",
                             spec, WEIR_DEV_QUEUE_MAX);
        return parse_options(parsed, rest, spec, why);
    }
    return line_fail(why, -EINVAL,
                     "device \"%.60s\": neither tap:NAME, packet:IF (both with ,plain if wanted) "
                     "nor xdp:IF[:QUEUE]",
                     spec);
}

int weir_dev_open(struct weir_dev **dev, const char *spec, char why[WEIR_LINE_MAX])
{
    static int (*const openers[])(struct weir_dev **, const struct weir_dev_spec *, char *) = {
        [WEIR_DEV_TAP] = tap_open,
        [WEIR_DEV_PACKET] = packet_open,
        [WEIR_DEV_XDP] = xdp_open,
    };
    struct weir_dev_spec parsed;
    const int error = weir_dev_parse(&parsed, spec, why);
    return error != 0 ? error : openers[parsed.kind](dev, &parsed, why);
}

void weir_dev_close(struct weir_dev *dev)
{
    if (dev != NULL)
        dev->ops->close(dev);
}
