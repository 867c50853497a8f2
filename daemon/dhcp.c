/* SPDX-License-Identifier: MIT */
#include "dhcp.h"

#include "heads.h"
#include "parts.h"

#include <stdio.h>
#include <string.h>

#define PORT_CLIENT 68
#define PORT_SERVER 67
#define TRIES       4
#define FIRST_WAIT  WEIR_SECOND /* doubled for each try */
#define WAIT_MOST   (64 * WEIR_SECOND)
#define RETRY_LEAST (60 * WEIR_SECOND)
#define ETH_HEAD    14
#define IP_HEAD     20
#define UDP_HEAD    8
#define HEADS       (ETH_HEAD + IP_HEAD + UDP_HEAD)
#define TTL         64
#define UDP         17

/* ---- Without an address: frames of our own ---- */

/* From 0.0.0.0 to everybody. Without a UDP checksum, which IPv4 allows. */
static bool broadcast(struct weird *weird, const uint8_t *message, size_t len)
{
    struct weir_out out = { .head_len = HEADS,
                            .span_count = 1,
                            .transport_off = ETH_HEAD + IP_HEAD };
    uint8_t *ip = out.head + ETH_HEAD, *udp = ip + IP_HEAD;
    memset(out.head, 0xff, 6);
    memcpy(out.head + 6, weird->dev->mac, 6);
    put_u16(out.head + 12, 0x0800);
    ip[0] = 0x45;
    put_u16(ip + 2, (uint16_t)(IP_HEAD + UDP_HEAD + len));
    ip[8] = TTL;
    ip[9] = UDP;
    memset(ip + 16, 0xff, 4);
    put_u16(ip + 10, head_sum(ip, IP_HEAD));
    put_u16(udp, PORT_CLIENT);
    put_u16(udp + 2, PORT_SERVER);
    put_u16(udp + 4, (uint16_t)(UDP_HEAD + len));
    out.span[0].base = (void *)(uintptr_t)message;
    out.span[0].len = (uint32_t)len;
    const bool written = weir_dev_output(weird->dev, &out) == 0;
    weir_dev_flush(weird->dev);
    return written;
}

/* The message in a frame for our port; its length, or 0. */
static size_t message_of(const struct weir_frame *frame, const uint8_t **message)
{
    const uint8_t *ip = frame->data + ETH_HEAD;
    if (frame->len < HEADS || frame->data[12] != 0x08 || frame->data[13] != 0x00 ||
        ip[0] >> 4 != 4 || ip[9] != UDP)
        return 0;
    const size_t head = (size_t)(ip[0] & 0xf) * 4;
    const uint8_t *udp = ip + head;
    if (head < IP_HEAD || frame->len < ETH_HEAD + head + UDP_HEAD || udp[2] != 0 ||
        udp[3] != PORT_CLIENT)
        return 0;
    const size_t len = (size_t)udp[4] << 8 | udp[5];
    if (len < UDP_HEAD || len > frame->len - ETH_HEAD - head)
        return 0;
    *message = udp + UDP_HEAD;
    return len - UDP_HEAD;
}

static bool take_frames(struct weird *weird, enum dhcp_type type, struct dhcp_heard *heard)
{
    struct weir_frame frames[WEIR_DEV_INPUT_MAX];
    const int count = weir_dev_input(weird->dev, frames, WEIR_DEV_INPUT_MAX, weir_loop_clock());
    for (int i = 0; i < count; i++) {
        const uint8_t *message;
        const size_t len = message_of(&frames[i], &message);
        if (len > 0 && dhcp_read(message, len, weird->dev->mac, heard) &&
            heard->xid == weird->dhcp.xid && (heard->type == type || heard->type == DHCP_NAK))
            return true;
    }
    return false;
}

/* Says it, and again, until a server answers with `type` or refuses. */
static bool ask(struct weird *weird, const struct dhcp_said *said, enum dhcp_type type,
                struct dhcp_heard *heard)
{
    uint8_t message[DHCP_MESSAGE_MAX];
    const size_t len = dhcp_write(message, said);
    weir_time wait = FIRST_WAIT;
    for (unsigned i = 0; i < TRIES; i++, wait *= 2) {
        const weir_time end = weir_loop_clock() + wait;
        (void)broadcast(weird, message, len); /* one that is lost is said again */
        while (weir_loop_clock() < end)
            if (readable_within(weird->dev->fd, end - weir_loop_clock()) &&
                take_frames(weird, type, heard))
                return heard->type == type;
    }
    return false;
}

