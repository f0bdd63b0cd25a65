/* Happy path: values are kept as series, one for each field and kind. Building sorts and divides
 * each series by partition; the columns of all chunks are then pieces of these arrays. One part for
 * the whole range is tried first, and a range whose chunks do not all fit is halved.
 *
 * Failure modes: an entity that does not fit alone loses its largest fields, until the others fit.
 * The size of a chunk is estimated from above, closely: exactly for slots and values, and with a
 * margin for the rest.
 */
#include "producer/load/chunk_builder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "common/event/event.h"
#include "common/ops/ops_json.h"
#include "producer/load/dictionary.h"
#include "producer/load/series.h"

enum {
    KINDS = CHUNK_STRINGS + 1,
    LONG_BYTES_MAX = 10,
    TEXT_HEAD_BYTES = 5, /* the length of a text */
    /* Everything of an event and its chunk that does not grow: the numbers, the name of the
     * source, and the heads of the lists. */
    EVENT_MARGIN_BYTES = 1024,
    COLUMN_MARGIN_BYTES = 64, /* the kind, and the heads of the lists */
    REASON_BYTES = 512,
};

/* The values of one kind of one field. */
struct column {
    uint32_t field;
    enum chunk_values kind;
    struct series series;
    struct dictionary texts; /* of CHUNK_STRINGS: the values are numbers in it */
    /* While chunks are built: */
    struct series_slice *slices; /* by partition */
    struct text *copies;         /* the texts, in the arena of the result */
    uint64_t *seen;              /* by number: the slice that has the text, and its place there */
};

struct chunk_builder {
    struct chunk_shape shape;
    int64_t id_end;             /* ids at or above it have no slot */
    struct chunk_field *fields; /* those of the shape; owned */
    struct column *columns;     /* of all fields and kinds */
    struct series alive;
    struct series scratch;
    struct arena texts; /* of the dictionaries */
    uint64_t values;
    bool *dropped;    /* by field: values are not kept any more; owned */
    bool drops_alive; /* whether the entity is alive is unknown */
    bool has_dropped;
    int64_t large_id;    /* with has_dropped: the only entity that has values */
    const char *reason;  /* why fields are dropped, in `texts`; NULL: they are too large */
    uint64_t base_bytes; /* of a chunk without values */
};

/* One building. */
struct work {
    struct chunk_builder *builder;
    struct arena *arena;     /* of the result */
    struct text *names;      /* of the fields */
    struct column **columns; /* those that have values */
    uint32_t column_count;
    struct series_slice *alive; /* by partition */
    bool has_slots;
    struct series_slice *listed; /* with has_slots: what the chunks are about */
    struct load_part *parts;     /* owned until they are copied to the arena */
    uint32_t part_count;
    uint32_t part_capacity;
    uint32_t pieces; /* that were measured or written: the number of the last one */
    bool *dropped;   /* by field: the values of the entity that is written do not fit; owned */
};

struct chunk_builder *
chunk_builder_create(const struct chunk_shape *shape)
{
    struct chunk_builder *builder = memory_zalloc(sizeof *builder);
    CHECK(shape->partitions > 0 && shape->partitions <= 1 << 20);
    CHECK(shape->max_slots > 0 && shape->max_slots <= INT64_C(1) << 32);
    CHECK(shape->event_bytes_max > 0);
    builder->shape = *shape;
    builder->id_end = shape->max_slots * shape->partitions; /* at most 2^32 * 1024 */
    builder->fields = memory_alloc((shape->field_count + 1) * sizeof *builder->fields);
    builder->shape.fields = builder->fields;
    builder->dropped = memory_zalloc((shape->field_count + 1) * sizeof *builder->dropped);
    builder->columns = memory_zalloc((shape->field_count + 1) * KINDS * sizeof *builder->columns);
    builder->base_bytes = EVENT_MARGIN_BYTES;
    for (uint32_t i = 0; i < shape->field_count; i++) {
        builder->fields[i] = shape->fields[i];
        builder->base_bytes += TEXT_HEAD_BYTES + shape->fields[i].name.bytes;
        for (uint32_t kind = 0; kind < KINDS; kind++) {
            builder->columns[i * KINDS + kind].field = i;
            builder->columns[i * KINDS + kind].kind = (enum chunk_values)kind;
        }
    }
    arena_init(&builder->texts);
    return builder;
}

