/* The list of verdicts against a naive map from ids to what was found there, and its bytes. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event/chunk.h"
#include "consumer/partition/verdicts.h"
#include "tests/unit/random_input.h"

enum { IDS = 60, ROUNDS = 200, A = 0, B = 1 }; /* the range of all ids has no end */

static const struct config_filter_field filters[] = {{.name = "a", .type = FIELD_SINGLE_VALUE},
                                                     {.name = "b", .type = FIELD_STRING}};
static const struct config_index config = {.filter_fields = filters, .filter_field_count = 2};

struct world {
    struct config_fields fields;
    struct verdicts list;
};

static void
world_begin(struct world *world)
{
    config_fields_init(&world->fields, &config);
    verdicts_init(&world->list, &world->fields);
}

static void
world_end(struct world *world)
{
    verdicts_free(&world->list);
    config_fields_free(&world->fields);
}

static int64_t
end_of(int64_t end)
{
    return end == IDS ? CHUNK_NO_END : end;
}

static void
put(struct world *world, int64_t begin, int64_t end, int64_t job, bool differs)
{
    struct verdict *verdict = verdict_create(&world->list, begin, end_of(end));
    verdict->job = verdict->tick = job;
    verdict->clock_us = job * 10;
    field_set_add(&verdict->named, A);
    field_set_add(differs ? &verdict->differing : &verdict->equal, A);
    verdict->sums[A] = (struct hash_sum){(uint64_t)job, -1, 7};
    verdicts_put(&world->list, verdict);
}

/* A check chunk that names `a` and `b`, and finds that `b` differs in these ids. */
static void
check(struct world *world, int64_t begin, int64_t end, int64_t job, const int64_t *ids,
      uint32_t count, uint64_t total)
{
    char source[] = "1", index[] = "null";
    struct verdict_difference differences[VERDICT_DIFFERENCES_MAX];
    struct verdict_check found = {.job = job,
                                  .begin = begin,
                                  .end = end_of(end),
                                  .tick = job,
                                  .clock_us = job * 10,
                                  .differences = differences,
                                  .difference_count = count,
                                  .total = total};
    for (uint32_t i = 0; i < count; i++)
        differences[i] = (struct verdict_difference){B, ids[i], source, index};
    field_set_add(&found.named, A);
    field_set_add(&found.named, B);
    if (total > 0)
        field_set_add(&found.differing, B);
    verdicts_add_check(&world->list, &found);
    assert_true(verdicts_are_consistent(&world->list));
}

static const struct verdict *
find(const struct world *world, int64_t id)
{
    for (uint32_t i = 0; i < world->list.count; i++)
        if (world->list.items[i]->begin <= id && id < world->list.items[i]->end)
            return world->list.items[i];
    return NULL;
}

/* "begin-end:job[!]" of each. */
static void
assert_list(const struct world *world, const char *wanted)
{
    char text[512] = "";
    size_t bytes = 0;
    for (uint32_t i = 0; i < world->list.count; i++) {
        const struct verdict *verdict = world->list.items[i];
        int64_t end = verdict->end == CHUNK_NO_END ? IDS : verdict->end;
        bytes +=
            (size_t)snprintf(text + bytes, sizeof text - bytes, "%s%d-%d:%d%s", i > 0 ? " " : "",
                             (int)verdict->begin, (int)end, (int)verdict->job,
                             field_set_is_empty(&verdict->differing) ? "" : "!");
    }
    assert_string_equal(text, wanted);
}

static void
test_a_new_verdict_removes_and_trims_older_ones(void **state)
{
    (void)state;
    struct world world;
    struct verdicts_summary summary;
    world_begin(&world);
    verdicts_summarise(&world.list, &summary);
    assert_int_equal(summary.oldest_clock_us, -1);
    put(&world, 0, 20, 1, true);
    put(&world, 20, IDS, 2, false);
    verdicts_summarise(&world.list, &summary);
    assert_true(summary.is_whole && summary.differing == 1 && summary.ranges == 2);
    assert_int_equal(summary.oldest_clock_us, 10);
    put(&world, 5, 10, 3, false);
    assert_list(&world, "0-5:1! 5-10:3 10-20:1! 20-60:2");
    assert_null(world.list.items[0]->sums);
    assert_non_null(world.list.items[1]->sums);
    assert_null(world.list.items[2]->sums);
    assert_non_null(world.list.items[3]->sums);
    put(&world, 3, 30, 4, false);
    assert_list(&world, "0-3:1! 3-30:4 30-60:2");
    put(&world, 0, 3, 5, false);
    verdicts_summarise(&world.list, &summary);
    assert_true(summary.is_whole && summary.differing == 0);
    put(&world, 0, IDS, 6, false);
    assert_list(&world, "0-60:6");
    world_end(&world);
}

