/* Sums and check chunks over an engine: equal to those of naive rows after any events, and every
 * kind of difference that is planted in the engine's structures is found by both, and mended by a
 * chunk of a load. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/engine/engine_compare.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_sum.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/naive_chunk.h"
#include "tests/unit/naive_sum.h"
#include "tests/unit/random_input.h"

enum { ROWS = 120, STRIDE = 1000, EVENTS = 300, VICTIM = 40, NOW_S = 10, LISTED_MAX = 1000 };

struct state {
    struct engine *engine;
    struct naive_row rows[ROWS];
    int64_t entities[ROWS];
    struct naive_source source;
    struct arena arena;
    struct buffer found; /* differences: "field id source index; " */
};

static void
state_begin(struct state *state)
{
    memset(state, 0, sizeof *state);
    state->engine = fixture_engine();
    for (int i = 0; i < ROWS; i++)
        state->entities[i] = fixture_entity((int64_t)i * STRIDE); /* two pages */
    state->source = (struct naive_source){state->rows, state->entities, ROWS};
    arena_init(&state->arena);
    engine_advance(state->engine, NOW_S);
}

static void
state_end(struct state *state)
{
    engine_destroy(state->engine);
    arena_free(&state->arena);
    buffer_free(&state->found);
}

static void
no_reject(void *context, const struct engine_reject *reject)
{
    (void)context;
    fail_msg("%.*s: %s", TEXT_ARGS(reject->field), reject->reason);
}

static void
ignore_reject(void *context, const struct engine_reject *reject)
{
    (void)context;
    (void)reject;
}

/* What the rows say, as a prepared chunk. */
static struct chunk
whole_chunk(struct state *state, enum chunk_purpose purpose)
{
    struct chunk chunk;
    struct error err;
    const struct engine_rejects rejects = {no_reject, NULL};
    naive_whole_chunk(&state->source, &state->arena, &chunk);
    chunk.purpose = purpose;
    if (chunk_validate(&chunk, &err) != 0 || engine_check_chunk(state->engine, &chunk, &err) != 0)
        fail_msg("%s", err.message);
    engine_prepare_chunk(state->engine, &chunk, &state->arena, &rejects);
    return chunk;
}

static void
note_difference(void *context, const struct engine_difference *difference)
{
    const char *name = difference->field == FIELD_ALIVE ? "" : naive_field_names[difference->field];
    buffer_append_format(context, "%s %lld %s %s; ", name, (long long)difference->entity_id,
                         difference->source, difference->index);
}

static struct field_set
all_fields(void)
{
    struct field_set all = {{0}};
    for (uint32_t i = 0; i < NAIVE_FIELDS; i++)
        field_set_add(&all, i);
    field_set_add(&all, FIELD_ALIVE);
    return all;
}

static struct engine_comparison
compare(struct state *state)
{
    const struct chunk chunk = whole_chunk(state, CHUNK_CHECK);
    struct engine_comparison comparison = {
        .fields = all_fields(),
        .listed_max = LISTED_MAX,
        .take = note_difference,
        .context = &state->found,
    };
    buffer_clear(&state->found);
    engine_compare_chunk(state->engine, &chunk, &comparison, NULL);
    return comparison;
}

/* The fields whose sums differ from those of the rows, or are damaged. The source has no sums of
 * computed fields. */
static struct field_set
sum(const struct state *state, int64_t begin, int64_t end, struct field_set *damaged)
{
    struct engine_field_sum sums[NAIVE_FIELDS + 1];
    struct field_set differing = {{0}};
    engine_sum_range(state->engine, begin, end, sums, NULL);
    for (int field = 0; field <= NAIVE_FIELDS; field++) {
        uint32_t number = field < NAIVE_FIELDS ? (uint32_t)field : FIELD_ALIVE;
        const struct hash_sum wanted = naive_sum(&state->source, field, begin, end);
        if (sums[field].is_damaged)
            field_set_add(damaged, number);
        bool is_sent = field < NAIVE_FIELDS_WRITTEN || field == NAIVE_FIELDS;
        if (sums[field].is_damaged || (is_sent && !hash_sum_equal(&wanted, &sums[field].sum)))
            field_set_add(&differing, number);
    }
    return differing;
}

/* --- any events ------------------------------------------------------------------------------ */

static void
apply_random_chunk(struct state *state)
{
    struct naive_chunk random;
    const struct engine_rejects rejects = {ignore_reject, NULL};
    naive_random_chunk(state->rows, state->entities, ROWS, &state->arena, &random);
    engine_prepare_chunk(state->engine, &random.chunk, &state->arena, &rejects);
    engine_apply_chunk(state->engine, &random.chunk, NULL);
    naive_apply_chunk(state->rows, ROWS, &random);
}

