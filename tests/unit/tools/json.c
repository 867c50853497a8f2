/* SPDX-License-Identifier: MIT */

/* JSON whatever the text is; and nothing that a terminal would obey. */

#include "json.h"
#include "socket_text.h"
#include "tap.h"
#include "terminal.h"

#include <stdlib.h>

static const struct {
    const char *text, *json;
} strings[] = {
    { "", "\"\"" },
    { "plain", "\"plain\"" },
    { "\"\\/", "\"\\\"\\\\/\"" },
    { "a\nb\x1b[31m\x7f", "\"a\\u000ab\\u001b[31m\\u007f\"" },
    { "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
    { "\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xe2\x82\xac\xf0\x9f\x98\x80\"" },
    { "\xff\xc3", "\"\\u00ff\\u00c3\"" },
    { "\xc0\x80", "\"\\u00c0\\u0080\"" },            /* overlong */
    { "\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"" }, /* half a surrogate pair */
    { "\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\"" },
};

static void test_strings(void)
{
    for (unsigned i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        char *text = NULL;
        size_t len;
        struct json json;
        FILE *file = open_memstream(&text, &len);
        json_begin(&json, file);
        json_string(&json, NULL, strings[i].text);
        fclose(file);
        CHECK(strcmp(text, strings[i].json) == 0, "string %u is %s", i, text);
        free(text);
    }
}

static void test_structure(void)
{
    char *text = NULL;
    size_t len;
    struct json json;
    FILE *file = open_memstream(&text, &len);
    json_begin(&json, file);
    json_array(&json, NULL);
    for (unsigned i = 0; i < 2; i++) {
        json_object(&json, NULL);
        json_unsigned(&json, "n", UINT64_MAX);
        json_signed(&json, "s", INT64_MIN);
        json_milli(&json, "m", -1500);
        json_bool(&json, "b", i == 0);
        json_array(&json, "e");
        json_end_array(&json);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_finish(&json);
    fclose(file);
    static const char expected[] = "[{\"n\":18446744073709551615,\"s\":-9223372036854775808,\"m\":-"
                                   "1.500,\"b\":true,\"e\":[]},\n"
                                   "{\"n\":18446744073709551615,\"s\":-9223372036854775808,\"m\":-"
                                   "1.500,\"b\":false,\"e\":[]}]\n";
    CHECK(strcmp(text, expected) == 0, "objects in an array, a line each");
    free(text);
}

static void test_terminal(void)
{
    char to[32];
    CHECK(strcmp(terminal_safe("a\x1b]0;x\x07\"\\", to, sizeof to), "a\\x1b]0;x\\x07\\x22\\x5c") ==
              0,
          "commands to a terminal are shown");
    CHECK(strcmp(terminal_safe("\xc2\x9bm", to, sizeof to), "\\xc2\\x9bm") == 0,
          "also the eight-bit ones");
    CHECK(strcmp(terminal_safe("abc\n", to, 5), "abc") == 0, "cut, but not within an escape");
}

static void test_times(void)
{
    static const struct {
        int64_t ms;
        const char *text;
    } times[] = {
        { 0, "" },
        { 7, "007ms" },
        { 200, "200ms" },
        { 1000, "1sec" },
        { 5123, "5.123ms" },
        { 12345, "12sec" },
        { 60000, "1min" },
        { 119123, "1min59sec" },
        { 599999, "9min59sec" },
        { 7199000, "119min" },
    };
    char text[SOCKET_TIME_MAX];
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++)
        CHECK(strcmp(socket_time_ss(times[i].ms * WEIR_MS, text), times[i].text) == 0,
              "%lld ms are %s", (long long)times[i].ms, text);
}

int main(void)
{
    test_strings();
    test_structure();
    test_terminal();
    test_times();
    return tap_done();
}