void
chunk_builder_destroy(struct chunk_builder *builder)
{
    if (builder == NULL)
        return;
    for (uint32_t i = 0; i < builder->shape.field_count * KINDS; i++) {
        series_free(&builder->columns[i].series);
        dictionary_free(&builder->columns[i].texts);
    }
    series_free(&builder->alive);
    series_free(&builder->scratch);
    arena_free(&builder->texts);
    free(builder->columns);
    free(builder->dropped);
    free(builder->fields);
    free(builder);
}

void
chunk_builder_clear(struct chunk_builder *builder)
{
    for (uint32_t i = 0; i < builder->shape.field_count * KINDS; i++) {
        struct column *column = &builder->columns[i];
        column->series.count = 0;
        column->series.is_unsorted = false;
        dictionary_clear(&column->texts);
    }
    builder->alive.count = 0;
    builder->alive.is_unsorted = false;
    builder->values = 0;
    builder->has_dropped = false;
    builder->drops_alive = false;
    builder->reason = NULL;
    memset(builder->dropped, 0, builder->shape.field_count * sizeof *builder->dropped);
    arena_reset(&builder->texts);
}

bool
chunk_builder_has_slot(const struct chunk_builder *builder, int64_t id)
{
    return id >= 0 && id < builder->id_end;
}

void
chunk_builder_add_alive(struct chunk_builder *builder, int64_t id)
{
    CHECK(builder->shape.states_alive);
    CHECK(chunk_builder_has_slot(builder, id));
    if (!builder->drops_alive)
        series_add(&builder->alive, id, 0);
}

static struct column *
find_column(struct chunk_builder *builder, uint32_t field, enum chunk_values kind)
{
    CHECK(field < builder->shape.field_count);
    return &builder->columns[field * KINDS + kind];
}

static void
add(struct chunk_builder *builder, uint32_t field, enum chunk_values kind, int64_t id,
    int64_t value)
{
    CHECK(chunk_builder_has_slot(builder, id));
    if (builder->dropped[field])
        return;
    series_add(&find_column(builder, field, kind)->series, id, value);
    builder->values++;
}

void
chunk_builder_add_integer(struct chunk_builder *builder, uint32_t field, int64_t id,
                          int64_t integer)
{
    add(builder, field, CHUNK_INTEGERS, id, integer);
}

void
chunk_builder_add_boolean(struct chunk_builder *builder, uint32_t field, int64_t id, bool boolean)
{
    add(builder, field, CHUNK_BOOLEANS, id, boolean);
}

void
chunk_builder_add_float(struct chunk_builder *builder, uint32_t field, int64_t id, double real)
{
    int64_t bits;
    memcpy(&bits, &real, sizeof bits);
    add(builder, field, CHUNK_FLOATS, id, bits);
}

/* An event carries the same texts as ops do. */
static int
check_text(struct text text, struct error *err)
{
    if (text.bytes > ops_limits_default.string_bytes)
        return error_set(err, ERR_DATA, "string is longer than %u bytes",
                         ops_limits_default.string_bytes);
    if (!utf8_valid(text.data, text.bytes))
        return error_set(err, ERR_DATA, "string is not UTF-8, or has a NUL");
    return 0;
}

int
chunk_builder_add_text(struct chunk_builder *builder, uint32_t field, int64_t id, struct text text,
                       struct error *err)
{
    bool found;
    struct column *column = find_column(builder, field, CHUNK_STRINGS);
    if (builder->dropped[field])
        return 0;
    uint32_t number = dictionary_find(&column->texts, text, &found);
    if (!found) {
        int rc = check_text(text, err);
        if (rc != 0)
            return rc;
        number = dictionary_add(&column->texts, arena_text(&builder->texts, text));
    }
    add(builder, field, CHUNK_STRINGS, id, number);
    return 0;
}

/* The items of an array were checked when it was parsed (ops_json_parse_value). */
static int
add_strings(struct chunk_builder *builder, uint32_t field, int64_t id, const struct value *value,
            struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < value->strings.count; i++)
        rc = check_text(value->strings.items[i], err);
    for (uint32_t i = 0; rc == 0 && i < value->strings.count; i++)
        rc = chunk_builder_add_text(builder, field, id, value->strings.items[i], err);
    return rc;
}

