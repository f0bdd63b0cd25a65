/* Chunks and passes that are written by hand; test_engine_model has the random ones. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "consumer/engine/engine_chunk.h"
#include "tests/unit/engine_fixture.h"

static const struct text level_field[] = {TEXT("nsfwLevel")};
static const struct text tags_field[] = {TEXT("tagIds")};

static void
assert_entity(struct world *world, int64_t slot, const char *wanted)
{
    assert_string_equal(fixture_entity_text(world->engine, fixture_entity(slot), &world->out),
                        wanted);
}

/* Appends "entity field: reason; " to a buffer. */
static void
note_reject(void *context, const struct engine_reject *reject)
{
    buffer_append_format(context, "%lld %.*s: %s; ", (long long)reject->entity_id,
                         TEXT_ARGS(reject->field), reject->reason);
}

/* Applies the chunk; `rejected` is what note_reject() appends. */
static void
apply(struct world *world, struct chunk chunk, const char *rejected)
{
    struct arena arena;
    struct error err;
    const struct engine_rejects rejects = {note_reject, &world->out};
    buffer_clear(&world->out);
    arena_init(&arena);
    if (chunk_validate(&chunk, &err) != 0 || engine_check_chunk(world->engine, &chunk, &err) != 0)
        fail_msg("%s", err.message);
    engine_prepare_chunk(world->engine, &chunk, &arena, &rejects);
    assert_string_equal(buffer_string(&world->out), rejected);
    engine_apply_chunk(world->engine, &chunk, NULL);
    arena_free(&arena);
}

static struct chunk
chunk_of(int64_t first_slot, int64_t end_slot, const struct text *field,
         const struct chunk_column *column)
{
    return (struct chunk){.begin = fixture_entity(first_slot),
                          .end = fixture_entity(end_slot),
                          .fields = field,
                          .field_count = 1,
                          .columns = column,
                          .column_count = column != NULL};
}

static struct chunk_column
integers(struct text field, const uint32_t *slots, const int64_t *values, uint32_t count)
{
    return (struct chunk_column){
        .field = field, .kind = CHUNK_INTEGERS, .count = count, .slots = slots, .integers = values};
}

static void
test_F78_a_chunk_keeps_the_values_of_fields_that_it_does_not_name(void **state)
{
    const uint32_t slots[] = {1, 3};
    const int64_t values[] = {16, 8};
    const struct chunk_column column = integers(level_field[0], slots, values, 2);
    struct chunk chunk = chunk_of(1, 4, level_field, &column);
    world_apply(*state, 1, "[{'op':'set','field':'tagIds','value':[7]}]");
    world_apply(*state, 2,
                "[{'op':'alive'},{'op':'set','field':'tagIds','value':[5]},"
                "{'op':'set','field':'nsfwLevel','value':1}]");
    world_apply(*state, 4, "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':2}]");
    chunk.states_alive = true;
    chunk.alive = slots;
    chunk.alive_count = 1;
    apply(*state, chunk, "");
    assert_entity(*state, 1, "\"nsfwLevel\":16,\"tagIds\":[7]");
    assert_entity(*state, 2, "!alive \"tagIds\":[5]");
    assert_entity(*state, 3, "!alive \"nsfwLevel\":8");
    assert_entity(*state, 4, "\"nsfwLevel\":2");
}

static void
test_a_chunk_with_slots_leaves_the_other_slots_of_its_range(void **state)
{
    const uint32_t listed[] = {2, 5};
    struct chunk chunk = chunk_of(0, 100, tags_field, NULL);
    for (int64_t slot = 1; slot < 6; slot++)
        world_apply(*state, slot, "[{'op':'alive'},{'op':'set','field':'tagIds','value':[7]}]");
    chunk.has_slots = true;
    chunk.slots = listed;
    chunk.slot_count = 2;
    apply(*state, chunk, "");
    assert_query(*state,
                 "{'filters':[{'Eq':['tagIds',{'Integer':7}]}],'sort':{'field':'rank',"
                 "'direction':'Asc'}}",
                 "4,10,13/3");
}

