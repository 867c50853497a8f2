/* SPDX-License-Identifier: MIT */
#include "ss_print.h"

#include "socket_text.h"

#include <stdlib.h>
#include <string.h>

enum column {
    COLUMN_PLACE,
    COLUMN_NETID,
    COLUMN_STATE,
    COLUMN_RCVQ,
    COLUMN_SNDQ,
    COLUMN_LOCAL,
    COLUMN_LPORT,
    COLUMN_REMOTE,
    COLUMN_RPORT,
};

static const char *cell(const struct ss_row *row, unsigned column)
{
    const char *const text[] = { row->place, row->netid, row->state,  row->rcvq, row->sndq,
                                 row->local, row->lport, row->remote, row->rport };
    return text[column];
}

bool ss_table_begin(struct ss_table *table, const struct ss_options *options,
                    const struct look *look)
{
    static const char *const titles[] = { "Stack",  "Netid",        "State",
                                          "Recv-Q", "Send-Q",       "Local Address",
                                          "Port",   "Peer Address", "Port" };
    *table = (struct ss_table){
        .row = calloc(SS_ROWS, sizeof *table->row),
        .place = look->several,
        .netid = options->tcp && options->udp,
        /* Who asks for one state knows it: ss leaves the column out, and scripts count columns. */
        .state = options->filter.states == 0 ||
                 (options->filter.states & (options->filter.states - 1)) != 0,
        .no_header = options->no_header,
        .owners = &look->owners,
    };
    for (unsigned i = 0; i < sizeof titles / sizeof titles[0] && !options->no_header; i++)
        table->width[i] = (unsigned)strlen(titles[i]);
    return table->row != NULL;
}

static bool is_shown(const struct ss_table *table, unsigned column)
{
    return (column != COLUMN_PLACE || table->place) && (column != COLUMN_NETID || table->netid) &&
           (column != COLUMN_STATE || table->state);
}

/* A million lines are written with this: no format is read, and each line is one write. */
#define LINE_ROOM (8 * 128)

static char *put_cell(char *at, const char *text, unsigned width, bool right)
{
    const size_t len = strlen(text);
    const size_t pad = width > len ? width - len : 0;
    if (right)
        memset(at, ' ', pad);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): a part of the line. */
    memcpy(at + (right ? pad : 0), text, len);
    if (!right)
        memset(at + len, ' ', pad);
    return at + len + pad;
}

static void put_row(const struct ss_table *table, const struct ss_row *row)
{
    char line[LINE_ROOM];
    char *at = line;
    const bool more = row->line != NULL && row->line[0] != '\0' && row->line[0] != '\n';
    for (unsigned i = 0; i <= COLUMN_RPORT; i++) {
        const bool host = i == COLUMN_LOCAL || i == COLUMN_REMOTE;
        if (!is_shown(table, i))
            continue;
        at = put_cell(at, cell(row, i), i < COLUMN_RPORT || more ? table->width[i] : 0, host);
        if (i < COLUMN_RPORT || more)
            *at++ = host ? ':' : ' ';
    }
    if (row->line != NULL) {
        fwrite_unlocked(line, 1, (size_t)(at - line), stdout);
        puts(row->line);
        return;
    }
    *at++ = '\n';
    fwrite_unlocked(line, 1, (size_t)(at - line), stdout);
}

static void put_header(const struct ss_table *table)
{
    char process[] = "Process";
    struct ss_row titles = { .line = process };
    strcpy(titles.place, "Stack");
    strcpy(titles.netid, "Netid");
    strcpy(titles.state, "State");
    strcpy(titles.rcvq, "Recv-Q");
    strcpy(titles.sndq, "Send-Q");
    strcpy(titles.local, "Local Address");
    strcpy(titles.lport, "Port");
    strcpy(titles.remote, "Peer Address");
    strcpy(titles.rport, "Port");
    put_row(table, &titles);
}

static void flush_rows(struct ss_table *table)
{
    if (!table->fixed && !table->no_header)
        put_header(table);
    table->fixed = true;
    for (unsigned i = 0; i < table->count; i++) {
        put_row(table, &table->row[i]);
        free(table->row[i].line);
    }
    table->count = 0;
}

static void put_number(uint32_t value, char text[12])
{
    char digits[12];
    unsigned len = 0;
    do
        digits[len++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    for (unsigned i = 0; i < len; i++)
        text[i] = digits[len - 1 - i];
    text[len] = '\0';
}

static void fill(const struct ss_table *table, struct ss_row *row, const struct ss_options *options,
                 const struct facts_flow *flow)
{
    row->place[0] = row->netid[0] = '\0';
    if (table->place)
        look_place(flow->source, flow->net, row->place);
    if (table->netid)
        strcpy(row->netid, socket_protocol(flow));
    strcpy(row->state, socket_state_ss(flow));
    put_number(flow->rcvq, row->rcvq);
    put_number(flow->sndq, row->sndq);
    socket_host_ss(flow, &flow->local, row->local);
    socket_host_ss(flow, &flow->remote, row->remote);
    if (options->resolve && flow->local.port != 0)
        socket_resolve(&flow->local.ip, row->local);
    if (options->resolve && flow->remote.port != 0)
        socket_resolve(&flow->remote.ip, row->remote);
    socket_port(flow, flow->local.port, options->numeric, row->lport);
    socket_port(flow, flow->remote.port, options->numeric, row->rport);
}

static bool wants_details(const struct ss_options *options)
{
    return options->processes || options->timers || options->info || options->memory ||
           options->extended;
}

void ss_table_add(struct ss_table *table, const struct ss_options *options,
                  const struct facts_flow *flow)
{
    struct ss_row *row = &table->row[table->count++];
    size_t len;
    row->line = NULL;
    fill(table, row, options, flow);
    if (wants_details(options)) {
        FILE *file = open_memstream(&row->line, &len);
        if (file != NULL) {
            ss_details(file, options, flow, table->owners);
            fclose(file);
        }
    }
    for (unsigned i = 0; i <= COLUMN_RPORT && !table->fixed; i++) {
        const unsigned need = (unsigned)strlen(cell(row, i));
        if (need > table->width[i])
            table->width[i] = need;
    }
    if (table->count == SS_ROWS)
        flush_rows(table);
}

void ss_table_end(struct ss_table *table)
{
    flush_rows(table);
    free(table->row);
    table->row = NULL;
}