int
chunk_builder_add_value(struct chunk_builder *builder, uint32_t field, int64_t id,
                        const struct value *value, struct error *err)
{
    bool is_array = value->kind == VALUE_INTEGERS || value->kind == VALUE_STRINGS;
    CHECK(field < builder->shape.field_count);
    if (is_array && !builder->shape.fields[field].is_multi_value)
        return error_set(err, ERR_DATA, "is an array, and the field takes one value");
    switch (value->kind) {
    case VALUE_NULL:
        return 0;
    case VALUE_INTEGER:
        chunk_builder_add_integer(builder, field, id, value->integer);
        return 0;
    case VALUE_FLOAT:
        chunk_builder_add_float(builder, field, id, value->real);
        return 0;
    case VALUE_BOOLEAN:
        chunk_builder_add_boolean(builder, field, id, value->boolean);
        return 0;
    case VALUE_STRING:
        return chunk_builder_add_text(builder, field, id, value->string, err);
    case VALUE_INTEGERS:
        for (uint32_t i = 0; i < value->integers.count; i++)
            chunk_builder_add_integer(builder, field, id, value->integers.items[i]);
        return 0;
    case VALUE_STRINGS:
        return add_strings(builder, field, id, value, err);
    default:
        CHECK(false);
        return 0;
    }
}

size_t
chunk_builder_bytes(const struct chunk_builder *builder)
{
    return (builder->values + builder->alive.count) * sizeof(struct series_pair) +
           builder->texts.used_bytes;
}

uint64_t
chunk_builder_values(const struct chunk_builder *builder)
{
    return builder->values;
}

/* The memory that the values of a field take. */
static uint64_t
field_memory(const struct chunk_builder *builder, uint32_t field)
{
    uint64_t bytes = 0;
    const struct column *columns = &builder->columns[field * KINDS];
    for (uint32_t kind = 0; kind < KINDS; kind++)
        bytes += columns[kind].series.count * sizeof(struct series_pair);
    for (uint32_t i = 0; i < columns[CHUNK_STRINGS].texts.count; i++)
        bytes += columns[CHUNK_STRINGS].texts.texts[i].bytes;
    return bytes;
}

static void
drop_field(struct chunk_builder *builder, uint32_t field, int64_t id)
{
    CHECK(chunk_builder_has_slot(builder, id));
    CHECK(!builder->has_dropped || builder->large_id == id);
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        struct column *column = find_column(builder, field, (enum chunk_values)kind);
        builder->values -= column->series.count;
        column->series.count = 0;
        column->series.is_unsorted = false;
        dictionary_clear(&column->texts);
    }
    builder->dropped[field] = true;
    builder->has_dropped = true;
    builder->large_id = id;
}

void
chunk_builder_drop_largest(struct chunk_builder *builder, int64_t id)
{
    uint32_t largest = 0;
    CHECK(builder->values > 0);
    for (uint32_t i = 1; i < builder->shape.field_count; i++)
        if (field_memory(builder, i) > field_memory(builder, largest))
            largest = i;
    drop_field(builder, largest, id);
}

void
chunk_builder_reject(struct chunk_builder *builder, int64_t id, const uint32_t *fields,
                     uint32_t field_count, bool rejects_alive, const char *reason)
{
    CHECK(field_count > 0 || rejects_alive);
    CHECK(!rejects_alive || builder->shape.states_alive);
    CHECK(reason[0] != '\0');
    for (uint32_t i = 0; i < field_count; i++)
        drop_field(builder, fields[i], id);
    builder->has_dropped = true;
    builder->large_id = id;
    builder->reason = arena_strdup(&builder->texts, text_of(reason));
    if (!rejects_alive)
        return;
    builder->drops_alive = true;
    builder->alive.count = 0;
}

/* --- dividing --- */

static struct series_slice *
divide(const struct work *work, const struct series *series)
{
    int32_t partitions = work->builder->shape.partitions;
    struct series_slice *slices = arena_alloc(work->arena, (size_t)partitions * sizeof *slices);
    series_divide(series, partitions, work->arena, slices);
    return slices;
}

