/* SPDX-License-Identifier: MIT */

/* What is done with the rows of sysctl_table.c. */
#include "sysctl_table.h"

#include "typo.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_LEN  96
#define PAGE_OCTETS   4096
#define ORPHAN_LINUX  8 /* what Linux makes of tcp_orphan_retries 0 */
#define SPACE         " \t\n\r\v\f"
#define CLOSE_ENOUGH  3 /* letters that a name may be off */
#define VECTOR_LENGTH 3

__attribute__((format(printf, 2, 3))) static bool refuse(char why[SYSCTL_WHY_MAX],
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, SYSCTL_WHY_MAX, format, args);
    va_end(args);
    return false;
}

/* ---- names ---- */

static void with_dots(const char *name, char dotted[NAME_MAX_LEN])
{
    size_t len = 0;
    for (; name[len] != '\0' && len + 1 < NAME_MAX_LEN; len++)
        dotted[len] = name[len] == '/' ? '.' : name[len];
    dotted[len] = '\0';
}

const struct sysctl *sysctl_find(const char *name)
{
    char dotted[NAME_MAX_LEN];
    if (strlen(name) >= sizeof dotted)
        return NULL;
    with_dots(name, dotted);
    for (unsigned i = 0; i < sysctl_count(); i++)
        if (strcmp(sysctl_at(i)->name, dotted) == 0)
            return sysctl_at(i);
    return NULL;
}

const struct sysctl *sysctl_closest(const char *name)
{
    char dotted[NAME_MAX_LEN];
    with_dots(name, dotted);
    const struct sysctl *closest = NULL;
    unsigned least = CLOSE_ENOUGH + 1;
    for (unsigned i = 0; i < sysctl_count(); i++) {
        const struct sysctl *setting = sysctl_at(i);
        const char *last = strrchr(setting->name, '.') + 1;
        unsigned d = typo_distance(dotted, setting->name);
        if (strchr(dotted, '.') == NULL && typo_distance(dotted, last) < d)
            d = typo_distance(dotted, last); /* "tcp_fin_timeout" alone */
        if (d < least) {
            least = d;
            closest = setting;
        }
    }
    return closest;
}

bool sysctl_has_value(const struct sysctl *setting)
{
    return setting->kind != SYSCTL_ABSENT && setting->kind != SYSCTL_REMOVED;
}

char *sysctl_no_value(const char *name, char why[SYSCTL_WHY_MAX])
{
    const struct sysctl *setting = sysctl_find(name);
    const struct sysctl *closest = setting == NULL ? sysctl_closest(name) : NULL;
    if (setting == NULL && closest != NULL)
        refuse(why, "%s: unknown, did you mean %s?", name, closest->name);
    else if (setting == NULL)
        refuse(why, "%s: unknown (weir sysctl -a lists what there is)", name);
    else if (setting->kind == SYSCTL_ABSENT)
        refuse(why, "%s: a setting of Linux that weir does not have: %s", setting->name,
               setting->note);
    else
        refuse(why, "%s: no longer a setting: %s", setting->name, setting->note);
    return why;
}

/* ---- fields ---- */

static int64_t field_get(const struct weir_config *config, uint16_t offset, uint8_t size)
{
    const uint8_t *at = (const uint8_t *)config + offset;
    uint8_t octet;
    uint32_t word;
    int64_t time;
    switch (size) {
    case sizeof octet:
        memcpy(&octet, at, sizeof octet);
        return octet;
    case sizeof word:
        memcpy(&word, at, sizeof word);
        return word;
    default:
        memcpy(&time, at, sizeof time);
        return time;
    }
}

static void field_set(struct weir_config *config, uint16_t offset, uint8_t size, int64_t value)
{
    uint8_t *at = (uint8_t *)config + offset;
    const uint8_t octet = (uint8_t)value; /* a bool is one octet, and its values are 0 and 1 */
    const uint32_t word = (uint32_t)value;
    switch (size) {
    case sizeof octet:
        memcpy(at, &octet, sizeof octet);
        break;
    case sizeof word:
        memcpy(at, &word, sizeof word);
        break;
    default:
        memcpy(at, &value, sizeof value);
    }
}

