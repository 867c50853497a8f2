/* SPDX-License-Identifier: MIT */

/* Two instances, no I/O, no clock: one greets, the other echoes. Time is a number that we count,
 * and frames are carried by hand; so this prints the same on every machine, every time. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

static struct weir *host(uint8_t number)
{
    struct weir_config config;
    weir_config_default(&config);
    config.seed = number; /* a real program takes seed and secret from the system's random source */
    struct weir_iface_config link = { .mac = { 2, 0, 0, 0, 0, number }, .mtu = 1500 };
    const struct weir_ip ip = weir_ip_v4(192, 0, 2, number);
    const size_t size = weir_memory_size(&config);
    struct weir *weir;
    unsigned iface;
    if (weir_init(&weir, aligned_alloc(64, (size + 63) / 64 * 64), size, &config, 0) != WEIR_OK ||
        weir_iface_add(weir, &link, &iface, 0) != WEIR_OK ||
        weir_address_add(weir, iface, &ip, 24, 0) != WEIR_OK)
        exit(1);
    return weir;
}

/* Carries what `from` has to say to `to`. */
static void carry(struct weir *from, struct weir *to, weir_time now)
{
    struct weir_out out;
    while (weir_output(from, 0, &out, 1, now) > 0) {
        uint8_t octets[1600];
        struct weir_frame frame = { .data = octets, .len = out.head_len, .when = now };
        memcpy(octets, out.head, out.head_len);
        for (unsigned i = 0; i < out.span_count; frame.len += out.span[i++].len)
            memcpy(octets + frame.len, out.span[i].base, out.span[i].len);
        weir_input(to, 0, &frame, 1, now);
    }
}

int main(void)
{
    static struct weir *client, *server; /* they live as long as the program */
    client = host(1);
    server = host(2);
    const struct weir_addr echo = { .ip = weir_ip_v4(192, 0, 2, 2), .port = 7 };
    weir_handle listener, there = WEIR_NO_HANDLE, here;
    char text[64];
    size_t len = 0, sent = 0;
    if (weir_listen(server, &echo, 1, 0, &listener) != WEIR_OK ||
        weir_connect(client, NULL, &echo, &here, 0) != WEIR_IN_PROGRESS)
        return 1;
    for (weir_time now = 0; now < WEIR_SECOND; now += WEIR_MS) {
        weir_timeout(client, now);
        weir_timeout(server, now);
        if (sent == 0 && weir_send(client, here, "hello", 5, 0, &sent, now) == WEIR_OK)
            printf("%3lld ms  wrote %zu octets\n", (long long)(now / WEIR_MS), sent);
        if (there != WEIR_NO_HANDLE || weir_accept(server, listener, &there, now) == WEIR_OK)
            if (weir_recv(server, there, text, sizeof text, &len, now) == WEIR_OK)
                (void)!weir_send(server, there, text, len, 0, &len, now);
        if (weir_recv(client, here, text, sizeof text, &len, now) == WEIR_OK) {
            printf("%3lld ms  back: %.*s\n", (long long)(now / WEIR_MS), (int)len, text);
            return len == 5 && memcmp(text, "hello", 5) == 0 ? 0 : 1;
        }
        carry(client, server, now);
        carry(server, client, now);
    }
    return 1;
}
