/* SPDX-License-Identifier: MIT */
#include "packet.h"

#include "weir/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- from the wire's numbers to the script's ---- */

void seen_relative(struct seen *seen, const struct flow *flow)
{
    struct packet *is = &seen->is;
    if (is->proto != PROTO_TCP)
        return;
    is->seq -= (is->flags & SEG_SYN) != 0 ? flow->local_syn_shift : flow->local_shift;
    if (is->has_ack)
        is->ack -= (is->flags & SEG_SYN) != 0 ? flow->syn_shift : flow->remote_shift;
    for (unsigned i = 0; i < is->option_count; i++)
        if (is->option[i].form == FORM_SACK)
            for (unsigned k = 0; k < is->option[i].blocks * 2; k++)
                is->option[i].sack[k] -= flow->remote_shift;
}

bool seen_of(const struct seen *seen, const struct flow *flow)
{
    if (!weir_ip_equal(&seen->to, &flow->remote) || !weir_ip_equal(&seen->from, &flow->local))
        return false;
    if (seen->is.proto == PROTO_ICMP)
        return true;
    if ((seen->is.proto == PROTO_UDP) != flow->udp)
        return false;
    if (!flow->ports_known)
        return seen->to_port == flow->remote_port && (flow->udp || (seen->is.flags & SEG_SYN) != 0);
    return seen->to_port == flow->remote_port && seen->from_port == flow->local_port;
}

void flow_learn(struct flow *flow, const struct packet *expected, const struct seen *live)
{
    if (!flow->ports_known) {
        flow->local_port = live->from_port;
        flow->ports_known = true;
    }
    if (live->is.proto != PROTO_TCP)
        return;
    if ((live->is.flags & SEG_SYN) != 0 && (!flow->iss_known || flow->learn_again)) {
        flow->local_shift = live->is.seq;
        flow->local_syn_shift = live->is.seq - expected->seq;
        flow->iss_known = true;
        flow->learn_again = false;
    }
    for (unsigned i = 0; i < live->is.option_count; i++) {
        if (live->is.option[i].form != FORM_TS)
            continue;
        flow->ts_last = live->is.option[i].val;
        for (unsigned k = 0; k < expected->option_count; k++) {
            const struct tcp_option *option = &expected->option[k];
            if (option->form != FORM_TS || option->any_val || flow->ts_count == FLOW_TS_MAX)
                continue;
            flow->ts[flow->ts_count].script = option->val;
            flow->ts[flow->ts_count++].live = flow->ts_last;
        }
    }
}

/* ---- comparing ---- */

static bool timestamp_differs(const struct tcp_option *expected, const struct tcp_option *seen,
                              const struct flow *flow, bool exact)
{
    if (!exact)
        return false;
    if (!expected->any_ecr && expected->ecr != seen->ecr)
        return true;
    return flow->ts_count > 0 && !expected->any_val &&
           seen->val - flow->ts[0].live != expected->val - flow->ts[0].script;
}

static bool option_differs(const struct tcp_option *expected, const struct tcp_option *seen,
                           const struct flow *flow, bool exact)
{
    if (expected->kind != seen->kind || expected->len != seen->len || expected->form != seen->form)
        return true;
    switch (expected->form) {
    case FORM_TS:
        return timestamp_differs(expected, seen, flow, exact);
    case FORM_SACK:
        return memcmp(expected->sack, seen->sack, expected->blocks * 2 * sizeof seen->sack[0]) != 0;
    case FORM_MSS:
    case FORM_WSCALE:
        return expected->val != seen->val;
    case FORM_PLAIN:
        return memcmp(expected->data, seen->data, expected->len - 2u) != 0;
    default:
        return false;
    }
}

static const char *options_differ(const struct packet *expected, const struct packet *seen,
                                  const struct flow *flow, bool exact)
{
    if (expected->any_options)
        return NULL;
    if (expected->option_count != seen->option_count)
        return "options";
    for (unsigned i = 0; i < expected->option_count; i++)
        if (option_differs(&expected->option[i], &seen->option[i], flow, exact))
            return expected->option[i].form == FORM_TS && seen->option[i].form == FORM_TS
                       ? "timestamp"
                       : "options";
    return NULL;
}

static const char *ip_differs(const struct packet *expected, const struct packet *seen)
{
    const bool ect = (seen->tos & 3) == 1 || (seen->tos & 3) == 2;
    if (expected->has_ttl && expected->ttl != seen->ttl)
        return "ttl";
    if (expected->has_flow && expected->flow != seen->flow)
        return "flow label";
    if (!expected->has_tos)
        return NULL;
    if (expected->ect_any)
        return ect ? NULL : "ecn";
    if (expected->ecn_only)
        return (expected->tos & 3) == (seen->tos & 3) ? NULL : "ecn";
    return expected->tos == seen->tos ? NULL : "tos";
}

static const char *tcp_differs(const struct packet *expected, const struct packet *is)
{
    if (expected->flags != is->flags)
        return "flags";
    if (expected->seq != is->seq)
        return "sequence number";
    if (expected->len != is->len)
        return "length";
    if (expected->has_ack && expected->ack != is->ack)
        return "ack";
    if (expected->has_win && expected->win != is->win)
        return "window";
    return expected->urg != is->urg ? "urgent pointer" : NULL;
}

