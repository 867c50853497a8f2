/* SPDX-License-Identifier: MIT */

/* `weir nslookup`: names to addresses and back, in the form of nslookup(1). */

#include "args.h"
#include "dns.h"
#include "json.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#define COMMAND "nslookup"

static const char help[] =
    "usage: weir nslookup [-type=TYPE] [-port=N] [-timeout=S] [-json] NAME|ADDRESS\n"
    "                     [SERVER]\n"
    "\n"
    "What a name server says of a name, or of an address. Without SERVER: those of\n"
    "/etc/resolv.conf; the files of the system (/etc/hosts) are not looked at, so a\n"
    "program may see something else.\n"
    "\n"
    "  -type=TYPE        default: A and AAAA; also MX, TXT, NS, SOA, SRV, PTR,\n"
    "                    ANY...; -q=TYPE is the same\n"
    "  -port=N           the server's port; default 53\n"
    "  -timeout=S        seconds to wait; default 5\n"
    "  -retry=N          how often to ask; default 2\n"
    "  -vc, -norecurse   over TCP from the beginning; the server is not to ask others\n"
    "  -json             as JSON\n"
    "\n"
    "Exit status 1 if there is no such name, or no answer.\n";

struct nslookup {
    struct dns_settings settings;
    const char *name;
    unsigned type; /* 0: A and AAAA */
    bool as_json;
    char reverse[DNS_REVERSE_MAX];
    struct json json;
    unsigned found;
    unsigned wanted; /* the type asked for now */
};

/* ---- Arguments ---- */

/* nslookup takes any beginning of these that could be no other option's. */
static bool is_type_option(const char *name)
{
    static const char *const names[] = { "type", "querytype", "query" };
    const size_t len = strcspn(name, "=");
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (name[len] == '=' && strncmp(name, names[i], len) == 0 &&
            len >= (name[0] == 't' ? 2 : 1))
            return true;
    return false;
}

static int take_option(struct nslookup *self, const char *word)
{
    const char *name = word + 1 + (word[1] == '-');
    const char *value = strchr(name, '=');
    uint64_t number;
    value = value != NULL ? value + 1 : "";
    if (is_type_option(name)) {
        self->type = dns_type_number(value);
        return self->type != 0 ? TOOL_OK : tool_usage(COMMAND, "%s: not a type of records", word);
    }
    if (strncmp(name, "port=", 5) == 0) {
        if (!args_number(value, 1, UINT16_MAX, &number))
            return tool_usage(COMMAND, "%s: not a number from 1 to 65535", word);
        self->settings.port = (unsigned)number;
        return TOOL_OK;
    }
    if (strncmp(name, "timeout=", 8) == 0) {
        if (!args_number(value, 1, 60, &number))
            return tool_usage(COMMAND, "%s: not seconds from 1 to 60", word);
        self->settings.timeout_ms = (unsigned)number * 1000;
        return TOOL_OK;
    }
    if (strncmp(name, "retry=", 6) == 0) {
        if (!args_number(value, 1, 10, &number))
            return tool_usage(COMMAND, "%s: not a number from 1 to 10", word);
        self->settings.tries = (unsigned)number;
        return TOOL_OK;
    }
    if (strcmp(name, "vc") == 0)
        self->settings.tcp = true;
    else if (strcmp(name, "norecurse") == 0 || strcmp(name, "norec") == 0)
        self->settings.recurse = false;
    else if (strcmp(name, "json") == 0)
        self->as_json = true;
    else
        return tool_usage(COMMAND, "unknown option %s", word);
    return TOOL_OK;
}

static int parse(struct nslookup *self, int argc, char **argv, bool *done)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            *done = true;
            return TOOL_OK;
        }
        if (argv[i][0] == '-') {
            const int status = take_option(self, argv[i]);
            if (status != TOOL_OK)
                return status;
        } else if (self->name == NULL) {
            self->name = argv[i];
        } else if (self->settings.server == NULL) {
            self->settings.server = argv[i];
        } else {
            return tool_usage(COMMAND, "one name and one server at a time; what is '%s'?", argv[i]);
        }
    }
    if (self->name == NULL)
        return tool_usage(COMMAND, "a name is missing");
    if (self->type == 0 && dns_reverse(self->name, self->reverse)) {
        self->name = self->reverse;
        self->type = DNS_PTR;
    }
    return TOOL_OK;
}

/* ---- Answers ---- */

static const char *without_dot(const char *name, char text[DNS_NAME_MAX])
{
    const size_t len = strlen(name);
    snprintf(text, DNS_NAME_MAX, "%s", name);
    if (len > 1 && len < DNS_NAME_MAX && text[len - 1] == '.')
        text[len - 1] = '\0';
    return text;
}

