/* Rows that ask for several targets: which chunk names them. */
#include "tests/unit/unit_test.h"

#include "producer/refresh/answer_names.h"

enum { P = 2, CHUNKS = 3 };

/* What the reader has named: rows 5 and 6 ask for several targets, the others for one. */
static const int64_t first_rows[] = {4, 5};
static const int64_t second_rows[] = {5, 6};
static const int64_t third_rows[] = {5, 7};

static struct chunk
chunk_of(const int64_t *rows)
{
    return (struct chunk){.purpose = CHUNK_REFRESH, .answers = rows, .answer_count = 2};
}

static void
apply(struct answer_names *names, struct chunk *chunks)
{
    chunks[0] = chunk_of(first_rows);
    chunks[1] = chunk_of(second_rows);
    chunks[2] = chunk_of(third_rows);
    answer_names_sort(names);
    for (int32_t p = 0; p < P; p++)
        for (int i = 0; i < CHUNKS; i++)
            answer_names_count(names, p, &chunks[i]);
    for (int i = 0; i < CHUNKS; i++)
        answer_names_apply(names, 1, &chunks[i]);
}

static void
test_the_last_target_of_a_row_names_it(void **state)
{
    struct answer_names names = {0};
    struct chunk chunks[CHUNKS];
    (void)state;
    answer_names_begin(&names, P);
    answer_names_add(&names, 6, 2); /* the other one is still owed */
    for (int i = 0; i < CHUNKS; i++)
        answer_names_add(&names, 5, 3);
    apply(&names, chunks);
    assert_int_equal(chunks[0].answer_count, 1);
    assert_int_equal(chunks[0].answers[0], 4);
    assert_int_equal(chunks[1].answer_count, 0);
    assert_int_equal(chunks[2].answer_count, 2);
    assert_int_equal(chunks[2].answers[0], 5);
    assert_int_equal(chunks[2].answers[1], 7);
    answer_names_free(&names);
}

/* The next turn knows nothing of the last one. */
static void
test_rows_with_one_target_stay_as_they_are(void **state)
{
    struct answer_names names = {0};
    struct chunk chunks[CHUNKS];
    (void)state;
    answer_names_begin(&names, P);
    answer_names_add(&names, 5, 2);
    answer_names_begin(&names, P);
    apply(&names, chunks);
    assert_ptr_equal(chunks[0].answers, first_rows);
    assert_int_equal(chunks[0].answer_count, 2);
    answer_names_free(&names);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_target_of_a_row_names_it),
        cmocka_unit_test(test_rows_with_one_target_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
