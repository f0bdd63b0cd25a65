#include "producer/triggers/concat.h"

#include "common/base/check.h"
#include "producer/triggers/sql.h"

static void
flush_literal(struct concat *concat)
{
    if (concat->literal.bytes == 0)
        return;
    if (concat->sql.bytes > 0)
        buffer_append_text(&concat->sql, " || ");
    sql_append_literal(&concat->sql, buffer_string(&concat->literal));
    buffer_clear(&concat->literal);
}

void
concat_literal(struct concat *concat, const char *text)
{
    buffer_append_text(&concat->literal, text);
}

void
concat_sql(struct concat *concat, const char *expression)
{
    CHECK(*expression != '\0');
    flush_literal(concat);
    if (concat->sql.bytes > 0)
        buffer_append_text(&concat->sql, "\n        || ");
    buffer_append_text(&concat->sql, expression);
}

void
concat_finish(struct concat *concat, struct buffer *out)
{
    flush_literal(concat);
    CHECK(concat->literal.bytes == 0);
    buffer_append_text(out, concat->sql.bytes > 0 ? buffer_string(&concat->sql) : "''");
    buffer_free(&concat->sql);
    buffer_free(&concat->literal);
}
