/* A copy of the process, made by fork(): it holds the memory as it was at one moment, and sends
 * what the caller wants of it through a pipe, while the process continues.
 *
 * Only one thread is in the copy, and the locks of the others stay as they were. What runs in the
 * copy therefore takes no lock and allocates no memory: it reads, and calls
 * checkpoint_copy_write().
 *
 * Memory: both share each page until one of them writes to it. A process has one copy at a time, so
 * at most its memory once more.
 *
 * Failure: when the process ends, the pipe has no reader any more, and the copy ends at its next
 * write. The copy has no other file open, no lock of the data directory either.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_COPY_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"

struct checkpoint_copy {
    pid_t process;
    int pipe;
};

/* Is there a copy? Any thread. */
bool checkpoint_copy_exists(void);
/* Makes the copy, in which `run(context)` runs. False: there is one, or the system refuses it, for
 * want of memory for example. Takes as long as copying the page tables. */
bool checkpoint_copy_begin(struct checkpoint_copy *copy, void (*run)(void *context), void *context);
/* In `run` only. */
void checkpoint_copy_write(const struct checkpoint_copy *copy, const void *data, size_t bytes);
/* Waits for the next bytes: less than `bytes` only at the end. */
size_t checkpoint_copy_read(const struct checkpoint_copy *copy, void *data, size_t bytes);
/* Ends the copy, which need not have ended. 0: `run` had returned, and all was read. */
int checkpoint_copy_end(struct checkpoint_copy *copy, struct error *err);

#endif
