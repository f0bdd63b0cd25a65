/* A snapshot of the source database: which transactions had finished when it was taken.
 *
 * Source of the text form: PostgreSQL manual, "pg_snapshot Components": `xmin:xmax:xip,xip...`. Ids
 * are 64 bits wide and never wrap. Pure; a snapshot belongs to one thread.
 */
#ifndef COMMON_EVENT_SNAPSHOT_H
#define COMMON_EVENT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

struct snapshot {
    uint64_t xmin; /* all transactions below it had finished */
    uint64_t xmax; /* no transaction from it on had finished */
    uint64_t *xip; /* those between them that were running; ascending; owned */
    uint32_t xip_count;
};

/* The text form of a snapshot that sees nothing: the position of a new cursor. */
#define SNAPSHOT_EMPTY "1:1:"

/* Zero-initialise before the first use; parsing and copying release the previous content. */
void snapshot_free(struct snapshot *snapshot);

/* ERR_FATAL when `text` is not a snapshot; `snapshot` is then unchanged. */
int snapshot_parse(struct snapshot *snapshot, const char *text, struct error *err);
/* `from` was parsed: it is not only zero-initialised. So also below. */
void snapshot_copy(struct snapshot *to, const struct snapshot *from);
void snapshot_print(const struct snapshot *snapshot, struct buffer *out);

/* `snapshot` then sees what both see. */
void snapshot_narrow(struct snapshot *snapshot, const struct snapshot *other);

/* Had transaction `xid` finished? Only the database knows whether it was committed. */
bool snapshot_sees(const struct snapshot *snapshot, uint64_t xid);

#endif
