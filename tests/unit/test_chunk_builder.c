#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event/event_codec.h"
#include "producer/load/chunk_builder.h"
#include "tests/unit/random_input.h"

enum { FIELDS = 5, VALUES_MAX = 20000 };

/* One value, as text, so that it can be compared whatever its kind. */
struct fact {
    int64_t id;
    uint32_t field; /* FIELDS: alive */
    char value[48];
};

struct facts {
    struct fact *items;
    uint32_t count;
};

static const struct chunk_field fields[FIELDS] = {
    {TEXT("level"), false, false}, {TEXT("tags"), true, true},  {TEXT("tools"), true, false},
    {TEXT("name"), false, false},  {TEXT("last"), false, true},
};

static struct event_codec *codec;
static struct facts given;
static struct facts found;

static int
setup(void **state)
{
    (void)state;
    struct error err;
    given.items = memory_alloc(VALUES_MAX * sizeof *given.items);
    found.items = memory_alloc(VALUES_MAX * sizeof *found.items);
    return event_codec_create(&codec, &err);
}

static int
teardown(void **state)
{
    (void)state;
    event_codec_destroy(codec);
    free(given.items);
    free(found.items);
    return 0;
}

static void
add_fact(struct facts *facts, int64_t id, uint32_t field, const char *kind, int64_t number,
         struct text text)
{
    assert_true(facts->count < VALUES_MAX);
    struct fact *fact = &facts->items[facts->count++];
    memset(fact, 0, sizeof *fact);
    fact->id = id;
    fact->field = field;
    snprintf(fact->value, sizeof fact->value, "%s %020lld %.*s", kind, (long long)number,
             (int)(text.bytes > 12 ? 12 : text.bytes), text.data);
}

static int
compare_facts(const void *a, const void *b)
{
    const struct fact *left = a;
    const struct fact *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    if (left->field != right->field)
        return left->field < right->field ? -1 : 1;
    return strcmp(left->value, right->value);
}

/* Sorts, and applies the rules for repeated values. */
static void
normalize(struct facts *facts)
{
    uint32_t count = 0;
    qsort(facts->items, facts->count, sizeof *facts->items, compare_facts);
    for (uint32_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        struct fact *last = count > 0 ? &facts->items[count - 1] : NULL;
        bool repeats = last != NULL && last->id == fact->id && last->field == fact->field;
        if (repeats && fact->field < FIELDS && !fields[fact->field].is_multi_value)
            *last = *fact; /* the greatest one stays */
        else if (!repeats || strcmp(last->value, fact->value) != 0)
            facts->items[count++] = *fact;
    }
    facts->count = count;
}

static uint32_t
field_number(struct text name)
{
    for (uint32_t i = 0; i < FIELDS; i++)
        if (text_equal(fields[i].name, name))
            return i;
    fail_msg("no field %.*s", TEXT_ARGS(name));
    return 0;
}

static void
collect_column(const struct chunk_column *column, int32_t partition, int32_t partitions)
{
    uint32_t field = field_number(column->field);
    assert_true(column->count > 0);
    for (uint32_t i = 0; i < column->count; i++) {
        int64_t id = (int64_t)column->slots[i] * partitions + partition;
        int64_t bits = 0;
        switch (column->kind) {
        case CHUNK_STRINGS:
            add_fact(&found, id, field, "s", 0, column->strings[column->integers[i]]);
            break;
        case CHUNK_FLOATS:
            memcpy(&bits, &column->floats[i], sizeof bits);
            add_fact(&found, id, field, "f", bits, TEXT(""));
            break;
        default:
            add_fact(&found, id, field, column->kind == CHUNK_BOOLEANS ? "b" : "i",
                     column->integers[i], TEXT(""));
        }
    }
}

static uint32_t
encoded_bytes(struct chunk *chunk)
{
    struct buffer out = {0};
    struct error err;
    struct event event = {
        .kind = EVENT_CHUNK,
        .epoch = INT64_MAX,
        .generation = INT64_MAX,
        .tick = INT64_MAX,
        .seq = INT64_MAX,
        .source = TEXT("a-producer-with-a-long-name"),
        .chunk = chunk,
    };
    chunk->job = INT64_MAX;
    if (event_encode(codec, &event, &out, &err) != 0)
        fail_msg("%s", err.message);
    uint32_t bytes = (uint32_t)out.bytes;
    buffer_free(&out);
    return bytes;
}

