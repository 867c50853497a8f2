/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_FLOW_JSON_H
#define WEIR_TOOLS_FLOW_JSON_H

/* A flow as one JSON object: every fact that is known, with its quality where it is not exact. */

#include "doctor/facts.h"
#include "json.h"

void flow_json(struct json *json, const struct facts_flow *flow);

#endif
