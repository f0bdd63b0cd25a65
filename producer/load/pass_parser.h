/* Parses the parents of a pass (select.h) from a binary COPY: each becomes a fan-out, as long as
 * the event has room. Pure; one thread. For this room only.
 */
#ifndef PRODUCER_LOAD_PASS_PARSER_H
#define PRODUCER_LOAD_PASS_PARSER_H

#include "common/base/error.h"
#include "common/ops/op.h"
#include "producer/load/load_plan.h"
#include "producer/load/problem_list.h"
#include "producer/triggers/select.h"

struct pass_parser {
    const struct load_source *source;
    uint32_t event_bytes_max; /* of one encoded event, header included */
    struct arena *arena;      /* of the result */
    struct problem_list *problems;
    /* Of select_append_parents(): the keys whose numbers the rows have, and by key whether one has
     * come. NULL: the rows have the columns of the primary key. */
    const struct select_keys *keys;
    bool *found;

    /* Zero at first. */
    bool has_header;
    bool is_complete;            /* the end of the copy has been parsed */
    bool is_full;                /* the next parent has no room: the rest was not parsed */
    size_t taken_bytes;          /* of the last bytes; with is_full, where that parent begins */
    const char *const *last_key; /* of the last parent, by column of the key; NULL before */
    struct op *ops;              /* the fan-outs */
    uint32_t count;
    uint32_t capacity;
    uint64_t rows; /* parents */
    uint64_t values;
    uint64_t bytes; /* an upper bound of the encoded event */
    uint64_t items; /* as EVENT_ITEMS_MAX counts them */
};

/* Parses the next bytes of the copy, which end with a row. A value or a query that no event can
 * carry becomes a problem: the value is null then, and the parent has no fan-out. ERR_FATAL: the
 * bytes are not such rows. */
int pass_parser_feed(struct pass_parser *parser, struct text bytes, struct error *err);

#endif
