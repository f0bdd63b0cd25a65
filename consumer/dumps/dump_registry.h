/* The dump registry: the dumps of this member (dump_list.h), in one file.
 *
 *     {data_dir}/{topic}.dumps     dump_format.h; {index}.dumps of a stand-alone index
 *
 * A change is written and synced before it is answered. A mark of a load is written before the
 * frame of the log that moves past it, and counts when that is durable, so after a crash each mark
 * was either counted or is read again.
 *
 * Any thread. ERR_FATAL: the file cannot be written; the dumps are as they were before.
 */
#ifndef CONSUMER_DUMPS_DUMP_REGISTRY_H
#define CONSUMER_DUMPS_DUMP_REGISTRY_H

#include "common/files/files.h"
#include "consumer/dumps/dump_list.h"

struct dump_registry;

/* Reads the file `{directory}/{name}.dumps`, which need not exist. ERR_FATAL: it cannot be read, or
 * is damaged. The caller owns `*registry`; `files` must outlive it. */
int dump_registry_open(struct files *files, const char *directory, const char *name,
                       int32_t partitions, struct dump_registry **registry, struct error *err);
/* NULL does nothing. */
void dump_registry_close(struct dump_registry *registry);

/* --- requests: as the functions of dump_list.h ----------------------------------------------- */

/* Appends the answer to GET. */
void dump_registry_answer(struct dump_registry *registry, struct buffer *out);
int dump_registry_put(struct dump_registry *registry, struct text name, enum dump_outcome *outcome,
                      struct error *err);
int dump_registry_loaded(struct dump_registry *registry, struct text name, int64_t ops_written,
                         enum dump_outcome *outcome, struct error *err);
int dump_registry_remove(struct dump_registry *registry, struct text name,
                         enum dump_outcome *outcome, struct error *err);
int dump_registry_clear(struct dump_registry *registry, struct error *err);
bool dump_registry_counts(struct dump_registry *registry, struct text name);
int dump_registry_post(struct dump_registry *registry, struct text name, uint64_t entries,
                       const int64_t *offsets, struct error *err);

/* --- partitions ------------------------------------------------------------------------------ */

/* Of an assignment: which partitions this member owns. */
void dump_registry_own(struct dump_registry *registry, int32_t partition, bool is_owned);
int dump_registry_assigned(struct dump_registry *registry, bool is_known, struct error *err);

/* Of the worker of the partition. The marks, in their order, before the frame that moves past them
 * is written; then how far the log is durable. */
int dump_registry_recovered(struct dump_registry *registry, int32_t partition,
                            int64_t durable_offset, struct error *err);
int dump_registry_mark(struct dump_registry *registry, int32_t partition,
                       const struct dump_mark *marks, uint32_t count, struct error *err);
int dump_registry_durable(struct dump_registry *registry, int32_t partition, int64_t durable_offset,
                          struct error *err);

#endif
