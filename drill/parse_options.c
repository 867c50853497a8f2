/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include "base/octets.h"

#include <ctype.h>
#include <string.h>

static uint8_t *put16(uint8_t *p, uint32_t value)
{
    put_u16(p, (uint16_t)value);
    return p + 2;
}

static uint8_t *put24(uint8_t *p, uint32_t value)
{
    *p++ = (uint8_t)(value >> 16);
    return put16(p, value);
}

static void set_plain(struct tcp_option *option, uint8_t kind, const uint8_t *end)
{
    option->form = FORM_PLAIN;
    option->kind = kind;
    option->len = (uint8_t)(2 + (end - option->data));
}

/* Hexadecimal octets in a row, as many as there are, or a name that stands for them (-D); returns
 * behind the last. */
static uint8_t *parse_hex(struct scan *scan, uint8_t *p, const uint8_t *limit)
{
    scan_space(scan);
    size_t len = 0;
    while (scan->at + len < scan->end &&
           (isalnum((unsigned char)scan->at[len]) || scan->at[len] == '_'))
        len++;
    const char *word = arena_text(scan->arena, scan->at, len);
    const char *digits = scan_defined(scan, word);
    for (; hex_digit(digits[0]) >= 0 && hex_digit(digits[1]) >= 0; digits += 2) {
        if (p == limit) {
            scan_fail(scan, "more octets than options have room for");
            return p;
        }
        *p++ = (uint8_t)(hex_digit(digits[0]) * 16 + hex_digit(digits[1]));
    }
    if (*digits != '\0') {
        scan_fail(scan, "'%s' is not hexadecimal, nor a name that was given a value (-D)", word);
        return p;
    }
    scan->at += len;
    return p;
}

static void parse_timestamp(struct scan *scan, struct tcp_option *option)
{
    option->form = FORM_TS;
    option->kind = 8;
    option->len = 10;
    scan_need(scan, "val");
    option->any_val = scan_take(scan, "*");
    if (!option->any_val)
        scan_u32(scan, &option->val);
    scan_need(scan, "ecr");
    option->any_ecr = scan_take(scan, "*");
    if (!option->any_ecr)
        scan_u32(scan, &option->ecr);
}

static void parse_sack(struct scan *scan, struct tcp_option *option)
{
    option->form = FORM_SACK;
    option->kind = 5;
    while (!scan->failed && !scan_look(scan, ",") && !scan_look(scan, ">")) {
        if (option->blocks == 4) {
            scan_fail(scan, "more than four SACK blocks");
            return;
        }
        scan_u32(scan, &option->sack[option->blocks * 2]);
        scan_need(scan, ":");
        scan_u32(scan, &option->sack[option->blocks * 2 + 1]);
        option->blocks++;
    }
    option->len = (uint8_t)(2 + option->blocks * 8);
}

/* FO COOKIE, FOEXP COOKIE: hexadecimal; without one, a request. `nop` may stand for none. */
static void parse_cookie(struct scan *scan, struct tcp_option *option, bool experimental)
{
    uint8_t *p = option->data;
    if (experimental)
        p = put16(p, 0xf989);
    p = parse_hex(scan, p, option->data + sizeof option->data - 2);
    set_plain(option, experimental ? 254 : 34, p);
}

/* ECN order of RFC 9768: AccECN0 (172) is EE0B, ECEB, EE1B; AccECN1 (174) the other way round. */
static void parse_accecn(struct scan *scan, struct tcp_option *option, const char *word)
{
    uint32_t counter[3] = { 0, 0, 0 };
    unsigned order[3], count = 0;
    while (!scan->failed && !scan_look(scan, ",") && !scan_look(scan, ">") && count < 3) {
        static const char *const names[3] = { "e0b", "ceb", "e1b" };
        const char *name = scan_word(scan);
        unsigned which = 3;
        for (unsigned i = 0; i < 3 && name != NULL; i++)
            if (strcmp(name, names[i]) == 0)
                which = i;
        if (which == 3) {
            scan_fail(scan, "%s is followed by e0b, ceb or e1b", word);
            return;
        }
        scan_u32(scan, &counter[which]);
        order[count++] = which;
    }
    uint8_t *p = option->data;
    for (unsigned i = 0; i < count; i++)
        p = put24(p, counter[order[i]]);
    const bool first_is_one = count > 0 && order[0] == 2;
    const bool said_one = strcmp(word, "ECN1") == 0 || strcmp(word, "AccECN1") == 0;
    set_plain(option, first_is_one || said_one ? 174 : 172, p);
}

