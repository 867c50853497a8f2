/* SPDX-License-Identifier: MIT */

/* The network that weird gives to programs: one instance, over one device. */

#include "conf.h"
#include "ends.h"
#include "kernel_end.h"
#include "md5.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAIR_END     "weir1" /* of a veth pair, ours */
#define BUSY_WAIT    (2 * WEIR_SECOND)
#define BUSY_LOOK_US 10000

static bool make_instance(struct weird *weird, const struct conf *conf, char why[WEIR_LINE_MAX])
{
    struct weir_config config = conf->weir;
    if (weir_secrets_fill(&config, why) < 0)
        return false;
    config.crypto = &md5_crypto;
    weird->congestion = config.congestion;
    weird->memory_len = weir_memory_size(&config);
    weird->memory = mmap(NULL, weird->memory_len, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (weird->memory == MAP_FAILED) {
        weird->memory = NULL;
        snprintf(why, WEIR_LINE_MAX, "no memory for the stack: %m");
        return false;
    }
    (void)madvise(weird->memory, weird->memory_len, MADV_DONTFORK); /* not for the keeper */
    const enum weir_error error =
        weir_init(&weird->weir, weird->memory, weird->memory_len, &config, weir_loop_clock());
    if (error != WEIR_OK)
        snprintf(why, WEIR_LINE_MAX, "the stack does not start: %s", weir_error_text(error));
    return error == WEIR_OK;
}

static bool add_route(struct weird *weird, const struct weir_ip *prefix, unsigned prefix_len,
                      const struct weir_ip *gateway, char why[WEIR_LINE_MAX])
{
    char text[WEIR_IP_TEXT_MAX];
    const enum weir_error error =
        weir_route_add(weird->weir, prefix, prefix_len, gateway, weird->iface, 0);
    if (error != WEIR_OK)
        snprintf(why, WEIR_LINE_MAX, "route to %s/%u: %s", weir_ip_text(prefix, text), prefix_len,
                 weir_error_text(error));
    return error == WEIR_OK;
}

static bool add_addresses(struct weird *weird, const struct conf *conf, char why[WEIR_LINE_MAX])
{
    char text[WEIR_IP_TEXT_MAX];
    for (unsigned i = 0; i < conf->addr_count; i++) {
        const struct weir_ip *ip = &conf->addr[i].ip;
        const enum weir_error error =
            weir_address_add(weird->weir, weird->iface, ip, conf->addr[i].len, weir_loop_clock());
        if (error != WEIR_OK) {
            snprintf(why, WEIR_LINE_MAX, "address %s: %s", weir_ip_text(ip, text),
                     weir_error_text(error));
            return false;
        }
    }
    const struct weir_ip any[2] = { weir_ip_v4(0, 0, 0, 0), { { 0 } } };
    for (unsigned family = 0; family < 2; family++)
        if (conf->has_gateway[family] &&
            !add_route(weird, &any[family], 0, &conf->gateway[family], why))
            return false;
    for (unsigned i = 0; i < conf->route_count; i++) {
        const struct conf_route *route = &conf->route[i];
        if (!add_route(weird, &route->to.ip, route->to.len,
                       route->has_gateway ? &route->gateway : NULL, why))
            return false;
    }
    return true;
}

/* An address from the network, and the way out that comes with it. */
static bool add_leased(struct weird *weird, char why[WEIR_LINE_MAX])
{
    static const struct weir_ip none = { { 0 } };
    const struct weir_ip any = weir_ip_v4(0, 0, 0, 0);
    const struct dhcp_heard *lease = &weird->dhcp.lease;
    char text[WEIR_IP_TEXT_MAX];
    if (!dhcp_get(weird, why))
        return false;
    const enum weir_error error = weir_address_add(weird->weir, weird->iface, &lease->address,
                                                   lease->prefix_len, weir_loop_clock());
    if (error != WEIR_OK) {
        snprintf(why, WEIR_LINE_MAX, "address %s: %s", weir_ip_text(&lease->address, text),
                 weir_error_text(error));
        return false;
    }
    return weir_ip_equal(&lease->router, &none) || add_route(weird, &any, 0, &lease->router, why);
}

/* Standard error by way of libc would be a system call that weird may not make any more. */
static void on_capture_end(void *user, const char *line)
{
    (void)user;
    weird_complain(line);
}

static bool open_capture(struct weird *weird, const char *path, unsigned *port,
                         char why[WEIR_LINE_MAX])
{
    if (path == NULL)
        return true;
    const struct weir_capture_config config = {
        .path = path,
        .epoch = weir_loop_epoch(),
        .report = on_capture_end,
    };
    if (weir_capture_open(&weird->capture, &config, why) < 0)
        return false;
    const int attached =
        weir_capture_attach(weird->capture, weird->weir, weird->iface, weird->dev->name);
    *port = attached < 0 ? 0 : (unsigned)attached;
    return attached >= 0;
}

/* A weird that has just been killed, or ended as soon as it began, leaves processes that hold the
 * device for a moment: its successor waits for that. */
static int open_device(struct weird *weird, const char *spec, char why[WEIR_LINE_MAX])
{
    const weir_time end = weir_loop_clock() + BUSY_WAIT;
    int error = weir_dev_open(&weird->dev, spec, why);
    while (error == -EBUSY && weir_loop_clock() < end) {
        usleep(BUSY_LOOK_US);
        error = weir_dev_open(&weird->dev, spec, why);
    }
    return error;
}

/* The wire of a private network: a TAP, or where users may not have one a veth pair. */
static bool open_private(struct weird *weird, const struct net_options *options,
                         char why[WEIR_LINE_MAX])
{
    const char *spec = options->conf->dev;
    const char *name = strncmp(spec, "tap:", 4) == 0 ? spec + 4 : spec;
    if (access("/dev/net/tun", R_OK | W_OK) < 0) {
        if (!kernel_make_pair(name, PAIR_END, why))
            return false;
        spec = "packet:" PAIR_END;
    }
    if (open_device(weird, spec, why) < 0)
        return false;
    for (unsigned i = 0; i < options->kernel_count; i++)
        if (!kernel_address_add(name, &options->kernel[i].ip, options->kernel[i].prefix_len, why))
            return false;
    return kernel_link_up(name, why) && kernel_link_up("lo", why);
}

bool net_open(struct weird *weird, const struct net_options *options, char why[WEIR_LINE_MAX])
{
    if (options->kernel_count > 0 ? !open_private(weird, options, why)
                                  : open_device(weird, options->conf->dev, why) < 0)
        return false;
    weir_dev_settle(weird->dev);
    if (!make_instance(weird, options->conf, why))
        return false;
    struct weir_iface_config config = {
        .medium = WEIR_ETHERNET,
        .mtu = weird->dev->mtu,
        .csum_offload = weird->dev->csum,
        .tso = weird->dev->tso,
        .no_dad = true,
        .slaac = options->conf->slaac,
    };
    memcpy(config.mac, weird->dev->mac, sizeof config.mac);
    const enum weir_error error =
        weir_iface_add(weird->weir, &config, &weird->iface, weir_loop_clock());
    if (error != WEIR_OK) {
        snprintf(why, WEIR_LINE_MAX, "%s: %s", options->conf->dev, weir_error_text(error));
        return false;
    }
    unsigned port = 0;
    if (!add_addresses(weird, options->conf, why) ||
        (options->conf->dhcp && !add_leased(weird, why)) ||
        !open_capture(weird, options->pcap, &port, why))
        return false;
    memcpy(weird->dns, options->conf->dns, sizeof weird->dns);
    weird->dns_count = options->conf->dns_count;
    weir_panic_watch(weird->weir);
    if (weir_loop_add_instance(weird->loop, weird->weir, relay_event, weird) < 0 ||
        weir_loop_add_dev(weird->loop, weird->weir, weird->iface, weird->dev, weird->capture,
                          port) < 0) {
        snprintf(why, WEIR_LINE_MAX, "loop: %m");
        return false;
    }
    return !options->conf->dhcp || dhcp_keep(weird, why);
}

void net_close(struct weird *weird)
{
    weir_capture_close(weird->capture);
    weir_dev_close(weird->dev);
    weir_panic_watch(NULL);
    if (weird->memory != NULL)
        munmap(weird->memory, weird->memory_len);
}

bool net_is_local(const struct weird *weird, const struct weir_ip *ip)
{
    static const struct weir_ip loop6 = { { [15] = 1 } };
    struct weir_address_info info;
    if ((weir_ip_is_v4(ip) && ip->octet[12] == 127) || weir_ip_equal(ip, &loop6))
        return true;
    for (unsigned i = 0; weir_address_info(weird->weir, i, &info); i++)
        if (weir_ip_equal(&info.ip, ip))
            return true;
    return false;
}