static void
apply_random_event(struct state *state)
{
    struct naive_event event;
    struct naive_ops random;
    if (random_below(20) == 0)
        naive_random_fan_out(&event);
    else
        naive_random_row(&event, ROWS);
    naive_event_ops(&event, &random);
    const struct ops ops = fixture_prepare(state->engine, &state->arena, &random.ops);
    if (event.row < 0)
        engine_apply_fan_out(state->engine, &ops);
    else
        engine_apply_row(state->engine, state->entities[event.row], &ops);
    naive_apply(state->rows, ROWS, &event);
}

/* Of the computed fields too. */
static void
assert_whole_sums(const struct state *state)
{
    struct engine_field_sum sums[NAIVE_FIELDS + 1];
    engine_sum_range(state->engine, 0, CHUNK_NO_END, sums, NULL);
    for (int field = 0; field <= NAIVE_FIELDS; field++) {
        const struct hash_sum wanted = naive_sum(&state->source, field, 0, CHUNK_NO_END);
        assert_true(hash_sum_equal(&wanted, &sums[field].sum));
    }
}

static void
assert_equal_sums(struct state *state)
{
    struct field_set damaged = {{0}};
    int64_t first = state->entities[random_below(ROWS)] + (int64_t)random_below(3) - 1;
    int64_t last = first + (int64_t)random_below(STRIDE * 2 * (uint64_t)ROWS);
    const struct field_set part = sum(state, first, last, &damaged);
    assert_whole_sums(state);
    assert_true(field_set_is_empty(&part));
    assert_true(field_set_is_empty(&damaged));
}

static void
test_sums_and_check_chunks_agree_with_the_rows_after_any_events(void **unused)
{
    (void)unused;
    random_seed();
    while (random_round(20)) {
        struct state state;
        state_begin(&state);
        naive_values_limit = random_below(2) == 0 ? UINT64_MAX : 1 + random_below(20);
        for (int i = 0; i < EVENTS; i++) {
            if (random_below(40) == 0)
                apply_random_chunk(&state);
            else
                apply_random_event(&state);
            if (random_below(30) > 0)
                continue;
            assert_equal_sums(&state);
            const struct engine_comparison comparison = compare(&state);
            assert_int_equal(comparison.total, 0);
            assert_true(field_set_is_empty(&comparison.differing));
            arena_reset(&state.arena);
        }
        state_end(&state);
    }
    naive_values_limit = UINT64_MAX;
}

/* Rows that have changed without an event. */
static void
test_a_change_of_the_rows_differs_in_exactly_its_fields(void **unused)
{
    (void)unused;
    random_seed();
    while (random_round(50)) {
        struct state state;
        struct field_set damaged = {{0}}, changed = {{0}};
        state_begin(&state);
        for (int i = 0; i < EVENTS; i++)
            apply_random_event(&state);
        for (int i = 0; i < 3; i++) {
            struct naive_row *row = &state.rows[random_below(ROWS)];
            uint32_t field = (uint32_t)random_below(NAIVE_FIELDS_WRITTEN);
            if (field == NAIVE_TAG_IDS)
                row->tags[3] = !row->tags[3];
            else
                row->has[field] = !row->has[field];
            row->values[field] =
                row->has[field] && field != NAIVE_TAG_IDS ? naive_random_number((int)field) : 0;
            if (row->alive)
                field_set_add(&changed, field);
        }
        const struct field_set differing = sum(&state, 0, CHUNK_NO_END, &damaged);
        const struct engine_comparison comparison = compare(&state);
        assert_true(field_set_is_empty(&damaged));
        assert_true(field_set_includes(&changed, &comparison.differing));
        assert_true(field_set_equal(&comparison.differing, &differing));
        state_end(&state);
    }
}

/* --- planted differences --------------------------------------------------------------------- */

static struct field *
field_of(const struct state *state, int field)
{
    return &state->engine->fields[field];
}

static uint32_t
victim_slot(void)
{
    return VICTIM * STRIDE;
}

static void
apply_to_victim(struct state *state, const char *json)
{
    fixture_apply(state->engine, state->entities[VICTIM], json);
}

static void
plant_missing_value(struct state *state)
{
    apply_to_victim(state, "[{'op':'set','field':'nsfwLevel','value':null}]");
}

static void
plant_missing_tag(struct state *state)
{
    apply_to_victim(state, "[{'op':'remove','field':'tagIds','value':5}]");
}

