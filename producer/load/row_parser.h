/* Parses the rows of a range source (select.h) from a binary COPY into a chunk builder. Pure; one
 * thread. For this room only.
 */
#ifndef PRODUCER_LOAD_ROW_PARSER_H
#define PRODUCER_LOAD_ROW_PARSER_H

#include "common/base/error.h"
#include "producer/load/chunk_builder.h"
#include "producer/load/load_plan.h"
#include "producer/load/problem_list.h"

struct row_parser {
    const struct load_source *source;
    const uint32_t *fields; /* by value of the source: the field of the builder */
    bool states_alive;      /* each row makes its entity alive */
    struct chunk_builder *builder;
    struct problem_list *problems;
    struct load_counts *counts; /* of the source: what is parsed is added */
    struct arena *scratch;      /* for the values of a row */

    /* Zero at first. */
    bool has_header;
    bool is_complete; /* the end of the copy has been parsed */
    int64_t last_id;  /* the greatest id so far; 0 before the first */
    bool has_refused;
    int64_t refused_id; /* the last one without a slot */
};

/* Parses the next bytes of the copy, which end with a row: Postgres sends each row as one message.
 * Values that no event can carry, and entities without a slot, become problems. ERR_FATAL: the
 * bytes are not such rows. */
int row_parser_feed(struct row_parser *parser, struct text bytes, struct error *err);

#endif
