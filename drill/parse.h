/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_PARSE_H
#define WEIR_DRILL_PARSE_H

/* The parts of the parser, each for one kind of thing in a script. They complain through the scan
 * (scan.h), and what they return after a complaint is of no use. */

#include "scan.h"

/* What follows `<` or `>`. */
struct packet *parse_packet(struct scan *scan);

/* TCP options up to and including the closing bracket; the opening one is passed. */
void parse_options(struct scan *scan, struct packet *packet);

/* A value: a number, a symbol, a list and so on. */
struct node *parse_value(struct scan *scan);

/* The arguments of a call up to and including the closing parenthesis, as a list. */
struct node *parse_arguments(struct scan *scan);

#endif
