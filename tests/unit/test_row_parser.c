#include "tests/unit/unit_test.h"

#include <endian.h>
#include <string.h>

#include "common/config/config.h"
#include "producer/load/row_parser.h"

enum { TAGS, NAME, PRICE, ODD, FIELDS };

static const struct chunk_field fields[FIELDS] = {
    [TAGS] = {TEXT("tags"), true, false},
    [NAME] = {TEXT("name"), false, false},
    [PRICE] = {TEXT("price"), false, false},
    [ODD] = {TEXT("odd"), false, false},
};

static struct arena arena;
static struct arena scratch;
static struct config_trigger trigger;
static struct entry_value values[FIELDS];
static struct entry entry;
static struct load_source source;
static struct load_counts counts;
static struct problem_list problems;
static struct row_parser parser;
static struct buffer bytes;

static int
setup(void **state)
{
    static const uint32_t all[FIELDS] = {TAGS, NAME, PRICE, ODD};
    (void)state;
    arena_init(&arena);
    arena_init(&scratch);
    trigger = (struct config_trigger){.table = "T"};
    values[TAGS] = (struct entry_value){
        .target = "tags", .is_multi_value = true, .form = FORM_PLAIN, .wire = WIRE_INTEGER};
    values[NAME] = (struct entry_value){.target = "name", .wire = WIRE_TEXT};
    values[PRICE] = (struct entry_value){.target = "price", .wire = WIRE_JSON};
    values[ODD] = (struct entry_value){.target = "odd", .wire = WIRE_BOOLEAN};
    entry = (struct entry){.trigger = &trigger, .values = values, .value_count = FIELDS};
    source = (struct load_source){.entry = &entry, .values = all, .value_count = FIELDS};
    counts = (struct load_counts){0};
    problems = (struct problem_list){.arena = &arena};
    parser = (struct row_parser){
        .source = &source,
        .fields = all,
        .states_alive = true,
        .builder = chunk_builder_create(&(struct chunk_shape){
            .partitions = 1,
            .max_slots = 1000,
            .event_bytes_max = 1 << 20,
            .fields = fields,
            .field_count = FIELDS,
            .states_alive = true,
        }),
        .problems = &problems,
        .counts = &counts,
        .scratch = &scratch,
    };
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    chunk_builder_destroy(parser.builder);
    buffer_free(&bytes);
    arena_free(&scratch);
    arena_free(&arena);
    return 0;
}

