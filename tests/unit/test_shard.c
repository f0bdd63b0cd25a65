/* Readers and the writer of a shard: readers see whole batches, and neither waits long (F72). */
#include "tests/unit/unit_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/worker_status.h"
#include "tests/unit/engine_fixture.h"

enum { SLOTS = 100000, CLAUSES = 5000, QUERIES_MAX = 50 };

/* Half of the slots have level 1, the others level 2. */
struct shard_world {
    struct engine *engine;
    struct shard *shard;
    struct value level;
    struct filter leaves[CLAUSES];
    struct filter clauses[CLAUSES];
    struct filter filter; /* level 1, as a disjunction of many clauses */
    atomic_bool let_in;   /* a query has let the writer in */
    atomic_bool done;
};

static void
set_level(struct engine *engine, int64_t slot, int64_t level)
{
    struct op ops[] = {{.kind = OP_ALIVE},
                       {.kind = OP_SET,
                        .field = text_of("nsfwLevel"),
                        .value = {.kind = VALUE_INTEGER, .integer = level}}};
    engine_apply_row(engine, fixture_entity(slot), &(struct ops){ops, 2});
}

static int
shard_world_setup(void **state)
{
    struct shard_world *world = memory_zalloc(sizeof *world);
    world->engine = fixture_engine();
    struct config_fields fields;
    config_fields_init(&fields, &fixture_index);
    world->shard = shard_create(&fields);
    config_fields_free(&fields);
    world->level = (struct value){.kind = VALUE_INTEGER, .integer = 2};
    for (int64_t slot = 0; slot < SLOTS; slot++)
        set_level(world->engine, slot, 1 + slot % 2);
    for (uint32_t i = 0; i < CLAUSES; i++) {
        world->leaves[i] = (struct filter){
            .kind = FILTER_EQ, .field = text_of("nsfwLevel"), .values = &world->level, .count = 1};
        world->clauses[i] =
            (struct filter){.kind = FILTER_NOT, .children = &world->leaves[i], .count = 1};
    }
    world->filter =
        (struct filter){.kind = FILTER_OR, .children = world->clauses, .count = CLAUSES};
    engine_advance(world->engine, 0);
    shard_serve(world->shard, world->engine);
    *state = world;
    return 0;
}

static int
shard_world_teardown(void **state)
{
    struct shard_world *world = *state;
    shard_destroy(world->shard);
    engine_destroy(world->engine);
    free(world);
    return 0;
}

static int
ask(struct shard_world *world, int64_t until_us, uint64_t *total)
{
    const struct engine_query query = {.filter = &world->filter};
    struct engine_result result = {0};
    struct error err;
    int rc = shard_query(world->shard, &query, until_us, &result, &err);
    *total = result.total_matched;
    engine_result_free(&result);
    return rc;
}

static void *
reader_main(void *context)
{
    struct shard_world *world = context;
    bool whole = true;
    for (int i = 0; i < QUERIES_MAX && whole && !atomic_load(&world->let_in); i++) {
        uint64_t total;
        whole = ask(world, INT64_MAX, &total) == 0 && total == SLOTS / 2;
    }
    atomic_store(&world->done, true);
    return whole ? world : NULL;
}

/* Two slots exchange their levels in every batch, so a query that saw half of one would find
 * another total. */
static void
test_F72_batches_are_applied_during_a_long_query_which_sees_whole_ones(void **state)
{
    struct shard_world *world = *state;
    pthread_t reader;
    void *whole;
    assert_int_equal(pthread_create(&reader, NULL, reader_main, world), 0);
    for (int64_t slot = 0; !atomic_load(&world->done); slot = (slot + 2) % SLOTS) {
        shard_write_begin(world->shard);
        if (world->engine->watches != NULL)
            atomic_store(&world->let_in, true);
        set_level(world->engine, slot, 2);
        set_level(world->engine, slot + 1, 1);
        set_level(world->engine, (slot + SLOTS / 2) % SLOTS, 1);
        set_level(world->engine, (slot + SLOTS / 2) % SLOTS + 1, 2);
        shard_write_end(world->shard);
        clock_sleep_ms(1);
    }
    assert_int_equal(pthread_join(reader, &whole), 0);
    assert_non_null(whole);
    assert_true(atomic_load(&world->let_in));
}

