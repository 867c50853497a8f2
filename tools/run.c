/* SPDX-License-Identifier: MIT */

/* `weir run`: this process becomes the program, with its process id, its parent and its exit
 * status, and with a filter that asks weird about its sockets.
 *
 * The filter is on the thread that installs it and on what comes after it. A second thread, that is
 * not under it, sends seccomp's descriptor to weird: under the filter that would already have to be
 * asked of the one who does not listen yet. */

#include "ipc/control.h"

#include "args.h"
#include "run.h"
#include "sysctl_table.h"
#include "tool.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATUS_NOT_FOUND 127
#define STATUS_NOT_RUN   126
#define STATUS_BROKEN    125 /* it is weir that failed, as with env(1) and the like */

static const char help[] =
    "usage: weir run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
    "\n"
    "Runs any program with its TCP and UDP on weir. Without --net or --socket it\n"
    "starts a private weird, in a network of its own: the kernel's end of the wire\n"
    "is 192.0.2.1 and 2001:db8::1 there, weir's 192.0.2.2 and 2001:db8::2. From it\n"
    "no way leads out, but what --publish and --host-loopback open; a weird on a\n"
    "network card (weird(8), EXAMPLES) reaches what the card reaches.\n"
    "\n"
    "  --net NAME     join the weird that serves /run/weir/NAME/socket\n"
    "  --socket PATH  join the one that serves PATH\n"
    "  --pcap FILE    with a private one: write what passes, and why, as pcapng\n"
    "  --publish [ADDR:]HOSTPORT:PORT[/udp]\n"
    "                 with a private one: a port of the host leads to the program's\n"
    "  --sysctl NAME=VALUE\n"
    "                 with a private one: a setting (weir sysctl -a lists them)\n"
    "  --host-loopback PORT[,PORT|FIRST-LAST]\n"
    "                 with a private one: these ports of 127.0.0.1 and ::1 are\n"
    "                 the host's\n"
    "  --linger       close waits as SO_LINGER says; closing any file then asks weird\n"
    "  --exact        reading and writing, too, has Linux's word for each error, and\n"
    "                 --linger; every read and write of any file then asks weird\n"
    "  --help         this text\n"
    "\n"
    "The exit status is the program's; 125: weir could not, 126: the program cannot\n"
    "be run, 127: there is no such program.";

enum {
    OPT_NET = 256,
    OPT_SOCKET,
    OPT_PCAP,
    OPT_PUBLISH,
    OPT_HOST_LOOPBACK,
    OPT_SYSCTL,
    OPT_LINGER,
    OPT_EXACT,
    OPT_HELP,
};

struct options {
    char path[108];
    struct run_options run;
    enum run_also also;
    bool help;
};

static int take_ports(struct run_options *run, int option)
{
    char why[HOST_PORTS_WHY_MAX];
    if (option == OPT_PUBLISH) {
        if (!host_ports_publish(&run->ports, optarg, why))
            return tool_usage("run", "--publish: %s", why);
        run->publish[run->publish_count++] = optarg;
        return TOOL_OK;
    }
    if (!host_ports_loopback(&run->ports, optarg, why))
        return tool_usage("run", "--host-loopback: %s", why);
    if (run->loopback_count == HOST_PUBLISH_MAX)
        return tool_usage("run", "--host-loopback: given more than %d times", HOST_PUBLISH_MAX);
    run->loopback[run->loopback_count++] = optarg;
    return TOOL_OK;
}

static int take_sysctl(struct run_options *run)
{
    char name[SYSCTL_TEXT_MAX * 2], why[SYSCTL_WHY_MAX];
    struct weir_config config;
    const char *equals = strchr(optarg, '=');
    const size_t len = equals != NULL ? (size_t)(equals - optarg) : 0;
    if (equals == NULL || len >= sizeof name || run->sysctl_count == RUN_SYSCTL_MAX)
        return tool_usage("run", "--sysctl: not NAME=VALUE, or one too many: %s", optarg);
    memcpy(name, optarg, len);
    name[len] = '\0';
    weir_config_default(&config);
    if (!sysctl_apply(&config, name, equals + 1, why))
        return tool_usage("run", "--sysctl: %s", why);
    run->sysctl[run->sysctl_count++] = optarg;
    return TOOL_OK;
}

static int take_option(struct options *options, int option)
{
    int len = 0;
    if (option == OPT_NET)
        len = snprintf(options->path, sizeof options->path, "/run/weir/%s/socket", optarg);
    else if (option == OPT_SOCKET)
        len = snprintf(options->path, sizeof options->path, "%s", optarg);
    else if (option == OPT_PCAP)
        options->run.pcap = optarg;
    else if (option == OPT_PUBLISH || option == OPT_HOST_LOOPBACK)
        return take_ports(&options->run, option);
    else if (option == OPT_SYSCTL)
        return take_sysctl(&options->run);
    else if (option == OPT_LINGER)
        options->also = options->also > RUN_ALSO_CLOSE ? options->also : RUN_ALSO_CLOSE;
    else if (option == OPT_EXACT)
        options->also = RUN_ALSO_DATA;
    else if (option == OPT_HELP)
        options->help = true;
    else
        return TOOL_USAGE;
    if (len >= (int)sizeof options->path || (option == OPT_NET && strchr(optarg, '/') != NULL))
        return tool_usage("run", "%s: not the name of a net, or too long", optarg);
    return TOOL_OK;
}

