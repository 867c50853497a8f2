/* SPDX-License-Identifier: MIT */
#include "explain.h"

#include "errno_table.h"
#include "sysctl_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS   90
#define LINE_ROOM 512
#define MARGIN    2
#define LIST_AT   30 /* column of the titles in a list */

/* ---- Text in columns: a Chinese character takes two, and a line may end behind it ---- */

struct glyph {
    uint32_t code;
    unsigned len, width;
};

static struct glyph glyph_at(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    struct glyph glyph = { .code = at[0], .len = 1, .width = 1 };
    if (at[0] >= 0xf0)
        glyph = (struct glyph){ at[0] & 7, 4, 2 };
    else if (at[0] >= 0xe0)
        glyph = (struct glyph){ at[0] & 15, 3, 2 };
    else if (at[0] >= 0xc0)
        glyph = (struct glyph){ at[0] & 31, 2, 1 };
    for (unsigned i = 1; i < glyph.len && at[i] != 0; i++)
        glyph.code = glyph.code << 6 | (at[i] & 63);
    return glyph;
}

/* No line begins with these, and none ends with the others. */
static bool is_closing(uint32_t code)
{
    static const uint32_t closing[] = { 0xff0c, 0x3002, 0xff1b, 0xff1a, 0x3001, 0xff09,
                                        0x300d, 0x201d, 0xff01, 0xff1f, 0x2026 };
    for (unsigned i = 0; i < sizeof closing / sizeof closing[0]; i++)
        if (closing[i] == code)
            return true;
    return false;
}

static bool is_opening(uint32_t code)
{
    return code == 0xff08 || code == 0x201c || code == 0x300c;
}

/* Octets up to where a line may end. */
static size_t piece(const char *text, unsigned *width)
{
    size_t len = 0;
    struct glyph last = { 0 };
    *width = 0;
    while (text[len] != '\0' && text[len] != ' ') {
        const struct glyph next = glyph_at(text + len);
        if (len > 0 && (last.width == 2 || next.width == 2) && !is_closing(next.code) &&
            !is_opening(last.code))
            break;
        len += next.len;
        *width += next.width;
        last = next;
    }
    return len;
}

/* From `column` on, which is where the cursor stands; further lines begin at `margin`. */
static void wrapped(FILE *file, const char *text, unsigned margin, unsigned column)
{
    bool space = false;
    while (*text != '\0') {
        unsigned width;
        const size_t len = piece(text, &width);
        if (column > margin && column + (space ? 1 : 0) + width > COLUMNS) {
            fprintf(file, "\n%*s", (int)margin, "");
            column = margin;
            space = false;
        }
        fprintf(file, "%s%.*s", space ? " " : "", (int)len, text);
        column += width + (space ? 1 : 0);
        text += len;
        space = *text == ' ';
        text += strspn(text, " ");
    }
    putc('\n', file);
}

static void section(FILE *file, const char *heading, const char *text)
{
    if (text == NULL)
        return;
    fprintf(file, "\n%s\n%*s", heading, MARGIN, "");
    wrapped(file, text, MARGIN, MARGIN);
}

/* ---- What is made from tables ---- */

static const struct errno_entry *entry_of(const struct explain_page *page)
{
    return page->kind == EXPLAIN_ERRNO ? errno_find(page->names) : NULL;
}

const char *explain_title(const struct explain_page *page, enum explain_lang lang)
{
    const struct errno_entry *entry = entry_of(page);
    if (page->title[lang] == NULL && entry != NULL)
        return entry->meaning;
    return page->title[lang];
}

/* The causes of an error, a line each, as `weir errno` has them. */
static void print_causes(FILE *file, const struct errno_entry *entry)
{
    fprintf(file, "\nWhat it means: when it comes\n");
    for (unsigned i = 0; i < ERRNO_CAUSES && entry->cause[i].call != NULL; i++) {
        char line[512];
        const struct errno_cause *cause = &entry->cause[i];
        snprintf(line, sizeof line, "%s [%s]: %s", cause->call, cause->state, cause->when);
        fprintf(file, "%*s", MARGIN, "");
        wrapped(file, line, MARGIN + 4, MARGIN);
    }
}

