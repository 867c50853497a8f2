/* SPDX-License-Identifier: MIT */
#include "args.h"

#include "base/octets.h"
#include "tool.h"

#include <string.h>

bool args_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    uint64_t number = 0;
    if (*text == '\0')
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        const uint64_t digit = (uint64_t)(*p - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (number < min || number > max)
        return false;
    *value = number;
    return true;
}

bool args_seconds(const char *text, weir_time min, weir_time max, weir_time *value)
{
    char whole[16] = "";
    const size_t whole_len = strcspn(text, ".");
    if (whole_len == 0 || whole_len >= sizeof whole)
        return false;
    memcpy(whole, text, whole_len);
    uint64_t seconds;
    if (!args_number(whole, 0, (uint64_t)(WEIR_NEVER / WEIR_SECOND / 2), &seconds))
        return false;

    uint64_t fraction = 0;
    if (text[whole_len] == '.') {
        char digits[10] = "000000000";
        const size_t digit_count = strlen(text + whole_len + 1);
        if (digit_count == 0 || digit_count > 9)
            return false;
        memcpy(digits, text + whole_len + 1, digit_count);
        if (!args_number(digits, 0, 999999999, &fraction))
            return false;
    }
    const weir_time time = (weir_time)seconds * WEIR_SECOND + (weir_time)fraction;
    if (time < min || time > max)
        return false;
    *value = time;
    return true;
}

bool args_prefix(const char *text, struct weir_ip *ip, unsigned *prefix_len)
{
    char address[WEIR_IP_TEXT_MAX];
    const size_t address_len = strcspn(text, "/");
    if (address_len >= sizeof address)
        return false;
    memcpy(address, text, address_len);
    address[address_len] = '\0';

    struct weir_ip parsed;
    if (!weir_ip_parse(address, &parsed))
        return false;
    const unsigned bits = weir_ip_is_v4(&parsed) ? 32 : 128;
    uint64_t len = bits;
    if (text[address_len] == '/' && !args_number(text + address_len + 1, 0, bits, &len))
        return false;
    *ip = parsed;
    *prefix_len = (unsigned)len;
    return true;
}

bool args_mac(const char *text, uint8_t mac[6])
{
    uint8_t parsed[6];
    uint8_t any = 0;
    if (strlen(text) != 17)
        return false;
    for (unsigned i = 0; i < 6; i++) {
        const int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
        const char separator = text[3 * i + 2];
        if (high < 0 || low < 0 || separator != (i < 5 ? ':' : '\0'))
            return false;
        parsed[i] = (uint8_t)(high * 16 + low);
        any |= parsed[i];
    }
    if (any == 0 || (parsed[0] & 1) != 0) /* the group bit: nobody's own address */
        return false;
    memcpy(mac, parsed, sizeof parsed);
    return true;
}

void args_begin(void)
{
    optind = 0; /* GNU: start over, with another argv */
    opterr = 0;
}

int args_next(int argc, char **argv, const char *shorts, const struct option *longs)
{
    const int option = getopt_long(argc, argv, shorts, longs, NULL);
    if (option != '?' && option != ':')
        return option;

    const char *word = argv[optind - 1];
    const bool is_long = strncmp(word, "--", 2) == 0;
    const int name_len = (int)strcspn(word, "=");
    if (option == ':' && is_long)
        tool_usage(argv[0], "option %.*s needs an argument", name_len, word);
    else if (option == ':')
        tool_usage(argv[0], "option -%c needs an argument", optopt);
    else if (is_long && optopt != 0)
        tool_usage(argv[0], "option %.*s takes no argument", name_len, word);
    else if (is_long)
        tool_usage(argv[0], "unknown or ambiguous option %.*s", name_len, word);
    else
        tool_usage(argv[0], "unknown option -%c", optopt);
    return ARGS_BAD;
}
