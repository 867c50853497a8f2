/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_ADAPTER_H
#define WEIR_DRILL_ADAPTER_H

/* Between the files of libweir-packetdrill.so (adapter.c says what it is). */

#include "instance.h"
#include "sock.h"

#include <pthread.h>

/* ---- adapter_settings.c: what a script's shell commands set ---- */

#define SETTINGS_MAX     256
#define SETTING_NAME_MAX 64
#define SETTING_TEXT_MAX 128 /* two keys of Fast Open, and more */

struct adapter_settings {
    const char *root; /* "/proc/sys"; NULL: nothing is read */
    unsigned count;
    struct {
        char name[SETTING_NAME_MAX];
        char first[SETTING_TEXT_MAX], now[SETTING_TEXT_MAX];
    } at[SETTINGS_MAX];
};

/* Reads what the machine has, and takes into `config` what weir can have, but for the sizes of
 * pools. */
void settings_begin(struct adapter_settings *settings, const char *root,
                    struct weir_config *config);

/* Reads again, and takes into `config` what has changed since. Returns whether something has. False
 * in `*taken`, with the reason in `why`: weir does not have it. */
bool settings_follow(struct adapter_settings *settings, struct weir_config *config, bool *taken,
                     char why[SYSCTL_WHY_MAX]);

/* ---- adapter.c ---- */

/* Those that packetdrill calls past its table (adapter_preload.c). False: the descriptor is not
 * one of weir's. */
bool adapter_has(int fd);
int adapter_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t adapter_write(int fd, const void *data, size_t len);
void adapter_shell_done(void); /* a command of the script's has run: settings may be others */

/* ---- adapter_preload.c ---- */

/* Starts the program once more, with this object preloaded, if it is not. Returns if it is, or if
 * that cannot be. */
void preload_ensure(void);

#endif
