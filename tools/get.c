/* SPDX-License-Identifier: MIT */

/* `weir get`: fetches a URL on our own stack. */

#include "amount.h"
#include "args.h"
#include "host.h"
#include "http_client.h"
#include "http_server.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SILENCE        (30 * WEIR_SECOND)
#define CLOSING        (2 * WEIR_SECOND) /* for the connection to end in order, after the content */
#define PROGRESS_AFTER WEIR_SECOND
#define PROGRESS_EVERY (WEIR_SECOND / 4)

static const char help[] = "usage: weir get URL [-o FILE] --dev DEVICE --addr IP/LEN [OPTION...]\n"
                           "\n"
                           "Fetches an http URL and writes it to standard output, or to a file.\n"
                           "\n"
                           "  -o, --output FILE  where the content goes; \"-\" is standard output\n"
                           "  -q, --quiet        no closing line and no progress\n";

struct get {
    const char *output;
    bool quiet;
    struct url url;
    struct host_options host;
    struct http_client_config client_config;
    struct http_client client;
    struct host running;
    struct http_server *far_server; /* with --dev pair: the current directory */
    struct weir_loop_timer progress, closing;
    bool progress_shown;
};

static int parse(struct get *get, int argc, char **argv, bool *done)
{
    static const struct option longs[] = {
        HOST_LONG_OPTIONS,
        { "output", required_argument, NULL, 'o' },
        { "quiet", no_argument, NULL, 'q' },
        { NULL, 0, NULL, 0 },
    };
    for (int option; (option = args_next(argc, argv, ":o:q", longs)) != ARGS_END;) {
        int status = TOOL_OK;
        if (option == HOST_HELP) {
            fputs(help, stdout);
            fputs(host_help, stdout);
            *done = true;
            return TOOL_OK;
        }
        if (option == 'o')
            get->output = optarg;
        else if (option == 'q')
            get->quiet = true;
        else
            status = host_option(&get->host, argv[0], option, optarg);
        if (status != TOOL_OK)
            return status;
    }
    if (optind == argc)
        return tool_usage(argv[0], "a URL is missing");
    if (optind + 1 < argc)
        return tool_usage(argv[0], "one URL at a time; what is '%s'?", argv[optind + 1]);
    const char *wrong = url_parse(argv[optind], &get->url);
    if (wrong != NULL)
        return tool_usage(argv[0], "%s: %s", argv[optind], wrong);
    return host_options_check(&get->host, argv[0], true);
}

/* ---- What the person sees ---- */

static void progress_clear(struct get *get)
{
    if (get->progress_shown)
        fputs("\r\033[K", stderr);
    get->progress_shown = false;
}

static void on_progress(void *user, weir_time now)
{
    struct get *get = user;
    const struct http_client *client = &get->client;
    char octets[AMOUNT_MAX], rate[AMOUNT_MAX];
    fprintf(stderr, "\r%s", amount_octets(client->octets, octets));
    if (client->response.has_length && client->response.length > 0)
        fprintf(stderr, " of %s (%u %%)", amount_octets(client->response.length, rate),
                (unsigned)(client->octets / (client->response.length / 100 + 1)));
    fprintf(stderr, ", %s\033[K", amount_rate(client->octets, now - client->began, rate));
    fflush(stderr);
    get->progress_shown = true;
    weir_loop_set_timer(get->running.loop, &get->progress, now + PROGRESS_EVERY);
}

static void on_closing_timeout(void *user, weir_time now)
{
    const struct get *get = user;
    (void)now;
    weir_loop_stop(get->running.loop);
}

/* What a server says goes to a terminal: nothing but ASCII that prints. */
static const char *printable(const char *text, char clean[HTTP_PATH_MAX])
{
    size_t len = 0;
    for (; text[len] != '\0' && len + 1 < HTTP_PATH_MAX; len++)
        clean[len] = (char)(text[len] >= ' ' && text[len] <= '~' ? text[len] : '?');
    clean[len] = '\0';
    return clean;
}

