/* SPDX-License-Identifier: MIT */

/* `weird`: the daemon under `weir run`. Options, start, and the end in order. */

#include "ends.h"
#include "conf.h"
#include "gate.h"
#include "joining.h"
#include "keeper.h"
#include "sandbox.h"
#include "snapshot.h"
#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weir-version.h> /* made by the build: WEIR_VERSION */

/* syscall: unlinkat writev close */

#define GRACE          (2 * WEIR_SECOND) /* for connections to end in order */
#define AWAKE          (50 * WEIR_US)    /* about what a sleep costs, both ways */
#define HEAP_KEPT      (24 << 20)
#define HEAP_PIECE_MAX (32 << 20)
#define STATUS_OK      0
#define STATUS_FAILED  1
#define STATUS_USAGE   2

struct options {
    struct net_options net;
    struct conf conf;
    int ready_fd, control_fd;
    int porter_fd; /* the porter is at this one */
    int porter;    /* this is to be the porter, and weird is at this one */
    const char *look;
    bool no_sandbox;
    bool one_run;
};

enum {
    OPT_CONF = 256, /* below it: enum conf_key and 1 */
    OPT_NO_SANDBOX,
    OPT_READY_FD,
    OPT_PCAP,
    OPT_CONTROL_FD,
    OPT_KERNEL_ADDR,
    OPT_LOOK,
    OPT_PORTER_FD,
    OPT_PORTER,
    OPT_HELP,
    OPT_VERSION,
};

static const char help[] =
    "usage: weird [--conf FILE] --dev DEVICE --addr ADDRESS/LENGTH... [OPTION...]\n"
    "\n"
    "Gives the programs under `weir run` a TCP/IP stack.\n"
    "\n"
    "  --conf FILE           reads the file first; the options below win over it\n"
    "  --dev tap:NAME        a TAP device: made, or one that is there for this user\n"
    "  --dev packet:IF       an interface, such as one end of a veth pair\n"
    "  --dev xdp:IF[:QUEUE]  one by AF_XDP, out of the kernel's sight\n"
    "  --addr IP/LEN         an address of ours; may be repeated\n"
    "  --addr dhcp, slaac    one from the network, of IPv4 or IPv6\n"
    "  --gateway IP          the way to everywhere else; one for each family\n"
    "  --route 'PREFIX [via IP]'  another way; may be repeated\n"
    "  --dns IP              a server that programs ask for names; up to three\n"
    "  --sysctl NAME=VALUE   a setting (weir sysctl -a lists them); may be repeated\n"
    "  --limit 'NAME N'      a limit of the stack; may be repeated\n"
    "  --quota 'sockets N'   what one run may have; 'udp N'; or 'calls N', that wait\n"
    "  --publish [ADDR:]HOSTPORT:PORT[/udp]  a port of the host leads to a program's\n"
    "  --host-loopback PORT[,PORT|A-B]  weir's loopback leads to the host's there\n"
    "  --socket PATH         where `weir run --socket PATH` finds it\n"
    "                        (usual: /run/weir/default/socket)\n"
    "  --look PATH           where `weir ss` and the like find it, beside --socket\n"
    "  --user NAME           becomes that user once everything is open\n"
    "  --ready-fd N          writes a line to this descriptor when it serves\n"
    "  --pcap FILE           writes what passes, and why, as pcapng\n"
    "  --control-fd N        serves the one `weir run` at this descriptor, then ends\n"
    "  --kernel-addr IP/LEN  gives the kernel's end of the TAP this address\n"
    "  --no-sandbox          keeps what it could give up (weird(8))\n"
    "  --help, --version\n";

/* Where complaints go: standard error, or while that is being given up a copy of it. */
static int complaints = STDERR_FILENO;

/* Not stdio: its system call is not there in the sandbox. */
static int fail(const char *line)
{
    char text[WEIR_LINE_MAX + 16];
    const int len = snprintf(text, sizeof text, "weird: %.*s\n", WEIR_LINE_MAX, line);
    const struct iovec iov = { text, (size_t)len };
    (void)!writev(complaints, &iov, 1);
    return STATUS_FAILED;
}

