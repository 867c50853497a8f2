/* SPDX-License-Identifier: MIT */
#include "joining.h"

#include "tools/sysctl_table.h"

#include <errno.h>
#include <stdio.h>

_Static_assert(CONTROL_TEXT_MAX >= SYSCTL_WHY_MAX, "a complaint fits");

void settings_send(const struct weird *weird, int fd)
{
    struct control_config answer = { .magic = CONTROL_MAGIC };
    weir_config_now(weird->weir, &answer.config);
    answer.config.crypto = NULL; /* an address here is none there */
    (void)octets_send(fd, &answer, sizeof answer, 0);
}

static int change(struct weird *weird, const struct control_set *set, char why[SYSCTL_WHY_MAX])
{
    struct weir_config config;
    weir_config_now(weird->weir, &config);
    if (!sysctl_change(&config, set->name, set->value, why))
        return EINVAL;
    if (weir_config_change(weird->weir, &config) != WEIR_OK) {
        snprintf(why, SYSCTL_WHY_MAX, "%s: that makes no sense with the other settings", set->name);
        return EINVAL;
    }
    weird->congestion = config.congestion; /* what a new socket says of itself */
    return 0;
}

void settings_change(struct weird *weird, int fd, struct control_set *set, bool may)
{
    struct control_said said = { .magic = CONTROL_MAGIC };
    set->name[sizeof set->name - 1] = '\0';
    set->value[sizeof set->value - 1] = '\0';
    if (may) {
        said.error = change(weird, set, said.text);
    } else {
        said.error = EPERM;
        snprintf(said.text, sizeof said.text,
                 "%s: permission denied: only root and weird's own user may change it", set->name);
    }
    (void)octets_send(fd, &said, sizeof said, 0);
}