static void
test_F72_a_query_that_exceeds_its_time_ends(void **state)
{
    struct shard_world *world = *state;
    int64_t now_us = clock_monotonic_us();
    uint64_t total;
    assert_int_equal(ask(world, now_us, &total), ERR_RETRY);
    assert_int_equal(ask(world, now_us + 5 * US_PER_MS, &total), ERR_RETRY);
    shard_write_begin(world->shard); /* the query has released the lock */
    shard_write_end(world->shard);
    assert_int_equal(ask(world, INT64_MAX, &total), 0);
    assert_int_equal(total, SLOTS / 2);
}

/* The first part of a pass clears its fields before the positions after it are published. */
static void
test_fields_are_incomplete_before_a_batch_makes_them_so(void **state)
{
    struct shard_world *world = *state;
    struct worker_status status;
    struct shard_status shown;
    struct sequence next;
    struct config_fields fields;
    char reason[ERROR_MESSAGE_BYTES];
    config_fields_init(&fields, &fixture_index);
    worker_status_init(&status, world->shard, NULL, 0, 60);
    status.shown.state = SHARD_RUNNING;
    sequence_init_alone(&status.shown.sequence, &fields);
    next = status.shown.sequence;
    worker_status_lose(&status, &next, &fields);
    shard_publish(world->shard, &status.shown);
    shard_read_status(world->shard, &shown);
    struct field_set complete = shard_find_complete(&shown, &fields), read;
    assert_true(field_set_has(&complete, FIELD_ALIVE));
    assert_int_equal(shard_read_complete(world->shard, &read), SHARD_RUNNING);
    assert_true(field_set_equal(&read, &complete));
    sequence_init(&next, &fields);
    worker_status_lose(&status, &next, &fields);
    shard_read_status(world->shard, &shown);
    complete = shard_find_complete(&shown, &fields);
    assert_true(field_set_is_empty(&complete));
    assert_int_equal(shard_read_complete(world->shard, &read), SHARD_RUNNING);
    assert_true(field_set_is_empty(&read));
    assert_true(sequence_complete(&shown.sequence));
    assert_false(shard_complete(&shown, &fields, reason, sizeof reason));
    assert_string_equal(reason, "the batch that is being applied proves a loss");
    assert_false(shard_field_complete(&shown, &fields, 0, reason, sizeof reason));
    config_fields_free(&fields);
}

static void
test_answers_are_incomplete_only_while_refreshes_are_owed_for_too_long(void **state)
{
    struct shard_world *world = *state;
    struct worker_status status;
    char reason[ERROR_MESSAGE_BYTES];
    struct config_fields fields;
    config_fields_init(&fields, &fixture_index);
    worker_status_init(&status, world->shard, NULL, 0, 60);
    struct shard_status *shown = &status.shown;
    struct sequence_watermark *watermark = &shown->sequence.watermark;
    shown->state = SHARD_RUNNING;
    sequence_init_alone(&shown->sequence, &fields);
    watermark->owed = 5;
    watermark->owed_since_us = 1000 * US_PER_S;
    watermark->newest_us = 1060 * US_PER_S;
    assert_true(shard_complete(shown, &fields, reason, sizeof reason));
    watermark->newest_us++;
    assert_false(shard_complete(shown, &fields, reason, sizeof reason));
    assert_string_equal(reason, "the producer has owed the answers to refreshes (5) for 60 s, "
                                "longer than consumer.owed_incomplete_s: bitdex-producer status");
    assert_false(shard_field_complete(shown, &fields, 0, reason, sizeof reason));
    struct field_set complete = shard_find_complete(shown, &fields);
    assert_true(field_set_is_empty(&complete));
    assert_true(sequence_complete(&shown->sequence)); /* nothing is lost */
    shown->owed_limit_us = 0;
    assert_true(shard_complete(shown, &fields, reason, sizeof reason));
    shown->owed_limit_us = 60 * US_PER_S;
    watermark->owed = 0;
    assert_true(shard_complete(shown, &fields, reason, sizeof reason));
    complete = shard_find_complete(shown, &fields);
    assert_true(field_set_has(&complete, FIELD_ALIVE));
    config_fields_free(&fields);
}

#define SHARD_TEST(test) \
    cmocka_unit_test_setup_teardown(test, shard_world_setup, shard_world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(test_F72_batches_are_applied_during_a_long_query_which_sees_whole_ones),
        SHARD_TEST(test_F72_a_query_that_exceeds_its_time_ends),
        SHARD_TEST(test_fields_are_incomplete_before_a_batch_makes_them_so),
        SHARD_TEST(test_answers_are_incomplete_only_while_refreshes_are_owed_for_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