void weird_complain(const char *line)
{
    (void)fail(line);
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

static bool take_kernel_addr(struct net_options *net, const char *text)
{
    return net->kernel_count < 2 &&
           read_prefix(text, &net->kernel[net->kernel_count].ip,
                       &net->kernel[net->kernel_count].prefix_len) &&
           ++net->kernel_count;
}

/* One option; what is wrong with it, or with the file it names, goes to `why`. */
static bool take_option(struct options *options, int option, const char *text,
                        char why[CONF_WHY_MAX])
{
    snprintf(why, CONF_WHY_MAX, "not an address, or one too many, or not a number: %s", text);
    if (option > 0 && option <= CONF_KEYS)
        return conf_take(&options->conf, (enum conf_key)(option - 1), text, CONF_FLAG, why);
    switch (option) {
    case OPT_CONF:
        return conf_read(&options->conf, text, why);
    case OPT_READY_FD:
        return read_fd(text, &options->ready_fd);
    case OPT_CONTROL_FD:
        return read_fd(text, &options->control_fd);
    case OPT_KERNEL_ADDR:
        return take_kernel_addr(&options->net, text);
    case OPT_PORTER_FD:
        return read_fd(text, &options->porter_fd);
    case OPT_PORTER:
        return read_fd(text, &options->porter);
    case OPT_PCAP:
        options->net.pcap = text;
        return true;
    case OPT_LOOK:
        options->look = text;
        return true;
    default:
        return false;
    }
}

#define KEY(key) ((key) + 1)

static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        { "conf", required_argument, NULL, OPT_CONF },
        { "dev", required_argument, NULL, KEY(CONF_DEV) },
        { "addr", required_argument, NULL, KEY(CONF_ADDR) },
        { "gateway", required_argument, NULL, KEY(CONF_GATEWAY) },
        { "route", required_argument, NULL, KEY(CONF_ROUTE) },
        { "socket", required_argument, NULL, KEY(CONF_SOCKET) },
        { "user", required_argument, NULL, KEY(CONF_USER) },
        { "dns", required_argument, NULL, KEY(CONF_DNS) },
        { "sysctl", required_argument, NULL, KEY(CONF_SYSCTL) },
        { "limit", required_argument, NULL, KEY(CONF_LIMIT) },
        { "look", required_argument, NULL, OPT_LOOK },
        { "quota", required_argument, NULL, KEY(CONF_QUOTA) },
        { "publish", required_argument, NULL, KEY(CONF_PUBLISH) },
        { "host-loopback", required_argument, NULL, KEY(CONF_HOST_LOOPBACK) },
        { "porter-fd", required_argument, NULL, OPT_PORTER_FD },
        { "porter", required_argument, NULL, OPT_PORTER },
        { "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
        { "ready-fd", required_argument, NULL, OPT_READY_FD },
        { "pcap", required_argument, NULL, OPT_PCAP },
        { "control-fd", required_argument, NULL, OPT_CONTROL_FD },
        { "kernel-addr", required_argument, NULL, OPT_KERNEL_ADDR },
        { "help", no_argument, NULL, OPT_HELP },
        { "version", no_argument, NULL, OPT_VERSION },
        { NULL, 0, NULL, 0 },
    };
    char why[CONF_WHY_MAX];
    int option;
    conf_init(&options->conf);
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == '?')
            return STATUS_USAGE; /* getopt has said it */
        if (option == OPT_HELP || option == OPT_VERSION) {
            fputs(option == OPT_HELP ? help : "weird " WEIR_VERSION "\n", stdout);
            exit(fflush(stdout) == 0 ? STATUS_OK : STATUS_FAILED);
        }
        if (option == OPT_NO_SANDBOX)
            options->no_sandbox = true;
        else if (!take_option(options, option, optarg, why))
            return usage(why, NULL);
    }
    options->net.conf = &options->conf;
    if (optind < argc)
        return usage("not an option:", argv[optind]);
    if (options->porter >= 0)
        return STATUS_OK;
    if (!conf_check(&options->conf, why))
        return usage(why, NULL);
    if (options->conf.addr_count == 0 && !options->conf.slaac && !options->conf.dhcp)
        return usage("addr is missing", NULL);
    return STATUS_OK;
}

/* ---- Start ---- */

static struct weird *weird; /* keeper_memory */

static void on_signal(void *user, int fd, uint32_t events, weir_time now)
{
    (void)user, (void)fd, (void)events, (void)now;
    weird->ending = true;
    weir_loop_remove_fd(weird->loop, fd); /* once is enough */
    weir_loop_stop(weird->loop);
}

/* The signals that end weird are a descriptor's: nothing interrupts it, and a handler would need a
 * system call to return. */
static bool catch_signals(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
        return false;
    const int fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 && weir_loop_add_fd(weird->loop, fd, EPOLLIN, on_signal, NULL) == 0;
}

/* What little memory is asked for later comes from here: the sandbox lets nothing be mapped. */
static void keep_heap(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_PIECE_MAX);
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    void *volatile heap = malloc(HEAP_KEPT); /* volatile: or it would be left out */
    free(heap);
}

static int fd_max(void)
{
    struct rlimit limit;
    const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX;
    return known ? (int)limit.rlim_cur : INT_MAX;
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
    char folder[sizeof weird->folder] = "/tmp/weird-XXXXXX";
    if (mkdtemp(folder) != NULL && chdir(folder) == 0) {
        memcpy(weird->folder, folder, sizeof folder);
        return true;
    }
    snprintf(why, WEIR_LINE_MAX, "%s: %m", folder);
    return false;
}

