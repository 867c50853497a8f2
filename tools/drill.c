/* SPDX-License-Identifier: MIT */

/* `weir drill`: its command line. What it does stands in drill/. */

#include "args.h"
#include "tool.h"
#include "drill/drill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND     "drill"
#define DEFINES_MAX 32
#define OPTIONS_MAX 32

static void usage(void)
{
    puts("usage: weir drill [OPTION...] FILE...\n"
         "\n"
         "Runs scripts in packetdrill's language: on weir, in virtual time and without any\n"
         "privilege; or with --kernel on Linux, in real time. FILE may be - (standard\n"
         "input) or a folder: all *.pkt in it and below.\n"
         "\n"
         "  -k, --kernel          on the kernel of this machine, in a network namespace\n"
         "      --allow-shell     with --kernel: run `commands` not understood, too\n"
         "  -i, --ip VERSION      ipv4, ipv6, ipv4-mapped-ipv6 or all; may be repeated\n"
         "  -w, --wrap            run each once more with numbers that wrap\n"
         "      --iss N           where weir's sequence numbers begin\n"
         "      --peer-iss N      where the peer's numbers begin (added to the script's)\n"
         "  -e, --exact           times to the nanosecond, timestamps (only on weir)\n"
         "  -D, --define NAME=N   a name for a number in the scripts\n"
         "  -o, --option NAME=V   as --NAME=V in the script\n"
         "      --parse           read the scripts, do not run them\n"
         "  -v, --verbose         show what happened in those that pass, too\n"
         "      --tap             print results in the Test Anything Protocol");
}

static bool split(const char *text, const char **name, const char **value)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return false;
    *name = strndup(text, (size_t)(equals - text));
    *value = equals + 1;
    return *name != NULL;
}

struct state {
    struct drill drill;
    struct define define[DEFINES_MAX];
    struct setting option[OPTIONS_MAX];
    unsigned option_count;
};

static bool add_mode(struct drill *drill, const char *name)
{
    bool found = false;
    for (unsigned i = 0; i < MODE_COUNT; i++) {
        if (strcmp(name, "all") != 0 && strcmp(name, ip_mode_names[i]) != 0)
            continue;
        drill->modes[i] = found = true;
    }
    return found;
}

static int add_define(struct state *state, const char *text)
{
    struct define *define = &state->define[state->drill.define_count];
    if (state->drill.define_count == DEFINES_MAX)
        return tool_usage(COMMAND, "more than %d -D", DEFINES_MAX);
    if (!split(text, &define->name, &define->value))
        return tool_usage(COMMAND, "-D takes NAME=VALUE, not '%s'", text);
    state->drill.define_count++;
    return TOOL_OK;
}

static int add_option(struct state *state, const char *text)
{
    struct setting *option = &state->option[state->option_count];
    if (state->option_count == OPTIONS_MAX)
        return tool_usage(COMMAND, "more than %d -o", OPTIONS_MAX);
    if (!split(text, &option->name, &option->value))
        return tool_usage(COMMAND, "-o takes NAME=VALUE, not '%s'", text);
    option->next = state->option_count > 0 ? option - 1 : NULL;
    state->drill.config.options = option;
    state->option_count++;
    return TOOL_OK;
}

static int set_number(uint32_t *number, bool *given, const char *name)
{
    uint64_t value;
    if (!args_number(optarg, 0, UINT32_MAX, &value))
        return tool_usage(COMMAND, "--%s takes 0..%u, not '%s'", name, UINT32_MAX, optarg);
    *number = (uint32_t)value;
    *given = true;
    return TOOL_OK;
}

static int apply(struct state *state, int option)
{
    struct drill *drill = &state->drill;
    switch (option) {
    case 'k':
        drill->kernel = true;
        return TOOL_OK;
    case 's':
        drill->config.allow_shell = true;
        return TOOL_OK;
    case 'i':
        if (!add_mode(drill, optarg))
            return tool_usage(COMMAND, "--ip takes ipv4, ipv6, ipv4-mapped-ipv6 or all, not '%s'",
                              optarg);
        return TOOL_OK;
    case 'w':
        drill->wrap = true;
        return TOOL_OK;
    case 'I':
        return set_number(&drill->config.iss, &drill->config.has_iss, "iss");
    case 'P':
        return set_number(&drill->config.peer_iss, &drill->config.has_peer_iss, "peer-iss");
    case 'e':
        drill->config.exact = true;
        return TOOL_OK;
    case 'D':
        return add_define(state, optarg);
    case 'o':
        return add_option(state, optarg);
    case 'p':
        drill->parse_only = true;
        return TOOL_OK;
    case 'v':
        drill->config.verbose = true;
        return TOOL_OK;
    default:
        drill->tap = true;
        return TOOL_OK;
    }
}

int tool_drill(int argc, char **argv)
{
    static const struct option longs[] = {
        { "kernel", no_argument, NULL, 'k' },       { "allow-shell", no_argument, NULL, 's' },
        { "ip", required_argument, NULL, 'i' },     { "wrap", no_argument, NULL, 'w' },
        { "iss", required_argument, NULL, 'I' },    { "peer-iss", required_argument, NULL, 'P' },
        { "exact", no_argument, NULL, 'e' },        { "define", required_argument, NULL, 'D' },
        { "option", required_argument, NULL, 'o' }, { "parse", no_argument, NULL, 'p' },
        { "verbose", no_argument, NULL, 'v' },      { "tap", no_argument, NULL, 'T' },
        { "help", no_argument, NULL, 'h' },         { 0 },
    };
    static struct state whole; /* with the names that -D and -o made, to the end of the program */
    struct state *state = &whole;
    int option;
    while ((option = args_next(argc, argv, ":ki:weD:o:vh", longs)) != ARGS_END) {
        if (option == 'h') {
            usage();
            return TOOL_OK;
        }
        if (option == ARGS_BAD || apply(state, option) != TOOL_OK)
            return TOOL_USAGE;
    }
    if (optind == argc)
        return tool_usage(COMMAND, "a file is missing (weir drill --help says more)");
    if (state->drill.config.allow_shell && !state->drill.kernel)
        return tool_usage(COMMAND, "--allow-shell goes with --kernel");
    state->drill.defines = state->define;
    for (int i = optind; i < argc; i++)
        drill_file(&state->drill, argv[i]);
    const bool good = drill_done(&state->drill);
    return good ? TOOL_OK : TOOL_FAILED;
}
