/* SPDX-License-Identifier: MIT */

/* An echo server on a real device, in the loop that comes with the library:
 *
 *     example-echo-loop tap:weir0 192.0.2.2      (as root; then: ip addr add 192.0.2.1/24 dev
 * weir0)
 *
 * Without arguments it tries itself: a client in memory, joined to the server by a pair. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/loop.h>
#include <weir/weir.h>

static const char greeting[] = "hello";

struct client {
    struct weir_loop *loop;
    weir_handle conn;
    bool echoed;
};

static void serve(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    const weir_handle *listener = user;
    weir_handle conn = event->handle;
    uint8_t data[4096];
    size_t len, sent;
    if (conn == *listener) {
        while (weir_accept(weir, *listener, &conn, now) == WEIR_OK)
            continue; /* each has an event of its own as soon as it has something to say */
        return;
    }
    /* Read no more than can be written: what is left waits, and the peer is held back. */
    enum weir_error error = WEIR_OK;
    while (error == WEIR_OK) {
        struct weir_span room;
        unsigned count = 1;
        error = weir_send_room(weir, conn, sizeof data, &room, &count);
        if (error == WEIR_OK)
            error = weir_recv(weir, conn, data, room.len < sizeof data ? room.len : sizeof data,
                              &len, now);
        if (error == WEIR_OK && len == 0)
            error = WEIR_PIPE; /* the peer's orderly end */
        if (error == WEIR_OK)
            error = weir_send(weir, conn, data, len, 0, &sent, now);
    }
    if (error != WEIR_AGAIN)
        weir_release(weir, conn, now);
}

static void greet(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct client *client = user;
    char text[sizeof greeting];
    size_t len = 0;
    if ((event->ready & WEIR_ERROR) != 0)
        weir_loop_stop(client->loop);
    if ((event->ready & WEIR_READABLE) == 0)
        return;
    if (weir_recv(weir, client->conn, text, sizeof text, &len, now) != WEIR_OK)
        return;
    printf("back: %.*s\n", (int)len, text);
    client->echoed = len == sizeof greeting - 1 && memcmp(text, greeting, len) == 0;
    weir_loop_stop(client->loop);
}

static struct weir *host(const char *address, const uint8_t mac[6], uint16_t mtu, bool offload)
{
    struct weir_config config;
    char why[WEIR_LINE_MAX];
    struct weir *weir;
    struct weir_ip ip;
    unsigned iface;
    weir_config_default(&config);
    struct weir_iface_config link = { .mtu = mtu, .csum_offload = offload, .tso = offload };
    memcpy(link.mac, mac, sizeof link.mac);
    if (!weir_ip_parse(address, &ip) || weir_secrets_fill(&config, why) < 0)
        return NULL;
    const size_t size = (weir_memory_size(&config) + 63) / 64 * 64;
    const weir_time now = weir_loop_clock();
    void *memory = aligned_alloc(64, size); /* lives as long as the program */
    if (memory == NULL || weir_init(&weir, memory, size, &config, now) != WEIR_OK ||
        weir_iface_add(weir, &link, &iface, now) != WEIR_OK ||
        weir_address_add(weir, iface, &ip, weir_ip_is_v4(&ip) ? 24 : 64, now) != WEIR_OK)
        return NULL;
    return weir;
}

static int failed(const char *why)
{
    fprintf(stderr, "echo_loop: %s\n", why);
    return 1;
}

static int on_device(struct weir_loop *loop, const char *spec, const char *address)
{
    const struct weir_addr any = { .port = 7 };
    char why[WEIR_LINE_MAX] = "";
    struct weir_dev *dev;
    weir_handle listener;
    if (weir_dev_open(&dev, spec, why) < 0)
        return failed(why);
    static struct weir *weir;
    weir = host(address, dev->mac, dev->mtu, dev->csum && dev->tso);
    if (weir == NULL || weir_listen(weir, &any, 16, 0, &listener) != WEIR_OK ||
        weir_loop_add_instance(loop, weir, serve, &listener) < 0 ||
        weir_loop_add_dev(loop, weir, 0, dev, NULL, 0) < 0)
        return failed("the host does not start");
    return weir_loop_run(loop, why) < 0 ? failed(why) : 0;
}

static int in_memory(struct weir_loop *loop)
{
    const struct weir_addr echo = { .ip = weir_ip_v4(192, 0, 2, 2), .port = 7 };
    struct client client = { .loop = loop };
    char why[WEIR_LINE_MAX] = "";
    struct weir_pair *pair;
    weir_handle listener;
    size_t sent = 0;
    static struct weir *near, *far;
    near = host("192.0.2.1", (const uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 1500, true);
    far = host("192.0.2.2", (const uint8_t[]){ 2, 0, 0, 0, 0, 2 }, 1500, true);
    const struct weir_pair_end ends[2] = { { .weir = near }, { .weir = far } };
    if (near == NULL || far == NULL || weir_pair_open(&pair, ends, false, why) < 0)
        return failed("the hosts do not start");
    if (weir_loop_add_instance(loop, near, greet, &client) < 0 ||
        weir_loop_add_instance(loop, far, serve, &listener) < 0 ||
        weir_loop_add_pair(loop, pair) < 0 || weir_listen(far, &echo, 1, 0, &listener) != WEIR_OK)
        return failed("the loop does not start");
    const weir_time now = weir_loop_clock();
    if (weir_connect(near, NULL, &echo, &client.conn, now) != WEIR_IN_PROGRESS)
        return failed("no connection");
    /* What is written before the handshake is through waits for it. */
    if (weir_send(near, client.conn, greeting, sizeof greeting - 1, 0, &sent, now) != WEIR_OK)
        return failed("nothing could be sent");
    if (weir_loop_run(loop, why) < 0)
        return failed(why);
    weir_pair_close(pair);
    return client.echoed ? 0 : failed("no echo");
}

int main(int argc, char **argv)
{
    char why[WEIR_LINE_MAX] = "";
    struct weir_loop *loop;
    if (argc != 1 && argc != 3)
        return failed("usage: example-echo-loop [DEVICE ADDRESS]");
    if (weir_loop_open(&loop, NULL, why) < 0)
        return failed(why);
    const int status = argc == 3 ? on_device(loop, argv[1], argv[2]) : in_memory(loop);
    weir_loop_close(loop);
    return status;
}
