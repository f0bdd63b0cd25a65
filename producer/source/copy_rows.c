#include "producer/source/copy_rows.h"

#include "common/base/check.h"

enum { COPY_COLUMNS = 6 };

/* From Postgres' epoch, 2000-01-01, to Unix'. */
#define EPOCH_DIFFERENCE_US INT64_C(946684800000000)
/* Unix microseconds of 0001-01-01 and of 10000-01-01. */
#define YEAR_1_US INT64_C(-62135596800000000)
#define YEAR_10000_US INT64_C(253402300800000000)

static bool
copy_take_int64(struct copy_bytes *bytes, bool *null, int64_t *value)
{
    struct text field;
    if (!copy_take_field(bytes, null, &field))
        return false;
    return *null || (field.bytes == sizeof *value && copy_integer(field, value));
}

/* The greatest and the least value mean infinity and are out of range as well. */
static void
copy_set_created_at(struct outbox_row *row, bool null, int64_t postgres_us)
{
    int64_t unix_us;
    CHECK(!row->has_created_at && row->created_at_us == 0);
    if (null || __builtin_add_overflow(postgres_us, EPOCH_DIFFERENCE_US, &unix_us))
        return;
    row->has_created_at = unix_us >= YEAR_1_US && unix_us < YEAR_10000_US;
    row->created_at_us = row->has_created_at ? unix_us : 0;
}

static bool
copy_take_row(struct copy_bytes *bytes, struct outbox_row *row)
{
    bool no_id;
    bool no_entity;
    bool no_txid;
    bool no_time;
    bool no_to_all;
    int64_t txid = 0;
    int64_t created_at = 0;
    struct text to_all = {NULL, 0};
    *row = (struct outbox_row){0};
    if (!copy_take_int64(bytes, &no_id, &row->id) || no_id ||
        !copy_take_int64(bytes, &no_entity, &row->entity_id) || no_entity ||
        !copy_take_int64(bytes, &no_txid, &txid) || no_txid ||
        !copy_take_int64(bytes, &no_time, &created_at) ||
        !copy_take_field(bytes, &row->has_no_ops, &row->ops) ||
        !copy_take_field(bytes, &no_to_all, &to_all))
        return false;
    if (no_to_all == row->has_no_ops || (row->has_no_ops && to_all.bytes != 1))
        return false;
    row->txid = (uint64_t)txid;
    row->to_all = row->has_no_ops && to_all.data[0] != 0;
    CHECK(row->has_no_ops == (row->ops.data == NULL));
    copy_set_created_at(row, no_time, created_at);
    return true;
}

int
copy_rows_begin(struct copy_rows *rows, struct text bytes, struct error *err)
{
    CHECK(bytes.data != NULL || bytes.bytes == 0);
    const uint8_t *begin = (const uint8_t *)bytes.data;
    rows->bytes = (struct copy_bytes){begin, begin + bytes.bytes};
    rows->complete = false;
    return copy_take_header(&rows->bytes, err);
}

int
copy_rows_next(struct copy_rows *rows, struct outbox_row *row, bool *found, struct error *err)
{
    *found = false;
    CHECK(rows->bytes.at != NULL);
    CHECK(!rows->complete || rows->bytes.at == rows->bytes.end);
    if (rows->complete || rows->bytes.at == rows->bytes.end)
        return 0;
    int16_t columns;
    const uint8_t *before = rows->bytes.at;
    bool valid = copy_take_int16(&rows->bytes, &columns);
    if (valid && columns == COPY_TRAILER && copy_left(&rows->bytes) == 0) {
        rows->complete = true;
        return 0;
    }
    if (!valid || columns != COPY_COLUMNS || !copy_take_row(&rows->bytes, row))
        return error_set(err, ERR_FATAL, "postgres: a row of a binary copy is invalid");
    CHECK(rows->bytes.at > before && rows->bytes.at <= rows->bytes.end);
    *found = true;
    return 0;
}
