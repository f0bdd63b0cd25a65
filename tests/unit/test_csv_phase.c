/* Rows of a phase from a CSV file: conversion, order, and what is rejected. */
#include "producer/load/csv_phase.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_load.h"
#include "producer/load/csv_reader.h"
#include "tests/support/memory_files.h"
#include "tests/unit/config_fixture.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

#define PHASE                                                            \
    INDEXED                                                              \
    "    - { name: price, bits: 40 }\n"                                  \
    "dump_phases:\n"                                                     \
    "  - name: things\n    table: A\n    slot_field: id\n"               \
    "    filter: kind IS NULL OR kind <> 'hidden'\n"                     \
    "    columns: [level, id, unused, kind, flags, seen, made, cents]\n" \
    "    fields: [level, { column: flags, target: tags }]\n"             \
    "    computed_fields:\n"                                             \
    "      - { target: meta, expression: '(flags >> 1) & 1 = 1' }\n"     \
    "      - { target: at, expression: 'greatest(seen, made)' }\n"       \
    "      - { target: price, filter: kind = 'sold', expression: 'cents / 100.0 * 100' }\n"

struct fixture {
    struct config *config;
    struct arena arena;
    struct phase_program program;
    struct memory_files *memory;
    struct csv_phase_options options;
};

static void
fixture_open(struct fixture *fixture, const char *csv, size_t bytes)
{
    struct error err = {0};
    const void *refused;
    fixture->config = config_load_valid(PHASE, CONFIG_CONSUMER);
    arena_init(&fixture->arena);
    assert_int_equal(config_phase_compile(fixture->config, &fixture->config->dump_phases[0], NULL,
                                          &fixture->arena, &fixture->program, &refused, &err),
                     0);
    fixture->memory = memory_files_create(1);
    struct files *files = memory_files_vtable(fixture->memory);
    int handle = files->open(files, "/csv/things.csv", FILES_CREATE, &err);
    assert_true(handle >= 0);
    if (bytes > 0)
        assert_int_equal(files->write_at(files, handle, csv, bytes, 0, &err), 0);
    files->close(files, handle);
    fixture->options = (struct csv_phase_options){
        .files = files,
        .directory = "/csv",
        .id_limit = 1000000,
        .sort_directory = "/sort",
        .sort_memory_bytes = 1 << 16,
        .sort_disk_bytes = 1 << 30,
    };
}

static void
fixture_close(struct fixture *fixture)
{
    memory_files_destroy(fixture->memory);
    arena_free(&fixture->arena);
    config_destroy(fixture->config);
}

static void
show_value(struct buffer *out, const struct expression_value *value)
{
    switch (value->kind) {
    case EXPRESSION_NULL:
        buffer_append_text(out, " ~");
        break;
    case EXPRESSION_BOOLEAN:
        buffer_append_text(out, value->boolean ? " true" : " false");
        break;
    case EXPRESSION_INTEGER:
        buffer_append_format(out, " %" PRId64, value->integer);
        break;
    case EXPRESSION_FLOAT:
        buffer_append_format(out, " %g", value->real);
        break;
    case EXPRESSION_STRING:
        buffer_append_format(out, " '%.*s'", TEXT_ARGS(value->string));
        break;
    }
}

static void
show_phase(struct fixture *fixture, struct csv_phase *phase, struct buffer *out)
{
    struct error err = {0};
    for (;;) {
        const struct csv_row *row;
        if (csv_phase_next(phase, &row, &err) != 0)
            fail_msg("%s", err.message);
        if (row == NULL)
            break;
        buffer_append_format(out, "%" PRId64 ":", row->entity_id);
        for (uint32_t i = 0; i < fixture->program.value_count; i++)
            show_value(out, &row->values[i]);
        buffer_append_text(out, "\n");
    }
}

/* After a rewind the rows are the same, and nothing is counted or rejected again. */
static void
check_rewind(struct fixture *fixture, struct csv_phase *phase, struct buffer *rows)
{
    struct buffer again;
    struct error err = {0};
    struct csv_counts counts = csv_phase_counts(phase);
    buffer_init(&again);
    assert_int_equal(csv_phase_rewind(phase, &err), 0);
    show_phase(fixture, phase, &again);
    assert_string_equal(buffer_string(&again), buffer_string(rows));
    struct csv_counts counts_again = csv_phase_counts(phase);
    assert_memory_equal(&counts_again, &counts, sizeof counts);
    buffer_free(&again);
}

