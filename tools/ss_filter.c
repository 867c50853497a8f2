/* SPDX-License-Identifier: MIT */
#include "ss_filter.h"

#include "args.h"

#include <ctype.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum kind {
    TERM_SRC,
    TERM_DST,
    TERM_SPORT,
    TERM_DPORT,
    TERM_DEV,
    TERM_STATE,
    TERM_NOT,
    TERM_AND,
    TERM_OR,
};

enum op {
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_GT,
    OP_LE,
    OP_GE,
};

#define WORD_MAX  128
#define WORDS_MAX 256

struct parser {
    struct ss_filter *filter;
    char word[WORDS_MAX][WORD_MAX];
    unsigned count, at, depth;
    char *why;
};

static bool fail(struct parser *parser, const char *what, const char *word)
{
    snprintf(parser->why, SS_FILTER_WHY, "filter: %s%s%.60s", what, word != NULL ? ": " : "",
             word != NULL ? word : "");
    return false;
}

/* ---- Words: arguments of the command line, which may hold several ---- */

static bool add_word(struct parser *parser, const char *from, size_t len)
{
    if (parser->count == WORDS_MAX || len >= WORD_MAX)
        return fail(parser, "too long", NULL);
    memcpy(parser->word[parser->count], from, len);
    parser->word[parser->count++][len] = '\0';
    return true;
}

static bool split(struct parser *parser, const char *text)
{
    while (*text != '\0') {
        size_t len = 1;
        if (isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        if (strchr("()", *text) != NULL)
            len = 1;
        else if (strchr("<>=!&|", *text) != NULL)
            len = strspn(text, "<>=!&|");
        else
            len = strcspn(text, " \t\n()<>=!&|");
        if (!add_word(parser, text, len))
            return false;
        text += len;
    }
    return true;
}

static const char *peek(const struct parser *parser)
{
    return parser->at < parser->count ? parser->word[parser->at] : NULL;
}

static bool is(const char *word, const char *a, const char *b, const char *c)
{
    return word != NULL && (strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0);
}

/* ---- Terms ---- */

static bool put(struct parser *parser, const struct ss_term *term)
{
    if (parser->filter->count == SS_FILTER_TERMS)
        return fail(parser, "too many terms", NULL);
    parser->filter->term[parser->filter->count++] = *term;
    return true;
}

static bool put_operator(struct parser *parser, enum kind kind)
{
    const struct ss_term term = { .kind = (uint8_t)kind };
    return put(parser, &term);
}

static uint8_t read_op(struct parser *parser)
{
    static const struct {
        const char *text;
        uint8_t op;
    } table[] = {
        { "=", OP_EQ },   { "==", OP_EQ },  { "eq", OP_EQ }, { "!=", OP_NE },
        { "ne", OP_NE },  { "neq", OP_NE }, { "<", OP_LT },  { "lt", OP_LT },
        { ">", OP_GT },   { "gt", OP_GT },  { "<=", OP_LE }, { "le", OP_LE },
        { "leq", OP_LE }, { ">=", OP_GE },  { "ge", OP_GE }, { "geq", OP_GE },
    };
    const char *word = peek(parser);
    for (unsigned i = 0; word != NULL && i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(word, table[i].text) != 0)
            continue;
        parser->at++;
        return table[i].op;
    }
    return OP_EQ;
}

static bool read_port(const char *text, struct ss_term *term)
{
    uint64_t number;
    if (strcmp(text, "*") == 0) {
        term->any_port = true;
        return true;
    }
    if (args_number(text, 0, 65535, &number)) {
        term->port = (uint16_t)number;
        return true;
    }
    const struct servent *entry = getservbyname(text, NULL);
    if (entry != NULL)
        term->port = ntohs((uint16_t)entry->s_port);
    return entry != NULL;
}

static bool read_prefix(const char *text, struct ss_term *term)
{
    unsigned bits;
    if (!args_prefix(text, &term->ip, &bits))
        return false;
    term->prefix_len = (uint8_t)(weir_ip_is_v4(&term->ip) ? bits + 96 : bits);
    return true;
}

/* "192.0.2.1:80", "[2001:db8::1]:80", "192.0.2.0/24", ":80", "*:80", "192.0.2.1". */
static bool read_host(const char *text, struct ss_term *term)
{
    char host[WORD_MAX];
    const char *port = NULL;
    term->any_port = true;
    snprintf(host, sizeof host, "%s", text);
    if (host[0] == '[') {
        char *end = strchr(host, ']');
        if (end == NULL)
            return false;
        *end = '\0';
        port = end[1] == ':' ? end + 2 : NULL;
        if (end[1] == '/') /* [2001:db8::]/32 */
            memmove(end, end + 1, strlen(end + 1) + 1);
        memmove(host, host + 1, strlen(host + 1) + 1);
        port = port != NULL ? text + (port - host) : NULL;
    } else {
        char *colon = strrchr(host, ':');
        const bool one = colon != NULL && strchr(host, ':') == colon;
        if (one) {
            *colon = '\0';
            port = text + (colon - host) + 1;
        }
    }
    if (port != NULL) {
        term->any_port = false;
        if (!read_port(port, term))
            return false;
    }
    term->any_host = host[0] == '\0' || strcmp(host, "*") == 0;
    return term->any_host || read_prefix(host, term);
}