/* The sums of a patrol follow a check at once. */
static void
test_new_sums_keep_what_a_check_has_found_while_its_fields_differ(void **state)
{
    (void)state;
    struct world world;
    const int64_t ids[] = {3, 25, 40};
    world_begin(&world);
    put(&world, 0, 30, 1, true);
    put(&world, 30, IDS, 1, true);
    check(&world, 0, IDS, 2, ids, 3, 7); /* in field b */
    put(&world, 0, 10, 3, true);         /* sums of field a differ, those of b are unknown */
    assert_int_equal(find(&world, 3)->difference_count, 0);
    struct verdict *verdict = verdict_create(&world.list, 10, CHUNK_NO_END);
    verdict->job = verdict->tick = 4;
    field_set_add(&verdict->named, B);
    field_set_add(&verdict->differing, B);
    verdicts_put(&world.list, verdict);
    assert_true(verdicts_are_consistent(&world.list));
    assert_int_equal(find(&world, 25)->check_job, 2);
    assert_int_equal(find(&world, 25)->difference_count, 2);
    assert_int_equal(find(&world, 25)->differences[1].entity_id, 40);
    put(&world, 10, IDS, 5, false); /* mended */
    assert_int_equal(find(&world, 25)->check_job, 0);
    assert_int_equal(find(&world, 25)->difference_count, 0);
    world_end(&world);
}

static void
test_ranges_that_do_not_reach_from_0_to_the_end_are_not_whole(void **state)
{
    (void)state;
    struct world world;
    struct verdicts_summary summary;
    world_begin(&world);
    put(&world, 1, 20, 1, false);
    put(&world, 20, IDS, 1, false);
    verdicts_summarise(&world.list, &summary);
    assert_false(summary.is_whole);
    put(&world, 0, 19, 1, false);
    verdicts_summarise(&world.list, &summary);
    assert_true(summary.is_whole);
    put(&world, 30, 40, 1, false);
    field_set_remove(&world.list.items[3]->equal, A); /* nothing was compared there */
    verdicts_summarise(&world.list, &summary);
    assert_false(summary.is_whole);
    world_end(&world);
}

static void
test_a_check_adds_differences_and_fields_that_sums_do_not_compare(void **state)
{
    (void)state;
    struct world world;
    const int64_t first[] = {3}, second[] = {12};
    world_begin(&world);
    put(&world, 0, 20, 1, false);
    check(&world, 0, 10, 7, NULL, 0, 0);
    assert_int_equal(find(&world, 0)->checked_to, 10);
    assert_false(field_set_has(&find(&world, 0)->equal, B)); /* not all of the range yet */
    check(&world, 10, 20, 7, NULL, 0, 0);
    assert_true(field_set_has(&find(&world, 0)->equal, B));
    check(&world, 0, 10, 8, first, 1, 5);
    check(&world, 10, 20, 8, second, 1, 1);
    assert_int_equal(find(&world, 0)->difference_count, 2);
    assert_int_equal(find(&world, 0)->differences_total, 6);
    assert_true(field_set_has(&find(&world, 0)->differing, B));
    assert_false(field_set_has(&find(&world, 0)->equal, B));
    check(&world, 10, 20, 8, second, 1, 1); /* the same part again */
    assert_int_equal(find(&world, 0)->difference_count, 2);
    check(&world, 0, 10, 9, NULL, 0, 0); /* the differences of an older check leave */
    assert_int_equal(find(&world, 0)->difference_count, 0);
    assert_true(field_set_has(&find(&world, 0)->differing, B)); /* until the next sums */
    put(&world, 5, 7, 10, false);
    assert_list(&world, "0-5:1! 5-7:10 7-20:1!");
    world_end(&world);
}