static void
divide_column(struct work *work, struct column *column)
{
    const struct chunk_field *field = &work->builder->shape.fields[column->field];
    enum series_repeats repeats = SERIES_KEEP_ALL;
    if (field->may_repeat)
        repeats = field->is_multi_value ? SERIES_KEEP_DISTINCT : SERIES_KEEP_GREATEST;
    series_sort(&column->series, &work->builder->scratch);
    series_unite(&column->series, repeats);
    column->slices = divide(work, &column->series);
    if (column->kind != CHUNK_STRINGS)
        return;
    column->copies = arena_alloc(work->arena, column->texts.count * sizeof *column->copies);
    for (uint32_t i = 0; i < column->texts.count; i++)
        column->copies[i] = arena_text(work->arena, column->texts.texts[i]);
    column->seen = memory_zalloc(column->texts.count * sizeof *column->seen);
}

static void
divide_all(struct work *work)
{
    struct chunk_builder *builder = work->builder;
    uint32_t fields = builder->shape.field_count;
    uint32_t count = fields * KINDS;
    work->names = arena_alloc(work->arena, fields * sizeof *work->names);
    for (uint32_t i = 0; i < fields; i++)
        work->names[i] = builder->shape.fields[i].name;
    work->columns = memory_alloc((count + 1) * sizeof *work->columns);
    for (uint32_t i = 0; i < count; i++) {
        if (builder->columns[i].series.count == 0)
            continue;
        divide_column(work, &builder->columns[i]);
        work->columns[work->column_count++] = &builder->columns[i];
    }
    series_sort(&builder->alive, &builder->scratch);
    series_unite(&builder->alive, SERIES_KEEP_DISTINCT);
    work->alive = divide(work, &builder->alive);
}

static void
divide_ids(struct work *work, const int64_t *ids, uint32_t id_count)
{
    struct series listed = {0};
    for (uint32_t i = 0; i < id_count; i++)
        if (chunk_builder_has_slot(work->builder, ids[i]))
            series_add(&listed, ids[i], 0);
    CHECK(!listed.is_unsorted);
    work->has_slots = true;
    work->listed = divide(work, &listed);
    series_free(&listed);
}

/* What a part has of a slice. */
static struct series_slice
cut(const struct work *work, const struct series_slice *slices, int32_t partition, int64_t begin,
    int64_t end)
{
    int32_t partitions = work->builder->shape.partitions;
    const struct series_slice *whole = &slices[partition];
    uint32_t from = series_slice_find(whole, partition, partitions, begin);
    uint32_t to = series_slice_find(whole, partition, partitions, end);
    CHECK(from <= to);
    return (struct series_slice){whole->slots + from, whole->values + from, to - from};
}

/* --- sizes --- */

struct size {
    uint64_t bytes;
    uint64_t items; /* as EVENT_ITEMS_MAX counts them */
};

/* Of a long in Avro: zigzag, seven bits a byte. */
static inline uint32_t
long_bytes(int64_t number)
{
    uint64_t zigzag = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
    return (70 - (uint32_t)__builtin_clzll(zigzag | 1)) / 7;
}

static uint64_t
slots_bytes(const struct series_slice *piece)
{
    uint64_t bytes = 0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < piece->count; i++) {
        bytes += long_bytes((int64_t)piece->slots[i] - last);
        last = piece->slots[i];
    }
    return bytes;
}

/* The place that a text has among those of the piece `number`: where it was seen there first. */
static inline uint32_t
place_text(struct column *column, uint32_t text, uint32_t number, uint32_t *count)
{
    if (column->seen[text] >> 32 != number)
        column->seen[text] = (uint64_t)number << 32 | (*count)++;
    return (uint32_t)column->seen[text];
}

static void
add_texts_size(struct work *work, struct column *column, const struct series_slice *piece,
               struct size *size)
{
    uint32_t count = 0;
    uint32_t number = ++work->pieces;
    for (uint32_t i = 0; i < piece->count; i++) {
        uint32_t text = (uint32_t)piece->values[i];
        uint32_t before = count;
        size->bytes += long_bytes(place_text(column, text, number, &count));
        if (count > before)
            size->bytes += TEXT_HEAD_BYTES + column->copies[text].bytes;
    }
    size->items += count;
}

static void
add_column_size(struct work *work, struct column *column, const struct series_slice *piece,
                struct size *size)
{
    if (piece->count == 0)
        return;
    size->items++;
    size->bytes += COLUMN_MARGIN_BYTES + work->names[column->field].bytes;
    size->bytes += slots_bytes(piece);
    switch (column->kind) {
    case CHUNK_INTEGERS:
        for (uint32_t i = 0; i < piece->count; i++)
            size->bytes += long_bytes(piece->values[i]);
        break;
    case CHUNK_BOOLEANS:
        size->bytes += piece->count;
        break;
    case CHUNK_FLOATS:
        size->bytes += piece->count * sizeof(double);
        break;
    default:
        add_texts_size(work, column, piece, size);
    }
}

