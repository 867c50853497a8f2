/* SPDX-License-Identifier: MIT */

/* The pages of `weir explain`: all there, in both languages, within 100 columns; and found by what
 * people type. */

#include "errno_table.h"
#include "explain.h"
#include "sysctl_table.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 100

/* Columns that a line takes: what is beyond Latin takes two. -1: no UTF-8. */
static int width(const char *line, size_t len, unsigned *wide)
{
    int columns = 0;
    for (size_t i = 0; i < len;) {
        const unsigned char at = (unsigned char)line[i];
        const unsigned more = at < 0x80 ? 0 : at >= 0xf0 ? 3 : at >= 0xe0 ? 2 : at >= 0xc0 ? 1 : 9;
        if (more == 9 || i + more >= len + (more == 0))
            return -1;
        columns += more >= 2 ? 2 : 1;
        *wide += more >= 2;
        i += more + 1;
    }
    return columns;
}

static char *page_text(const struct explain_page *page, enum explain_lang lang)
{
    char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);
    if (file == NULL)
        abort();
    explain_print(page, lang, file);
    fclose(file);
    return text;
}

static bool is_whole(const char *text, enum explain_lang lang)
{
    static const char *const headings[EXPLAIN_LANGS][2] = {
        { "\nWho must act\n  ", "\nWhat shows it\n  " },
        { "\n由谁处理\n  ", "\n用什么查看\n  " },
    };
    unsigned wide = 0;
    for (unsigned i = 0; i < 2; i++)
        if (strstr(text, headings[lang][i]) == NULL)
            return false;
    if (strstr(text, "(null)") != NULL || strstr(text, "%s") != NULL ||
        strstr(text, "  \n") != NULL)
        return false;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        const int columns = width(line, strcspn(line, "\n"), &wide);
        if (columns < 0 || columns > COLUMNS_MAX)
            return false;
    }
    /* A Chinese page is Chinese, beyond its headings; an English one is not. */
    return lang == EXPLAIN_ZH ? wide >= 40 : wide == 0;
}

static void test_pages(void)
{
    for (unsigned i = 0; i < explain_page_count; i++) {
        char name[EXPLAIN_NAME_MAX];
        for (unsigned lang = 0; lang < EXPLAIN_LANGS; lang++) {
            char *text = page_text(&explain_pages[i], (enum explain_lang)lang);
            if (!CHECK(is_whole(text, (enum explain_lang)lang), "%s in %s is whole and fits",
                       explain_name(&explain_pages[i], name),
                       lang == EXPLAIN_ZH ? "Chinese" : "English"))
                printf("# %s\n", strtok(text, "\n"));
            free(text);
        }
        CHECK((explain_pages[i].myth[0] == NULL) == (explain_pages[i].myth[1] == NULL) ||
                  explain_pages[i].kind == EXPLAIN_ERRNO,
              "%s: what is not so, in both or neither", name);
    }
}

/* The one page of a word. */
static const struct explain_page *only(const char *word)
{
    const struct explain_page *pages[4];
    return explain_find(word, pages, 4) == 1 ? pages[0] : NULL;
}

static void test_complete(void)
{
    static const char *const words[] = {
        "CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED",  "FIN-WAIT-1",
        "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT",    "SYN",
        "FIN",        "RST",        "PSH",      "ACK",          "URG",          "ECE",
        "CWR",        "AE",         "MSS",      "SACK",         "SO_KEEPALIVE",
    };
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        CHECK(only(words[i]) != NULL, "%s has a page", words[i]);
    for (unsigned i = 0; i < errno_count(); i++) {
        const struct errno_entry *entry = errno_at(i);
        const struct explain_page *page = only(entry->name);
        CHECK(page != NULL && page->kind == EXPLAIN_ERRNO, "%s has a page", entry->name);
        CHECK(page != NULL && (page->myth[EXPLAIN_ZH] != NULL || entry->not_so == NULL),
              "%s: what is not so is in Chinese, too", entry->name);
    }
    for (unsigned i = 0; i < sysctl_count(); i++) {
        const struct explain_page *page = only(sysctl_at(i)->name);
        CHECK(page != NULL && page->kind == EXPLAIN_SYSCTL, "%s has a page", sysctl_at(i)->name);
    }
}

static void test_found(void)
{
    static const struct {
        const char *word, *name;
    } rows[] = {
        { "close_wait", "CLOSE-WAIT" },
        { "closewait", "CLOSE-WAIT" },
        { "Fin_Wait1", "FIN-WAIT-1" },
        { "syn_recv", "SYN-RECEIVED" },
        { "rst", "RST" },
        { "104", "ECONNRESET" },
        { "WSAECONNRESET", "ECONNRESET" },
        { "10054", "ECONNRESET" },
        { "ewouldblock", "EAGAIN" },
        { "ETIMEOUT", "ETIMEDOUT" },
        { "tcp_fin_timeout", "net.ipv4.tcp_fin_timeout" },
        { "somaxconn", "net.core.somaxconn" },
        { "TCP_FASTOPEN", "TCP_FASTOPEN" },
        { "tcp_fastopen", "net.ipv4.tcp_fastopen" },
        { "tcp_nodelay", "TCP_NODELAY" },
        { "wscale", "WSCALE" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[EXPLAIN_NAME_MAX] = "nothing";
        const struct explain_page *page = only(rows[i].word);
        if (page != NULL)
            explain_name(page, name);
        CHECK(strcmp(name, rows[i].name) == 0, "%s is %s", rows[i].word, name);
    }
    char near[256], name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK(strcmp(explain_near("closewiat", near, sizeof near), "CLOSE-WAIT") == 0, "near: %s",
          near);
    CHECK(strstr(explain_near("keepalive", near, sizeof near), "SO_KEEPALIVE") != NULL, "near: %s",
          near);
    CHECK(explain_near("xyzzyq", near, sizeof near)[0] == '\0', "nothing is near to xyzzyq");
    CHECK(only(name) == NULL && only("") == NULL, "nor found for a long word and for none");
    explain_near(name, near, sizeof near);
    explain_near("", near, sizeof near);
}

int main(void)
{
    test_pages();
    test_complete();
    test_found();
    return tap_done();
}
