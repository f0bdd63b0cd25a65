#include "producer/source/source_snapshot.h"

#include "common/base/check.h"
#include "common/base/clock.h"

/* The clock is that of the arrival of the whole message. */
static const char snapshot_query[] = "SELECT pg_current_snapshot(), (extract(epoch FROM"
                                     " statement_timestamp()) * 1000000)::bigint";

int
source_snapshot_read(struct pg *pg, struct source_snapshot *out, struct error *err)
{
    return source_snapshot_read_after(pg, "", out, err);
}

int
source_snapshot_read_after(struct pg *pg, const char *before, struct source_snapshot *out,
                           struct error *err)
{
    struct pg_result *result;
    struct buffer sql = {0};
    buffer_append_format(&sql, "%s%s", before, snapshot_query);
    out->read_us = clock_monotonic_us();
    int rc = pg_query_last(pg, buffer_string(&sql), &result, err);
    buffer_free(&sql);
    if (rc != 0)
        return error_wrap(err, rc, "could not take a source snapshot");
    CHECK(pg_rows(result) == 1);
    rc = snapshot_parse(&out->snapshot, pg_text(result, 0, 0), err);
    out->clock_us = pg_integer(result, 0, 1);
    CHECK(rc != 0 || out->snapshot.xmin > 0);
    pg_result_clear(result);
    return rc;
}

int
source_snapshot_last_id(struct pg *pg, int64_t *row_id, struct error *err)
{
    struct pg_result *result;
    int rc =
        pg_query(pg, "SELECT pg_sequence_last_value(pg_get_serial_sequence('\"BitdexOps\"', 'id'))",
                 0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the sequence of \"BitdexOps\".id");
    CHECK(pg_rows(result) == 1);
    *row_id = pg_integer(result, 0, 0);
    pg_result_clear(result);
    return 0;
}
