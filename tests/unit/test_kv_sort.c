#include "tests/unit/unit_test.h"

#include "consumer/engine/store/kv_sort.h"

static void
test_pairs_are_sorted_by_every_byte_and_stay_in_order_within_a_key(void **state)
{
    enum { COUNT = 5000 };
    struct kv_list pairs = {0};
    (void)state;
    kv_sort(&pairs);
    for (int64_t i = 0; i < COUNT; i++) {
        uint64_t scattered = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
        kv_append(&pairs, i % 3 == 0 ? scattered % 16 : i % 3 == 1 ? ~scattered : scattered, i);
    }
    kv_sort(&pairs);
    assert_int_equal(pairs.count, COUNT);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct kv *pair = &pairs.items[i], *before = pair - 1;
        seen += (uint64_t)pair->value;
        if (i > 0)
            assert_true(before->key < pair->key ||
                        (before->key == pair->key && before->value < pair->value));
    }
    assert_int_equal(seen, (uint64_t)COUNT * (COUNT - 1) / 2);
    kv_free(&pairs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_are_sorted_by_every_byte_and_stay_in_order_within_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
