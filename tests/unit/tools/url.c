/* SPDX-License-Identifier: MIT */

/* tools/url.c: URLs and the hosts file. */

#include "url.h"
#include "tap.h"

#include <string.h>

static const struct {
    const char *text;
    const char *host; /* NULL: refused */
    unsigned port;
    const char *target, *authority;
} rows[] = {
    { "http://192.0.2.1/", "192.0.2.1", 80, "/", "192.0.2.1" },
    { "http://192.0.2.1", "192.0.2.1", 80, "/", "192.0.2.1" },
    { "HTTP://example:8080/a/b?c=d#e", "example", 8080, "/a/b?c=d", "example:8080" },
    { "http://example?x", "example", 80, "/?x", "example" },
    { "http://example#x", "example", 80, "/", "example" },
    { "http://[2001:db8::1]/x", "2001:db8::1", 80, "/x", "[2001:db8::1]" },
    { "http://[2001:db8::1]:81/x", "2001:db8::1", 81, "/x", "[2001:db8::1]:81" },
    { "http://example:/x", "example", 80, "/x", "example" },
    { "http://a-b.example_c/%20", "a-b.example_c", 80, "/%20", "a-b.example_c" },
    { "https://example/", NULL, 0, NULL, NULL },
    { "ftp://example/", NULL, 0, NULL, NULL },
    { "example/", NULL, 0, NULL, NULL },
    { "", NULL, 0, NULL, NULL },
    { "http://", NULL, 0, NULL, NULL },
    { "http:///x", NULL, 0, NULL, NULL },
    { "http://:80/", NULL, 0, NULL, NULL },
    { "http://example:0/", NULL, 0, NULL, NULL },
    { "http://example:65536/", NULL, 0, NULL, NULL },
    { "http://example:80x/", NULL, 0, NULL, NULL },
    { "http://example:123456789/", NULL, 0, NULL, NULL },
    { "http://user@example/", NULL, 0, NULL, NULL },
    { "http://2001:db8::1/", NULL, 0, NULL, NULL },
    { "http://[2001:db8::1/", NULL, 0, NULL, NULL },
    { "http://[192.0.2.1]/", NULL, 0, NULL, NULL },
    { "http://[]/", NULL, 0, NULL, NULL },
    { "http://[2001:db8::1]x/", NULL, 0, NULL, NULL },
    { "http://exa mple/", NULL, 0, NULL, NULL },
    { "http://example/a b", NULL, 0, NULL, NULL },
    { "http://example/a\r\nX: y", NULL, 0, NULL, NULL },
    { "http://example/\xc3\xa4", NULL, 0, NULL, NULL },
};

static void test_urls(void)
{
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct url url;
        char authority[URL_AUTHORITY_MAX];
        const char *wrong = url_parse(rows[i].text, &url);
        if (rows[i].host == NULL) {
            CHECK(wrong != NULL && *wrong != '\0', "URL %u is refused: %s", i, wrong);
            continue;
        }
        CHECK(wrong == NULL && strcmp(url.host, rows[i].host) == 0 && url.port == rows[i].port &&
                  strcmp(url.target, rows[i].target) == 0 &&
                  strcmp(url_authority(&url, authority), rows[i].authority) == 0,
              "URL %s is taken apart", rows[i].text);
    }
}

static void test_long_url(void)
{
    char text[4096] = "http://example/";
    struct url url;
    memset(text + 15, 'x', sizeof text - 16);
    text[sizeof text - 1] = '\0';
    CHECK(url_parse(text, &url) != NULL, "a path that does not fit is refused");
    memset(text + 7, 'x', 300);
    text[307] = '\0';
    CHECK(url_parse(text, &url) != NULL, "a host that does not fit is refused");
    strcpy(text, "http://example/");
    memset(text + 15, 'x', URL_TARGET_MAX - 3);
    text[15 + URL_TARGET_MAX - 3] = '\0';
    CHECK(url_parse(text, &url) == NULL && strlen(url.target) == URL_TARGET_MAX - 2,
          "the longest path fits");
}

static void test_hosts(void)
{
    static char text[] = "# comment\n"
                         "127.0.0.1\tlocalhost # not me\n"
                         "nonsense here\n"
                         "::1 localhost ip6-localhost\n"
                         "192.0.2.7   Seven seven.example\r\n"
                         "192.0.2.8 seven\n";
    static const struct {
        const char *name;
        bool v4, v6;
        const char *ip; /* NULL: not there */
    } wanted[] = {
        { "localhost", true, true, "127.0.0.1" },
        { "localhost", false, true, "::1" },
        { "SEVEN", true, true, "192.0.2.7" },
        { "seven.example", true, false, "192.0.2.7" },
        { "ip6-localhost", true, false, NULL },
        { "comment", true, true, NULL },
        { "me", true, true, NULL },
        { "here", true, true, NULL },
        { "192.0.2.7", true, true, NULL },
        { "sev", true, true, NULL },
    };
    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        FILE *hosts = fmemopen(text, sizeof text - 1, "r");
        struct weir_ip ip;
        char found[WEIR_IP_TEXT_MAX] = "";
        if (hosts == NULL)
            continue;
        if (url_hosts_lookup(hosts, wanted[i].name, wanted[i].v4, wanted[i].v6, &ip))
            weir_ip_text(&ip, found);
        fclose(hosts);
        CHECK(strcmp(found, wanted[i].ip != NULL ? wanted[i].ip : "") == 0, "hosts: %s is %s",
              wanted[i].name, wanted[i].ip != NULL ? wanted[i].ip : "not there");
    }
}

int main(void)
{
    test_urls();
    test_long_url();
    test_hosts();
    return tap_done();
}