static void parse_md5(struct scan *scan, struct tcp_option *option)
{
    uint8_t *p = parse_hex(scan, option->data, option->data + 16);
    set_plain(option, 19, p == option->data ? option->data + 16 : p);
}

/* `unknown KIND 0xHEX`, or `kind KIND HEX`: whatever else. */
static void parse_other(struct scan *scan, struct tcp_option *option)
{
    uint32_t kind = 0;
    scan_u32(scan, &kind);
    if (kind > 255)
        scan_fail(scan, "an option's kind is at most 255");
    scan_space(scan);
    if (scan->end - scan->at > 2 && scan->at[0] == '0' && scan->at[1] == 'x')
        scan->at += 2;
    set_plain(option, (uint8_t)kind,
              parse_hex(scan, option->data, option->data + sizeof option->data - 2));
}

static void parse_fixed(struct scan *scan, struct tcp_option *option, enum option_form form)
{
    static const uint8_t kinds[] = {
        [FORM_NOP] = 1, [FORM_MSS] = 2, [FORM_WSCALE] = 3, [FORM_SACKOK] = 4
    };
    static const uint8_t lens[] = { [FORM_MSS] = 4, [FORM_WSCALE] = 3, [FORM_SACKOK] = 2 };
    option->form = form;
    option->kind = form == FORM_EOL ? 0 : kinds[form];
    option->len = form == FORM_EOL || form == FORM_NOP ? 0 : lens[form];
    if (form != FORM_MSS && form != FORM_WSCALE)
        return;
    const uint32_t most = form == FORM_MSS ? UINT16_MAX : UINT8_MAX;
    if (scan_u32(scan, &option->val) && option->val > most)
        scan_fail(scan, "%u is more than %u", option->val, most);
}

static void parse_option(struct scan *scan, struct tcp_option *option)
{
    static const struct {
        const char *name;
        enum option_form form;
    } fixed[] = { { "nop", FORM_NOP },       { "eol", FORM_EOL },       { "mss", FORM_MSS },
                  { "wscale", FORM_WSCALE }, { "sackOK", FORM_SACKOK }, { "sackok", FORM_SACKOK } };
    const char *word = scan_word(scan);
    if (word == NULL) {
        scan_fail(scan, "the name of an option is missing");
        return;
    }
    for (unsigned i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strcmp(word, fixed[i].name) == 0) {
            parse_fixed(scan, option, fixed[i].form);
            return;
        }
    }
    if (strcmp(word, "TS") == 0 || strcmp(word, "ts") == 0)
        parse_timestamp(scan, option);
    else if (strcmp(word, "sack") == 0)
        parse_sack(scan, option);
    else if (strcmp(word, "FO") == 0 || strcmp(word, "FOEXP") == 0)
        parse_cookie(scan, option, word[2] != '\0');
    else if (strncmp(word, "AccECN", 6) == 0 || strncmp(word, "ECN", 3) == 0)
        parse_accecn(scan, option, word);
    else if (strcmp(word, "md5") == 0)
        parse_md5(scan, option);
    else if (strcmp(word, "unknown") == 0 || strcmp(word, "kind") == 0)
        parse_other(scan, option);
    else
        scan_fail(scan, "no TCP option is called '%s'", word);
}

void parse_options(struct scan *scan, struct packet *packet)
{
    unsigned total = 0;
    if (scan_take(scan, "...")) {
        packet->any_options = true;
        scan_need(scan, ">");
        return;
    }
    if (scan_take(scan, ">"))
        return;
    do {
        if (packet->option_count == DRILL_OPTIONS_MAX) {
            scan_fail(scan, "more options than a header holds");
            return;
        }
        struct tcp_option *option = &packet->option[packet->option_count++];
        parse_option(scan, option);
        total += option->len > 0 ? option->len : 1;
    } while (!scan->failed && scan_take(scan, ","));
    if (total > DRILL_OPTIONS_MAX)
        scan_fail(scan, "%u octets of options; a header holds %d", total, DRILL_OPTIONS_MAX);
    scan_need(scan, ">");
}
