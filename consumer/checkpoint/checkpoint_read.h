/* Reading a checkpoint. The state comes block by block, each checked before it is handed out.
 *
 * Failure: a checkpoint that is damaged, cut, or of another log is not usable (ERR_DATA); the
 * caller discards what it has read and takes an older one. One thread.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_READ_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_READ_H

#include "consumer/checkpoint/checkpoint.h"

struct checkpoint_reader {
    int64_t next_offset;
    struct text position; /* lives until checkpoint_close(), as does the next */
    struct text identity; /* that of the place, but for the lines of fields */
    /* Private: */
    struct files *files;
    int file; /* -1: closed */
    int64_t at;
    uint32_t crc; /* of the file up to `at` */
    struct buffer header;
    struct buffer block;
    bool ended; /* the last block was read */
};

/* ERR_DATA: the checkpoint is not usable. After success the caller closes the reader. */
int checkpoint_open(const struct checkpoint_place *place, int64_t next_offset,
                    struct checkpoint_reader *reader, struct error *err);
/* Sets `data` to the next bytes of the state, which are valid until the next call. ERR_DATA: there
 * are no more, or they are damaged. */
int checkpoint_next(struct checkpoint_reader *reader, struct text *data, struct error *err);
/* 0: the whole state was read and the file ends there. ERR_DATA: it does not. */
int checkpoint_check_end(struct checkpoint_reader *reader, struct error *err);
void checkpoint_close(struct checkpoint_reader *reader);

#endif
