#include "tests/unit/config_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/config/config_fields.h"
#include "common/config/config_identity.h"
#include "common/config/config_load.h"
#include "common/config/config_print.h"
#include "common/config/config_redact.h"
#include "common/config/config_reference.h"
#include "common/config/config_trigger.h"
#include "common/config/config_unused.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

#define EXAMPLE SOURCE_DIRECTORY "/config/bitdex.yaml"
#define MANUAL SOURCE_DIRECTORY "/docs/configuration.md"

enum { FUZZ_ROUNDS = 3000 };

static struct config *
load_example(void)
{
    struct error err = {0};
    struct config *config = NULL;
    if (config_load(EXAMPLE, CONFIG_PRODUCER, &config, NULL, &err) != 0)
        fail_msg("%s", err.message);
    return config;
}

static void
test_the_example_loads_for_both_programs(void **state)
{
    (void)state;
    struct error err = {0};
    struct config *config = NULL;
    assert_int_equal(config_load(EXAMPLE, CONFIG_CONSUMER, &config, NULL, &err), 0);
    assert_string_equal(config->index, "gallery");
    config_destroy(config);
    config = load_example();
    assert_int_equal(config->trigger_count, 9);
    const struct config_trigger *image = &config->triggers[0];
    assert_int_equal(image->kind, TRIGGER_DIRECT);
    assert_int_equal(image->on_delete, ON_DELETE_SLOT);
    assert_true(image->sets_alive);
    assert_string_equal(image->track_fields[3].column, "type");
    assert_string_equal(image->track_fields[3].expression, "{type}::text");
    assert_null(image->track_fields[6].column);
    assert_string_equal(image->track_fields[6].expression, "GREATEST({scannedAt}, {createdAt})");
    assert_string_equal(image->track_fields[6].target, "existedAt");
    assert_int_equal(config->triggers[1].kind, TRIGGER_JOIN);
    assert_int_equal(config->triggers[6].link_count, 2);
    assert_string_equal(config->triggers[6].track_fields[0].target, "modelPoi");
    assert_int_equal(config->triggers[8].kind, TRIGGER_FAN_OUT_PER_ROW);
    assert_string_equal(config->triggers[8].links[0].foreign_key, "postId");
    assert_string_equal(config->dump_phases[0].fields[6].column, "existedAtSecs");
    config_destroy(config);
}

static void
test_defaults_are_filled_in(void **state)
{
    (void)state;
    struct config *config = config_load_valid(INDEXED, CONFIG_CONSUMER);
    assert_int_equal(config->topic.partitions, 4);
    assert_int_equal(config->topic.max_slots, 1 << 30);
    assert_string_equal(config->producer.name, "default");
    assert_string_equal(config->producer.listen, "127.0.0.1:8081");
    assert_int_equal(config->producer.chunk_rows, 50000);
    assert_int_equal(config->producer.row_bytes, 1 << 20);
    assert_int_equal(config->producer.mark_interval_ms, 100);
    assert_string_equal(config->consumer.group, "demo");
    assert_string_equal(config->consumer.listen, "127.0.0.1:8080");
    assert_string_equal(config->consumer.advertise, "127.0.0.1:8080");
    assert_int_equal(config->consumer.commit_interval_ms, 1000);
    assert_int_equal(config->consumer.wal_limit_bytes, INT64_C(64) << 30);
    assert_int_equal(config->consumer.on_gap, ON_GAP_CONTINUE);
    assert_null(config->consumer.token_file);
    assert_int_equal(config->log.level, LOG_INFO);
    assert_int_equal(config->index_config.sort_fields[2].computed_op, COMPUTED_GREATEST);
    config_destroy(config);
}

static void
test_a_share_is_a_number_from_0_to_1(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double share;
    } shares[] = {{"0", 0}, {"0.2", 0.2}, {"0.05", 0.05}, {"0.125", 0.125}, {"1", 1}, {"1.0", 1}};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        char *text = memory_format("%sproducer: { load: { share: %s } }\n", HEAD, shares[i].text);
        struct config *config = config_load_valid(text, CONFIG_PRODUCER);
        assert_true(config->producer.load.share == shares[i].share);
        config_destroy(config);
        free(text);
    }
}

static void
test_invalid_yaml_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"", "1:1: the file is empty"},
        {"- a\n", "1:1: must be a map, not a list"},
        {"index: [a\n",
         "2:1: not YAML: while parsing a flow sequence, did not find expected ',' or "
         "']'"},
        {"index: a\n\tb: c\n", "2:1: not YAML: while scanning a plain scalar, found a tab "
                               "character that violates indentation"},
        {"index: a\nb: \xff\n", "2:4: not YAML: invalid leading UTF-8 octet"},
        {"index: a\n--- \nindex: b\n", "2:1: a second document"},
        {"index: &a demo\n", "1:8: index: anchors, aliases and tags are not accepted"},
        {"index: *a\n", "1:8: index: anchors, aliases and tags are not accepted"},
        {"index: !!str demo\n", "1:8: index: anchors, aliases and tags are not accepted"},
        {"index: demo\n? [a]\n: b\n",
         "2:3: ?: a key must be a word of letters, digits, '.', '_' and '-'"},
        {"index: demo\n'a b': c\n",
         "2:1: ?: a key must be a word of letters, digits, '.', '_' and '-'"},
        {"index: \"a\\0b\"\n", "1:8: index: must not hold a NUL"},
        {"index: demo\nindex: demo\n", "2:1: index: duplicate key, first on line 1"},
        {HEAD "log: { level: info, level: info }\n",
         "6:21: log.level: duplicate key, first on line 6"},
    };
    CHECK_REFUSALS(refusals);
}