static struct size
chunk_size(struct work *work, int32_t partition, int64_t begin, int64_t end)
{
    struct size size = {work->builder->base_bytes, work->builder->shape.field_count};
    struct series_slice piece = cut(work, work->alive, partition, begin, end);
    size.bytes += slots_bytes(&piece);
    if (work->has_slots) {
        piece = cut(work, work->listed, partition, begin, end);
        size.bytes += slots_bytes(&piece);
    }
    for (uint32_t i = 0; i < work->column_count; i++) {
        piece = cut(work, work->columns[i]->slices, partition, begin, end);
        add_column_size(work, work->columns[i], &piece, &size);
    }
    return size;
}

static bool
size_fits(const struct work *work, const struct size *size)
{
    return size->bytes <= work->builder->shape.event_bytes_max && size->items <= EVENT_ITEMS_MAX;
}

static bool
part_fits(struct work *work, int64_t begin, int64_t end)
{
    for (int32_t p = 0; p < work->builder->shape.partitions; p++) {
        struct size size = chunk_size(work, p, begin, end);
        if (!size_fits(work, &size))
            return false;
    }
    return true;
}

/* --- writing --- */

static struct load_part *
add_part(struct work *work, int64_t begin, int64_t end)
{
    int32_t partitions = work->builder->shape.partitions;
    CHECK(begin < end);
    CHECK(work->part_count == 0 || work->parts[work->part_count - 1].end == begin ||
          work->parts[work->part_count - 1].begin == begin);
    if (work->part_count == work->part_capacity) {
        work->part_capacity = work->part_capacity == 0 ? 8 : work->part_capacity * 2;
        work->parts = memory_realloc(work->parts, work->part_capacity * sizeof *work->parts);
    }
    struct load_part *part = &work->parts[work->part_count++];
    part->begin = begin;
    part->end = end;
    part->chunks = arena_alloc(work->arena, (size_t)partitions * sizeof *part->chunks);
    return part;
}

/* The numbers of the texts become their places in the chunk, in place: no other chunk has them. */
static void
write_texts(struct work *work, struct column *column, const struct series_slice *piece,
            struct chunk_column *out)
{
    uint32_t count = 0;
    uint32_t number = ++work->pieces;
    uint32_t most = piece->count < column->texts.count ? piece->count : column->texts.count;
    struct text *strings = arena_alloc(work->arena, most * sizeof *strings);
    for (uint32_t i = 0; i < piece->count; i++) {
        uint32_t text = (uint32_t)piece->values[i];
        uint32_t place = place_text(column, text, number, &count);
        CHECK(place < most);
        strings[place] = column->copies[text];
        piece->values[i] = place;
    }
    out->strings = strings;
    out->string_count = count;
}

static void
write_column(struct work *work, struct column *column, const struct series_slice *piece,
             struct chunk_column *out)
{
    *out = (struct chunk_column){
        .field = work->names[column->field],
        .kind = column->kind,
        .count = piece->count,
        .slots = piece->slots,
        .integers = piece->values,
    };
    if (column->kind == CHUNK_STRINGS)
        write_texts(work, column, piece, out);
    if (column->kind != CHUNK_FLOATS)
        return;
    double *floats = arena_alloc(work->arena, piece->count * sizeof *floats);
    memcpy(floats, piece->values, piece->count * sizeof *floats);
    out->floats = floats;
    out->integers = NULL;
}

static void
write_columns(struct work *work, int32_t partition, struct chunk *chunk)
{
    struct chunk_column *columns =
        arena_alloc(work->arena, (work->column_count + 1) * sizeof *columns);
    for (uint32_t i = 0; i < work->column_count; i++) {
        struct series_slice piece =
            cut(work, work->columns[i]->slices, partition, chunk->begin, chunk->end);
        if (piece.count > 0 && !work->dropped[work->columns[i]->field])
            write_column(work, work->columns[i], &piece, &columns[chunk->column_count++]);
    }
    chunk->columns = columns;
}

