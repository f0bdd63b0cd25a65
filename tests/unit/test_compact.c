/* What compaction drops and what it keeps, one rule per test. In JSON, ' stands for ". */
#include "tests/unit/unit_test.h"

#include "consumer/compact/compact.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

enum { LINES_MAX = 8, MANY = 20000 };

static const struct config_filter_field filter_fields[] = {
    {.name = "level", .type = FIELD_SINGLE_VALUE},
    {.name = "post", .type = FIELD_SINGLE_VALUE},
    {.name = "tags", .type = FIELD_MULTI_VALUE},
    {.name = "type", .type = FIELD_STRING},
};
static const char *const sources[] = {"existedAt", "publishedAt"};
static const struct config_sort_field sort_fields[] = {
    {.name = "existedAt", .bits = 32},
    {.name = "publishedAt", .bits = 32},
    {.name = "sortAt",
     .bits = 32,
     .computed_op = COMPUTED_GREATEST,
     .source_fields = sources,
     .source_field_count = COUNT_OF(sources)},
};
static const struct config_index config = {.filter_fields = filter_fields,
                                           .filter_field_count = COUNT_OF(filter_fields),
                                           .sort_fields = sort_fields,
                                           .sort_field_count = COUNT_OF(sort_fields)};

/* An event and what compaction keeps of it: NULL is all of it, "" is nothing. */
struct line {
    int64_t entity_id;
    const char *ops;
    const char *left;
};

static void
check_left(const struct line *line, const struct ops *whole, const struct ops *left)
{
    struct buffer text;
    buffer_init(&text);
    if (line->left == NULL) {
        assert_ptr_equal(left->items, whole->items);
        assert_int_equal(left->count, whole->count);
    } else if (line->left[0] == '\0') {
        assert_int_equal(left->count, 0);
    } else {
        ops_json_write(left, &text);
        for (size_t i = 0; i < text.bytes; i++)
            text.data[i] = text.data[i] == '"' ? '\'' : text.data[i];
        assert_string_equal(buffer_string(&text), line->left);
    }
    buffer_free(&text);
}

static struct engine *
create_engine(void)
{
    struct error err;
    struct engine *engine;
    const struct engine_options options = {&config, 0, 1, 1000};
    assert_int_equal(engine_create(&options, &engine, &err), 0);
    return engine;
}

static void
check(const struct line *lines, uint32_t count)
{
    struct arena arena;
    struct engine *engine = create_engine();
    struct event events[LINES_MAX] = {0};
    struct compact *compact = compact_create(&config);
    bool changes = false;
    arena_init(&arena);
    for (uint32_t i = 0; i < count; i++) {
        enum ops_route route;
        fixture_parse(&arena, lines[i].ops, &events[i].ops, &route);
        events[i].ops = fixture_prepare(engine, &arena, &events[i].ops);
        events[i].kind = route == OPS_ROUTE_FAN_OUT ? EVENT_FAN_OUT : EVENT_ROW;
        events[i].entity_id = lines[i].entity_id;
        changes |= lines[i].left != NULL;
    }
    const struct ops *left = compact_run(compact, events, count, &arena);
    assert_int_equal(left != NULL, changes);
    for (uint32_t i = 0; i < count && left != NULL; i++)
        check_left(&lines[i], &events[i].ops, &left[i]);
    compact_destroy(compact);
    engine_destroy(engine);
    arena_free(&arena);
}

#define CHECK_BATCH(...)                                  \
    do {                                                  \
        static const struct line lines[] = {__VA_ARGS__}; \
        check(lines, COUNT_OF(lines));                    \
    } while (0)

#define SET(field, value) "{'op':'set','field':'" field "','value':" value "}"
#define ADD(field, value) "{'op':'add','field':'" field "','value':" value "}"
#define REMOVE(field, value) "{'op':'remove','field':'" field "','value':" value "}"
#define ALIVE "{'op':'alive'}"
#define DELETE "{'op':'delete'}"
#define FAN_OUT(query, ops) "[{'op':'queryOpSet','query':'" query "','ops':[" ops "]}]"

/* --- scalars --------------------------------------------------------------------------------- */

static void
test_F23_of_A_to_B_to_C_only_C_is_left(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" REMOVE("level", "1") "," SET("level", "2") "]", ""},
                {1, "[" REMOVE("level", "2") "," SET("level", "3") "]", NULL});
    CHECK_BATCH({1, "[" ADD("type", "'a'") "]", ""}, {1, "[" SET("type", "null") "]", NULL});
}

static void
test_F23_arrival_order_decides_and_other_slots_and_fields_do_not_count(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("post", "1") "]", NULL}, {2, "[" SET("level", "2") "]", NULL},
                {1, "[" SET("level", "9") "]", ""}, {1, "[" ADD("level", "1") "]", NULL});
}

