/* The last numbered events of a partition as they were first sent, by seq, and the digests after
 * them: what is sent again is compared with them. One thread. */
#ifndef CONSUMER_AUDIT_AUDIT_RING_H
#define CONSUMER_AUDIT_AUDIT_RING_H

#include <stdbool.h>
#include <stdint.h>

/* The digests of L2 up to some seq, as far as they are known. */
struct audit_chain {
    uint64_t digest;
    uint64_t content;
    bool digest_known;
    bool content_known;
};

struct audit_numbered {
    int64_t seq; /* 0: none */
    int64_t row_id;
    uint64_t txid;
    uint32_t body_crc;
    struct audit_chain after;
};

/* Zero-initialise, with `size`. */
struct audit_ring {
    uint32_t size; /* > 0: how many events are kept */
    struct audit_numbered *items;
};

void audit_ring_free(struct audit_ring *ring);
/* Forgets all events. */
void audit_ring_clear(struct audit_ring *ring);
/* The content digests are not compared any more. */
void audit_ring_forget_contents(struct audit_ring *ring);
void audit_ring_put(struct audit_ring *ring, const struct audit_numbered *event);
/* NULL: it was too long ago. */
const struct audit_numbered *audit_ring_find(const struct audit_ring *ring, int64_t seq);

#endif
