/* SPDX-License-Identifier: MIT */
#include "mtr.h"

#include "terminal.h"
#include "tool.h"

#include <inttypes.h>
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NUMBERS  55 /* columns that the numbers take */
#define WORD_ROW 2  /* empty rows before the words */

enum colour {
    COLOUR_GOOD = 1,
    COLOUR_ODD,
    COLOUR_BAD,
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void draw_ms(weir_time time)
{
    const weir_time tenths = (time + 50 * WEIR_US) / (100 * WEIR_US);
    printw(" %4" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
}

/* Red is loss of the path; yellow what only looks like it. */
static int colour_of(const struct mtr *mtr, unsigned i)
{
    struct path_statement statement[PATH_STATEMENTS_MAX];
    const unsigned count = path_judge(&mtr->path, statement);
    if (ping_stats_loss(&mtr->path.hop[i].stats) == 0)
        return COLOUR_GOOD;
    for (unsigned j = 0; j < count; j++) {
        if (statement[j].hop != (int)i)
            continue;
        if (statement[j].finding == PATH_RATE_LIMITED || statement[j].finding == PATH_HIDDEN)
            return COLOUR_ODD;
    }
    return COLOUR_BAD;
}

static void draw_hop(const struct mtr *mtr, unsigned i, int row, bool colours)
{
    char text[NAME_TEXT_MAX];
    const struct ping_stats *stats = &mtr->path.hop[i].stats;
    const unsigned loss = ping_stats_loss(stats);
    const int width = COLS > NUMBERS + 20 ? COLS - NUMBERS - 6 : 14;
    mvprintw(row, 0, "%3u. %-*.*s", mtr->path.first + i, width, width, mtr_hop_name(mtr, i, text));
    if (colours)
        attron(COLOR_PAIR(colour_of(mtr, i)));
    printw(" %3u.%u%%", loss / 10, loss % 10);
    if (colours)
        attroff(COLOR_PAIR(colour_of(mtr, i)));
    printw(" %5" PRIu64, stats->sent);
    draw_ms(stats->last);
    draw_ms(ping_stats_mean(stats));
    draw_ms(stats->least);
    draw_ms(stats->most);
    draw_ms(ping_stats_deviation(stats));
    draw_ms(ping_stats_jitter(stats));
}

static void draw_words(const struct mtr *mtr, int row)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    if (file == NULL)
        return;
    mtr_words(mtr, file, COLS > 20 ? (unsigned)COLS - 1 : 20);
    fclose(file);
    for (char *line = strtok(text, "\n"); line != NULL && row < LINES; line = strtok(NULL, "\n"))
        mvaddnstr(row++, 0, line, COLS);
    free(text);
}

static void draw(const struct mtr *mtr, bool paused, bool colours)
{
    char ip[WEIR_IP_TEXT_MAX], clock[16];
    const time_t now = time(NULL);
    struct tm local;
    const int width = COLS > NUMBERS + 20 ? COLS - NUMBERS - 6 : 14;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    erase();
    attron(A_BOLD);
    mvprintw(0, 0, "weir mtr  %s", clock);
    attroff(A_BOLD);
    printw("  to %.60s (%s) by %s%s", mtr->host, weir_ip_text(&mtr->target.ip, ip),
           probe_kind_text(mtr->target.kind), paused ? "  [paused]" : "");
    mvaddnstr(1, 0, "q quit  r forget the counts  p pause", COLS);
    if (mtr->error != 0)
        printw("  (cannot send: %s)", strerror(mtr->error));
    attron(A_REVERSE);
    mvprintw(2, 0, "%*s", COLS, "");
    mvprintw(2, 0, "     %-*s   Loss   Snt   Last    Avg   Best   Wrst  StDev   Jttr", width,
             "Host");
    attroff(A_REVERSE);
    int row = 3;
    for (unsigned i = 0; i < mtr->path.count && row < LINES; i++)
        draw_hop(mtr, i, row++, colours);
    if (mtr->round > 1)
        draw_words(mtr, row + WORD_ROW - 1);
    refresh();
}

int mtr_screen(struct mtr *mtr)
{
    bool quit = false, paused = false;
    const struct sigaction action = { .sa_handler = on_signal };
    setlocale(LC_CTYPE, "");
    initscr();
    cbreak();
    noecho();
    curs_set(0);
    timeout(0);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    const bool colours = has_colors() && terminal_colours();
    if (colours) {
        start_color();
        use_default_colors();
        init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
        init_pair(COLOUR_ODD, COLOR_YELLOW, -1);
        init_pair(COLOUR_BAD, COLOR_RED, -1);
    }
    while (!quit && !interrupted) {
        draw(mtr, paused, colours);
        if (!paused)
            quit = !mtr_step(mtr, STDIN_FILENO);
        timeout(paused ? 1000 : 0);
        const int key = getch();
        quit = quit || key == 'q' || key == 3 || (key == ERR && terminal_gone());
        if (key == 'p' || key == ' ')
            paused = !paused;
        if (key == 'r')
            mtr_reset(mtr);
    }
    endwin();
    names_turn(mtr->names, 0);
    mtr_report(mtr);
    return TOOL_OK;
}
