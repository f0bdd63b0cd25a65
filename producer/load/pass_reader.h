/* Reads a pass: the parents of one entry in the order of their key, as fan-outs, part by part. Each
 * part may be read in another transaction. One thread.
 */
#ifndef PRODUCER_LOAD_PASS_READER_H
#define PRODUCER_LOAD_PASS_READER_H

#include "common/base/error.h"
#include "common/pg/pg.h"
#include "producer/load/load_chunk.h"
#include "producer/load/load_plan.h"
#include "producer/load/range_reader.h"

struct pass_reader;

/* Begins with part 0 of a pass of `plan`, which outlives the reader. The options are those of a
 * range reader. */
int pass_reader_create(const struct load_plan *plan, const struct load_source *pass,
                       const struct range_reader_options *options, struct pass_reader **reader,
                       struct error *err);
/* NULL does nothing. */
void pass_reader_destroy(struct pass_reader *reader);

/* Reads the next part in the snapshot of `pg`, as range_reader_read() does. Parents that the filter
 * excludes, and those whose query is null, are absent. part->pass.is_last: the pass is complete,
 * and no further part may be read. The caller owns `*part` and frees it. On an error it holds
 * nothing, and the same part can be read again. */
int pass_reader_read(struct pass_reader *reader, struct pg *pg, struct load_pass_part *part,
                     struct error *err);

#endif
