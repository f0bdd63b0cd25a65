/* A snapshot of the source database: which transactions had finished at one moment.
 *
 * Source of the form: PostgreSQL manual, "pg_snapshot Components": `xmin:xmax:xip,xip...`. Ids are
 * 64 bit wide and never wrap. Pure; a snapshot belongs to one thread.
 */
#ifndef PRODUCER_SOURCE_SNAPSHOT_H
#define PRODUCER_SOURCE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

struct snapshot {
    uint64_t xmin; /* everything below had finished */
    uint64_t xmax; /* nothing from here on had begun */
    uint64_t *xip; /* between them, still running; ascending; owned */
    uint32_t xip_count;
};

/* The text form of a snapshot that has seen nothing: where a first cursor stands. */
#define SNAPSHOT_EMPTY "1:1:"

/* Zero-initialise before the first use; parsing and copying release what was held. */
void snapshot_free(struct snapshot *snapshot);

/* ERR_FATAL when `text` is not a snapshot; `snapshot` then holds what it held before. */
int snapshot_parse(struct snapshot *snapshot, const char *text, struct error *err);
void snapshot_copy(struct snapshot *to, const struct snapshot *from);
void snapshot_print(const struct snapshot *snapshot, struct buffer *out);

/* `snapshot` then sees what both have seen. */
void snapshot_narrow(struct snapshot *snapshot, const struct snapshot *other);

/* Had `xid` finished? Whether it was committed, only the database knows. */
bool snapshot_sees(const struct snapshot *snapshot, uint64_t xid);

#endif
