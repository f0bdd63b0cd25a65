/* Which chunk names which outbox row. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>

#include "producer/refresh/answers.h"
#include "tests/unit/random_input.h"

enum { PARTITIONS = 3, EVENT_BYTES = 4000, ROWS_MAX = 2000, ENTITIES = 60 };

static const struct answers_limits limits = {PARTITIONS, EVENT_BYTES};
static struct answers answers;

static int
setup(void **state)
{
    (void)state;
    answers_init(&answers);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    answers_free(&answers);
    return 0;
}

/* A reading of parts of so many entities each. With `is_double`, an entity alone has two parts, as
 * one that does not fit an event. */
static struct load_chunk
make_reading(uint32_t part_count, int64_t width, bool is_double)
{
    struct load_chunk reading = {.end = (int64_t)part_count * width, .rows = 5, .bytes = 7};
    arena_init(&reading.arena);
    reading.part_count = part_count + (is_double ? 1 : 0);
    reading.parts = arena_alloc(&reading.arena, reading.part_count * sizeof *reading.parts);
    for (uint32_t i = 0; i < reading.part_count; i++) {
        uint32_t place = is_double && i > 0 ? i - 1 : i;
        struct load_part *part = &reading.parts[i];
        *part = (struct load_part){.begin = place * width, .end = (place + 1) * width};
        part->chunks = arena_alloc(&reading.arena, PARTITIONS * sizeof *part->chunks);
        for (int32_t p = 0; p < PARTITIONS; p++)
            part->chunks[p] =
                (struct chunk){.purpose = CHUNK_REFRESH, .begin = part->begin, .end = part->end};
    }
    return reading;
}

static const struct chunk *
chunk_at(uint32_t answer, uint32_t part, int32_t partition)
{
    assert_true(answer < answers.count && part < answers.items[answer].part_count);
    return &answers.items[answer].parts[part].chunks[partition];
}

static void
assert_names(const struct chunk *chunk, uint32_t count, const int64_t *rows)
{
    assert_int_equal(chunk->answer_count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(chunk->answers[i], rows[i]);
}

static void
test_a_row_is_named_in_the_part_and_partition_of_its_entity(void **state)
{
    (void)state;
    struct load_chunk reading = make_reading(2, 10, false);
    const struct answer_row rows[] = {{.row = 71, .entity_id = 3},
                                      {.row = 70, .entity_id = 6},
                                      {.row = 72, .entity_id = 13},
                                      {.row = 73, .entity_id = 4}};
    answers_add_reading(&answers, &limits, &reading, rows, 4);
    assert_int_equal(answers.count, 1);
    assert_int_equal(answers.items[0].part_count, 2);
    assert_names(chunk_at(0, 0, 0), 2, (const int64_t[]){70, 71});
    assert_names(chunk_at(0, 0, 1), 1, (const int64_t[]){73});
    assert_names(chunk_at(0, 0, 2), 0, NULL);
    assert_names(chunk_at(0, 1, 1), 1, (const int64_t[]){72});
    assert_names(chunk_at(0, 1, 0), 0, NULL);
    assert_int_equal(answers.rows, 5);
    assert_int_equal(answers.bytes, 7);
}

static void
test_a_parents_row_is_named_by_the_last_part_in_every_partition(void **state)
{
    (void)state;
    struct load_chunk reading = make_reading(3, 10, false);
    const struct answer_row rows[] = {{.row = 9, .entity_id = ANSWER_OF_PARENT},
                                      {.row = 8, .entity_id = ANSWER_OF_PARENT}};
    answers_add_reading(&answers, &limits, &reading, rows, 2);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        assert_names(chunk_at(0, 0, p), 0, NULL);
        assert_names(chunk_at(0, 1, p), 0, NULL);
        assert_names(chunk_at(0, 2, p), 2, (const int64_t[]){8, 9});
    }
}

/* The first part of such an entity rejects fields, the second one states the others. */
static void
test_an_entity_of_two_parts_is_answered_by_the_second(void **state)
{
    (void)state;
    struct load_chunk reading = make_reading(1, 1, true);
    const struct answer_row row = {.row = 5, .entity_id = 0};
    answers_add_reading(&answers, &limits, &reading, &row, 1);
    assert_names(chunk_at(0, 0, 0), 0, NULL);
    assert_names(chunk_at(0, 1, 0), 1, (const int64_t[]){5});
}

