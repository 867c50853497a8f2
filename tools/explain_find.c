/* SPDX-License-Identifier: MIT */
#include "explain.h"

#include "errno_table.h"
#include "typo.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 64
#define NEAR_MAX 4

/* Lower case, '-' for '_'. */
static void plain(const char *word, size_t len, char to[WORD_MAX])
{
    size_t i = 0;
    for (; i < len && i + 1 < WORD_MAX; i++)
        to[i] = word[i] == '_' ? '-' : (char)tolower((unsigned char)word[i]);
    to[i] = '\0';
}

char *explain_name(const struct explain_page *page, char text[EXPLAIN_NAME_MAX])
{
    snprintf(text, EXPLAIN_NAME_MAX, "%.*s", (int)strcspn(page->names, " "), page->names);
    return text;
}

/* The next name of a page, with a setting's last part as a name of its own. Gives its length. */
static const char *next_name(const struct explain_page *page, const char *at, size_t *len)
{
    if (at == NULL) {
        at = page->names;
    } else {
        if (page->kind == EXPLAIN_SYSCTL) {
            const char *dot = strrchr(at, '.');
            *len = dot != NULL ? strlen(dot + 1) : 0;
            return dot != NULL ? dot + 1 : NULL;
        }
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    *len = strcspn(at, " ");
    return *len > 0 ? at : NULL;
}

/* 2: as it stands; 1: but for case and the like; 0: not. */
static unsigned matches(const struct explain_page *page, const char *word)
{
    char wanted[WORD_MAX], name[WORD_MAX];
    unsigned best = 0;
    size_t len;
    plain(word, strlen(word), wanted);
    for (const char *at = NULL; (at = next_name(page, at, &len)) != NULL;) {
        if (strlen(word) == len && memcmp(word, at, len) == 0)
            return 2;
        plain(at, len, name);
        if (strlen(word) < WORD_MAX && strcmp(wanted, name) == 0)
            best = 1;
    }
    return best;
}

unsigned explain_find(const char *word, const struct explain_page **pages, unsigned max)
{
    unsigned count = 0, best = 1;
    const struct errno_entry *error = errno_find(word);
    if (error != NULL)
        word = error->name;
    for (unsigned i = 0; i < explain_page_count; i++) {
        const unsigned match = matches(&explain_pages[i], word);
        if (match > best) {
            best = match;
            count = 0;
        }
        if (match == best && count < max)
            pages[count++] = &explain_pages[i];
    }
    return count;
}

/* ---- What was perhaps meant ---- */

/* How far a page is from a word; a word that stands within a name is near. */
static unsigned page_distance(const struct explain_page *page, const char *wanted)
{
    char name[WORD_MAX];
    unsigned best = WORD_MAX;
    size_t len;
    for (const char *at = NULL; (at = next_name(page, at, &len)) != NULL;) {
        plain(at, len, name);
        unsigned far = typo_distance(wanted, name);
        if (strlen(wanted) >= 3 && strstr(name, wanted) != NULL && far > 1)
            far = 1;
        if (len > 2 && far < best)
            best = far;
    }
    return best;
}

char *explain_near(const char *word, char *text, size_t room)
{
    char wanted[WORD_MAX], name[EXPLAIN_NAME_MAX];
    const struct explain_page *near[NEAR_MAX];
    unsigned count = 0;
    plain(word, strlen(word), wanted);
    const unsigned most = (unsigned)strlen(wanted) / 3;
    for (unsigned far = 0; far <= most && count < NEAR_MAX; far++)
        for (unsigned i = 0; i < explain_page_count && count < NEAR_MAX; i++)
            if (page_distance(&explain_pages[i], wanted) == far)
                near[count++] = &explain_pages[i];
    size_t len = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < count && len < room; i++)
        len += (size_t)snprintf(text + len, room - len, "%s%s",
                                i == 0           ? ""
                                : i + 1 == count ? " or "
                                                 : ", ",
                                explain_name(near[i], name));
    return text;
}
