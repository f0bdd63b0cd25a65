#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/files/crc32c.h"

/* The check value of catalogues of CRCs, and the vectors of RFC 3720, B.4. */
static void
test_known_values(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
}

static void
test_a_checksum_can_be_continued(void **state)
{
    (void)state;
    const char *text = "the quick brown fox jumps over the lazy dog";
    size_t bytes = strlen(text);
    for (size_t cut = 0; cut <= bytes; cut++) {
        uint32_t first = crc32c(0, text, cut);
        assert_int_equal(crc32c(first, text + cut, bytes - cut), crc32c(0, text, bytes));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_a_checksum_can_be_continued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