static void
collect_chunk(struct chunk *chunk, int32_t partition, const struct chunk_shape *shape)
{
    uint32_t before = found.count;
    assert_true(encoded_bytes(chunk) <= shape->event_bytes_max);
    for (uint32_t i = 0; i < chunk->alive_count; i++)
        add_fact(&found, (int64_t)chunk->alive[i] * shape->partitions + partition, FIELDS, "", 0,
                 TEXT(""));
    for (uint32_t i = 0; i < chunk->column_count; i++)
        collect_column(&chunk->columns[i], partition, shape->partitions);
    for (uint32_t i = before; i < found.count; i++)
        assert_true(found.items[i].id >= chunk->begin && found.items[i].id < chunk->end);
}

/* Nothing is found of the fields that were rejected. */
static void
forget(const struct chunk *chunk)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < given.count; i++) {
        bool is_rejected = false;
        for (uint32_t j = 0; j < chunk->field_count; j++)
            is_rejected = is_rejected || field_number(chunk->fields[j]) == given.items[i].field;
        if (given.items[i].id != chunk->begin || !is_rejected)
            given.items[kept++] = given.items[i];
    }
    assert_true(kept < given.count);
    given.count = kept;
}

/* A part follows the one before, or is the rest of the entity that the one before rejects. */
static void
check_begin(const struct load_part *part, int64_t end, bool after_rejected)
{
    if (after_rejected)
        assert_int_equal(part->begin, end - 1);
    else
        assert_int_equal(part->begin, end);
    assert_true(part->begin < part->end);
}

static void
check_parts(const struct load_chunk *chunk, const struct chunk_shape *shape)
{
    int64_t end = chunk->begin;
    bool after_rejected = false;
    found.count = 0;
    for (uint32_t i = 0; i < chunk->part_count; i++) {
        const struct load_part *part = &chunk->parts[i];
        check_begin(part, end, after_rejected);
        after_rejected = false;
        end = part->end;
        for (int32_t p = 0; p < shape->partitions; p++) {
            struct chunk *one = &part->chunks[p];
            assert_int_equal(one->begin, part->begin);
            assert_int_equal(one->end, part->end);
            if (one->rejected.bytes > 0) {
                assert_int_equal(part->end, part->begin + 1);
                assert_int_equal(part->begin % shape->partitions, p);
                assert_false(one->states_alive);
                forget(one);
                after_rejected = true;
            }
            collect_chunk(one, p, shape);
        }
    }
    assert_false(after_rejected);
    assert_int_equal(end, chunk->end);
}

static void
compare(void)
{
    normalize(&given);
    normalize(&found);
    assert_int_equal(found.count, given.count);
    for (uint32_t i = 0; i < given.count; i++)
        if (compare_facts(&found.items[i], &given.items[i]) != 0)
            fail_msg("entity %lld, field %u: %s; wanted entity %lld, field %u: %s",
                     (long long)found.items[i].id, found.items[i].field, found.items[i].value,
                     (long long)given.items[i].id, given.items[i].field, given.items[i].value);
}

static int64_t
random_number(void)
{
    int64_t number = (int64_t)(random_next() >> random_below(64));
    return random_below(4) == 0 ? -number : number;
}

static struct text
random_text(char *out, size_t bytes)
{
    size_t length = random_below(8) == 0 ? random_below(bytes) : random_below(3);
    for (size_t i = 0; i < length; i++)
        out[i] = (char)('a' + random_below(3));
    return (struct text){out, length};
}

