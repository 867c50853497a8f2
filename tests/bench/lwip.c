/* SPDX-License-Identifier: MIT */

/* lwIP in the same roles as bench-weir, through its raw API: what a small stack of long standing
 * does on the same TAP device.
 *
 *   bench-lwip ROLE DEVICE ADDRESS PORT [--spin]      ROLE: sink source pong accept
 *
 * Debian's library is used as it is built: its receive window is fixed at 65,535 octets; its send
 * buffer is raised here to what its queue of segments holds. The library's own TAP port hands each
 * frame from one thread to another. This one reads, processes and writes in one thread, which is
 * the kinder comparison. */
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/ip4_addr.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TAP_MTU      1500
#define FRAME_MAX    (TAP_MTU + 14)
#define BATCH        64
#define SEND_OCTETS  (TCP_SND_QUEUELEN * TCP_MSS)
#define SLEEP_MS_MAX 1000
#define WRITE_MAX    65535

static int tap_fd;
static uint8_t zeros[WRITE_MAX];
static struct bulk_meter meter; /* of the one bulk connection at a time */
static volatile sig_atomic_t stopping;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-lwip: %s\n", what);
    exit(1);
}

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

/* ---- The device ---- */

static void tap_open(const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    tap_fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap_fd < 0 || strlen(name) >= sizeof request.ifr_name)
        die("/dev/net/tun");
    memcpy(request.ifr_name, name, strlen(name) + 1);
    if (ioctl(tap_fd, TUNSETIFF, &request) < 0 || ioctl(tap_fd, TUNSETOFFLOAD, 0) < 0)
        die("cannot attach to the device");
}

static err_t tap_output(struct netif *netif, struct pbuf *p)
{
    (void)netif;
    uint8_t frame[FRAME_MAX];
    const void *at = p->payload;
    if (p->next != NULL) {
        if (p->tot_len > sizeof frame)
            return ERR_BUF;
        pbuf_copy_partial(p, frame, p->tot_len, 0);
        at = frame;
    }
    return write(tap_fd, at, p->tot_len) == p->tot_len ? ERR_OK : ERR_IF;
}

static err_t tap_init(struct netif *netif)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };
    netif->name[0] = 't';
    netif->name[1] = 'p';
    netif->output = etharp_output;
    netif->linkoutput = tap_output;
    netif->mtu = TAP_MTU;
    netif->hwaddr_len = sizeof mac;
    memcpy(netif->hwaddr, mac, sizeof mac);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* One frame, read where lwIP will keep it. False: none there. */
static bool tap_input(struct netif *netif)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, FRAME_MAX, PBUF_RAM);
    if (p == NULL)
        die("out of memory");
    const ssize_t got = read(tap_fd, p->payload, FRAME_MAX);
    if (got <= 0) {
        pbuf_free(p);
        return false;
    }
    p->len = p->tot_len = (u16_t)got;
    if (netif->input(p, netif) != ERR_OK)
        pbuf_free(p);
    return true;
}

/* ---- The roles ---- */

static void end(struct tcp_pcb *pcb)
{
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    if (tcp_close(pcb) != ERR_OK)
        die("tcp_close");
}

static err_t sink(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    (void)arg;
    (void)error;
    if (p == NULL) {
        bulk_end(&meter);
        end(pcb);
        return ERR_OK;
    }
    meter.octets += p->tot_len;
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t fill(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    (void)arg;
    (void)len;
    while (tcp_sndbuf(pcb) >= TCP_MSS) {
        const u16_t part = (u16_t)LWIP_MIN(tcp_sndbuf(pcb), WRITE_MAX / TCP_MSS * TCP_MSS);
        if (tcp_write(pcb, zeros, part, 0) != ERR_OK)
            break;
        meter.octets += part;
    }
    return ERR_OK;
}

static void source_over(void *arg, err_t error)
{
    (void)arg;
    (void)error;
    bulk_end(&meter);
}

static err_t source_end(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    (void)arg;
    (void)error;
    if (p != NULL) {
        pbuf_free(p);
        return ERR_OK;
    }
    bulk_end(&meter);
    end(pcb);
    return ERR_OK;
}

static err_t echo(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    (void)arg;
    (void)error;
    if (p == NULL) {
        end(pcb);
        return ERR_OK;
    }
    if (tcp_write(pcb, p->payload, p->len, TCP_WRITE_FLAG_COPY) != ERR_OK)
        die("an answer does not fit");
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t accept_source(void *arg, struct tcp_pcb *pcb, err_t error)
{
    (void)arg;
    (void)error;
    bulk_begin(&meter);
    pcb->snd_buf = SEND_OCTETS;
    tcp_recv(pcb, source_end);
    tcp_sent(pcb, fill);
    tcp_err(pcb, source_over);
    fill(NULL, pcb, 0);
    return tcp_output(pcb);
}

static err_t accept_reader(void *arg, struct tcp_pcb *pcb, err_t error)
{
    (void)error;
    bulk_begin(&meter);
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, strcmp(arg, "sink") == 0 ? sink : echo);
    return ERR_OK;
}

/* ---- Running ---- */

static void listen_as(char *role, u16_t port)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
    if (pcb == NULL || tcp_bind(pcb, IP4_ADDR_ANY, port) != ERR_OK)
        die("tcp_bind");
    pcb = tcp_listen_with_backlog(pcb, 255);
    if (pcb == NULL)
        die("tcp_listen");
    tcp_arg(pcb, role);
    tcp_accept(pcb, strcmp(role, "source") == 0 ? accept_source : accept_reader);
}

static void run(struct netif *netif, bool spin)
{
    struct pollfd wanted = { .fd = tap_fd, .events = POLLIN };
    while (!stopping) {
        for (unsigned i = 0; i < BATCH && tap_input(netif); i++)
            continue;
        sys_check_timeouts();
        if (spin)
            continue;
        const u32_t ms = sys_timeouts_sleeptime();
        poll(&wanted, 1, (int)LWIP_MIN(ms, SLEEP_MS_MAX));
    }
}

int main(int argc, char **argv)
{
    struct netif netif;
    ip4_addr_t ip, mask, none;
    const bool spin = argc == 6 && strcmp(argv[5], "--spin") == 0;
    if (argc < 5 || (argc == 6 && !spin) || argc > 6 || !ip4addr_aton(argv[3], &ip)) {
        fputs("usage: bench-lwip sink|source|pong|accept DEVICE ADDRESS PORT [--spin]\n", stderr);
        return 2;
    }
    tap_open(argv[2]);
    lwip_init();
    ip4_addr_set_u32(&mask, PP_HTONL(0xffffff00));
    ip4_addr_set_zero(&none);
    if (netif_add(&netif, &ip, &mask, &none, NULL, tap_init, ethernet_input) == NULL)
        die("netif_add");
    netif_set_default(&netif);
    netif_set_up(&netif);
    listen_as(argv[1], (u16_t)atoi(argv[4]));
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    puts("ready");
    fflush(stdout);
    run(&netif, spin);
    return 0;
}
