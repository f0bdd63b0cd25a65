/* Writing a checkpoint. The caller produces the state faster than a disk takes it, and nothing else
 * happens in the partition meanwhile. Therefore the state is copied into blocks, and a thread of
 * the writer writes them.
 *
 * Happy path: checkpoint_begin(), checkpoint_write() as often as needed, checkpoint_end(). These
 * wait only for memory. The thread then gives the file its name when it is whole and durable, and
 * removes the checkpoints that the caller does not keep. checkpoint_finish() waits for that.
 *
 * Failure: a checkpoint that cannot be written leaves the older ones unchanged.
 *
 * Memory: what the disk has not taken yet, at most the whole state once more. All functions belong
 * to one thread.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_WRITE_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_WRITE_H

#include "consumer/checkpoint/checkpoint.h"

struct checkpoint_writer;

/* Creates the directory and the file "new", which replaces one that a crash left there, and starts
 * the thread. `doomed`: what is removed when the checkpoint is durable. `place` must outlive the
 * writer. The caller owns `*writer` and ends it with checkpoint_end() and checkpoint_finish(). */
int checkpoint_begin(const struct checkpoint_place *place, int64_t next_offset,
                     struct text position, const struct checkpoint_doomed *doomed,
                     struct checkpoint_writer **writer, struct error *err);
/* Appends to the state. checkpoint_finish() reports errors. */
void checkpoint_write(struct checkpoint_writer *writer, const void *data, size_t bytes);
/* The state is complete. Once. */
void checkpoint_end(struct checkpoint_writer *writer);
/* Whether checkpoint_finish() would return at once. */
bool checkpoint_is_done(struct checkpoint_writer *writer);
/* After checkpoint_end(): waits, and frees the writer in any case. `*bytes`: the size of the
 * file. */
int checkpoint_finish(struct checkpoint_writer *writer, int64_t *bytes, struct error *err);

#endif
