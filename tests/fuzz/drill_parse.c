/* SPDX-License-Identifier: MIT */
#include "drill/code.h"
#include "drill/script.h"

#include "fuzz/law.h"

static bool lookup(void *context, const char *name, struct code_value *value)
{
    (void)context;
    value->number = (double)name[0];
    return name[0] != 'q';
}

static void store(void *context, const char *name, const struct code_value *value)
{
    (void)context;
    (void)name;
    (void)value;
}

/* Any text is a script, or earns one line that says where and why it is none. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct define defines[] = { { "N", "7" }, { "COOKIE", "0a0b0c" } };
    struct script script;
    char error[DRILL_ERROR_MAX];
    if (!script_parse(&script, "x", (const char *)data, size, defines, 2, error)) {
        LAW(strncmp(error, "x:", 2) == 0 && strlen(error) < sizeof error);
        LAW(script.events == NULL && script.arena.first == NULL);
        return 0;
    }
    unsigned count = 0;
    for (const struct event *event = script.events; event != NULL; event = event->next) {
        struct code code = { .lookup = lookup, .store = store };
        count++;
        LAW(event->line >= 1);
        LAW((event->packet != NULL) == (event->kind == EVENT_IN || event->kind == EVENT_OUT));
        if (event->kind == EVENT_CODE)
            LAW(code_run(&code, event->text, strlen(event->text)) || code.error[0] != '\0');
    }
    LAW(count == script.event_count && count > 0);
    script_free(&script);
    return 0;
}