static void
test_values_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {HEAD "topics: {}\n", "6:1: topics: unknown setting"},
        {HEAD "producer:\n  poll_interval: 5\n", "7:3: producer.poll_interval: unknown setting"},
        {HEAD "triggers: []\nsync_sources: []\n",
         "7:1: sync_sources: duplicate: triggers and sync_sources are one setting"},
        {HEAD "producer:\n  poll_interval_ms: 0\n",
         "7:21: producer.poll_interval_ms: must be from 1 to 60000 ms"},
        {HEAD "producer: { chunk_rows: 99999999999999999999 }\n",
         "6:25: producer.chunk_rows: must be from 1 to 1000000 rows"},
        {HEAD "producer: { chunk_rows: '5' }\n", "6:25: producer.chunk_rows: must be an integer"},
        {HEAD "producer: { chunk_rows: 1e3 }\n", "6:25: producer.chunk_rows: must be an integer"},
        {HEAD "producer: { chunk_rows: 010 }\n", "6:25: producer.chunk_rows: must be an integer"},
        {HEAD "producer: { chunk_rows: }\n",
         "6:25: producer.chunk_rows: must be an integer, not nothing"},
        {HEAD "producer: { load: { share: 1.5 } }\n",
         "6:28: producer.load.share: must be a number from 0 to 1, such as 0.25"},
        {HEAD "producer: { load: { share: 0.1234 } }\n",
         "6:28: producer.load.share: must be a number from 0 to 1, such as 0.25"},
        {HEAD "producer: { load: { share: \"0.5\" } }\n",
         "6:28: producer.load.share: must be a number from 0 to 1, such as 0.25"},
        {HEAD "producer: { load: { share: [] } }\n",
         "6:28: producer.load.share: must be a number, not a list"},
        {HEAD "producer: { load: { connections: 9 } }\n",
         "6:34: producer.load.connections: must be from 1 to 8 connections"},
        {HEAD "producer: { chunk_bytes: 65536 }\n",
         "6:26: producer.chunk_bytes: chunk_bytes must be at least row_bytes"},
        {"index: a\npostgres: a\nkafka: { bootstrap.servers: a }\ntopic: { name: a }\n"
         "consumer: { wal_limit_bytes: 65536 }\n",
         "5:30: consumer.wal_limit_bytes: wal_limit_bytes must be at least wal_segment_bytes"},
        {"index: a\nconsumer: { wal_limit_bytes: 0 }\n",
         "2:30: consumer.wal_limit_bytes: must be from 65536 to 1125899906842624 bytes"},
        {"index: a\nconsumer: { on_gap: wait }\n",
         "2:21: consumer.on_gap: must be one of: continue, stop"},
        {HEAD "producer: { mark_interval_ms: 1001 }\n",
         "6:31: producer.mark_interval_ms: must be from 10 to 1000 ms"},
        {HEAD "producer: { name: [a] }\n", "6:19: producer.name: must be a text, not a list"},
        {HEAD "producer: { name: a/b }\n",
         "6:19: producer.name: must be 1 to 100 letters, digits, '.', '_' or '-'"},
        {HEAD "producer: { listen: 8081 }\n",
         "6:21: producer.listen: must be host:port, like 127.0.0.1:8080 or [::1]:8080"},
        {HEAD "producer: { listen: 'a:65536' }\n",
         "6:21: producer.listen: must be host:port, like 127.0.0.1:8080 or [::1]:8080"},
        {HEAD "producer: { listen: ':1' }\n",
         "6:21: producer.listen: must be host:port, like 127.0.0.1:8080 or [::1]:8080"},
        {"index: a\nconsumer: { advertise: '0.0.0.0:80' }\n",
         "2:24: consumer.advertise: must name a host that others can connect to, not all addresses "
         "of this one"},
        {"index: a\nconsumer: { advertise: '[0::0]:80' }\n",
         "2:24: consumer.advertise: must name a host that others can connect to, not all addresses "
         "of this one"},
        {"index: a\nconsumer: { advertise: 'a:0' }\n",
         "2:24: consumer.advertise: must have the port that others connect to, not port 0"},
        {"index: a\nconsumer: { advertise: a }\n",
         "2:24: consumer.advertise: must be host:port, like 127.0.0.1:8080 or [::1]:8080"},
        {HEAD "producer:\n", "6:10: producer: must be a map, not nothing"},
        {HEAD "retention: 5\n", "6:12: retention: must be a map, not a single value"},
        {HEAD "log: { level: loud }\n",
         "6:15: log.level: must be one of: debug, info, warn, error"},
        {"index: a\ntopic: { name: a/b }\n",
         "2:16: topic.name: must be 1 to 244 letters, digits, '.', '_' or '-' (\".dead\" is "
         "appended for dead letters)"},
        {"index: a\ntopic: { name: a, partitions: 1025 }\n",
         "2:31: topic.partitions: must be from 1 to 1024"},
        {"index: a\ntopic: { name: a, max_slots: 4294967297 }\n",
         "2:30: topic.max_slots: must be from 1 to 4294967296 slots"},
    };
    CHECK_REFUSALS(refusals);
}

static void
test_each_program_names_the_settings_that_it_lacks(void **state)
{
    (void)state;
#define KAFKA "kafka: { bootstrap.servers: a }\n"
    config_check_refused("log: {}\n", CONFIG_PRODUCER, "1:1: index: is missing");
    config_check_refused("index: a\n", CONFIG_PRODUCER, "1:1: postgres: is missing");
    config_check_refused("index: a\npostgres: ''\n", CONFIG_PRODUCER,
                         "2:11: postgres: must not be empty");
    config_check_refused("index: a\npostgres: b\n", CONFIG_PRODUCER, "1:1: kafka: is missing");
    config_check_refused("index: a\npostgres: b\nkafka: {}\n", CONFIG_PRODUCER,
                         "3:8: kafka.bootstrap.servers: is missing");
    config_check_refused("index: a\npostgres: b\n" KAFKA, CONFIG_PRODUCER,
                         "1:1: topic: is missing");
    config_check_refused("index: a\n" KAFKA, CONFIG_CONSUMER, "1:1: topic: is missing");
    config_check_refused("index: a\n" KAFKA "topic: {}\n", CONFIG_CONSUMER,
                         "3:8: topic.name: is missing");
    config_check_refused("index: a\n", CONFIG_CONSUMER, "1:1: index_config: is missing");
    static const char fields[] = "index: a\n"
                                 "index_config: { sort_fields: [{ name: a, bits: 1 }] }\n";
    config_check_refused(fields, CONFIG_CONSUMER, "1:1: consumer.data_dir: is missing");
    char *consumer = memory_format("%sconsumer: { group: a }\n", fields);
    config_check_refused(consumer, CONFIG_CONSUMER, "3:11: consumer.data_dir: is missing");
    free(consumer);
}

