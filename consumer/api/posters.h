/* What those who post say of themselves in `meta`: the last word of each source, for sync-lag and
 * metrics. Kept in memory, and only of the sources that were heard of last. Any thread. */
#ifndef CONSUMER_API_POSTERS_H
#define CONSUMER_API_POSTERS_H

#include "consumer/api/ops_request.h"

enum { POSTERS_MAX = 64 };

struct posters;

struct poster {
    char source[OPS_SOURCE_BYTES_MAX + 1];
    int64_t cursor; /* negative: not said, as are the next two */
    int64_t max_id;
    int64_t lag_rows;
    uint64_t ops;  /* posted since this process started */
    int64_t heard; /* order of the last words */
};

struct posters *posters_create(void);
void posters_destroy(struct posters *posters);

/* `ops` were stored with this word. Without a source nothing is kept. */
void posters_note(struct posters *posters, const struct ops_meta *meta, uint64_t ops);
/* Copies them to `out`; returns how many. */
uint32_t posters_read(struct posters *posters, struct poster out[static POSTERS_MAX]);

#endif
