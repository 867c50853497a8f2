/* SPDX-License-Identifier: MIT */

/* `weir dig`: one question to a name server and all of its answer, in the form of dig(1). */

#include "args.h"
#include "dns.h"
#include "json.h"
#include "probe.h"
#include "tool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define COMMAND "dig"

static const char help[] =
    "usage: weir dig [@SERVER] NAME [TYPE] [-x ADDRESS] [OPTION...] [+FLAG...]\n"
    "\n"
    "Asks a name server, and shows the whole answer. Without @SERVER: those of\n"
    "/etc/resolv.conf. TYPE: A (default), AAAA, PTR, MX, TXT, NS, SOA, SRV, ANY...\n"
    "\n"
    "  -x ADDRESS        the name of an address (PTR)\n"
    "  -t, --type TYPE   the same as TYPE\n"
    "  -p, --port N      the server's port; default 53\n"
    "  -4, -6            the family of the server's address\n"
    "  -j, --json        as JSON\n"
    "  +short            only the data of the answer\n"
    "  +[no]all +[no]comments +[no]question +[no]answer +[no]authority\n"
    "  +[no]additional +[no]stats\n"
    "                    parts of what is shown: +noall +answer is the answer alone\n"
    "  +tcp              over TCP from the beginning\n"
    "  +norecurse        the server is not to ask others\n"
    "  -q NAME, -c IN    as dig has them\n"
    "  +time=S +tries=N  how long to wait (5 s) and how often to ask (3)\n"
    "\n"
    "A truncated answer is asked for again over TCP. NXDOMAIN and SERVFAIL are\n"
    "answers: exit status 0, as dig has it; 1 if none came.\n";

/* What is shown, as the bits of dig.parts: of records, 1 << section. */
enum {
    PART_COMMENTS = 1 << DNS_SECTIONS,
    PART_QUESTION = PART_COMMENTS << 1,
    PART_STATS = PART_QUESTION << 1,
    PART_COMMAND = PART_STATS << 1, /* dig's first line: never shown, but may be put off */
    PARTS = (PART_COMMAND << 1) - 1,
};

struct dig {
    struct dns_settings settings;
    const char *name;
    unsigned type;
    bool brief, as_json;
    unsigned parts;
    char reverse[DNS_REVERSE_MAX];
    struct json json;
    int section; /* the last one printed */
};

/* ---- Arguments ---- */

/* +answer, +noall: false if it is none of these. */
static bool take_part(struct dig *dig, const char *flag)
{
    static const struct {
        const char *name;
        unsigned part;
    } parts[] = {
        { "all", PARTS },
        { "comments", PART_COMMENTS },
        { "question", PART_QUESTION },
        { "answer", 1 << DNS_ANSWER },
        { "authority", 1 << DNS_AUTHORITY },
        { "additional", 1 << DNS_ADDITIONAL },
        { "stats", PART_STATS },
        { "cmd", PART_COMMAND },
    };
    const bool off = strncmp(flag, "+no", 3) == 0;
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(flag + (off ? 3 : 1), parts[i].name) != 0)
            continue;
        dig->parts = off ? dig->parts & ~parts[i].part : dig->parts | parts[i].part;
        return true;
    }
    return false;
}

static int take_flag(struct dig *dig, const char *flag)
{
    uint64_t number;
    if (take_part(dig, flag))
        return TOOL_OK;
    if (strcmp(flag, "+short") == 0)
        dig->brief = true;
    else if (strcmp(flag, "+tcp") == 0 || strcmp(flag, "+vc") == 0)
        dig->settings.tcp = true;
    else if (strcmp(flag, "+norecurse") == 0 || strcmp(flag, "+norec") == 0)
        dig->settings.recurse = false;
    else if (strncmp(flag, "+time=", 6) == 0 && args_number(flag + 6, 1, 60, &number))
        dig->settings.timeout_ms = (unsigned)number * 1000;
    else if (strncmp(flag, "+tries=", 7) == 0 && args_number(flag + 7, 1, 10, &number))
        dig->settings.tries = (unsigned)number;
    else
        return tool_usage(COMMAND, "%s: not a flag (--help lists them)", flag);
    return TOOL_OK;
}

static int take_type(struct dig *dig, const char *text)
{
    dig->type = dns_type_number(text);
    return dig->type != 0 ? TOOL_OK : tool_usage(COMMAND, "%s: not a type of records", text);
}

