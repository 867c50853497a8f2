/* SPDX-License-Identifier: MIT */

/* What the parser makes of a script's text, and what it says of text that is no script. */

#include "drill/script.h"
#include "tap.h"

#include <string.h>

static const struct define defines[] = { { "MSS", "1460" }, { "COOKIE", "0a0b" } };

static bool parse(struct script *script, const char *text, char error[DRILL_ERROR_MAX])
{
    return script_parse(script, "x.pkt", text, strlen(text), defines, 2, error);
}

/* ---- what is refused ---- */

static const struct {
    const char *text, *says;
} wrong[] = {
    { "", "there is no event" },
    { "// nothing\n", "there is no event" },
    { "/* no end", "does not end" },
    { "socket(...) = 3", "begins with its time" },
    { "0 <", "flags are letters" },
    { "0 < Q 0:0(0)", "flags are letters" },
    { "0 < S 0:10(5)", "is 10 octets, not 5" },
    { "0 < S 0:70000(70000)", "more than a packet holds" },
    { "0 < S 0:0(0) win 65536", "does not fit the header" },
    { "0 < S 0:0(0) <mss>", "a number is missing" },
    { "0 < S 0:0(0) <mss 65536>", "65536 is more than 65535" },
    { "0 < S 0:0(0) <mss 1000", "expected '>'" },
    { "0 < S 0:0(0) <wisdom 7>", "no TCP option is called 'wisdom'" },
    { "0 < . 0:0(0) <sack 1:2 3:4 5:6 7:8 9:10>", "more than four SACK blocks" },
    { "0 < . 0:0(0) <sack 1:2 3:4 5:6 7:8,TS val 1 ecr 1>", "a header holds 40" },
    { "0 < . 99999999999:0(0)", "does not fit 32 bits" },
    { "0 < [ttl 0] . 0:0(0)", "ttl 0 is not in 1..255" },
    { "0 < [sunny] . 0:0(0)", "[sunny] is not known" },
    { "0 < icmp nonsense", "no ICMP type is called 'nonsense'" },
    { "0 < icmp unreachable nonsense", "no ICMP code of unreachable" },
    { "0 < gre . 0:0(0)", "packets in packets" },
    { "+ < . 0:0(0)", "a time is missing" },
    { "0~ > . 0:0(0)", "a later time is expected" },
    { "2~1 > . 0:0(0)", "a later time is expected" },
    { "0...1 > . 0:0(0)", "only a call can have an end" },
    { "* read(3, ..., 1) = 1", "only a packet that is expected can come at any time" },
    { "0 read(3, ..., 1 = 1", "expected ')'" },
    { "0 read(3, , 1) = 1", "a value is expected" },
    { "0 f(\"no end) = 1", "'\"' is missing" },
    { "0 %{ assert 1", "'}%' is missing" },
    { "0 `sysctl", "'`' is missing" },
    { "0 f([[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]) = 0", "values in values" },
    { "0 < . 0:0(0)\n\n0 < ? 0:0(0)", "x.pkt:3:" },
};

static void check_wrong(void)
{
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct script script;
        char error[DRILL_ERROR_MAX];
        const bool good = parse(&script, wrong[i].text, error);
        CHECK(!good && strstr(error, wrong[i].says) != NULL, "text %u is refused: %s (%s)", i,
              wrong[i].says, error);
        if (good)
            script_free(&script);
    }
}

/* ---- what is read ---- */

static struct script whole;

static const struct event *event_of(const char *text)
{
    char error[DRILL_ERROR_MAX];
    if (!CHECK(parse(&whole, text, error), "%.*s is read (%s)", (int)strcspn(text, "\n"), text,
               error))
        return NULL;
    return whole.events;
}

static void check_times(void)
{
    static const struct {
        const char *text;
        enum when_kind kind;
        bool relative;
        weir_time at, until, end;
    } times[] = {
        { "0 > . 0:0(0)", WHEN_AT, false, 0, 0, 0 },
        { "1.5 > . 0:0(0)", WHEN_AT, false, 1500 * WEIR_MS, 1500 * WEIR_MS, 0 },
        { "+.000000001 > . 0:0(0)", WHEN_AT, true, 1, 1, 0 },
        { "+0.1~+0.2 > . 0:0(0)", WHEN_RANGE, true, 100 * WEIR_MS, 200 * WEIR_MS, 0 },
        { "1~2 > . 0:0(0)", WHEN_RANGE, false, WEIR_SECOND, 2 * WEIR_SECOND, 0 },
        { "* > . 0:0(0)", WHEN_ANY, true, 0, 0, 0 },
        { "+0...0.3 f() = 0", WHEN_AT, true, 0, 0, 300 * WEIR_MS },
        { "2...3 f() = 0", WHEN_AT, false, 2 * WEIR_SECOND, 2 * WEIR_SECOND, 3 * WEIR_SECOND },
    };
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
        const struct event *event = event_of(times[i].text);
        if (event == NULL)
            continue;
        const struct when *when = &event->when;
        CHECK(when->kind == times[i].kind && when->relative == times[i].relative &&
                  when->at == times[i].at && when->end == times[i].end &&
                  (when->kind != WHEN_RANGE || when->until == times[i].until),
              "... at the right time");
        script_free(&whole);
    }
}