static void
add_random_value(struct chunk_builder *builder, int64_t id)
{
    char letters[400];
    struct error err;
    int64_t number = random_number();
    switch (random_below(6)) {
    case 0:
        chunk_builder_add_integer(builder, 0, id, number);
        add_fact(&given, id, 0, "i", number, TEXT(""));
        break;
    case 1:
        chunk_builder_add_integer(builder, 1, id, number & 15);
        add_fact(&given, id, 1, "i", number & 15, TEXT(""));
        break;
    case 2: {
        double real = (double)number / 3 + 0.1;
        memcpy(&number, &real, sizeof number);
        chunk_builder_add_float(builder, 2, id, real);
        add_fact(&given, id, 2, "f", number, TEXT(""));
        break;
    }
    case 3: {
        struct text text = random_text(letters, 12);
        assert_int_equal(chunk_builder_add_text(builder, 3, id, text, &err), 0);
        add_fact(&given, id, 3, "s", 0, text);
        break;
    }
    case 4:
        chunk_builder_add_integer(builder, 4, id, number & INT64_MAX);
        add_fact(&given, id, 4, "i", number & INT64_MAX, TEXT(""));
        break;
    default:
        chunk_builder_add_boolean(builder, 1, id, number & 1);
        add_fact(&given, id, 1, "b", number & 1, TEXT(""));
    }
}

/* Fields that do not repeat get one value for each entity at most. */
static bool
is_taken(int64_t id, uint32_t from)
{
    for (uint32_t i = from; i < given.count; i++)
        if (given.items[i].id == id)
            return true;
    return false;
}

static struct chunk_shape
random_shape(void)
{
    return (struct chunk_shape){
        .partitions = 1 + (int32_t)random_below(6),
        .max_slots = INT64_C(1) << 32,
        .event_bytes_max = 2000 + (uint32_t)random_below(random_below(3) == 0 ? 100000 : 4000),
        .fields = fields,
        .field_count = FIELDS,
        .states_alive = true,
    };
}

static void
add_random_entities(struct chunk_builder *builder, int64_t begin, uint64_t width)
{
    uint32_t entities = (uint32_t)random_below(300);
    int64_t step = (int64_t)(width / (entities + 1));
    bool sorted = random_below(2) == 0;
    int64_t id = begin;
    for (uint32_t i = 0; i < entities && step > 0; i++) {
        id = sorted ? id + 1 + (int64_t)random_below((uint64_t)step)
                    : begin + (int64_t)random_below(width);
        if (is_taken(id, 0))
            continue;
        if (random_below(3) > 0) {
            chunk_builder_add_alive(builder, id);
            add_fact(&given, id, FIELDS, "", 0, TEXT(""));
        }
        add_random_value(builder, id);
        uint64_t tags = random_below(20) == 0 ? random_below(1500) : random_below(5);
        if (given.count + tags >= VALUES_MAX)
            return;
        for (uint64_t j = 0; j < tags; j++) {
            int64_t tag = random_number();
            chunk_builder_add_integer(builder, 1, id, tag);
            add_fact(&given, id, 1, "i", tag, TEXT(""));
        }
    }
}

/* The union of all chunks is what was added, every chunk fits, and the parts have no hole. */
static void
test_chunks_say_what_was_added(void **state)
{
    (void)state;
    while (random_round(30)) {
        struct chunk_shape shape = random_shape();
        struct chunk_builder *builder = chunk_builder_create(&shape);
        for (int times = 0; times < 3; times++) {
            struct load_chunk chunk = {0};
            int64_t begin = random_below(2) == 0 ? 0 : (int64_t)random_below(1000000);
            uint64_t width = UINT64_C(2) << random_below(30);
            int64_t end = random_below(4) == 0 ? CHUNK_NO_END : begin + (int64_t)width + 1;
            given.count = 0;
            add_random_entities(builder, begin, width);
            chunk_builder_build(builder, begin, end, NULL, 0, &chunk);
            assert_int_equal(chunk_builder_bytes(builder), 0);
            check_parts(&chunk, &shape);
            compare();
            load_chunk_free(&chunk);
        }
        chunk_builder_destroy(builder);
    }
}

static struct chunk_builder *
make_builder(uint32_t event_bytes_max)
{
    return chunk_builder_create(&(struct chunk_shape){
        .partitions = 2,
        .max_slots = 100,
        .event_bytes_max = event_bytes_max,
        .fields = fields,
        .field_count = FIELDS,
        .states_alive = true,
    });
}

