/* Errors are set, wrapped and cut; what holds no error still returns its code. */
#include "tests/unit/unit_test.h"

#include <errno.h>
#include <string.h>

#include "common/base/error.h"

static void
test_a_wrapped_error_reads_from_the_outside_in(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, ERR_DATA, "value %d", 7), ERR_DATA);
    assert_int_equal(error_wrap(&err, ERR_DATA, "op %d", 3), ERR_DATA);
    assert_string_equal(err.message, "op 3: value 7");
    assert_int_equal(error_wrap(&err, ERR_FATAL, "frame"), ERR_FATAL);
    assert_int_equal(err.code, ERR_FATAL);
    assert_string_equal(err.message, "frame: op 3: value 7");
}

static void
test_a_caller_without_an_error_gets_the_code(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_int_equal(error_set(NULL, ERR_USAGE, "unused"), ERR_USAGE);
    assert_int_equal(error_set_errno(NULL, ERR_RETRY, "unused"), ERR_RETRY);
    assert_int_equal(error_wrap(NULL, ERR_DATA, "unused"), ERR_DATA);
}

static void
test_a_long_message_is_cut(void **state)
{
    (void)state;
    struct error err = {0};
    char text[ERROR_MESSAGE_BYTES + 10];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(error_set(&err, ERR_DATA, "inner"), ERR_DATA);
    assert_int_equal(error_wrap(&err, ERR_DATA, "%s", text), ERR_DATA);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wrapped_error_reads_from_the_outside_in),
        cmocka_unit_test(test_a_caller_without_an_error_gets_the_code),
        cmocka_unit_test(test_a_long_message_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