static void
test_a_check_where_no_sums_were_makes_verdicts(void **state)
{
    (void)state;
    struct world world;
    const int64_t ids[] = {2, 11, 35};
    world_begin(&world);
    put(&world, 10, 20, 1, false);
    check(&world, 0, 40, 7, ids, 3, 3);
    assert_list(&world, "0-10:0! 10-20:1! 20-40:0!");
    assert_int_equal(find(&world, 2)->difference_count, 1);
    assert_int_equal(find(&world, 11)->difference_count, 1);
    assert_int_equal(find(&world, 35)->difference_count, 1);
    assert_true(field_set_has(&find(&world, 35)->equal, A));
    assert_null(find(&world, 35)->sums);
    world_end(&world);
}

static void
test_L10_the_list_and_the_differences_are_bounded(void **state)
{
    (void)state;
    struct world world;
    int64_t ids[VERDICT_DIFFERENCES_MAX];
    world_begin(&world);
    for (int64_t i = 0; i < VERDICT_DIFFERENCES_MAX; i++)
        ids[i] = i;
    put(&world, 0, 1000000, 1, false);
    check(&world, 0, 500, 7, ids, VERDICT_DIFFERENCES_MAX, 200);
    for (int64_t i = 0; i < 50; i++)
        ids[i] = 500 + i;
    check(&world, 500, 1000000, 7, ids, 50, 50);
    assert_int_equal(find(&world, 0)->difference_count, VERDICT_DIFFERENCES_MAX);
    assert_int_equal(find(&world, 0)->differences_total, 250);
    for (int64_t i = 0; i < VERDICTS_MAX; i++)
        put(&world, 1000000 + i, 1000001 + i, 2 + i, false);
    assert_int_equal(world.list.count, VERDICTS_MAX);
    assert_null(find(&world, 0)); /* the oldest */
    assert_int_equal(world.list.listed, 0);
    world_end(&world);
}

/* --- the naive map --------------------------------------------------------------------------- */

struct naive_id {
    int64_t job; /* of its sums; 0: none */
    int number;  /* of the put; 0: none */
    bool differs;
    bool is_listed; /* a difference of the newest check */
};

static void
random_put(struct world *world, struct naive_id *ids, int number)
{
    int64_t begin = (int64_t)random_below(IDS);
    int64_t end = begin + 1 + (int64_t)random_below((uint64_t)(IDS - begin));
    bool differs = random_below(2) == 0;
    put(world, begin, end, number, differs);
    for (int64_t id = begin; id < end; id++)
        ids[id] = (struct naive_id){number, number, differs, false};
}

static void
random_check(struct world *world, struct naive_id *ids, int number)
{
    int64_t begin = (int64_t)random_below(IDS);
    int64_t end = begin + 1 + (int64_t)random_below((uint64_t)(IDS - begin));
    int64_t found[IDS];
    uint32_t count = 0;
    for (int64_t id = begin; id < end; id++) {
        if (random_below(8) == 0)
            found[count++] = id;
    }
    check(world, begin, end, number, found, count, count);
    for (uint32_t i = 0; i < world->list.count; i++) { /* each verdict that it touches */
        const struct verdict *verdict = world->list.items[i];
        int64_t last = verdict->end == CHUNK_NO_END ? IDS : verdict->end;
        if (verdict->begin >= end || last <= begin)
            continue;
        for (int64_t id = verdict->begin; id < last; id++) {
            ids[id].number = ids[id].number != 0 ? ids[id].number : number;
            ids[id].differs |= count > 0;
            ids[id].is_listed = false;
        }
    }
    for (uint32_t i = 0; i < count; i++)
        ids[found[i]].is_listed = true;
}

static bool
lists(const struct verdict *verdict, int64_t id)
{
    for (uint32_t i = 0; i < verdict->difference_count; i++)
        if (verdict->differences[i].entity_id == id)
            return true;
    return false;
}