static void
test_rows_alone_need_no_reading(void **state)
{
    (void)state;
    const struct answer_row row = {.row = 5, .entity_id = 7};
    answers_add_rows(&answers, &limits, &row, 1);
    assert_int_equal(answers.items[0].part_count, 1);
    const struct chunk *chunk = chunk_at(0, 0, 1);
    assert_names(chunk, 1, (const int64_t[]){5});
    assert_true(chunk->has_slots && chunk->slot_count == 0);
    assert_true(answers_chunk_is_needed(chunk));
    assert_false(answers_chunk_is_needed(chunk_at(0, 0, 0)));
    answers_add_rows(&answers, &limits, NULL, 0);
    assert_int_equal(answers.count, 1);
}

static void
test_a_pass_is_sent_with_the_rows_of_its_parents(void **state)
{
    (void)state;
    struct load_pass_part part = {.pass = {.part = 1}};
    const struct op op = {.kind = OP_FAN_OUT};
    const struct answer_row row = {.row = 5, .entity_id = ANSWER_OF_PARENT};
    arena_init(&part.arena);
    part.pass.fan_outs = (struct ops){&op, 1};
    answers_add_pass(&answers, &limits, &part, &row, 1);
    assert_non_null(answers.items[0].pass);
    for (int32_t p = 0; p < PARTITIONS; p++)
        assert_names(chunk_at(0, 0, p), 1, (const int64_t[]){5});
}

/* --- random readings --- */

struct named {
    int64_t row;
    int32_t partition;
    uint32_t part;
};

static int
compare_named(const void *a, const void *b)
{
    const struct named *left = a;
    const struct named *right = b;
    if (left->row != right->row)
        return left->row < right->row ? -1 : 1;
    return left->partition - right->partition;
}

/* Every row once in each of its partitions, after everything of its entity, in chunks whose lists
 * fit. */
static void
check_named(const struct answer_row *rows, uint32_t count, uint32_t read_parts, int64_t width)
{
    static struct named named[ROWS_MAX * PARTITIONS];
    uint32_t total = 0;
    const struct answer *answer = &answers.items[0];
    for (uint32_t i = 0; i < answer->part_count; i++)
        for (int32_t p = 0; p < PARTITIONS; p++) {
            const struct chunk *chunk = &answer->parts[i].chunks[p];
            uint32_t most = i < read_parts ? EVENT_BYTES / 8 / 10 : (EVENT_BYTES - 1024) / 10;
            assert_true(chunk->answer_count <= most);
            for (uint32_t j = 0; j < chunk->answer_count; j++)
                named[total++] = (struct named){chunk->answers[j], p, i};
        }
    qsort(named, total, sizeof *named, compare_named);
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) { /* the row ids are 0, 1, 2, ... */
        bool is_of_parent = rows[i].entity_id == ANSWER_OF_PARENT;
        uint32_t least = is_of_parent ? read_parts - 1 : (uint32_t)(rows[i].entity_id / width);
        for (int32_t p = 0; p < PARTITIONS; p++) {
            if (!is_of_parent && rows[i].entity_id % PARTITIONS != p)
                continue;
            assert_true(at < total);
            assert_int_equal(named[at].row, rows[i].row);
            assert_int_equal(named[at].partition, p);
            assert_true(named[at].part >= least);
            at++;
        }
    }
    assert_int_equal(at, total);
}

static void
test_random_rows_are_named_once(void **state)
{
    (void)state;
    static struct answer_row rows[ROWS_MAX];
    while (random_round(20)) {
        bool is_of_parent = random_below(2) == 0;
        uint32_t count = (uint32_t)random_below(random_below(4) == 0 ? ROWS_MAX : 40);
        int64_t width = 1 + (int64_t)random_below(10);
        uint32_t parts = (uint32_t)(ENTITIES / width + 1);
        struct load_chunk reading = make_reading(parts, width, false);
        for (uint32_t i = 0; i < count; i++)
            rows[i] = (struct answer_row){i, is_of_parent ? ANSWER_OF_PARENT
                                                          : (int64_t)random_below(ENTITIES)};
        answers_add_reading(&answers, &limits, &reading, rows, count);
        check_named(rows, count, parts, width);
        answers_clear(&answers);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_row_is_named_in_the_part_and_partition_of_its_entity,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_parents_row_is_named_by_the_last_part_in_every_partition, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_entity_of_two_parts_is_answered_by_the_second,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_alone_need_no_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_pass_is_sent_with_the_rows_of_its_parents, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_random_rows_are_named_once, setup, teardown),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
