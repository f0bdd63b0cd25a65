#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "common/ops/filter.h"
#include "common/ops/filter_split.h"
#include "tests/unit/random_input.h"

enum { ROUNDS = 300, VALUES_MAX = 60, BYTES_MAX = 160 };

static const char *const texts[] = {"\"a\"",    "\"a, b\"",      "\"]\"", "\"[1, 2]\"",  "\"\\\"\"",
                                    "\"\\\\\"", "\"\\\\\\\",\"", "\"\"",  "\"\xc3\xa4\""};

static void
put_value(bool is_text, struct buffer *out)
{
    if (is_text)
        buffer_append_text(out, texts[random_below(COUNT_OF(texts))]);
    else
        buffer_append_format(out, "%d", (int)random_below(1000000) - 500000);
}

static void
put_list(const char *field, uint32_t count, struct buffer *out)
{
    bool is_text = random_below(2) == 0;
    buffer_append_format(out, "%s in [", field);
    for (uint32_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "" : random_below(2) == 0 ? "," : " , ");
        put_value(is_text, out);
    }
    buffer_append_text(out, "]");
}

static const struct filter *
parse(struct text query, struct arena *arena)
{
    struct error err;
    const struct filter *filter;
    if (filter_parse_query(query, arena, &filter, &err) != 0)
        fail_msg("%.*s: %s", (int)query.bytes, query.data, err.message);
    return filter;
}

/* The clause of that field. */
static const struct filter *
clause_of(const struct filter *filter, const char *field)
{
    if (filter->kind != FILTER_AND)
        return filter;
    for (uint32_t i = 0; i < filter->count; i++)
        if (text_is(filter->children[i].field, field))
            return &filter->children[i];
    fail_msg("no clause of %s", field);
    return NULL;
}

static void
assert_value_equal(const struct value *one, const struct value *other)
{
    assert_int_equal(one->kind, other->kind);
    if (one->kind == VALUE_STRING)
        assert_true(text_equal(one->string, other->string));
    else
        assert_int_equal(one->integer, other->integer);
}

/* The parts have the values of the whole in their order, and all else is the same in each. */
static void
check_parts(struct text query, const struct text *parts, uint32_t count, struct arena *arena)
{
    uint32_t at = 0;
    const struct filter *whole = parse(query, arena);
    const struct filter *list = clause_of(whole, "long");
    for (uint32_t i = 0; i < count; i++) {
        const struct filter *part = parse(parts[i], arena);
        const struct filter *values = clause_of(part, "long");
        assert_true(parts[i].bytes <= BYTES_MAX);
        assert_int_equal(part->kind, whole->kind);
        assert_int_equal(part->count, whole->kind == FILTER_AND ? whole->count : values->count);
        assert_true(at + values->count <= list->count);
        for (uint32_t j = 0; j < values->count; j++)
            assert_value_equal(&values->values[j], &list->values[at++]);
        for (uint32_t j = 0; whole->kind == FILTER_AND && j < whole->count; j++) {
            if (text_is(whole->children[j].field, "long"))
                continue;
            assert_int_equal(part->children[j].count, whole->children[j].count);
            for (uint32_t k = 0; k < whole->children[j].count; k++)
                assert_value_equal(&part->children[j].values[k], &whole->children[j].values[k]);
        }
    }
    assert_int_equal(at, list->count);
}

static void
test_parts_together_match_what_the_query_matches(void **state)
{
    (void)state;
    random_seed();
    uint32_t divided = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct arena arena;
        struct buffer query = {0};
        struct error err;
        const struct text *parts;
        uint32_t count;
        arena_init(&arena);
        if (random_below(2) == 0)
            buffer_append_text(&query, "a eq \"x], [y\" AND ");
        put_list("long", 20 + (uint32_t)random_below(VALUES_MAX), &query);
        if (random_below(2) == 0) {
            buffer_append_text(&query, " AND ");
            put_list("b", 1 + (uint32_t)random_below(3), &query);
        }
        struct text text = {(const char *)query.data, query.bytes};
        if (filter_split_query(text, BYTES_MAX, &arena, &parts, &count, &err) != 0)
            fail_msg("%s", err.message);
        check_parts(text, parts, count, &arena);
        divided += count > 1;
        buffer_free(&query);
        arena_free(&arena);
    }
    assert_true(divided > ROUNDS / 4);
}

static void
check_refused(const char *query, uint32_t bytes_max, const char *reason)
{
    struct arena arena;
    struct error err;
    const struct text *parts;
    uint32_t count;
    arena_init(&arena);
    assert_int_equal(filter_split_query(text_of(query), bytes_max, &arena, &parts, &count, &err),
                     ERR_DATA);
    assert_string_equal(err.message, reason);
    arena_free(&arena);
}

static void
test_what_no_part_of_a_list_shortens_is_refused(void **state)
{
    (void)state;
    check_refused("a eq \"a long text\"", 10, "without its longest list it has more than 10 bytes");
    check_refused("a in [1, 123456789]", 12, "a value of its list is too long");
    check_refused("a in [1]", 6, "without its longest list it has more than 6 bytes");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_together_match_what_the_query_matches),
        cmocka_unit_test(test_what_no_part_of_a_list_shortens_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
