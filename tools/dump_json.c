/* SPDX-License-Identifier: MIT */

/* Packets as JSON: an object a line, so that what comes live can be read as it comes. */

#include "doctor/capture_packet.h"
#include "dump_text.h"
#include "json.h"

static const char *kind_text(const struct packet *packet)
{
    switch (packet->kind) {
    case PACKET_TCP:
        return "tcp";
    case PACKET_UDP:
        return "udp";
    case PACKET_ICMP:
        return "icmp";
    case PACKET_ARP:
        return "arp";
    case PACKET_IP:
        return "ip";
    default:
        return "other";
    }
}

static void put_end(struct json *json, const char *key, const struct weir_addr *addr, bool port)
{
    char text[WEIR_IP_TEXT_MAX];
    json_object(json, key);
    json_string(json, "address", weir_ip_text(&addr->ip, text));
    if (port)
        json_unsigned(json, "port", addr->port);
    json_end_object(json);
}

static void put_tcp(struct json *json, const struct packet_tcp *tcp)
{
    char flags[PACKET_FLAGS_MAX];
    json_string(json, "flags", packet_flags_text(tcp->flags, flags));
    json_unsigned(json, "seq", tcp->seq);
    if ((tcp->flags & PACKET_ACK) != 0)
        json_unsigned(json, "ack", tcp->ack);
    json_unsigned(json, "window", tcp->window);
    json_unsigned(json, "length", tcp->len);
    if ((tcp->options & PACKET_HAS_MSS) != 0)
        json_unsigned(json, "mss", tcp->mss);
    if ((tcp->options & PACKET_HAS_WSCALE) != 0)
        json_unsigned(json, "window_scale", tcp->wscale);
    if ((tcp->options & PACKET_HAS_TS) != 0) {
        json_unsigned(json, "ts_val", tcp->tsval);
        json_unsigned(json, "ts_ecr", tcp->tsecr);
    }
    if (tcp->sack_count == 0)
        return;
    json_array(json, "sack");
    for (unsigned i = 0; i < tcp->sack_count; i++) {
        json_object(json, NULL);
        json_unsigned(json, "start", tcp->sack[i].start);
        json_unsigned(json, "end", tcp->sack[i].end);
        json_end_object(json);
    }
    json_end_array(json);
}

void dump_json(FILE *out, const struct capture_frame *frame)
{
    struct packet packet;
    struct json json;
    packet_dissect(frame, &packet);
    json_begin(&json, out);
    json.one_line = true;
    json_object(&json, NULL);
    json_unsigned(&json, "number", frame->number);
    json_milli(&json, "at_us", frame->when);
    json_unsigned(&json, "octets", frame->whole_len);
    if (frame->len < frame->whole_len)
        json_unsigned(&json, "kept", frame->len);
    json_string(&json, "kind", kind_text(&packet));
    if (packet.ip != NULL) {
        const bool ports = packet.kind == PACKET_TCP || packet.kind == PACKET_UDP;
        put_end(&json, "from", &packet.from, ports);
        put_end(&json, "to", &packet.to, ports);
        json_unsigned(&json, "protocol", packet.protocol);
        json_unsigned(&json, "ttl", packet.ttl);
    }
    if (packet.malformed)
        json_bool(&json, "malformed", true);
    if (packet.fragment)
        json_bool(&json, "fragment", true);
    if (packet.kind == PACKET_TCP)
        put_tcp(&json, &packet.tcp);
    if (frame->comment[0] != '\0')
        json_string(&json, "comment", frame->comment);
    json_end_object(&json);
    json_finish(&json);
}