static void
test_settings_that_a_law_fixes_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const char *const names[] = {"acks",
                                        "request.required.acks",
                                        "enable.idempotence",
                                        "message.timeout.ms",
                                        "delivery.timeout.ms",
                                        "message.send.max.retries",
                                        "retries",
                                        "max.in.flight",
                                        "max.in.flight.requests.per.connection",
                                        "transactional.id",
                                        "partitioner",
                                        "group.id",
                                        "client.id",
                                        "enable.auto.commit",
                                        "auto.commit.interval.ms",
                                        "enable.auto.offset.store",
                                        "auto.offset.reset",
                                        "partition.assignment.strategy",
                                        "enable.gapless.guarantee",
                                        "isolation.level"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct error err = {0};
        struct config *config = NULL;
        char *yaml = memory_format("index: a\nkafka:\n  consumer: { %s: 1 }\n", names[i]);
        char *part = memory_format(":3:15: kafka.consumer.%s: cannot be set: ", names[i]);
        assert_int_equal(config_load_text(yaml, CONFIG_PRODUCER, &config, &err), ERR_USAGE);
        if (strstr(err.message, part) == NULL)
            fail_msg("got: %s\nwanted: %s", err.message, part);
        free(yaml);
        free(part);
    }
    static const struct refusal refusals[] = {
        {"index: a\nkafka: { producer: [] }\n",
         "2:20: kafka.producer: must be a map of librdkafka settings"},
        {"index: a\nkafka: { linger.ms: }\n", "2:21: kafka.linger.ms: must be a text, not nothing"},
        {"index: a\nkafka: { linger.ms: 1, linger.ms: 2 }\n",
         "2:24: kafka.linger.ms: duplicate key, first on line 2"},
    };
    CHECK_REFUSALS(refusals);
}

static void
test_kafka_settings_keep_their_names_and_sides(void **state)
{
    (void)state;
    struct config *config =
        config_load_valid("index: a\npostgres: b\ntopic: { name: c }\n"
                          "kafka: { producer: { linger.ms: 5, metadata.broker.list: d "
                          "}, check.crcs: true, consumer: { fetch.min.bytes: 1 } }\n",
                          CONFIG_PRODUCER);
    assert_int_equal(config->kafka.common.count, 1);
    assert_string_equal(config->kafka.common.items[0].name, "check.crcs");
    assert_string_equal(config->kafka.common.items[0].value, "true");
    assert_int_equal(config->kafka.producer.count, 2);
    assert_string_equal(config->kafka.producer.items[0].name, "linger.ms");
    assert_string_equal(config->kafka.producer.items[0].value, "5");
    assert_int_equal(config->kafka.consumer.count, 1);
    config_destroy(config);
}

#define TRIGGER(text) INDEXED "triggers:\n  - " text "\n"

static void
test_triggers_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {TRIGGER("{ slot_field: id }"), "16:5: triggers[0].table: is missing"},
        {TRIGGER("{ table: A }"), "16:5: triggers[0]: must have a slot_field"},
        {TRIGGER("{ table: 'a\"b', slot_field: id }"),
         "16:14: triggers[0].table: must be a table name, table or schema.table, without "
         "quotes"},
        {TRIGGER("{ table: A, slot_field: id, sets_alive: yes }"),
         "16:45: triggers[0].sets_alive: must be true or false"},
        {TRIGGER("{ table: A, slot_field: id, on_delete: drop }"),
         "16:44: triggers[0].on_delete: must be one of: delete_slot, true, false"},
        {TRIGGER("{ table: A, slot_field: id, type: join }"),
         "16:39: triggers[0].type: must be one of: fan_out, fan_out_per_row"},
        {TRIGGER("{ table: A, slot_field: id, type: fan_out_per_row }"),
         "16:5: triggers[0]: must have rows_from, and no field, to be of type fan_out_per_row"},
        {TRIGGER("{ table: A, slot_field: id, field: tags }"),
         "16:5: triggers[0]: must have a value_field, because it has a field"},
        {TRIGGER("{ table: A, slot_field: id, value_field: b }"),
         "16:5: triggers[0]: must have a field, because it has a value_field"},
        {TRIGGER("{ table: A, slot_field: id, query_source: b }"),
         "16:5: triggers[0]: must have a query, because it has a query_source"},
        {TRIGGER("{ table: A, query: 'level eq {id}' }"),
         "16:5: triggers[0]: must have track_fields or computed_fields"},
        {TRIGGER("{ table: A, rows_from: { table: B, fk: c }, track_fields: [at] }"),
         "16:28: triggers[0].rows_from.slot: is missing"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: at }"),
         "16:47: triggers[0].track_fields: must be a list, not a single value"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: ['f({a})'] }"),
         "16:48: triggers[0].track_fields[0]: must be a column, or \"expression as target\""},
        {TRIGGER("{ table: A, slot_field: id, track_fields: ['a b'] }"),
         "16:48: triggers[0].track_fields[0]: must have a target: the name of the column is "
         "not a valid field name"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: ['cast({a} as text)'] }"),
         "16:48: triggers[0].track_fields[0]: must be a field name: 1 to 100 letters, "
         "digits or '_', not beginning with a digit"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [{ expression: '{a}' }] }"),
         "16:48: triggers[0].track_fields[0]: must have a column, or an expression and a target"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [[at]] }"),
         "16:48: triggers[0].track_fields[0]: must be a map or a text, not a list"},
        {TRIGGER("{ table: A, slot_field: id, computed_fields: ['{a}'] }"),
         "16:51: triggers[0].computed_fields[0]: must be \"expression as target\""},
        {TRIGGER("{ table: A, slot_field: id, computed_fields: [{ target: at }] }"),
         "16:51: triggers[0].computed_fields[0]: must have an expression, or a filter and a value"},
    };
    CHECK_REFUSALS(refusals);
}

