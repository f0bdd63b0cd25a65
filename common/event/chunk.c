#include "common/event/chunk.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"

enum { FIELD_UNKNOWN = -1 };

static int
validate_slots(const uint32_t *slots, uint32_t count, const char *what, struct error *err)
{
    CHECK(slots != NULL || count == 0);
    bool ascending = true;
    for (uint32_t i = 1; i < count; i++)
        ascending &= slots[i - 1] < slots[i];
    return ascending ? 0 : error_set(err, ERR_DATA, "%s of a chunk are not ascending", what);
}

/* Are all `slots`, which are in order, among the slots that the chunk is about? */
static int
validate_among(const struct chunk *chunk, const uint32_t *slots, uint32_t count, struct error *err)
{
    CHECK(chunk->has_slots);
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        while (at < chunk->slot_count && chunk->slots[at] < slots[i])
            at++;
        if (at == chunk->slot_count || chunk->slots[at] != slots[i])
            return error_set(err, ERR_DATA, "slot %u is not one of the chunk", slots[i]);
    }
    return 0;
}

static int
validate_column_slots(const struct chunk *chunk, const struct chunk_column *column,
                      struct error *err)
{
    CHECK(column->slots != NULL || column->count == 0);
    bool ascending = true;
    for (uint32_t i = 1; i < column->count; i++)
        ascending &= column->slots[i - 1] <= column->slots[i];
    if (!ascending)
        return error_set(err, ERR_DATA, "slots of a column are not ascending");
    return chunk->has_slots ? validate_among(chunk, column->slots, column->count, err) : 0;
}

static int
validate_floats(const struct chunk_column *column, struct error *err)
{
    CHECK(column->floats != NULL || column->count == 0);
    bool finite = true;
    for (uint32_t i = 0; i < column->count; i++)
        finite &= isfinite(column->floats[i]) != 0;
    return finite ? 0 : error_set(err, ERR_DATA, "a value of a column is not a finite number");
}

/* Booleans are below 2, and strings are indexes. */
static int
validate_codes(const struct chunk_column *column, uint32_t bound, struct error *err)
{
    CHECK(column->integers != NULL || column->count == 0);
    bool fit = true;
    for (uint32_t i = 0; i < column->count; i++)
        fit &= (uint64_t)column->integers[i] < bound;
    return fit ? 0 : error_set(err, ERR_DATA, "a value of a column is not below %u", bound);
}

static int
validate_values(const struct chunk_column *column, struct error *err)
{
    CHECK(column->integers != NULL || column->floats != NULL || column->count == 0);
    if (column->string_count > 0 && column->kind != CHUNK_STRINGS)
        return error_set(err, ERR_DATA, "a column without strings has a list of them");
    switch (column->kind) {
    case CHUNK_INTEGERS:
        return 0;
    case CHUNK_FLOATS:
        return validate_floats(column, err);
    case CHUNK_BOOLEANS:
        return validate_codes(column, 2, err);
    case CHUNK_STRINGS:
        return validate_codes(column, column->string_count, err);
    default:
        return error_set(err, ERR_DATA, "unknown kind of column %d", (int)column->kind);
    }
}

/* The index of the field, or FIELD_UNKNOWN. `hint` is where the search begins. */
static int
find_field(const struct chunk *chunk, struct text field, uint32_t hint)
{
    for (uint32_t i = 0; i < chunk->field_count; i++) {
        uint32_t at = (hint + i) % chunk->field_count;
        if (text_equal(chunk->fields[at], field))
            return (int)at;
    }
    return FIELD_UNKNOWN;
}

static int
validate_fields(const struct chunk *chunk, struct error *err)
{
    CHECK(chunk->fields != NULL || chunk->field_count == 0);
    if (chunk->field_count > EVENT_FIELDS_MAX)
        return error_set(err, ERR_DATA, "a chunk of %u fields, more than %d", chunk->field_count,
                         EVENT_FIELDS_MAX);
    for (uint32_t i = 1; i < chunk->field_count; i++)
        for (uint32_t before = 0; before < i; before++)
            if (text_equal(chunk->fields[i], chunk->fields[before]))
                return error_set(err, ERR_DATA, "a chunk has the field \"%.*s\" twice",
                                 TEXT_ARGS(chunk->fields[i]));
    return 0;
}

/* A column for each kind of values of a field, at most. */
static int
validate_columns(const struct chunk *chunk, struct error *err)
{
    uint8_t kinds[EVENT_FIELDS_MAX] = {0};
    uint32_t hint = 0;
    CHECK(chunk->field_count <= EVENT_FIELDS_MAX);
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        const struct chunk_column *column = &chunk->columns[i];
        int rc = validate_values(column, err);
        if (rc == 0)
            rc = validate_column_slots(chunk, column, err);
        if (rc != 0)
            return error_wrap(err, rc, "column \"%.*s\"", TEXT_ARGS(column->field));
        int field = find_field(chunk, column->field, hint);
        if (field == FIELD_UNKNOWN)
            return error_set(err, ERR_DATA, "column \"%.*s\" is of no field of the chunk",
                             TEXT_ARGS(column->field));
        if ((kinds[field] & 1U << column->kind) != 0)
            return error_set(err, ERR_DATA, "column \"%.*s\" comes twice",
                             TEXT_ARGS(column->field));
        kinds[field] |= (uint8_t)(1U << column->kind);
        hint = (uint32_t)field;
    }
    return 0;
}

static int
validate_lists(const struct chunk *chunk, struct error *err)
{
    if ((!chunk->has_slots && chunk->slot_count > 0) ||
        (!chunk->states_alive && chunk->alive_count > 0))
        return error_set(err, ERR_DATA, "a chunk has slots that it does not state");
    int rc = validate_slots(chunk->slots, chunk->slot_count, "slots", err);
    if (rc == 0)
        rc = validate_slots(chunk->alive, chunk->alive_count, "slots that are alive", err);
    if (rc == 0 && chunk->has_slots)
        rc = validate_among(chunk, chunk->alive, chunk->alive_count, err);
    return rc;
}

int
chunk_validate(const struct chunk *chunk, struct error *err)
{
    CHECK(chunk->columns != NULL || chunk->column_count == 0);
    CHECK(chunk->answers != NULL || chunk->answer_count == 0);
    if (chunk->purpose < CHUNK_LOAD || chunk->purpose > CHUNK_CHECK)
        return error_set(err, ERR_DATA, "unknown purpose of a chunk %d", (int)chunk->purpose);
    if (chunk->job < 0 || chunk->begin < 0 || chunk->end <= chunk->begin)
        return error_set(err, ERR_DATA, "the range of a chunk is empty, or its job is negative");
    if (chunk->rejected.bytes > 0 && chunk->column_count + chunk->alive_count > 0)
        return error_set(err, ERR_DATA, "a rejected chunk has values");
    int rc = validate_fields(chunk, err);
    if (rc == 0)
        rc = validate_lists(chunk, err);
    return rc == 0 ? validate_columns(chunk, err) : rc;
}
