/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_SCRIPT_H
#define WEIR_DRILL_SCRIPT_H

/* A script in packetdrill's language, read and understood, but not yet run.
 *
 * What a parser knows is here: options, and events in the order of the file. What a symbol's number
 * is, what a packet looks like on the wire and what time it is, others know (symbols.h, packet.h,
 * run.h). All of a script lives in its arena and goes with it. */

#include "weir/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRILL_OPTIONS_MAX 40         /* octets of TCP options */
#define DRILL_NESTING_MAX 16         /* of values in values */
#define DRILL_SCRIPT_MAX  (4u << 20) /* octets of a file */
#define DRILL_ERROR_MAX   320        /* a complaint */

/* ---- Memory: given out in pieces, taken back all at once ---- */

struct arena_block;
struct drill_arena {
    struct arena_block *first;
};

void *arena_take(struct drill_arena *arena, size_t size); /* zeroed; ends the program if none */
char *arena_text(struct drill_arena *arena, const char *text, size_t len);
void arena_drop(struct drill_arena *arena);

/* ---- Values: what stands between the parentheses of a call ---- */

enum node_kind {
    NODE_ELLIPSIS, /* ... */
    NODE_ANY,      /* ? or * */
    NODE_NUMBER,
    NODE_WORD,   /* a symbol */
    NODE_STRING, /* "text" */
    NODE_LIST,   /* [first, next...] */
    NODE_STRUCT, /* {first, next...}: fields or values */
    NODE_FIELD,  /* name = first; with arguments: name(second) = first */
    NODE_CALL,   /* name(first...) */
    NODE_OR,     /* first | next */
};

struct node {
    enum node_kind kind;
    int64_t number;
    const char *text; /* words, strings, names */
    struct node *first, *next;
    struct node *second; /* fields: the argument in name(second) = first */
};

/* ---- When ---- */

enum when_kind {
    WHEN_AT,   /* absolute, or after the event before it */
    WHEN_ANY,  /* * */
    WHEN_RANGE /* from..until: anywhere between */
};

struct when {
    enum when_kind kind;
    bool relative;
    bool has_end; /* a call that blocks: START...END */
    weir_time at, until, end;
};

/* ---- Packets ---- */

enum packet_proto {
    PROTO_TCP,
    PROTO_UDP,
    PROTO_ICMP
};

enum option_form {
    FORM_PLAIN, /* kind and length as they are: `data` */
    FORM_NOP,
    FORM_EOL,
    FORM_MSS,
    FORM_WSCALE,
    FORM_SACKOK,
    FORM_SACK,
    FORM_TS,
};

struct tcp_option {
    enum option_form form;
    uint8_t kind, len; /* as on the wire; len 0 for nop and eol */
    bool any_val, any_ecr;
    uint32_t val, ecr; /* timestamps; mss and wscale in val */
    unsigned blocks;
    uint32_t sack[8];
    uint8_t data[DRILL_OPTIONS_MAX];
};

#define SEG_FIN 0x001u
#define SEG_SYN 0x002u
#define SEG_RST 0x004u
#define SEG_PSH 0x008u
#define SEG_ACK 0x010u
#define SEG_URG 0x020u
#define SEG_ECE 0x040u
#define SEG_CWR 0x080u
#define SEG_AE  0x100u

/* What a packet is, or is expected to be; numbers as the script counts. */
struct packet {
    enum packet_proto proto;
    bool has_tos, has_ttl, has_flow, any_options, has_ack, has_win, has_urg, has_seq;
    bool ecn_only; /* of `tos` only the two ECN bits are meant */
    bool ect_any;  /* [ecn]: either of the two ECT */
    uint8_t tos, ttl;
    uint32_t flow; /* IPv6's flow label */
    unsigned flags;
    uint32_t seq, len, ack;
    uint32_t win, urg;
    unsigned option_count;
    struct tcp_option option[DRILL_OPTIONS_MAX];
    /* ICMP: its meaning by name, the quoted segment's seq and len above */
    const struct icmp_name *icmp;
    uint32_t mtu;
};

/* An ICMP error by the name scripts give it, in both families. */
struct icmp_name {
    const char *type, *code;        /* code "" where the type has none */
    int type4, code4, type6, code6; /* -1: the family has no such thing */
};
const struct icmp_name *icmp_by_name(const char *type, const char *code);
const struct icmp_name *icmp_by_number(bool v6, unsigned type, unsigned code);
bool icmp_type_known(const char *type);

/* ---- Events ---- */

enum event_kind {
    EVENT_IN,
    EVENT_OUT,
    EVENT_CALL,
    EVENT_COMMAND,   /* `shell` */
    EVENT_CODE,      /* %{ ... }% */
    EVENT_DIRECTIVE, /* //: what only weir understands */
};

struct event {
    enum event_kind kind;
    unsigned line;
    struct when when;
    struct event *next;
    const char *text; /* commands, code, directives; a call's name */
    struct packet *packet;
    struct node *args;   /* a call's, as a list */
    struct node *result; /* NULL: not looked at */
    const char *error;   /* a call's errno by name, or NULL */
};

struct setting {
    const char *name, *value; /* value "" if none was given */
    unsigned line;
    struct setting *next;
};

struct script {
    const char *path;
    struct drill_arena arena;
    struct setting *options; /* --name=value */
    const char *init;        /* the `shell` text before the first event, or NULL */
    unsigned init_line;
    struct event *events;
    unsigned event_count;
    const char *weir_only; /* //: weir-only REASON */
    const char *differs;   /* //: linux-differs REASON */
    const char *skip;      /* //: skip REASON */
    bool exact;            /* //: exact */
};

/* A name that the command line gave a value (-D name=value). */
struct define {
    const char *name, *value;
};

/* Reads a script of `len` octets. Returns false with "path:line: what" in `error`; the arena is
 * then empty. The text need not outlive the call. */
bool script_parse(struct script *script, const char *path, const char *text, size_t len,
                  const struct define *defines, unsigned define_count, char error[DRILL_ERROR_MAX]);
void script_free(struct script *script);

/* The value of an option of the script, or NULL. */
const char *script_option(const struct script *script, const char *name);

#endif