static void check_packets(void)
{
    const struct event *event =
        event_of("0 < [ect0, ttl 9] FP. 1:MSS(1459) ack 0x10 win 5 urg 3 "
                 "<mss MSS,nop,wscale 7,sackOK,TS val 1 ecr *,sack 1:2 3:4>");
    if (event == NULL)
        return;
    const struct packet *p = event->packet;
    CHECK(p->flags == (SEG_FIN | SEG_PSH | SEG_ACK) && p->seq == 1 && p->len == 1459 &&
              p->has_ack && p->ack == 16 && p->win == 5 && p->urg == 3,
          "the header's fields");
    CHECK(p->has_tos && p->ecn_only && p->tos == 2 && p->has_ttl && p->ttl == 9, "the IP header's");
    CHECK(p->option_count == 6 && p->option[0].val == 1460 && p->option[2].val == 7 &&
              p->option[4].val == 1 && p->option[4].any_ecr && p->option[5].blocks == 2 &&
              p->option[5].sack[3] == 4,
          "the options");
    script_free(&whole);
    event = event_of("0 > 5. 0:0(0) <FO COOKIE,FOEXP,eol,unknown 99 0x0102>");
    if (event == NULL)
        return;
    p = event->packet;
    CHECK(p->flags == (SEG_ACK | SEG_AE | SEG_ECE), "the ACE counter is AE, CWR, ECE");
    CHECK(p->option[0].kind == 34 && p->option[0].len == 4 && p->option[0].data[1] == 0x0b,
          "a cookie by name");
    CHECK(p->option[1].kind == 254 && p->option[1].len == 4 && p->option[1].data[0] == 0xf9,
          "an experimental cookie's number");
    CHECK(p->option[3].kind == 99 && p->option[3].len == 4, "an option that nobody knows");
    script_free(&whole);
    event = event_of("0 < icmp unreachable frag_needed mtu 1200 [1:11(10)]");
    if (event == NULL)
        return;
    p = event->packet;
    CHECK(p->proto == PROTO_ICMP && p->icmp->code4 == 4 && p->icmp->type6 == 2 && p->mtu == 1200 &&
              p->seq == 1 && p->len == 10,
          "an ICMP error in both families");
    script_free(&whole);
}

static void check_calls(void)
{
    const struct event *event = event_of("0 epoll_wait(5, {events=EPOLLIN|EPOLLERR, fd=4}, ~0, "
                                         "[-1]) = -1 EAGAIN (why ever)\n+1 g()");
    if (event == NULL)
        return;
    const struct node *arg = event->args->first;
    CHECK(strcmp(event->text, "epoll_wait") == 0 && arg->number == 5,
          "a call and its first number");
    CHECK(arg->next->kind == NODE_STRUCT && arg->next->first->kind == NODE_FIELD &&
              arg->next->first->first->kind == NODE_OR,
          "fields and alternatives");
    CHECK(arg->next->next->number == -1 && arg->next->next->next->first->number == -1,
          "signs and complements");
    CHECK(event->result->number == -1 && strcmp(event->error, "EAGAIN") == 0, "result and errno");
    CHECK(event->next != NULL && event->next->result == NULL && event->next->line == 2,
          "the event behind it, whose result is not looked at");
    script_free(&whole);
}

static void check_frame(void)
{
    const struct event *event = event_of("// words\n--mtu=1400 --ip_version=ipv4\n"
                                         "`sysctl -q a=b`\n"
                                         "0 f() = 0 //: state LISTEN\n"
                                         "//: exact\n//: weir-only because\n%{ assert 1 }%");
    if (event == NULL)
        return;
    CHECK(strcmp(script_option(&whole, "mtu"), "1400") == 0 &&
              strcmp(script_option(&whole, "ip_version"), "ipv4") == 0 &&
              script_option(&whole, "speed") == NULL,
          "options");
    CHECK(whole.init != NULL && strcmp(whole.init, "sysctl -q a=b") == 0, "the first command");
    CHECK(event->next->kind == EVENT_DIRECTIVE && strcmp(event->next->text, "state LISTEN") == 0,
          "a directive behind an event");
    CHECK(whole.exact && strcmp(whole.weir_only, "because") == 0, "words about the whole script");
    CHECK(event->next->next->kind == EVENT_CODE && whole.event_count == 3, "code");
    script_free(&whole);
}

int main(void)
{
    check_wrong();
    check_times();
    check_packets();
    check_calls();
    check_frame();
    return tap_done();
}
