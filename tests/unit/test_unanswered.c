/* The record of requests and dead letters: its table, its bytes, and what they cost. The rules and
 * the recovery are tested against a model (test_record_model.c). */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "consumer/partition/unanswered.h"
#include "tests/unit/random_input.h"

/* --- the table ------------------------------------------------------------------------------- */

enum { KEYS = 3000, STEPS = 40000 };

/* Against an array of all keys; many of them have neighbouring homes. */
static void
test_a_table_has_what_was_put_and_not_removed(void **state)
{
    (void)state;
    for (int by_word = 0; by_word < 2; by_word++) {
        static uint64_t values[KEYS]; /* 0: not in the table */
        struct key_table table = {.keyed_by_word = by_word == 1};
        uint32_t count = 0;
        memset(values, 0, sizeof values);
        for (uint64_t step = 1; step <= STEPS; step++) {
            bool grows = step % 10000 < 6000; /* else it shrinks */
            uint64_t key = random_below(KEYS);
            struct key_entry entry = {
                .id = (int64_t)(by_word == 1 ? key / 2 : key),
                .word = by_word == 1 ? key % 2 : step,
                .value = step,
            };
            if (random_below(10) < (grows ? 7U : 2U)) {
                key_table_put(&table, &entry);
                count += values[key] == 0;
                values[key] = step;
            } else {
                assert_int_equal(key_table_remove(&table, &entry), values[key] != 0);
                count -= values[key] != 0;
                values[key] = 0;
            }
            assert_int_equal(table.count, count);
            key = random_below(KEYS);
            entry.id = (int64_t)(by_word == 1 ? key / 2 : key);
            entry.word = key % 2;
            const struct key_entry *found = key_table_find(&table, &entry);
            assert_int_equal(found != NULL ? found->value : 0, values[key]);
        }
        uint32_t at = 0;
        const struct key_entry *entry;
        while ((entry = key_table_next(&table, &at)) != NULL) {
            uint64_t key =
                (uint64_t)entry->id * (by_word == 1 ? 2 : 1) + (by_word == 1 ? entry->word : 0);
            assert_int_equal(entry->value, values[key]);
            count--;
        }
        assert_int_equal(count, 0);
        key_table_clear(&table);
    }
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* Row 300 leaves; 301 asks for slot 70000, which is held; 299 for a parent; a letter leaves and one
 * is opened. Lists of one entry have one order. */
static void
fill(struct unanswered_changes *changes, struct unanswered *record)
{
    struct unanswered_request old = {.row_id = 300}, gone;
    const struct unanswered_letter closed = {.id = 5, .field = 0x1020304050607088};
    unanswered_changes_begin(changes, NULL);
    unanswered_add(changes, &old);
    unanswered_open(changes, &closed);
    unanswered_apply(record, changes, NULL, NULL);
    unanswered_changes_begin(changes, record);
    assert_true(unanswered_remove(changes, 300, &gone));
    assert_false(unanswered_remove(changes, 300, &gone));
    unanswered_close_letter(changes, &closed);
    unanswered_add(changes, &(struct unanswered_request){
                                .row_id = 301, .has_slot = true, .holds = true, .slot = 70000});
    unanswered_open(
        changes, &(struct unanswered_letter){.id = -1, .field = 8, .is_fan_out = true, .job = 3});
}

static const char golden[] = "\x00"
                             "\x01\xd8\x04"                             /* 300 */
                             "\x01\xda\x04\x03\xf0\xa2\x04"             /* 301, slot 70000 */
                             "\x01\x0a\x88\x70\x60\x50\x40\x30\x20\x10" /* 5 */
                             "\x01\x01\x09\x00\x00\x00\x00\x00\x00\x00\x03";
enum { GOLDEN_BYTES = sizeof golden - 1 };

static void
test_the_format_does_not_change_and_is_read_back(void **state)
{
    (void)state;
    struct unanswered *record = unanswered_create();
    struct unanswered_changes changes, read;
    struct buffer out, again;
    struct error err;
    unanswered_changes_init(&changes);
    unanswered_changes_init(&read);
    buffer_init(&out);
    buffer_init(&again);
    fill(&changes, record);
    unanswered_changes_encode(&changes, &out);
    assert_int_equal(out.bytes, GOLDEN_BYTES);
    assert_memory_equal(out.data, golden, GOLDEN_BYTES);
    const struct text bytes = {(const char *)out.data, out.bytes};
    assert_int_equal(unanswered_changes_decode(bytes, &read, &err), 0);
    unanswered_changes_encode(&read, &again);
    assert_int_equal(again.bytes, GOLDEN_BYTES);
    assert_memory_equal(again.data, golden, GOLDEN_BYTES);
    unanswered_changes_free(&changes);
    unanswered_changes_free(&read);
    unanswered_destroy(record);
    buffer_free(&out);
    buffer_free(&again);
}

static bool
is_accepted(struct text bytes)
{
    struct unanswered_changes changes;
    struct error err;
    unanswered_changes_init(&changes);
    int rc = unanswered_changes_decode(bytes, &changes, &err);
    if (rc == 0) {
        struct unanswered *record = unanswered_create();
        unanswered_apply(record, &changes, NULL, NULL);
        assert_true(unanswered_count(record) <= bytes.bytes);
        unanswered_destroy(record);
    }
    unanswered_changes_free(&changes);
    return rc == 0;
}

static void
test_bytes_that_are_no_changes_are_refused(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < GOLDEN_BYTES; bytes++)
        assert_false(is_accepted((struct text){golden, bytes}));
    assert_false(is_accepted((struct text){golden, GOLDEN_BYTES + 1}));
    assert_true(is_accepted((struct text){golden, GOLDEN_BYTES}));
    static const struct {
        size_t at;
        char byte;
    } cases[] = {{0, 2}, {1, 99}, {7, 8}, {7, 2}, {7, 5}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char bytes[GOLDEN_BYTES];
        memcpy(bytes, golden, sizeof bytes);
        bytes[cases[i].at] = cases[i].byte;
        assert_false(is_accepted((struct text){bytes, sizeof bytes}));
    }
    for (int i = 0; i < 20000; i++) {
        char *bytes = memory_alloc(GOLDEN_BYTES); /* a sanitizer finds a read after its end */
        memcpy(bytes, golden, GOLDEN_BYTES);
        for (uint64_t n = 1 + random_below(3); n > 0; n--)
            bytes[random_below(GOLDEN_BYTES)] = (char)random_next();
        is_accepted((struct text){bytes, GOLDEN_BYTES});
        free(bytes);
    }
}