static void
put_header(void)
{
    buffer_append(&bytes, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
}

static void
put_count(int16_t columns)
{
    uint16_t raw = htobe16((uint16_t)columns);
    buffer_append(&bytes, &raw, sizeof raw);
}

static void
put_field(const void *data, size_t size)
{
    uint32_t length = htobe32((uint32_t)size);
    buffer_append(&bytes, &length, sizeof length);
    buffer_append(&bytes, data, size);
}

static void
put_text(const char *text)
{
    put_field(text, strlen(text));
}

static void
put_int64(int64_t value)
{
    uint64_t raw = htobe64((uint64_t)value);
    put_field(&raw, sizeof raw);
}

static void
put_null(void)
{
    buffer_append(&bytes, "\377\377\377\377", 4);
}

/* Rows of values that are null. */
static void
put_empty_row(int64_t id)
{
    put_count(FIELDS + 1);
    put_int64(id);
    for (int i = 0; i < FIELDS; i++)
        put_null();
}

static int
feed(struct error *err)
{
    int rc = row_parser_feed(&parser, (struct text){(char *)bytes.data, bytes.bytes}, err);
    buffer_clear(&bytes);
    return rc;
}

static void
feed_well(void)
{
    struct error err;
    if (feed(&err) != 0)
        fail_msg("%s", err.message);
}

static void
test_rows_become_values(void **state)
{
    (void)state;
    struct load_chunk chunk = {0};
    put_header();
    put_count(FIELDS + 1);
    put_field("\0\7", 2); /* int2 */
    put_field("\377\377\377\376", 4);
    put_text("seven");
    put_text("3.0");
    put_field("\1", 1);
    feed_well();
    put_empty_row(8);
    put_count(-1);
    feed_well();
    assert_true(parser.is_complete);
    assert_int_equal(parser.last_id, 8);
    assert_int_equal(counts.rows, 2);
    assert_int_equal(counts.values, 4 + 2);
    assert_int_equal(problems.count, 0);
    chunk_builder_build(parser.builder, 0, 10, NULL, 0, &chunk);
    const struct chunk *one = &chunk.parts[0].chunks[0];
    assert_int_equal(one->alive_count, 2);
    assert_int_equal(one->column_count, 4);
    assert_int_equal(one->columns[0].slots[0], 7);
    assert_int_equal(one->columns[0].integers[0], -2);
    assert_true(text_is(one->columns[1].strings[0], "seven"));
    assert_int_equal(one->columns[2].kind, CHUNK_INTEGERS);
    assert_int_equal(one->columns[2].integers[0], 3);
    assert_int_equal(one->columns[3].kind, CHUNK_BOOLEANS);
    load_chunk_free(&chunk);
}

static void
test_entities_without_a_slot_are_reported_once_each(void **state)
{
    (void)state;
    put_header();
    put_empty_row(-5);
    put_empty_row(-5);
    put_empty_row(1000);
    put_count(-1);
    feed_well();
    assert_int_equal(counts.rows, 3);
    assert_int_equal(counts.values, 0);
    assert_int_equal(problems.ids, 2);
    assert_int_equal(problems.count, 2);
    assert_int_equal(problems.items[0].entity_id, -5);
    assert_true(text_is(problems.items[1].source, "T"));
    assert_true(text_is(problems.items[1].reason,
                        "the id is not below topic.max_slots * topic.partitions"));
}

/* One value that ops cannot take costs that value, never the row. */
static void
test_values_that_no_op_carries_act_as_null(void **state)
{
    (void)state;
    put_header();
    put_count(FIELDS + 1);
    put_int64(3);
    put_null();
    put_text("\xff");
    put_text("[1, \"a\"]");
    put_field("\0", 1);
    feed_well();
    assert_int_equal(problems.values, 2);
    assert_true(text_is(problems.items[0].field, "name"));
    assert_true(text_is(problems.items[1].field, "price"));
    assert_int_equal(counts.values, 1 + 1);
}

/* What a trigger function writes as a list of one item has to be an item. */
static void
test_F84_a_boolean_is_no_item_of_several_values(void **state)
{
    (void)state;
    values[TAGS].wire = WIRE_BOOLEAN;
    put_header();
    put_count(FIELDS + 1);
    put_int64(3);
    put_field("\1", 1);
    put_null();
    put_null();
    put_null();
    feed_well();
    assert_int_equal(problems.values, 1);
    assert_int_equal(chunk_builder_values(parser.builder), 0);
    trigger.kind = TRIGGER_JOIN; /* which adds the value, so that the consumer refuses it */
    put_count(FIELDS + 1);
    put_int64(4);
    put_field("\1", 1);
    put_null();
    put_null();
    put_null();
    feed_well();
    assert_int_equal(chunk_builder_values(parser.builder), 1);
}

static void
check_refused(void)
{
    struct error err;
    assert_int_equal(feed(&err), ERR_FATAL);
    parser.has_header = false;
    parser.is_complete = false;
}

static void
test_other_bytes_are_refused(void **state)
{
    (void)state;
    buffer_append_text(&bytes, "PGCOPX...........................");
    check_refused();
    put_header();
    put_count(FIELDS); /* another number of columns */
    check_refused();
    put_header();
    put_count(FIELDS + 1);
    put_null(); /* no id */
    check_refused();
    put_header();
    put_count(FIELDS + 1);
    put_field("abc", 3); /* the id is no integer */
    check_refused();
    put_header();
    put_empty_row(1);
    bytes.bytes--; /* the row is cut */
    check_refused();
    put_header();
    put_count(-1);
    put_empty_row(1); /* after the end */
    check_refused();
    put_header();
    put_count(FIELDS + 1);
    put_int64(1);
    put_text("abc"); /* three bytes of an integer */
    put_null();
    put_null();
    put_null();
    check_refused();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_become_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entities_without_a_slot_are_reported_once_each, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_values_that_no_op_carries_act_as_null, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_F84_a_boolean_is_no_item_of_several_values, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_other_bytes_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