/* The size of the event of partition 0 when entity 4 has `count` tags. */
static uint32_t
bytes_of_tags(struct chunk_builder *builder, int64_t count, bool *rejected, uint32_t *parts)
{
    struct load_chunk chunk = {0};
    for (int64_t i = 0; i < count; i++)
        chunk_builder_add_integer(builder, 1, 4, 100000 + i);
    chunk_builder_add_integer(builder, 0, 4, 7);
    chunk_builder_add_alive(builder, 4);
    chunk_builder_add_alive(builder, 6);
    chunk_builder_build(builder, 0, 100, NULL, 0, &chunk);
    *rejected = false;
    *parts = chunk.part_count;
    for (uint32_t i = 0; i < chunk.part_count; i++) {
        const struct chunk *one = &chunk.parts[i].chunks[0];
        assert_true(one->rejected.bytes == 0 || one->field_count > 0);
        *rejected = *rejected || one->rejected.bytes > 0;
    }
    uint32_t bytes = encoded_bytes(&chunk.parts[0].chunks[0]);
    load_chunk_free(&chunk);
    return bytes;
}

/* The estimate is a bound, and a close one. */
static void
test_a_chunk_is_divided_only_when_it_does_not_fit(void **state)
{
    (void)state;
    bool rejected;
    uint32_t parts;
    struct chunk_builder *builder = make_builder(1 << 30);
    uint32_t bytes = bytes_of_tags(builder, 10000, &rejected, &parts);
    assert_false(rejected);
    assert_true(bytes > 40000);
    chunk_builder_destroy(builder);
    builder = make_builder(bytes + 1500);
    bytes_of_tags(builder, 10000, &rejected, &parts);
    assert_false(rejected);
    assert_int_equal(parts, 1);
    chunk_builder_destroy(builder);
    builder = make_builder(bytes - 1);
    bytes_of_tags(builder, 10000, &rejected, &parts);
    assert_true(rejected);
    assert_int_equal(parts, 5); /* before 4; 4, twice; 5; from 6 on */
    chunk_builder_destroy(builder);
}

/* Checks the chunks of entity 4, whose tags do not fit: the other fields are stated. */
static void
check_large(const struct load_chunk *chunk, uint32_t first)
{
    const struct chunk *rejected = &chunk->parts[first].chunks[0];
    const struct chunk *rest = &chunk->parts[first + 1].chunks[0];
    assert_int_equal(rejected->begin, 4);
    assert_int_equal(rejected->field_count, 1);
    assert_true(text_is(rejected->fields[0], "tags"));
    assert_true(
        text_is(rejected->rejected, "does not fit into an event of 5000 bytes; not loaded: tags"));
    assert_false(rejected->states_alive);
    assert_int_equal(rest->begin, 4);
    assert_int_equal(rest->end, 5);
    assert_int_equal(rest->field_count, FIELDS - 1);
    assert_true(rest->states_alive);
    assert_int_equal(rest->alive_count, 1);
    assert_int_equal(rest->column_count, 1);
    assert_true(text_is(rest->columns[0].field, "level"));
    const struct chunk *odd = &chunk->parts[first].chunks[1];
    assert_int_equal(odd->field_count, FIELDS);
    assert_int_equal(odd->rejected.bytes, 0);
}

/* At any limit: its existence takes room as well. */
static void
test_an_entity_that_does_not_fit_loses_a_field(void **state)
{
    (void)state;
    bool rejected;
    uint32_t parts;
    struct chunk_builder *builder = make_builder(1 << 30);
    uint32_t bytes = bytes_of_tags(builder, 300, &rejected, &parts);
    chunk_builder_destroy(builder);
    uint32_t limit = bytes - 100;
    for (rejected = true; rejected; limit++) {
        builder = make_builder(limit);
        bytes_of_tags(builder, 300, &rejected, &parts);
        chunk_builder_destroy(builder);
    }
    assert_true(limit > bytes);
}

