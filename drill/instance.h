/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_INSTANCE_H
#define WEIR_DRILL_INSTANCE_H

/* The instance that scripts run on: small, checked after every call, and with the defaults that
 * scripts of the field expect, which are Linux's. `weir drill` and the original program's adapter
 * both build this one, so that they judge the same stack. */

#include "tools/sysctl_table.h"

void instance_defaults(struct weir_config *config);

/* A setting by Linux's name; beside those of `weir sysctl` also tcp_fastopen_key, and those of a
 * device below, which is not there: they are taken and change nothing. False with the reason in
 * `why`. */
bool instance_set(struct weir_config *config, const char *name, const char *value,
                  char why[SYSCTL_WHY_MAX]) __attribute__((warn_unused_result));
/* The same for an instance that runs; refuses what only a start can change. */
bool instance_change(struct weir *weir, struct weir_config *config, const char *name,
                     const char *value, char why[SYSCTL_WHY_MAX]);

/* Memory of the config's size with nothing behind it yet, for weir_init; NULL: there is none, or
 * the settings make no sense together. */
void *instance_memory(const struct weir_config *config, size_t *size);

/* One interface without link header, with the address and a route to everywhere of its family. */
struct instance_address {
    struct weir_ip ip;
    unsigned bits;
};
enum weir_error instance_build(struct weir **weir, void *memory, size_t size,
                               const struct weir_config *config, uint16_t mtu, unsigned *iface,
                               weir_time now) __attribute__((warn_unused_result));
enum weir_error instance_address(struct weir *weir, unsigned iface,
                                 const struct instance_address *address, weir_time now)
    __attribute__((warn_unused_result));

#endif
