/* SPDX-License-Identifier: MIT */
#include "host.h"

#include "args.h"
#include "ipc/sight_server.h"
#include "tool.h"
#include "url.h"
#include "weir/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING_CHUNKS 65536 /* of 16 KiB: 1 GiB of address space for what is queued */

/* The two ends of `--dev pair`: addresses kept for documentation (RFC 5737, RFC 3849). */
#define PAIR_MTU 1500
static const char *const pair_address[2][2] = {
    { "192.0.2.1/24", "2001:db8::1/64" },
    { "192.0.2.2/24", "2001:db8::2/64" },
};

const char host_help[] =
    "\n"
    "The host (its own, not this machine's):\n"
    "  --dev DEVICE       where its frames go: tap:NAME is a TAP device,\n"
    "                     packet:INTERFACE a network interface, xdp:INTERFACE one by\n"
    "                     AF_XDP, and pair a second host in memory (192.0.2.2 and\n"
    "                     2001:db8::2)\n"
    "  --addr IP/LEN      an address it has; may be given several times\n"
    "  --gateway IP       where what is not on its link goes; one for each family\n"
    "  --mac MAC          its link address; default: one made from the device's\n"
    "  --no-dad           use IPv6 addresses without looking for duplicates first\n"
    "  --pcap FILE        write what passes, and why, as pcapng\n"
    "  --ctl PATH         a socket where `weir ss --socket PATH` and the like look in\n"
    "  --stats            counters on standard error at the end\n"
    "  --help             this text\n";

/* ---- Options ---- */

static int option_address(struct host_options *options, const char *command, const char *text)
{
    if (options->address_count == HOST_ADDRESS_MAX)
        return tool_usage(command, "more than %d addresses with --addr", HOST_ADDRESS_MAX);
    const unsigned i = options->address_count;
    if (strchr(text, '/') == NULL ||
        !args_prefix(text, &options->address[i].ip, &options->address[i].prefix_len))
        return tool_usage(command, "--addr %s: not an address with its prefix, as 192.0.2.1/24",
                          text);
    options->address_count++;
    return TOOL_OK;
}

static int option_gateway(struct host_options *options, const char *command, const char *text)
{
    struct weir_ip ip;
    if (!weir_ip_parse(text, &ip))
        return tool_usage(command, "--gateway %s: not an IP address", text);
    const bool v4 = weir_ip_is_v4(&ip);
    if (v4 ? options->has_gateway_v4 : options->has_gateway_v6)
        return tool_usage(command, "--gateway %s: there is one for IPv%d already", text,
                          v4 ? 4 : 6);
    if (v4) {
        options->gateway_v4 = ip;
        options->has_gateway_v4 = true;
    } else {
        options->gateway_v6 = ip;
        options->has_gateway_v6 = true;
    }
    return TOOL_OK;
}

static int option_device(struct host_options *options, const char *command, const char *text)
{
    struct weir_dev_spec spec;
    char why[WEIR_LINE_MAX] = "";
    if (options->dev != NULL)
        return tool_usage(command, "--dev %s: one device is given already", text);
    if (strcmp(text, "pair") != 0 && weir_dev_parse(&spec, text, why) < 0)
        return tool_usage(command,
                          "--dev %s: not tap:NAME, packet:INTERFACE, xdp:INTERFACE[:QUEUE] or pair",
                          text);
    options->dev = text;
    return TOOL_OK;
}

int host_option(struct host_options *options, const char *command, int option, const char *text)
{
    switch (option) {
    case HOST_DEV:
        return option_device(options, command, text);
    case HOST_ADDR:
        return option_address(options, command, text);
    case HOST_GATEWAY:
        return option_gateway(options, command, text);
    case HOST_MAC:
        options->has_mac = true;
        if (!args_mac(text, options->mac))
            return tool_usage(command, "--mac %s: not a unicast link address", text);
        return TOOL_OK;
    case HOST_PCAP:
        options->pcap = text;
        return TOOL_OK;
    case HOST_CTL:
        options->ctl = text;
        return TOOL_OK;
    case HOST_STATS:
        options->stats = true;
        return TOOL_OK;
    case HOST_NO_DAD:
        options->no_dad = true;
        return TOOL_OK;
    default: /* ARGS_BAD: the line is printed */
        return TOOL_USAGE;
    }
}