static void
test_an_entity_that_fits_no_event_loses_its_largest_field(void **state)
{
    (void)state;
    struct load_chunk chunk = {0};
    struct chunk_builder *builder = make_builder(5000);
    for (int64_t i = 0; i < 10000; i++)
        chunk_builder_add_integer(builder, 1, 4, i);
    chunk_builder_add_integer(builder, 0, 4, 7);
    chunk_builder_add_alive(builder, 4);
    chunk_builder_build(builder, 0, 100, NULL, 0, &chunk);
    assert_int_equal(chunk.part_count, 4);
    check_large(&chunk, 1);
    load_chunk_free(&chunk);
    chunk_builder_destroy(builder);
}

/* Of an entity that is too large for memory, too. */
static void
test_a_field_that_is_dropped_takes_no_memory(void **state)
{
    (void)state;
    struct load_chunk chunk = {0};
    struct chunk_builder *builder = make_builder(5000);
    chunk_builder_add_integer(builder, 0, 4, 7);
    for (int64_t i = 0; i < 10000; i++)
        chunk_builder_add_integer(builder, 1, 4, i);
    chunk_builder_drop_largest(builder, 4);
    assert_int_equal(chunk_builder_values(builder), 1);
    chunk_builder_add_integer(builder, 1, 4, 10001);
    assert_int_equal(chunk_builder_values(builder), 1);
    chunk_builder_add_alive(builder, 4);
    chunk_builder_build(builder, 4, 5, NULL, 0, &chunk);
    assert_int_equal(chunk.part_count, 2);
    check_large(&chunk, 0);
    load_chunk_free(&chunk);
    chunk = (struct load_chunk){0};
    chunk_builder_add_integer(builder, 1, 4, 10001); /* the next chunk has the field again */
    assert_int_equal(chunk_builder_values(builder), 1);
    chunk_builder_destroy(builder);
}

/* Whether the entity is alive is rejected like a field: nothing is said of it. */
static void
test_what_cannot_be_read_of_an_entity_is_rejected(void **state)
{
    (void)state;
    const uint32_t unread[] = {0, 3};
    struct load_chunk chunk = {0};
    struct chunk_builder *builder = make_builder(5000);
    chunk_builder_add_integer(builder, 0, 4, 7);
    chunk_builder_add_integer(builder, 1, 4, 8);
    chunk_builder_add_alive(builder, 4);
    chunk_builder_reject(builder, 4, unread, 2, true, "division by zero");
    chunk_builder_build(builder, 2, 5, NULL, 0, &chunk);
    assert_int_equal(chunk.part_count, 3);
    const struct chunk *rejected = &chunk.parts[1].chunks[0];
    const struct chunk *rest = &chunk.parts[2].chunks[0];
    assert_true(text_is(rejected->rejected, "division by zero; not loaded: alive, level, name"));
    assert_int_equal(rejected->field_count, 2);
    assert_true(rejected->states_alive);
    assert_int_equal(rejected->alive_count, 0);
    assert_int_equal(rest->field_count, FIELDS - 2);
    assert_false(rest->states_alive);
    assert_int_equal(rest->column_count, 1);
    assert_int_equal(rest->columns[0].integers[0], 8);
    encoded_bytes(&chunk.parts[1].chunks[0]);
    encoded_bytes(&chunk.parts[2].chunks[0]);
    load_chunk_free(&chunk);
    chunk_builder_destroy(builder);
}

static void
test_strings_of_one_event_are_limited(void **state)
{
    (void)state;
    struct error err;
    struct load_chunk chunk = {0};
    struct chunk_builder *builder = chunk_builder_create(&(struct chunk_shape){
        .partitions = 1,
        .max_slots = 1 << 20,
        .event_bytes_max = 1 << 30,
        .fields = fields,
        .field_count = FIELDS,
    });
    for (int id = 0; id < EVENT_ITEMS_MAX + 1; id++) {
        char text[16];
        snprintf(text, sizeof text, "%d", id);
        assert_int_equal(chunk_builder_add_text(builder, 3, id, text_of(text), &err), 0);
    }
    chunk_builder_build(builder, 0, CHUNK_NO_END, NULL, 0, &chunk);
    assert_int_equal(chunk.part_count, 2);
    encoded_bytes(&chunk.parts[0].chunks[0]);
    load_chunk_free(&chunk);
    chunk_builder_destroy(builder);
}

