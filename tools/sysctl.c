/* SPDX-License-Identifier: MIT */

/* `weir sysctl`: the settings by Linux's names, of a weird that runs (--net, --socket) or as weir
 * has them when nobody says otherwise. Without a weird nothing is changed: values are checked
 * before weird is given them. */

#include "ipc/control.h"

#include "args.h"
#include "sysctl_table.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMAND      "sysctl"
#define LINE_MAX_LEN 1024
#define SPACE        " \t\r\n"

struct options {
    bool all, json, values, help;
    const char *file;
    const char *net, *socket; /* a weird that runs */
    char path[108];           /* of its control socket; "": none */
};

static void usage(void)
{
    puts("usage: weir sysctl [--net NAME] [-n] [--json] NAME...\n"
         "       weir sysctl [--net NAME] NAME=VALUE...\n"
         "       weir sysctl [--net NAME] [-n] [--json] -a\n"
         "       weir sysctl [--net NAME] -p FILE\n"
         "\n"
         "Linux's settings of the network, and what each is to weir. With --net or\n"
         "--socket those of a weird that runs are shown and changed; without, the defaults\n"
         "are shown, and values only checked.\n"
         "\n"
         "      --net NAME     the weird that serves /run/weir/NAME/socket\n"
         "      --socket PATH  the one that serves PATH\n"
         "  -a, --all          every setting that has a value\n"
         "  -p, --load FILE    set, or check, a file of NAME = VALUE lines, as in\n"
         "                     sysctl.conf(5); - is the standard input\n"
         "  -n, --values       values without names\n"
         "      --json         name, value, kind and note of each; with -a also those that\n"
         "                     weir does not have and those that Linux no longer has");
}

/* ---- showing ---- */

static void json_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void show_json(const struct weir_config *config, const struct sysctl *setting, bool first)
{
    static const char *const kinds[] = {
        [SYSCTL_FIELD] = "setting",      [SYSCTL_VECTOR] = "setting", [SYSCTL_FIXED] = "fixed",
        [SYSCTL_CONGESTION] = "setting", [SYSCTL_ABSENT] = "absent",  [SYSCTL_REMOVED] = "removed",
    };
    char text[SYSCTL_TEXT_MAX];
    printf("%s\n  {\"name\": ", first ? "" : ",");
    json_string(setting->name);
    printf(", \"kind\": \"%s\", \"value\": ", kinds[setting->kind]);
    if (sysctl_has_value(setting))
        json_string(sysctl_value(config, setting, text));
    else
        printf("null");
    printf(", \"note\": ");
    json_string(setting->note);
    putchar('}');
}

static void show_line(const struct weir_config *config, const struct sysctl *setting, bool values)
{
    char text[SYSCTL_TEXT_MAX];
    if (!values)
        printf("%s = ", setting->name);
    puts(sysctl_value(config, setting, text));
}

static void show_all(const struct weir_config *config, const struct options *options)
{
    if (options->json)
        putchar('[');
    for (unsigned i = 0; i < sysctl_count(); i++) {
        const struct sysctl *setting = sysctl_at(i);
        if (options->json)
            show_json(config, setting, i == 0);
        else if (sysctl_has_value(setting))
            show_line(config, setting, options->values);
    }
    if (options->json)
        puts("\n]");
}

/* ---- a weird that runs ---- */

/* One question and one answer. False, with a line said, if there is none. */
static bool ask(const struct options *options, const void *request, size_t len, void *answer,
                size_t room)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    snprintf(name.sun_path, sizeof name.sun_path, "%s", options->path);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const bool sent = fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 &&
                      send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len;
    int error = errno;
    const ssize_t got = sent ? recv(fd, answer, room, 0) : -1;
    if (sent && got < 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    if (got == (ssize_t)room)
        return true;
    if (got < 0)
        tool_fail(COMMAND, "%s: %s", options->path, strerror(error));
    else
        tool_fail(COMMAND, "%s: it is of another version, or does not let us in", options->path);
    return false;
}

static bool fetch(const struct options *options, struct weir_config *config)
{
    const struct control_request request = { CONTROL_MAGIC, CONTROL_VERSION, CONTROL_CONFIG };
    struct control_config answer;
    if (!ask(options, &request, sizeof request, &answer, sizeof answer))
        return false;
    *config = answer.config;
    return true;
}