static void
test_references_to_unknown_names_are_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {TRIGGER("{ table: A, slot_field: id, track_fields: [at, nix] }"),
         "16:52: triggers[0].track_fields[1]: no field nix in index_config"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [{ column: at, target: nix }] }"),
         "16:70: triggers[0].track_fields[0].target: no field nix in index_config"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: ['{a} as nix'] }"),
         "16:48: triggers[0].track_fields[0]: no field nix in index_config"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [best] }"),
         "16:48: triggers[0].track_fields[0]: field best is computed by index_config"},
        {TRIGGER("{ table: A, slot_field: id, computed_fields: ['{a} as nix'] }"),
         "16:51: triggers[0].computed_fields[0]: no field nix in index_config"},
        {TRIGGER("{ table: A, slot_field: id, field: nix, value_field: b }"),
         "16:40: triggers[0].field: no field nix in index_config"},
        {TRIGGER("{ table: A, query: 'level eq {a} AND nix in [1]', track_fields: [at] }"),
         "16:24: triggers[0].query: no field nix in index_config"},
        {TRIGGER("{ table: A, query: 'level = {a}', track_fields: [at] }"),
         "16:24: triggers[0].query: must be \"field eq value\" or \"field in [value, ...]\", "
         "joined "
         "by \" AND \""},
        {HEAD "index_config: { visible_from: nix }\n",
         "6:31: index_config.visible_from: no field nix in index_config"},
        {INDEXED "  visible_from: tags\n",
         "15:17: index_config.visible_from: field tags is neither a sort field nor a single value"},
        {INDEXED "  visible_from: best\n",
         "15:17: index_config.visible_from: field best is a computed field"},
        {INDEXED "    - { name: x, bits: 1, computed: { op: least, source_fields: [at, nix] } }\n",
         "15:70: index_config.sort_fields[3].computed.source_fields[1]: no field nix in "
         "index_config"},
        {INDEXED "    - { computed: { op: least, source_fields: [x] }, name: x, bits: 1 }\n",
         "15:48: index_config.sort_fields[3].computed.source_fields[0]: field x is a "
         "computed field"},
    };
    CHECK_REFUSALS(refusals);
}

static void
test_fields_are_defined_once(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {INDEXED "    - { computed: { op: least, source_fields: [at] }, name: at, bits: 1 }\n",
         "15:61: index_config.sort_fields[3].name: duplicate sort field at"},
        {INDEXED "    - { name: meta, bits: 1 }\n",
         "15:15: index_config.sort_fields[3].name: filter field meta must be a single value to "
         "sort by it"},
        {HEAD "index_config: { filter_fields: [{ name: a, field_type: string },\n"
              "  { name: a, field_type: boolean }] }\n",
         "7:11: index_config.filter_fields[1].name: duplicate filter field a"},
        {HEAD "index_config: { filter_fields: [{ name: id, field_type: single_value }] }\n",
         "6:41: index_config.filter_fields[0].name: no field can have the name id: it is the "
         "entity's id, which every query can filter and sort by"},
        {HEAD "index_config: { sort_fields: [{ name: id, bits: 32 }] }\n",
         "6:39: index_config.sort_fields[0].name: no field can have the name id: it is the "
         "entity's id, which every query can filter and sort by"},
        {HEAD "index_config: { filter_fields: [\n"
              "  { name: a, field_type: boolean, case_insensitive: true }] }\n",
         "7:53: index_config.filter_fields[0].case_insensitive: case_insensitive is for string "
         "fields, and a is not one"},
        {HEAD "index_config: { max_page_size: -1, sort_fields: [{ name: at, bits: 32 }] }\n",
         "6:32: index_config.max_page_size: must be from 0 to 1000000 ids"},
        {HEAD "index_config: { filter_fields: [{ name: a, field_type: single_value },\n"
              "  { name: b, field_type: single_value }], sort_fields: [\n"
              "  { name: a, bits: 1, computed: { op: least, source_fields: [b] } }] }\n",
         "8:11: index_config.sort_fields[0].name: field a is computed: it cannot be a filter "
         "field"},
        {HEAD "index_config: { sort_fields: [{ name: a, bits: 64 }] }\n",
         "6:48: index_config.sort_fields[0].bits: must be from 1 to 63 bits"},
        {HEAD "index_config: { sort_fields: [{ name: a b, bits: 1 }] }\n",
         "6:39: index_config.sort_fields[0].name: must be a field name: 1 to 100 letters, "
         "digits or '_', not beginning with a digit"},
        {HEAD "index_config: { filter_fields: [{ name: a }] }\n",
         "6:33: index_config.filter_fields[0].field_type: is missing"},
        {INDEXED "    - { name: x, bits: 1, computed: { op: least, source_fields: [at, at] } }\n",
         "15:70: index_config.sort_fields[3].computed.source_fields[1]: duplicate, as item 0"},
    };
    CHECK_REFUSALS(refusals);
}

/* CONFIG_FIELDS_MAX filter fields, one a line, and as many sort fields, of which the first is one
 * of the filter fields. */
static char *
index_of_fields(uint32_t sort_fields)
{
    struct buffer yaml;
    buffer_init(&yaml);
    buffer_append_text(&yaml, HEAD "index_config:\n  filter_fields:\n");
    for (uint32_t i = 0; i < CONFIG_FIELDS_MAX; i++)
        buffer_append_format(&yaml, "    - { name: f%u, field_type: single_value }\n", i);
    buffer_append_text(&yaml, "  sort_fields:\n    - { name: f7, bits: 32 }\n");
    for (uint32_t i = 1; i < sort_fields; i++)
        buffer_append_format(&yaml, "    - { name: s%u, bits: 32 }\n", i);
    char *copy = memory_strdup(buffer_string(&yaml));
    buffer_free(&yaml);
    return copy;
}

static void
test_L10_an_index_has_a_bounded_number_of_fields(void **state)
{
    (void)state;
    struct error err = {0};
    struct config *config = NULL;
    char *most = index_of_fields(1);
    char *more = index_of_fields(2);
    config_destroy(config_load_valid(most, CONFIG_CONSUMER));
    assert_int_equal(config_load_text(more, CONFIG_CONSUMER, &config, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, ":1010:15: index_config.sort_fields[1].name: "));
    assert_non_null(strstr(err.message, "the index has 1001 fields; at most 1000 are possible"));
    free(most);
    free(more);
}

