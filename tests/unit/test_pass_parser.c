#include "tests/unit/unit_test.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "common/config/config.h"
#include "common/event/event_codec.h"
#include "producer/load/pass_parser.h"

enum { EVENT_BYTES = 4000, PARENTS = 300 };

static struct arena arena;
static struct config_trigger trigger;
static struct entry_value values[2];
static struct entry entry;
static struct load_source source;
static struct problem_list problems;
static struct pass_parser parser;
static struct buffer bytes;

static int
setup(void **state)
{
    static const uint32_t all[] = {0, 1};
    static const char *const key[] = {"id"};
    static const struct text fields[] = {TEXT("poi"), TEXT("title")};
    static const struct text reads[] = {TEXT("versions")};
    (void)state;
    arena_init(&arena);
    trigger = (struct config_trigger){.table = "Model", .kind = TRIGGER_FAN_OUT};
    values[0] = (struct entry_value){.target = "poi", .wire = WIRE_BOOLEAN};
    values[1] = (struct entry_value){.target = "title", .wire = WIRE_TEXT};
    entry = (struct entry){
        .trigger = &trigger,
        .values = values,
        .value_count = 2,
        .id_column = "id",
        .key_columns = key,
        .key_column_count = 1,
    };
    source = (struct load_source){
        .entry = &entry,
        .values = all,
        .value_count = 2,
        .dump_name = "Model-12345678",
        .fields = fields,
        .reads = reads,
        .read_count = 1,
    };
    problems = (struct problem_list){.arena = &arena};
    parser = (struct pass_parser){
        .source = &source,
        .event_bytes_max = EVENT_BYTES,
        .arena = &arena,
        .problems = &problems,
    };
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    buffer_free(&bytes);
    arena_free(&arena);
    return 0;
}

static void
put_field(const char *data, size_t size)
{
    uint32_t length = htobe32((uint32_t)size);
    buffer_append(&bytes, &length, sizeof length);
    buffer_append(&bytes, data, size);
}

/* NULL: null. */
static void
put_text(const char *text)
{
    if (text == NULL)
        buffer_append(&bytes, "\377\377\377\377", 4);
    else
        put_field(text, strlen(text));
}

static void
put_count(int16_t columns)
{
    uint16_t raw = htobe16((uint16_t)columns);
    buffer_append(&bytes, &raw, sizeof raw);
}

static void
put_header(void)
{
    buffer_append(&bytes, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
}

static void
put_parent(const char *key, const char *query, const char *title)
{
    put_count(4);
    put_text(key);
    put_text(query);
    put_field("\1", 1);
    put_text(title);
}

static void
feed(void)
{
    struct error err;
    if (pass_parser_feed(&parser, (struct text){(char *)bytes.data, bytes.bytes}, &err) != 0)
        fail_msg("%s", err.message);
    buffer_clear(&bytes);
}

static void
test_a_parent_becomes_a_fan_out_of_all_fields(void **state)
{
    (void)state;
    put_header();
    put_parent("7", "versions in [1, 2]", NULL);
    put_count(-1);
    feed();
    assert_true(parser.is_complete);
    assert_int_equal(parser.count, 1);
    assert_true(text_is(parser.ops[0].query, "versions in [1, 2]"));
    assert_int_equal(parser.ops[0].nested_count, 2);
    assert_int_equal(parser.ops[0].nested[0].kind, OP_SET);
    assert_int_equal(parser.ops[0].nested[0].value.kind, VALUE_BOOLEAN);
    assert_true(text_is(parser.ops[0].nested[1].field, "title"));
    assert_int_equal(parser.ops[0].nested[1].value.kind, VALUE_NULL);
    assert_string_equal(parser.last_key[0], "7");
    assert_int_equal(problems.count, 0);
}

static void
test_a_parent_that_reaches_nothing_is_absent(void **state)
{
    (void)state;
    put_header();
    put_parent("7", NULL, "a");
    put_count(-1);
    feed();
    assert_int_equal(parser.count, 0);
    assert_int_equal(parser.rows, 1);
    assert_string_equal(parser.last_key[0], "7");
    assert_int_equal(problems.count, 0);
}

static void
test_what_no_op_carries_is_a_problem(void **state)
{
    (void)state;
    put_header();
    put_parent("7", "versions gt 1", "a");
    put_parent("8", "versions eq 1", "\xff");
    put_count(-1);
    feed();
    assert_int_equal(parser.count, 1);
    assert_int_equal(problems.count, 2);
    assert_int_equal(problems.values, 1);
    assert_int_equal(problems.items[0].entity_id, 7);
    assert_memory_equal(problems.items[0].reason.data, "parent 7: its query: ", 21);
    assert_true(text_is(problems.items[1].field, "title"));
    assert_true(text_is(problems.items[1].reason, "parent 8: string is not UTF-8, or has a NUL"));
}

/* A list of ids that no op would take is divided among several. */
static void
test_a_long_list_becomes_several_fan_outs(void **state)
{
    (void)state;
    enum { IDS = 30000 };
    struct buffer query = {0};
    parser.event_bytes_max = 1 << 20;
    buffer_append_text(&query, "versions in [");
    for (int i = 0; i < IDS; i++)
        buffer_append_format(&query, "%s%d", i > 0 ? ", " : "", 100000 + i);
    buffer_append_text(&query, "] AND poi eq false");
    put_header();
    put_parent("7", buffer_string(&query), "a");
    put_parent("8", "versions eq 1", "b");
    put_count(-1);
    feed();
    assert_int_equal(problems.count, 0);
    assert_int_equal(parser.count, 5);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(parser.ops[i].query.bytes <= 64 * 1024);
        assert_int_equal(parser.ops[i].nested_count, 2);
        assert_true(parser.ops[i].nested == parser.ops[0].nested);
    }
    assert_true(text_is(parser.ops[4].query, "versions eq 1"));
    assert_string_equal(parser.last_key[0], "8");
    parser.event_bytes_max = 100000;
    parser.is_complete = parser.has_header = false;
    put_header();
    put_parent("7", buffer_string(&query), "a");
    put_count(-1);
    feed();
    assert_true(text_is(problems.items[0].reason, "parent 7: its fan-out is larger than an event"));
    buffer_free(&query);
}

