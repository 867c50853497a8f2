/* SPDX-License-Identifier: MIT */
#include "code.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct code_value expression(struct code *code);

/* ---- complaints ---- */

__attribute__((format(printf, 3, 4))) static void fail(struct code *code, bool mistaken,
                                                       const char *format, ...)
{
    if (code->failed)
        return;
    code->failed = true;
    code->mistaken = mistaken;
    va_list args;
    va_start(args, format);
    vsnprintf(code->error, sizeof code->error, format, args);
    va_end(args);
    code->at = code->end;
}

/* ---- text ---- */

static size_t left(const struct code *code)
{
    return (size_t)(code->end - code->at);
}

/* Space, and lines that go on: inside parentheses a newline is space, too. */
static void space(struct code *code)
{
    while (left(code) > 0) {
        if (*code->at == '\\' && left(code) > 1 && code->at[1] == '\n')
            code->at += 2;
        else if (strchr(" \t\r", *code->at) != NULL || (*code->at == '\n' && code->depth > 0))
            code->at++;
        else if (*code->at == '#')
            while (left(code) > 0 && *code->at != '\n')
                code->at++;
        else
            return;
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static bool look(struct code *code, const char *text)
{
    space(code);
    const size_t len = strlen(text);
    if (left(code) < len || memcmp(code->at, text, len) != 0)
        return false;
    return !isalpha((unsigned char)text[0]) || left(code) == len || !is_word(code->at[len]);
}

static bool take(struct code *code, const char *text)
{
    if (!look(code, text))
        return false;
    code->at += strlen(text);
    return true;
}

static bool word(struct code *code, char name[CODE_WORD_MAX])
{
    size_t len = 0;
    space(code);
    if (left(code) == 0 || !(isalpha((unsigned char)*code->at) || *code->at == '_'))
        return false;
    while (len < left(code) && is_word(code->at[len]))
        len++;
    if (len >= CODE_WORD_MAX)
        return false;
    memcpy(name, code->at, len);
    name[len] = '\0';
    code->at += len;
    return true;
}

/* ---- values ---- */

static struct code_value number(double value)
{
    return (struct code_value){ .number = value };
}

static bool truth(const struct code_value *value)
{
    if (value->text != NULL)
        return value->len > 0;
    return value->items > 0 || value->number != 0;
}

static int64_t bits(struct code *code, const struct code_value *value)
{
    if (value->text != NULL || !(fabs(value->number) < 9e15)) {
        fail(code, true, "a whole number is expected");
        return 0;
    }
    return (int64_t)value->number;
}

static struct code_value string(struct code *code)
{
    const char quote = *code->at++;
    const char *from = code->at;
    while (left(code) > 0 && *code->at != quote)
        code->at++;
    if (left(code) == 0) {
        fail(code, true, "a string that does not end");
        return number(0);
    }
    return (struct code_value){ .text = from, .len = (size_t)(code->at++ - from) };
}

static struct code_value literal(struct code *code)
{
    char text[CODE_WORD_MAX];
    size_t len = 0;
    char *end;
    while (len < left(code) && len + 1 < sizeof text && is_word(code->at[len]))
        len++;
    memcpy(text, code->at, len);
    text[len] = '\0';
    const double value = strtod(text, &end);
    if (end == text || *end != '\0')
        fail(code, true, "'%s' is no number", text);
    code->at += code->failed ? 0 : len;
    return number(value);
}

/* The arguments of a function, at most two of which matter. */
static struct code_value call(struct code *code, const char *name)
{
    struct code_value got = number(0);
    double best = 0;
    unsigned count = 0;
    while (!code->failed && !take(code, ")")) {
        got = expression(code);
        if (count == 0 || (strcmp(name, "min") == 0 && got.number < best) ||
            (strcmp(name, "max") == 0 && got.number > best))
            best = got.number;
        count++;
        if (!take(code, ",") && !look(code, ")"))
            fail(code, true, "')' is missing after the arguments of %s", name);
    }
    if (strcmp(name, "abs") == 0)
        return number(fabs(got.number));
    if (strcmp(name, "min") == 0 || strcmp(name, "max") == 0)
        return number(best);
    if (strcmp(name, "int") == 0)
        return number(trunc(best));
    if (strcmp(name, "round") == 0)
        return number(nearbyint(best));
    if (strcmp(name, "float") == 0 || strcmp(name, "str") == 0)
        return got;
    if (strcmp(name, "bool") == 0)
        return number(truth(&got));
    if (strcmp(name, "len") == 0)
        return number(got.text != NULL ? (double)got.len : got.items);
    if (strcmp(name, "print") != 0)
        fail(code, true, "the function %s() is not understood", name);
    return number(0);
}

static struct code_value named(struct code *code)
{
    char name[CODE_WORD_MAX];
    struct code_value value = number(0);
    if (!word(code, name)) {
        fail(code, true, "an expression is expected at '%.*s'",
             (int)(left(code) < 20 ? left(code) : 20), code->at);
        return value;
    }
    if (strcmp(name, "True") == 0)
        return number(1);
    if (strcmp(name, "False") == 0 || strcmp(name, "None") == 0)
        return value;
    if (take(code, "(")) {
        code->depth++;
        value = call(code, name);
        code->depth--;
        return value;
    }
    if (!code->lookup(code->context, name, &value)) {
        fail(code, true, "the name %s is not known", name);
        return value;
    }
    const size_t used = strlen(code->names);
    if (value.text == NULL && strstr(code->names, name) == NULL)
        snprintf(code->names + used, sizeof code->names - used, "%s%s = %.15g",
                 used > 0 ? ", " : "", name, value.number);
    return value;
}

/* ( EXPRESSION ) or a tuple */
static struct code_value in_parentheses(struct code *code)
{
    struct code_value first = number(0);
    unsigned items = 0;
    bool tuple = false;
    code->depth++;
    while (!code->failed && !take(code, ")")) {
        const struct code_value item = expression(code);
        first = items++ == 0 ? item : first;
        if (take(code, ","))
            tuple = true;
        else if (!look(code, ")"))
            fail(code, true, "')' is missing");
    }
    code->depth--;
    if (tuple || items == 0)
        first.items = items;
    return first;
}

static struct code_value primary(struct code *code)
{
    space(code);
    if (left(code) == 0 || code->depth > CODE_NESTING_MAX) {
        fail(code, true, left(code) == 0 ? "the text ends too early" : "nested too deep");
        return number(0);
    }
    const char c = *code->at;
    if (take(code, "("))
        return in_parentheses(code);
    if (c == '"' || c == '\'')
        return string(code);
    if (isdigit((unsigned char)c) || (c == '.' && left(code) > 1))
        return literal(code);
    return named(code);
}

static struct code_value unary(struct code *code)
{
    unsigned minus = 0, inverted = 0;
    for (;;) {
        if (take(code, "-"))
            minus++;
        else if (take(code, "~"))
            inverted++;
        else if (!take(code, "+"))
            break;
    }
    struct code_value value = primary(code);
    if (inverted % 2 != 0)
        value.number = (double)~bits(code, &value);
    return minus % 2 != 0 ? number(-value.number) : value;
}

/* ---- operators, by how tightly they bind ---- */

#define LEVELS 6

static const char *const operators[LEVELS][5] = {
    { "|", NULL },        { "^", NULL },      { "&", NULL },
    { "<<", ">>", NULL }, { "+", "-", NULL }, { "//", "/", "*", "%", NULL },
};

static double shifted(struct code *code, const struct code_value *a, const struct code_value *b,
                      bool leftwards)
{
    const int64_t by = bits(code, b);
    if (by < 0 || by > 62) {
        fail(code, true, "a shift by %lld", (long long)by);
        return 0;
    }
    return leftwards ? ldexp(a->number, (int)by) : (double)(bits(code, a) >> by);
}

static struct code_value apply(struct code *code, const char *operator, struct code_value a,
                               struct code_value b)
{
    if (strchr("/%", operator[0]) != NULL && b.number == 0) {
        fail(code, true, "a division by zero");
        return a;
    }
    switch (operator[0]) {
    case '|':
        return number((double)(bits(code, &a) | bits(code, &b)));
    case '^':
        return number((double)(bits(code, &a) ^ bits(code, &b)));
    case '&':
        return number((double)(bits(code, &a) & bits(code, &b)));
    case '<':
    case '>':
        return number(shifted(code, &a, &b, operator[0] == '<'));
    case '+':
        return number(a.number + b.number);
    case '-':
        return number(a.number - b.number);
    case '*':
        return number(a.number * b.number);
    case '%':
        /* A message may be formatted: "..." % x. */
        return a.text != NULL ? a : number(a.number - b.number * floor(a.number / b.number));
    default:
        return number(operator[1] == '/' ? floor(a.number / b.number) : a.number / b.number);
    }
}

static const char *operator_at(struct code *code, unsigned level)
{
    for (unsigned i = 0; operators[level][i] != NULL; i++)
        if (take(code, operators[level][i]))
            return operators[level][i];
    return NULL;
}

/* Climbs by a loop over the levels that are open, each with what stands left of its operator. */
static struct code_value arithmetic(struct code *code, unsigned level)
{
    if (level == LEVELS)
        return unary(code);
    struct code_value value = arithmetic(code, level + 1);
    const char *operator;
    while (!code->failed && (operator= operator_at(code, level)) != NULL)
        value = apply(code, operator, value, arithmetic(code, level + 1));
    return value;
}

/* ---- comparisons and logic ---- */

static bool compare(const char *operator, const struct code_value * a, const struct code_value *b)
{
    double order = a->number - b->number;
    if (a->text != NULL && b->text != NULL)
        order = a->len == b->len && memcmp(a->text, b->text, a->len) == 0 ? 0 : 1;
    else if (a->text != NULL || b->text != NULL)
        order = 1;
    if (strcmp(operator, "==") == 0)
        return order == 0;
    if (strcmp(operator, "!=") == 0)
        return order != 0;
    if (operator[0] == '<')
        return operator[1] == '=' ? order <= 0 : order<0;
    return operator[1] == '=' ? order >= 0 : order> 0;
}

/* NAME in (A, B) */
static bool member(struct code *code, const struct code_value *value)
{
    bool found = false;
    if (!take(code, "(") && !take(code, "[")) {
        fail(code, true, "after 'in' a tuple is expected");
        return false;
    }
    code->depth++;
    while (!code->failed && !take(code, ")") && !take(code, "]")) {
        const struct code_value item = expression(code);
        found |= compare("==", value, &item);
        if (!take(code, ",") && !look(code, ")") && !look(code, "]"))
            fail(code, true, "')' is missing");
    }
    code->depth--;
    return found;
}

static struct code_value comparison(struct code *code)
{
    static const char *const compares[] = { "==", "!=", "<=", ">=", "<", ">" };
    struct code_value value = arithmetic(code, 0);
    bool any = false, holds = true;
    for (unsigned i = 0; i < 6 && !code->failed; i++) {
        if (!take(code, compares[i]))
            continue;
        const struct code_value right = arithmetic(code, 0);
        holds = holds && compare(compares[i], &value, &right);
        any = true;
        value = right;
        i = (unsigned)-1; /* a chain: A < B < C */
    }
    if (!any && take(code, "in"))
        return number(member(code, &value));
    if (!any && look(code, "not")) {
        take(code, "not");
        if (!take(code, "in"))
            fail(code, true, "'in' is missing after 'not'");
        return number(!member(code, &value));
    }
    return any ? number(holds) : value;
}

static struct code_value negation(struct code *code)
{
    unsigned nots = 0;
    while (take(code, "not"))
        nots++;
    const struct code_value value = comparison(code);
    if (nots == 0)
        return value;
    return number(truth(&value) == (nots % 2 == 0));
}

static struct code_value conjunction(struct code *code)
{
    struct code_value value = negation(code);
    while (!code->failed && take(code, "and")) {
        const struct code_value right = negation(code);
        value = truth(&value) ? right : value;
    }
    return value;
}

static struct code_value expression(struct code *code)
{
    struct code_value value = conjunction(code);
    while (!code->failed && take(code, "or")) {
        const struct code_value right = conjunction(code);
        value = truth(&value) ? value : right;
    }
    return value;
}

/* ---- statements ---- */

static void show(const struct code_value *value, char *text, size_t room)
{
    if (value->text != NULL)
        snprintf(text, room, "%.*s", (int)value->len, value->text);
    else
        snprintf(text, room, "%.15g", value->number);
}

static void assertion(struct code *code)
{
    const char *from = code->at;
    char message[120] = "";
    code->names[0] = '\0';
    const struct code_value holds = expression(code);
    const char *to = code->at;
    while (!code->failed && take(code, ",")) {
        const struct code_value said = expression(code);
        if (message[0] == '\0')
            show(&said, message, sizeof message);
    }
    if (code->failed || truth(&holds))
        return;
    fail(code, false, "it does not hold: %.*s%s%s%s%s%s", (int)(to - from), from,
         code->names[0] != '\0' ? "\n  seen:     " : "", code->names,
         message[0] != '\0' ? " (" : "", message, message[0] != '\0' ? ")" : "");
}

static void skip_line(struct code *code)
{
    while (left(code) > 0 && *code->at != '\n')
        code->at++;
}

static void assignment_or_expression(struct code *code)
{
    static const char *const refused[] = { "if",  "for",    "while",  "def", "class",  "with",
                                           "try", "return", "lambda", "del", "global", "raise" };
    char name[CODE_WORD_MAX];
    const char *from = code->at;
    if (!word(code, name)) {
        (void)expression(code);
        return;
    }
    for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (strcmp(name, refused[i]) == 0)
            fail(code, true, "Python's '%s' is not understood", name);
    if (code->failed || strcmp(name, "pass") == 0)
        return;
    if (!look(code, "==") && take(code, "=")) {
        const struct code_value value = expression(code);
        if (code->store == NULL)
            fail(code, true, "%s cannot be set here", name);
        else if (!code->failed)
            code->store(code->context, name, &value);
        return;
    }
    code->at = from;
    (void)expression(code);
}

static void statement(struct code *code)
{
    if (take(code, "assert"))
        assertion(code);
    else if (look(code, "import") || look(code, "from") || look(code, "print"))
        skip_line(code);
    else
        assignment_or_expression(code);
}

static void ready(struct code *code, const char *text, size_t len)
{
    code->at = text;
    code->end = text + len;
    code->depth = 0;
    code->failed = code->mistaken = false;
    code->error[0] = code->names[0] = '\0';
}

bool code_run(struct code *code, const char *text, size_t len)
{
    ready(code, text, len);
    while (!code->failed) {
        space(code);
        if (left(code) == 0)
            break;
        if (*code->at == '\n' || *code->at == ';') {
            code->at++;
            continue;
        }
        statement(code);
        space(code);
        if (!code->failed && left(code) > 0 && *code->at != '\n' && *code->at != ';')
            fail(code, true, "'%.*s' is not understood", (int)(left(code) < 20 ? left(code) : 20),
                 code->at);
    }
    return !code->failed;
}

bool code_evaluate(struct code *code, const char *text, size_t len, struct code_value *value)
{
    ready(code, text, len);
    *value = expression(code);
    space(code);
    if (!code->failed && left(code) > 0)
        fail(code, true, "'%.*s' is not understood", (int)(left(code) < 20 ? left(code) : 20),
             code->at);
    return !code->failed;
}