/* --- limits ---------------------------------------------------------------------------------- */

enum { MANY = 100000 };

static struct unanswered *
large_record(void)
{
    struct unanswered *record = unanswered_create();
    struct unanswered_changes changes;
    unanswered_changes_init(&changes);
    unanswered_changes_begin(&changes, record);
    for (int64_t i = 0; i < MANY; i++)
        unanswered_add(&changes, &(struct unanswered_request){
                                     .row_id = i, .has_slot = true, .slot = (uint32_t)i});
    unanswered_apply(record, &changes, NULL, NULL);
    unanswered_changes_free(&changes);
    return record;
}

static void
test_a_frame_has_the_changes_and_not_the_record(void **state)
{
    (void)state;
    struct unanswered *record = large_record();
    struct unanswered_changes changes;
    struct unanswered_request gone;
    struct buffer out;
    unanswered_changes_init(&changes);
    buffer_init(&out);
    unanswered_changes_begin(&changes, record);
    assert_true(unanswered_changes_are_none(&changes));
    assert_true(unanswered_remove(&changes, MANY / 2, &gone));
    assert_int_equal(gone.slot, MANY / 2);
    unanswered_add(&changes, &(struct unanswered_request){.row_id = MANY});
    unanswered_changes_encode(&changes, &out);
    assert_true(out.bytes < 20);
    unanswered_apply(record, &changes, NULL, NULL);
    assert_int_equal(unanswered_count(record), MANY);
    buffer_clear(&out);
    unanswered_encode(record, &out);
    assert_true(out.bytes > MANY);
    assert_true(out.bytes < (size_t)MANY * UNANSWERED_REQUEST_BYTES_MAX);
    unanswered_changes_free(&changes);
    unanswered_destroy(record);
    buffer_free(&out);
}

static void
test_letters_beyond_the_limit_are_not_counted(void **state)
{
    (void)state;
    struct unanswered *record = unanswered_create();
    struct unanswered_changes changes;
    unanswered_changes_init(&changes);
    for (int64_t round = 0; round < 2; round++) {
        unanswered_changes_begin(&changes, record);
        for (int64_t i = 0; i < UNANSWERED_LETTERS_MAX; i++)
            unanswered_open(&changes, &(struct unanswered_letter){.id = 2 * i + round});
        unanswered_apply(record, &changes, NULL, NULL);
        assert_int_equal(unanswered_letter_count(record), UNANSWERED_LETTERS_MAX);
    }
    unanswered_changes_begin(&changes, record);
    for (int64_t i = 0; i < 10; i++)
        unanswered_close_letter(&changes, &(struct unanswered_letter){.id = 2 * i});
    unanswered_open(&changes, &(struct unanswered_letter){.id = 1});
    unanswered_apply(record, &changes, NULL, NULL);
    assert_int_equal(unanswered_letter_count(record), UNANSWERED_LETTERS_MAX - 9);
    unanswered_changes_free(&changes);
    unanswered_destroy(record);
}

static void
test_letters_of_fields_that_are_gone_are_closed(void **state)
{
    (void)state;
    struct unanswered *record = unanswered_create();
    struct unanswered_changes changes;
    const uint64_t fields[] = {unanswered_hash(TEXT("a")), unanswered_hash(TEXT("b"))};
    unanswered_changes_init(&changes);
    unanswered_changes_begin(&changes, record);
    for (int64_t i = 0; i < 4; i++)
        unanswered_open(&changes, &(struct unanswered_letter){
                                      .id = i / 2, .field = fields[i % 2], .is_fan_out = i > 1});
    unanswered_apply(record, &changes, NULL, NULL);
    assert_int_equal(unanswered_letter_count(record), 4);
    unanswered_keep_fields(record, fields, 2);
    assert_int_equal(unanswered_letter_count(record), 4);
    unanswered_keep_fields(record, fields + 1, 1);
    assert_int_equal(unanswered_letter_count(record), 2);
    unanswered_keep_fields(record, NULL, 0);
    assert_int_equal(unanswered_letter_count(record), 0);
    unanswered_changes_free(&changes);
    unanswered_destroy(record);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_table_has_what_was_put_and_not_removed),
        cmocka_unit_test(test_the_format_does_not_change_and_is_read_back),
        cmocka_unit_test(test_bytes_that_are_no_changes_are_refused),
        cmocka_unit_test(test_a_frame_has_the_changes_and_not_the_record),
        cmocka_unit_test(test_letters_beyond_the_limit_are_not_counted),
        cmocka_unit_test(test_letters_of_fields_that_are_gone_are_closed),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
