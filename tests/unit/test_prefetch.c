#include "tests/unit/unit_test.h"

#include <stdlib.h>

#include "consumer/group/prefetch.h"

static void
check(int64_t prefetch_bytes, int32_t partitions, const int64_t wanted[PREFETCH_SETTINGS])
{
    const struct config config = {.consumer = {.prefetch_bytes = prefetch_bytes},
                                  .topic = {.partitions = partitions}};
    struct prefetch prefetch;
    prefetch_fill(&config, &prefetch);
    for (int i = 0; i < PREFETCH_SETTINGS; i++)
        assert_int_equal(strtoll(prefetch.settings[i].value, NULL, 10), wanted[i]);
}

/* KiB and messages that wait, bytes of one fetch of a partition, of one response. */
static void
test_F48_partitions_share_the_prefetch_limit(void **state)
{
    (void)state;
    const int64_t mib = 1024 * 1024;
    check(64 * mib, 4, (const int64_t[]){8 * 1024, 16 * 1024, mib, 16 * mib});
    check(64 * mib, 64, (const int64_t[]){512, 1024, mib / 2, 16 * mib});
    check(mib, 1024, (const int64_t[]){1, 1, 16 * 1024, 1000 * 1000});
    check(16 * 1024 * mib, 1, (const int64_t[]){2097151, 10000000, mib, 50 * mib});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F48_partitions_share_the_prefetch_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