static void
test_F26_removes_override_nothing_and_keep_their_order(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("level", "1") "]", NULL}, {1, "[" REMOVE("level", "2") "]", NULL},
                {1, "[" REMOVE("level", "1") "]", NULL});
}

static void
test_a_row_is_dropped_as_a_whole_or_kept_unchanged(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("level", "1") "," SET("post", "1") "]", NULL},
                {1, "[" SET("post", "1") "]", ""},
                {1, "[" REMOVE("post", "1") "," SET("post", "2") "]", NULL});
}

static void
test_the_only_row_of_a_slot_is_kept_unchanged(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" REMOVE("level", "1") "," SET("level", "2") "]", NULL},
                {2, "[" SET("level", "2") "]", NULL});
}

static void
test_ops_on_unknown_fields_are_kept(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("new", "1") "]", NULL}, {1, "[" SET("new", "2") "]", NULL},
                {1, "[" DELETE "]", NULL});
    CHECK_BATCH({5, FAN_OUT("post eq 5", SET("new", "1") "," SET("level", "1")),
                 FAN_OUT("post eq 5", SET("new", "1"))},
                {5, FAN_OUT("post eq 5", DELETE), NULL});
}

/* --- multi-values ---------------------------------------------------------------------------- */

static void
test_F24_of_add_and_remove_of_one_element_the_last_is_kept(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" ADD("tags", "7") "]", ""}, {1, "[" REMOVE("tags", "7") "]", NULL});
    CHECK_BATCH({1, "[" REMOVE("tags", "7") "]", ""}, {1, "[" ADD("tags", "7.0") "]", NULL});
    CHECK_BATCH({1, "[" ADD("tags", "7") "]", ""}, {1, "[" ADD("tags", "7") "]", ""},
                {1, "[" REMOVE("tags", "7") "]", NULL});
}

static void
test_F24_ops_on_other_elements_are_kept(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" ADD("tags", "7") "]", NULL}, {1, "[" REMOVE("tags", "8") "]", NULL},
                {1, "[" SET("tags", "9") "]", NULL});
}

static void
test_an_array_is_dropped_when_each_of_its_elements_is_overridden(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" ADD("tags", "[1,2]") "]", ""}, {1, "[" ADD("tags", "[1,3]") "]", NULL},
                {1, "[" REMOVE("tags", "[2,1,5]") "]", NULL});
}

static void
test_an_array_or_null_replaces_the_multi_value(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" ADD("tags", "7") "]", ""}, {1, "[" SET("tags", "[1,2]") "]", NULL},
                {1, "[" ADD("tags", "3") "]", NULL});
    CHECK_BATCH({1, "[" SET("tags", "[1]") "]", ""}, {1, "[" REMOVE("tags", "[8,9]") "]", ""},
                {1, "[" SET("tags", "null") "]", NULL});
}

static void
test_overriding_its_elements_does_not_override_a_replacement(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("tags", "[1]") "]", NULL}, {1, "[" REMOVE("tags", "1") "]", NULL});
}

/* --- entities -------------------------------------------------------------------------------- */

static void
test_delete_absorbs_earlier_ops(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" ALIVE "," SET("level", "1") "," ADD("tags", "1") "]", ""},
                {1, "[" DELETE "]", ""}, {1, "[" REMOVE("type", "'a'") "," DELETE "]", NULL});
}

static void
test_F27_ops_after_a_delete_are_kept(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" ALIVE "]", ""}, {1, "[" DELETE "]", NULL},
                {1, "[" ALIVE "," SET("level", "1") "]", NULL});
}

static void
test_only_one_alive_is_kept(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" ALIVE "]", ""}, {1, "[" ALIVE "," SET("level", "1") "]", NULL});
}

static void
test_F28_a_delete_does_not_absorb_the_fan_out_of_a_row_of_the_same_id(void **state)
{
    (void)state;
    CHECK_BATCH({123, FAN_OUT("post eq 123", SET("level", "1")), NULL},
                {123, "[" DELETE "]", NULL});
}

static void
test_delete_absorbs_across_a_fan_out_that_reads_the_slot(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("post", "5") "]", ""},
                {5, FAN_OUT("post eq 5", SET("level", "1")), NULL}, {1, "[" DELETE "]", NULL});
}

/* --- fan-outs -------------------------------------------------------------------------------- */

static void
test_F29_what_a_fan_out_reads_is_kept_before_it(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("post", "5") "," SET("tags", "[1]") "]", NULL},
                {5, FAN_OUT("post eq 5 AND tags in [1, 2]", SET("level", "1")), NULL},
                {1, "[" SET("post", "6") "," SET("tags", "null") "]", NULL});
}

