/* The source snapshot that a partition is proved to hold. */
#include "tests/unit/unit_test.h"

#include "consumer/partition/proof.h"
#include "tests/unit/random_input.h"

static struct event
make_mark(int64_t tick, const char *snapshot)
{
    return (struct event){
        .epoch = 3,
        .generation = 1,
        .tick = tick,
        .kind = EVENT_MARK,
        .mark = {.kind = MARK_WATERMARK, .clock_us = 1000 + tick, .snapshot = text_of(snapshot)},
    };
}

static void
take(struct proof *proof, struct event event)
{
    proof_take_mark(proof, &event, event.tick);
}

static const char *
snapshot_of(const struct proof *proof)
{
    return (const char *)proof->snapshot.data;
}

static void
test_a_proof_sees_what_postgres_sees(void **state)
{
    (void)state;
    static const struct {
        uint64_t xid;
        bool sees;
    } cases[] = {{1, true},    {744, true}, {745, false}, {746, true},
                 {747, false}, {749, true}, {750, false}, {UINT64_MAX, false}};
    struct proof proof;
    proof_init(&proof);
    assert_false(proof_sees(&proof, 1));
    take(&proof, make_mark(7, "745:750:745,747"));
    assert_int_equal(proof.tick, 7);
    assert_int_equal(proof.epoch, 3);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(proof_sees(&proof, cases[i].xid), cases[i].sees);
    proof_clear(&proof); /* a new epoch issues ids of transactions again */
    assert_false(proof_sees(&proof, 1));
    assert_int_equal(freshness_age_us(&proof.freshness, 5, 5), -1);
    proof_free(&proof);
}

static void
test_a_watermark_that_owes_proves_nothing(void **state)
{
    (void)state;
    struct proof proof;
    struct event event = make_mark(8, "900:900:");
    proof_init(&proof);
    take(&proof, make_mark(7, "800:800:"));
    event.mark.owed = 1;
    take(&proof, event);
    assert_int_equal(proof.tick, 7);
    assert_string_equal(snapshot_of(&proof), "800:800:");
    take(&proof, make_mark(9, "this is no snapshot"));
    assert_int_equal(proof.epoch, 0);
    proof_free(&proof);
}

static void
test_L10_a_snapshot_that_is_too_long_sees_less(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct proof proof;
    proof_init(&proof);
    buffer_append_text(&text, "1000:90000:1000");
    for (int xid = 1001; text.bytes <= PROOF_SNAPSHOT_BYTES_MAX; xid++)
        buffer_append_format(&text, ",%d", xid);
    take(&proof, make_mark(7, buffer_string(&text)));
    assert_string_equal(snapshot_of(&proof), "1000:1000:");
    assert_true(proof_sees(&proof, 999));
    assert_false(proof_sees(&proof, 80000));
    buffer_free(&text);
    proof_free(&proof);
}

static void
test_the_older_proof(void **state)
{
    (void)state;
    struct proof none, old, young;
    proof_init(&none);
    proof_init(&old);
    proof_init(&young);
    take(&old, make_mark(7, "800:800:"));
    take(&young, make_mark(8, "900:900:"));
    assert_true(proof_is_older(&old, &young));
    assert_false(proof_is_older(&young, &old));
    assert_false(proof_is_older(&old, &old));
    assert_true(proof_is_older(&none, &old));
    assert_false(proof_is_older(&none, &none));
    proof_copy(&young, &none);
    assert_int_equal(young.epoch, 0);
    proof_free(&none);
    proof_free(&old);
    proof_free(&young);
}

static void
test_bytes(void **state)
{
    (void)state;
    struct proof proof, read;
    struct buffer bytes = {0};
    struct error err;
    proof_init(&proof);
    proof_init(&read);
    for (int round = 0; round < 2; round++) {
        buffer_clear(&bytes);
        proof_encode(&proof, &bytes);
        const struct text whole = {(const char *)bytes.data, bytes.bytes};
        assert_int_equal(proof_decode(whole, 50, &read, &err), 0);
        assert_int_equal(read.epoch, proof.epoch);
        assert_int_equal(read.tick, proof.tick);
        assert_string_equal(snapshot_of(&read), snapshot_of(&proof));
        assert_int_equal(read.freshness.clock_us, proof.freshness.clock_us);
        take(&proof, make_mark(7, "745:750:745,747"));
    }
    for (size_t cut = 0; cut + 4 < bytes.bytes; cut++) {
        const struct text part = {(const char *)bytes.data, cut};
        if (proof_decode(part, 50, &read, &err) == 0)
            assert_true(cut > 3 * 8);
    }
    buffer_free(&bytes);
    proof_free(&proof);
    proof_free(&read);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_proof_sees_what_postgres_sees),
        cmocka_unit_test(test_a_watermark_that_owes_proves_nothing),
        cmocka_unit_test(test_L10_a_snapshot_that_is_too_long_sees_less),
        cmocka_unit_test(test_the_older_proof),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
