/* All problems of a file are reported in one run, and the original system's forms are read. */
#include "tests/unit/config_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/config/config_load.h"
#include "common/config/config_print.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

#define ORIGINAL SOURCE_DIRECTORY "/tests/unit/original.yaml"
#define EXAMPLE SOURCE_DIRECTORY "/config/bitdex.yaml"

enum { LINES_MAX = 400, LINE_BYTES = 400 };

/* A file as lines, which a test changes. */
struct lines {
    char list[LINES_MAX][LINE_BYTES];
    uint32_t count;
};

static void
lines_read(const char *path, struct lines *lines)
{
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    lines->count = 0;
    while (lines->count < LINES_MAX && fgets(lines->list[lines->count], LINE_BYTES, stream) != NULL)
        lines->count++;
    fclose(stream);
}

/* Removes the line and all that are indented more. */
static void
lines_remove(struct lines *lines, uint32_t at)
{
    size_t indent = strspn(lines->list[at], " ");
    uint32_t end = at + 1;
    while (end < lines->count && strspn(lines->list[end], " ") > indent)
        end++;
    memmove(lines->list[at], lines->list[end], (lines->count - end) * sizeof lines->list[0]);
    lines->count -= end - at;
}

static void
lines_join(const struct lines *lines, struct buffer *yaml)
{
    buffer_clear(yaml);
    for (uint32_t i = 0; i < lines->count; i++)
        buffer_append_text(yaml, lines->list[i]);
}

/* The problems, one on each line, without the name of the file. */
static int
load(const struct buffer *yaml, struct config **config, struct buffer *list, struct error *err)
{
    struct buffer lines = {0};
    config_write_file(config_work_file, yaml->data, yaml->bytes);
    int rc = config_load(config_work_file, CONFIG_PRODUCER, config, &lines, err);
    const char *at = buffer_string(&lines);
    while (*at != '\0') {
        size_t bytes = strcspn(at, "\n") + 1;
        size_t file = strlen(config_work_file) + 1;
        assert_memory_equal(at, config_work_file, file - 1);
        buffer_append(list, at + file, bytes - file);
        at += bytes;
    }
    buffer_free(&lines);
    return rc;
}

/* What has no meaning here. */
static const char *const foreign[] = {"clickhouse:", "bitdex:",         "stage_dir:",
                                      "- source: ",  "enrichment:",     "shared_ops",
                                      "dependsOn:",  "- name: metrics", "join: { table"};

static const char report[] =
    "5:1: clickhouse: has no meaning here: all values come from PostgreSQL; remove it, and let the"
    " job that counts in ClickHouse write its numbers into a table, which an entry of `triggers`"
    " then tracks\n"
    "8:1: bitdex: has no meaning here: the producer writes to Kafka and calls no index; remove it:"
    " `kafka`, `topic` and `consumer` say where the index is\n"
    "11:1: stage_dir: has no meaning here: rows are loaded through the topic and not through"
    " files; remove it (consumer.data_dir is where an index keeps its state)\n"
    "46:5: sync_sources[5].source: has no meaning here: an entry reads a table of PostgreSQL;"
    " remove the whole entry, and track a table into which the numbers of ClickHouse are written\n"
    "60:5: dump_phases[0].enrichment: has no meaning here: a row is complete when it is read;"
    " remove it, and join the other table in copy_query, or name it in `triggers`\n"
    "66:5: dump_phases[0].shared_ops_fields: has no meaning here: each field has one owner, whose"
    " ops are its own; remove it, and list the fields in the track_fields of their table\n"
    "74:5: dump_phases[1].dependsOn: has no meaning here: values that arrive before their entity"
    " are kept, so that the order of phases does not matter; remove it\n"
    "76:5: dump_phases[2].source: has no meaning here: an entry reads a table of PostgreSQL;"
    " remove the whole entry, and track a table into which the numbers of ClickHouse are written\n"
    "85:5: dump_phases[3].join: has no meaning here: PostgreSQL joins; remove it, and write the"
    " join into copy_query, or the path of tables into rows_from\n";

static void
test_a_file_of_the_original_system_is_refused_once(void **state)
{
    (void)state;
    static struct lines lines;
    struct buffer yaml = {0};
    struct buffer list = {0};
    struct config *config = NULL;
    struct error err = {0};
    lines_read(ORIGINAL, &lines);
    lines_join(&lines, &yaml);
    assert_int_equal(load(&yaml, &config, &list, &err), ERR_USAGE);
    assert_null(config);
    assert_string_equal(buffer_string(&list), report);
    buffer_free(&yaml);
    buffer_free(&list);
}