static void
test_L10_the_names_of_fields_fit_into_the_header_of_a_log(void **state)
{
    (void)state;
    struct error err = {0};
    struct config *config = NULL;
    struct buffer yaml;
    buffer_init(&yaml);
    buffer_append_text(&yaml, HEAD "index_config:\n  filter_fields:\n");
    for (uint32_t i = 0; i < 600; i++)
        buffer_append_format(&yaml, "    - { name: f%099u, field_type: single_value }\n", i);
    assert_int_equal(config_load_text(buffer_string(&yaml), CONFIG_CONSUMER, &config, &err),
                     ERR_USAGE);
    assert_non_null(strstr(err.message, ":7:3: index_config: the names of the fields and their "
                                        "sources take 78000 bytes; at most 61440 are possible"));
    buffer_free(&yaml);
}

static void
test_L7_F84_a_field_has_one_owner(void **state)
{
    (void)state;
#define FIRST "- { table: A, slot_field: id, track_fields: [at, level] }\n  "
    static const struct refusal refusals[] = {
        {INDEXED "triggers:\n  " FIRST "- { table: B, query: 'level eq 1', track_fields: [at] }\n",
         "17:53: triggers[1].track_fields[0]: field at has two owners: table A writes it in "
         "triggers[0], table B here"},
        {INDEXED "triggers:\n  " FIRST "- { table: B, slot_field: b, field: at, value_field: b }\n",
         "17:39: triggers[1].field: field at has two owners: table A writes it in triggers[0], "
         "table B here"},
        {INDEXED "triggers:\n  " FIRST
                 "- { table: public.A, slot_field: id, computed_fields: ['1 as at'] }\n",
         "17:58: triggers[1].computed_fields[0]: duplicate: triggers[0] writes field at already"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [at, at] }"),
         "16:52: triggers[0].track_fields[1]: duplicate: triggers[0] writes field at already"},
    };
    CHECK_REFUSALS(refusals);
    config_destroy(
        config_load_valid(INDEXED "triggers:\n"
                                  "  - { table: P, query: 'level eq {id}', track_fields: [at] }\n"
                                  "  - { table: P, track_fields: [at],\n"
                                  "      rows_from: { table: A, fk: p, slot: id } }\n",
                          CONFIG_PRODUCER));
}

static void
test_links_and_scales_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {TRIGGER("{ table: A, rows_from: A, track_fields: [at] }"),
         "16:28: triggers[0].rows_from: must be a map, or a list of maps, not a single value"},
        {TRIGGER("{ table: A, track_fields: [at], rows_from: [{ table: B, fk: c },\n"
                 "      { table: C, fk: d, slot: e, key: f }] }"),
         "17:40: triggers[0].rows_from[1].key: has no meaning in the last link, because no other "
         "link refers to it"},
        {TRIGGER("{ table: A, track_fields: [at], rows_from: [{ table: B, fk: c, slot: d },\n"
                 "      { table: C, fk: d, slot: e }] }"),
         "16:74: triggers[0].rows_from[0].slot: only the last link has the slots: remove it here, "
         "or end the path here"},
        {TRIGGER("{ table: A, track_fields: [at], rows_from: [{ table: B, fk: c, key: d },\n"
                 "      { table: C, fk: d, slot: e, parent_key: f }] }"),
         "17:47: triggers[0].rows_from[1].parent_key: has a meaning in the first link only: write "
         "it as `key` of the link before"},
        {TRIGGER("{ table: A, query: 'at eq {id}', track_fields: [at], children: [{ table: B, "
                 "fk: c }] }"),
         "16:69: triggers[0].children[0].slot: is missing"},
        {TRIGGER("{ table: A, track_fields: [at], rows_from: [{}, {}, {}, {}, {}] }"),
         "16:48: triggers[0].rows_from: must have at most 4 items"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [{ column: at, scale: 19 }] }"),
         "16:69: triggers[0].track_fields[0].scale: must be from 0 to 18 decimals"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [{ column: at, scale: 1.5 }] }"),
         "16:69: triggers[0].track_fields[0].scale: must be an integer"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [{ expression: '1', target: at, "
                 "scale: 2 }] }"),
         "16:48: triggers[0].track_fields[0]: must have a column to have a scale, which multiplies "
         "a column"},
        {TRIGGER("{ table: A, slot_field: id, track_fields: [{ column: at, expression: '{at}', "
                 "scale: 2 }] }"),
         "16:48: triggers[0].track_fields[0]: must have either an expression or a scale: an "
         "expression can multiply itself"},
    };
    CHECK_REFUSALS(refusals);
}

static void
test_a_path_of_links_is_a_map_or_a_list(void **state)
{
    (void)state;
    struct config *config = config_load_valid(
        INDEXED "triggers:\n"
                "  - { table: A, rows_from: { table: B, fk: c, parent_key: k, slot: d },\n"
                "      track_fields: [at] }\n"
                "  - { table: A, query: 'level eq {id}', track_fields: [level],\n"
                "      children: [{ table: B, fk: c, key: e }, { table: C, fk: f, slot: g }] }\n",
        CONFIG_PRODUCER);
    const struct config_trigger *triggers = config->triggers;
    assert_int_equal(triggers[0].link_count, 1);
    assert_string_equal(triggers[0].links[0].parent_key, "k");
    assert_ptr_equal(config_trigger_child(&triggers[0]), &triggers[0].links[0]);
    assert_int_equal(triggers[1].link_count, 2);
    assert_string_equal(triggers[1].links[0].key, "e");
    assert_null(triggers[1].links[0].slot);
    assert_int_equal(triggers[1].links[1].place.line, 19);
    assert_int_equal(triggers[1].links[1].place.column, 47);
    assert_string_equal(config_trigger_child(&triggers[1])->slot, "g");
    struct buffer printed = {0};
    config_print(config, &printed);
    assert_non_null(strstr(buffer_string(&printed), "    rows_from:\n      table: B\n"
                                                    "      fk: c\n      parent_key: k\n"));
    assert_non_null(strstr(buffer_string(&printed),
                           "    children:\n      - table: B\n        fk: c\n        key: e\n"
                           "      - table: C\n        fk: f\n        slot: g\n"));
    buffer_free(&printed);
    config_destroy(config);
}

