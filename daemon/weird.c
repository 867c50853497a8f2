/* SPDX-License-Identifier: MIT */

/* `weird`: the daemon under `weir run`. Options, start, and the end in order. */

#include "parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir-version.h> /* made by the build: WEIR_VERSION */

/* syscall: shutdown unlink write */

#define GRACE         (2 * WEIR_SECOND) /* for connections to end in order */
#define STATUS_OK     0
#define STATUS_FAILED 1
#define STATUS_USAGE  2

struct options {
    struct net_options net;
    const char *socket;
    int ready_fd, control_fd;
    bool one_run;
};

enum {
    OPT_DEV = 256,
    OPT_ADDR,
    OPT_GATEWAY,
    OPT_SOCKET,
    OPT_READY_FD,
    OPT_PCAP,
    OPT_CONTROL_FD,
    OPT_KERNEL_ADDR,
    OPT_HELP,
    OPT_VERSION,
};

static const char help[] =
    "usage: weird --dev DEVICE --addr ADDRESS/LENGTH... [OPTION...]\n"
    "\n"
    "Gives the programs under `weir run` a TCP/IP stack.\n"
    "\n"
    "  --dev tap:NAME        a TAP device: made, or one that is there for this user\n"
    "  --dev packet:IF       an interface, such as one end of a veth pair\n"
    "  --addr IP/LEN         an address of ours; may be repeated\n"
    "  --gateway IP          the way to everywhere else; one for each family\n"
    "  --socket PATH         where `weir run --socket PATH` finds it\n"
    "                        (usual: /run/weir/default/socket)\n"
    "  --ready-fd N          writes a line to this descriptor when it serves\n"
    "  --pcap FILE           writes what passes, and why, as pcapng\n"
    "  --control-fd N        serves the one `weir run` at this descriptor, then ends\n"
    "  --kernel-addr IP/LEN  gives the kernel's end of the TAP this address\n"
    "  --help, --version\n";

static int fail(const char *line)
{
    fprintf(stderr, "weird: %s\n", line);
    return STATUS_FAILED;
}

static int usage(const char *what, const char *text)
{
    fprintf(stderr, "weird: %s%s%s (weird --help)\n", what, text != NULL ? " " : "",
            text != NULL ? text : "");
    return STATUS_USAGE;
}

/* ---- Options ---- */

static bool read_prefix(const char *text, struct weir_ip *ip, unsigned *prefix_len)
{
    char address[WEIR_IP_TEXT_MAX];
    const size_t len = strcspn(text, "/");
    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    if (!weir_ip_parse(address, ip))
        return false;
    const unsigned most = weir_ip_is_v4(ip) ? 32 : 128;
    *prefix_len = most;
    if (text[len] == '\0')
        return true;
    char *end;
    const unsigned long given = strtoul(text + len + 1, &end, 10);
    *prefix_len = (unsigned)given;
    return text[len + 1] >= '0' && text[len + 1] <= '9' && *end == '\0' && given <= most;
}

static bool read_fd(const char *text, int *fd)
{
    char *end;
    const unsigned long given = strtoul(text, &end, 10);
    *fd = (int)given;
    return *text >= '0' && *text <= '9' && *end == '\0' && given < 1u << 20;
}

static bool take_net_option(struct net_options *net, int option, const char *text)
{
    if (option == OPT_ADDR)
        return net->address_count < NET_ADDRESS_MAX &&
               read_prefix(text, &net->address[net->address_count].ip,
                           &net->address[net->address_count].prefix_len) &&
               ++net->address_count;
    if (option == OPT_KERNEL_ADDR)
        return net->kernel_count < 2 &&
               read_prefix(text, &net->kernel[net->kernel_count].ip,
                           &net->kernel[net->kernel_count].prefix_len) &&
               ++net->kernel_count;
    if (option == OPT_GATEWAY)
        return net->gateway_count < 2 && weir_ip_parse(text, &net->gateway[net->gateway_count]) &&
               ++net->gateway_count;
    if (option == OPT_DEV)
        net->dev = text;
    else
        net->pcap = text;
    return true;
}

static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        { "dev", required_argument, NULL, OPT_DEV },
        { "addr", required_argument, NULL, OPT_ADDR },
        { "gateway", required_argument, NULL, OPT_GATEWAY },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "ready-fd", required_argument, NULL, OPT_READY_FD },
        { "pcap", required_argument, NULL, OPT_PCAP },
        { "control-fd", required_argument, NULL, OPT_CONTROL_FD },
        { "kernel-addr", required_argument, NULL, OPT_KERNEL_ADDR },
        { "help", no_argument, NULL, OPT_HELP },
        { "version", no_argument, NULL, OPT_VERSION },
        { NULL, 0, NULL, 0 },
    };
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        bool good = true;
        if (option == '?')
            return STATUS_USAGE; /* getopt has said it */
        if (option == OPT_HELP || option == OPT_VERSION) {
            fputs(option == OPT_HELP ? help : "weird " WEIR_VERSION "\n", stdout);
            exit(fflush(stdout) == 0 ? STATUS_OK : STATUS_FAILED);
        }
        if (option == OPT_SOCKET)
            options->socket = optarg;
        else if (option == OPT_READY_FD)
            good = read_fd(optarg, &options->ready_fd);
        else if (option == OPT_CONTROL_FD)
            good = read_fd(optarg, &options->control_fd);
        else
            good = take_net_option(&options->net, option, optarg);
        if (!good)
            return usage("not an address, or one too many, or not a number:", optarg);
    }
    if (optind < argc)
        return usage("not an option:", argv[optind]);
    if (options->net.dev == NULL)
        return usage("--dev is missing", NULL);
    if (options->net.address_count == 0)
        return usage("--addr is missing", NULL);
    return STATUS_OK;
}