static void
test_the_rest_of_it_means_the_same(void **state)
{
    (void)state;
    static struct lines lines;
    struct buffer yaml = {0};
    struct buffer list = {0};
    struct config *config = NULL;
    struct error err = {0};
    lines_read(ORIGINAL, &lines);
    for (size_t i = 0; i < COUNT_OF(foreign); i++)
        for (uint32_t at = 0; at < lines.count; at++)
            if (strstr(lines.list[at], foreign[i]) == lines.list[at] + strspn(lines.list[at], " "))
                lines_remove(&lines, at--);
    lines_join(&lines, &yaml);
    if (load(&yaml, &config, &list, &err) != 0)
        fail_msg("%s\n%s", err.message, buffer_string(&list));
    assert_string_equal(config->postgres, "host=/run/postgresql dbname=civitai");
    assert_int_equal(config->trigger_count, 5);
    assert_string_equal(config->triggers[1].computed_fields[0].expression,
                        "CASE WHEN (({attributes} & 1) = 1) THEN ({tagId}) END");
    assert_int_equal(config->triggers[3].kind, TRIGGER_FAN_OUT);
    assert_memory_equal(config->triggers[3].query_source, "SELECT jsonb_agg", 16);
    assert_string_equal(config->triggers[4].links[0].parent_key, "id");
    assert_string_equal(config->dump_phases[0].computed_fields[0].filter, "minor != null");
    config_destroy(config);
    buffer_free(&yaml);
    buffer_free(&list);
}

static void
expect(const char *text, const char *wanted)
{
    struct buffer yaml = {0};
    struct buffer list = {0};
    struct config *config = NULL;
    struct error err = {0};
    buffer_append_text(&yaml, text);
    assert_int_equal(load(&yaml, &config, &list, &err), ERR_USAGE);
    const char *got = list.bytes > 0 ? buffer_string(&list) : err.message;
    assert_string_equal(got, wanted);
    buffer_free(&yaml);
    buffer_free(&list);
}

static void
test_problems_of_all_kinds_are_reported_together(void **state)
{
    (void)state;
    expect("index: 'a b'\n"
           "postgres: ${NO_SUCH_VARIABLE}\n"
           "postgres: &a again\n"
           "kafka: { acks: 1, retries: 2 }\n"
           "producer: { chunk_rows: many, poll_interval_ms: -1, nix: 1 }\n"
           "triggers:\n"
           "  - { slot_field: id }\n"
           "  - { table: A, slot_field: id, track_fields: [{ column: b, scale: 99 }, 'c(d'] }\n"
           "  - { table: B, slot_field: id, track_fields: [level, unknown] }\n"
           "  - { table: C, slot_field: id, track_fields: [level] }\n"
           "index_config:\n"
           "  filter_fields: [{ name: level, field_type: single_value }]\n"
           "  visible_from: nothing\n",
           "1:8: index: must be 1 to 100 letters, digits, '.', '_' or '-'\n"
           "2:11: postgres: environment variable NO_SUCH_VARIABLE is not set\n"
           "3:1: postgres: duplicate key, first on line 2\n"
           "3:11: postgres: anchors, aliases and tags are not accepted\n"
           "4:10: kafka.acks: cannot be set: events must arrive in order and once\n"
           "4:19: kafka.retries: cannot be set: deliveries are retried without a limit\n"
           "5:25: producer.chunk_rows: must be an integer\n"
           "5:49: producer.poll_interval_ms: must be from 1 to 60000 ms\n"
           "5:53: producer.nix: unknown setting\n"
           "7:5: triggers[0].table: is missing\n"
           "8:68: triggers[1].track_fields[0].scale: must be from 0 to 18 decimals\n"
           "8:74: triggers[1].track_fields[1]: must be a column, or \"expression as target\"\n"
           "9:55: triggers[2].track_fields[1]: no field unknown in index_config\n"
           "10:48: triggers[3].track_fields[0]: field level has two owners: table B writes it in "
           "triggers[2], table C here\n"
           "13:17: index_config.visible_from: no field nothing in index_config\n");
}

static void
test_phases_report_each_expression(void **state)
{
    (void)state;
    expect("index: a\npostgres: b\nkafka: { bootstrap.servers: c }\ntopic: { name: d }\n"
           "dump_phases:\n"
           "  - name: e\n"
           "    table: f\n"
           "    columns: [id, x]\n"
           "    slot_field: id\n"
           "    filter: '(('\n"
           "    computed_fields: [{ target: g, expression: 'x +' }, { target: h, expression: x },\n"
           "      { target: i, expression: 'y' }]\n",
           "10:13: dump_phases[0].filter: character 3: expected a value\n"
           "11:48: dump_phases[0].computed_fields[0].expression: character 4: expected a value\n"
           "12:32: dump_phases[0].computed_fields[2].expression: character 1: no column y in "
           "columns\n");
}

