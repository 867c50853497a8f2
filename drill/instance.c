/* SPDX-License-Identifier: MIT */
#include "instance.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

void instance_defaults(struct weir_config *config)
{
    weir_config_default(config);
    config->tcp_max = 64;
    config->listener_max = 8;
    config->synq_max = 256;
    config->tw_max = 64;
    config->sent_block_max = 2048;
    config->udp_max = 8;
    config->neigh_max = 16;
    config->ring_chunks = 4096;
    config->mtu_probing = 0;   /* Linux's default */
    config->rcv_max = 6 << 20; /* Linux's: a scale of 7 */
    config->snd_max = 4 << 20;
    config->frag_octets_max = 1 << 18;
    config->trace_flow = config->trace_story = 256;
    config->verify = true;
    config->seed = 1;
    for (unsigned i = 0; i < 8; i++)
        config->secret[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
}

/* How large the pieces are that a device is given to cut: where weir has no such setting there is
 * no such device, and what the script expects in one piece is put together from several. */
static bool of_a_device(const char *name)
{
    const struct sysctl *setting = sysctl_find(name);
    if (setting != NULL && sysctl_has_value(setting))
        return false;
    return strcmp(name, "net.ipv4.tcp_tso_win_divisor") == 0 ||
           strcmp(name, "net.ipv4.tcp_tso_rtt_log") == 0;
}

/* "%x-%x-%x-%x", as Linux reads it. */
static bool set_fastopen_key(struct weir_config *config, const char *value)
{
    unsigned word[4];
    char end;
    if (sscanf(value, "%8x-%8x-%8x-%8x%c", &word[0], &word[1], &word[2], &word[3], &end) != 4)
        return false;
    for (unsigned i = 0; i < 2; i++)
        config->fastopen_key[i] = (uint64_t)word[2 * i + 1] << 32 | word[2 * i];
    return true;
}

/* "min default max". weir's windows begin with the first number (`weir sysctl`), Linux's with half
 * of the second, or 64 KiB: so that is the first here, where it is more. */
static const char *first_window(const char *value, char text[64])
{
    unsigned long least, usual, most;
    if (sscanf(value, "%lu %lu %lu", &least, &usual, &most) != 3)
        return value;
    const unsigned long first = usual / 2;
    if (first <= least || first > most)
        return value;
    snprintf(text, 64, "%lu %lu %lu", first, usual, most);
    return text;
}

bool instance_set(struct weir_config *config, const char *name, const char *value,
                  char why[SYSCTL_WHY_MAX])
{
    char text[64];
    if (strcmp(name, "net.ipv4.tcp_fastopen_key") == 0 && set_fastopen_key(config, value))
        return true;
    if (strcmp(name, "net.ipv4.tcp_rmem") == 0)
        value = first_window(value, text);
    return of_a_device(name) || sysctl_apply(config, name, value, why);
}

bool instance_change(struct weir *weir, struct weir_config *config, const char *name,
                     const char *value, char why[SYSCTL_WHY_MAX])
{
    if (strcmp(name, "net.ipv4.tcp_fastopen_key") == 0 && set_fastopen_key(config, value)) {
        weir_fastopen_key(weir, config->fastopen_key);
        return true;
    }
    return of_a_device(name) ||
           (sysctl_change(config, name, value, why) && weir_config_change(weir, config) == WEIR_OK);
}

void *instance_memory(const struct weir_config *config, size_t *size)
{
    *size = weir_memory_size(config);
    if (*size == 0)
        return NULL;
    void *memory = mmap(NULL, *size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

enum weir_error instance_build(struct weir **weir, void *memory, size_t size,
                               const struct weir_config *config, uint16_t mtu, unsigned *iface,
                               weir_time now)
{
    const struct weir_iface_config link = { .medium = WEIR_IP_ONLY, .mtu = mtu, .no_dad = true };
    const enum weir_error error = weir_init(weir, memory, size, config, now);
    return error != WEIR_OK ? error : weir_iface_add(*weir, &link, iface, now);
}

enum weir_error instance_address(struct weir *weir, unsigned iface,
                                 const struct instance_address *address, weir_time now)
{
    const struct weir_ip any =
        weir_ip_is_v4(&address->ip) ? weir_ip_v4(0, 0, 0, 0) : (struct weir_ip){ { 0 } };
    const enum weir_error error = weir_address_add(weir, iface, &address->ip, address->bits, now);
    return error != WEIR_OK ? error : weir_route_add(weir, &any, 0, NULL, iface, 0);
}