static size_t
encoded_bytes(struct event_codec *codec)
{
    struct buffer out = {0};
    struct error err;
    struct pass pass = {
        .job = INT64_MAX,
        .entry = text_of(source.dump_name),
        .part = INT32_MAX,
        .fields = source.fields,
        .field_count = source.value_count,
        .reads = source.reads,
        .read_count = source.read_count,
        .fan_outs = {parser.ops, parser.count},
    };
    struct event event = {
        .kind = EVENT_PASS,
        .epoch = INT64_MAX,
        .generation = INT64_MAX,
        .tick = INT64_MAX,
        .seq = INT64_MAX,
        .source = TEXT("a-producer-with-a-long-name"),
        .pass = &pass,
    };
    if (event_encode(codec, &event, &out, &err) != 0)
        fail_msg("%s", err.message);
    size_t size = out.bytes;
    buffer_free(&out);
    return size;
}

/* Every parent is in exactly one part, in the order of the keys, and every part fits. */
static void
test_parents_are_divided_among_parts_that_fit(void **state)
{
    (void)state;
    struct event_codec *codec;
    struct error err;
    int next = 0;
    int parts = 0;
    assert_int_equal(event_codec_create(&codec, &err), 0);
    while (next < PARENTS) {
        char key[16];
        char query[32];
        parser.has_header = false;
        parser.is_complete = false;
        parser.is_full = false;
        parser.count = 0;
        put_header();
        for (int i = next; i < PARENTS; i++) {
            snprintf(key, sizeof key, "%d", i);
            snprintf(query, sizeof query, "versions eq %d", i);
            put_parent(key, query, i % 3 == 0 ? "a longer title than that of others" : "x");
        }
        put_count(-1);
        feed();
        assert_true(parser.count > 10);
        assert_true(encoded_bytes(codec) <= EVENT_BYTES);
        for (uint32_t i = 0; i < parser.count; i++) {
            snprintf(query, sizeof query, "versions eq %d", next++);
            assert_true(text_is(parser.ops[i].query, query));
        }
        snprintf(key, sizeof key, "%d", next - 1);
        assert_string_equal(parser.last_key[0], key);
        assert_int_equal(parser.is_complete, next == PARENTS);
        parts++;
    }
    assert_true(parts > 3);
    event_codec_destroy(codec);
}

static void
test_a_parent_that_fits_no_event_is_a_problem(void **state)
{
    (void)state;
    char title[EVENT_BYTES + 1];
    memset(title, 'a', EVENT_BYTES);
    title[EVENT_BYTES] = '\0';
    put_header();
    put_parent("7", "versions eq 7", title);
    put_parent("8", "versions eq 8", "b");
    put_count(-1);
    feed();
    assert_int_equal(parser.count, 1);
    assert_true(parser.is_complete);
    assert_int_equal(problems.count, 1);
    assert_true(text_is(problems.items[0].reason, "parent 7: its fan-out is larger than an event"));
}

static void
check_refused(void)
{
    struct error err;
    assert_int_equal(
        pass_parser_feed(&parser, (struct text){(char *)bytes.data, bytes.bytes}, &err), ERR_FATAL);
    buffer_clear(&bytes);
    parser.has_header = false;
    parser.is_complete = false;
}

static void
test_other_bytes_are_refused(void **state)
{
    (void)state;
    put_header();
    put_count(3);
    check_refused();
    put_header();
    put_parent(NULL, "versions eq 1", "a"); /* no key */
    check_refused();
    put_header();
    put_parent("1", "versions eq 1", "a");
    bytes.bytes--; /* the row is cut */
    check_refused();
    put_header();
    put_count(-1);
    put_parent("1", "versions eq 1", "a"); /* after the end */
    check_refused();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_parent_becomes_a_fan_out_of_all_fields, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_parent_that_reaches_nothing_is_absent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_no_op_carries_is_a_problem, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_long_list_becomes_several_fan_outs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parents_are_divided_among_parts_that_fit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_parent_that_fits_no_event_is_a_problem, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_other_bytes_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