int host_options_check(const struct host_options *options, const char *command, bool pair_works)
{
    if (options->dev == NULL)
        return tool_usage(command, "--dev is missing: tap:NAME, packet:INTERFACE, xdp:INTERFACE%s",
                          pair_works ? " or pair" : "");
    if (strcmp(options->dev, "pair") != 0) {
        if (options->address_count == 0)
            return tool_usage(command, "--addr is missing: which address shall the host have?");
        return TOOL_OK;
    }
    if (!pair_works)
        return tool_usage(command, "--dev pair: nobody else could reach it (try weir get)");
    if (options->address_count > 0 || options->has_gateway_v4 || options->has_gateway_v6)
        return tool_usage(command, "--dev pair has its addresses (192.0.2.1 and .2); leave out %s",
                          options->address_count > 0 ? "--addr" : "--gateway");
    return TOOL_OK;
}

/* ---- Opening ---- */

static int make_instance(struct host *host, unsigned end, struct weir **weir)
{
    char why[WEIR_LINE_MAX] = "";
    struct weir_config config;
    weir_config_default(&config);
    config.ring_chunks = RING_CHUNKS;
    if (weir_secrets_fill(&config, why) < 0)
        return tool_fail(host->command, "%s", why);

    /* Untouched pages cost nothing, so the whole is reserved at once. */
    const size_t len = weir_memory_size(&config);
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return tool_fail(host->command, "no memory for the stack: %s", strerror(errno));
    host->memory[end] = memory;
    host->memory_len[end] = len;
    const enum weir_error error = weir_init(weir, memory, len, &config, weir_loop_clock());
    if (error != WEIR_OK)
        return tool_fail(host->command, "the stack does not start: %s", weir_error_text(error));
    return TOOL_OK;
}

static int add_address(struct host *host, struct weir *weir, unsigned iface,
                       const struct weir_ip *ip, unsigned prefix_len)
{
    char text[WEIR_IP_TEXT_MAX];
    const enum weir_error error = weir_address_add(weir, iface, ip, prefix_len, weir_loop_clock());
    if (error == WEIR_OK)
        return TOOL_OK;
    return tool_fail(host->command, "address %s: %s", weir_ip_text(ip, text),
                     weir_error_text(error));
}

static int add_gateway(struct host *host, const struct weir_ip *gateway)
{
    char text[WEIR_IP_TEXT_MAX];
    const bool v4 = weir_ip_is_v4(gateway);
    const struct weir_ip any = v4 ? weir_ip_v4(0, 0, 0, 0) : (struct weir_ip){ { 0 } };
    const enum weir_error error = weir_route_add(host->weir, &any, 0, gateway, host->iface, 0);
    if (error == WEIR_OK)
        return TOOL_OK;
    return tool_fail(host->command, "gateway %s: %s", weir_ip_text(gateway, text),
                     weir_error_text(error));
}

static int open_pair_end(struct host *host, unsigned end, struct weir **weir, unsigned *iface)
{
    const struct weir_iface_config config = {
        .medium = WEIR_ETHERNET,
        .mac = { 0x02, 0x00, 0x5e, 0x00, 0x53, (uint8_t)(end + 1) },
        .mtu = PAIR_MTU,
        .csum_offload = true,
        .tso = true,
        .no_dad = true,
    };
    int status = make_instance(host, end, weir);
    if (status != TOOL_OK)
        return status;
    const enum weir_error error = weir_iface_add(*weir, &config, iface, weir_loop_clock());
    if (error != WEIR_OK)
        return tool_fail(host->command, "interface: %s", weir_error_text(error));
    for (unsigned i = 0; i < 2 && status == TOOL_OK; i++) {
        struct weir_ip ip;
        unsigned prefix_len;
        if (!args_prefix(pair_address[end][i], &ip, &prefix_len))
            return tool_fail(host->command, "%s is not an address", pair_address[end][i]);
        status = add_address(host, *weir, *iface, &ip, prefix_len);
    }
    return status;
}

static int open_capture(struct host *host, const char *path, const char *name, unsigned *port)
{
    char why[WEIR_LINE_MAX] = "";
    if (path == NULL)
        return TOOL_OK;
    const struct weir_capture_config config = { .path = path, .epoch = weir_loop_epoch() };
    if (weir_capture_open(&host->capture, &config, why) < 0)
        return tool_fail(host->command, "%s", why);
    const int attached = weir_capture_attach(host->capture, host->weir, host->iface, name);
    if (attached < 0)
        return tool_fail(host->command, "%s: %s", path, strerror(-attached));
    *port = (unsigned)attached;
    return TOOL_OK;
}

static int open_pair(struct host *host, const struct host_options *options)
{
    char why[WEIR_LINE_MAX] = "";
    unsigned port = 0;
    int status = open_pair_end(host, 0, &host->weir, &host->iface);
    if (status == TOOL_OK)
        status = open_pair_end(host, 1, &host->far, &host->far_iface);
    if (status == TOOL_OK)
        status = open_capture(host, options->pcap, "pair", &port);
    if (status != TOOL_OK)
        return status;
    const struct weir_pair_end ends[2] = {
        { .weir = host->weir, .iface = host->iface, .capture = host->capture, .port = port },
        { .weir = host->far, .iface = host->far_iface },
    };
    if (weir_pair_open(&host->pair, ends, false, why) < 0)
        return tool_fail(host->command, "%s", why);
    return TOOL_OK;
}