static void
test_what_a_fan_out_overwrites_is_dropped_before_it(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("level", "5") "]", ""},
                {5, FAN_OUT("post eq 5", SET("level", "1") "," DELETE),
                 "[{'op':'queryOpSet','query"
                 "':'post eq 5','ops':[" DELETE "]}]"},
                {1, "[" SET("level", "6") "]", NULL});
}

static void
test_a_query_on_a_computed_field_reads_its_sources(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("publishedAt", "5") "]", NULL},
                {5, FAN_OUT("sortAt eq 5", SET("level", "1")), NULL},
                {1, "[" SET("publishedAt", "6") "]", NULL});
    CHECK_BATCH({5, FAN_OUT("sortAt eq 5", SET("level", "1")), NULL},
                {1, "[" SET("existedAt", "6") "]", NULL},
                {5, FAN_OUT("sortAt eq 5", SET("level", "2")), NULL});
}

static void
test_F30_a_fan_out_does_not_need_a_slot_that_is_alive(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("post", "5") "]", NULL},
                {5, FAN_OUT("post eq 5", SET("level", "1")), NULL}, {1, "[" ALIVE "]", NULL});
}

static void
test_F31_the_id_of_a_fan_out_is_not_a_slot(void **state)
{
    (void)state;
    CHECK_BATCH({1, "[" SET("level", "5") "]", NULL},
                {1, FAN_OUT("post eq 5", SET("level", "1")), NULL},
                {-3, FAN_OUT("post eq 6", SET("level", "1")), NULL});
}

static void
test_inside_a_fan_out_the_remove_of_the_old_value_is_dropped(void **state)
{
    (void)state;
    CHECK_BATCH({5, FAN_OUT("level eq 5", REMOVE("level", "5") "," SET("level", "6")),
                 FAN_OUT("level eq 5", SET("level", "6"))});
}

static void
test_F25_fan_outs_of_one_query_keep_the_fields_that_only_one_of_them_writes(void **state)
{
    (void)state;
    CHECK_BATCH({5, FAN_OUT("post eq 5", SET("level", "1") "," SET("type", "'a'")),
                 FAN_OUT("post eq 5", SET("type", "'a'"))},
                {5, FAN_OUT("post eq 5", SET("level", "2")), NULL});
}

static void
test_F25_a_fan_out_is_dropped_when_a_later_one_of_its_query_overrides_it(void **state)
{
    (void)state;
    CHECK_BATCH({5, FAN_OUT("post eq 5", ADD("tags", "1")), ""},
                {1, "[" SET("level", "1") "," ADD("tags", "2") "]", NULL},
                {6, FAN_OUT("post eq 6", SET("level", "2")), NULL},
                {5, FAN_OUT("post eq 5", REMOVE("tags", "1")), NULL});
    CHECK_BATCH({5, FAN_OUT("post eq 5", ADD("tags", "1")), NULL},
                {5, FAN_OUT("post eq  5", REMOVE("tags", "1")), NULL});
}

static void
test_F68_a_fan_out_that_changes_what_its_query_matches_is_kept(void **state)
{
    (void)state;
    CHECK_BATCH({5, FAN_OUT("post eq 5", SET("post", "6") "," SET("level", "1")), NULL},
                {5, FAN_OUT("post eq 5", SET("post", "6") "," SET("level", "2")), NULL});
    CHECK_BATCH({5, FAN_OUT("post eq 5", DELETE "," SET("level", "1")), NULL},
                {5, FAN_OUT("post eq 5", SET("level", "2")), NULL});
}

static void
test_F68_a_fan_out_is_kept_when_a_field_of_its_query_is_written_in_between(void **state)
{
    (void)state;
    CHECK_BATCH({5, FAN_OUT("post eq 5", SET("level", "1")), NULL},
                {1, "[" SET("post", "5") "]", NULL},
                {5, FAN_OUT("post eq 5", SET("level", "2")), NULL});
    CHECK_BATCH({5, FAN_OUT("post eq 5", SET("level", "1")), NULL},
                {5, FAN_OUT("type eq a", SET("post", "7")), NULL},
                {5, FAN_OUT("post eq 5", SET("level", "2")), NULL});
}

static void
test_a_fan_out_is_kept_when_what_it_writes_is_read_in_between(void **state)
{
    (void)state;
    CHECK_BATCH({5, FAN_OUT("post eq 5", SET("level", "1")), NULL},
                {5, FAN_OUT("level eq 1", SET("type", "'a'")), NULL},
                {5, FAN_OUT("post eq 5", SET("level", "2")), NULL});
}

/* --- size ------------------------------------------------------------------------------------ */

