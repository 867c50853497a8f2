/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <string.h>

/* Opening: RFC 9293, 3.5, 3.9.1.1, 3.10.1, 3.10.7.2 and 3.10.7.3. */

static void passive_open(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0 <mss 1000>");
    out(t, "S. 0 ack 1 <mss %u>", path_mss(t));
    why(t, SYN_ACK);
    state(t, SYN_RECEIVED);
    in(t, ". 1 ack 1");
    accept_conn(t);
    state(t, ESTABLISHED);
    ready_has(t, WEIR_CONNECTED | WEIR_WRITABLE);
    holds(t, status_of(t).passive);
}

static void active_open(struct t *t)
{
    open_active(t);
    out(t, "S 0 <mss %u,sackok,ts * -,ws 7>", path_mss(t));
    why(t, SYN);
    state(t, SYN_SENT);
    ready_lacks(t, WEIR_CONNECTED | WEIR_WRITABLE);
    in(t, "S. 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1 <>");
    state(t, ESTABLISHED);
    ready_has(t, WEIR_CONNECTED | WEIR_WRITABLE);
    holds(t, !status_of(t).passive);
}

static void simultaneous_open(struct t *t)
{
    reach(t, WEIR_SYN_RECEIVED);
    in(t, "S. 0 ack 1 <mss 1000>");
    state(t, ESTABLISHED);
    ignore(t);
    write_octets(t, 5);
    out(t, "P. 1:6 ack 1");
    in(t, "P. 1:11 ack 6");
    out(t, ". 6 ack 11");
    read_octets(t, 10);
}

static void simultaneous_open_by_ack(struct t *t)
{
    reach(t, WEIR_SYN_RECEIVED);
    in(t, ". 1 ack 1");
    state(t, ESTABLISHED);
}

static void reset_while_passively_opening(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, "R 1");
    drop(t, RESET);
    state(t, CLOSED);
    silent(t, 100 * SECONDS);
    weir_handle none;
    is(t, weir_accept(t->weir, t->listener, &none, t->now), WEIR_AGAIN);
    in(t, "S 0");
    out(t, "S. 0 ack 1"); /* it listens as before */
}

static void reset_while_actively_opening(struct t *t)
{
    reach(t, WEIR_SYN_RECEIVED);
    in(t, "R 1");
    drop(t, RESET);
    state(t, CLOSED);
    error_is(t, WEIR_REFUSED);
}

static void text_in_a_syn(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0:10");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    accept_conn(t);
    nothing_to_read(t);
    in(t, "P. 1:11 ack 1");
    out(t, ". 1 ack 11");
    read_octets(t, 10);
}

static void text_completes_the_handshake(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, "P. 1:101 ack 1"); /* the bare ACK was lost */
    out(t, ". 1 ack 101");
    accept_conn(t);
    read_octets(t, 100);
}

static void nothing_before_the_handshake_is_proven(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, "P. 1:101 ack 77");
    drop(t, HANDSHAKE_ACK);
    out(t, "R 77 win 0 <>");
    why(t, RST_REPLY);
    in(t, "P 1:101");
    drop(t, NO_ACK);
    weir_handle none;
    is(t, weir_accept(t->weir, t->listener, &none, t->now), WEIR_AGAIN);
    state(t, SYN_RECEIVED);
    in(t, ". 1 ack 1");
    accept_conn(t);
    nothing_to_read(t);
}

static void syn_again(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0 <mss 1000>");
    out(t, "S. 0 ack 1");
    in(t, "S 0 <mss 1000>");
    drop(t, SYN_DUPLICATE);
    out(t, "S. 0 ack 1");
    in(t, "S 0 <mss 1000>"); /* at most twice a second */
    in(t, "S 4000");
    drop(t, SYN_OTHER);
    after(t, 501 * MS);
    in(t, "S 4000");
    out(t, ". 1 ack 1");
    why(t, ACK_CHALLENGE);
    state(t, SYN_RECEIVED);
    in(t, ". 1 ack 1");
    accept_conn(t);
    state(t, ESTABLISHED);
}

