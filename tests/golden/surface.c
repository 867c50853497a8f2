/* SPDX-License-Identifier: MIT */
#include "golden/path.h"

#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

/* Goodput over loss x round trip x buffer for each algorithm, in virtual time, against what stands
 * in surface.tsv. A cell that changes by more than 3 % fails until the change is explained:
 * scripts/gen_golden.sh writes the table anew, and the commit says why.
 *
 *     test-golden-surface FILE       compares
 *     test-golden-surface --write    prints the table */

#define MBIT       UINT64_C(125000)
#define RATE       (20 * MBIT)
#define CHANGE_MAX 3  /* per cent */
#define SMALLEST   20 /* kbit/s that are no change either */
#define BUFFER_MIN 15000

struct cell {
    enum weir_congestion congestion;
    unsigned loss; /* per thousand */
    unsigned rtt_ms;
    unsigned buffer; /* tenths of a BDP */
};

static const enum weir_congestion algorithms[] = { WEIR_CC_RENO, WEIR_CC_CUBIC, WEIR_CC_BBR };
static const unsigned losses[] = { 0, 1, 10, 50 };
static const unsigned rtts[] = { 1, 20, 100, 300 };
static const unsigned buffers[] = { 1, 10, 40 };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define CELLS        (COUNT(algorithms) * COUNT(losses) * COUNT(rtts) * COUNT(buffers))

static struct cell cell_at(unsigned i)
{
    struct cell cell;
    cell.buffer = buffers[i % COUNT(buffers)];
    i /= COUNT(buffers);
    cell.rtt_ms = rtts[i % COUNT(rtts)];
    i /= COUNT(rtts);
    cell.loss = losses[i % COUNT(losses)];
    i /= COUNT(losses);
    cell.congestion = algorithms[i];
    return cell;
}

/* kbit/s. */
static unsigned goodput(const struct cell *cell)
{
    static struct path_result result;
    struct path_plan plan = { .rate = RATE,
                              .rtt = cell->rtt_ms * WEIR_MS,
                              .loss = cell->loss * (UINT32_MAX / 1000),
                              .flows = 1,
                              .warm_up = 2 * WEIR_SECOND,
                              .duration = 12 * WEIR_SECOND,
                              .congestion = { (uint8_t)cell->congestion },
                              .seed = 5 };
    plan.buffer = (uint32_t)((uint64_t)path_bdp(&plan) * cell->buffer / 10);
    if (plan.buffer < BUFFER_MIN)
        plan.buffer = BUFFER_MIN;
    path_run(&plan, &result);
    const uint64_t ms = (uint64_t)((plan.duration - plan.warm_up) / WEIR_MS);
    return (unsigned)(result.flow[0].octets * 8 / ms);
}

static int print_table(void)
{
    printf("# Goodput in kbit/s over 20 Mbit/s, ten seconds after the first two, one flow.\n");
    printf("# algorithm\tloss per thousand\tround trip ms\tbuffer BDP/10\tkbit/s\n");
    for (unsigned i = 0; i < CELLS; i++) {
        const struct cell cell = cell_at(i);
        printf("%s\t%u\t%u\t%u\t%u\n", weir_congestion_name(cell.congestion), cell.loss,
               cell.rtt_ms, cell.buffer, goodput(&cell));
    }
    return 0;
}

static bool read_row(FILE *file, struct cell *cell, unsigned *kbit)
{
    char line[200], name[16];
    do {
        if (fgets(line, sizeof line, file) == NULL)
            return false;
    } while (line[0] == '#');
    return sscanf(line, "%15s %u %u %u %u", name, &cell->loss, &cell->rtt_ms, &cell->buffer,
                  kbit) == 5 &&
           weir_congestion_find(name, &cell->congestion);
}

static bool is_same_cell(const struct cell *a, const struct cell *b)
{
    return a->congestion == b->congestion && a->loss == b->loss && a->rtt_ms == b->rtt_ms &&
           a->buffer == b->buffer;
}

static void compare(FILE *file)
{
    for (unsigned i = 0; i < CELLS; i++) {
        const struct cell cell = cell_at(i);
        struct cell row;
        unsigned then = 0;
        if (!read_row(file, &row, &then) || !is_same_cell(&row, &cell)) {
            CHECK(false, "row %u of the table is that of the cell", i + 1);
            return;
        }
        const unsigned now = goodput(&cell);
        const unsigned change = now > then ? now - then : then - now;
        CHECK(change * 100 <= then * CHANGE_MAX || change <= SMALLEST,
              "%s, loss %u/1000, %u ms, buffer %u/10 BDP: %u kbit/s, was %u",
              weir_congestion_name(cell.congestion), cell.loss, cell.rtt_ms, cell.buffer, now,
              then);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return print_table();
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        fprintf(stderr, "test-golden-surface: a table to compare with, or --write\n");
        return 2;
    }
    compare(file);
    fclose(file);
    return tap_done();
}