/* Of listed entities, those without values are stated too: they have none. */
static void
test_with_ids_chunks_are_only_about_these(void **state)
{
    (void)state;
    const int64_t ids[] = {4, 5, 10};
    struct load_chunk chunk = {0};
    struct chunk_builder *builder = make_builder(1 << 20);
    chunk_builder_add_integer(builder, 0, 10, 7);
    chunk_builder_build(builder, 3, 50, ids, 3, &chunk);
    assert_int_equal(chunk.part_count, 1);
    const struct chunk *even = &chunk.parts[0].chunks[0];
    const struct chunk *odd = &chunk.parts[0].chunks[1];
    assert_true(even->has_slots && odd->has_slots);
    assert_int_equal(even->slot_count, 2);
    assert_int_equal(even->slots[0], 2);
    assert_int_equal(even->slots[1], 5);
    assert_int_equal(odd->slot_count, 1);
    assert_int_equal(odd->slots[0], 2);
    assert_int_equal(even->column_count, 1);
    assert_int_equal(odd->column_count, 0);
    load_chunk_free(&chunk);
    chunk_builder_destroy(builder);
}

static void
test_entities_without_a_slot_are_told(void **state)
{
    (void)state;
    struct chunk_builder *builder = make_builder(1 << 20);
    assert_true(chunk_builder_has_slot(builder, 0));
    assert_true(chunk_builder_has_slot(builder, 199));
    assert_false(chunk_builder_has_slot(builder, 200));
    assert_false(chunk_builder_has_slot(builder, -1));
    assert_false(chunk_builder_has_slot(builder, INT64_MIN));
    assert_false(chunk_builder_has_slot(builder, INT64_MAX));
    chunk_builder_destroy(builder);
}

static void
test_F84_values_that_no_op_carries_are_refused(void **state)
{
    (void)state;
    struct error err;
    struct chunk_builder *builder = make_builder(1 << 20);
    const int64_t numbers[] = {1, 2};
    const struct value array = {.kind = VALUE_INTEGERS, .integers = {numbers, 2}};
    assert_int_equal(chunk_builder_add_value(builder, 0, 4, &array, &err), ERR_DATA);
    assert_string_equal(err.message, "is an array, and the field takes one value");
    assert_int_equal(chunk_builder_add_value(builder, 1, 4, &array, &err), 0);
    assert_int_equal(chunk_builder_values(builder), 2);
    assert_int_equal(chunk_builder_add_text(builder, 3, 4, TEXT("\xff"), &err), ERR_DATA);
    assert_string_equal(err.message, "string is not UTF-8, or has a NUL");
    char *letters = memory_alloc(65537);
    memset(letters, 'a', 65537);
    struct text text = {letters, 65537};
    assert_int_equal(chunk_builder_add_text(builder, 3, 4, text, &err), ERR_DATA);
    assert_string_equal(err.message, "string is longer than 65536 bytes");
    text.bytes--;
    assert_int_equal(chunk_builder_add_text(builder, 3, 4, text, &err), 0);
    const struct value nothing = {.kind = VALUE_NULL};
    assert_int_equal(chunk_builder_add_value(builder, 3, 6, &nothing, &err), 0);
    assert_int_equal(chunk_builder_values(builder), 3);
    free(letters);
    chunk_builder_destroy(builder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_say_what_was_added),
        cmocka_unit_test(test_a_chunk_is_divided_only_when_it_does_not_fit),
        cmocka_unit_test(test_an_entity_that_does_not_fit_loses_a_field),
        cmocka_unit_test(test_an_entity_that_fits_no_event_loses_its_largest_field),
        cmocka_unit_test(test_a_field_that_is_dropped_takes_no_memory),
        cmocka_unit_test(test_what_cannot_be_read_of_an_entity_is_rejected),
        cmocka_unit_test(test_strings_of_one_event_are_limited),
        cmocka_unit_test(test_with_ids_chunks_are_only_about_these),
        cmocka_unit_test(test_entities_without_a_slot_are_told),
        cmocka_unit_test(test_F84_values_that_no_op_carries_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
