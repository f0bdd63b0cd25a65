#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "consumer/api/token.h"

/* Reads a token file with this content. */
static int
read_content(const char *content, size_t bytes, char **token, struct error *err)
{
    char path[] = "/tmp/bitdex-token-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, content, bytes), bytes);
    assert_int_equal(close(file), 0);
    int rc = token_read(path, token, err);
    assert_int_equal(unlink(path), 0);
    return rc;
}

static void
test_the_only_word_of_the_file_is_the_token(void **state)
{
    (void)state;
    static const char *const contents[] = {"abc", "abc\n", " abc \r\n\n"};
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        char *token = NULL;
        struct error err = {0};
        assert_int_equal(read_content(contents[i], strlen(contents[i]), &token, &err), 0);
        assert_string_equal(token, "abc");
        free(token);
    }
}

static void
test_a_file_without_exactly_one_word_is_refused(void **state)
{
    (void)state;
    static char too_long[2000];
    memset(too_long, 'x', sizeof too_long);
    const struct text contents[] = {TEXT(""),
                                    TEXT(" \n"),
                                    TEXT("a b"),
                                    TEXT("a\nb\n"),
                                    TEXT("a\0b"),
                                    TEXT("t\xc3\xb6ken"),
                                    {too_long, sizeof too_long}};
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        char *token = NULL;
        struct error err = {0};
        int rc = read_content(contents[i].data, contents[i].bytes, &token, &err);
        assert_int_equal(rc, ERR_USAGE);
        assert_non_null(strstr(err.message, "consumer.token_file /tmp/"));
        assert_null(token);
    }
    struct error err = {0};
    char *token = NULL;
    assert_int_equal(token_read("/nonexistent/token", &token, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, "No such file"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_only_word_of_the_file_is_the_token),
        cmocka_unit_test(test_a_file_without_exactly_one_word_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