static void print_record(const struct dns_record *record)
{
    char name[DNS_NAME_MAX], type[16];
    without_dot(record->name, name);
    switch (record->type) {
    case DNS_A:
    case DNS_AAAA:
        printf("Name:\t%s\nAddress: %s\n", name, record->text);
        return;
    case DNS_PTR:
        printf("%s\tname = %s\n", name, record->text);
        return;
    case DNS_CNAME:
        printf("%s\tcanonical name = %s\n", name, record->text);
        return;
    case DNS_MX:
        printf("%s\tmail exchanger = %s\n", name, record->text);
        return;
    case DNS_TXT:
        printf("%s\ttext = %s\n", name, record->text);
        return;
    case DNS_NS:
        printf("%s\tnameserver = %s\n", name, record->text);
        return;
    default:
        printf("%s\t%s = %s\n", name, dns_type_text(record->type, type), record->text);
        return;
    }
}

static void on_record(void *user, const struct dns_record *record)
{
    struct nslookup *self = user;
    char type[16];
    if (record->section != DNS_ANSWER)
        return;
    /* The second question meets the same CNAMEs again. */
    if (self->type == 0 && self->wanted == DNS_AAAA && record->type == DNS_CNAME)
        return;
    self->found++;
    if (!self->as_json) {
        print_record(record);
        return;
    }
    json_object(&self->json, NULL);
    json_string(&self->json, "name", record->name);
    json_string(&self->json, "type", dns_type_text(record->type, type));
    json_unsigned(&self->json, "ttl", record->ttl);
    json_string(&self->json, "data", record->text);
    json_end_object(&self->json);
}

static void begin(struct nslookup *self, const struct dns_answer *answer)
{
    char server[sizeof answer->server];
    if (self->as_json) {
        json_begin(&self->json, stdout);
        json_object(&self->json, NULL);
        json_string(&self->json, "name", self->name);
        json_string(&self->json, "server", answer->server);
        json_array(&self->json, "records");
        return;
    }
    if (self->name == self->reverse) /* nslookup(1) leaves the server out for an address */
        return;
    snprintf(server, sizeof server, "%.*s", (int)strcspn(answer->server, "#"), answer->server);
    printf("Server:\t\t%s\nAddress:\t%s\n\n", server, answer->server);
    if ((answer->flags & 0x0400) == 0 && answer->rcode == 0)
        printf("Non-authoritative answer:\n");
}

static int end(struct nslookup *self, const struct dns_answer *answer)
{
    char status[16];
    const bool failed = answer->rcode != 0;
    if (self->as_json) {
        json_end_array(&self->json);
        json_string(&self->json, "status", dns_rcode_text(answer->rcode, status));
        json_end_object(&self->json);
        json_finish(&self->json);
    } else if (failed) {
        printf("** server can't find %s: %s\n", self->name, dns_rcode_text(answer->rcode, status));
    } else if (self->found == 0) {
        printf("*** Can't find %s: No answer\n", self->name);
    }
    return failed || self->found == 0 ? TOOL_FAILED : TOOL_OK;
}

static int run(struct nslookup *self, struct dns *dns, struct dns_answer *answer)
{
    const unsigned types[] = { self->type != 0 ? self->type : DNS_A, DNS_AAAA };
    for (unsigned i = 0; i < (self->type != 0 ? 1u : 2u); i++) {
        self->wanted = types[i];
        dns_ask(dns, self->name, types[i], answer);
        if (answer->failure != NULL && (i == 0 || !self->as_json))
            return tool_fail(COMMAND, "%s: %s%s%s", self->name, answer->failure,
                             answer->server[0] != '\0' ? "; asked " : "", answer->server);
        if (i == 0)
            begin(self, answer);
        if (answer->failure == NULL && !dns_records(answer, on_record, self))
            return tool_fail(COMMAND, "the answer of %s is damaged", answer->server);
        if (answer->rcode != 0)
            break;
    }
    return end(self, answer);
}

int tool_nslookup(int argc, char **argv)
{
    struct nslookup self = {
        .settings = { .timeout_ms = 5000, .tries = 2, .recurse = true, .family = AF_UNSPEC }
    };
    bool done = false;
    int status = parse(&self, argc, argv, &done);
    if (status != TOOL_OK || done)
        return status;
    struct dns_answer *answer = calloc(1, sizeof *answer);
    struct dns *dns = answer != NULL ? dns_open(COMMAND, &self.settings) : NULL;
    status = dns != NULL ? run(&self, dns, answer) : TOOL_FAILED;
    dns_close(dns);
    free(answer);
    return status;
}