bool dhcp_get(struct weird *weird, char why[WEIR_LINE_MAX])
{
    struct dhcp *dhcp = &weird->dhcp;
    struct dhcp_heard offer;
    struct dhcp_said said = { .type = DHCP_DISCOVER };
    memcpy(said.mac, weird->dev->mac, sizeof said.mac);
    if (!random_fill(weird, &dhcp->xid, sizeof dhcp->xid)) {
        snprintf(why, WEIR_LINE_MAX, "dhcp: no random number: %m");
        return false;
    }
    said.xid = dhcp->xid;
    if (!ask(weird, &said, DHCP_OFFER, &offer)) {
        snprintf(why, WEIR_LINE_MAX, "dhcp: no server offers an address on %s", weird->dev->name);
        return false;
    }
    said.type = DHCP_REQUEST;
    said.requested = offer.address;
    said.server = offer.server;
    if (!ask(weird, &said, DHCP_ACK, &dhcp->lease)) {
        dhcp->lease.lease = 0;
        snprintf(why, WEIR_LINE_MAX, "dhcp: the server does not give what it offered");
        return false;
    }
    dhcp->since = weir_loop_clock();
    return true;
}

/* ---- With one: an endpoint of the stack ---- */

static void on_time(void *user, weir_time now);

static void set_timer(struct weird *weird, weir_time at)
{
    weird->dhcp.timer.on_time = on_time;
    weird->dhcp.timer.user = weird;
    weir_loop_set_timer(weird->loop, &weird->dhcp.timer, at);
}

static weir_time point(const struct dhcp *dhcp, uint32_t seconds)
{
    return dhcp->since + (weir_time)seconds * WEIR_SECOND;
}

static void say_to(struct weird *weird, enum dhcp_type type, const struct weir_ip *to,
                   weir_time now)
{
    struct dhcp *dhcp = &weird->dhcp;
    uint8_t message[DHCP_MESSAGE_MAX];
    struct dhcp_said said = { .type = type, .xid = dhcp->xid, .client = dhcp->lease.address };
    if (type == DHCP_RELEASE)
        said.server = dhcp->lease.server;
    memcpy(said.mac, weird->dev->mac, sizeof said.mac);
    const struct weir_addr server = { .ip = *to, .port = PORT_SERVER };
    const size_t len = dhcp_write(message, &said);
    (void)!weir_udp_send(weird->weir, dhcp->endpoint, &server, message, len, now);
}

/* ---- Another one ---- */

static const struct weir_ip none;

/* INIT (RFC 2131, 4.4.1): asks everybody, each time after twice as long. */
static void discover(struct weird *weird, weir_time now)
{
    struct dhcp *dhcp = &weird->dhcp;
    uint8_t message[DHCP_MESSAGE_MAX];
    struct dhcp_said said = { .type = DHCP_DISCOVER };
    (void)random_fill(weird, &dhcp->xid, sizeof dhcp->xid);
    said.xid = dhcp->xid;
    memcpy(said.mac, weird->dev->mac, sizeof said.mac);
    dhcp->requested = false;
    (void)broadcast(weird, message, dhcp_write(message, &said));
    set_timer(weird, now + dhcp->wait);
    dhcp->wait = 2 * dhcp->wait < WAIT_MOST ? 2 * dhcp->wait : WAIT_MOST;
}

/* SELECTING: the first offer is as good as another. */
static void request(struct weird *weird, const struct dhcp_heard *offer)
{
    uint8_t message[DHCP_MESSAGE_MAX];
    struct dhcp_said said = { .type = DHCP_REQUEST,
                              .xid = weird->dhcp.xid,
                              .requested = offer->address,
                              .server = offer->server };
    memcpy(said.mac, weird->dev->mac, sizeof said.mac);
    weird->dhcp.requested = true;
    (void)broadcast(weird, message, dhcp_write(message, &said));
}

static void take(struct weird *weird, const struct dhcp_heard *heard, weir_time now)
{
    struct dhcp *dhcp = &weird->dhcp;
    const struct weir_ip any = weir_ip_v4(0, 0, 0, 0);
    char line[WEIR_LINE_MAX], text[WEIR_IP_TEXT_MAX];
    enum weir_error error =
        weir_address_add(weird->weir, weird->iface, &heard->address, heard->prefix_len, now);
    if (error == WEIR_OK && !weir_ip_equal(&heard->router, &none))
        error = weir_route_add(weird->weir, &any, 0, &heard->router, weird->iface, 0);
    snprintf(line, sizeof line, "dhcp: address %s%s%s", weir_ip_text(&heard->address, text),
             error != WEIR_OK ? ": " : "", error != WEIR_OK ? weir_error_text(error) : "");
    weird_complain(line);
    dhcp->lease = *heard;
    dhcp->since = now;
    dhcp->wait = 0;
    if (heard->lease == DHCP_FOREVER)
        weir_loop_clear_timer(weird->loop, &dhcp->timer);
    else
        set_timer(weird, point(dhcp, heard->renew));
}