static int open_device(struct host *host, const struct host_options *options)
{
    char why[WEIR_LINE_MAX] = "";
    if (weir_dev_open(&host->dev, options->dev, why) < 0)
        return tool_fail(host->command, "%s", why);
    weir_dev_settle(host->dev);
    int status = make_instance(host, 0, &host->weir);
    if (status != TOOL_OK)
        return status;

    struct weir_iface_config config = {
        .medium = WEIR_ETHERNET,
        .mtu = host->dev->mtu,
        .csum_offload = host->dev->csum,
        .tso = host->dev->tso,
        .no_dad = options->no_dad,
    };
    memcpy(config.mac, options->has_mac ? options->mac : host->dev->mac, sizeof config.mac);
    const enum weir_error error =
        weir_iface_add(host->weir, &config, &host->iface, weir_loop_clock());
    if (error != WEIR_OK)
        return tool_fail(host->command, "%s: %s", options->dev, weir_error_text(error));
    for (unsigned i = 0; i < options->address_count && status == TOOL_OK; i++)
        status = add_address(host, host->weir, host->iface, &options->address[i].ip,
                             options->address[i].prefix_len);
    if (status == TOOL_OK && options->has_gateway_v4)
        status = add_gateway(host, &options->gateway_v4);
    if (status == TOOL_OK && options->has_gateway_v6)
        status = add_gateway(host, &options->gateway_v6);
    return status;
}

/* Everything is this process's. */
static void name_owner(void *user, struct sight_head *head, uint64_t cookie)
{
    (void)user;
    (void)cookie;
    head->pid = getpid();
    head->uid = geteuid();
}

static int open_sight(struct host *host)
{
    char why[WEIR_LINE_MAX] = "";
    if (host->ctl == NULL)
        return TOOL_OK;
    host->sight = malloc(sizeof *host->sight);
    if (host->sight == NULL)
        return tool_fail(host->command, "no memory");
    sight_server_begin(host->sight, host->loop, host->weir, name_owner, NULL);
    host->sight->dev = host->dev;
    if (sight_server_listen(host->sight, host->ctl, why) < 0)
        return tool_fail(host->command, "--ctl %s", why);
    return TOOL_OK;
}

static void host_free(struct host *host)
{
    if (host->sight != NULL) {
        sight_server_end(host->sight);
        sight_server_remove(host->sight);
    }
    free(host->sight);
    weir_loop_close(host->loop);
    weir_pair_close(host->pair);
    weir_capture_close(host->capture);
    weir_dev_close(host->dev);
    weir_panic_watch(NULL);
    for (unsigned i = 0; i < 2; i++)
        if (host->memory[i] != NULL)
            munmap(host->memory[i], host->memory_len[i]);
}

int host_open(struct host *host, const char *command, const struct host_options *options)
{
    char why[WEIR_LINE_MAX] = "";
    *host = (struct host){ .command = command, .ctl = options->ctl, .stats = options->stats };
    host->is_pair = strcmp(options->dev, "pair") == 0;
    int status = TOOL_OK;
    if (weir_loop_open(&host->loop, NULL, why) < 0)
        status = tool_fail(command, "%s", why);
    if (status == TOOL_OK)
        status = host->is_pair ? open_pair(host, options) : open_device(host, options);
    unsigned port = 0;
    if (status == TOOL_OK && !host->is_pair)
        status = open_capture(host, options->pcap, host->dev->name, &port);
    if (status == TOOL_OK)
        status = open_sight(host);
    if (status != TOOL_OK)
        host_free(host);
    else
        weir_panic_watch(host->weir);
    return status;
}

int host_attach(struct host *host, weir_loop_event_fn *event, void *user,
                weir_loop_event_fn *far_event, void *far_user)
{
    int error = weir_loop_add_instance(host->loop, host->weir, event, user);
    if (error == 0 && host->far != NULL)
        error = weir_loop_add_instance(host->loop, host->far, far_event, far_user);
    if (error == 0 && host->pair != NULL)
        error = weir_loop_add_pair(host->loop, host->pair);
    if (error == 0 && host->dev != NULL) /* the capture's first port is the device's */
        error = weir_loop_add_dev(host->loop, host->weir, host->iface, host->dev, host->capture, 0);
    return error == 0 ? TOOL_OK : tool_fail(host->command, "loop: %s", strerror(-error));
}