static int take_word(struct dig *dig, const char *word)
{
    if (word[0] == '+')
        return take_flag(dig, word);
    if (word[0] == '@') {
        dig->settings.server = word + 1;
        return word[1] != '\0' ? TOOL_OK : tool_usage(COMMAND, "@: a server is missing");
    }
    if (strcasecmp(word, "IN") == 0)
        return TOOL_OK;
    if (dig->name == NULL) {
        dig->name = word;
        return TOOL_OK;
    }
    if (dig->type == 0 && dns_type_number(word) != 0)
        return take_type(dig, word);
    return tool_usage(COMMAND, "one question at a time; what is '%s'?", word);
}

static int take_option(struct dig *dig, int option)
{
    uint64_t number;
    switch (option) {
    case 'x':
        if (!dns_reverse(optarg, dig->reverse))
            return tool_usage(COMMAND, "-x %s: not an address", optarg);
        dig->name = dig->reverse;
        dig->type = DNS_PTR;
        return TOOL_OK;
    case 'q':
        if (dig->name != NULL)
            return tool_usage(COMMAND, "one question at a time; what is '%s'?", optarg);
        dig->name = optarg;
        return TOOL_OK;
    case 'c':
        return strcasecmp(optarg, "IN") == 0 ? TOOL_OK
                                             : tool_usage(COMMAND, "-c %s: only IN", optarg);
    case 't':
        return take_type(dig, optarg);
    case 'p':
        if (!args_number(optarg, 1, UINT16_MAX, &number))
            return tool_usage(COMMAND, "--port %s: not a number from 1 to 65535", optarg);
        dig->settings.port = (unsigned)number;
        return TOOL_OK;
    case '4':
    case '6':
        dig->settings.family = option == '4' ? AF_INET : AF_INET6;
        return TOOL_OK;
    case 'j':
        dig->as_json = true;
        return TOOL_OK;
    default:
        return TOOL_USAGE;
    }
}

