/* Events of single rows, in the mix that the gallery's triggers write: mostly tags, one image in
 * twelve rows, one fan-out in 2,000. For the benches of what a worker does with events.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "common/event/event_codec.h"
#include "consumer/partition/batch.h"

enum { ROWS_OF_BATCH = 5000 }; /* the default of consumer.batch_rows */

/* Of one partition, with the fields of entities.h. */
extern const struct config rows_config;

/* The messages of one batch. */
struct rows {
    struct event_codec *codec;
    struct buffer bytes;
    size_t ends[ROWS_OF_BATCH];
    int64_t seq; /* of the last row that was made */
};

void rows_init(struct rows *rows);
void rows_free(struct rows *rows);

/* Makes the next batch, for entities whose ids are spread evenly below `ids`. */
void rows_make(struct rows *rows, uint64_t ids);
/* Adds it to a batch that has begun; the offset of a message is its seq. */
void rows_add(const struct rows *rows, struct batch *batch);

#endif
