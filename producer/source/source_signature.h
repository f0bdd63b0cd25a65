/* The signature of a table under `triggers`: what changes when its rows change although no trigger
 * fires. The producer keeps the last one in bitdex_sources, and compares.
 *
 *     {"oid": 16400,                                      null: no table has the name
 *      "partitions": {"16412": ["item_2024", null, 1462],   leaves by oid: name; file of its rows,
 *                     "16420": ["item_2025", 16420, 1462]}, while no trigger of ours guards
 *                                                           TRUNCATE; version of its copies of
 *                                                           the triggers
 *      "triggers": {"16431": ["bitdex_a", "731", true]},    ours by oid: name; transaction that
 *                                                           has changed it last; whether that
 *                                                           has also given it its comment
 *      "labels": {"16390": "new", "16392": "old"}}         of the enums of its columns, by oid
 *
 * A trigger that is altered in place was disabled, perhaps, and enabled again. `triggers apply`
 * alters none: it creates triggers with their comments, and when there were none before, it
 * requests all rows (triggers/unreported.h). The version of copied triggers is a sum of
 * transactions. Signatures of earlier versions have no triggers.
 *
 * Pure; any thread.
 */
#ifndef PRODUCER_SOURCE_SOURCE_SIGNATURE_H
#define PRODUCER_SOURCE_SOURCE_SIGNATURE_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"

/* Two signatures of one table, as JSON. */
struct source_signatures {
    const char *table;
    struct text before;
    struct text now;
    struct text filled; /* JSON array: the oids of the leaves of `now` that `before` does not have,
                           and that hold anything. A partition that is first seen without a row
                           changes nothing: its triggers fire for all rows that it gets. */
};

/* Appends what has changed, in words for the operator, so that the rows of the table may be others
 * than those that triggers have described; nothing, if it has not. A signature of `before` in
 * another form is a change. ERR_DATA: that of `now` is not one. */
int source_signature_compare(const struct source_signatures *signatures, struct buffer *reason,
                             struct error *err);

#endif
