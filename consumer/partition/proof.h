/* The proof of a partition: the source snapshot that it is proved to hold, if it is complete. It is
 * that of the last watermark of the epoch that owed nothing. Its age is in freshness.h.
 *
 * The partition may hold more than the snapshot: events of the windows after it. It holds all that
 * the snapshot sees, so that a transaction that the snapshot sees has been applied.
 *
 * As bytes, in the position of a frame (position.h): epoch, tick and clock, 8 bytes each,
 * little-endian; and the text of the snapshot.
 *
 * Pure. One thread.
 */
#ifndef CONSUMER_PARTITION_PROOF_H
#define CONSUMER_PARTITION_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/event/event.h"
#include "consumer/partition/freshness.h"

enum {
    /* Of a longer snapshot, one is kept that sees less: no transaction from its xmin on. */
    PROOF_SNAPSHOT_BYTES_MAX = 64 * 1024,
    PROOF_BYTES_MAX = 3 * 8 + PROOF_SNAPSHOT_BYTES_MAX,
};

struct proof {
    int64_t epoch; /* 0: nothing is proved, and there is no snapshot */
    int64_t tick;
    struct buffer snapshot; /* the text form of Postgres, terminated */
    struct freshness freshness;
};

void proof_init(struct proof *proof);
void proof_free(struct proof *proof);
/* `to` was initialised. */
void proof_copy(struct proof *to, const struct proof *from);

/* The next watermark of the partition's source, of the current generation. One that owes answers
 * proves nothing. */
void proof_take_mark(struct proof *proof, const struct event *event, int64_t offset);
/* A new epoch: ids of transactions may be issued again. */
void proof_clear(struct proof *proof);

/* As pg_visible_in_snapshot(): had the transaction finished? False when nothing is proved. */
bool proof_sees(const struct proof *proof, uint64_t xid);

/* Is its snapshot older than that of `other`? Nothing is older than any. */
bool proof_is_older(const struct proof *proof, const struct proof *other);

void proof_encode(const struct proof *proof, struct buffer *out);
/* `proof` was initialised. `now_us`: of the monotonic clock. ERR_DATA: the bytes are damaged. */
int proof_decode(struct text bytes, int64_t now_us, struct proof *proof, struct error *err);

#endif