static void leave_directory(void)
{
    if (weird == NULL || weird->folder[0] == '\0')
        return;
    (void)unlinkat(AT_FDCWD, weird->naming, 0);
    (void)unlinkat(AT_FDCWD, weird->folder, AT_REMOVEDIR);
    weird->folder[0] = '\0';
}

static const char *control_path(const struct options *options)
{
    return options->conf.socket[0] != '\0' ? options->conf.socket : "/run/weir/default/socket";
}

/* Those who live beside weird. */
static bool begin_others(bool filter, char why[WEIR_LINE_MAX])
{
    if (!keeper_start(weird, filter, why))
        return false;
    companion_start(&weird->companion, filter);
    return true;
}

/* Gives up what is not needed any more. Without CAP_SYS_ADMIN the file system stays in sight, as
 * for a private weird of an ordinary user. A program's descriptors and memory are reached by
 * CAP_SYS_PTRACE, if it is another user's or has capabilities. */
static bool close_up(const struct options *options, char why[WEIR_LINE_MAX])
{
    char wrong[SANDBOX_WHY_MAX];
    struct sandbox sandbox = {
        .parts = SANDBOX_CAPABILITIES | SANDBOX_DUMPABLE | SANDBOX_FILTER,
        .mount = "/tmp",
        .keep = UINT64_C(1) << CAP_SYS_PTRACE,
    };
    const char *user = options->conf.user;
    if (options->no_sandbox || SANDBOX_SANITIZED) {
        if (user[0] != '\0')
            return !snprintf(why, WEIR_LINE_MAX, "--user needs the sandbox");
        return begin_others(false, why);
    }
    if (user[0] != '\0') {
        sandbox.parts |= SANDBOX_USER;
        if (!sandbox_user(user, &sandbox.uid, &sandbox.gid, wrong))
            return !snprintf(why, WEIR_LINE_MAX, "%s", wrong);
        weird->uid = sandbox.uid;
        weird->gid = sandbox.gid;
        snapshot_as(sandbox.uid, sandbox.gid);
        if (weird->control >= 0 && !control_own(control_path(options), sandbox.uid, sandbox.gid))
            return !snprintf(why, WEIR_LINE_MAX, "--user: the control socket: %m");
        /* Made by us as we were, to be connected to by us as we shall be. */
        for (unsigned i = 0; i < 2; i++)
            if (fchownat(weird->meeting_name[i], "", sandbox.uid, sandbox.gid, AT_EMPTY_PATH) < 0)
                return !snprintf(why, WEIR_LINE_MAX, "--user: %m");
    }
    if (sandbox_may_change_root()) {
        leave_directory(); /* names are made in the new root from here on */
        sandbox.parts |= SANDBOX_ROOT;
    }
    const unsigned parts = sandbox.parts;
    sandbox.parts &=
        ~(unsigned)SANDBOX_FILTER; /* the keeper has its own, and is made before ours */
    if (!sandbox_enter(&sandbox, wrong))
        return !snprintf(why, WEIR_LINE_MAX, "%s", wrong);
    if (!begin_others(true, why))
        return false;
    return (parts & SANDBOX_FILTER) == 0 || sandbox_filter(SANDBOX_WEIRD, false, wrong) ||
           !snprintf(why, WEIR_LINE_MAX, "%s", wrong);
}

static void say_ready(const struct options *options)
{
    char line[] = "READY=1\n";
    const struct iovec iov = { line, sizeof line - 1 };
    if (options->ready_fd >= 0) {
        (void)!writev(options->ready_fd, &iov, 1);
        close(options->ready_fd);
    }
    if (complaints != STDERR_FILENO)
        close(complaints);
    complaints = STDERR_FILENO;
}

/* What the program says may be read to its end by somebody, who must not wait for us. */
static void leave_terminal(const struct options *options, int null)
{
    if (options->control_fd < 0)
        return;
    struct stat terminal;
    if (fstat(2, &terminal) == 0) {
        weird->terminal_dev = terminal.st_dev;
        weird->terminal_ino = terminal.st_ino;
    }
    complaints = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    for (int fd = 0; fd < 3; fd++)
        (void)dup2(null, fd);
}

/* Before anything else is open, of which a porter of our own is to have nothing. -1: none. */
static bool find_porter(const struct options *options, int *channel, char why[WEIR_LINE_MAX])
{
    const struct host_ports *ports = &options->conf.ports;
    *channel = options->porter_fd;
    if (*channel >= 0)
        (void)fcntl(*channel, F_SETFD, FD_CLOEXEC);
    else if (ports->publish_count + ports->loopback_count > 0)
        *channel = porter_start(&options->conf, !options->no_sandbox, why);
    else
        return true;
    return *channel >= 0 && porter_wait(*channel, why);
}