static void lose(struct weird *weird, weir_time now)
{
    struct dhcp *dhcp = &weird->dhcp;
    const struct weir_ip any = weir_ip_v4(0, 0, 0, 0);
    if (!weir_ip_equal(&dhcp->lease.router, &none))
        weir_route_remove(weird->weir, &any, 0, &dhcp->lease.router, weird->iface);
    (void)weir_address_remove(weird->weir, weird->iface, &dhcp->lease.address, now);
    dhcp->lease = (struct dhcp_heard){ .lease = 0 };
    weird_complain("dhcp: the address is lost; another is asked for");
    dhcp->wait = FIRST_WAIT;
    discover(weird, now);
}

/* RENEWING asks the server that gave it, REBINDING any (RFC 2131, 4.4.5); the next time after half
 * of what is left. */
static void on_time(void *user, weir_time now)
{
    struct weird *weird = user;
    const struct dhcp *dhcp = &weird->dhcp;
    const weir_time rebind = point(dhcp, dhcp->lease.rebind);
    const weir_time end = point(dhcp, dhcp->lease.lease);
    const struct weir_ip all = weir_ip_v4(255, 255, 255, 255);
    if (dhcp->wait > 0) {
        discover(weird, now);
        return;
    }
    if (now >= end) {
        lose(weird, now);
        return;
    }
    say_to(weird, DHCP_REQUEST, now < rebind ? &dhcp->lease.server : &all, now);
    const weir_time next = now < rebind ? rebind : end;
    const weir_time wait = (next - now) / 2 > RETRY_LEAST ? (next - now) / 2 : RETRY_LEAST;
    set_timer(weird, now + wait < next ? now + wait : next);
}

bool dhcp_event(struct weird *weird, const struct weir_event *event, weir_time now)
{
    struct dhcp *dhcp = &weird->dhcp;
    uint8_t message[DHCP_MESSAGE_MAX];
    struct weir_datagram info;
    struct dhcp_heard heard;
    if (dhcp->endpoint == WEIR_NO_HANDLE || event->handle != dhcp->endpoint)
        return false;
    while (weir_udp_recv(weird->weir, dhcp->endpoint, message, sizeof message, &info) == WEIR_OK) {
        if (info.len > sizeof message || !dhcp_read(message, info.len, weird->dev->mac, &heard) ||
            heard.xid != dhcp->xid)
            continue;
        if (dhcp->wait > 0) {
            if (heard.type == DHCP_OFFER && !dhcp->requested)
                request(weird, &heard);
            else if (heard.type == DHCP_ACK && dhcp->requested)
                take(weird, &heard, now);
        } else if (heard.type == DHCP_NAK) {
            lose(weird, now);
        } else if (heard.type == DHCP_ACK && weir_ip_equal(&heard.address, &dhcp->lease.address)) {
            dhcp->lease = heard;
            dhcp->since = now;
            set_timer(weird, point(dhcp, heard.renew));
        }
    }
    return true;
}

bool dhcp_keep(struct weird *weird, char why[WEIR_LINE_MAX])
{
    struct dhcp *dhcp = &weird->dhcp;
    const struct weir_addr local = { .ip = weir_ip_v4(0, 0, 0, 0), .port = PORT_CLIENT };
    const weir_time now = weir_loop_clock();
    if (dhcp->lease.lease == DHCP_FOREVER)
        return true;
    const enum weir_error error = weir_udp_open(weird->weir, &local, &dhcp->endpoint);
    if (error != WEIR_OK) {
        snprintf(why, WEIR_LINE_MAX, "dhcp: %s", weir_error_text(error));
        return false;
    }
    (void)weir_set(weird->weir, dhcp->endpoint, WEIR_OPT_BROADCAST, 1, now);
    set_timer(weird, point(dhcp, dhcp->lease.renew));
    return true;
}

void dhcp_release(struct weird *weird)
{
    if (weird->dhcp.lease.lease != 0 && weird->dhcp.endpoint != WEIR_NO_HANDLE)
        say_to(weird, DHCP_RELEASE, &weird->dhcp.lease.server, weir_loop_clock());
}