static void
test_the_last_range_has_no_end(void **state)
{
    struct chunk chunk = chunk_of(2, 3, level_field, NULL);
    world_apply(*state, 1, "[{'op':'set','field':'nsfwLevel','value':1}]");
    world_apply(*state, 2, "[{'op':'set','field':'nsfwLevel','value':1}]");
    world_apply(*state, UINT32_MAX, "[{'op':'set','field':'nsfwLevel','value':1}]");
    chunk.end = CHUNK_NO_END;
    apply(*state, chunk, "");
    assert_entity(*state, 1, "!alive \"nsfwLevel\":1");
    assert_entity(*state, 2, "!alive ");
    assert_entity(*state, UINT32_MAX, "!alive ");
}

/* A deleted slot waits for the sweep with its old values. */
static void
test_F72_a_chunk_over_a_deleted_slot_brings_no_old_value_back(void **state)
{
    struct world *world = *state;
    const uint32_t slots[] = {1};
    const int64_t values[] = {16};
    const struct chunk_column column = integers(level_field[0], slots, values, 1);
    struct chunk chunk = chunk_of(1, 2, level_field, &column);
    for (int64_t slot = 1; slot < 3; slot++)
        world_apply(*state, slot,
                    "[{'op':'alive'},{'op':'set','field':'tagIds','value':[7]},"
                    "{'op':'set','field':'nsfwLevel','value':1}]");
    world_apply(*state, 1, "[{'op':'delete'}]");
    world_apply(*state, 2, "[{'op':'delete'}]");
    chunk.states_alive = true;
    chunk.alive = slots;
    chunk.alive_count = 1;
    apply(*state, chunk, "");
    assert_entity(*state, 1, "\"nsfwLevel\":16");
    engine_sweep(world->engine);
    assert_entity(*state, 1, "\"nsfwLevel\":16");
    assert_entity(*state, 2, "!alive ");
}

static void
test_values_that_a_field_cannot_hold_act_as_null_and_are_reported(void **state)
{
    const uint32_t slots[] = {0, 1, 1, 2, 3};
    const int64_t ranks[] = {5, 6, 7, 1024, 8};
    const struct text fields[] = {TEXT("rank"), TEXT("type"), TEXT("sortAt"), TEXT("else")};
    const struct chunk_column columns[] = {
        integers(fields[0], slots, ranks, 5),
        integers(fields[1], slots, ranks, 1),
        integers(fields[2], slots, ranks, 1),
        integers(fields[3], slots, ranks, 2),
    };
    struct chunk chunk = chunk_of(0, 9, fields, columns);
    chunk.field_count = chunk.column_count = 4;
    for (int64_t slot = 0; slot < 5; slot++)
        world_apply(*state, slot, "[{'op':'set','field':'rank','value':1}]");
    world_apply(*state, 0, "[{'op':'set','field':'type','value':'x'}]");
    apply(*state, chunk,
          "1 type: field \"type\" takes a string, not an integer; "
          "7 rank: field \"rank\" holds -1023 to 1023, not 1024; "
          "4 rank: field \"rank\" takes one value, and the entity has several; "
          "4 rank: field \"rank\" takes one value, and the entity has several; "
          "1 sortAt: field \"sortAt\" is computed and takes no ops; ");
    assert_entity(*state, 0, "!alive \"rank\":5");
    assert_entity(*state, 1, "!alive ");
    assert_entity(*state, 2, "!alive ");
    assert_entity(*state, 3, "!alive \"rank\":8");
    struct engine_stats stats;
    engine_read_stats(((struct world *)*state)->engine, &stats);
    assert_int_equal(stats.unknown_field_ops, 2);
}

static void
assert_refused(struct world *world, const struct chunk *chunk, const char *reason)
{
    struct error err = {0};
    int rc = engine_check_chunk(world->engine, chunk, &err);
    if (rc != ERR_DATA || strstr(err.message, reason) == NULL)
        fail_msg("wanted \"%s\", got %d \"%s\"", reason, rc, err.message);
}