static int64_t pages_of_chunk(const struct weir_config *config)
{
    return config->ring_chunk > PAGE_OCTETS ? config->ring_chunk / PAGE_OCTETS : 1;
}

/* A number of the setting, from a number of the field; and back. */
static int64_t outward(const struct weir_config *config, const struct sysctl *setting,
                       int64_t field)
{
    if (setting->unit == 0)
        return field * pages_of_chunk(config);
    return field / setting->unit;
}

static int64_t inward(const struct weir_config *config, const struct sysctl *setting,
                      int64_t number)
{
    if (setting->unit == 0)
        return number / pages_of_chunk(config);
    return number * setting->unit;
}

char *sysctl_value(const struct weir_config *config, const struct sysctl *setting,
                   char text[SYSCTL_TEXT_MAX])
{
    text[0] = '\0';
    if (setting->kind == SYSCTL_FIXED)
        snprintf(text, SYSCTL_TEXT_MAX, "%s", setting->fixed);
    if (setting->kind == SYSCTL_CONGESTION)
        snprintf(text, SYSCTL_TEXT_MAX, "%s", weir_congestion_name(config->congestion));
    if (setting->kind != SYSCTL_FIELD && setting->kind != SYSCTL_VECTOR)
        return text;
    const int64_t high =
        outward(config, setting, field_get(config, setting->field, setting->field_size));
    if (setting->kind == SYSCTL_FIELD) {
        snprintf(text, SYSCTL_TEXT_MAX, "%" PRId64, high);
        return text;
    }
    int64_t low = high;
    if (setting->low != SYSCTL_NO_FIELD)
        low = outward(config, setting, field_get(config, setting->low, setting->field_size));
    snprintf(text, SYSCTL_TEXT_MAX, "%" PRId64 " %" PRId64 " %" PRId64, low, low, high);
    return text;
}

/* ---- values ---- */

/* The next number of `*text`, as the kernel reads it. False if there is none. */
static bool next_number(const char **text, int64_t *number)
{
    *text += strspn(*text, SPACE);
    const char *digits = **text == '-' ? *text + 1 : *text;
    if (*digits < '0' || *digits > '9')
        return false;
    char *end;
    const unsigned long long read = strtoull(digits, &end, 0);
    if (*end != '\0' && strchr(SPACE, *end) == NULL)
        return false;
    const int64_t size = read > INT64_MAX ? INT64_MAX : (int64_t)read;
    *number = digits != *text ? -size : size;
    *text = end;
    return true;
}

/* Exactly `count` numbers, or a complaint. */
static bool read_numbers(const char *name, const char *value, int64_t number[], unsigned count,
                         char why[SYSCTL_WHY_MAX])
{
    const char *at = value;
    for (unsigned i = 0; i < count; i++)
        if (!next_number(&at, &number[i]))
            return refuse(why, "%s: '%s' is not %s", name, value,
                          count == 1 ? "a number" : "three numbers");
    if (at[strspn(at, SPACE)] != '\0')
        return refuse(why, "%s: '%s' is more than %s", name, value,
                      count == 1 ? "a number" : "three numbers");
    return true;
}

static bool in_range(const struct sysctl *setting, int64_t number, int64_t min, int64_t max,
                     char why[SYSCTL_WHY_MAX])
{
    if (number < setting->linux_min || number > setting->linux_max)
        return refuse(why, "%s: %" PRId64 " is out of range: Linux takes %" PRId64 " to %" PRId64,
                      setting->name, number, setting->linux_min, setting->linux_max);
    if (number < min || number > max)
        return refuse(why,
                      "%s: %" PRId64 " is not for weir, which takes %" PRId64 " to %" PRId64 ": %s",
                      setting->name, number, min, max, setting->note);
    return true;
}