static void
test_filters_and_values_of_computed_fields_are_one_expression(void **state)
{
    (void)state;
    struct config *config = config_load_valid(
        INDEXED "triggers:\n  - table: A\n    slot_field: id\n    computed_fields:\n"
                "      - { target: at, expression: '{d} = 1', value: '{v}' }\n"
                "      - { target: level, filter: '{d}', expression: '{v}' }\n"
                "      - { target: meta, filter: '{d}', expression: '{e}', value: '{v}' }\n",
        CONFIG_CONSUMER);
    const struct config_computed_field *fields = config->triggers[0].computed_fields;
    assert_string_equal(fields[0].expression, "CASE WHEN ({d} = 1) THEN ({v}) END");
    assert_null(fields[0].value);
    assert_string_equal(fields[1].expression, "CASE WHEN ({d}) THEN ({v}) END");
    assert_string_equal(fields[2].expression, "CASE WHEN ({d}) AND ({e}) THEN ({v}) END");
    assert_null(fields[2].filter);
    config_destroy(config);
}

static void
test_kinds_follow_their_precedence_and_unused_settings_are_named(void **state)
{
    (void)state;
    struct config *config = config_load_valid(
        INDEXED
        "sync_sources:\n"
        "  - { table: J, slot_field: id, field: tags, value_field: v, query: 'level eq {id}',\n"
        "      rows_from: { table: A, fk: p, slot: id }, track_fields: [at] }\n"
        "  - { table: R, slot_field: id, query: 'level eq {id}', track_fields: [meta],\n"
        "      rows_from: { table: A, fk: p, slot: id } }\n"
        "  - { table: Q, query: 'level IN {ids} and at EQ \"x AND y\"', on_delete: true,\n"
        "      track_fields: [level] }\n"
        "dump_phases:\n"
        "  - { name: q, table: public.Q, slot_field: id, columns: [id] }\n"
        "  - { name: c, table: C, slot_field: id, columns: [id] }\n"
        "  - { name: d, table: D, slot_field: id, columns: [id],\n"
        "      copy_query: COPY (SELECT 1) TO STDOUT }\n",
        CONFIG_PRODUCER);
    assert_int_equal(config->triggers[0].kind, TRIGGER_JOIN);
    assert_int_equal(config->triggers[1].kind, TRIGGER_FAN_OUT_PER_ROW);
    assert_int_equal(config->triggers[2].kind, TRIGGER_FAN_OUT);
    static const char *const wanted[] = {
        "triggers[0].rows_from (line 16): has no effect, the kind is join",
        "triggers[0].query (line 16): has no effect, the kind is join",
        "triggers[0].track_fields (line 16): has no effect, the kind is join",
        "triggers[1].slot_field (line 18): has no effect, the kind is fan-out per row",
        "triggers[1].query (line 18): has no effect, the kind is fan-out per row",
        "triggers[2].on_delete (line 20): has no effect, the kind is fan-out",
        "dump_phases[2].copy_query (line 25): has no effect, table D has no triggers",
    };
    uint32_t cursor = 0;
    char what[200];
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_true(config_next_unused(config, &cursor, what, sizeof what));
        assert_string_equal(what, wanted[i]);
    }
    assert_false(config_next_unused(config, &cursor, what, sizeof what));
    config_destroy(config);
}

static void
test_environment_variables_are_substituted(void **state)
{
    (void)state;
    setenv("BITDEX_TEST_ROWS", "77", 1);
    setenv("BITDEX_TEST_WORD", "a: [${BITDEX_TEST_ROWS}]", 1);
    setenv("BITDEX_TEST_BYTES", "\xff", 1);
    unsetenv("BITDEX_TEST_UNSET");
    struct config *config = config_load_valid(
        HEAD "producer: { chunk_rows: \"${BITDEX_TEST_ROWS}\" }\n"
             "triggers: [{ table: A, slot_field: id,\n"
             "  filter: '$1 $ $$ $${x} ${BITDEX_TEST_WORD}${BITDEX_TEST_ROWS}' }]\n",
        CONFIG_PRODUCER);
    assert_int_equal(config->producer.chunk_rows, 77);
    assert_string_equal(config->triggers[0].filter, "$1 $ $$ ${x} a: [${BITDEX_TEST_ROWS}]77");
    config_destroy(config);
    static const struct refusal refusals[] = {
        {"index: a\npostgres: 'password=${BITDEX_TEST_UNSET}'\n",
         "2:11: postgres: environment variable BITDEX_TEST_UNSET is not set"},
        {"index: ${BITDEX_TEST_BYTES}\n",
         "1:8: index: environment variable BITDEX_TEST_BYTES is not UTF-8"},
        {"index: ${a b}\n",
         "1:8: index: ${ must be followed by a variable's name and } (write $${ for ${)"},
        {"index: '${'\n",
         "1:8: index: ${ must be followed by a variable's name and } (write $${ for ${)"},
        {"index: ${BITDEX_TEST_WORD}\n",
         "1:8: index: must be 1 to 100 letters, digits, '.', '_' or '-'"},
    };
    CHECK_REFUSALS(refusals);
}

