/* Checkpoints of one partition: its whole state in one file, with the position that it stands at,
 * so that a restart reads the newest one and what the log holds behind it.
 *
 *   {directory}/{next offset, 20 digits}.checkpoint
 *
 *     header    0   8  magic "bitdxCKP"
 *               8   4  version, 1
 *              12   4  identity bytes
 *              16   4  position bytes
 *              20   8  next offset: of the first message that the state does not hold
 *              28   n  identity, position
 *              ..   4  CRC32C of everything in front
 *     blocks    0   4  bytes; 0: the end, of which nothing is behind
 *               4   4  CRC32C of the file's bytes up to here and of the block's, without this one
 *               8   n  bytes of the state
 *
 * All numbers are little-endian. The identity is that of the log (what both belong to, as lines of
 * text); the position is opaque.
 *
 * Happy path: checkpoint_begin(), checkpoint_write() as often as it takes, checkpoint_end(), which
 * wait for nothing but memory: a thread writes. The file appears under its name when it is whole
 * and durable, and all but the newest two go; checkpoint_finish() waits for that.
 *
 * Failure: a checkpoint that cannot be written leaves the ones before it, and loses nothing. One
 * that is damaged, cut, or of another identity is found so while it is read (ERR_DATA), and the
 * reader takes the one before.
 *
 * Memory: what the disk has not taken yet, at most the whole state once more.
 *
 * One thread, beside its own.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_H

#include "common/base/memory.h"
#include "common/files/files.h"

/* Where they are and what they belong to; must outlive what is made of it. */
struct checkpoint_place {
    struct files *files;
    const char *directory;
    struct text identity;
};

enum { CHECKPOINTS_KEPT = 2 };

/* --- writing --------------------------------------------------------------------------------- */

struct checkpoint_writer;

/* Creates the directory, and the file under the name "new", in place of what a crash left there.
 * The caller owns `*writer`, which `place` has to outlive, and ends it by checkpoint_end() and
 * checkpoint_finish(). */
int checkpoint_begin(const struct checkpoint_place *place, int64_t next_offset,
                     struct text position, struct checkpoint_writer **writer, struct error *err);
/* Appends to the state. An error is kept for checkpoint_finish(). */
void checkpoint_write(struct checkpoint_writer *writer, const void *data, size_t bytes);
/* That was all. */
void checkpoint_end(struct checkpoint_writer *writer);
/* Would checkpoint_finish() return at once? */
bool checkpoint_is_done(struct checkpoint_writer *writer);
/* Waits, and frees the writer in any case. `*bytes`: of the file. */
int checkpoint_finish(struct checkpoint_writer *writer, int64_t *bytes, struct error *err);

/* --- reading --------------------------------------------------------------------------------- */

/* The next offsets of those that are there, newest first; `*offsets` has place for CHECKPOINTS_MAX.
 * A directory that does not exist has none. Returns their number. */
enum { CHECKPOINTS_MAX = 16 };
int checkpoint_list(const struct checkpoint_place *place, int64_t *offsets, struct error *err);

struct checkpoint_reader {
    int64_t next_offset;
    struct text position;
    /* Private: */
    struct files *files;
    int file;
    int64_t at;
    uint32_t crc;
    struct buffer header;
    struct buffer block;
    size_t taken; /* of the block */
    bool ended;
};

/* ERR_DATA: it is not usable, and why. To be closed after success only. */
int checkpoint_open(const struct checkpoint_place *place, int64_t next_offset,
                    struct checkpoint_reader *reader, struct error *err);
/* Reads exactly so many bytes of the state; ERR_DATA when it does not have them, undamaged. */
int checkpoint_read(struct checkpoint_reader *reader, void *data, size_t bytes, struct error *err);
/* 0 when all has been read; ERR_DATA: there is more. */
int checkpoint_check_end(struct checkpoint_reader *reader, struct error *err);
void checkpoint_close(struct checkpoint_reader *reader);

/* Removes one. */
int checkpoint_remove(const struct checkpoint_place *place, int64_t next_offset, struct error *err);

#endif