static bool read_dev(const char *text, struct ss_term *term)
{
    uint64_t number;
    unsigned index = if_nametoindex(text);
    if (index == 0 && strncmp(text, "if", 2) == 0 && args_number(text + 2, 1, 65535, &number))
        index = (unsigned)number;
    term->iface = (uint16_t)index;
    return index != 0;
}

static bool read_term(struct parser *parser, enum kind kind)
{
    struct ss_term term = { .kind = (uint8_t)kind };
    parser->at++;
    term.op = kind == TERM_STATE ? OP_EQ : read_op(parser);
    const char *word = peek(parser);
    if (word == NULL)
        return fail(parser, "something is missing at the end", NULL);
    parser->at++;
    bool read;
    if (kind == TERM_SRC || kind == TERM_DST) {
        if (term.op > OP_NE)
            return fail(parser, "addresses are equal or not", word);
        read = read_host(word, &term);
    } else if (kind == TERM_DEV) {
        read = read_dev(word, &term);
    } else if (kind == TERM_STATE) {
        term.states = ss_states(word);
        read = term.states != 0;
    } else {
        const char *colon = strrchr(word, ':');
        read = read_port(colon != NULL ? colon + 1 : word, &term);
    }
    return read ? put(parser, &term)
                : fail(parser,
                       kind == TERM_DEV     ? "no such interface"
                       : kind == TERM_STATE ? "no such state"
                       : kind <= TERM_DST   ? "not an address"
                                            : "not a port",
                       word);
}

/* ---- Expressions: or binds weakest, then and, then not ---- */

static bool read_or(struct parser *parser);

static bool read_factor(struct parser *parser)
{
    static const char *const names[] = {
        [TERM_SRC] = "src",     [TERM_DST] = "dst", [TERM_SPORT] = "sport",
        [TERM_DPORT] = "dport", [TERM_DEV] = "dev", [TERM_STATE] = "state"
    };
    const char *word = peek(parser);
    if (word == NULL)
        return fail(parser, "something is missing at the end", NULL);
    if (++parser->depth > SS_FILTER_DEPTH)
        return fail(parser, "nested too deeply", NULL);
    bool read = false;
    if (is(word, "not", "!", "NOT")) {
        parser->at++;
        read = read_factor(parser) && put_operator(parser, TERM_NOT);
    } else if (strcmp(word, "(") == 0) {
        parser->at++;
        read = read_or(parser);
        if (read && !is(peek(parser), ")", ")", ")"))
            read = fail(parser, "a parenthesis is not closed", NULL);
        parser->at++;
    } else {
        unsigned kind = 0;
        while (kind <= TERM_STATE && strcmp(word, names[kind]) != 0)
            kind++;
        read = kind <= TERM_STATE ? read_term(parser, (enum kind)kind)
                                  : fail(parser, "not a word of a filter", word);
    }
    parser->depth--;
    return read;
}

static bool read_and(struct parser *parser)
{
    if (!read_factor(parser))
        return false;
    for (;;) {
        const char *word = peek(parser);
        if (is(word, "and", "&", "&&"))
            parser->at++;
        else if (word == NULL || is(word, "or", "|", "||") || is(word, ")", ")", ")"))
            return true;
        if (!read_factor(parser) || !put_operator(parser, TERM_AND))
            return false;
    }
}

static bool read_or(struct parser *parser)
{
    if (!read_and(parser))
        return false;
    while (is(peek(parser), "or", "|", "||")) {
        parser->at++;
        if (!read_and(parser) || !put_operator(parser, TERM_OR))
            return false;
    }
    return true;
}