static void
test_passwords_are_not_shown(void **state)
{
    (void)state;
    static const struct {
        const char *string;
        const char *shown;
    } cases[] = {
        {"", ""},
        {"host=a dbname=b", "host=a dbname=b"},
        {"host=a password=secret user=b", "host=a password=*** user=b"},
        {"password = 'se cr\\'et' user=b", "password = *** user=b"},
        {"password=se\\ cret user=b", "password=*** user=b"},
        {"PassWord=secret sslpassword=other", "PassWord=*** sslpassword=***"},
        {"password='secret", "***"},
        {"host=a secret", "host=a ***"},
        {"user=a oauth_client_secret=secret", "user=a oauth_client_secret=***"},
        {"dbname=postgres://a:secret@b/c", "dbname=***"},
        {"postgres://b/c", "postgres://b/c"},
        {"postgresql://a@b:5432/c?sslmode=require", "postgresql://a@b:5432/c?sslmode=require"},
        {"postgresql://a:secret@b:5432/c", "postgresql://a:***@b:5432/c"},
        {"postgresql://a:se@cr/et?x@b/c", "postgresql://a:***@b/c"},
        {"postgres:///c?host=a&password=secret&user=b", "postgres:///c?host=a&password=***&user=b"},
        {"postgres:///c?p%61ssword=secret", "postgres:///c?p%61ssword=***"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out;
        buffer_init(&out);
        config_redact(cases[i].string, &out);
        assert_string_equal(buffer_string(&out), cases[i].shown);
        buffer_free(&out);
    }
}

/* Prints the configuration, loads the text, and prints it again: both texts are equal, and so are
 * both identities of the index. */
static char *
print_twice(const struct config *config, enum config_program program)
{
    struct buffer first;
    struct buffer second;
    buffer_init(&first);
    buffer_init(&second);
    config_print(config, &first);
    struct config *again = config_load_valid(buffer_string(&first), program);
    config_print(again, &second);
    assert_string_equal(buffer_string(&first), buffer_string(&second));
    buffer_clear(&second);
    config_index_identity(&config->index_config, &second);
    size_t half = second.bytes;
    config_index_identity(&again->index_config, &second);
    assert_int_equal(second.bytes, half * 2);
    assert_memory_equal(second.data, second.data + half, half);
    config_destroy(again);
    char *text = memory_strdup(buffer_string(&first));
    buffer_free(&first);
    buffer_free(&second);
    return text;
}

static void
test_a_printed_configuration_loads_to_the_same(void **state)
{
    (void)state;
    struct config *config = load_example();
    free(print_twice(config, CONFIG_PRODUCER));
    config_destroy(config);
    config = config_load_valid(
        "index: a\npostgres: \"a \\u2028\\x01\\\"\\\\ \\n$${x} \xc3\xa4 \\uFEFF\"\n"
        "kafka: { bootstrap.servers: 'yes', linger.ms: 1 }\ntopic: { name: 'null' }\n",
        CONFIG_PRODUCER);
    free(print_twice(config, CONFIG_PRODUCER));
    config_destroy(config);
    config =
        config_load_valid("index: a\nindex_config: { sort_fields: [{ name: 'yes', bits: 1 }] }\n"
                          "consumer: { data_dir: \" \\t$${x} \xf0\x9f\x98\x80\\x85#\" }\n",
                          CONFIG_CONSUMER);
    char *text = print_twice(config, CONFIG_CONSUMER);
    assert_non_null(strstr(text, "  data_dir: \" \\u0009$${x} \xf0\x9f\x98\x80\\u0085#\"\n"));
    assert_non_null(strstr(text, "    - name: \"yes\"\n      bits: 1\n"));
    assert_null(strstr(text, "kafka"));
    free(text);
    config_destroy(config);
}

static void
test_secrets_are_not_printed(void **state)
{
    (void)state;
    struct config *config = config_load_valid(
        "index: a\npostgres: host=h password=hidden1\ntopic: { name: c }\n"
        "kafka:\n"
        "  bootstrap.servers: b\n  sasl.username: shown\n  sasl.password: hidden2\n"
        "  ssl.key.password: hidden3\n  ssl.keystore.password: hidden4\n"
        "  sasl.oauthbearer.client.secret: hidden5\n  sasl.oauthbearer.config: hidden6\n"
        "  producer: { basic.auth.user.info: hidden7, ssl.key.pem: hidden8 }\n"
        "  consumer: { registry.url: 'http://a:hidden9@b' }\n",
        CONFIG_PRODUCER);
    char *text = print_twice(config, CONFIG_PRODUCER);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "host=h password=***"));
    assert_non_null(strstr(text, "sasl.username: \"shown\""));
    assert_non_null(strstr(text, "sasl.password: \"***\""));
    free(text);
    config_destroy(config);
}

static void
test_the_identity_is_readable_and_independent_of_the_order_of_fields(void **state)
{
    (void)state;
    struct config *config = config_load_valid(INDEXED, CONFIG_CONSUMER);
    struct buffer out;
    buffer_init(&out);
    config_index_identity(&config->index_config, &out);
    assert_string_equal(buffer_string(&out), "filter field \"level\": single_value\n"
                                             "filter field \"meta\": boolean\n"
                                             "filter field \"tags\": multi_value\n"
                                             "sort field \"at\": bits 32\n"
                                             "sort field \"best\": bits 32 greatest at level\n"
                                             "sort field \"level\": bits 8\n");
    buffer_free(&out);
    config_destroy(config);
}

static void
test_hostile_files_stay_within_limits(void **state)
{
    (void)state;
    struct buffer yaml;
    buffer_init(&yaml);
    for (int i = 0; i < 100000; i++)
        buffer_append_text(&yaml, "[");
    config_check_refused(
        buffer_string(&yaml), CONFIG_PRODUCER,
        "1:18: [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested too deeply");
    buffer_clear(&yaml);
    buffer_append_text(&yaml, "triggers: [");
    for (int i = 0; i < 20000; i++)
        buffer_append_text(&yaml, "a,");
    config_check_refused(buffer_string(&yaml), CONFIG_PRODUCER,
                         "1:32776: triggers[16382]: more than 16384 values");
    buffer_clear(&yaml);
    for (int i = 0; i < 300; i++)
        buffer_append_format(&yaml, "k%d: v\n", i);
    config_check_refused(buffer_string(&yaml), CONFIG_PRODUCER,
                         "257:1: k256: more than 256 keys in one map");
    buffer_clear(&yaml);
    buffer_append_text(&yaml, "triggers:\n");
    for (int i = 0; i < 1001; i++)
        buffer_append_text(&yaml, "- a\n");
    config_check_refused(buffer_string(&yaml), CONFIG_PRODUCER,
                         "2:1: triggers: must have at most 1000 items");
    buffer_clear(&yaml);
    struct error err = {0};
    struct config *config = NULL;
    memset(buffer_reserve(&yaml, (1 << 20) + 1), '#', (1 << 20) + 1);
    config_write_file(config_work_file, yaml.data, (1 << 20) + 1);
    assert_int_equal(config_load(config_work_file, CONFIG_PRODUCER, &config, NULL, &err),
                     ERR_USAGE);
    assert_non_null(strstr(err.message, "larger than 1048576 bytes"));
    buffer_free(&yaml);
}