static void
plant_extra_tag(struct state *state)
{
    apply_to_victim(state, "[{'op':'add','field':'tagIds','value':6}]");
}

static void
plant_wrong_value(struct state *state)
{
    apply_to_victim(state, "[{'op':'set','field':'postId','value':99}]");
}

static void
plant_wrong_boolean(struct state *state)
{
    apply_to_victim(state, "[{'op':'set','field':'hasMeta','value':false}]");
}

static void
plant_wrong_string(struct state *state)
{
    apply_to_victim(state, "[{'op':'set','field':'type','value':'SDXL'}]");
}

static void
plant_unknown_string(struct state *state)
{
    apply_to_victim(state, "[{'op':'set','field':'type','value':'Flux'}]");
}

static void
plant_wrong_time(struct state *state)
{
    apply_to_victim(state, "[{'op':'set','field':'publishedAt','value':4000000000}]");
}

static void
plant_extra_entity(struct state *state)
{
    fixture_apply(state->engine, fixture_entity(victim_slot() + 1), "[{'op':'alive'}]");
}

static void
plant_missing_entity(struct state *state)
{
    roaring_bitmap_remove(state->engine->alive, victim_slot());
    roaring_bitmap_remove(state->engine->visible, victim_slot());
}

/* A filter finds the slot under a value that it does not have. */
static void
plant_stale_bit(struct state *state)
{
    postings_add(&field_of(state, NAIVE_POST)->postings, 17, victim_slot());
}

static void
plant_stale_bit_of_few_values(struct state *state)
{
    postings_add(&field_of(state, NAIVE_LEVEL)->postings, 1, victim_slot());
}

static void
plant_missing_bit(struct state *state)
{
    const uint32_t slot = victim_slot();
    postings_remove(&field_of(state, NAIVE_POST)->postings, 7, &slot, 1);
}

static void
plant_missing_bit_of_few_values(struct state *state)
{
    const uint32_t slot = victim_slot();
    postings_remove(&field_of(state, NAIVE_LEVEL)->postings, 2, &slot, 1);
}

static void
plant_stale_tag_bit(struct state *state)
{
    postings_add(&field_of(state, NAIVE_TAG_IDS)->postings, -1, victim_slot());
}

static void
plant_wrong_set(struct state *state)
{
    int64_t items[] = {5, 6};
    struct value_list set = {.items = items, .count = 2};
    set_column_write(&field_of(state, NAIVE_TAG_IDS)->sets, victim_slot(), &set);
}

static void
plant_wrong_slice(struct state *state)
{
    slices_change(&field_of(state, NAIVE_RANK)->slices, victim_slot(), 0, 8);
}

static void
plant_wrong_sign(struct state *state)
{
    slices_change(&field_of(state, NAIVE_POST)->slices, victim_slot(), 0, INT64_MIN);
}

static void
plant_wrong_column(struct state *state)
{
    column_write(&field_of(state, NAIVE_RANK)->column, victim_slot(), 12);
}

static void
plant_wrong_null(struct state *state)
{
    roaring_bitmap_remove(field_of(state, NAIVE_RANK)->present, victim_slot());
}

static void
plant_wrong_null_of_a_set(struct state *state)
{
    roaring_bitmap_remove(field_of(state, NAIVE_TAG_IDS)->present, victim_slot());
}

static void
plant_wrong_null_of_few_values(struct state *state)
{
    roaring_bitmap_remove(field_of(state, NAIVE_META)->present, victim_slot());
}

static void
plant_wrong_computed_value(struct state *state)
{
    field_set(field_of(state, NAIVE_SORT_AT), victim_slot(), 3);
}

static void
plant_wrongly_hidden(struct state *state)
{
    roaring_bitmap_remove(state->engine->visible, victim_slot());
}

static void
plant_wrongly_visible(struct state *state)
{
    roaring_bitmap_add(state->engine->visible, victim_slot() + STRIDE);
}

struct planted {
    void (*plant)(struct state *state);
    int field; /* NAIVE_FIELDS: existence */
    bool is_damaged;
    const char *source; /* of the listed difference */
    const char *index;
};

