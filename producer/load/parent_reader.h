/* Reads what depends on parents, by their keys, in the caller's transaction: of an entry with links
 * the entities of the parents, or of rows of a link between; of a pass the parents' fan-outs. One
 * thread.
 */
#ifndef PRODUCER_LOAD_PARENT_READER_H
#define PRODUCER_LOAD_PARENT_READER_H

#include "common/base/error.h"
#include "common/pg/pg.h"
#include "producer/load/load_chunk.h"
#include "producer/load/load_source.h"
#include "producer/load/range_reader.h"
#include "producer/triggers/select.h"

/* The columns that have the keys, and everything that reading needs. */
struct parent_reader {
    const struct load_source *source;
    uint32_t level; /* of the table whose rows have the keys (config_entry.h) */
    /* Of the heartbeat and the bytes of an event. */
    const struct range_reader_options *options;
    /* Without the keys. With links, the column is the foreign key. No column: the parents of the
     * pass cannot be found. */
    struct select_keys keys;
};

struct parent_child {
    uint32_t parent; /* the index of its key */
    int64_t slot;
};

/* `source` is of a plan in `arena`, which the reader and the options live as long as. */
int parent_reader_prepare(struct parent_reader *reader, struct pg *pg,
                          const struct load_source *source, uint32_t level,
                          const struct range_reader_options *options, struct arena *arena,
                          struct error *err);

/* The child rows of the parents (select_append_children()), allocated from `arena`. `pg` is in a
 * transaction outside of a savepoint, and stays so after an error, unless it is lost. ERR_DATA: the
 * columns cannot have one of the keys. */
int parent_reader_children(const struct parent_reader *reader, struct pg *pg,
                           const struct text *keys, uint32_t key_count, int64_t begin,
                           int64_t limit, struct arena *arena, struct parent_child **children,
                           uint32_t *count, struct error *err);

/* The fan-outs of the parents, as parts of a pass with the number 1, which do not end it. A parent
 * that does not exist, or that the filter excludes, clears what its query reaches, if the key makes
 * the query; with `are_gone`, all of them do. The caller frees each part and the list. Errors as
 * above; ERR_DATA also: Postgres cannot evaluate a row. */
int parent_reader_fan_outs(const struct parent_reader *reader, struct pg *pg,
                           const struct text *keys, uint32_t key_count, bool are_gone,
                           struct load_pass_part **parts, uint32_t *part_count, struct error *err);

#endif