static void syn_sent_believes_little(struct t *t)
{
    reach(t, WEIR_SYN_SENT);
    in(t, "S. 0 ack 5");
    drop(t, HANDSHAKE_ACK);
    out(t, "R 5 win 0 <>");
    in(t, "S. 0 ack 0");
    out(t, "R 0");
    in(t, ". 1 ack 5");
    out(t, "R 5");
    in(t, ". 1 ack 1"); /* the right ACK, but no SYN */
    drop(t, SYN_SENT_SILENT);
    in(t, "F 1");
    in(t, "R 1");
    drop(t, RST_NO_ACK);
    in(t, "R. 0 ack 5");
    drop(t, ACK_UNACCEPTABLE);
    in(t, "R. 0 ack 0");
    state(t, SYN_SENT);
    quiet(t);
    in(t, "S. 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    state(t, ESTABLISHED);
}

static void refused(struct t *t)
{
    reach(t, WEIR_SYN_SENT);
    in(t, "R. 0 ack 1");
    drop(t, RESET);
    state(t, CLOSED);
    ready_has(t, WEIR_ERROR | WEIR_HANGUP);
    error_is(t, WEIR_REFUSED);
    error_is(t, WEIR_OK);
    is(t, status_of(t).cause, WEIR_CAUSE_RESET);
}

static void syn_ack_with_text_and_fin(struct t *t)
{
    reach(t, WEIR_SYN_SENT);
    in(t, "SFP. 0:10 ack 1 <mss 1000>");
    out(t, ". 1 ack 12");
    state(t, CLOSE_WAIT);
    read_octets(t, 10);
    end_of_stream(t);
}

static void written_before_it_is_open(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    write_octets(t, 30);
    quiet(t);
    is(t, status_of(t).waits_for, WEIR_WAIT_HANDSHAKE);
    in(t, "S. 0 ack 1 <mss 1000>");
    out(t, "P. 1:31 ack 1");
}

static void closed_before_it_is_open(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    close_conn(t);
    state(t, CLOSED);
    silent(t, 200 * SECONDS);
    in(t, "S. 0 ack 1"); /* nobody's any more */
    out(t, "R 1");
}

static void closed_in_syn_received(struct t *t)
{
    reach(t, WEIR_SYN_RECEIVED);
    close_conn(t);
    state(t, FIN_WAIT_1);
    ignore(t);
    in(t, ". 1 ack 1");
    if (t->head != t->tail)
        out(t, "F. 1 ack 1");
    in(t, ". 1 ack 2");
    state(t, FIN_WAIT_2);
}

static void closed_in_syn_received_with_text(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    write_octets(t, 10);
    in(t, "S 0 <mss 1000>");
    out(t, "S. 0 ack 1");
    close_conn(t);
    state(t, SYN_RECEIVED);
    in(t, ". 1 ack 1");
    out(t, "FP. 1:11 ack 1");
    state(t, FIN_WAIT_1);
}

static void isn_is_a_clock_and_a_secret(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0");
    const uint32_t first = t->queue[t->head].seq;
    out(t, "S. 0 ack 1");
    in(t, "R 1");
    after(t, 2 * SECONDS);
    in(t, "S 0");
    const uint32_t second = t->queue[t->head].seq;
    out(t, "S. 0 ack 1");
    is(t, second - first, 500000); /* 4 us a step */
    uint32_t other[8];
    for (int i = 0; i < 8; i++) {
        t->peer = i + 1;
        in(t, "S 0");
        other[i] = t->queue[t->head].seq;
        out(t, "S. 0 ack 1");
    }
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < i; j++)
            holds(t, other[i] - other[j] > 100000 && other[j] - other[i] > 100000);
    /* One step of the port is no constant step of the number. */
    holds(t, other[2] - other[1] != other[1] - other[0]);
}