/* "id: values" of all rows, a line each. */
static void
show_rows(struct fixture *fixture, struct buffer *out, struct csv_counts *counts, bool *is_sorted)
{
    struct csv_phase *phase;
    struct error err = {0};
    if (csv_phase_open(&fixture->program, &fixture->options, &phase, &err) != 0 ||
        csv_phase_prepare(phase, &err) != 0)
        fail_msg("%s", err.message);
    show_phase(fixture, phase, out);
    check_rewind(fixture, phase, out);
    assert_int_equal(csv_phase_flush(phase, &err), 0);
    *counts = csv_phase_counts(phase);
    *is_sorted = csv_phase_is_sorted(phase);
    csv_phase_close(phase);
}

static const char *
rejects(struct fixture *fixture)
{
    struct buffer *content = memory_files_content(fixture->memory, "/csv/things.csv.rejects");
    return content == NULL ? NULL : buffer_string(content);
}

static void
check_rows(const char *csv, bool is_sorted, const char *rows, const char *rejected)
{
    struct fixture fixture;
    struct buffer out;
    struct csv_counts counts;
    bool was_sorted;
    buffer_init(&out);
    fixture_open(&fixture, csv, strlen(csv));
    show_rows(&fixture, &out, &counts, &was_sorted);
    assert_string_equal(buffer_string(&out), rows);
    assert_int_equal(was_sorted, is_sorted);
    if (rejected == NULL)
        assert_null(rejects(&fixture));
    else
        assert_string_equal(rejects(&fixture), rejected);
    buffer_free(&out);
    fixture_close(&fixture);
}

static void
test_rows_have_the_values_of_fields(void **state)
{
    (void)state;
    check_rows("1,7,x,sold,2,100,50,1050\r\n"
               ",8,\"unused, \"\"and\n quoted\",,,,60,1\n"
               "3,8,,hidden,1,1,1,1\n"
               "-3,9,,\"\",9223372036854775807,,,\n",
               false,
               "7: 1 2 true 100 1050\n"
               "8: ~ ~ ~ 60 ~\n"
               "9: -3 9223372036854775807 true ~ ~\n",
               NULL);
}

static void
test_a_file_that_is_not_in_order_is_sorted(void **state)
{
    (void)state;
    check_rows("1,9,,,,,,\n2,7,,,,,,\n3,8,,,,,,\n,7,,sold,1,2,3,4\n", true,
               "7: 2 ~ ~ ~ ~\n7: ~ 1 false 3 4\n8: 3 ~ ~ ~ ~\n9: 1 ~ ~ ~ ~\n", NULL);
}

/* Lines of one entity: values of `tags` add up, and of the other fields the first value stays. */
static void
test_F84_an_entity_has_one_value_of_a_field(void **state)
{
    (void)state;
    static const char rejected[] =
        "line,name,reason,value\n"
        "3,\"level\",\"an earlier line of the entity has another value\",\"\"\n"
        "3,\"meta\",\"an earlier line of the entity has another value\",\"\"\n";
    check_rows("5,6,,,,,,\n1,7,,,1,,,\n2,7,,,2,,,\n1,7,,,1,9,,\n8,8,,,2,,,\n", false,
               "6: 5 ~ ~ ~ ~\n7: 1 1 false ~ ~\n7: ~ 2 ~ ~ ~\n7: ~ 1 ~ 9 ~\n8: 8 2 true ~ ~\n",
               rejected);
    check_rows("5,9,,,,,,\n1,7,,,1,,,\n2,7,,,2,,,\n1,7,,,1,9,,\n8,8,,,2,,,\n", true,
               "7: 1 1 false ~ ~\n7: ~ 2 ~ ~ ~\n7: ~ 1 ~ 9 ~\n8: 8 2 true ~ ~\n9: 5 ~ ~ ~ ~\n",
               rejected);
}

