#include "consumer/audit/audit_ring.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"

void
audit_ring_free(struct audit_ring *ring)
{
    free(ring->items);
    ring->items = NULL;
}

void
audit_ring_clear(struct audit_ring *ring)
{
    CHECK(ring->size > 0);
    if (ring->items != NULL)
        memset(ring->items, 0, ring->size * sizeof *ring->items);
}

void
audit_ring_forget_contents(struct audit_ring *ring)
{
    CHECK(ring->size > 0);
    for (uint32_t i = 0; ring->items != NULL && i < ring->size; i++)
        ring->items[i].after.content_known = false;
}

void
audit_ring_put(struct audit_ring *ring, const struct audit_numbered *event)
{
    CHECK(ring->size > 0);
    CHECK(event->seq > 0);
    if (ring->items == NULL)
        ring->items = memory_zalloc(ring->size * sizeof *ring->items);
    ring->items[event->seq % ring->size] = *event;
}

const struct audit_numbered *
audit_ring_find(const struct audit_ring *ring, int64_t seq)
{
    CHECK(seq >= 0);
    if (ring->items == NULL || seq == 0)
        return NULL;
    const struct audit_numbered *found = &ring->items[seq % ring->size];
    return found->seq == seq ? found : NULL;
}