/* ---- Start ---- */

static struct weird weird;

static void on_signal(int number)
{
    (void)number;
    weird.ending = true;
    weir_loop_stop(weird.loop);
}

static void on_alarm(int number)
{
    (void)number; /* ends an accept that would wait */
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

static void raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The names of sockets exist for a moment each, in a directory that is gone from sight when we
 * begin. */
static bool enter_directory(char why[WEIR_LINE_MAX])
{
    char folder[] = "/tmp/weird-XXXXXX";
    if (mkdtemp(folder) != NULL && chdir(folder) == 0)
        return true;
    snprintf(why, WEIR_LINE_MAX, "%s: %m", folder);
    return false;
}

static void leave_directory(void)
{
    char folder[256];
    (void)unlink("meeting");
    if (getcwd(folder, sizeof folder) != NULL && chdir("/") == 0)
        (void)rmdir(folder);
}

static void say_ready(const struct options *options)
{
    if (options->ready_fd >= 0) {
        (void)!write(options->ready_fd, "READY=1\n", 8);
        close(options->ready_fd);
    }
    if (options->control_fd < 0)
        return;
    /* What the program says may be read to its end by somebody, who must not wait for us. */
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    for (int fd = 0; fd < 3; fd++)
        (void)dup2(null, fd);
    if (null > 2)
        close(null);
}

static bool start(const struct options *options, char why[WEIR_LINE_MAX])
{
    const char *path = options->socket != NULL ? options->socket : "/run/weir/default/socket";
    for (unsigned i = 0; i < RUNS_MAX; i++)
        weird.run[i].notify = -1;
    weird.control = -1;
    if (weir_loop_open(&weird.loop, NULL, why) < 0 || !net_open(&weird, &options->net, why))
        return false;
    if (options->control_fd < 0 && !control_listen(&weird, path, why))
        return false;
    if (!enter_directory(why) || !sockets_open(&weird, why))
        return false;
    if (options->control_fd >= 0) {
        (void)fcntl(options->control_fd, F_SETFD, FD_CLOEXEC);
        weird.one_run = true;
        control_serve(&weird, options->control_fd);
    }
    return true;
}

/* ---- The end ---- */

static bool any_open(void)
{
    uint64_t cursor = 0;
    struct weir_status status;
    weir_handle handle;
    while (weir_list(weird.weir, &cursor, &status, &handle))
        if (status.state != WEIR_LISTEN && status.state != WEIR_TIME_WAIT &&
            status.state != WEIR_CLOSED && status.state != WEIR_FIN_WAIT_2)
            return true;
    return false;
}

/* What programs have written is sent, and every connection ends with a FIN, if its peer lets it
 * within the grace. */
static void end_in_order(void)
{
    char why[WEIR_LINE_MAX] = "";
    const weir_time end = weir_loop_clock() + GRACE;
    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        struct socket *socket = weird.socket[i];
        if (socket == NULL)
            continue;
        if (socket->d < 0 || socket->state != SOCKET_CONNECTED) {
            socket_free(socket);
            continue;
        }
        if (!weird.one_run)
            (void)shutdown(socket->d, SHUT_RD); /* what comes now nobody takes any more */
        relay_pump(socket, weir_loop_clock());
    }
    while (any_open() && weir_loop_clock() < end) {
        if (weir_loop_step(weird.loop, end, why) < 0)
            return;
    }
}

int main(int argc, char **argv)
{
    char why[WEIR_LINE_MAX] = "";
    struct options options = { .ready_fd = -1, .control_fd = -1 };
    const int status = read_options(argc, argv, &options);
    if (status != STATUS_OK)
        return status;
    umask(0077);
    raise_limits();
    if (!start(&options, why))
        return fail(why);
    catch_signals();
    say_ready(&options);
    const int error = weird.ending ? 0 : weir_loop_run(weird.loop, why);
    if (error == 0)
        end_in_order();
    if (weird.control >= 0 && options.socket != NULL)
        (void)unlink(options.socket);
    leave_directory();
    if (error < 0)
        return fail(why);
    weir_loop_close(weird.loop);
    net_close(&weird);
    return STATUS_OK;
}
