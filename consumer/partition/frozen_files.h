/* Files as they were at one moment, for a reader that believes it owns them: an index as of a time
 * (as_of.h) recovers from the log and the checkpoints of a consumer that may be running, with the
 * code of that consumer, and changes nothing.
 *
 *     open for reading      a file that was added; it stays as long as the view, whoever removes
 *                           it: its handle was open before
 *     its end               as it was added; what follows does not exist
 *     list                  the names that were added
 *     every change          succeeds and is dropped: a new file takes any bytes and has none
 *     lock                  succeeds
 *
 * Files are added by one thread before the view is used; afterwards threads may share it.
 */
#ifndef CONSUMER_PARTITION_FROZEN_FILES_H
#define CONSUMER_PARTITION_FROZEN_FILES_H

#include "common/files/files.h"

struct frozen_files;

/* `real` must outlive it. */
struct frozen_files *frozen_files_create(struct files *real);
/* No file of the view may be open. NULL is allowed. */
void frozen_files_destroy(struct frozen_files *frozen);
/* Lives as long as `frozen`. */
struct files *frozen_files_vtable(struct frozen_files *frozen);

/* The view has the file `real_path` as `path`, with its present bytes. On error, which says that
 * the file cannot be opened, the view is unchanged. */
int frozen_files_add(struct frozen_files *frozen, const char *path, const char *real_path,
                     struct error *err);
/* The file ends after `bytes` bytes, which it has; 0: the view does not have it any more. */
void frozen_files_cut(struct frozen_files *frozen, const char *path, int64_t bytes);
/* Removes all files of the directory `path` and of those in it. */
void frozen_files_clear(struct frozen_files *frozen, const char *path);

#endif