uint32_t ss_states(const char *name)
{
    static const struct {
        const char *name;
        uint32_t states;
    } table[] = {
        { "all", SS_ALL },
        { "connected", SS_ALL & ~(SS_STATE(LISTEN) | SS_STATE(CLOSED)) },
        { "synchronized", SS_ALL & ~(SS_STATE(LISTEN) | SS_STATE(CLOSED) | SS_STATE(SYN_SENT)) },
        { "bucket", SS_STATE(SYN_RECEIVED) | SS_STATE(TIME_WAIT) },
        { "big", SS_ALL & ~(SS_STATE(SYN_RECEIVED) | SS_STATE(TIME_WAIT)) },
        { "established", SS_STATE(ESTABLISHED) },
        { "estab", SS_STATE(ESTABLISHED) },
        { "syn-sent", SS_STATE(SYN_SENT) },
        { "syn-recv", SS_STATE(SYN_RECEIVED) },
        { "syn-received", SS_STATE(SYN_RECEIVED) },
        { "fin-wait-1", SS_STATE(FIN_WAIT_1) },
        { "fin-wait-2", SS_STATE(FIN_WAIT_2) },
        { "time-wait", SS_STATE(TIME_WAIT) },
        { "unconnected", SS_STATE(CLOSED) },
        { "unconn", SS_STATE(CLOSED) },
        { "closed", SS_STATE(CLOSED) },
        { "close", SS_STATE(CLOSED) },
        { "close-wait", SS_STATE(CLOSE_WAIT) },
        { "last-ack", SS_STATE(LAST_ACK) },
        { "listening", SS_STATE(LISTEN) },
        { "listen", SS_STATE(LISTEN) },
        { "closing", SS_STATE(CLOSING) },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcasecmp(name, table[i].name) == 0)
            return table[i].states;
    return 0;
}

/* `state A state B` shows both; `exclude` takes away. */
static bool read_states(struct parser *parser)
{
    while (is(peek(parser), "state", "exclude", "excl")) {
        const bool adds = strcmp(peek(parser), "state") == 0;
        parser->at++;
        const char *word = peek(parser);
        const uint32_t states = word != NULL ? ss_states(word) : 0;
        if (states == 0)
            return fail(parser, "no such state", word != NULL ? word : "(none)");
        parser->at++;
        if (adds)
            parser->filter->states |= states;
        else
            parser->filter->states =
                (parser->filter->states != 0 ? parser->filter->states : SS_ALL) & ~states;
        parser->filter->given = true;
    }
    return true;
}

bool ss_filter_parse(struct ss_filter *filter, int argc, char *const *argv, char why[SS_FILTER_WHY])
{
    struct parser *parser = calloc(1, sizeof *parser);
    bool read = parser != NULL;
    *filter = (struct ss_filter){ 0 };
    snprintf(why, SS_FILTER_WHY, "no memory");
    if (!read)
        return false;
    parser->filter = filter;
    parser->why = why;
    for (int i = 0; read && i < argc; i++)
        read = split(parser, argv[i]);
    read = read && read_states(parser);
    if (read && parser->at < parser->count)
        read = read_or(parser);
    if (read && parser->at < parser->count)
        read = fail(parser, "a parenthesis was never opened", NULL);
    free(parser);
    return read;
}

/* ---- Matching ---- */

static bool in_prefix(const struct weir_ip *ip, const struct ss_term *term)
{
    const unsigned whole = term->prefix_len / 8, rest = term->prefix_len % 8;
    if (memcmp(ip->octet, term->ip.octet, whole) != 0)
        return false;
    return rest == 0 || (ip->octet[whole] ^ term->ip.octet[whole]) >> (8 - rest) == 0;
}

static bool compare(uint16_t left, uint8_t op, uint16_t right)
{
    switch (op) {
    case OP_EQ:
        return left == right;
    case OP_NE:
        return left != right;
    case OP_LT:
        return left < right;
    case OP_GT:
        return left > right;
    case OP_LE:
        return left <= right;
    default:
        return left >= right;
    }
}

static bool match_host(const struct ss_term *term, const struct weir_addr *addr)
{
    const bool same = (term->any_host || in_prefix(&addr->ip, term)) &&
                      (term->any_port || addr->port == term->port);
    return same == (term->op == OP_EQ);
}

static bool match_term(const struct ss_term *term, const struct facts_flow *flow)
{
    switch (term->kind) {
    case TERM_SRC:
        return match_host(term, &flow->local);
    case TERM_DST:
        return match_host(term, &flow->remote);
    case TERM_SPORT:
        return term->any_port || compare(flow->local.port, term->op, term->port);
    case TERM_DPORT:
        return term->any_port || compare(flow->remote.port, term->op, term->port);
    case TERM_DEV:
        return (flow->local.iface == term->iface) == (term->op == OP_EQ);
    default:
        return (term->states >> flow->state & 1) != 0;
    }
}

bool ss_filter_match(const struct ss_filter *filter, const struct facts_flow *flow)
{
    bool stack[SS_FILTER_TERMS + 1] = { true };
    unsigned top = 0; /* the last used; stack[0] is what an empty expression says */
    for (unsigned i = 0; i < filter->count; i++) {
        const struct ss_term *term = &filter->term[i];
        if (term->kind == TERM_NOT) {
            stack[top] = !stack[top];
        } else if (term->kind == TERM_AND || term->kind == TERM_OR) {
            const bool right = stack[top--];
            stack[top] = term->kind == TERM_AND ? stack[top] && right : stack[top] || right;
        } else {
            stack[++top] = match_term(term, flow);
        }
    }
    return stack[top];
}