/* Adds elements to slots, removes others, and adds the first ones again. */
static void
check_elements(uint32_t slots)
{
    static struct op ops[3 * MANY];
    static struct event events[3 * MANY];
    struct compact *compact = compact_create(&config);
    struct arena arena;
    arena_init(&arena);
    for (uint32_t i = 0; i < 3 * MANY; i++) {
        bool middle = i / MANY == 1;
        ops[i] = (struct op){.kind = middle ? OP_REMOVE : OP_ADD, .field = TEXT("tags")};
        ops[i].value.kind = VALUE_INTEGER;
        ops[i].value.integer = (i + middle) % MANY;
        events[i] = (struct event){.entity_id = i % MANY % slots, .ops = {&ops[i], 1}};
    }
    const struct ops *left = compact_run(compact, events, 3 * MANY, &arena);
    assert_non_null(left);
    for (uint32_t i = 0; i < 3 * MANY; i++)
        assert_int_equal(left[i].count, i >= MANY);
    compact_destroy(compact);
    arena_free(&arena);
}

static void
test_in_a_large_batch_slots_and_elements_are_not_confused(void **state)
{
    (void)state;
    check_elements(2);
    check_elements(1000);
    check_elements(MANY);
}

static void
test_in_a_large_batch_fields_are_not_confused(void **state)
{
    (void)state;
    static const char *const names[] = {"level", "post", "existedAt", "publishedAt"};
    static struct op ops[2 * MANY];
    static struct event events[2 * MANY];
    struct compact *compact = compact_create(&config);
    struct arena arena;
    arena_init(&arena);
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        uint32_t slot = i % MANY / 4, field = i % 4;
        bool again = i < MANY || slot % 4 == field;
        ops[i] = (struct op){.kind = again ? OP_SET : OP_REMOVE, .field = text_of(names[field])};
        events[i] = (struct event){.entity_id = slot, .ops = {&ops[i], 1}};
    }
    const struct ops *left = compact_run(compact, events, 2 * MANY, &arena);
    assert_non_null(left);
    for (uint32_t i = 0; i < 2 * MANY; i++)
        assert_int_equal(left[i].count, i >= MANY || i / 4 % 4 != i % 4);
    compact_destroy(compact);
    arena_free(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F23_of_A_to_B_to_C_only_C_is_left),
        cmocka_unit_test(test_F23_arrival_order_decides_and_other_slots_and_fields_do_not_count),
        cmocka_unit_test(test_F26_removes_override_nothing_and_keep_their_order),
        cmocka_unit_test(test_a_row_is_dropped_as_a_whole_or_kept_unchanged),
        cmocka_unit_test(test_the_only_row_of_a_slot_is_kept_unchanged),
        cmocka_unit_test(test_ops_on_unknown_fields_are_kept),
        cmocka_unit_test(test_F24_of_add_and_remove_of_one_element_the_last_is_kept),
        cmocka_unit_test(test_F24_ops_on_other_elements_are_kept),
        cmocka_unit_test(test_an_array_is_dropped_when_each_of_its_elements_is_overridden),
        cmocka_unit_test(test_an_array_or_null_replaces_the_multi_value),
        cmocka_unit_test(test_overriding_its_elements_does_not_override_a_replacement),
        cmocka_unit_test(test_delete_absorbs_earlier_ops),
        cmocka_unit_test(test_F27_ops_after_a_delete_are_kept),
        cmocka_unit_test(test_only_one_alive_is_kept),
        cmocka_unit_test(test_F28_a_delete_does_not_absorb_the_fan_out_of_a_row_of_the_same_id),
        cmocka_unit_test(test_delete_absorbs_across_a_fan_out_that_reads_the_slot),
        cmocka_unit_test(test_F29_what_a_fan_out_reads_is_kept_before_it),
        cmocka_unit_test(test_what_a_fan_out_overwrites_is_dropped_before_it),
        cmocka_unit_test(test_a_query_on_a_computed_field_reads_its_sources),
        cmocka_unit_test(test_F30_a_fan_out_does_not_need_a_slot_that_is_alive),
        cmocka_unit_test(test_F31_the_id_of_a_fan_out_is_not_a_slot),
        cmocka_unit_test(test_inside_a_fan_out_the_remove_of_the_old_value_is_dropped),
        cmocka_unit_test(
            test_F25_fan_outs_of_one_query_keep_the_fields_that_only_one_of_them_writes),
        cmocka_unit_test(test_F25_a_fan_out_is_dropped_when_a_later_one_of_its_query_overrides_it),
        cmocka_unit_test(test_F68_a_fan_out_that_changes_what_its_query_matches_is_kept),
        cmocka_unit_test(
            test_F68_a_fan_out_is_kept_when_a_field_of_its_query_is_written_in_between),
        cmocka_unit_test(test_a_fan_out_is_kept_when_what_it_writes_is_read_in_between),
        cmocka_unit_test(test_in_a_large_batch_slots_and_elements_are_not_confused),
        cmocka_unit_test(test_in_a_large_batch_fields_are_not_confused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