static void
assert_naive(const struct world *world, const struct naive_id *ids)
{
    assert_true(verdicts_are_consistent(&world->list));
    for (int64_t id = 0; id < IDS; id++) {
        const struct verdict *verdict = find(world, id);
        assert_int_equal(verdict != NULL, ids[id].number != 0);
        if (verdict == NULL)
            continue;
        assert_int_equal(verdict->job, ids[id].job);
        assert_int_equal(!field_set_is_empty(&verdict->differing), ids[id].differs);
        assert_int_equal(lists(verdict, id), ids[id].is_listed);
    }
}

/* The bytes give the same list, and damaged bytes are refused or give a consistent list. */
static void
assert_bytes(const struct world *world, struct world *other)
{
    struct buffer bytes = {0}, again = {0};
    struct error err;
    verdicts_encode(&world->list, &world->fields, &bytes);
    struct text text = {(const char *)bytes.data, bytes.bytes};
    assert_int_equal(verdicts_decode(text, &other->fields, &other->list, &err), 0);
    verdicts_encode(&other->list, &other->fields, &again);
    assert_int_equal(bytes.bytes, again.bytes);
    assert_memory_equal(bytes.data, again.data, bytes.bytes);
    for (int i = 0; i < 20; i++) {
        verdicts_clear(&other->list, &other->fields);
        size_t at = random_below(bytes.bytes);
        uint8_t *copy = memory_alloc(bytes.bytes);
        memcpy(copy, bytes.data, bytes.bytes);
        size_t length = random_below(2) == 0 ? at : bytes.bytes;
        copy[at] ^= (uint8_t)(1 + random_below(255));
        text = (struct text){(const char *)copy, length};
        if (verdicts_decode(text, &other->fields, &other->list, &err) != 0)
            assert_int_equal(other->list.count, 0);
        assert_true(verdicts_are_consistent(&other->list));
        free(copy);
    }
    verdicts_clear(&other->list, &other->fields);
    buffer_free(&bytes);
    buffer_free(&again);
}

static void
test_the_list_is_that_of_a_naive_map(void **state)
{
    (void)state;
    random_seed();
    while (random_round(20)) {
        struct world world, other;
        struct naive_id ids[IDS] = {{0}};
        world_begin(&world);
        world_begin(&other);
        for (int i = 1; i <= ROUNDS; i++) {
            if (random_below(3) == 0)
                random_check(&world, ids, i);
            else
                random_put(&world, ids, i);
            assert_naive(&world, ids);
            if (random_below(20) == 0)
                assert_bytes(&world, &other);
        }
        world_end(&world);
        world_end(&other);
    }
}

static void
test_the_verdicts_of_other_fields_are_forgotten(void **state)
{
    (void)state;
    static const struct config_filter_field renamed[] = {{.name = "a", .type = FIELD_SINGLE_VALUE},
                                                         {.name = "c", .type = FIELD_STRING}};
    static const struct config_index other = {.filter_fields = renamed, .filter_field_count = 2};
    struct world world;
    struct config_fields fields;
    struct verdicts list;
    struct buffer bytes = {0};
    struct error err;
    world_begin(&world);
    config_fields_init(&fields, &other);
    verdicts_init(&list, &fields);
    put(&world, 0, IDS, 1, true);
    verdicts_encode(&world.list, &world.fields, &bytes);
    const struct text text = {(const char *)bytes.data, bytes.bytes};
    assert_int_equal(verdicts_decode(text, &fields, &list, &err), 0);
    assert_int_equal(list.count, 0);
    bytes.data[0] = 9;
    assert_int_equal(verdicts_decode(text, &fields, &list, &err), ERR_DATA);
    verdicts_free(&list);
    config_fields_free(&fields);
    buffer_free(&bytes);
    world_end(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_verdict_removes_and_trims_older_ones),
        cmocka_unit_test(test_new_sums_keep_what_a_check_has_found_while_its_fields_differ),
        cmocka_unit_test(test_ranges_that_do_not_reach_from_0_to_the_end_are_not_whole),
        cmocka_unit_test(test_a_check_adds_differences_and_fields_that_sums_do_not_compare),
        cmocka_unit_test(test_a_check_where_no_sums_were_makes_verdicts),
        cmocka_unit_test(test_L10_the_list_and_the_differences_are_bounded),
        cmocka_unit_test(test_the_list_is_that_of_a_naive_map),
        cmocka_unit_test(test_the_verdicts_of_other_fields_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
