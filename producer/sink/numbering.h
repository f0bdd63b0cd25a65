/* The numbers of L2: for each partition the last seq, the digest over its row ids and the digest
 * over its content. And routing: the partition and the slot of an entity.
 *
 * A window that is sent again from the same numbers gives every event the same seq. Pure; one
 * thread.
 */
#ifndef PRODUCER_SINK_NUMBERING_H
#define PRODUCER_SINK_NUMBERING_H

#include <stdbool.h>
#include <stdint.h>

struct numbering {
    int32_t partitions;
    int64_t last_row_id;      /* greatest row id numbered so far */
    int64_t *seq;             /* by partition; owned */
    uint64_t *digest;         /* by partition; owned */
    uint64_t *content_digest; /* by partition; owned */
};

/* A row as the digests see it; `body_crc` is that of its encoded event (event_content_next). */
struct numbered_row {
    int64_t id;
    uint64_t txid;
    uint32_t body_crc;
};

/* Begins with nothing sent. `partitions` > 0. */
void numbering_init(struct numbering *numbering, int32_t partitions);
void numbering_free(struct numbering *numbering);

/* Both have the same number of partitions. */
void numbering_copy(struct numbering *to, const struct numbering *from);

/* Returns the partition's next seq, for the row. */
int64_t numbering_next(struct numbering *numbering, int32_t partition,
                       const struct numbered_row *row);

/* entity_id mod P, as unsigned; defined also for an entity that has no slot. */
int32_t numbering_partition(int64_t entity_id, int32_t partitions);

/* The entity has a slot (entity_id div P) below `max_slots`. Negative ids have none. */
bool numbering_has_slot(int64_t entity_id, int32_t partitions, int64_t max_slots);

#endif