static void
test_files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    struct error err = {0};
    struct config *config = NULL;
    assert_int_equal(config_load("/nonexistent/x", CONFIG_PRODUCER, &config, NULL, &err),
                     ERR_USAGE);
    assert_string_equal(err.message,
                        "could not open \"/nonexistent/x\": No such file or directory");
    assert_int_equal(config_load("/tmp", CONFIG_PRODUCER, &config, NULL, &err), ERR_USAGE);
    assert_string_equal(err.message, "could not read \"/tmp\": Is a directory");
}

/* One random change: another byte, a piece removed or repeated, or a token of YAML inserted. */
static void
mutate(struct buffer *yaml)
{
    static const char *const words[] = {"[", "]",   "{",   "}",    ": ",   "- ", "\n",
                                        "'", "\"",  "&a ", "*a",   "|",    ">",  "${",
                                        "#", "---", "\t",  "null", "\xff", "?"};
    size_t at = random_below(yaml->bytes);
    size_t bytes = random_below(40) % (yaml->bytes - at) + 1;
    const char *word = words[random_below(sizeof words / sizeof words[0])];
    char piece[64];
    switch (random_below(4)) {
    case 0:
        yaml->data[at] = (uint8_t)random_next();
        return;
    case 1:
        memmove(yaml->data + at, yaml->data + at + bytes, yaml->bytes - at - bytes);
        yaml->bytes -= bytes;
        return;
    case 2:
        memcpy(piece, yaml->data + at, bytes);
        break;
    default:
        bytes = strlen(word);
        memcpy(piece, word, bytes);
    }
    buffer_reserve(yaml, bytes);
    memmove(yaml->data + at + bytes, yaml->data + at, yaml->bytes - at);
    memcpy(yaml->data + at, piece, bytes);
    yaml->bytes += bytes;
}

/* A mutated example is either refused, or it loads and its printed form loads to the same. */
static void
fuzz_round(const struct buffer *example, int *loaded)
{
    struct error err = {0};
    struct config *config = NULL;
    struct buffer yaml;
    buffer_init(&yaml);
    buffer_append(&yaml, example->data, example->bytes);
    for (uint64_t changes = 1 + random_below(3); changes > 0; changes--)
        mutate(&yaml);
    config_write_file(config_work_file, yaml.data, yaml.bytes);
    enum config_program program = random_below(2) ? CONFIG_PRODUCER : CONFIG_CONSUMER;
    int rc = config_load(config_work_file, program, &config, NULL, &err);
    if (rc == 0) {
        free(print_twice(config, program));
        config_destroy(config);
        ++*loaded;
    } else {
        unsigned line;
        unsigned column;
        assert_int_equal(rc, ERR_USAGE);
        int found = sscanf(err.message + strlen(config_work_file), ":%u:%u: ", &line, &column);
        if (found != 2 || line == 0 || column == 0)
            fail_msg("%s", err.message);
    }
    buffer_free(&yaml);
}

static void
test_mutated_examples_load_or_are_refused(void **state)
{
    (void)state;
    random_seed();
    struct buffer example;
    buffer_init(&example);
    config_read_file(EXAMPLE, &example);
    int loaded = 0;
    for (int i = 0; i < FUZZ_ROUNDS; i++)
        fuzz_round(&example, &loaded);
    assert_in_range(loaded, FUZZ_ROUNDS / 100, FUZZ_ROUNDS * 99 / 100);
    buffer_free(&example);
}

static void
test_the_manual_is_up_to_date(void **state)
{
    (void)state;
    struct buffer made;
    struct buffer kept;
    buffer_init(&made);
    buffer_init(&kept);
    config_reference(&made);
    config_read_file(MANUAL, &kept);
    if (made.bytes != kept.bytes || memcmp(made.data, kept.data, made.bytes) != 0)
        fail_msg("docs/configuration.md is stale: build the target `docs`");
    buffer_free(&made);
    buffer_free(&kept);
}

static int
write_manual(const char *path)
{
    struct buffer out;
    buffer_init(&out);
    config_reference(&out);
    config_write_file(path, out.data, out.bytes);
    buffer_free(&out);
    return 0;
}

/* With --reference FILE it writes the manual instead, for the target `docs`. */
int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--reference") == 0)
        return write_manual(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example_loads_for_both_programs),
        cmocka_unit_test(test_defaults_are_filled_in),
        cmocka_unit_test(test_a_share_is_a_number_from_0_to_1),
        cmocka_unit_test(test_invalid_yaml_is_refused_with_its_place),
        cmocka_unit_test(test_values_are_refused_with_their_place),
        cmocka_unit_test(test_each_program_names_the_settings_that_it_lacks),
        cmocka_unit_test(test_settings_that_a_law_fixes_are_refused_with_the_reason),
        cmocka_unit_test(test_kafka_settings_keep_their_names_and_sides),
        cmocka_unit_test(test_triggers_are_refused_with_their_place),
        cmocka_unit_test(test_references_to_unknown_names_are_refused),
        cmocka_unit_test(test_fields_are_defined_once),
        cmocka_unit_test(test_L10_an_index_has_a_bounded_number_of_fields),
        cmocka_unit_test(test_L10_the_names_of_fields_fit_into_the_header_of_a_log),
        cmocka_unit_test(test_L7_F84_a_field_has_one_owner),
        cmocka_unit_test(test_links_and_scales_are_refused_with_their_place),
        cmocka_unit_test(test_a_path_of_links_is_a_map_or_a_list),
        cmocka_unit_test(test_filters_and_values_of_computed_fields_are_one_expression),
        cmocka_unit_test(test_kinds_follow_their_precedence_and_unused_settings_are_named),
        cmocka_unit_test(test_environment_variables_are_substituted),
        cmocka_unit_test(test_passwords_are_not_shown),
        cmocka_unit_test(test_a_printed_configuration_loads_to_the_same),
        cmocka_unit_test(test_secrets_are_not_printed),
        cmocka_unit_test(test_the_identity_is_readable_and_independent_of_the_order_of_fields),
        cmocka_unit_test(test_hostile_files_stay_within_limits),
        cmocka_unit_test(test_files_that_cannot_be_read_are_named),
        cmocka_unit_test(test_mutated_examples_load_or_are_refused),
        cmocka_unit_test(test_the_manual_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
