/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_TYPO_H
#define WEIR_TOOLS_TYPO_H

/* What somebody may have meant who mistyped a name. */

#define TYPO_MAX 96 /* longer words are as far from any other as they are long */

/* Levenshtein's distance: how many characters have to be put in, taken out or replaced to make one
 * word of the other. */
unsigned typo_distance(const char *a, const char *b);

#endif
