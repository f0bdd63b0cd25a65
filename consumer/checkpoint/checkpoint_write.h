/* Writing a checkpoint. Nothing else happens in the partition while its state is taken. Therefore a
 * copy of the process (checkpoint_copy.h) sends the state, and a thread of the writer writes it to
 * the file, while the partition continues.
 *
 * Happy path: checkpoint_begin(), checkpoint_take(). Neither waits for the disk. The thread gives
 * the file its name when it is whole and durable, and removes the checkpoints that the caller does
 * not keep. checkpoint_finish() waits for that.
 *
 * Failure: a checkpoint that cannot be written leaves the older ones unchanged. Where the system
 * refuses a copy, or another checkpoint has it, the state is copied into blocks of memory, which
 * takes longer.
 *
 * Memory: a block, and that of the copy; or of the blocks that the disk has not taken yet, at most
 * the whole state once more. All functions belong to one thread.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_WRITE_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_WRITE_H

#include "consumer/checkpoint/checkpoint.h"

struct checkpoint_writer;

/* Starts the thread, which creates the directory and the file "new"; that replaces one that a crash
 * left there. `doomed`: what is removed when the checkpoint is durable. `place` must outlive the
 * writer. The caller owns `*writer` and ends it with checkpoint_take() and checkpoint_finish(). */
int checkpoint_begin(const struct checkpoint_place *place, int64_t next_offset,
                     struct text position, const struct checkpoint_doomed *doomed,
                     struct checkpoint_writer **writer, struct error *err);
/* Passes the whole state to checkpoint_write(). Runs in the copy of the process or in this thread,
 * so it only reads, takes no lock and allocates no memory. */
typedef void (*checkpoint_save)(void *context, struct checkpoint_writer *writer);
/* The state is what `save` passes, as it is now. Once. checkpoint_finish() reports errors. */
void checkpoint_take(struct checkpoint_writer *writer, checkpoint_save save, void *context);
/* Appends to the state. In a checkpoint_save only. */
void checkpoint_write(struct checkpoint_writer *writer, const void *data, size_t bytes);
/* Whether checkpoint_finish() would return at once. */
bool checkpoint_is_done(struct checkpoint_writer *writer);
/* After checkpoint_take(): waits, and frees the writer in any case. `*bytes`: the size of the
 * file. */
int checkpoint_finish(struct checkpoint_writer *writer, int64_t *bytes, struct error *err);

#endif
