/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "weir/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So that an MSS is 1460 in both families, as the field has it. */
#define MTU_IPV4 1500
#define MTU_IPV6 1520

#define FILE_MOST (1L << 30) /* octets of a file that a script makes */

const char *const ip_mode_names[MODE_COUNT] = { "ipv4", "ipv6", "ipv4-mapped-ipv6" };

/* ---- options ---- */

/* Those that change nothing here: what is printed, how buffers are kept, how a device is made. */
static const char *const ignored[] = {
    "send_omit_free", "verbose",     "non_fatal",          "init_scripts", "is_anyip",
    "code_command",   "code_format", "code_sockopt",       "speed",        "debug",
    "dry_run",        "gateway_ip",  "persistent_tun_dev", "define",       "D",
};
static const char *const known[] = {
    "ip_version",
    "local_ip",
    "remote_ip",
    "netmask_ip",
    "mtu",
    "bind_port",
    "connect_port",
    "tolerance_usecs",
    "tolerance_percent",
    "tcp_ts_tick_usecs",
    "strict_segments",
    "tcp_ts_ecr_scaled",
};

static bool is_in(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

const char *run_option(const struct run *run, const char *name)
{
    for (const struct setting *s = run->config->options; s != NULL; s = s->next)
        if (strcmp(s->name, name) == 0)
            return s->value;
    return script_option(run->script, name);
}

static uint32_t number_option(struct run *run, const char *name, uint32_t otherwise, uint32_t most)
{
    const char *text = run_option(run, name);
    char *end;
    if (text == NULL)
        return otherwise;
    const unsigned long value = strtoul(text, &end, 0);
    if (end == text || *end != '\0' || value > most)
        run_fail(run, "--%s=%s is not a number in 0..%u", name, text, most);
    return (uint32_t)value;
}

static void check_options(struct run *run)
{
    for (const struct setting *s = run->script->options; s != NULL; s = s->next) {
        if (is_in(ignored, sizeof ignored / sizeof ignored[0], s->name) ||
            is_in(known, sizeof known / sizeof known[0], s->name))
            continue;
        run_fail(run, "line %u: the option --%s is not understood", s->line, s->name);
    }
    const char *mode = run_option(run, "ip_version");
    if (mode != NULL && strcmp(mode, ip_mode_names[run->config->mode]) != 0)
        run_skip(run, "the script is for %s", mode);
}

static void address_option(struct run *run, const char *name, const char *v4, const char *v6,
                           struct weir_ip *ip)
{
    const char *text = run_option(run, name);
    if (!weir_ip_parse(run->v6 ? v6 : v4, ip))
        abort();
    if (text == NULL)
        return;
    struct weir_ip given;
    if (!weir_ip_parse(text, &given))
        run_fail(run, "--%s=%s is no address", name, text);
    if (weir_ip_is_v4(&given) == !run->v6) /* one for the other family is for another run */
        *ip = given;
}

static unsigned mask_len(struct run *run)
{
    const char *text = run_option(run, "netmask_ip");
    struct weir_ip mask;
    unsigned bits = 0;
    if (text == NULL || run->v6)
        return run->v6 ? 64 : 16;
    if (!weir_ip_parse(text, &mask) || !weir_ip_is_v4(&mask))
        run_fail(run, "--netmask_ip=%s is no mask", text);
    for (unsigned i = 12; i < 16; i++)
        for (unsigned k = 0; k < 8; k++)
            bits += mask.octet[i] >> k & 1;
    return bits;
}

/* ---- settings ---- */

/* Nothing of the machine it runs on shall shine through: the kernel is told this before every
 * script, and weir has it by itself. The field's `defaults.sh` stands for no more. */
static const char *const usual[][2] = {
    { "net.ipv4.tcp_timestamps", "1" },
    { "net.ipv4.tcp_sack", "1" },
    { "net.ipv4.tcp_window_scaling", "1" },
    { "net.ipv4.tcp_ecn", "2" },
    { "net.ipv4.tcp_congestion_control", "reno" },  /* what a namespace may always have; */
    { "net.ipv4.tcp_congestion_control", "cubic" }, /* refused if the machine does not allow it */
    { "net.ipv4.tcp_fin_timeout", "60" },
    { "net.ipv4.tcp_keepalive_time", "7200" },
    { "net.ipv4.tcp_keepalive_intvl", "75" },
    { "net.ipv4.tcp_keepalive_probes", "9" },
    { "net.ipv4.tcp_syn_retries", "6" },
    { "net.ipv4.tcp_synack_retries", "5" },
    { "net.ipv4.tcp_retries2", "15" },
    { "net.ipv4.tcp_slow_start_after_idle", "1" },
    { "net.ipv4.tcp_mtu_probing", "0" },
    { "net.ipv4.tcp_wmem", "4096 16384 4194304" },
    { "net.ipv4.tcp_rmem", "4096 131072 4194304" },
};

/* What the field's `defaults.sh` sets. What a stack does not have it does without: these are the
 * defaults of another place, not what a script asks for. */
static const char *const field[][2] = {
    { "net.ipv4.tcp_rmem", "270000 540000 15728640" },
    { "net.ipv4.tcp_wmem", "4096 262144 4194304" },
    { "net.ipv4.tcp_timestamps", "1" },
    { "net.ipv4.tcp_syn_retries", "5" },
    { "net.ipv4.tcp_synack_retries", "5" },
    { "net.ipv4.tcp_frto", "2" },
    { "net.ipv4.tcp_sack", "1" },
    { "net.ipv4.tcp_dsack", "1" },
    { "net.ipv4.tcp_reordering", "3" },
    { "net.ipv4.tcp_congestion_control", "cubic" },
    { "net.ipv4.tcp_slow_start_after_idle", "0" },
    { "net.ipv4.tcp_early_retrans", "4" },
    { "net.ipv4.tcp_recovery", "1" },
    { "net.ipv4.tcp_tso_win_divisor", "3" },
    { "net.ipv4.tcp_ecn", "0" },
    { "net.ipv4.tcp_ecn_option", "2" },
    { "net.ipv4.tcp_pacing_ss_ratio", "200" },
    { "net.ipv4.tcp_pacing_ca_ratio", "120" },
    { "net.ipv4.tcp_notsent_lowat", "4294967295" },
    { "net.ipv4.tcp_fastopen", "0x70403" },
    { "net.ipv4.tcp_fastopen_key", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4" },
    { "net.ipv4.tcp_syncookies", "1" },
};

static void set_field(struct run *run)
{
    char why[DRILL_ERROR_MAX];
    for (unsigned i = 0; i < sizeof field / sizeof field[0]; i++)
        if (!run->subject.set(run->subject.self, field[i][0], field[i][1], why))
            run_note(run, "                  not taken: %s=%s", field[i][0], field[i][1]);
}

static void set_one(struct run *run, unsigned line, const char *name, const char *value)
{
    char why[DRILL_ERROR_MAX], dotted[128];
    const char *path = strncmp(name, "/proc/sys/", 10) == 0 ? name + 10 : name;
    snprintf(dotted, sizeof dotted, "%s", path);
    for (char *p = dotted; *p != '\0'; p++)
        if (*p == '/')
            *p = '.';
    if (!run->subject.set(run->subject.self, dotted, value, why))
        run_fail(run, "line %u: %s=%s: %s", line, dotted, value, why);
    run_note(run, "                  %s=%s", dotted, value);
}

/* The next word of a command, quotes taken away, into `word`; NULL at its end. */
static const char *next_word(const char *at, char *word, size_t room)
{
    size_t n = 0;
    char quote = '\0';
    at += strspn(at, " \t\\");
    if (*at == '\0')
        return NULL;
    for (; *at != '\0' && (quote != '\0' || strchr(" \t", *at) == NULL); at++) {
        if (quote == '\0' && (*at == '"' || *at == '\''))
            quote = *at;
        else if (*at == quote)
            quote = '\0';
        else if (n + 1 < room)
            word[n++] = *at;
    }
    word[n] = '\0';
    return at;
}

static void set_words(struct run *run, const char *at, unsigned line)
{
    char word[256];
    while ((at = next_word(at, word, sizeof word)) != NULL) {
        char *equals = strchr(word, '=');
        if (word[0] == '#')
            return;
        if (word[0] == '-' || strcmp(word, ">") == 0 || strcmp(word, "/dev/null") == 0 ||
            strcmp(word, ">/dev/null") == 0 || strcmp(word, "2>&1") == 0)
            continue;
        if (equals == NULL)
            run_fail(run, "line %u: `sysctl %s` sets nothing", line, word);
        *equals = '\0';
        set_one(run, line, word, equals + 1);
    }
}

/* What CUBIC does here cannot be set: it is RFC 9438 with the constants that Linux has, and
 * HyStart++ (RFC 9406), which looks at the delay and at trains of ACKs. A script may say so. */
static const struct {
    const char *name, *value;
} cubic[] = {
    { "hystart", "1" },
    { "hystart_detect", "3" },
    { "hystart_low_window", "16" },
    { "fast_convergence", "1" },
    { "tcp_friendliness", "1" },
    { "beta", "717" },
    { "hystart_ack_delta_us", "2000" },
};

#define CUBIC_FOLDER "/sys/module/tcp_cubic/parameters/"

static const char *cubic_value(const struct run *run, const char *name, char *text, int room)
{
    char path[sizeof CUBIC_FOLDER + 256];
    for (unsigned i = 0; !run->subject.real_time && i < sizeof cubic / sizeof cubic[0]; i++)
        if (strcmp(cubic[i].name, name) == 0)
            return cubic[i].value;
    snprintf(path, sizeof path, CUBIC_FOLDER "%s", name);
    FILE *file = run->subject.real_time ? fopen(path, "r") : NULL;
    const bool read = file != NULL && fgets(text, room, file) != NULL;
    if (file != NULL)
        fclose(file);
    text[read ? strcspn(text, "\n") : 0] = '\0';
    return read ? text : NULL;
}

/* The machine's settings are not changed for a script, and weir's CUBIC has none: they must be as
 * it wants them. */
static void check_cubic(struct run *run, unsigned line, const char *name, const char *wanted)
{
    char text[32];
    const char *value = cubic_value(run, name, text, (int)sizeof text);
    if (value == NULL)
        run_fail(run, "line %u: %s of CUBIC: there is no equivalent", line, name);
    if (strcmp(value, wanted) != 0)
        run_fail(run, "line %u: %s of CUBIC is %s, which cannot be changed to %s", line, name,
                 value, wanted);
    run_note(run, "                  CUBIC has %s=%s", name, value);
}

/* echo VALUE > /proc/sys/NAME, or > /sys/module/tcp_cubic/parameters/NAME */
static void echo_words(struct run *run, const char *at, unsigned line)
{
    char value[256] = "", word[256];
    while ((at = next_word(at, word, sizeof word)) != NULL) {
        if (strcmp(word, ">") != 0) {
            size_t used = strlen(value);
            const size_t len = strlen(word);
            if (used + len + 2 > sizeof value)
                run_fail(run, "line %u: a value of more than %zu characters", line, sizeof value);
            if (used > 0)
                value[used++] = ' ';
            memcpy(value + used, word, len + 1);
            continue;
        }
        if (next_word(at, word, sizeof word) == NULL)
            break;
        if (strncmp(word, CUBIC_FOLDER, strlen(CUBIC_FOLDER)) == 0) {
            check_cubic(run, line, word + strlen(CUBIC_FOLDER), value);
            return;
        }
        if (strncmp(word, "/proc/sys/", 10) != 0)
            break;
        set_one(run, line, word, value);
        return;
    }
    run_fail(run,
             "line %u: `echo` is understood with > /proc/sys/NAME and "
             "> " CUBIC_FOLDER "NAME only",
             line);
}

/* rm [-f] PATH..., and dd if=/dev/zero of=PATH bs=N count=N: files of zeros, for sendfile(). */
static void file_command(struct run *run, bool makes, const char *at, unsigned line)
{
    char word[256], path[256] = "";
    long block = 512, count = 1;
    bool zeros = false;
    while ((at = next_word(at, word, sizeof word)) != NULL) {
        if (!makes && word[0] != '-' && !run->subject.file(run->subject.self, word, -1))
            run_fail(run, "line %u: no memory", line);
        if (strncmp(word, "of=", 3) == 0)
            snprintf(path, sizeof path, "%s", word + 3);
        else if (strcmp(word, "if=/dev/zero") == 0)
            zeros = true;
        else if (strncmp(word, "bs=", 3) == 0)
            block = strtol(word + 3, NULL, 10);
        else if (strncmp(word, "count=", 6) == 0)
            count = strtol(word + 6, NULL, 10);
    }
    if (!makes)
        return;
    if (!zeros || path[0] == '\0' || block < 1 || block > FILE_MOST || count < 0 ||
        count > FILE_MOST / block)
        run_fail(run, "line %u: `dd` is understood with if=/dev/zero of=PATH bs=N count=N", line);
    if (!run->subject.file(run->subject.self, path, block * count))
        run_fail(run, "line %u: no memory", line);
}

static bool is_device_command(const char *name)
{
    return strcmp(name, "tc") == 0 || strcmp(name, "ethtool") == 0;
}

static void one_command(struct run *run, const char *command, unsigned line)
{
    char word[256];
    const char *rest = next_word(command, word, sizeof word);
    if (rest == NULL || word[0] == '#' || strcmp(word, "true") == 0 || strcmp(word, ":") == 0)
        return;
    const char *slash = strrchr(word, '/');
    const char *name = slash != NULL ? slash + 1 : word;
    if (strncmp(name, "sysctl_restore_", 15) == 0) /* there is nothing to put back */
        return;
    const bool weir = !run->subject.real_time;
    if (weir && strcmp(name, "nstat") == 0) {
        counters_command(run, rest, line);
    } else if (weir && strcmp(name, "ip") == 0 && strstr(rest, "tcp_metrics flush") != NULL) {
        weir_known_flush(subject_weir_instance(run));
    } else if (strcmp(name, "sysctl") == 0 || strcmp(name, "set_sysctls.py") == 0) {
        set_words(run, rest, line);
    } else if (strcmp(name, "echo") == 0) {
        echo_words(run, rest, line);
    } else if (strcmp(name, "defaults.sh") == 0) {
        set_field(run);
    } else if (run->subject.file != NULL && (strcmp(name, "rm") == 0 || strcmp(name, "dd") == 0)) {
        file_command(run, strcmp(name, "dd") == 0, rest, line);
    } else if (weir && is_device_command(name)) {
        run_note(run, "                  %s: weir has no device below it", command);
    } else if (run->config->allow_shell && run->subject.real_time) {
        if (system(command) != 0)
            run_fail(run, "line %u: `%s` failed", line, command);
    } else {
        run_fail(run,
                 "line %u: the command `%s` is not understood (sysctl, echo > /proc/sys and "
                 "defaults.sh are; --kernel --allow-shell runs the others)",
                 line, name);
    }
}

/* One command after the other: lines, `;` and `&&`. */
void run_settings(struct run *run, const char *shell, unsigned line)
{
    char command[1024];
    size_t n = 0;
    char quote = '\0';
    for (const char *p = shell;; p++) {
        const bool joined = *p == '\\' && p[1] == '\n';
        const bool ends = *p == '\0' || (quote == '\0' && !joined &&
                                         (*p == '\n' || *p == ';' || (*p == '&' && p[1] == '&')));
        if (*p == '"' || *p == '\'')
            quote = quote == *p ? '\0' : quote == '\0' ? *p : quote;
        if (ends) {
            command[n] = '\0';
            one_command(run, command, line);
            n = 0;
        } else if (joined) {
            p++;
        } else if (n + 1 < sizeof command) {
            command[n++] = *p;
        }
        if (*p == '\0')
            return;
        if (ends && *p == '&')
            p++;
        line += *p == '\n';
    }
}

/* ---- before the first event ---- */

void run_setup(struct run *run, bool kernel)
{
    run->v6 = run->config->mode == MODE_IPV6;
    check_options(run);
    address_option(run, "local_ip", "192.168.0.2", "fd3d:fa7b:d17d::2", &run->local);
    address_option(run, "remote_ip", "192.0.2.1", "2001:db8::1", &run->remote);
    run->prefix_len = mask_len(run);
    run->mtu = (uint16_t)number_option(run, "mtu", run->v6 ? MTU_IPV6 : MTU_IPV4, 65535);
    run->bind_port = (uint16_t)number_option(run, "bind_port", RUN_PORT, 65535);
    run->connect_port = (uint16_t)number_option(run, "connect_port", RUN_PORT, 65535);
    run->exact = (run->config->exact || run->script->exact) && !kernel;
    run->flags = run->exact || run_option(run, "tcp_ts_tick_usecs") != NULL ? MATCH_EXACT : 0;
    run->strict = run_option(run, "strict_segments") != NULL;
    run->tolerance = (weir_time)number_option(run, "tolerance_usecs", 4000, 60000000) * WEIR_US;
    run->tolerance_percent10 = 10 * number_option(run, "tolerance_percent", 0, 100);
    if (run->tolerance_percent10 == 0)
        run->tolerance_percent10 = 125;
    if (!(kernel ? subject_kernel(run) : subject_weir(run)))
        run_fail(run, "no stack to run it on");
    char why[DRILL_ERROR_MAX];
    for (unsigned i = 0; kernel && i < sizeof usual / sizeof usual[0]; i++)
        (void)run->subject.set(run->subject.self, usual[i][0], usual[i][1], why);
    if (run->script->init != NULL)
        run_settings(run, run->script->init, run->script->init_line);
}