static void
test_a_chunk_with_slots_outside_of_its_range_is_refused(void **state)
{
    const uint32_t slots[] = {3, 5};
    const int64_t values[] = {1, 2};
    const struct chunk_column column = integers(level_field[0], slots, values, 2);
    struct chunk chunk = chunk_of(3, 6, level_field, &column);
    struct world *world = *state;
    struct error err;
    assert_int_equal(engine_check_chunk(world->engine, &chunk, &err), 0);
    chunk.end = fixture_entity(5);
    assert_refused(world, &chunk,
                   "column: slots 3 to 5 are not all in the range of the chunk, which has slots "
                   "3 to 5 of this partition");
    chunk.column_count = 0;
    chunk.alive = slots;
    chunk.alive_count = 2;
    assert_refused(world, &chunk, "alive: slots 3 to 5");
    chunk.alive_count = 0;
    chunk.begin = fixture_entity(4);
    chunk.slots = slots;
    chunk.slot_count = 1;
    assert_refused(world, &chunk, "list of slots: slots 3 to 3");
}

/* The number of parts after which readers may come in. */
static void
count_part(void *context)
{
    uint32_t *count = context;
    (*count)++;
}

static void
test_a_large_chunk_is_applied_in_parts(void **state)
{
    enum { COUNT = 200000 };
    static uint32_t slots[COUNT];
    static int64_t values[COUNT];
    struct world *world = *state;
    uint32_t parts = 0;
    const struct engine_yield yield = {count_part, &parts};
    struct chunk_column column = integers(level_field[0], slots, values, COUNT);
    struct chunk chunk = chunk_of(0, COUNT, level_field, &column);
    for (uint32_t i = 0; i < COUNT; i++) {
        slots[i] = i;
        values[i] = i % 100;
    }
    engine_apply_chunk(world->engine, &chunk, &yield);
    assert_int_equal(parts, COUNT / (32 * 1024) + 1);
    assert_entity(*state, COUNT - 1, "!alive \"nsfwLevel\":99");
    chunk.column_count = 0; /* what is removed counts too */
    engine_apply_chunk(world->engine, &chunk, &yield);
    assert_int_equal(parts, 2 * (COUNT / (32 * 1024) + 1));
    assert_entity(*state, COUNT - 1, "!alive ");
}

static void
pass_apply(struct world *world, int32_t part, const char *fan_outs)
{
    struct arena arena;
    struct pass pass = {.part = part, .fields = level_field, .field_count = 1};
    enum ops_route route;
    arena_init(&arena);
    fixture_parse(&arena, fan_outs, &pass.fan_outs, &route);
    pass.fan_outs = fixture_prepare(world->engine, &arena, &pass.fan_outs);
    engine_apply_pass(world->engine, &pass, NULL);
    arena_free(&arena);
}

static void
test_the_first_part_of_a_pass_clears_its_fields(void **state)
{
    for (int64_t slot = 1; slot < 4; slot++)
        world_apply(*state, slot,
                    "[{'op':'set','field':'nsfwLevel','value':9},"
                    "{'op':'set','field':'score','value':4}]");
    world_apply(*state, 1, "[{'op':'set','field':'postId','value':1}]");
    world_apply(*state, 2, "[{'op':'set','field':'postId','value':2}]");
    pass_apply(*state, 0,
               "[{'op':'queryOpSet','query':'postId eq 1','ops':"
               "[{'op':'set','field':'nsfwLevel','value':5}]}]");
    pass_apply(*state, 1,
               "[{'op':'queryOpSet','query':'postId eq 2','ops':"
               "[{'op':'set','field':'nsfwLevel','value':6}]}]");
    assert_entity(*state, 1, "!alive \"nsfwLevel\":5,\"postId\":1,\"score\":4,\"firstAt\":4");
    assert_entity(*state, 2, "!alive \"nsfwLevel\":6,\"postId\":2,\"score\":4,\"firstAt\":4");
    assert_entity(*state, 3, "!alive \"score\":4,\"firstAt\":4");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_F78_a_chunk_keeps_the_values_of_fields_that_it_does_not_name),
        WORLD_TEST(test_a_chunk_with_slots_leaves_the_other_slots_of_its_range),
        WORLD_TEST(test_the_last_range_has_no_end),
        WORLD_TEST(test_F72_a_chunk_over_a_deleted_slot_brings_no_old_value_back),
        WORLD_TEST(test_values_that_a_field_cannot_hold_act_as_null_and_are_reported),
        WORLD_TEST(test_a_chunk_with_slots_outside_of_its_range_is_refused),
        WORLD_TEST(test_a_large_chunk_is_applied_in_parts),
        WORLD_TEST(test_the_first_part_of_a_pass_clears_its_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
