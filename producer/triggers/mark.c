#include "producer/triggers/mark.h"

#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/sql.h"

#define COVERS "\", covers ["

void
mark_append_prefix(struct buffer *out, const char *outbox_schema)
{
    buffer_append_text(out, "bitdex-producer triggers, outbox ");
    sql_append_name(out, outbox_schema);
    buffer_append_text(out, ",");
}

void
mark_append(struct buffer *out, const char *outbox_schema, const char *const *fields,
            uint32_t field_count, const char *hash)
{
    CHECK(fields != NULL || field_count == 0);
    mark_append_prefix(out, outbox_schema);
    buffer_append_text(out, fields != NULL ? " covers [" : "");
    for (uint32_t i = 0; i < field_count; i++) {
        CHECK(strpbrk(fields[i], "\"\\") == NULL);
        buffer_append_format(out, "%s\"%s\"", i > 0 ? "," : "", fields[i]);
    }
    buffer_append_format(out, "%s sha256 %s", fields != NULL ? "]" : "", hash);
}

/* The text after "covers [": the last such place, because a list contains no other, whatever the
 * name of the schema contains. NULL: the mark has no list. */
static const char *
find_fields(const char *mark)
{
    const char *fields = NULL;
    for (const char *at = mark; (at = strstr(at, COVERS)) != NULL; fields = at)
        at += strlen(COVERS);
    return fields;
}

bool
mark_has_fields(const char *mark)
{
    CHECK(mark != NULL);
    return find_fields(mark) != NULL;
}

bool
mark_covers(const char *mark, const char *field)
{
    const char *at = find_fields(mark);
    CHECK(field != NULL);
    while (at != NULL && *at == '"') {
        struct text name = {at + 1, strcspn(at + 1, "\"")};
        if (text_is(name, field))
            return true;
        at = name.data + name.bytes;
        at += *at == '"' ? 1 : 0;
        at += *at == ',' ? 1 : 0;
    }
    return false;
}