static bool start(const struct options *options, char why[WEIR_LINE_MAX])
{
    const char *path = control_path(options);
    for (unsigned i = 0; i < RUNS_MAX; i++)
        weird->run[i].notify = -1;
    weird->control = -1;
    weird->fd_max = fd_max();
    const struct conf *conf = &options->conf;
    weird->run_sockets_max = conf->quota_sockets > 0 ? conf->quota_sockets : RUN_SOCKETS_MAX;
    weird->run_udp_max = conf->quota_udp > 0 ? conf->quota_udp : RUN_UDP_MAX;
    weird->run_calls_max = conf->quota_calls > 0 ? conf->quota_calls : RUN_CALLS_MAX;
    weird->random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    weird->uid = geteuid();
    weird->gid = getegid();
    if (weird->random < 0)
        return !snprintf(why, WEIR_LINE_MAX, "/dev/urandom: %m");
    const struct weir_loop_config loop = {
        .awake_ns = companion_cpus() > 1 ? AWAKE : 0,
    };
    if (weir_loop_open(&weird->loop, &loop, why) < 0 || !net_open(weird, &options->net, why))
        return false;
    weird->dev_fd = weird->dev->fd;
    if (options->porter_fd >= 0 && !gate_open(weird, conf, options->porter_fd, why))
        return false;
    snapshot_begin(weird);
    if (options->look != NULL && !snapshot_listen(options->look, why))
        return false;
    if (options->control_fd < 0 && !control_listen(weird, path, why))
        return false;
    if (!enter_directory(why) || !sockets_open(weird, why))
        return false;
    if (!udp_open(weird, why)) /* programs then are told that there is no UDP */
        fprintf(stderr, "weird: no UDP: %s\n", why);
    if (options->control_fd >= 0) {
        (void)fcntl(options->control_fd, F_SETFD, FD_CLOEXEC);
        weird->one_run = true;
        control_serve(weird, options->control_fd);
    }
    return true;
}

/* ---- The end ---- */

static bool any_open(void)
{
    uint64_t cursor = 0;
    struct weir_status status;
    weir_handle handle;
    while (weir_list(weird->weir, &cursor, &status, &handle))
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
    dhcp_release(weird);
    gate_end(weird, weir_loop_clock());
    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        struct socket *socket = weird->socket[i];
        if (socket == NULL)
            continue;
        if (socket->d < 0 || socket->state != SOCKET_CONNECTED) {
            /* The keeper tells those who wait. */
            if (socket->handle != WEIR_NO_HANDLE)
                (void)weir_release(weird->weir, socket->handle, weir_loop_clock());
            socket->handle = WEIR_NO_HANDLE;
            continue;
        }
        relay_pump(socket, weir_loop_clock());
    }
    int stepped = weir_loop_step(weird->loop, 0, why); /* at least what is to be sent already */
    while (stepped >= 0 && any_open() && weir_loop_clock() < end)
        stepped = weir_loop_step(weird->loop, end, why);
}

int main(int argc, char **argv)
{
    char why[WEIR_LINE_MAX] = "";
    struct options options = { .ready_fd = -1, .control_fd = -1, .porter_fd = -1, .porter = -1 };
    const int status = read_options(argc, argv, &options);
    if (status != STATUS_OK)
        return status;
    if (options.porter >= 0)
        porter_serve(options.porter, &options.conf, !options.no_sandbox);
    umask(0077);
    raise_limits();
    if (!find_porter(&options, &options.porter_fd, why))
        return fail(why);
    if (!keeper_memory(&weird, why))
        return fail(why);
    if (!start(&options, why))
        return fail(why);
    if (!catch_signals())
        return fail("signals cannot be caught");
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return fail("/dev/null cannot be opened");
    leave_terminal(&options, null);
    keep_heap();
    if (!close_up(&options, why))
        return fail(why);
    say_ready(&options);
    const int error = weir_loop_run(weird->loop, why);
    if (error == 0)
        end_in_order();
    leave_directory();
    snapshot_end();
    weir_loop_close(weird->loop);
    net_close(weird);
    udp_end(weird);
    /* Programs that still run are the keeper's from here on, until the next weird has them. */
    if (weird->run_count > 0)
        return error < 0 ? fail(why) : STATUS_OK;
    if (weird->control >= 0 && options.conf.socket[0] != '\0')
        (void)unlinkat(AT_FDCWD, options.conf.socket, 0);
    /* It holds every descriptor, too, and a moment longer: what others wait for is closed here. */
    if (weird->control >= 0)
        close(weird->control);
    weird->ended = true;
    return error < 0 ? fail(why) : STATUS_OK;
}
