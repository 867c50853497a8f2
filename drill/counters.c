/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "ipc/sight.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* `nstat` as scripts use it: alone it says "from here on"; `nstat | grep NAME` is true if what has
 * that name has grown since. The names are those that `weir nstat` shows. */

struct counters_mark {
    uint32_t count;
    struct sight_counter at[];
};

static const struct sight_page *ask(struct run *run)
{
    static struct {
        _Alignas(max_align_t) uint8_t octets[SIGHT_PAGE_MAX];
    } page;
    const struct sight_request request = { .magic = SIGHT_MAGIC,
                                           .version = SIGHT_VERSION,
                                           .kind = SIGHT_COUNTERS };
    const struct sight_source source = { .weir = subject_weir_instance(run) };
    (void)sight_answer(&source, &request, sizeof request, page.octets);
    return (const struct sight_page *)page.octets;
}

static void mark(struct run *run)
{
    const struct sight_page *page = ask(run);
    const size_t size = page->count * sizeof(struct sight_counter);
    run->counters = arena_take(&run->arena, sizeof *run->counters + size);
    run->counters->count = page->count;
    memcpy(run->counters->at, page + 1, size);
}

static void look(struct run *run, const char *name, unsigned line)
{
    const struct sight_page *page = ask(run);
    const struct sight_counter *now = (const struct sight_counter *)(page + 1);
    for (uint32_t i = 0; i < page->count; i++) {
        if (strcmp(now[i].name, name) != 0)
            continue;
        const bool marked = run->counters != NULL && i < run->counters->count;
        if (now[i].value > (marked ? run->counters->at[i].value : 0))
            return;
        run_fail(run, "line %u: %s has not grown", line, name);
    }
    run_fail(run, "line %u: no counter is called '%s' (weir nstat -z shows them)", line, name);
}

void counters_command(struct run *run, const char *rest, unsigned line)
{
    char name[SIGHT_NAME_MAX] = "";
    const char *pipe = strchr(rest, '|');
    if (pipe == NULL) {
        mark(run);
    } else if (sscanf(pipe, "| grep %39[A-Za-z0-9]", name) == 1) {
        look(run, name, line);
    } else {
        run_fail(run, "line %u: `nstat` is understood alone and with | grep NAME only", line);
    }
}
