#include "common/config/config_phase.h"

#include "common/base/memory.h"
#include "common/config/config_copy.h"
#include "common/config/config_load.h"
#include "tests/unit/config_fixture.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

#define PHASE(text) "  - { name: p, table: A, slot_field: id, " text " }\n"

static void
test_dump_phases_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {INDEXED "dump_phases:\n" PHASE("fields: [at]"),
         "16:5: dump_phases[0].columns: is missing"},
        {INDEXED "dump_phases:\n" PHASE("columns: [at], fields: [at]"),
         "16:38: dump_phases[0].slot_field: no column id in columns"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id, at, id]"),
         "16:60: dump_phases[0].columns[2]: duplicate, as item 0"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id], fields: [at]"),
         "16:66: dump_phases[0].fields[0]: no column at in columns"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id], fields: [{ column: x, target: at }]"),
         "16:76: dump_phases[0].fields[0].column: no column x in columns"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id, x], fields: [x]"),
         "16:69: dump_phases[0].fields[0]: no field x in index_config"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id]") PHASE("columns: [id]"),
         "17:13: dump_phases[1].name: duplicate: dump_phases[0] has this name"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id], computed_fields: ['1 as at', '2 as at']"),
         "16:86: dump_phases[0].computed_fields[1]: duplicate: dump_phases[0] loads field at "
         "already"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id, x], computed_fields: ['{x} + y as at']"),
         "16:78: dump_phases[0].computed_fields[0]: character 7: no column y in columns"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id], copy_query: SELECT 1"),
         "16:69: dump_phases[0].copy_query: must be COPY (SELECT ...) TO STDOUT"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id], filter: 'id ='"),
         "16:65: dump_phases[0].filter: character 5: expected a value"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id], filter: 'id + 1'"),
         "16:65: dump_phases[0].filter: character 4: must be a boolean, not an integer"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id, x],\n"
                                        "      computed_fields: [{ target: meta, value: x,\n"
                                        "          expression: x = 'a' }]"),
         "17:48: dump_phases[0].computed_fields[0].value: character 1: column x must be a boolean "
         "here, but it is a string"},
        {INDEXED "dump_phases:\n" PHASE("columns: [id, x], fields: [{ column: x, target: at }],\n"
                                        "      computed_fields: [x = 'a' as meta]"),
         "17:25: dump_phases[0].computed_fields[0]: character 3: an integer and a string do not "
         "compare"},
        {INDEXED "triggers:\n  - { table: B, slot_field: id, track_fields: [at] }\n"
                 "dump_phases:\n" PHASE("columns: [id, at], fields: [at]"),
         "18:70: dump_phases[0].fields[0]: field at has two owners: table B writes it in "
         "triggers[0], table A is loaded here"},
    };
    CHECK_REFUSALS(refusals);
}

static void
test_a_copy_query_contains_its_select(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *select; /* NULL: refused */
    } cases[] = {
        {"COPY (SELECT 1) TO STDOUT WITH (FORMAT csv)", "SELECT 1"},
        {" copy(SELECT ')' FROM (VALUES (1)) AS t(a)\n)\nTo\tstdout;",
         "SELECT ')' FROM (VALUES (1)) AS t(a)\n"},
        {"COPY (SELECT ') TO STDOUT ') TO STDOUT", "SELECT ') TO STDOUT '"},
        {"COPY \"Image\" TO STDOUT", NULL},
        {"COPY (SELECT 1) TO PROGRAM 'x'", NULL},
        {"COPY ( ) TO STDOUT", NULL},
        {"COPYING (SELECT 1) TO STDOUT", NULL},
        {"SELECT 1", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text select;
        assert_int_equal(config_copy_select(cases[i].query, &select), cases[i].select != NULL);
        if (cases[i].select != NULL)
            assert_true(text_is(select, cases[i].select));
    }
}

static void
test_a_phase_knows_what_its_columns_hold(void **state)
{
    (void)state;
    struct config *config = config_load_valid(
        INDEXED "dump_phases:\n"
                "  - name: p\n    table: A\n    slot_field: id\n    filter: kind != 'x'\n"
                "    columns: [unused, id, flags, kind, price, manual]\n"
                "    fields: [{ column: price, target: at }]\n"
                "    computed_fields:\n"
                "      - { target: meta, expression: '(flags >> 13) & 1 == 1 && price > 0.5' }\n"
                "      - { target: tags, expression: manual, value: flags }\n",
        CONFIG_CONSUMER);
    static const expression_types expected[] = {EXPRESSION_TYPE_STRING,  EXPRESSION_TYPE_INTEGER,
                                                EXPRESSION_TYPE_INTEGER, EXPRESSION_TYPE_STRING,
                                                EXPRESSION_TYPE_INTEGER, EXPRESSION_TYPE_BOOLEAN};
    struct arena arena;
    struct phase_program program;
    const void *refused;
    struct error err = {0};
    arena_init(&arena);
    const struct config_dump_phase *phase = &config->dump_phases[0];
    assert_null(phase->copy_query);
    assert_int_equal(config_phase_compile(config, phase, NULL, &arena, &program, &refused, &err),
                     0);
    assert_int_equal(program.slot_column, 1);
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(program.types[i], expected[i]);
    assert_int_equal(program.value_count, 3);
    assert_true(program.values[0].is_column);
    assert_false(program.values[1].is_column);
    assert_true(program.values[2].is_column && program.values[2].column == 2);
    assert_true(program.values[2].is_multi_value && program.values[2].asserts != NULL);

    /* The catalogue knows better. */
    static const expression_types known[] = {0,
                                             EXPRESSION_TYPE_INTEGER,
                                             EXPRESSION_TYPE_STRING,
                                             EXPRESSION_TYPE_STRING,
                                             EXPRESSION_TYPE_NUMBER,
                                             EXPRESSION_TYPE_BOOLEAN};
    assert_int_equal(config_phase_compile(config, phase, known, &arena, &program, &refused, &err),
                     ERR_USAGE);
    assert_ptr_equal(refused, &phase->computed_fields[0].expression);
    assert_string_equal(err.message,
                        "character 2: column flags must be an integer here, but it is a string");
    arena_free(&arena);
    config_destroy(config);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dump_phases_are_refused_with_their_place),
        cmocka_unit_test(test_a_copy_query_contains_its_select),
        cmocka_unit_test(test_a_phase_knows_what_its_columns_hold),
    };
    return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
