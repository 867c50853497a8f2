/* SPDX-License-Identifier: MIT */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 4096

static _Noreturn void fail(const char *path, const char *why)
{
    fprintf(stderr, "transcript: %s: %s\n", path, why);
    exit(2);
}

static char *keep(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        fail("cases", "no memory");
    return copy;
}

static size_t add(struct scene *scenes, size_t count, const struct scene *scene)
{
    if (count == CASES_MAX)
        fail("cases", "too many");
    scenes[count] = *scene;
    return count + 1;
}

/* One case of a file, for its family or both. */
static size_t add_both(struct scene *scenes, size_t count, const struct scene *scene,
                       const char *lines)
{
    struct scene one = *scene;
    if (scene->name[0] == '\0')
        return count;
    one.lines = keep(lines);
    for (int family = 4; family <= 6; family += 2) {
        if (scene->family != 0 && scene->family != family)
            continue;
        one.family = family;
        snprintf(one.variant, sizeof one.variant, "v%d", family);
        count = add(scenes, count, &one);
    }
    return count;
}

size_t cases_read(const char *path, struct scene *scenes, size_t count)
{
    FILE *file = fopen(path, "r");
    char line[512];
    char lines[LINES_MAX] = "";
    struct scene scene = { 0 };
    if (file == NULL)
        fail(path, "cannot be read");
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        int after = 0;
        char name[sizeof scene.name];
        if (sscanf(line, "case %47s %n", name, &after) == 1) {
            count = add_both(scenes, count, &scene, lines);
            memset(&scene, 0, sizeof scene);
            memcpy(scene.name, name, sizeof name);
            scene.title = keep(line + after);
            lines[0] = '\0';
        } else if (strncmp(line, "only ", 5) == 0) {
            scene.family = atoi(line + 5);
        } else if (strlen(lines) + strlen(line) + 2 > sizeof lines) {
            fail(path, "a case is too long");
        } else {
            strcat(strcat(lines, line), "\n");
        }
    }
    fclose(file);
    return add_both(scenes, count, &scene, lines);
}

static const struct event {
    const char *name;
    const char *line;
} events[] = {
    { "send", "send a abc" },    { "recv", "recv a 16" },   { "rd", "shut a rd" },
    { "wr", "shut a wr" },       { "rdwr", "shut a rdwr" }, { "close", "close a" },
    { "psend", "p send a xyz" }, { "pclose", "p close a" }, { "prst", "p rst a" },
};
#define EVENTS ((int)(sizeof events / sizeof events[0]))

static const struct side {
    const char *name;
    int family;
    const char *pair;
    const char *after; /* each event */
} sides[] = {
    { "active4", 4, "pair a active\n", "" },          { "active6", 6, "pair a active\n", "" },
    { "passive4", 4, "pair a passive\n", "" },        { "passive6", 6, "pair a passive\n", "" },
    { "errors4", 4, "pair a active\n", "error a\n" },
};
#define SIDES (sizeof sides / sizeof sides[0])

static size_t add_sequence(struct scene *scenes, size_t count, const struct event *of[3])
{
    for (size_t i = 0; i < SIDES; i++) {
        struct scene scene = { .title = "", .family = sides[i].family };
        char lines[LINES_MAX];
        int len = snprintf(lines, sizeof lines, "%s", sides[i].pair);
        for (int k = 0; k < 3; k++)
            len += snprintf(lines + len, sizeof lines - (size_t)len, "%s\nlook a\n%s", of[k]->line,
                            sides[i].after);
        /* What is left to find out, in the order that destroys least. */
        snprintf(lines + len, sizeof lines - (size_t)len, "error a\nrecv a 16\nsend a end\n");
        snprintf(scene.name, sizeof scene.name, "%s.%s.%s", of[0]->name, of[1]->name, of[2]->name);
        snprintf(scene.variant, sizeof scene.variant, "%s", sides[i].name);
        scene.lines = keep(lines);
        count = add(scenes, count, &scene);
    }
    return count;
}

size_t cases_sequences(struct scene *scenes, size_t count)
{
    for (int i = 0; i < EVENTS * EVENTS * EVENTS; i++) {
        const struct event *of[3] = { &events[i / (EVENTS * EVENTS)], &events[i / EVENTS % EVENTS],
                                      &events[i % EVENTS] };
        count = add_sequence(scenes, count, of);
    }
    return count;
}
