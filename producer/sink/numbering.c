#include "producer/sink/numbering.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/event/event.h"

void
numbering_init(struct numbering *numbering, int32_t partitions)
{
    CHECK(partitions > 0);
    *numbering = (struct numbering){.partitions = partitions};
    numbering->seq = memory_zalloc((size_t)partitions * sizeof *numbering->seq);
    numbering->digest = memory_alloc((size_t)partitions * sizeof *numbering->digest);
    numbering->content_digest =
        memory_alloc((size_t)partitions * sizeof *numbering->content_digest);
    for (int32_t i = 0; i < partitions; i++)
        numbering->digest[i] = numbering->content_digest[i] = EVENT_DIGEST_START;
}

void
numbering_free(struct numbering *numbering)
{
    CHECK((numbering->seq == NULL) == (numbering->digest == NULL));
    free(numbering->seq);
    free(numbering->digest);
    free(numbering->content_digest);
    *numbering = (struct numbering){0};
}

void
numbering_copy(struct numbering *to, const struct numbering *from)
{
    CHECK(from->partitions > 0);
    CHECK(to->partitions == from->partitions);
    CHECK(to->seq != from->seq && to->digest != from->digest);
    CHECK(to->content_digest != from->content_digest);
    size_t digest_bytes = (size_t)from->partitions * sizeof *from->digest;
    to->last_row_id = from->last_row_id;
    memcpy(to->seq, from->seq, (size_t)from->partitions * sizeof *from->seq);
    memcpy(to->digest, from->digest, digest_bytes);
    memcpy(to->content_digest, from->content_digest, digest_bytes);
}

int64_t
numbering_next(struct numbering *numbering, int32_t partition, const struct numbered_row *row)
{
    CHECK(partition >= 0 && partition < numbering->partitions);
    CHECK(numbering->seq[partition] >= 0 && numbering->seq[partition] < INT64_MAX);
    numbering->digest[partition] = event_digest_next(numbering->digest[partition], row->id);
    numbering->content_digest[partition] =
        event_content_next(numbering->content_digest[partition], row->id, row->txid, row->body_crc);
    if (row->id > numbering->last_row_id)
        numbering->last_row_id = row->id;
    return ++numbering->seq[partition];
}

int32_t
numbering_partition(int64_t entity_id, int32_t partitions)
{
    CHECK(partitions > 0);
    return (int32_t)((uint64_t)entity_id % (uint64_t)partitions);
}

bool
numbering_has_slot(int64_t entity_id, int32_t partitions, int64_t max_slots)
{
    CHECK(partitions > 0 && max_slots > 0);
    return entity_id >= 0 && entity_id / partitions < max_slots;
}
