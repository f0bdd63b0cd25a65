#include "consumer/engine/chunk_check.h"

#include "common/base/check.h"

/* Slots in ascending order, in this range; `repeats`: a slot may come several times. */
static int
check_slots(const uint32_t *slots, uint32_t count, bool repeats, const struct slot_range *range,
            struct error *err)
{
    CHECK(slots != NULL || count == 0);
    for (uint32_t i = 1; i < count; i++) {
        if (slots[i] < slots[i - 1] || (slots[i] == slots[i - 1] && !repeats))
            return error_set(err, ERR_DATA, "slot %u follows slot %u", slots[i], slots[i - 1]);
    }
    if (count > 0 && (slots[0] < range->begin || slots[count - 1] >= range->end))
        return error_set(err, ERR_DATA,
                         "slots %u to %u are not in its range, which is slots %llu to %llu",
                         slots[0], slots[count - 1], (unsigned long long)range->begin,
                         (unsigned long long)range->end);
    return 0;
}

/* Are all of these slots, which are in order, in the list of the chunk? */
static int
check_listed(const struct chunk *chunk, const uint32_t *slots, uint32_t count, struct error *err)
{
    uint32_t at = 0;
    for (uint32_t i = 0; chunk->has_slots && i < count; i++) {
        while (at < chunk->slot_count && chunk->slots[at] < slots[i])
            at++;
        if (at == chunk->slot_count || chunk->slots[at] != slots[i])
            return error_set(err, ERR_DATA, "slot %u is not in the list of slots", slots[i]);
    }
    return 0;
}

static bool
chunk_has_field(const struct chunk *chunk, struct text field)
{
    uint32_t i = 0;
    while (i < chunk->field_count && !text_equal(chunk->fields[i], field))
        i++;
    return i < chunk->field_count;
}

static int
check_values(const struct chunk_column *column, struct error *err)
{
    int64_t limit = column->kind == CHUNK_BOOLEANS ? 2 : (int64_t)column->string_count;
    bool is_number = column->kind == CHUNK_INTEGERS || column->kind == CHUNK_FLOATS;
    CHECK(column->count == 0 || column->integers != NULL || column->kind == CHUNK_FLOATS);
    CHECK(column->count == 0 || column->floats != NULL || column->kind != CHUNK_FLOATS);
    for (uint32_t i = 0; !is_number && i < column->count; i++) {
        if (column->integers[i] < 0 || column->integers[i] >= limit)
            return error_set(err, ERR_DATA, "value %lld is not one of %lld",
                             (long long)column->integers[i], (long long)limit);
    }
    return 0;
}

static int
check_column(const struct chunk *chunk, const struct chunk_column *column,
             const struct slot_range *range, struct error *err)
{
    CHECK(column->kind <= CHUNK_STRINGS);
    if (!chunk_has_field(chunk, column->field))
        return error_set(err, ERR_DATA, "the chunk does not name the field");
    int rc = check_slots(column->slots, column->count, true, range, err);
    if (rc == 0)
        rc = check_listed(chunk, column->slots, column->count, err);
    return rc != 0 ? rc : check_values(column, err);
}

static int
check_all(const struct chunk *chunk, const struct slot_range *range, struct error *err)
{
    int rc = check_slots(chunk->slots, chunk->slot_count, false, range, err);
    if (rc != 0)
        return error_wrap(err, rc, "list of slots");
    rc = check_slots(chunk->alive, chunk->alive_count, false, range, err);
    if (rc == 0)
        rc = check_listed(chunk, chunk->alive, chunk->alive_count, err);
    if (rc != 0)
        return error_wrap(err, rc, "alive");
    for (uint32_t i = 0; rc == 0 && i < chunk->column_count; i++) {
        rc = check_column(chunk, &chunk->columns[i], range, err);
        if (rc != 0)
            error_wrap(err, rc, "column \"%.*s\"", TEXT_ARGS(chunk->columns[i].field));
    }
    return rc;
}

int
chunk_check(const struct engine *engine, const struct chunk *chunk, struct error *err)
{
    if (chunk->begin < 0 || chunk->begin > chunk->end)
        return error_set(err, ERR_DATA, "a chunk of entities %lld to %lld", (long long)chunk->begin,
                         (long long)chunk->end);
    struct slot_range range = engine_slot_range(engine, chunk->begin, chunk->end);
    int rc = check_all(chunk, &range, err);
    if (rc == 0)
        return 0;
    return error_wrap(err, rc, "chunk of entities %lld to %lld", (long long)chunk->begin,
                      (long long)chunk->end);
}