/* Puts a value into `config`, and into the weird that it is of. False, with a line in `why`, or,
 * if it is "", already said. */
static bool set_value(const struct options *options, struct weir_config *config, const char *name,
                      const char *value, char why[SYSCTL_WHY_MAX])
{
    struct control_set set = { .head = { CONTROL_MAGIC, CONTROL_VERSION, CONTROL_SET } };
    struct control_said said;
    if (options->path[0] == '\0')
        return sysctl_apply(config, name, value, why);
    if (!sysctl_change(config, name, value, why))
        return false;
    if (strlen(name) >= sizeof set.name || strlen(value) >= sizeof set.value) {
        snprintf(why, SYSCTL_WHY_MAX, "%.80s: the value is too long", name);
        return false;
    }
    memcpy(set.name, name, strlen(name));
    memcpy(set.value, value, strlen(value));
    why[0] = '\0';
    if (!ask(options, &set, sizeof set, &said, sizeof said))
        return false;
    snprintf(why, SYSCTL_WHY_MAX, "%.*s", (int)sizeof said.text - 1, said.text);
    return said.error == 0;
}

/* ---- setting, or checking ---- */

static char *trimmed(char *text)
{
    text += strspn(text, SPACE);
    size_t len = strlen(text);
    while (len > 0 && strchr(SPACE, text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

/* One line of a file: a comment, or NAME = VALUE. A '-' before the name forgives what is wrong
 * with it, as in sysctl.conf(5). */
static bool take_line(const struct options *options, struct weir_config *config, char *line,
                      const char *file, unsigned number)
{
    char why[SYSCTL_WHY_MAX], text[SYSCTL_TEXT_MAX];
    char *name = trimmed(line);
    if (*name == '\0' || *name == '#' || *name == ';')
        return true;
    const bool forgiven = *name == '-';
    name += forgiven;
    char *equals = strchr(name, '=');
    if (equals == NULL) {
        tool_fail(COMMAND, "%s:%u: not NAME = VALUE: %s", file, number, name);
        return forgiven;
    }
    *equals = '\0';
    name = trimmed(name);
    if (!set_value(options, config, name, trimmed(equals + 1), why)) {
        if (why[0] != '\0')
            tool_fail(COMMAND, "%s:%u: %s", file, number, why);
        return forgiven;
    }
    const struct sysctl *setting = sysctl_find(name);
    printf("%s = %s\n", setting->name, sysctl_value(config, setting, text));
    return true;
}

static int take_file(const struct options *options, struct weir_config *config, const char *path)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (file == NULL)
        return tool_fail(COMMAND, "%s: %s", path, strerror(errno));
    char line[LINE_MAX_LEN];
    int status = TOOL_OK;
    unsigned number = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        number++;
        if (strchr(line, '\n') == NULL && strlen(line) + 1 == sizeof line) {
            status = tool_fail(COMMAND, "%s:%u: the line is too long", path, number);
            break;
        }
        if (!take_line(options, config, line, path, number))
            status = TOOL_FAILED;
    }
    if (ferror(file))
        status = tool_fail(COMMAND, "%s: %s", path, strerror(errno));
    if (!is_stdin)
        fclose(file);
    return status;
}

/* NAME=VALUE: what the value is from now on, or would be. */
static int take_one(const struct options *options, struct weir_config *config, const char *word,
                    const char *equals)
{
    char name[LINE_MAX_LEN], why[SYSCTL_WHY_MAX], text[SYSCTL_TEXT_MAX];
    const size_t len = (size_t)(equals - word);
    if (len >= sizeof name)
        return tool_fail(COMMAND, "unknown: %s", word);
    memcpy(name, word, len);
    name[len] = '\0';
    if (!set_value(options, config, name, equals + 1, why))
        return why[0] != '\0' ? tool_fail(COMMAND, "%s", why) : TOOL_FAILED;
    const struct sysctl *setting = sysctl_find(name);
    printf("%s = %s\n", setting->name, sysctl_value(config, setting, text));
    return TOOL_OK;
}

static int do_words(struct weir_config *config, const struct options *options, int argc,
                    char **argv)
{
    int status = TOOL_OK;
    bool first = true;
    if (options->json)
        putchar('[');
    for (int i = 0; i < argc; i++) {
        char why[SYSCTL_WHY_MAX];
        const char *equals = strchr(argv[i], '=');
        const struct sysctl *setting = equals == NULL ? sysctl_find(argv[i]) : NULL;
        if (equals != NULL && !options->json) {
            if (take_one(options, config, argv[i], equals) != TOOL_OK)
                status = TOOL_FAILED;
        } else if (setting != NULL && options->json) {
            show_json(config, setting, first);
            first = false;
        } else if (setting != NULL && sysctl_has_value(setting)) {
            show_line(config, setting, options->values);
        } else {
            status = tool_fail(COMMAND, "%s", sysctl_no_value(argv[i], why));
        }
    }
    if (options->json)
        puts("\n]");
    return status;
}

/* ---- the command ---- */

static bool find_path(struct options *options)
{
    int len = 0;
    if (options->net != NULL)
        len = snprintf(options->path, sizeof options->path, "/run/weir/%s/socket", options->net);
    else if (options->socket != NULL)
        len = snprintf(options->path, sizeof options->path, "%s", options->socket);
    return len < (int)sizeof options->path;
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        { "all", no_argument, NULL, 'a' },       { "load", required_argument, NULL, 'p' },
        { "values", no_argument, NULL, 'n' },    { "json", no_argument, NULL, 'j' },
        { "net", required_argument, NULL, 'N' }, { "socket", required_argument, NULL, 'S' },
        { "help", no_argument, NULL, 'h' },      { NULL, 0, NULL, 0 },
    };
    for (int c; (c = args_next(argc, argv, ":ap:nh", longs)) != ARGS_END;) {
        if (c == ARGS_BAD)
            return TOOL_USAGE;
        if (c == 'p' && options->file != NULL)
            return tool_usage(COMMAND, "--load is given twice: %s", optarg);
        if (c == 'p')
            options->file = optarg;
        if (c == 'N' || c == 'S')
            *(c == 'N' ? &options->net : &options->socket) = optarg;
        options->all = options->all || c == 'a';
        options->values = options->values || c == 'n';
        options->json = options->json || c == 'j';
        options->help = options->help || c == 'h';
    }
    const bool words = optind < argc;
    if (options->help)
        return TOOL_OK;
    if (words + options->all + (options->file != NULL) > 1)
        return tool_usage(COMMAND, "one of NAME, --all and --load at a time%s%s",
                          words ? ", not also " : "", words ? argv[optind] : "");
    if (!words && !options->all && options->file == NULL)
        return tool_usage(COMMAND, "a NAME is missing (weir sysctl -a lists them)");
    if (options->file != NULL && (options->json || options->values))
        return tool_usage(COMMAND, "--json and --values do not go with --load");
    if (options->net != NULL && options->socket != NULL)
        return tool_usage(COMMAND, "--net and --socket do not go together: %s", options->socket);
    if (options->net != NULL && strchr(options->net, '/') != NULL)
        return tool_usage(COMMAND, "%s: not the name of a net", options->net);
    if (!find_path(options))
        return tool_usage(COMMAND, "%s: the path is too long for a socket",
                          options->net != NULL ? options->net : options->socket);
    for (int i = optind; options->json && i < argc; i++)
        if (strchr(argv[i], '=') != NULL)
            return tool_usage(COMMAND, "--json only shows, it takes no value: %s", argv[i]);
    return TOOL_OK;
}

int tool_sysctl(int argc, char **argv)
{
    struct options options = { .all = false };
    const int status = parse(argc, argv, &options);
    if (status != TOOL_OK)
        return status;
    if (options.help) {
        usage();
        return TOOL_OK;
    }
    struct weir_config config;
    weir_config_default(&config);
    if (options.path[0] != '\0' && !fetch(&options, &config))
        return TOOL_FAILED;
    if (options.file != NULL)
        return take_file(&options, &config, options.file);
    if (options.all) {
        show_all(&config, &options);
        return TOOL_OK;
    }
    return do_words(&config, &options, argc - optind, argv + optind);
}
