/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include <string.h>

/* ---- options: --name=value, before anything else ---- */

static void parse_settings(struct scan *scan, struct script *script)
{
    struct setting **end = &script->options;
    while (scan_take(scan, "--")) {
        struct setting *setting = arena_take(scan->arena, sizeof *setting);
        const char *from = scan->at;
        size_t len = 0;
        while (from + len < scan->end && strchr(" \t\r\n", from[len]) == NULL)
            len++;
        const char *equals = memchr(from, '=', len);
        const size_t name_len = equals != NULL ? (size_t)(equals - from) : len;
        setting->line = scan->line;
        setting->name = arena_text(scan->arena, from, name_len);
        setting->value =
            equals != NULL ? arena_text(scan->arena, equals + 1, len - name_len - 1) : "";
        scan->at = from + len;
        *end = setting;
        end = &setting->next;
    }
}

const char *script_option(const struct script *script, const char *name)
{
    for (const struct setting *s = script->options; s != NULL; s = s->next)
        if (strcmp(s->name, name) == 0)
            return s->value;
    return NULL;
}

/* ---- times ---- */

/* AT, +AT, *, FROM~UNTIL, START...END */
static bool parse_when(struct scan *scan, struct when *when)
{
    if (scan_take(scan, "*")) {
        when->kind = WHEN_ANY;
        return true;
    }
    when->relative = scan_take(scan, "+");
    if (!scan_seconds(scan, &when->at))
        return when->relative ? scan_fail(scan, "a time is missing after '+'") : false;
    when->until = when->at;
    if (scan_take(scan, "~")) {
        when->kind = WHEN_RANGE;
        (void)scan_take(scan, "+");
        if (!scan_seconds(scan, &when->until) || when->until < when->at)
            scan_fail(scan, "after '~' a later time is expected");
    } else if (scan_take(scan, "...")) {
        when->has_end = true;
        (void)scan_take(scan, "+");
        if (!scan_seconds(scan, &when->end) || when->end < when->at)
            scan_fail(scan, "after '...' a later time is expected");
    }
    return true;
}

/* ---- calls ---- */

/* `= VALUE [ERRNO] [(words)]`; a result may also be missing. */
static void parse_result(struct scan *scan, struct event *event)
{
    if (!scan_take(scan, "="))
        return;
    struct node *result = parse_value(scan);
    event->result = result->kind == NODE_ELLIPSIS || result->kind == NODE_ANY ? NULL : result;
    if (result->kind == NODE_NUMBER && result->number == -1)
        event->error = scan_word(scan);
    if (scan_take(scan, "("))
        (void)scan_until(scan, ")");
}

static void parse_call(struct scan *scan, struct event *event)
{
    event->kind = EVENT_CALL;
    event->text = scan_word(scan);
    if (event->text == NULL) {
        const size_t len = strcspn(scan->at, " \t\r\n");
        scan_fail(scan, "a packet, a call, a command or code is expected at '%.*s'",
                  (int)(len < 20 ? len : 20), scan->at);
        return;
    }
    if (!scan_need(scan, "("))
        return;
    event->args = parse_arguments(scan);
    parse_result(scan, event);
}

/* ---- events ---- */

static struct event *add_event(struct scan *scan, struct script *script, struct event ***end)
{
    struct event *event = arena_take(scan->arena, sizeof *event);
    event->line = scan->line;
    event->when.relative = true;
    **end = event;
    *end = &event->next;
    script->event_count++;
    return event;
}

static const char *rest_after(const char *text, const char *word)
{
    const size_t len = strlen(word);
    if (strncmp(text, word, len) != 0 || (text[len] != '\0' && strchr(" \t:", text[len]) == NULL))
        return NULL;
    return text + len + strspn(text + len, " \t:");
}

/* //: words to the end of the line. Some are about the whole script. */
static void parse_directive(struct scan *scan, struct script *script, struct event ***end)
{
    const unsigned line = scan->line;
    scan->at += 3;
    size_t len = 0;
    while (scan->at + len < scan->end && scan->at[len] != '\n')
        len++;
    const char *text = scan->at;
    while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
        len--;
    size_t lead = 0;
    while (lead < len && strchr(" \t", text[lead]) != NULL)
        lead++;
    const char *words = arena_text(scan->arena, text + lead, len - lead);
    scan->at = text + len;
    if (rest_after(words, "exact") != NULL)
        script->exact = true;
    else if (rest_after(words, "weir-only") != NULL)
        script->weir_only = rest_after(words, "weir-only");
    else if (rest_after(words, "linux-differs") != NULL)
        script->differs = rest_after(words, "linux-differs");
    else if (rest_after(words, "skip") != NULL)
        script->skip = rest_after(words, "skip");
    else {
        struct event *event = add_event(scan, script, end);
        event->kind = EVENT_DIRECTIVE;
        event->line = line;
        event->text = words;
    }
}

static void parse_event(struct scan *scan, struct script *script, struct event ***end)
{
    struct event *event = add_event(scan, script, end);
    const bool timed = parse_when(scan, &event->when);
    if (scan_take(scan, "`")) {
        event->kind = EVENT_COMMAND;
        event->text = scan_until(scan, "`");
    } else if (scan_take(scan, "%{")) {
        event->kind = EVENT_CODE;
        event->text = scan_until(scan, "}%");
    } else if (!timed) {
        const size_t len = strcspn(scan->at, " \t\r\n");
        scan_fail(scan, "an event begins with its time, not with '%.*s'",
                  (int)(len < 20 ? len : 20), scan->at);
    } else if (scan_take(scan, "<") || scan_take(scan, ">")) {
        event->kind = scan->at[-1] == '<' ? EVENT_IN : EVENT_OUT;
        event->packet = parse_packet(scan);
    } else {
        parse_call(scan, event);
    }
    if (event->when.has_end && event->kind != EVENT_CALL)
        scan_fail(scan, "only a call can have an end (START...END)");
    if (event->when.kind != WHEN_AT && event->kind != EVENT_OUT)
        scan_fail(scan, "only a packet that is expected can come at any time");
}

bool script_parse(struct script *script, const char *path, const char *text, size_t len,
                  const struct define *defines, unsigned define_count, char error[DRILL_ERROR_MAX])
{
    *script = (struct script){ .path = path };
    const char *copy = arena_text(&script->arena, text, len); /* ends in a zero */
    struct scan scan = { .end = copy + len,
                         .at = copy,
                         .path = path,
                         .line = 1,
                         .error = error,
                         .arena = &script->arena,
                         .defines = defines,
                         .define_count = define_count };
    struct event **end = &script->events;
    error[0] = '\0';
    while (scan_look(&scan, "//:"))
        parse_directive(&scan, script, &end);
    parse_settings(&scan, script);
    while (!scan_at_end(&scan)) {
        if (scan_look(&scan, "//:")) {
            parse_directive(&scan, script, &end);
        } else if (script->init == NULL && script->event_count == 0 && scan_take(&scan, "`")) {
            script->init_line = scan.line;
            script->init = scan_until(&scan, "`");
        } else {
            parse_event(&scan, script, &end);
        }
    }
    if (!scan.failed && script->event_count == 0)
        scan_fail(&scan, "there is no event in this script");
    if (scan.failed)
        script_free(script);
    return !scan.failed;
}

void script_free(struct script *script)
{
    arena_drop(&script->arena);
    *script = (struct script){ .path = script->path };
}
