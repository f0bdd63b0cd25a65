#include "tests/unit/unit_test.h"

#include "common/event/event.h"
#include "producer/sink/numbering.h"

/* The next seq, for a row whose txid and body depend on its id. */
static int64_t
take_row(struct numbering *numbering, int32_t partition, int64_t id)
{
    const struct numbered_row row = {id, (uint64_t)id + 100, (uint32_t)id * 3};
    return numbering_next(numbering, partition, &row);
}

static void
test_seq_is_dense_in_each_partition(void **state)
{
    (void)state;
    struct numbering numbering;
    numbering_init(&numbering, 3);
    assert_int_equal(take_row(&numbering, 1, 10), 1);
    assert_int_equal(take_row(&numbering, 1, 11), 2);
    assert_int_equal(take_row(&numbering, 2, 12), 1);
    assert_int_equal(take_row(&numbering, 1, 13), 3);
    assert_int_equal(numbering.seq[0], 0);
    assert_int_equal(numbering.last_row_id, 13);
    numbering_free(&numbering);
}

static void
test_digest_covers_the_partitions_row_ids_in_order(void **state)
{
    (void)state;
    struct numbering numbering;
    numbering_init(&numbering, 2);
    take_row(&numbering, 0, 5);
    take_row(&numbering, 1, 6);
    take_row(&numbering, 0, 7);
    assert_true(numbering.digest[0] ==
                event_digest_next(event_digest_next(EVENT_DIGEST_START, 5), 7));
    assert_true(numbering.digest[1] == event_digest_next(EVENT_DIGEST_START, 6));
    numbering_free(&numbering);
}

/* After a lost tail the same ids are given to other rows. */
static void
test_content_digest_covers_txid_and_body(void **state)
{
    (void)state;
    struct numbering numbering;
    struct numbering other;
    numbering_init(&numbering, 1);
    numbering_init(&other, 1);
    take_row(&numbering, 0, 5);
    numbering_next(&other, 0, &(struct numbered_row){5, 105, 16});
    assert_true(numbering.digest[0] == other.digest[0]);
    assert_true(numbering.content_digest[0] == event_content_next(EVENT_DIGEST_START, 5, 105, 15));
    assert_true(numbering.content_digest[0] != other.content_digest[0]);
    numbering_free(&numbering);
    numbering_free(&other);
}

static void
test_the_same_rows_from_the_same_place_get_the_same_numbers(void **state)
{
    (void)state;
    struct numbering saved;
    struct numbering again;
    numbering_init(&saved, 2);
    numbering_init(&again, 2);
    take_row(&saved, 0, 1);
    numbering_copy(&again, &saved);
    for (int64_t id = 9; id > 2; id--)
        assert_int_equal(take_row(&saved, (int32_t)(id % 2), id),
                         take_row(&again, (int32_t)(id % 2), id));
    assert_true(saved.digest[0] == again.digest[0] && saved.digest[1] == again.digest[1]);
    assert_true(saved.content_digest[0] == again.content_digest[0]);
    assert_true(saved.content_digest[1] == again.content_digest[1]);
    assert_int_equal(again.last_row_id, 9); /* the greatest one, not the latest */
    numbering_free(&saved);
    numbering_free(&again);
}

static void
test_F67_an_entity_is_routed_as_unsigned(void **state)
{
    (void)state;
    assert_int_equal(numbering_partition(0, 7), 0);
    assert_int_equal(numbering_partition(15, 7), 1);
    assert_int_equal(numbering_partition(-1, 7), UINT64_MAX % 7);
    assert_int_equal(numbering_partition(INT64_MIN, 3), (UINT64_C(1) << 63) % 3);
    assert_int_equal(numbering_partition(-1, 1), 0);
}

static void
test_F67_slots_end_at_max_slots_and_negative_ids_have_none(void **state)
{
    (void)state;
    assert_true(numbering_has_slot(0, 4, 100));
    assert_true(numbering_has_slot(399, 4, 100));
    assert_false(numbering_has_slot(400, 4, 100));
    assert_false(numbering_has_slot(INT64_MAX, 4, 100));
    assert_false(numbering_has_slot(-1, 4, 100));
    assert_false(numbering_has_slot(INT64_MIN, 4, 100));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seq_is_dense_in_each_partition),
        cmocka_unit_test(test_digest_covers_the_partitions_row_ids_in_order),
        cmocka_unit_test(test_content_digest_covers_txid_and_body),
        cmocka_unit_test(test_the_same_rows_from_the_same_place_get_the_same_numbers),
        cmocka_unit_test(test_F67_an_entity_is_routed_as_unsigned),
        cmocka_unit_test(test_F67_slots_end_at_max_slots_and_negative_ids_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
