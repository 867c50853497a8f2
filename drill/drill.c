/* SPDX-License-Identifier: MIT */
#include "drill.h"

#include <errno.h>
#include <fts.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRAP_AT         UINT32_C(0xffffff80) /* both initial numbers, when they shall wrap */
#define KERNEL_PATIENCE 60                   /* seconds for one script in real time */

/* ---- files ---- */

static char *read_whole(const char *path, size_t *len, char error[DRILL_ERROR_MAX])
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        snprintf(error, DRILL_ERROR_MAX, "%.200s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(DRILL_SCRIPT_MAX + 1);
    if (text == NULL)
        abort();
    *len = fread(text, 1, DRILL_SCRIPT_MAX + 1, file);
    const bool bad = ferror(file) != 0;
    if (file != stdin)
        fclose(file);
    if (!bad && *len <= DRILL_SCRIPT_MAX)
        return text;
    snprintf(error, DRILL_ERROR_MAX, "%.200s: %s", path,
             bad ? "it cannot be read" : "more than 4 MiB: no script");
    free(text);
    return NULL;
}

/* ---- results ---- */

static void print_report(const char *report, const char *prefix)
{
    while (report != NULL && *report != '\0') {
        const size_t len = strcspn(report, "\n");
        printf("%s%.*s\n", prefix, (int)len, report);
        report += len + (report[len] == '\n');
    }
}

static void tell(struct drill *drill, const char *what, enum verdict verdict, const char *report)
{
    static const char *const words[] = { "passed", "FAILED", "skipped" };
    const unsigned number = drill->passed + drill->failed + drill->skipped + 1;
    drill->passed += verdict == VERDICT_PASSED;
    drill->failed += verdict == VERDICT_FAILED;
    drill->skipped += verdict == VERDICT_SKIPPED;
    if (drill->tap) {
        const char *why = report != NULL ? report : "";
        if (verdict == VERDICT_SKIPPED)
            printf("ok %u - %s # SKIP %.*s\n", number, what, (int)strcspn(why, "\n"), why);
        else
            printf("%s %u - %s\n", verdict == VERDICT_PASSED ? "ok" : "not ok", number, what);
        if (verdict == VERDICT_FAILED || (drill->config.verbose && verdict == VERDICT_PASSED))
            print_report(report, "# ");
    } else if (verdict != VERDICT_PASSED || drill->config.verbose) {
        printf("%s: %s\n", what, words[verdict]);
        print_report(report, "");
    }
    fflush(stdout);
}

/* ---- the kernel: a process for each run ---- */

struct shared {
    enum verdict verdict;
    char report[RUN_REPORT_MAX];
};

static enum verdict run_child(const struct script *script, const struct run_config *config,
                              char **report)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    shared->verdict = VERDICT_FAILED;
    snprintf(shared->report, sizeof shared->report, "%s: it did not end within %d s, or died\n",
             script->path, KERNEL_PATIENCE);
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        char *text = NULL;
        const struct sched_param soon = { .sched_priority = 1 };
        (void)sched_setscheduler(0, SCHED_RR, &soon); /* where it may */
        alarm(KERNEL_PATIENCE);
        signal(SIGPIPE, SIG_IGN);
        shared->verdict = run_script(script, config, true, &text);
        snprintf(shared->report, sizeof shared->report, "%s", text != NULL ? text : "");
        _exit(0);
    }
    int status;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    const enum verdict verdict = shared->verdict;
    *report = strdup(shared->report);
    munmap(shared, sizeof *shared);
    return verdict;
}

static void run_mode(struct drill *drill, const struct script *script, enum ip_mode mode, bool wrap)
{
    struct run_config config = drill->config;
    char *report = NULL, what[512];
    config.mode = mode;
    if (wrap) {
        config.has_iss = config.has_peer_iss = true;
        config.iss = config.peer_iss = WRAP_AT;
    }
    const enum verdict verdict = drill->kernel ? run_child(script, &config, &report)
                                               : run_script(script, &config, false, &report);
    snprintf(what, sizeof what, "%.400s (%s%s%s)", script->path, ip_mode_names[mode],
             wrap ? ", numbers wrap" : "", drill->kernel ? ", kernel" : "");
    tell(drill, what, verdict, report);
    free(report);
}

static enum ip_mode own_mode(const struct script *script)
{
    const char *name = script_option(script, "ip_version");
    for (unsigned i = 0; name != NULL && i < MODE_COUNT; i++)
        if (strcmp(name, ip_mode_names[i]) == 0)
            return (enum ip_mode)i;
    return MODE_IPV4;
}

static void one_file(struct drill *drill, const char *path)
{
    struct script script;
    char error[DRILL_ERROR_MAX] = "";
    size_t len = 0;
    bool any = false;
    char *text = read_whole(path, &len, error);
    const bool good = text != NULL && script_parse(&script, path, text, len, drill->defines,
                                                   drill->define_count, error);
    free(text);
    if (!good || drill->parse_only) {
        tell(drill, path, good ? VERDICT_PASSED : VERDICT_FAILED, error);
        if (good)
            script_free(&script);
        return;
    }
    for (unsigned i = 0; i < MODE_COUNT; i++)
        any |= drill->modes[i];
    for (unsigned i = 0; i < MODE_COUNT; i++) {
        if (any ? !drill->modes[i] : i != (unsigned)own_mode(&script))
            continue;
        run_mode(drill, &script, (enum ip_mode)i, false);
        if (drill->wrap)
            run_mode(drill, &script, (enum ip_mode)i, true);
    }
    script_free(&script);
}

/* ---- folders: what ends in .pkt, in the order of the names ---- */

static int by_path(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_script(const FTSENT *entry)
{
    const size_t len = entry->fts_namelen;
    return entry->fts_info == FTS_F && len > 4 && strcmp(entry->fts_name + len - 4, ".pkt") == 0;
}

void drill_file(struct drill *drill, const char *path)
{
    struct stat about;
    char *paths[] = { strdup(path), NULL };
    if (paths[0] == NULL)
        abort();
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) {
        one_file(drill, path);
        free(paths[0]);
        return;
    }
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_path);
    for (FTSENT *entry; tree != NULL && (entry = fts_read(tree)) != NULL;)
        if (is_script(entry))
            one_file(drill, entry->fts_path);
    if (tree != NULL)
        fts_close(tree);
    free(paths[0]);
}

bool drill_done(const struct drill *drill)
{
    if (drill->tap)
        printf("1..%u\n", drill->passed + drill->failed + drill->skipped);
    printf("%s%u passed, %u failed, %u skipped\n", drill->tap ? "# " : "", drill->passed,
           drill->failed, drill->skipped);
    return drill->failed == 0 && drill->passed + drill->skipped > 0;
}