/* What a setting is to weir; "" for other pages. */
static char *weir_line(const struct explain_page *page, enum explain_lang lang,
                       char line[LINE_ROOM])
{
    const struct sysctl *setting = page->kind == EXPLAIN_SYSCTL ? sysctl_find(page->names) : NULL;
    line[0] = '\0';
    if (setting == NULL)
        return line;
    const char *note = setting->note != NULL ? setting->note : "";
    switch (setting->kind) {
    case SYSCTL_FIXED:
        snprintf(line, LINE_ROOM, lang == EXPLAIN_EN ? "weir: always %s; %s." : "weir：固定为 %s。",
                 setting->fixed, note);
        break;
    case SYSCTL_ABSENT:
        snprintf(line, LINE_ROOM, lang == EXPLAIN_EN ? "weir has it not: %s." : "weir：没有此项。",
                 note);
        break;
    case SYSCTL_REMOVED:
        snprintf(line, LINE_ROOM,
                 lang == EXPLAIN_EN ? "weir never had it." : "weir：从来没有此项。");
        break;
    default:
        snprintf(line, LINE_ROOM,
                 lang == EXPLAIN_EN ? "weir: %s." : "weir：支持此项，名称和取值与 Linux 相同。",
                 note);
    }
    return line;
}

static void print_weir(FILE *file, const struct explain_page *page, enum explain_lang lang)
{
    char line[LINE_ROOM];
    if (weir_line(page, lang, line)[0] == '\0')
        return;
    fprintf(file, "%*s", MARGIN, "");
    wrapped(file, line, MARGIN, MARGIN);
}

static const char *who_acts(const struct explain_page *page, enum explain_lang lang)
{
    static const char *const living[] = {
        "The machine's administrator, by sysctl -w or a file in /etc/sysctl.d. Measure before and "
        "after: the default is right for most.",
        "由本机管理员用 sysctl -w 或 /etc/sysctl.d "
        "中的文件设置。改动前后都要测量：默认值适合大多数情况。",
    };
    static const char *const gone[] = {
        "Nobody: take the line out of /etc/sysctl.conf.",
        "无需处理：把 /etc/sysctl.conf 里的这一行删掉。",
    };
    const struct errno_entry *entry = entry_of(page);
    if (page->who[lang] != NULL)
        return page->who[lang];
    if (entry != NULL)
        return entry->to_do;
    const struct sysctl *setting = sysctl_find(page->names);
    return setting != NULL && setting->kind == SYSCTL_REMOVED ? gone[lang] : living[lang];
}

static const char *what_shows(const struct explain_page *page, enum explain_lang lang, char *text,
                              size_t room)
{
    static const char *const formats[EXPLAIN_KINDS][EXPLAIN_LANGS] = {
        [EXPLAIN_SOCKOPT] = { "strace -e trace=setsockopt,getsockopt -p PID; ss -tieom; getsockopt "
                              "in the program",
                              "strace -e trace=setsockopt,getsockopt -p PID；ss -tieom；程序里的 "
                              "getsockopt" },
        [EXPLAIN_ERRNO] = { "strace -e trace=network -p PID; weir errno %s; ss -tinp",
                            "strace -e trace=network -p PID；weir errno %s；ss -tinp" },
        [EXPLAIN_SYSCTL] = { "sysctl %s; weir sysctl %s", "sysctl %s；weir sysctl %s" },
    };
    char name[EXPLAIN_NAME_MAX];
    if (page->see[lang] != NULL)
        return page->see[lang];
    explain_name(page, name);
    size_t len = 0;
    for (const char *at = formats[page->kind][lang]; at != NULL && *at != '\0' && len + 1 < room;)
        if (at[0] == '%' && at[1] == 's') {
            len += (size_t)snprintf(text + len, room - len, "%s", name);
            at += 2;
        } else {
            text[len++] = *at++;
        }
    text[len < room ? len : room - 1] = '\0';
    return text;
}

/* ---- Pages ---- */

static const char *const kinds[EXPLAIN_KINDS][EXPLAIN_LANGS] = {
    { "state of TCP", "TCP 状态" },
    { "control bit of TCP", "TCP 控制位" },
    { "option of a TCP header", "TCP 首部选项" },
    { "option of a socket", "套接字选项" },
    { "error of a socket call", "套接字调用的错误" },
    { "setting (sysctl)", "内核设置（sysctl）" },
};

