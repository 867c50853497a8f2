/* SPDX-License-Identifier: MIT */
#include "names.h"

#include "terminal.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#define TRY_MS 1500
#define TRIES  2

struct name {
    struct names *names;
    struct weir_ip ip;
    bool known;
    char text[NAME_TEXT_MAX];
};

struct names {
    ares_channel channel;
    unsigned count, open;
    struct name name[NAMES_MAX];
};

struct names *names_open(void)
{
    struct ares_options options = { .timeout = TRY_MS, .tries = TRIES };
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(names);
        return NULL;
    }
    if (ares_init_options(&names->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) !=
        ARES_SUCCESS) {
        ares_library_cleanup();
        free(names);
        return NULL;
    }
    return names;
}

void names_close(struct names *names)
{
    if (names == NULL)
        return;
    ares_destroy(names->channel);
    ares_library_cleanup();
    free(names);
}

static struct name *find(const struct names *names, const struct weir_ip *ip)
{
    for (unsigned i = 0; names != NULL && i < names->count; i++)
        if (weir_ip_equal(&names->name[i].ip, ip))
            return (struct name *)&names->name[i];
    return NULL;
}

static void on_name(void *user, int status, int timeouts, struct hostent *host)
{
    struct name *name = user;
    (void)timeouts;
    name->names->open--;
    if (status != ARES_SUCCESS || host == NULL || host->h_name == NULL || host->h_name[0] == '\0')
        return;
    terminal_safe(host->h_name, name->text, sizeof name->text);
    name->known = true;
}

void names_want(struct names *names, const struct weir_ip *ip)
{
    if (names == NULL || names->count == NAMES_MAX || find(names, ip) != NULL)
        return;
    struct name *name = &names->name[names->count++];
    *name = (struct name){ .names = names, .ip = *ip };
    names->open++;
    if (weir_ip_is_v4(ip))
        ares_gethostbyaddr(names->channel, ip->octet + 12, 4, AF_INET, on_name, name);
    else
        ares_gethostbyaddr(names->channel, ip->octet, 16, AF_INET6, on_name, name);
}

const char *names_look(const struct names *names, const struct weir_ip *ip)
{
    const struct name *name = find(names, ip);
    return name != NULL && name->known ? name->text : NULL;
}

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void names_turn(struct names *names, int wait_ms)
{
    if (names == NULL)
        return;
    const int64_t until = clock_ms() + wait_ms;
    while (names->open > 0) {
        fd_set readable, writable;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        const int most = ares_fds(names->channel, &readable, &writable);
        const int64_t left = until - clock_ms();
        struct timeval limit = { 0 }, time;
        if (left > 0)
            limit = (struct timeval){ left / 1000, left % 1000 * 1000 };
        select(most, &readable, &writable, NULL, ares_timeout(names->channel, &limit, &time));
        ares_process(names->channel, &readable, &writable);
        if (left <= 0)
            return;
    }
}