static struct chunk
empty_chunk(const struct work *work, int32_t partition, int64_t begin, int64_t end)
{
    struct chunk chunk = {
        .purpose = work->builder->shape.purpose,
        .begin = begin,
        .end = end,
        .fields = work->names,
        .field_count = work->builder->shape.field_count,
        .states_alive = work->builder->shape.states_alive,
    };
    if (work->has_slots) {
        struct series_slice piece = cut(work, work->listed, partition, begin, end);
        chunk.has_slots = true;
        chunk.slots = piece.slots;
        chunk.slot_count = piece.count;
    }
    return chunk;
}

static void
write_part(struct work *work, int64_t begin, int64_t end)
{
    struct load_part *part = add_part(work, begin, end);
    for (int32_t p = 0; p < work->builder->shape.partitions; p++) {
        struct chunk *chunk = &part->chunks[p];
        *chunk = empty_chunk(work, p, begin, end);
        struct series_slice alive = cut(work, work->alive, p, begin, end);
        chunk->alive = alive.slots;
        chunk->alive_count = alive.count;
        write_columns(work, p, chunk);
    }
}

/* --- parts --- */

static void
widen(const struct work *work, const struct series_slice *slices, int64_t begin, int64_t end,
      int64_t *least, int64_t *greatest)
{
    int32_t partitions = work->builder->shape.partitions;
    for (int32_t p = 0; p < partitions; p++) {
        struct series_slice piece = cut(work, slices, p, begin, end);
        if (piece.count == 0)
            continue;
        int64_t first = (int64_t)piece.slots[0] * partitions + p;
        int64_t last = (int64_t)piece.slots[piece.count - 1] * partitions + p;
        *least = first < *least ? first : *least;
        *greatest = last > *greatest ? last : *greatest;
    }
}

/* The least and the greatest entity of a range. False: it has no entities. */
static bool
find_entities(const struct work *work, int64_t begin, int64_t end, int64_t *least,
              int64_t *greatest)
{
    *least = INT64_MAX;
    *greatest = INT64_MIN;
    widen(work, work->alive, begin, end, least, greatest);
    if (work->has_slots)
        widen(work, work->listed, begin, end, least, greatest);
    for (uint32_t i = 0; i < work->column_count; i++)
        widen(work, work->columns[i]->slices, begin, end, least, greatest);
    return *least <= *greatest;
}

/* Marks the fields of an entity that do not fit into one event together, the largest first. */
static void
drop_fields(struct work *work, int64_t id)
{
    int32_t partition = (int32_t)(id % work->builder->shape.partitions);
    uint32_t fields = work->builder->shape.field_count;
    struct size *sizes = memory_zalloc((fields + 1) * sizeof *sizes);
    struct size sum = chunk_size(work, partition, id, id + 1);
    for (uint32_t i = 0; i < work->column_count; i++) {
        struct size *size = &sizes[work->columns[i]->field];
        struct series_slice piece = cut(work, work->columns[i]->slices, partition, id, id + 1);
        add_column_size(work, work->columns[i], &piece, size);
    }
    for (uint32_t i = 0; i < fields; i++)
        work->dropped[i] = work->builder->dropped[i];
    for (uint32_t left = fields; left > 0 && !size_fits(work, &sum); left--) {
        uint32_t largest = 0;
        for (uint32_t i = 1; i < fields; i++)
            if (sizes[i].bytes > sizes[largest].bytes)
                largest = i;
        work->dropped[largest] = true;
        sum.bytes -= sizes[largest].bytes;
        sum.items -= sizes[largest].items;
        sizes[largest] = (struct size){0};
    }
    free(sizes);
}

/* Sets the fields of a chunk to those that are dropped, or to the others. */
static void
set_fields(const struct work *work, bool dropped, struct chunk *chunk)
{
    uint32_t count = work->builder->shape.field_count;
    struct text *fields = arena_alloc(work->arena, (count + 1) * sizeof *fields);
    chunk->field_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (work->dropped[i] == dropped)
            fields[chunk->field_count++] = work->names[i];
    chunk->fields = fields;
}

static struct text
reject_reason(const struct work *work, const struct chunk *chunk)
{
    struct buffer reason = {0};
    const struct chunk_builder *builder = work->builder;
    if (builder->reason != NULL)
        buffer_append_text(&reason, builder->reason);
    else
        buffer_append_format(&reason, "does not fit into an event of %u bytes",
                             builder->shape.event_bytes_max);
    buffer_append_text(&reason, chunk->states_alive ? "; not loaded: alive" : "; not loaded:");
    for (uint32_t i = 0; i < chunk->field_count && reason.bytes < REASON_BYTES; i++)
        buffer_append_format(&reason, "%s %.*s", i > 0 || chunk->states_alive ? "," : "",
                             TEXT_ARGS(chunk->fields[i]));
    struct text copy = arena_text(work->arena, text_of(buffer_string(&reason)));
    buffer_free(&reason);
    return copy;
}