static bool apply_field(struct weir_config *config, const struct sysctl *setting, const char *value,
                        char why[SYSCTL_WHY_MAX])
{
    int64_t number = 0;
    if (!read_numbers(setting->name, value, &number, 1, why) ||
        !in_range(setting, number, setting->min, setting->max, why))
        return false;
    if (number == 0 && setting->field == offsetof(struct weir_config, orphan_retries))
        number = ORPHAN_LINUX;
    field_set(config, setting->field, setting->field_size, inward(config, setting, number));
    return true;
}

static bool apply_vector(struct weir_config *config, const struct sysctl *setting,
                         const char *value, char why[SYSCTL_WHY_MAX])
{
    int64_t number[VECTOR_LENGTH] = { 0 };
    if (!read_numbers(setting->name, value, number, VECTOR_LENGTH, why))
        return false;
    const bool keeps_low = setting->low != SYSCTL_NO_FIELD;
    const int64_t least = outward(config, setting, setting->min);
    const int64_t most = outward(config, setting, setting->max);
    for (unsigned i = 0; i < VECTOR_LENGTH; i++) {
        const bool kept = i == VECTOR_LENGTH - 1 || (i == 0 && keeps_low);
        if (!in_range(setting, number[i], kept ? least : INT64_MIN, most, why))
            return false;
    }
    if (number[0] > number[1] || number[1] > number[2])
        return refuse(why, "%s: the three numbers of '%s' do not rise", setting->name, value);
    if (keeps_low)
        field_set(config, setting->low, setting->field_size, inward(config, setting, number[0]));
    field_set(config, setting->field, setting->field_size, inward(config, setting, number[2]));
    return true;
}

/* Word by word, whatever space is between. */
static bool same_words(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, SPACE);
        b += strspn(b, SPACE);
        const size_t len = strcspn(a, SPACE);
        if (len != strcspn(b, SPACE) || strncmp(a, b, len) != 0)
            return false;
        if (len == 0)
            return true;
        a += len;
        b += len;
    }
}

static bool apply_congestion(struct weir_config *config, const struct sysctl *setting,
                             const char *value, char why[SYSCTL_WHY_MAX])
{
    for (unsigned i = 0; i < WEIR_CC_COUNT; i++) {
        if (same_words(value, weir_congestion_name(i))) {
            config->congestion = (uint8_t)i;
            return true;
        }
    }
    return refuse(why, "%s: '%s' is no algorithm of weir's: there are cubic, reno, bbr and dctcp",
                  setting->name, value);
}

bool sysctl_apply(struct weir_config *config, const char *name, const char *value,
                  char why[SYSCTL_WHY_MAX])
{
    const struct sysctl *setting = sysctl_find(name);
    if (setting == NULL || !sysctl_has_value(setting)) {
        sysctl_no_value(name, why);
        return false;
    }
    if (setting->kind == SYSCTL_FIXED)
        return same_words(value, setting->fixed) ||
               refuse(why, "%s: it is always %s in weir: %s", setting->name, setting->fixed,
                      setting->note);
    struct weir_config changed = *config;
    bool taken;
    if (setting->kind == SYSCTL_CONGESTION)
        taken = apply_congestion(&changed, setting, value, why);
    else if (setting->kind == SYSCTL_FIELD)
        taken = apply_field(&changed, setting, value, why);
    else
        taken = apply_vector(&changed, setting, value, why);
    if (!taken)
        return false;
    if (weir_memory_size(config) != 0 && weir_memory_size(&changed) == 0)
        return refuse(why, "%s: '%s' makes no sense with the other settings", setting->name, value);
    *config = changed;
    return true;
}

bool sysctl_change(struct weir_config *config, const char *name, const char *value,
                   char why[SYSCTL_WHY_MAX])
{
    const struct sysctl *setting = sysctl_find(name);
    struct weir_config changed = *config;
    char before[SYSCTL_TEXT_MAX], after[SYSCTL_TEXT_MAX];
    if (!sysctl_apply(&changed, name, value, why))
        return false;
    if (setting->at_start &&
        strcmp(sysctl_value(config, setting, before), sysctl_value(&changed, setting, after)) != 0)
        return refuse(why,
                      "%s: what runs keeps it; weird takes another value when it starts (sysctl "
                      "in its configuration)",
                      setting->name);
    *config = changed;
    return true;
}
