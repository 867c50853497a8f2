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

int weir_dev_parse(struct weir_dev_spec *parsed, const char *spec, char why[WEIR_LINE_MAX])
{
    static const struct {
        const char *prefix;
        enum weir_dev_kind kind;
    } kinds[] = {
        { "tap:", WEIR_DEV_TAP },
        { "packet:", WEIR_DEV_PACKET },
    };
    *parsed = (struct weir_dev_spec){ .plain = false };
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const size_t prefix_len = strlen(kinds[i].prefix);
        if (strncmp(spec, kinds[i].prefix, prefix_len) != 0)
            continue;
        const char *name = spec + prefix_len;
        const size_t name_len = strcspn(name, ",");
        if (!name_ok(name, name_len))
            return line_fail(why, -EINVAL, "device \"%.60s\": the name must have 1 to %d letters",
                             spec, WEIR_DEV_NAME_MAX - 1);
        const char *option = name + name_len;
        if (*option != '\0' && strcmp(option, ",plain") != 0)
            return line_fail(why, -EINVAL, "device \"%.60s\": the only option is \",plain\"", spec);
        parsed->kind = kinds[i].kind;
        parsed->plain = *option != '\0';
        memcpy(parsed->name, name, name_len);
        return 0;
    }
    return line_fail(
        why, -EINVAL,
        "device \"%.60s\": neither tap:NAME nor packet:IF (both with ,plain if wanted)", spec);
}

int weir_dev_open(struct weir_dev **dev, const char *spec, char why[WEIR_LINE_MAX])
{
    struct weir_dev_spec parsed;
    const int error = weir_dev_parse(&parsed, spec, why);
    if (error != 0)
        return error;
    return parsed.kind == WEIR_DEV_TAP ? tap_open(dev, &parsed, why)
                                       : packet_open(dev, &parsed, why);
}

void weir_dev_close(struct weir_dev *dev)
{
    if (dev != NULL)
        dev->ops->close(dev);
}