/* ---- Running ---- */

static struct weir_loop *volatile running; /* what a signal has to stop */
static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
    if (running != NULL)
        weir_loop_stop(running);
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is EPIPE, which is said */
}

bool host_interrupted(void)
{
    return interrupted != 0;
}

int host_run(struct host *host)
{
    char why[WEIR_LINE_MAX] = "";
    running = host->loop;
    catch_signals();
    const int error = interrupted ? 0 : weir_loop_run(host->loop, why);
    running = NULL;
    return error < 0 ? tool_fail(host->command, "%s", why) : TOOL_OK;
}

/* The first address in a state that matters here: taken by another station, or not yet ours. */
static bool find_address(const struct weir *weir, bool duplicate, struct weir_ip *ip)
{
    struct weir_address_info info;
    for (unsigned i = 0; weir_address_info(weir, i, &info); i++) {
        if (duplicate ? !info.duplicate : !info.tentative || info.duplicate)
            continue;
        *ip = info.ip;
        return true;
    }
    return false;
}

int host_wait_addresses(struct host *host)
{
    char why[WEIR_LINE_MAX] = "", text[WEIR_IP_TEXT_MAX];
    struct weir_ip ip;
    running = host->loop;
    catch_signals();
    while (!interrupted && find_address(host->weir, false, &ip))
        if (weir_loop_step(host->loop, WEIR_NEVER, why) < 0)
            return tool_fail(host->command, "%s", why);
    running = NULL;
    if (find_address(host->weir, true, &ip))
        return tool_fail(host->command, "another station has the address %s",
                         weir_ip_text(&ip, text));
    return interrupted ? TOOL_FAILED : TOOL_OK;
}

bool host_has_family(const struct host *host, bool v4)
{
    struct weir_address_info info;
    for (unsigned i = 0; weir_address_info(host->weir, i, &info); i++)
        if (weir_ip_is_v4(&info.ip) == v4)
            return true;
    return false;
}

int host_resolve(const struct host *host, const char *name, struct weir_ip *ip)
{
    if (weir_ip_parse(name, ip)) {
        const bool v4 = weir_ip_is_v4(ip);
        if (host_has_family(host, v4))
            return TOOL_OK;
        return tool_fail(host->command, "%s is IPv%d, and the host has no such address", name,
                         v4 ? 4 : 6);
    }
    FILE *hosts = fopen("/etc/hosts", "re");
    const bool found = hosts != NULL && url_hosts_lookup(hosts, name, host_has_family(host, true),
                                                         host_has_family(host, false), ip);
    if (hosts != NULL)
        fclose(hosts);
    if (found)
        return TOOL_OK;
    return tool_fail(host->command,
                     "%s: not in /etc/hosts with a family the host has; weir has no resolver yet",
                     name);
}

/* ---- The end ---- */

struct stat_line {
    const char *name;
    uint64_t in, out;
};

static void print_stats(const struct host *host)
{
    struct weir_counters c;
    weir_counters(host->weir, &c);
    const struct stat_line lines[] = {
        { "frames", c.frames_in, c.frames_out },          { "octets", c.octets_in, c.octets_out },
        { "tcp segments", c.segs_in, c.segs_out },        { "tcp resets", c.rsts_in, c.rsts_out },
        { "datagrams", c.datagrams_in, c.datagrams_out }, { "icmp", c.icmp_in, c.icmp_out },
    };
    fprintf(stderr, "%-24s %15s %15s\n", "", "in", "out");
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++)
        fprintf(stderr, "%-24s %15llu %15llu\n", lines[i].name, (unsigned long long)lines[i].in,
                (unsigned long long)lines[i].out);
    fprintf(stderr, "%-24s %15s %15llu\n", "retransmitted", "", (unsigned long long)c.segs_rtx);
    for (unsigned drop = 1; drop < WEIR_DROP_COUNT; drop++)
        if (weir_drop_count(host->weir, drop) > 0)
            fprintf(stderr, "%15llu dropped: %s\n",
                    (unsigned long long)weir_drop_count(host->weir, drop), weir_drop_text(drop));
    if (host->dev == NULL)
        return;
    weir_dev_count(host->dev);
    const struct weir_dev_counters *dev = &host->dev->counters;
    fprintf(stderr, "%s: %llu reads, %llu times full, %llu lost, %llu refused, %llu missed\n",
            host->dev->name, (unsigned long long)dev->reads, (unsigned long long)dev->full,
            (unsigned long long)dev->lost, (unsigned long long)dev->refused,
            (unsigned long long)dev->missed);
}

void host_close(struct host *host)
{
    if (host->stats)
        print_stats(host);
    host_free(host);
}