static int parse(struct dig *dig, int argc, char **argv, bool *done)
{
    static const struct option longs[] = {
        { "type", required_argument, NULL, 't' },
        { "port", required_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int status = TOOL_OK;
    for (int c; (c = args_next(argc, argv, ":x:q:c:t:p:46jh", longs)) != ARGS_END;) {
        if (c == 'h') {
            fputs(help, stdout);
            *done = true;
            return TOOL_OK;
        }
        status = take_option(dig, c);
        if (status != TOOL_OK)
            return status;
    }
    for (int i = optind; i < argc && status == TOOL_OK; i++)
        status = take_word(dig, argv[i]);
    if (status == TOOL_OK && dig->name == NULL)
        return tool_usage(COMMAND, "a name is missing");
    if (dig->type == 0)
        dig->type = DNS_A;
    return status;
}

/* ---- The answer ---- */

static void on_brief(void *user, const struct dns_record *record)
{
    (void)user;
    if (record->section == DNS_ANSWER)
        puts(record->text);
}

/* In dig's way: tabs up to that stop, at least one. */
static const char *tabs(size_t len, unsigned stop)
{
    static const char most[] = "\t\t\t\t";
    const size_t passed = len / 8 < stop - 1 ? len / 8 : stop - 1;
    return most + (sizeof most - 1 - stop) + passed;
}

static void on_full(void *user, const struct dns_record *record)
{
    static const char *const names[] = { "ANSWER", "AUTHORITY", "ADDITIONAL" };
    struct dig *dig = user;
    char type[16];
    if ((dig->parts & 1u << record->section) == 0)
        return;
    if (dig->section != (int)record->section && (dig->parts & PART_COMMENTS) != 0)
        printf("\n;; %s SECTION:\n", names[record->section]);
    dig->section = (int)record->section;
    printf("%s%s%" PRIu32 "\tIN\t%s\t%s\n", record->name, tabs(strlen(record->name), 3),
           record->ttl, dns_type_text(record->type, type), record->text);
}

static void on_json(void *user, const struct dns_record *record)
{
    static const char *const names[] = { "answer", "authority", "additional" };
    struct dig *dig = user;
    char type[16];
    json_object(&dig->json, NULL);
    json_string(&dig->json, "section", names[record->section]);
    json_string(&dig->json, "name", record->name);
    json_unsigned(&dig->json, "ttl", record->ttl);
    json_string(&dig->json, "type", dns_type_text(record->type, type));
    json_string(&dig->json, "data", record->text);
    json_end_object(&dig->json);
}

static void print_flags(const struct dns_answer *answer)
{
    static const struct {
        const char *name;
        uint16_t bit;
    } flags[] = { { "qr", 0x8000 }, { "aa", 0x0400 }, { "tc", 0x0200 }, { "rd", 0x0100 },
                  { "ra", 0x0080 }, { "ad", 0x0020 }, { "cd", 0x0010 } };
    printf(";; flags:");
    for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if ((answer->flags & flags[i].bit) != 0)
            printf(" %s", flags[i].name);
    printf("; QUERY: %u, ANSWER: %u, AUTHORITY: %u, ADDITIONAL: %u\n",
           (unsigned)answer->message[4] << 8 | answer->message[5], answer->count[0],
           answer->count[1], answer->count[2]);
}

static void print_stats(const struct dns_answer *answer)
{
    char clock[64];
    const time_t now = time(NULL);
    struct tm local;
    strftime(clock, sizeof clock, "%a %b %d %H:%M:%S %Z %Y", localtime_r(&now, &local));
    printf("\n;; Query time: %" PRId64 " msec\n;; SERVER: %s (%s)\n;; WHEN: %s\n"
           ";; MSG SIZE  rcvd: %zu\n\n",
           answer->took / WEIR_MS, answer->server, answer->tcp ? "TCP" : "UDP", clock, answer->len);
}

static bool print_full(struct dig *dig, const struct dns_answer *answer)
{
    char text[16];
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): parse wants a name. */
    const size_t len = strlen(dig->name);
    const char *dot = len > 0 && dig->name[len - 1] == '.' ? "" : ".";
    const bool comments = (dig->parts & PART_COMMENTS) != 0;
    if (comments) {
        printf(";; ->>HEADER<<- opcode: QUERY, status: %s, id: %u\n",
               dns_rcode_text(answer->rcode, text), answer->id);
        print_flags(answer);
    }
    if ((dig->parts & PART_QUESTION) != 0)
        printf("%s;%s%s%sIN\t%s\n", comments ? "\n;; QUESTION SECTION:\n" : "", dig->name, dot,
               tabs(len + strlen(dot), 4), dns_type_text(dig->type, text));
    dig->section = -1;
    const bool whole = dns_records(answer, on_full, dig);
    if ((dig->parts & PART_STATS) != 0)
        print_stats(answer);
    return whole;
}

static bool print_json(struct dig *dig, const struct dns_answer *answer)
{
    struct json *json = &dig->json;
    char text[16];
    json_begin(json, stdout);
    json_object(json, NULL);
    json_string(json, "name", dig->name);
    json_string(json, "type", dns_type_text(dig->type, text));
    json_string(json, "server", answer->server);
    json_string(json, "over", answer->tcp ? "TCP" : "UDP");
    json_milli(json, "ms", answer->took / WEIR_US);
    json_string(json, "status", dns_rcode_text(answer->rcode, text));
    json_bool(json, "authoritative", (answer->flags & 0x0400) != 0);
    json_bool(json, "truncated", (answer->flags & 0x0200) != 0);
    json_unsigned(json, "octets", answer->len);
    json_array(json, "records");
    const bool whole = dns_records(answer, on_json, dig);
    json_end_array(json);
    json_end_object(json);
    json_finish(json);
    return whole;
}

static int run(struct dig *dig, struct dns_answer *answer)
{
    struct dns *dns = dns_open(COMMAND, &dig->settings);
    if (dns == NULL)
        return TOOL_FAILED;
    dns_ask(dns, dig->name, dig->type, answer);
    dns_close(dns);
    if (answer->failure != NULL)
        return tool_fail(COMMAND, "%s: %s%s%s", dig->name, answer->failure,
                         answer->server[0] != '\0' ? "; asked " : "", answer->server);
    const bool whole = dig->as_json ? print_json(dig, answer)
                       : dig->brief ? dns_records(answer, on_brief, dig)
                                    : print_full(dig, answer);
    return whole ? TOOL_OK : tool_fail(COMMAND, "the answer of %s is damaged", answer->server);
}

int tool_dig(int argc, char **argv)
{
    struct dig dig = {
        .settings = { .timeout_ms = 5000, .tries = 3, .recurse = true, .family = AF_UNSPEC },
        .parts = PARTS
    };
    struct dns_answer *answer = calloc(1, sizeof *answer);
    bool done = false;
    if (answer == NULL)
        return tool_fail(COMMAND, "out of memory");
    int status = parse(&dig, argc, argv, &done);
    if (status == TOOL_OK && !done)
        status = run(&dig, answer);
    free(answer);
    return status;
}