static int report(struct get *get)
{
    const struct http_client *client = &get->client;
    const char *command = get->running.command;
    char rate[AMOUNT_MAX], seconds[AMOUNT_MAX];
    if (host_interrupted() && !client->over)
        return tool_fail(command, "interrupted after %" PRIu64 " octets", client->octets);
    if (client->failed)
        return tool_fail(command, "%s: %s", get->url.host, client->wrong);
    if (client->response.status >= 300 && client->response.location[0] != '\0') {
        char location[HTTP_PATH_MAX];
        return tool_fail(command, "status %u, moved to %s (not followed)", client->response.status,
                         printable(client->response.location, location));
    }
    if (client->response.status >= 300)
        return tool_fail(command, "status %u %s", client->response.status,
                         http_status_text(client->response.status));
    const weir_time took = client->ended - client->began;
    if (!get->quiet)
        fprintf(stderr, "%" PRIu64 " octets in %s, %s\n", client->octets,
                amount_time(took, seconds), amount_rate(client->octets, took, rate));
    return TOOL_OK;
}

/* ---- The transfer ---- */

/* The far end of a pair serves the current directory, on the port that the URL names. */
static int start_far_server(struct get *get)
{
    char why[WEIR_LINE_MAX] = "";
    const struct http_server_config config = { .directory = ".", .port = get->url.port };
    if (get->running.far == NULL)
        return TOOL_OK;
    if (http_server_open(&get->far_server, get->running.loop, get->running.far, &config, why) == 0)
        return TOOL_OK;
    return tool_fail(get->running.command, "%s", why);
}

/* Only when there is content: a server that does not answer shall not cost the file that was there.
 */
static int open_output(void *user)
{
    const struct get *get = user;
    if (get->output == NULL || strcmp(get->output, "-") == 0)
        return STDOUT_FILENO;
    const int fd = open(get->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return fd >= 0 ? fd : -errno;
}

static int close_output(struct get *get)
{
    const int fd = get->client.out;
    if (fd < 0 || fd == STDOUT_FILENO || close(fd) == 0)
        return TOOL_OK;
    return tool_fail(get->running.command, "%s: %s", get->output, strerror(errno));
}

static int transfer(struct get *get)
{
    struct host *host = &get->running;
    int status = host_wait_addresses(host);
    if (status != TOOL_OK)
        return status;
    if (http_client_start(&get->client, host->loop, host->weir, &get->client_config) < 0)
        return tool_fail(host->command, "%s: %s", get->url.host, get->client.wrong);
    if (!get->quiet && isatty(STDERR_FILENO))
        weir_loop_set_timer(host->loop, &get->progress, get->client.began + PROGRESS_AFTER);
    status = host_run(host);
    weir_loop_clear_timer(host->loop, &get->progress);
    progress_clear(get);

    /* The content is here. The connection is still given the time to end as it should. */
    if (status == TOOL_OK && get->client.over && !get->client.closed && !host_interrupted()) {
        weir_loop_set_timer(host->loop, &get->closing, weir_loop_clock() + CLOSING);
        status = host_run(host);
        weir_loop_clear_timer(host->loop, &get->closing);
    }
    http_client_close(&get->client);
    const int closed = close_output(get);
    const int reported = status == TOOL_OK ? report(get) : status;
    return reported != TOOL_OK ? reported : closed;
}

int tool_get(int argc, char **argv)
{
    struct get *get = calloc(1, sizeof *get);
    if (get == NULL)
        return tool_fail(argv[0], "out of memory");
    bool done = false;
    int status = parse(get, argc, argv, &done);
    if (status == TOOL_OK && !done)
        status = host_open(&get->running, argv[0], &get->host);
    if (status != TOOL_OK || done) {
        free(get);
        return status;
    }
    struct http_client_config *config = &get->client_config;
    *config = (struct http_client_config){
        .url = &get->url,
        .open_out = open_output,
        .user = get,
        .silence = SILENCE,
    };
    config->remote.port = get->url.port;
    get->progress = (struct weir_loop_timer){ .on_time = on_progress, .user = get };
    get->closing = (struct weir_loop_timer){ .on_time = on_closing_timeout, .user = get };

    status = host_resolve(&get->running, get->url.host, &config->remote.ip);
    if (status == TOOL_OK)
        status = start_far_server(get);
    if (status == TOOL_OK)
        status = host_attach(&get->running, http_client_event, &get->client, http_server_event,
                             get->far_server);
    if (status == TOOL_OK)
        status = transfer(get);
    http_server_close(get->far_server);
    host_close(&get->running);
    free(get);
    return status;
}
