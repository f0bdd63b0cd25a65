#include "producer/source/copy_rows.h"

#include <endian.h>
#include <string.h>

#include "common/base/check.h"

enum { COPY_COLUMNS = 6, COPY_TRAILER = -1, SIGNATURE_BYTES = 11 };

/* From Postgres' epoch, 2000-01-01, to Unix'. */
#define EPOCH_DIFFERENCE_US INT64_C(946684800000000)
/* Unix microseconds of 0001-01-01 and of 10000-01-01. */
#define YEAR_1_US INT64_C(-62135596800000000)
#define YEAR_10000_US INT64_C(253402300800000000)

static const char signature[SIGNATURE_BYTES] = "PGCOPY\n\377\r\n";

static size_t
copy_left(const struct copy_rows *rows)
{
    CHECK(rows->at <= rows->end);
    return (size_t)(rows->end - rows->at);
}

static bool
copy_take_int16(struct copy_rows *rows, int16_t *value)
{
    uint16_t raw;
    if (copy_left(rows) < sizeof raw)
        return false;
    memcpy(&raw, rows->at, sizeof raw);
    rows->at += sizeof raw;
    *value = (int16_t)be16toh(raw);
    return true;
}

static bool
copy_take_int32(struct copy_rows *rows, int32_t *value)
{
    uint32_t raw;
    if (copy_left(rows) < sizeof raw)
        return false;
    memcpy(&raw, rows->at, sizeof raw);
    rows->at += sizeof raw;
    *value = (int32_t)be32toh(raw);
    return true;
}

/* Sets `*null`, or fills `*field` with the bytes of the field. */
static bool
copy_take_field(struct copy_rows *rows, bool *null, struct text *field)
{
    int32_t length;
    if (!copy_take_int32(rows, &length))
        return false;
    *null = length == -1;
    if (*null)
        return true;
    if (length < 0 || (size_t)length > copy_left(rows))
        return false;
    *field = (struct text){(const char *)rows->at, (size_t)length};
    rows->at += length;
    return true;
}

static bool
copy_take_int64(struct copy_rows *rows, bool *null, int64_t *value)
{
    struct text field;
    uint64_t raw;
    if (!copy_take_field(rows, null, &field))
        return false;
    if (*null)
        return true;
    if (field.bytes != sizeof raw)
        return false;
    memcpy(&raw, field.data, sizeof raw);
    *value = (int64_t)be64toh(raw);
    return true;
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
copy_take_row(struct copy_rows *rows, struct outbox_row *row)
{
    bool no_id;
    bool no_entity;
    bool no_txid;
    bool no_time;
    bool no_fan_out;
    int64_t txid = 0;
    int64_t created_at = 0;
    struct text fan_out;
    CHECK(!rows->complete);
    *row = (struct outbox_row){0};
    if (!copy_take_int64(rows, &no_id, &row->id) || no_id ||
        !copy_take_int64(rows, &no_entity, &row->entity_id) || no_entity ||
        !copy_take_int64(rows, &no_txid, &txid) || no_txid ||
        !copy_take_int64(rows, &no_time, &created_at) ||
        !copy_take_field(rows, &row->too_large, &row->ops) ||
        !copy_take_field(rows, &no_fan_out, &fan_out))
        return false;
    if (no_fan_out == row->too_large || (row->too_large && fan_out.bytes != 1))
        return false;
    row->txid = (uint64_t)txid;
    row->fan_out = row->too_large && fan_out.data[0] != 0;
    CHECK(row->too_large == (row->ops.data == NULL));
    copy_set_created_at(row, no_time, created_at);
    return true;
}

int
copy_rows_begin(struct copy_rows *rows, struct text bytes, struct error *err)
{
    int32_t flags;
    int32_t extension;
    CHECK(bytes.data != NULL || bytes.bytes == 0);
    rows->at = (const uint8_t *)bytes.data;
    rows->end = rows->at + bytes.bytes;
    rows->complete = false;
    if (bytes.bytes < SIGNATURE_BYTES || memcmp(bytes.data, signature, SIGNATURE_BYTES) != 0)
        return error_set(err, ERR_FATAL, "postgres: the bytes are not a binary copy");
    rows->at += SIGNATURE_BYTES;
    if (!copy_take_int32(rows, &flags) || !copy_take_int32(rows, &extension) || flags != 0 ||
        extension < 0 || (size_t)extension > copy_left(rows))
        return error_set(err, ERR_FATAL, "postgres: unknown header of a binary copy");
    rows->at += extension;
    return 0;
}

int
copy_rows_next(struct copy_rows *rows, struct outbox_row *row, bool *found, struct error *err)
{
    *found = false;
    CHECK(rows->at != NULL);
    CHECK(!rows->complete || rows->at == rows->end);
    if (rows->complete || rows->at == rows->end)
        return 0;
    int16_t columns;
    const uint8_t *before = rows->at;
    bool valid = copy_take_int16(rows, &columns);
    if (valid && columns == COPY_TRAILER && copy_left(rows) == 0) {
        rows->complete = true;
        return 0;
    }
    if (!valid || columns != COPY_COLUMNS || !copy_take_row(rows, row))
        return error_set(err, ERR_FATAL, "postgres: a row of a binary copy is invalid");
    CHECK(rows->at > before && rows->at <= rows->end);
    *found = true;
    return 0;
}