#define REJECTED                                                                       \
    "line,name,reason,value\n"                                                         \
    "2,,\"has 2 values, not 8\",\"7\"\n"                                               \
    "3,,\"text after a closing quote\",\"\"\n"                                         \
    "5,,\"the id of the entity is empty\",\"\"\n"                                      \
    "6,,\"the id of the entity is not an integer\",\"x\"\"\"\n"                        \
    "7,,\"the id of the entity is negative, or beyond topic.max_slots\",\"-1\"\n"      \
    "8,,\"the id of the entity is negative, or beyond topic.max_slots\",\"1000000\"\n" \
    "9,\"level\",\"is not an integer of 64 bits\",\"1.5\"\n"                           \
    "9,\"seen\",\"is not a number\",\"soon\"\n"                                        \
    "10,\"price\",\"the value is not of the field's type\",\"\"\n"

static void
test_what_is_invalid_is_rejected_with_its_line(void **state)
{
    (void)state;
    static const char lines[] = "1,7,,,,,,\n"
                                "1,7\n"
                                "1,7,\",,,,,\n"
                                "2,8,,,,,,\n"
                                "1,,,,,,,\n"
                                "1,\"x\"\"\",,,,,,\n"
                                "1,-1,,,,,,\n"
                                "1,1000000,,,,,,\n"
                                "1.5,8,,,1,soon,4,\n"
                                "1,9,,sold,,,,1.5\n";
    static const char more[] = "6,6,,,,,,\n";
    static const char rows[] = "7: 1 ~ ~ ~ ~\n8: 2 ~ ~ ~ ~\n8: ~ 1 false 4 ~\n9: 1 ~ ~ ~ ~\n";
    struct buffer text;
    buffer_init(&text);
    check_rows(lines, false, rows, REJECTED);
    /* The same when the file has to be sorted: each is rejected once. */
    buffer_append_text(&text, lines);
    buffer_append_text(&text, more);
    struct buffer sorted;
    buffer_init(&sorted);
    buffer_append_format(&sorted, "6: 6 ~ ~ ~ ~\n%s", rows);
    check_rows(buffer_string(&text), true, buffer_string(&sorted), REJECTED);
    buffer_free(&sorted);
    buffer_free(&text);
}

static void
test_the_rejects_of_an_earlier_load_are_removed(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer out;
    struct csv_counts counts;
    bool is_sorted;
    struct error err = {0};
    buffer_init(&out);
    fixture_open(&fixture, "1,7,,,,,,\n", 10);
    struct files *files = fixture.options.files;
    files->close(files, files->open(files, "/csv/things.csv.rejects", FILES_CREATE, &err));
    show_rows(&fixture, &out, &counts, &is_sorted);
    assert_null(rejects(&fixture));
    assert_int_equal(counts.rows, 1);
    buffer_free(&out);
    fixture_close(&fixture);
}

static void
test_a_missing_file_is_named(void **state)
{
    (void)state;
    struct fixture fixture;
    struct csv_phase *phase = NULL;
    struct error err = {0};
    fixture_open(&fixture, "", 0);
    fixture.options.directory = "/elsewhere";
    assert_int_equal(csv_phase_open(&fixture.program, &fixture.options, &phase, &err), ERR_USAGE);
    assert_null(phase);
    assert_non_null(strstr(err.message, "dump phase things: cannot read the CSV file: "));
    assert_non_null(strstr(err.message, "/elsewhere/things.csv"));
    fixture_close(&fixture);
}

static void
test_an_empty_file_has_no_rows(void **state)
{
    (void)state;
    check_rows("", false, "", NULL);
    check_rows("\xef\xbb\xbf", false, "", NULL);
    check_rows("\n\r\n\n", false, "", NULL);
    check_rows("\xef\xbb\xbf"
               "1,7,,,,,,",
               false, "7: 1 ~ ~ ~ ~\n", NULL);
}

static int
stop(void *context)
{
    (void)context;
    return ERR_RETRY;
}

static void
test_the_heartbeat_ends_reading(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer csv;
    struct csv_phase *phase;
    struct error err = {0};
    buffer_init(&csv);
    for (int i = 0; i < 40000; i++)
        buffer_append_format(&csv, "1,%d,,,,,,\n", i);
    fixture_open(&fixture, (const char *)csv.data, csv.bytes);
    fixture.options.heartbeat = stop;
    assert_int_equal(csv_phase_open(&fixture.program, &fixture.options, &phase, &err), 0);
    assert_int_equal(csv_phase_prepare(phase, &err), ERR_RETRY);
    csv_phase_close(phase);
    buffer_free(&csv);
    fixture_close(&fixture);
}