static void listening_disturbs_nobody(struct t *t)
{
    reach(t, WEIR_SYN_SENT);
    open_listener(t, 4); /* RFC 9293 MUST-42: the port is in use by a half-open connection */
    in(t, "S. 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    state(t, ESTABLISHED);
    const struct weir_addr local = { .ip = our_ip(t), .port = OUR_PORT };
    weir_handle second;
    is(t, weir_listen(t->weir, &local, 4, 0, &second), WEIR_IN_USE);
    in(t, "P. 1:11 ack 1");
    out(t, ". 1 ack 11");
    read_octets(t, 10);
    t->peer = 1;
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    t->peer = 0;
    state(t, ESTABLISHED);
}

static void listening_beside_connections(struct t *t)
{
    passive(t, PLAIN);
    weir_release(t->weir, t->listener, t->now);
    collect(t);
    in(t, "P. 1:11 ack 1");
    out(t, ". 1 ack 11");
    open_listener(t, 4);
    read_octets(t, 10);
    in(t, "P. 11:21 ack 1");
    out(t, ". 1 ack 21");
    state(t, ESTABLISHED);
}

static void local_address(struct t *t)
{
    begin(t);
    struct weir_addr local = { .ip = our_ip(t) };
    const struct weir_addr remote = peer_addr(t);
    local.ip.octet[15] = 77;
    is(t, weir_connect(t->weir, &local, &remote, &t->conn, t->now), WEIR_NOT_LOCAL);
    is(t, weir_listen(t->weir, &local, 4, 0, &t->listener), WEIR_NOT_LOCAL);
    local.ip = our_ip(t);
    is(t, weir_connect(t->weir, &local, &remote, &t->conn, t->now), WEIR_IN_PROGRESS);
    collect(t);
    const unsigned port = t->queue[t->head].sport;
    holds(t, port >= 32768 && port <= 60999);
    out(t, "S 0"); /* the harness compares the address of everything sent */
    weir_handle other;
    is(t, weir_connect(t->weir, NULL, &remote, &other, t->now), WEIR_IN_PROGRESS);
    collect(t);
    holds(t, t->queue[t->head].sport != port);
    out(t, "S 0");
    const struct weir_status status = status_of(t);
    const struct weir_ip ours = our_ip(t);
    holds(t, weir_ip_equal(&status.local.ip, &ours));
}

static void group_addresses_are_refused(struct t *t)
{
    begin(t);
    struct weir_addr remote = peer_addr(t);
    weir_handle conn;
    static const char *const v4[] = { "224.0.0.1", "239.255.255.255", "255.255.255.255",
                                      "192.0.2.255", "0.0.0.0" };
    static const char *const v6[] = { "ff02::1", "ff0e::1234", "::" };
    for (unsigned i = 0; i < (t->v6 ? 3 : 5); i++) {
        holds(t, weir_ip_parse(t->v6 ? v6[i] : v4[i], &remote.ip));
        const enum weir_error error = weir_connect(t->weir, NULL, &remote, &conn, t->now);
        holds(t, error == WEIR_INVALID || error == WEIR_NET_UNREACH);
    }
    collect(t);
}

/* The SYN of `text` with another address. */
static void syn_with(struct t *t, const char *address, bool source)
{
    uint8_t packet[200];
    struct weir_ip ip;
    const size_t len = packet_of(t, "S 0", packet);
    holds(t, weir_ip_parse(address, &ip));
    memcpy(packet + (t->v6 ? 8 : 12) + (source ? 0 : (t->v6 ? 16 : 4)), ip.octet + (t->v6 ? 0 : 12),
           t->v6 ? 16 : 4);
    fix_sums(packet, len);
    raw(t, packet, len);
    quiet(t);
}

static void group_addresses_are_ignored(struct t *t)
{
    static const char *const v4[] = { "224.0.0.1", "255.255.255.255", "192.0.2.255" };
    static const char *const v6[] = { "ff02::1", "ff02::1:ff00:1" };
    open_listener(t, 4);
    for (unsigned i = 0; i < (t->v6 ? 2 : 3); i++) {
        syn_with(t, t->v6 ? v6[i] : v4[i], false);
        holds(t, t->dropped != WEIR_DROP_NONE);
    }
    in(t, "S 0");
    out(t, "S. 0 ack 1");
}

static void impossible_sources_are_ignored(struct t *t)
{
    static const char *const v4[] = { "127.0.0.1", "0.0.0.0",   "0.1.2.3",    "255.255.255.255",
                                      "224.0.0.1", "240.0.0.1", "192.0.2.255" };
    static const char *const v6[] = { "::", "::1", "ff02::1", "::ffff:192.0.2.2" };
    open_listener(t, 4);
    for (unsigned i = 0; i < (t->v6 ? 4 : 7); i++) {
        t_note(t, "from %s\n", t->v6 ? v6[i] : v4[i]);
        if (t->v6 && i == 3) {
            uint8_t packet[200];
            const size_t len = packet_of(t, "S 0", packet);
            memset(packet + 8, 0, 10);
            memcpy(packet + 18, "\xff\xff\xc0\x00\x02\x02", 6);
            fix_sums(packet, len);
            raw(t, packet, len);
            quiet(t);
        } else {
            syn_with(t, t->v6 ? v6[i] : v4[i], true);
        }
        holds(t, t->dropped != WEIR_DROP_NONE);
    }
}

static void from_ourselves(struct t *t)
{
    uint8_t packet[200];
    open_listener(t, 4);
    const size_t len = packet_of(t, "S 0", packet);
    const size_t at = t->v6 ? 8 : 12, width = t->v6 ? 16 : 4, tcp = t->v6 ? 40 : 20;
    memcpy(packet + at, packet + at + width, width);
    memcpy(packet + tcp, packet + tcp + 2, 2);
    fix_sums(packet, len);
    raw(t, packet, len);
    quiet(t);
    holds(t, t->dropped != WEIR_DROP_NONE);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(passive_open, "RFC 9293 MUST-14, SHLD-5: SYN, SYN-ACK with our MSS, ACK"),
        CASE(active_open, "RFC 9293 MAY-3: the SYN offers MSS, SACK, timestamps and a scale"),
        CASE(simultaneous_open, "RFC 9293 MUST-10: two SYNs that cross open one connection"),
        CASE(simultaneous_open_by_ack, "RFC 9293 MUST-10: a bare ACK ends it as well"),
        CASE(reset_while_passively_opening,
             "RFC 9293 MUST-11: a passive open goes back to LISTEN, silently"),
        CASE(reset_while_actively_opening, "RFC 9293 MUST-11: an active open is refused"),
        CASE(text_in_a_syn, "RFC 9293 3.10.7.2: text of a SYN is not taken; it comes again"),
        CASE(text_completes_the_handshake,
             "RFC 9293 3.10.7.4: text acknowledges our SYN as well as a bare ACK"),
        CASE(nothing_before_the_handshake_is_proven,
             "RFC 9293 3.10.7.4 fifth: an ACK of what was never sent gets a reset"),
        CASE(syn_again,
             "the same SYN gets the SYN-ACK again, another one a challenge, both rate-limited"),
        CASE(syn_sent_believes_little,
             "RFC 9293 3.10.7.3: what is answered with a reset, and what is ignored"),
        CASE(refused, "RFC 9293 3.10.7.3 second: a reset that acknowledges our SYN is a refusal"),
        CASE(syn_ack_with_text_and_fin,
             "RFC 9293 3.10.7.3 fourth: other controls and text of a SYN-ACK count"),
        CASE(written_before_it_is_open, "RFC 9293 3.10.2: SEND in SYN-SENT queues"),
        CASE(closed_before_it_is_open, "RFC 9293 3.10.4: CLOSE in SYN-SENT deletes the TCB"),
        CASE(closed_in_syn_received, "RFC 9293 3.10.4: CLOSE in SYN-RECEIVED sends a FIN"),
        CASE(closed_in_syn_received_with_text, "RFC 9293 3.10.4: ... after what is queued"),
        CASE(isn_is_a_clock_and_a_secret,
             "RFC 9293 MUST-8, MUST-9, SHLD-1: a step each 4 us, and a hash of the tuple"),
        CASE(listening_disturbs_nobody,
             "RFC 9293 MUST-41, MUST-42: listening on the port of a connection in SYN-SENT"),
        CASE(listening_beside_connections,
             "RFC 9293 MUST-41: a listener may come and go beside its connections"),
        CASE(local_address, "RFC 9293 MUST-43, MUST-44, MUST-45: named, or asked of IP, and kept"),
        CASE(group_addresses_are_refused, "RFC 9293 MUST-46: no OPEN to broadcast or multicast"),
        CASE(group_addresses_are_ignored,
             "RFC 9293 MUST-57: no answer to what was sent to broadcast or multicast"),
        CASE(impossible_sources_are_ignored,
             "RFC 9293 MUST-63: no answer to a SYN from where no host can be"),
        CASE(from_ourselves, "a SYN from our own address and port (LAND) is ignored"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