static void
reject_fields(struct work *work, int64_t id)
{
    struct load_part *part = add_part(work, id, id + 1);
    struct chunk *chunk = &part->chunks[id % work->builder->shape.partitions];
    for (int32_t p = 0; p < work->builder->shape.partitions; p++)
        part->chunks[p] = empty_chunk(work, p, id, id + 1);
    set_fields(work, true, chunk);
    chunk->states_alive = work->builder->drops_alive;
    chunk->rejected = reject_reason(work, chunk);
}

/* Two parts of one entity: its fields that do not fit are rejected, then the others are stated. */
static void
write_entity(struct work *work, int64_t id)
{
    drop_fields(work, id);
    reject_fields(work, id);
    struct load_part *part = add_part(work, id, id + 1);
    for (int32_t p = 0; p < work->builder->shape.partitions; p++) {
        struct chunk *chunk = &part->chunks[p];
        struct series_slice alive = cut(work, work->alive, p, id, id + 1);
        *chunk = empty_chunk(work, p, id, id + 1);
        chunk->states_alive = chunk->states_alive && !work->builder->drops_alive;
        set_fields(work, false, chunk);
        chunk->alive = alive.slots;
        chunk->alive_count = alive.count;
        write_columns(work, p, chunk);
    }
    memset(work->dropped, 0, work->builder->shape.field_count * sizeof *work->dropped);
}

/* Of a range whose only entity does not fit. */
static void
write_large(struct work *work, int64_t begin, int64_t id, int64_t end)
{
    if (begin < id)
        write_part(work, begin, id);
    write_entity(work, id);
    if (id + 1 < end)
        write_part(work, id + 1, end);
}

/* Halves the range until its chunks fit. Both halves have entities, so this ends. */
static void
write_parts(struct work *work, int64_t begin, int64_t end)
{
    int64_t least;
    int64_t greatest;
    if (part_fits(work, begin, end) || !find_entities(work, begin, end, &least, &greatest)) {
        write_part(work, begin, end);
        return;
    }
    CHECK(begin <= least && greatest < end);
    if (least < greatest) {
        int64_t middle = least + (greatest - least) / 2 + 1;
        write_parts(work, begin, middle);
        write_parts(work, middle, end);
        return;
    }
    write_large(work, begin, least, end);
}

static void
begin_work(struct work *work, const int64_t *ids, uint32_t id_count)
{
    work->dropped = memory_zalloc((work->builder->shape.field_count + 1) * sizeof *work->dropped);
    divide_all(work);
    if (ids != NULL)
        divide_ids(work, ids, id_count);
}

/* Hands over the parts, and empties the builder. */
static void
end_work(struct work *work, struct load_chunk *chunk)
{
    CHECK(work->part_count > 0);
    CHECK(chunk->part_count == 0);
    chunk->begin = work->parts[0].begin;
    chunk->end = work->parts[work->part_count - 1].end;
    chunk->parts = arena_alloc(&chunk->arena, work->part_count * sizeof *chunk->parts);
    memcpy(chunk->parts, work->parts, work->part_count * sizeof *chunk->parts);
    chunk->part_count = work->part_count;
    for (uint32_t i = 0; i < work->column_count; i++) {
        free(work->columns[i]->seen);
        work->columns[i]->seen = NULL;
    }
    free(work->columns);
    free(work->dropped);
    free(work->parts);
    chunk_builder_clear(work->builder);
}

void
chunk_builder_build(struct chunk_builder *builder, int64_t begin, int64_t end, const int64_t *ids,
                    uint32_t id_count, struct load_chunk *chunk)
{
    struct work work = {.builder = builder, .arena = &chunk->arena};
    CHECK(begin >= 0 && begin < end);
    begin_work(&work, ids, id_count);
    if (builder->has_dropped)
        write_large(&work, begin, builder->large_id, end);
    else
        write_parts(&work, begin, end);
    end_work(&work, chunk);
    CHECK(chunk->begin == begin && chunk->end == end);
}