/* A line that is too long is skipped, in bounded memory, and the lines after it are read. */
static void
test_L10_a_line_is_bounded(void **state)
{
    (void)state;
    static const char *const openings[] = {"1,7,\"", "1,7,"};
    for (size_t i = 0; i < COUNT_OF(openings); i++) {
        struct fixture fixture;
        struct buffer csv;
        struct buffer out;
        struct csv_counts counts;
        bool is_sorted;
        buffer_init(&csv);
        buffer_init(&out);
        buffer_append_text(&csv, "1,6,,,,,,\n");
        buffer_append_text(&csv, openings[i]);
        memset(buffer_reserve(&csv, 5 * CSV_LINE_BYTES_MAX), 'x', 5 * CSV_LINE_BYTES_MAX);
        csv.bytes += 5 * CSV_LINE_BYTES_MAX;
        buffer_append_text(&csv, "\n1,8,,,,,,\n2\n");
        fixture_open(&fixture, (const char *)csv.data, csv.bytes);
        show_rows(&fixture, &out, &counts, &is_sorted);
        assert_string_equal(buffer_string(&out), "6: 1 ~ ~ ~ ~\n8: 1 ~ ~ ~ ~\n");
        assert_string_equal(rejects(&fixture),
                            "line,name,reason,value\n"
                            "2,,\"a line longer than 1 MiB, or a quote that is not closed\",\"\"\n"
                            "4,,\"has 1 values, not 8\",\"\"\n");
        buffer_free(&csv);
        buffer_free(&out);
        fixture_close(&fixture);
    }
}

struct naive_row {
    int64_t id;
    uint32_t number;
};

static int
compare_rows(const void *left, const void *right)
{
    const struct naive_row *a = left;
    const struct naive_row *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void
test_random_files_come_in_the_order_of_entities(void **state)
{
    (void)state;
    enum { ROWS = 4000 };
    struct naive_row *rows = memory_alloc(ROWS * sizeof *rows);
    for (uint32_t round = 0; random_round(4); round++) {
        struct fixture fixture;
        struct buffer csv;
        struct buffer wanted;
        struct buffer out;
        struct csv_counts counts;
        bool is_sorted;
        uint32_t count = (uint32_t)random_below(ROWS);
        buffer_init(&csv);
        buffer_init(&wanted);
        buffer_init(&out);
        for (uint32_t i = 0; i < count; i++) {
            rows[i] = (struct naive_row){(int64_t)random_below(round % 2 == 0 ? 1000000 : 50), i};
            buffer_append_format(&csv, ",%" PRId64 ",\"\n\",\"k\"\"%u\",%u,,,\n", rows[i].id, i,
                                 4 * i);
        }
        qsort(rows, count, sizeof *rows, compare_rows);
        for (uint32_t i = 0; i < count; i++)
            buffer_append_format(&wanted, "%" PRId64 ": ~ %u %s ~ ~\n", rows[i].id,
                                 4 * rows[i].number,
                                 i > 0 && rows[i - 1].id == rows[i].id ? "~" : "false");
        fixture_open(&fixture, (const char *)csv.data, csv.bytes);
        show_rows(&fixture, &out, &counts, &is_sorted);
        assert_string_equal(buffer_string(&out), buffer_string(&wanted));
        assert_int_equal(counts.rows, count);
        buffer_free(&csv);
        buffer_free(&wanted);
        buffer_free(&out);
        fixture_close(&fixture);
    }
    free(rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_have_the_values_of_fields),
        cmocka_unit_test(test_a_file_that_is_not_in_order_is_sorted),
        cmocka_unit_test(test_F84_an_entity_has_one_value_of_a_field),
        cmocka_unit_test(test_what_is_invalid_is_rejected_with_its_line),
        cmocka_unit_test(test_the_rejects_of_an_earlier_load_are_removed),
        cmocka_unit_test(test_a_missing_file_is_named),
        cmocka_unit_test(test_an_empty_file_has_no_rows),
        cmocka_unit_test(test_the_heartbeat_ends_reading),
        cmocka_unit_test(test_L10_a_line_is_bounded),
        cmocka_unit_test(test_random_files_come_in_the_order_of_entities),
    };
    return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
