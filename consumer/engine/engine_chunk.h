/* Chunks and passes (common/event/chunk.h) into state, in bulk: sorted, field by field, and only
 * what differs.
 *
 * engine_prepare_chunk() does everything that depends on the configuration alone, before the chunk
 * is durable and without any lock: engine_apply_chunk() of a prepared chunk cannot fail.
 */
#ifndef CONSUMER_ENGINE_ENGINE_CHUNK_H
#define CONSUMER_ENGINE_ENGINE_CHUNK_H

#include "common/event/chunk.h"
#include "consumer/engine/engine.h"
#include "consumer/engine/engine_reject.h"

/* The writer calls `give` between the parts of a long change. The engine is then in order, and
 * readers may read it. */
struct engine_yield {
    void (*give)(void *context);
    void *context;
};

/* ERR_DATA: slots of the chunk, which is valid (chunk_validate()), are not in its range, or not
 * below max_slots. Reads only the configuration; any thread. */
int engine_check_chunk(const struct engine *engine, const struct chunk *chunk, struct error *err);

/* Gives a chunk that has been checked new columns: one for each field of the index that has values,
 * of the kind that the field takes, sorted by slot (and then by value), without repetitions. The
 * new columns are in `arena`, or are the old ones. Columns of fields that the index does not have
 * stay as they are. Left out, and reported to `rejects`: values that engine_check_op() would refuse
 * in a `set`; all values of an entity that has several in a field that takes one; the columns of a
 * computed field. Reads only the configuration; any thread. The result is valid for every engine of
 * the same index configuration. */
void engine_prepare_chunk(const struct engine *engine, struct chunk *chunk, struct arena *arena,
                          const struct engine_rejects *rejects);

/* For every slot of the chunk's list, or of its range, exactly the fields that the chunk names take
 * the state that the chunk has. Computed fields and the visibility follow. Not the op `delete`: a
 * slot that is no longer alive keeps the values of other fields, and values of slots that are not
 * alive yet are stored (F78). Values in fields that the index does not have are counted as unknown
 * (engine_stats). The chunk has been prepared and is not CHUNK_CHECK. A large chunk is applied in
 * parts by slots, so that a reader sees all of what it states of an entity, or nothing. `yield`:
 * NULL, or called after each part. */
void engine_apply_chunk(struct engine *engine, const struct chunk *chunk,
                        const struct engine_yield *yield);

/* The same where fields are damaged (engine_sum.h): those of `damaged`, by their numbers, that the
 * chunk states lose what they hold in its slots from every structure first, and so do the computed
 * fields that follow from them. FIELD_ALIVE: the visibility is derived again. */
void engine_mend_chunk(struct engine *engine, const struct chunk *chunk,
                       const struct field_set *damaged, const struct engine_yield *yield);

/* Part 0 clears the fields of the pass in all slots. Then the fan-outs, which
 * engine_prepare_fan_out() has prepared, are applied in order. `yield`: NULL, or called after each
 * fan-out. */
void engine_apply_pass(struct engine *engine, const struct pass *pass,
                       const struct engine_yield *yield);

#endif