static void
test_a_required_list_is_not_empty(void **state)
{
    (void)state;
    expect("index: a\npostgres: b\nkafka: { bootstrap.servers: c }\ntopic: { name: d }\n"
           "dump_phases: [{ name: e, table: f, slot_field: id, columns: [], fields: [] }]\n"
           "index_config: { sort_fields: [{ name: g, bits: 1,\n"
           "  computed: { op: least, source_fields: [] } }] }\n",
           "5:61: dump_phases[0].columns: must not be empty\n"
           "7:41: index_config.sort_fields[0].computed.source_fields: must not be empty\n");
}

static void
test_L10_at_most_fifty_problems_are_listed(void **state)
{
    (void)state;
    struct buffer yaml = {0};
    struct buffer list = {0};
    struct config *config = NULL;
    struct error err = {0};
    buffer_append_text(&yaml, "triggers:\n");
    for (int i = 0; i < 900; i++)
        buffer_append_text(&yaml, "  - { slot_field: [], table: 'a\"', track_fields: [{}, 7] }\n");
    assert_int_equal(load(&yaml, &config, &list, &err), ERR_USAGE);
    uint32_t count = 0;
    for (const char *at = buffer_string(&list); (at = strchr(at, '\n')) != NULL; at++)
        count++;
    assert_int_equal(count, 51);
    const char *last = strstr(buffer_string(&list), "more than 50 problems");
    assert_non_null(last);
    buffer_free(&yaml);
    buffer_free(&list);
}

/* One random change of the meaning: lines that go, come twice, change places or lose a part. */
static void
mutate(struct lines *lines)
{
    static const char *const pieces[] = {"[]",         "{}", "null", "''", "-1",
                                         "clickhouse", "*a", "&b 1", "id", "${NIX}"};
    uint32_t at = (uint32_t)random_below(lines->count);
    uint32_t other = (uint32_t)random_below(lines->count);
    char *colon = strchr(lines->list[at], ':');
    switch (random_below(5)) {
    case 0:
        if (lines->count > 10)
            lines_remove(lines, at);
        return;
    case 1:
        memcpy(lines->list[at], lines->list[other], LINE_BYTES);
        return;
    case 2:
        if (colon != NULL)
            snprintf(colon, (size_t)(lines->list[at] + LINE_BYTES - colon), ": %s\n",
                     pieces[random_below(COUNT_OF(pieces))]);
        return;
    case 3:
        if (colon != NULL)
            *(colon - (colon > lines->list[at])) = 'x';
        return;
    default:
        if (lines->count < LINES_MAX) {
            memcpy(lines->list[lines->count++], lines->list[at], LINE_BYTES);
            return;
        }
    }
}

/* Each problem has its place in the file, and the places are in order. */
static void
check_list(const struct buffer *list, const struct error *err)
{
    uint32_t last_line = 0;
    const char *at = list->bytes > 0 ? (const char *)list->data : "";
    assert_non_null(strstr(err->message, config_work_file));
    for (; *at != '\0'; at = strchr(at, '\n') + 1) {
        char *end;
        unsigned long line = strtoul(at, &end, 10);
        if (strncmp(at, " more than", 10) == 0)
            continue;
        if (*end != ':' || strtoul(end + 1, &end, 10) == 0 || strncmp(end, ": ", 2) != 0)
            fail_msg("%s", at);
        assert_true(line >= last_line);
        last_line = (uint32_t)line;
    }
}

static void
test_mutated_files_report_every_problem_with_its_place(void **state)
{
    (void)state;
    static struct lines lines;
    struct buffer yaml = {0};
    uint32_t loaded = 0;
    random_seed();
    for (int round = 0; round < 3000; round++) {
        struct buffer list = {0};
        struct config *config = NULL;
        struct error err = {0};
        lines_read(round % 3 == 0 ? EXAMPLE : ORIGINAL, &lines);
        for (uint64_t changes = random_below(8); changes > 0; changes--)
            mutate(&lines);
        lines_join(&lines, &yaml);
        if (load(&yaml, &config, &list, &err) != 0) {
            buffer_string(&list);
            check_list(&list, &err);
        } else {
            assert_int_equal(list.bytes, 0);
            loaded++;
            config_destroy(config);
        }
        buffer_free(&list);
    }
    assert_in_range(loaded, 20, 2000);
    buffer_free(&yaml);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_of_the_original_system_is_refused_once),
        cmocka_unit_test(test_the_rest_of_it_means_the_same),
        cmocka_unit_test(test_problems_of_all_kinds_are_reported_together),
        cmocka_unit_test(test_phases_report_each_expression),
        cmocka_unit_test(test_a_required_list_is_not_empty),
        cmocka_unit_test(test_L10_at_most_fifty_problems_are_listed),
        cmocka_unit_test(test_mutated_files_report_every_problem_with_its_place),
    };
    return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