static const struct planted plants[] = {
    {plant_missing_value, NAIVE_LEVEL, false, "2", "null"},
    {plant_missing_tag, NAIVE_TAG_IDS, false, "[5,300]", "[300]"},
    {plant_extra_tag, NAIVE_TAG_IDS, false, "[5,300]", "[5,6,300]"},
    {plant_wrong_value, NAIVE_POST, false, "7", "99"},
    {plant_wrong_boolean, NAIVE_META, false, "true", "false"},
    {plant_wrong_string, NAIVE_TYPE, false, "\"SD 1.5\"", "\"SDXL\""},
    {plant_unknown_string, NAIVE_TYPE, false, "\"SD 1.5\"", "\"Flux\""},
    {plant_wrong_time, NAIVE_PUBLISHED, false, "5", "4000000000"},
    {plant_extra_entity, NAIVE_FIELDS, false, "false", "true"},
    {plant_missing_entity, NAIVE_FIELDS, false, "true", "false"},
    {plant_stale_bit, NAIVE_POST, true, "7", "{\"held\":7,\"filter\":["},
    {plant_stale_bit_of_few_values, NAIVE_LEVEL, true, "2", "{\"held\":"},
    {plant_missing_bit, NAIVE_POST, true, "7", "{\"held\":7,\"filter\":[],\"sort\":7}"},
    {plant_missing_bit_of_few_values, NAIVE_LEVEL, true, "2", "{\"held\":null,\"filter\":[]}"},
    {plant_stale_tag_bit, NAIVE_TAG_IDS, true, "[5,300]", "{\"held\":[5,300],\"filter\":["},
    {plant_wrong_set, NAIVE_TAG_IDS, true, "[5,300]", "{\"held\":[5,6],\"filter\":["},
    {plant_wrong_slice, NAIVE_RANK, true, "7", "{\"held\":7,\"sort\":15}"},
    {plant_wrong_sign, NAIVE_POST, true, "7", "{\"held\":7,\"filter\":[7],\"sort\":-"},
    {plant_wrong_column, NAIVE_RANK, true, "7", "{\"held\":12,\"sort\":7}"},
    {plant_wrong_null, NAIVE_RANK, true, "7", "{\"held\":null,\"sort\":7}"},
    {plant_wrong_null_of_a_set, NAIVE_TAG_IDS, true, "[5,300]", "{\"held\":[5,300],"},
    {plant_wrong_null_of_few_values, NAIVE_META, true, "true", "{\"held\":null,\"filter\":[true]}"},
    {plant_wrong_computed_value, NAIVE_SORT_AT, true, "5", "3"},
    {plant_wrongly_hidden, NAIVE_FIELDS, true, "\"visible\"", "\"hidden\""},
    {plant_wrongly_visible, NAIVE_FIELDS, true, "\"hidden\"", "\"visible\""},
};

/* Rows in which every field has values, and the engine has them too. */
static void
plant_begin(struct state *state)
{
    state_begin(state);
    for (int i = 0; i < ROWS; i++) {
        struct naive_row *row = &state->rows[i];
        row->alive = true;
        for (int field = 0; field < NAIVE_FIELDS_WRITTEN; field++) {
            row->has[field] = field != NAIVE_TAG_IDS && random_below(5) > 0;
            row->values[field] = row->has[field] ? naive_random_number(field) : 0;
        }
        row->tags[3] = random_below(2) == 0;
        naive_compute(row);
    }
    state->rows[VICTIM] = (struct naive_row){
        .alive = true,
        .has = {true, true, false, true, true, true, true, true, true},
        .values = {2, 7, 0, 1, 1, 6, 7, 4, 5},
        .tags = {[3] = true, [4] = true},
    };
    naive_compute(&state->rows[VICTIM]);
    state->rows[VICTIM + 1] = (struct naive_row){.alive = true,
                                                 .has = {[NAIVE_PUBLISHED] = true},
                                                 .values = {[NAIVE_PUBLISHED] = UINT32_MAX}};
    naive_compute(&state->rows[VICTIM + 1]);
    const struct chunk chunk = whole_chunk(state, CHUNK_LOAD);
    engine_apply_chunk(state->engine, &chunk, NULL);
}

static uint32_t
planted_number(const struct planted *planted)
{
    return planted->field < NAIVE_FIELDS ? (uint32_t)planted->field : FIELD_ALIVE;
}

/* A missing entity has no values, so all its fields differ. */
static bool
is_found(const struct planted *planted, const struct field_set *differing)
{
    struct field_set wanted = {{0}};
    field_set_add(&wanted, planted_number(planted));
    return planted->plant == plant_missing_entity ? field_set_includes(differing, &wanted)
                                                  : field_set_equal(differing, &wanted);
}