static void print_heading(FILE *file, const struct explain_page *page, enum explain_lang lang)
{
    char name[EXPLAIN_NAME_MAX];
    const char *others = page->names + strcspn(page->names, " ");
    const struct errno_entry *entry = entry_of(page);
    fprintf(file, "%s", explain_name(page, name));
    if (entry != NULL) {
        fprintf(file, " (%d", entry->number);
        if (entry->winsock != 0)
            fprintf(file, "; Winsock %d", entry->winsock);
        fprintf(file, ")");
    } else if (*others != '\0') {
        fprintf(file, lang == EXPLAIN_EN ? " (also%s)" : "（也写作%s）", others);
    }
    fprintf(file, lang == EXPLAIN_EN ? ": %s\n" : "：%s\n", kinds[page->kind][lang]);
}

static const char *myth_of(const struct explain_page *page, enum explain_lang lang)
{
    const struct errno_entry *entry = entry_of(page);
    if (page->myth[lang] == NULL && entry != NULL && lang == EXPLAIN_EN)
        return entry->not_so;
    return page->myth[lang];
}

void explain_print(const struct explain_page *page, enum explain_lang lang, FILE *file)
{
    static const char *const headings[][EXPLAIN_LANGS] = {
        { "What it means", "含义" },
        { "Who must act", "由谁处理" },
        { "What shows it", "用什么查看" },
        { "What is not so", "常见误解" },
    };
    char shows[256];
    const struct errno_entry *entry = entry_of(page);
    print_heading(file, page, lang);
    fprintf(file, "%*s", MARGIN, "");
    wrapped(file, explain_title(page, lang), MARGIN, MARGIN);
    print_weir(file, page, lang);
    if (entry != NULL && lang == EXPLAIN_EN)
        print_causes(file, entry);
    else
        section(file, headings[0][lang], page->means[lang]);
    section(file, headings[1][lang], who_acts(page, lang));
    section(file, headings[2][lang], what_shows(page, lang, shows, sizeof shows));
    section(file, headings[3][lang], myth_of(page, lang));
}

static void json_text(struct json *json, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_string(json, key, text);
}

static void json_error(struct json *json, const struct errno_entry *entry)
{
    json_signed(json, "number", entry->number);
    if (entry->winsock != 0)
        json_signed(json, "winsock", entry->winsock);
    json_array(json, "causes");
    for (unsigned i = 0; i < ERRNO_CAUSES && entry->cause[i].call != NULL; i++) {
        json_object(json, NULL);
        json_string(json, "call", entry->cause[i].call);
        json_string(json, "state", entry->cause[i].state);
        json_string(json, "when", entry->cause[i].when);
        json_end_object(json);
    }
    json_end_array(json);
}

void explain_json(const struct explain_page *page, enum explain_lang lang, struct json *json)
{
    char name[EXPLAIN_NAME_MAX], shows[256], line[LINE_ROOM];
    const struct errno_entry *entry = entry_of(page);
    json_object(json, NULL);
    json_string(json, "name", explain_name(page, name));
    json_string(json, "names", page->names);
    json_string(json, "kind", kinds[page->kind][lang]);
    json_string(json, "title", explain_title(page, lang));
    json_text(json, "weir", weir_line(page, lang, line));
    if (entry != NULL)
        json_error(json, entry);
    json_text(json, "means", page->means[lang]);
    json_text(json, "who", who_acts(page, lang));
    json_text(json, "shows", what_shows(page, lang, shows, sizeof shows));
    json_text(json, "not_so", myth_of(page, lang));
    json_end_object(json);
}

void explain_list(enum explain_lang lang, FILE *file)
{
    char name[EXPLAIN_NAME_MAX];
    int kind = -1;
    for (unsigned i = 0; i < explain_page_count; i++) {
        const struct explain_page *page = &explain_pages[i];
        if (kind != (int)page->kind)
            fprintf(file, "%s%s\n", kind < 0 ? "" : "\n", kinds[page->kind][lang]);
        kind = (int)page->kind;
        const unsigned len = (unsigned)fprintf(file, "  %s", explain_name(page, name));
        if (len + 1 < LIST_AT)
            fprintf(file, "%*s", (int)(LIST_AT - len), "");
        else
            fprintf(file, "\n%*s", LIST_AT, "");
        wrapped(file, explain_title(page, lang), LIST_AT, LIST_AT);
    }
}
