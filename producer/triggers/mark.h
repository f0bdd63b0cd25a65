/* The comment by which an object in the database is known as ours. It names the schema of the
 * outbox, so that two outboxes in one database do not touch each other's objects, and the SHA-256
 * of the definition. Pure; any thread.
 *
 *     bitdex-producer triggers, outbox "public", sha256 HASH
 *     bitdex-producer triggers, outbox "public", covers ["level",""] sha256 HASH
 *
 * The second form is that of a row trigger. The list names the fields whose changes the trigger
 * reports for its events; "" is existence. Triggers of earlier builds have the first form.
 */
#ifndef PRODUCER_TRIGGERS_MARK_H
#define PRODUCER_TRIGGERS_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

/* Appends what every mark begins with. */
void mark_append_prefix(struct buffer *out, const char *outbox_schema);

/* Appends a mark. `fields` without quotes or backslashes; NULL: the mark has no list. */
void mark_append(struct buffer *out, const char *outbox_schema, const char *const *fields,
                 uint32_t field_count, const char *hash);

/* Does the mark have a list of fields? */
bool mark_has_fields(const char *mark);

/* Is the field in the list? */
bool mark_covers(const char *mark, const char *field);

#endif