static struct field_set
assert_found(struct state *state, const struct planted *planted)
{
    char part[128];
    struct field_set damaged = {{0}};
    const struct field_set by_sums = sum(state, 0, CHUNK_NO_END, &damaged);
    const struct engine_comparison by_check = compare(state);
    assert_true(is_found(planted, &by_sums));
    assert_true(is_found(planted, &by_check.differing));
    assert_int_equal(field_set_has(&damaged, planted_number(planted)), planted->is_damaged);
    assert_true(field_set_equal(&by_check.damaged, &damaged));
    assert_int_equal(by_check.total, 1);
    snprintf(part, sizeof part, " %s %s", planted->source, planted->index);
    if (strstr(buffer_string(&state->found), part) == NULL)
        fail_msg("%s is not in %s", part, buffer_string(&state->found));
    return damaged;
}

static void
assert_clean(struct state *state)
{
    struct field_set damaged = {{0}};
    const struct field_set differing = sum(state, 0, CHUNK_NO_END, &damaged);
    const struct engine_comparison comparison = compare(state);
    if (comparison.total > 0)
        fail_msg("%s", buffer_string(&state->found));
    assert_true(field_set_is_empty(&differing));
    assert_true(field_set_is_empty(&damaged));
    assert_true(field_set_is_empty(&comparison.differing));
}

static void
test_every_planted_difference_is_found_and_mended(void **unused)
{
    (void)unused;
    random_seed();
    for (size_t i = 0; i < COUNT_OF(plants); i++) {
        struct state state;
        plant_begin(&state);
        assert_clean(&state);
        plants[i].plant(&state);
        const struct field_set damaged = assert_found(&state, &plants[i]);
        const struct chunk chunk = whole_chunk(&state, CHUNK_LOAD);
        engine_mend_chunk(state.engine, &chunk, &damaged, NULL);
        assert_clean(&state);
        state_end(&state);
    }
}

/* The damage is part of what a checkpoint holds, and is still found after it. */
static void
test_damage_is_found_after_a_restart_too(void **unused)
{
    (void)unused;
    struct state state;
    struct buffer image = {0};
    struct error err;
    struct field_set damaged = {{0}};
    random_seed();
    plant_begin(&state);
    plant_stale_bit(&state);
    fixture_save(state.engine, &image);
    engine_destroy(state.engine);
    state.engine = fixture_engine();
    int rc = fixture_load(state.engine, (struct text){(const char *)image.data, image.bytes}, &err);
    assert_int_equal(rc, 0);
    engine_advance(state.engine, NOW_S);
    sum(&state, 0, CHUNK_NO_END, &damaged);
    assert_true(field_set_has(&damaged, NAIVE_POST));
    buffer_free(&image);
    state_end(&state);
}

static void
test_differences_are_listed_up_to_a_limit_and_counted(void **unused)
{
    (void)unused;
    struct state state;
    random_seed();
    plant_begin(&state);
    for (int i = 0; i < ROWS; i++)
        fixture_apply(state.engine, state.entities[i],
                      "[{'op':'add','field':'tagIds','value':-77}]");
    const struct chunk chunk = whole_chunk(&state, CHUNK_CHECK);
    struct engine_comparison comparison = {
        .fields = all_fields(), .listed_max = 7, .take = note_difference, .context = &state.found};
    buffer_clear(&state.found);
    engine_compare_chunk(state.engine, &chunk, &comparison, NULL);
    assert_int_equal(comparison.total, ROWS);
    assert_int_equal(comparison.listed, 7);
    state_end(&state);
}

/* Only what the caller names is compared: the others are not complete. */
static void
test_fields_that_are_not_named_are_not_compared(void **unused)
{
    (void)unused;
    struct state state;
    random_seed();
    plant_begin(&state);
    plant_wrong_value(&state);
    plant_extra_entity(&state);
    const struct chunk chunk = whole_chunk(&state, CHUNK_CHECK);
    struct engine_comparison comparison = {.listed_max = 0};
    field_set_add(&comparison.fields, NAIVE_TYPE);
    engine_compare_chunk(state.engine, &chunk, &comparison, NULL);
    assert_int_equal(comparison.total, 0);
    assert_true(field_set_is_empty(&comparison.differing));
    state_end(&state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_and_check_chunks_agree_with_the_rows_after_any_events),
        cmocka_unit_test(test_a_change_of_the_rows_differs_in_exactly_its_fields),
        cmocka_unit_test(test_every_planted_difference_is_found_and_mended),
        cmocka_unit_test(test_damage_is_found_after_a_restart_too),
        cmocka_unit_test(test_differences_are_listed_up_to_a_limit_and_counted),
        cmocka_unit_test(test_fields_that_are_not_named_are_not_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
