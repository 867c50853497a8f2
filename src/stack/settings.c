/* SPDX-License-Identifier: MIT */

/* What of the configuration may change while an instance runs: what is looked at anew each time it
 * matters. Pools, windows and their scale, and how losses are found, are built upon and stay. */

#include "stack/config.h"
#include "stack/instance.h"

#define FIELD(member)                                                                      \
    {                                                                                      \
        offsetof(struct weir_config, member), sizeof(((struct weir_config *)NULL)->member) \
    }
static const struct {
    uint16_t at, len;
} changeable[] = {
    FIELD(snd_max),
    FIELD(notsent_lowat),
    FIELD(udp_rcv_max),
    FIELD(somaxconn),
    FIELD(syn_retries),
    FIELD(syn_linear),
    FIELD(synack_retries),
    FIELD(retries_max),
    FIELD(orphan_retries),
    FIELD(keepalive_probes),
    FIELD(syncookies),
    FIELD(abort_on_overflow),
    FIELD(timestamps),
    FIELD(sack),
    FIELD(wscale),
    FIELD(early_retrans),
    FIELD(frto),
    FIELD(thin_linear),
    FIELD(congestion),
    FIELD(ecn),
    FIELD(mtu_probing),
    FIELD(mtu_floor_mss),
    FIELD(fastopen),
    FIELD(fastopen_blackhole),
    FIELD(slow_start_after_idle),
    FIELD(accept_redirects),
    FIELD(rto_min),
    FIELD(rto_max),
    FIELD(keepalive_idle),
    FIELD(keepalive_interval),
    FIELD(fin_timeout),
};

void weir_config_now(const struct weir *weir, struct weir_config *config)
{
    *config = weir->config;
    config->seed = 0;
    memset(config->secret, 0, sizeof config->secret);
    memset(config->fastopen_key, 0, sizeof config->fastopen_key);
}

enum weir_error weir_config_change(struct weir *weir, const struct weir_config *config)
{
    struct weir_config changed = weir->config;
    for (unsigned i = 0; i < sizeof changeable / sizeof changeable[0]; i++)
        memcpy((uint8_t *)&changed + changeable[i].at, (const uint8_t *)config + changeable[i].at,
               changeable[i].len);
    if (!config_makes_sense(&changed))
        return WEIR_INVALID;
    weir->config = changed;
    weir->ip.accept_redirects = changed.accept_redirects;
    return WEIR_OK;
}
