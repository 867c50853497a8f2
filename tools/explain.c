/* SPDX-License-Identifier: MIT */
#include "explain.h"

#include "args.h"
#include "terminal.h"
#include "tool.h"

#include <string.h>

#define COMMAND   "explain"
#define FOUND_MAX 4

static const char help[] =
    "usage: weir explain [--lang en|zh] [--json] STATE|FLAG|ERROR|OPTION|SYSCTL...\n"
    "       weir explain [--lang en|zh] --list\n"
    "\n"
    "A short page on each: what it means, who must act, which command shows it, and\n"
    "what is often said of it but not so. In English or Chinese.\n"
    "\n"
    "  weir explain close-wait          a state of TCP\n"
    "  weir explain RST                 a control bit\n"
    "  weir explain ECONNRESET 10054    an error, by name or number\n"
    "  weir explain SACK TCP_NODELAY    options of a header, of a socket\n"
    "  weir explain tcp_fin_timeout     a setting\n"
    "\n"
    "  -j, --json        the pages as JSON\n"
    "  -l, --list        all of them, a line each\n"
    "      --lang LANG   en (the default) or zh\n";

/* With `json` not NULL into that. */
static int explain_one(const char *word, enum explain_lang lang, struct json *json, bool *first)
{
    const struct explain_page *pages[FOUND_MAX];
    const unsigned count = explain_find(word, pages, FOUND_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (!*first && json == NULL)
            putchar('\n');
        *first = false;
        if (json != NULL)
            explain_json(pages[i], lang, json);
        else
            explain_print(pages[i], lang, stdout);
    }
    if (count > 0)
        return TOOL_OK;
    char safe[128], near[256];
    terminal_safe(word, safe, sizeof safe);
    explain_near(word, near, sizeof near);
    if (near[0] != '\0')
        return tool_usage(COMMAND, "no page on '%s'; did you mean %s?", safe, near);
    return tool_usage(COMMAND, "no page on '%s' (weir explain --list shows them)", safe);
}

/* Words up to NULL. */
static int explain_all(char **words, enum explain_lang lang, bool as_json)
{
    struct json json;
    bool first = true;
    int status = TOOL_OK;
    if (as_json) {
        json_begin(&json, stdout);
        json_array(&json, NULL);
    }
    for (; *words != NULL; words++)
        if (explain_one(*words, lang, as_json ? &json : NULL, &first) != TOOL_OK)
            status = TOOL_USAGE;
    if (as_json) {
        json_end_array(&json);
        json_finish(&json);
    }
    return status;
}

int tool_explain(int argc, char **argv)
{
    static const struct option longs[] = {
        { "list", no_argument, NULL, 'l' },
        { "json", no_argument, NULL, 'j' },
        { "lang", required_argument, NULL, 'g' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    enum explain_lang lang = EXPLAIN_EN;
    bool list = false, as_json = false;
    for (int c; (c = args_next(argc, argv, ":ljh", longs)) != ARGS_END;) {
        if (c == ARGS_BAD)
            return TOOL_USAGE;
        if (c == 'h') {
            fputs(help, stdout);
            return TOOL_OK;
        }
        list = list || c == 'l';
        as_json = as_json || c == 'j';
        if (c != 'g')
            continue;
        if (strcmp(optarg, "en") != 0 && strcmp(optarg, "zh") != 0)
            return tool_usage(COMMAND, "--lang %s: not en or zh", optarg);
        lang = strcmp(optarg, "zh") == 0 ? EXPLAIN_ZH : EXPLAIN_EN;
    }
    if (list && as_json)
        return tool_usage(COMMAND, "--list is for people; --json takes names");
    if (list && optind < argc)
        return tool_usage(COMMAND, "--list takes no names; what is '%s'?", argv[optind]);
    if (!list && optind == argc)
        return tool_usage(COMMAND, "a name is missing (--list shows them)");
    if (list)
        explain_list(lang, stdout);
    return explain_all(argv + optind, lang, as_json);
}
