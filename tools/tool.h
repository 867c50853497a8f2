/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_TOOL_H
#define WEIR_TOOLS_TOOL_H

/* The subcommands of `weir`, and how they speak to the person who typed them.
 *
 * A subcommand gets its own argv (argv[0] is its name) and returns the exit status. Complaints are
 * one line on stderr that begins with "weir COMMAND: ". */

enum tool_status {
    TOOL_OK = 0,
    TOOL_FAILED = 1,
    TOOL_USAGE = 2, /* the arguments are wrong; the line names the one */
};

int tool_get(int argc, char **argv);
int tool_serve(int argc, char **argv);
int tool_echo(int argc, char **argv);
int tool_ping(int argc, char **argv);
int tool_run(int argc, char **argv);
int tool_demo(int argc, char **argv);
int tool_sim(int argc, char **argv);
int tool_bench(int argc, char **argv);
int tool_sysctl(int argc, char **argv);
int tool_errno(int argc, char **argv);
int tool_drill(int argc, char **argv);
int tool_ss(int argc, char **argv);
int tool_netstat(int argc, char **argv);
int tool_lsof(int argc, char **argv);
int tool_nstat(int argc, char **argv);
int tool_sar(int argc, char **argv);
int tool_top(int argc, char **argv);
int tool_dump(int argc, char **argv);
int tool_trace(int argc, char **argv);
int tool_traceroute(int argc, char **argv);
int tool_nslookup(int argc, char **argv);
int tool_dig(int argc, char **argv);
int tool_explain(int argc, char **argv);
int tool_mtr(int argc, char **argv);
int tool_pathping(int argc, char **argv);

/* Prints "weir COMMAND: TEXT" (without COMMAND if it is NULL) and returns TOOL_USAGE. */
__attribute__((format(printf, 2, 3))) int tool_usage(const char *command, const char *format, ...);

/* The same, but returns TOOL_FAILED. */
__attribute__((format(printf, 2, 3))) int tool_fail(const char *command, const char *format, ...);

#endif
