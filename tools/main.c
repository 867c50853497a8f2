/* SPDX-License-Identifier: MIT */

/* `weir`: finds the subcommand and hands over. */

#include "args.h"
#include "tool.h"
#include "typo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir-version.h> /* made by the build: WEIR_VERSION */

/* The simulator and the benchmark live with the tests; a build that leaves those out has neither,
 * and the table then skips them. */
__attribute__((weak)) int tool_sim(int argc, char **argv);
__attribute__((weak)) int tool_bench(int argc, char **argv);

struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    { "run", "run any program on weir", tool_run },
    { "get", "fetch a URL", tool_get },
    { "serve", "serve the files of a directory", tool_serve },
    { "echo", "send back what arrives, TCP and UDP", tool_echo },
    { "ping", "ask a host for echoes", tool_ping },
    { "demo", "see weir talk to this machine's kernel", tool_demo },
    { "sim", "run seeded simulations", tool_sim },
    { "bench", "measure", tool_bench },
    { "ss", "list sockets, weir's and the kernel's", tool_ss },
    { "netstat", "the same in netstat's words; statistics", tool_netstat },
    { "lsof", "which program has a port", tool_lsof },
    { "nstat", "counters since the last look", tool_nstat },
    { "sar", "rates of interfaces, sockets, TCP and IP", tool_sar },
    { "top", "connections live, on the whole screen", tool_top },
    { "tcpview", "another name of top", tool_top },
    { "dump", "show packets as they pass, or those of a file", tool_dump },
    { "trace", "the connections of a capture, in words and pictures", tool_trace },
    { "traceroute", "the routers on the way to a host", tool_traceroute },
    { "mtr", "loss and delay of every hop, live or as a report", tool_mtr },
    { "pathping", "mtr by Windows' name", tool_pathping },
    { "nslookup", "names to addresses and back", tool_nslookup },
    { "dig", "a question to a name server, and all of the answer", tool_dig },
    { "explain", "what a state, flag, error, option or setting means", tool_explain },
    { "sysctl", "settings, by Linux's names", tool_sysctl },
    { "drill", "run packetdrill scripts on weir, or on the kernel", tool_drill },
    { "errno", "what an error means and what to do", tool_errno },
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_help(void)
{
    puts("usage: weir COMMAND [ARGUMENT...]\n"
         "\n"
         "A TCP/IP stack of its own: on a TAP device, on an interface, or in memory.\n");
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].run != NULL)
            printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("\n"
         "  --help       this text; weir COMMAND --help, or weir help COMMAND, says more\n"
         "  --version    the version\n"
         "\n"
         "Without any privilege:   weir ping --dev pair 192.0.2.2\n"
         "The whole thing at once: weir demo");
}

static int unknown_command(const char *name)
{
    const struct command *closest = NULL;
    unsigned least = 3; /* farther away is another word */
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        const unsigned d = typo_distance(name, commands[i].name);
        if (commands[i].run != NULL && d < least && d < strlen(name)) {
            least = d;
            closest = &commands[i];
        }
    }
    if (closest != NULL)
        return tool_usage(NULL, "unknown command '%s', did you mean '%s'?", name, closest->name);
    return tool_usage(NULL, "unknown command '%s' (weir --help lists them)", name);
}

/* What was printed must have arrived: a full disk or a closed pipe is a failure, also if it came in
 * the middle and what came last was written. */
static int flushed(int status)
{
    const bool failed = fflush(stdout) != 0 || ferror(stdout);
    return failed && status != TOOL_USAGE ? tool_fail(NULL, "standard output: write error")
                                          : status;
}

static const struct command *find_command(const char *name)
{
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0 && commands[i].run != NULL)
            return &commands[i];
    return NULL;
}

/* `weir help`, and `weir help COMMAND`, which is `weir COMMAND --help`. */
static int help_with(int argc, char **argv)
{
    char option[] = "--help";
    if (argc == 2) {
        print_help();
        return TOOL_OK;
    }
    const struct command *command = find_command(argv[2]);
    char *asked[] = { argv[2], option, NULL };
    args_begin();
    return command != NULL ? command->run(2, asked) : unknown_command(argv[2]);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return tool_usage(NULL, "a command is missing (weir --help lists them)");
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return flushed(help_with(strcmp(name, "help") == 0 ? argc : 2, argv));
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("weir " WEIR_VERSION);
        return flushed(TOOL_OK);
    }
    if (name[0] == '-')
        return tool_usage(NULL, "unknown option %s (weir --help lists them)", name);
    const struct command *command = find_command(name);
    if (command == NULL)
        return unknown_command(name);
    args_begin();
    return flushed(command->run(argc - 1, argv + 1));
}
