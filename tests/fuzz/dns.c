/* SPDX-License-Identifier: MIT */
#include "tools/dns.h"

#include "fuzz/law.h"

static unsigned given;

static void check_text(const char *text, size_t room)
{
    const size_t len = strnlen(text, room);
    LAW(len < room);
    for (size_t i = 0; i < len; i++)
        LAW(text[i] >= 0x20 && text[i] < 0x7f);
}

static void on_record(void *user, const struct dns_record *record)
{
    char type[16];
    (void)user;
    given++;
    LAW(record->section < DNS_SECTIONS);
    check_text(record->name, sizeof record->name);
    check_text(record->text, sizeof record->text);
    check_text(dns_type_text(record->type, type), sizeof type);
}

/* Whatever a name server says is printed as printable ASCII, within bounds, each record once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_answer *answer = malloc(sizeof *answer);
    char code[16];
    LAW(answer != NULL);
    given = 0;
    if (dns_take(answer, data, size)) {
        const bool whole = dns_records(answer, on_record, NULL);
        unsigned said = 0;
        for (unsigned i = 0; i < DNS_SECTIONS; i++)
            said += answer->count[i];
        LAW(given <= said && (!whole || given == said));
        check_text(dns_rcode_text(answer->rcode, code), sizeof code);
    } else {
        LAW(size < 12 || size > DNS_MESSAGE_MAX);
    }
    free(answer);
    return 0;
}
