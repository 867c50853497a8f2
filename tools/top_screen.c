/* SPDX-License-Identifier: MIT */
#include "top.h"

#include "terminal.h"
#include "tool.h"

#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_ROW 4 /* of the list */
#define TICK_MS   100

enum colour {
    COLOUR_GOOD = 1,
    COLOUR_WAITS,
    COLOUR_BAD,
    COLOUR_HEAD,
};

struct screen {
    struct top *top;
    size_t cursor, scroll;
    bool paused, quit, ascii, colours;
    char message[160];
};

static int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * WEIR_SECOND + now.tv_nsec;
}

/* ---- The list ---- */

static int colour_of(const struct top_flow *flow)
{
    switch (flow->facts.state) {
    case WEIR_ESTABLISHED:
    case WEIR_LISTEN:
        return flow->retrans_permille >= 30 ? COLOUR_BAD : COLOUR_GOOD;
    case WEIR_CLOSE_WAIT: /* the program has to act */
    case WEIR_SYN_SENT:
        return COLOUR_BAD;
    default:
        return COLOUR_WAITS;
    }
}

static void paint(const struct screen *screen, int colour, bool on)
{
    if (!screen->colours)
        return;
    if (on)
        attron(COLOR_PAIR(colour));
    else
        attroff(COLOR_PAIR(colour));
}

static void draw_summary(const struct screen *screen)
{
    static const uint8_t shown[] = { WEIR_LISTEN,      WEIR_SYN_SENT,   WEIR_SYN_RECEIVED,
                                     WEIR_ESTABLISHED, WEIR_FIN_WAIT_1, WEIR_FIN_WAIT_2,
                                     WEIR_CLOSE_WAIT,  WEIR_CLOSING,    WEIR_LAST_ACK,
                                     WEIR_TIME_WAIT };
    const struct top *top = screen->top;
    char clock[16];
    const time_t now = time(NULL);
    struct tm local;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    attron(A_BOLD);
    mvprintw(0, 0, "weir top  %s", clock);
    attroff(A_BOLD);
    printw("  %zu connections in %zu place%s, by %s%s%s", top->found, top->places,
           top->places == 1 ? "" : "s", top_order_text(top->order),
           top->reverse ? ", reversed" : "", screen->paused ? "  [paused]" : "");
    if (top->filter_text[0] != '\0')
        printw("  filter: %s", top->filter_text);
    move(1, 0);
    for (unsigned i = 0; i < sizeof shown; i++)
        if (top->states[shown[i]] > 0)
            printw("%s %u  ", weir_state_text(shown[i]), top->states[shown[i]]);
    move(2, 0);
    if (screen->message[0] != '\0')
        addstr(screen->message);
    else
        addstr("s order  r reverse  f filter  a listening  Enter one  p pause  h help  q quit");
}

static void draw_list(struct screen *screen)
{
    struct top *top = screen->top;
    char line[TOP_LINE_MAX];
    top->columns = (unsigned)COLS;
    const size_t rows = LINES > FIRST_ROW ? (size_t)(LINES - FIRST_ROW) : 0;
    erase();
    draw_summary(screen);
    if (screen->cursor >= top->count)
        screen->cursor = top->count > 0 ? top->count - 1 : 0;
    if (screen->cursor < screen->scroll)
        screen->scroll = screen->cursor;
    if (rows > 0 && screen->cursor >= screen->scroll + rows)
        screen->scroll = screen->cursor - rows + 1;
    attron(A_REVERSE);
    mvprintw(FIRST_ROW - 1, 0, "%-*.*s", COLS, COLS, top_heading(top, line));
    attroff(A_REVERSE);
    for (size_t i = 0; i < rows && screen->scroll + i < top->count; i++) {
        const struct top_flow *flow = &top->flow[screen->scroll + i];
        const bool here = screen->scroll + i == screen->cursor;
        if (here)
            attron(A_BOLD | A_UNDERLINE);
        paint(screen, colour_of(flow), true);
        mvaddnstr(FIRST_ROW + (int)i, 0, top_line(top, flow, line), COLS);
        paint(screen, colour_of(flow), false);
        if (here)
            attroff(A_BOLD | A_UNDERLINE);
    }
    refresh();
}

/* ---- Pages of text: one connection, the help ---- */

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void draw_text(const char *text, size_t first, const char *foot)
{
    erase();
    for (size_t i = 0; i < first && *text != '\0'; i++) {
        const char *end = strchr(text, '\n');
        text = end != NULL ? end + 1 : "";
    }
    for (int row = 0; row < LINES - 1 && *text != '\0'; row++) {
        const char *end = strchr(text, '\n');
        const size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        move(row, 0);
        addnstr(text, (int)len);
        text += len + (end != NULL);
    }
    attron(A_REVERSE);
    mvprintw(LINES - 1, 0, "%-*.*s", COLS, COLS, foot);
    attroff(A_REVERSE);
    refresh();
}