const char *packet_differs(const struct packet *expected, const struct seen *seen,
                           const struct flow *flow, unsigned flags)
{
    const struct packet *is = &seen->is;
    const char *what = expected->proto != is->proto ? "protocol" : ip_differs(expected, is);
    if (what != NULL)
        return what;
    if (!seen->text_zero)
        return "text (it is not what was written)";
    if (expected->proto == PROTO_UDP)
        return expected->len != is->len ? "length" : NULL;
    if (expected->proto == PROTO_ICMP) {
        const int type = seen->v6 ? expected->icmp->type6 : expected->icmp->type4;
        const int code = seen->v6 ? expected->icmp->code6 : expected->icmp->code4;
        return type != (int)seen->icmp_type || code != (int)seen->icmp_code ? "ICMP message" : NULL;
    }
    what = tcp_differs(expected, is);
    return what != NULL ? what : options_differ(expected, is, flow, (flags & MATCH_EXACT) != 0);
}

/* ---- as the script would write it ---- */

struct text {
    char *at;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text->at, text->room, format, args);
    va_end(args);
    const size_t taken = n < 0 ? 0 : (size_t)n < text->room ? (size_t)n : text->room - 1;
    text->at += taken;
    text->room -= taken;
}

static void show_option(struct text *text, const struct tcp_option *option)
{
    switch (option->form) {
    case FORM_NOP:
        say(text, "nop");
        break;
    case FORM_EOL:
        say(text, "eol");
        break;
    case FORM_MSS:
        say(text, "mss %u", option->val);
        break;
    case FORM_WSCALE:
        say(text, "wscale %u", option->val);
        break;
    case FORM_SACKOK:
        say(text, "sackOK");
        break;
    case FORM_SACK:
        say(text, "sack");
        for (unsigned i = 0; i < option->blocks; i++)
            say(text, " %u:%u", option->sack[i * 2], option->sack[i * 2 + 1]);
        break;
    case FORM_TS:
        say(text, option->any_val ? "TS val *" : "TS val %u", option->val);
        say(text, option->any_ecr ? " ecr *" : " ecr %u", option->ecr);
        break;
    case FORM_PLAIN: {
        const bool exp = option->kind == 254 && option->len >= 4 && option->data[0] == 0xf9 &&
                         option->data[1] == 0x89;
        say(text, option->kind == 34 ? "FO " : exp ? "FOEXP " : "unknown %u 0x", option->kind);
        for (unsigned i = exp ? 2 : 0; i + 2 < option->len; i++)
            say(text, "%02x", option->data[i]);
        break;
    }
    }
}

static void show_flags(struct text *text, unsigned flags)
{
    static const char letters[] = "FSRP.UEWA";
    if (flags == 0)
        say(text, "-");
    for (unsigned i = 0; letters[i] != '\0'; i++)
        if ((flags >> i & 1) != 0 && letters[i] != '.')
            say(text, "%c", letters[i]);
    if ((flags & SEG_ACK) != 0)
        say(text, ".");
}

static void show_tcp(struct text *text, const struct packet *packet)
{
    show_flags(text, packet->flags);
    say(text, " %u:%u(%u)", packet->seq, packet->seq + packet->len, packet->len);
    if (packet->has_ack)
        say(text, " ack %u", packet->ack);
    if (packet->has_win)
        say(text, " win %u", packet->win);
    if (packet->urg != 0)
        say(text, " urg %u", packet->urg);
    if (packet->any_options)
        say(text, " <...>");
    if (packet->option_count == 0)
        return;
    for (unsigned i = 0; i < packet->option_count; i++) {
        say(text, i == 0 ? " <" : ",");
        show_option(text, &packet->option[i]);
    }
    say(text, ">");
}

static void show_marks(struct text *text, const struct packet *packet)
{
    static const char *const ecn[] = { "noecn", "ect1", "ect0", "ce" };
    if (packet->has_tos && packet->ecn_only)
        say(text, "[%s] ", packet->ect_any ? "ecn" : ecn[packet->tos & 3]);
    else if (packet->has_tos && packet->tos > 3)
        say(text, "[tos 0x%02x] ", packet->tos);
    else if (packet->has_tos && packet->tos > 0)
        say(text, "[%s] ", ecn[packet->tos]);
}

char *packet_show(const struct packet *packet, char out[PACKET_TEXT])
{
    struct text text = { out, PACKET_TEXT };
    show_marks(&text, packet);
    if (packet->proto == PROTO_UDP)
        say(&text, "udp (%u)", packet->len);
    else if (packet->proto == PROTO_TCP)
        show_tcp(&text, packet);
    else if (packet->icmp != NULL)
        say(&text, "icmp %s %s", packet->icmp->type, packet->icmp->code);
    else
        say(&text, "icmp");
    if (packet->proto == PROTO_ICMP && packet->mtu != 0)
        say(&text, " mtu %u", packet->mtu);
    return out;
}

char *seen_show(const struct seen *seen, char out[PACKET_TEXT])
{
    packet_show(&seen->is, out);
    const size_t len = strlen(out);
    struct text text = { out + len, PACKET_TEXT - len };
    if (seen->is.proto == PROTO_ICMP && seen->is.icmp == NULL)
        say(&text, " type %u code %u", seen->icmp_type, seen->icmp_code);
    if (seen->merged > 1)
        say(&text, " (in %u packets)", seen->merged);
    return out;
}