static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        { "net", required_argument, NULL, OPT_NET },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "pcap", required_argument, NULL, OPT_PCAP },
        { "publish", required_argument, NULL, OPT_PUBLISH },
        { "host-loopback", required_argument, NULL, OPT_HOST_LOOPBACK },
        { "sysctl", required_argument, NULL, OPT_SYSCTL },
        { "linger", no_argument, NULL, OPT_LINGER },
        { "exact", no_argument, NULL, OPT_EXACT },
        { "help", no_argument, NULL, OPT_HELP },
        { NULL, 0, NULL, 0 },
    };
    int option;
    /* "+": the first word that is no option is the program, and what follows is its own. */
    while ((option = args_next(argc, argv, "+:", longs)) != ARGS_END) {
        const int status = take_option(options, option);
        if (status != TOOL_OK)
            return status;
    }
    if (optind == argc && !options->help)
        return tool_usage("run", "a program is missing (weir run --help)");
    if (options->path[0] == '\0')
        return TOOL_OK;
    if (options->run.pcap != NULL)
        return tool_usage("run", "--pcap is for a private weird; the daemon has its own");
    if (options->run.sysctl_count > 0)
        return tool_usage("run",
                          "--sysctl is for a private weird; `weir sysctl` sets the daemon's");
    if (options->run.publish_count + options->run.loopback_count > 0)
        return tool_usage("run", "--publish and --host-loopback are for a private weird; the "
                                 "daemon has its own");
    return TOOL_OK;
}

/* ---- Handing over ---- */

struct handover {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool installed; /* `notify` is there, or -1 if that failed */
    int control, notify;
};

static int send_notify(int control, int notify)
{
    struct control_request request = { CONTROL_MAGIC, CONTROL_VERSION, CONTROL_RUN };
    union {
        char octets[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } rights;
    struct iovec iov = { &request, sizeof request };
    struct msghdr message = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = rights.octets,
                              .msg_controllen = sizeof rights.octets };
    memset(&rights, 0, sizeof rights);
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof notify);
    memcpy(CMSG_DATA(c), &notify, sizeof notify);
    if (sendmsg(control, &message, MSG_NOSIGNAL) < 0)
        return errno;
    struct control_answer answer = { 0 };
    const ssize_t got = recv(control, &answer, sizeof answer, 0);
    if (got != (ssize_t)sizeof answer || answer.magic != CONTROL_MAGIC)
        return ECONNRESET;
    return answer.error;
}

static void *hand_over(void *user)
{
    struct handover *handover = user;
    pthread_mutex_lock(&handover->lock);
    while (!handover->installed)
        pthread_cond_wait(&handover->changed, &handover->lock);
    pthread_mutex_unlock(&handover->lock);
    const int error = handover->notify >= 0 ? send_notify(handover->control, handover->notify) : 0;
    if (error == 0)
        return NULL;
    /* The other thread's write would wait for whoever takes it. */
    (void)tool_fail("run", "weird does not take it: %s", strerror(error));
    _exit(STATUS_BROKEN);
}

static bool attach(int control, enum run_also also, char why[WEIR_LINE_MAX])
{
    struct handover handover = { .control = control, .notify = -1 };
    pthread_mutex_init(&handover.lock, NULL);
    pthread_cond_init(&handover.changed, NULL);
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, hand_over, &handover);
    if (error != 0) {
        snprintf(why, WEIR_LINE_MAX, "thread: %s", strerror(error));
        return false;
    }
    int notify = -1;
    const bool installed = run_filter_install(also, &notify, why);
    pthread_mutex_lock(&handover.lock);
    handover.notify = installed ? notify : -1;
    handover.installed = true;
    pthread_cond_signal(&handover.changed);
    pthread_mutex_unlock(&handover.lock);
    pthread_join(thread, NULL);
    if (!installed)
        return false;
    close(notify);
    close(control);
    return true;
}

static int broken(const char *why)
{
    (void)tool_fail("run", "%s", why);
    return STATUS_BROKEN;
}

static bool begin_private(const struct run_options *options, int *control, char why[WEIR_LINE_MAX])
{
    int porter;
    return run_net_porter(options, &porter, why) && run_net_enter(why) &&
           run_net_start(options, porter, control, why);
}

int tool_run(int argc, char **argv)
{
    struct options options = { .path = "" };
    char why[WEIR_LINE_MAX] = "";
    int control = -1;
    const int status = read_options(argc, argv, &options);
    if (status != TOOL_OK)
        return status;
    if (options.help) {
        puts(help);
        return TOOL_OK;
    }
    argv += optind;
    if (!run_rights_kept(argv[0], why)) {
        (void)tool_fail("run", "%s", why);
        return STATUS_NOT_RUN;
    }
    const bool joined = options.path[0] != '\0' ? run_names(options.path, why) &&
                                                      run_net_join(options.path, &control, why)
                                                : begin_private(&options.run, &control, why);
    if (!joined || !attach(control, options.also, why))
        return broken(why);
    execvp(argv[0], argv);
    const int error = errno;
    (void)tool_fail("run", "%s: %s", argv[0], strerror(error));
    return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN;
}