static void show_text(const char *text, const char *foot)
{
    size_t first = 0;
    timeout(-1);
    for (;;) {
        const size_t lines = count_lines(text), page = LINES > 2 ? (size_t)(LINES - 2) : 1;
        const size_t last = lines > page ? lines - page : 0;
        if (first > last)
            first = last;
        draw_text(text, first, foot);
        const int key = getch();
        if (key == KEY_DOWN || key == 'j')
            first++;
        else if ((key == KEY_UP || key == 'k') && first > 0)
            first--;
        else if (key == KEY_NPAGE || key == ' ')
            first += page;
        else if (key == KEY_PPAGE)
            first = first > page ? first - page : 0;
        else if (key == KEY_END || key == 'G')
            first = last;
        else if (key == KEY_HOME || key == 'g')
            first = 0;
        else if (key == 'q' || key == 27 || key == '\n' || key == KEY_ENTER || key == ERR)
            break;
    }
    timeout(TICK_MS);
}

static void show_flow(struct screen *screen)
{
    const struct top *top = screen->top;
    if (screen->cursor >= top->count)
        return;
    char *text = top_details(top, &top->flow[screen->cursor], (unsigned)COLS, screen->ascii);
    if (text != NULL)
        show_text(text, "arrows scroll, q back");
    free(text);
}

static void show_help(void)
{
    show_text("RTT/MIN   smoothed round trip and the least one seen, ms\n"
              "RTX%      octets sent again, of all that were sent\n"
              "RECVQ     octets that the program has not read\n"
              "SENDQ     octets that the peer has not acknowledged\n"
              "IN/s OUT/s  octets received and acknowledged in the last interval\n"
              "LIMITS    what held sending up at each of the last ten looks, newest right:\n"
              "            .  nothing to send (the program)   =  it sends\n"
              "            c  congestion window (the path)    r  window of the peer (its program)\n"
              "            s  send buffer, memory             n  Nagle or cork\n"
              "            h  handshake, neighbour\n"
              "TIMER     what runs out first\n"
              "\n"
              "CLOSE-WAIT is red: the peer has closed, and our program has to.\n"
              "SYN-SENT is red: nobody has answered yet.\n",
              "q back");
}

/* ---- Keys ---- */

static void ask_filter(struct screen *screen)
{
    struct top *top = screen->top;
    struct ss_filter filter;
    char text[sizeof top->filter_text] = "", why[SS_FILTER_WHY];
    char *words[] = { text };
    timeout(-1);
    echo();
    curs_set(1);
    move(2, 0);
    clrtoeol();
    addstr("filter (as weir ss; empty: none): ");
    (void)getnstr(text, sizeof text - 1);
    noecho();
    curs_set(0);
    timeout(TICK_MS);
    if (!ss_filter_parse(&filter, 1, words, why)) {
        snprintf(screen->message, sizeof screen->message, "%.150s", why);
        return;
    }
    top->filter = filter;
    top->query.states = filter.given ? filter.states : SS_ALL & ~SS_STATE(LISTEN);
    memcpy(top->filter_text, text, sizeof text);
}

/* Whether the list has to be made anew. */
static bool take_key(struct screen *screen, int key)
{
    struct top *top = screen->top;
    screen->message[0] = '\0';
    switch (key) {
    case 'q':
        screen->quit = true;
        return false;
    case 's':
        top->order = (top->order + 1) % TOP_ORDERS;
        top_sort(top);
        return false;
    case 'r':
        top->reverse = !top->reverse;
        top_sort(top);
        return false;
    case 'p':
        screen->paused = !screen->paused;
        return false;
    case 'a':
        top->query.states ^= SS_STATE(LISTEN);
        return true;
    case 'f':
    case '/':
        ask_filter(screen);
        return true;
    case 'h':
    case '?':
        show_help();
        return false;
    case '\n':
    case KEY_ENTER:
        show_flow(screen);
        return false;
    case KEY_DOWN:
    case 'j':
        screen->cursor++;
        return false;
    case KEY_UP:
    case 'k':
        screen->cursor -= screen->cursor > 0;
        return false;
    case KEY_NPAGE:
        screen->cursor += (size_t)LINES;
        return false;
    case KEY_PPAGE:
        screen->cursor = screen->cursor > (size_t)LINES ? screen->cursor - (size_t)LINES : 0;
        return false;
    default:
        return false;
    }
}

static void open_screen(struct screen *screen)
{
    setlocale(LC_CTYPE, "");
    screen->ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    initscr();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    timeout(TICK_MS);
    screen->colours = has_colors() && terminal_colours();
    if (!screen->colours)
        return;
    start_color();
    use_default_colors();
    init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
    init_pair(COLOUR_WAITS, COLOR_YELLOW, -1);
    init_pair(COLOUR_BAD, COLOR_RED, -1);
    init_pair(COLOUR_HEAD, COLOR_CYAN, -1);
}

int top_screen(struct top *top)
{
    struct screen screen = { .top = top };
    int status = top_look(top);
    if (status != TOOL_OK)
        return status;
    top->look.quiet = true; /* a line on standard error would spoil the picture */
    open_screen(&screen);
    int64_t next = clock_now() + top->interval;
    while (!screen.quit && status == TOOL_OK) {
        draw_list(&screen);
        const int key = getch();
        if (key == ERR && terminal_gone())
            break;
        const bool anew = key != ERR && take_key(&screen, key);
        if (!anew && (screen.paused || clock_now() < next))
            continue;
        status = top_look(top);
        next = clock_now() + top->interval;
    }
    endwin();
    return status;
}
