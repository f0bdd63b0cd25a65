/* Chunks from CSV files: what they say of every entity, whatever the order of the lines. */
#include "producer/load/csv_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_load.h"
#include "tests/support/memory_files.h"
#include "tests/unit/config_fixture.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

#define CONFIG                                                       \
    "index: demo\n"                                                  \
    "topic: { name: demo, partitions: 3, max_slots: 1000 }\n"        \
    "consumer: { data_dir: /tmp/demo }\n"                            \
    "index_config:\n"                                                \
    "  filter_fields:\n"                                             \
    "    - { name: level, field_type: single_value }\n"              \
    "    - { name: kind, field_type: string }\n"                     \
    "    - { name: tags, field_type: multi_value }\n"                \
    "  sort_fields: [{ name: at, bits: 32 }]\n"                      \
    "dump_phases:\n"                                                 \
    "  - name: images\n    table: Image\n    slot_field: id\n"       \
    "    sets_alive: true\n    columns: [id, level, kind, at]\n"     \
    "    fields: [level, kind, at]\n"                                \
    "  - name: tags\n    table: public.Tag\n    slot_field: image\n" \
    "    columns: [tag, image]\n"                                    \
    "    fields: [{ column: tag, target: tags }]\n"

enum { ENTITIES = 3000, TAGS_MAX = 5, PARTITIONS = 3 };

/* What the index holds of an entity, or should hold. Values are at least 1. */
struct entity {
    bool alive;
    int64_t level;
    int64_t at;
    char kind;
    int64_t tags[TAGS_MAX];
    uint32_t tag_count;
};

struct fixture {
    struct config *config;
    struct memory_files *memory;
    struct csv_request request;
    struct csv_source_options options;
    struct entity *wanted; /* by id */
    struct entity *got;
};

static void
write_file(struct fixture *fixture, const char *path, const struct buffer *content)
{
    struct error err = {0};
    struct files *files = memory_files_vtable(fixture->memory);
    int handle = files->open(files, path, FILES_CREATE, &err);
    assert_true(handle >= 0);
    if (content->bytes > 0)
        assert_int_equal(files->write_at(files, handle, content->data, content->bytes, 0, &err), 0);
    files->close(files, handle);
}

static void
append_image(struct buffer *out, int64_t id, const struct entity *entity)
{
    buffer_append_format(out, "%" PRId64 ",", id);
    if (entity->level > 0)
        buffer_append_format(out, "%" PRId64, entity->level);
    buffer_append_text(out, ",");
    if (entity->kind != '\0')
        buffer_append_format(out, "%c", entity->kind);
    buffer_append_text(out, ",");
    if (entity->at > 0)
        buffer_append_format(out, "%" PRId64, entity->at);
    buffer_append_text(out, "\n");
}

/* Writes lines in another order; `order` has as many as there are. */
static void
shuffle(int64_t *order, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = random_below(i);
        int64_t moved = order[i - 1];
        order[i - 1] = order[other];
        order[other] = moved;
    }
}

static void
make_entities(struct fixture *fixture)
{
    for (int64_t id = 0; id < ENTITIES; id++) {
        struct entity *entity = &fixture->wanted[id];
        *entity = (struct entity){.alive = random_below(4) > 0};
        if (entity->alive && random_below(3) > 0)
            entity->level = 1 + (int64_t)random_below(5);
        if (entity->alive && random_below(3) > 0)
            entity->at = 1 + (int64_t)random_below(1000000);
        if (entity->alive && random_below(3) > 0)
            entity->kind = (char)('a' + random_below(4));
        entity->tag_count = (uint32_t)random_below(TAGS_MAX + 1);
        for (uint32_t i = 0; i < entity->tag_count; i++)
            entity->tags[i] = (int64_t)(i * 10 + random_below(10));
    }
}

static void
write_files(struct fixture *fixture, bool is_shuffled)
{
    int64_t *order = memory_alloc(ENTITIES * sizeof *order);
    struct buffer images;
    struct buffer tags;
    buffer_init(&images);
    buffer_init(&tags);
    for (int64_t id = 0; id < ENTITIES; id++)
        order[id] = id;
    if (is_shuffled)
        shuffle(order, ENTITIES);
    for (size_t i = 0; i < ENTITIES; i++) {
        const struct entity *entity = &fixture->wanted[order[i]];
        if (entity->alive)
            append_image(&images, order[i], entity);
    }
    if (is_shuffled)
        shuffle(order, ENTITIES);
    for (size_t i = 0; i < ENTITIES; i++) {
        const struct entity *entity = &fixture->wanted[order[i]];
        for (uint32_t j = entity->tag_count; j > 0; j--)
            buffer_append_format(&tags, "%" PRId64 ",%" PRId64 "\n%s", entity->tags[j - 1],
                                 order[i], "");
    }
    write_file(fixture, "/csv/images.csv", &images);
    write_file(fixture, "/csv/tags.csv", &tags);
    buffer_free(&images);
    buffer_free(&tags);
    free(order);
}

static void
fixture_open(struct fixture *fixture)
{
    fixture->config = config_load_valid(CONFIG, CONFIG_CONSUMER);
    fixture->memory = memory_files_create(1);
    fixture->wanted = memory_zalloc(ENTITIES * sizeof *fixture->wanted);
    fixture->got = memory_zalloc(ENTITIES * sizeof *fixture->got);
    fixture->request = (struct csv_request){
        .files = memory_files_vtable(fixture->memory),
        .directory = "/csv",
        .sort_directory = "/sort",
        .batch_entities = 1000,
    };
    fixture->options = (struct csv_source_options){
        .request = &fixture->request,
        .event_bytes_max = 5000,
    };
}

static void
fixture_close(struct fixture *fixture)
{
    config_destroy(fixture->config);
    memory_files_destroy(fixture->memory);
    free(fixture->wanted);
    free(fixture->got);
}

static void
take_column(struct fixture *fixture, const struct chunk_column *column, int32_t partition)
{
    for (uint32_t i = 0; i < column->count; i++) {
        struct entity *entity = &fixture->got[column->slots[i] * PARTITIONS + (uint32_t)partition];
        if (text_is(column->field, "level"))
            entity->level = column->integers[i];
        else if (text_is(column->field, "at"))
            entity->at = column->integers[i];
        else if (text_is(column->field, "kind"))
            entity->kind = column->strings[column->integers[i]].data[0];
        else
            entity->tags[entity->tag_count++] = column->integers[i];
    }
}

/* Applies a chunk as a shard does. */
static void
take_chunk(struct fixture *fixture, const struct chunk *chunk, int32_t partition)
{
    assert_int_equal(chunk->field_count, 4);
    assert_true(chunk->states_alive);
    for (int64_t id = chunk->begin; id < chunk->end && id < ENTITIES; id++)
        if (id % PARTITIONS == partition)
            fixture->got[id] = (struct entity){0};
    for (uint32_t i = 0; i < chunk->alive_count; i++)
        fixture->got[chunk->alive[i] * PARTITIONS + (uint32_t)partition].alive = true;
    for (uint32_t i = 0; i < chunk->column_count; i++)
        take_column(fixture, &chunk->columns[i], partition);
}

static void
take_load_chunk(struct fixture *fixture, const struct load_chunk *chunk)
{
    int64_t at = chunk->begin;
    for (uint32_t i = 0; i < chunk->part_count; i++) {
        const struct load_part *part = &chunk->parts[i];
        assert_int_equal(part->begin, at);
        at = part->end;
        for (int32_t p = 0; p < PARTITIONS; p++) {
            assert_int_equal(part->chunks[p].begin, part->begin);
            assert_int_equal(part->chunks[p].end, part->end);
            if (part->chunks[p].rejected.bytes == 0)
                take_chunk(fixture, &part->chunks[p], p);
        }
    }
    assert_int_equal(at, chunk->end);
}

static struct csv_source *
open_source(struct fixture *fixture)
{
    struct csv_source *source = NULL;
    struct error err = {0};
    if (csv_source_create(fixture->config, &fixture->options, &source, &err) != 0 ||
        csv_source_prepare(source, &err) != 0)
        fail_msg("%s", err.message);
    return source;
}

/* Reads everything; now and then a chunk is lost, and the source begins again before it. */
static void
read_all(struct fixture *fixture, struct csv_source *source, bool is_disturbed)
{
    struct error err = {0};
    int64_t begin = 0;
    while (begin != CHUNK_NO_END) {
        struct load_chunk chunk;
        if (csv_source_read(source, begin, &chunk, &err) != 0)
            fail_msg("%s", err.message);
        assert_int_equal(chunk.begin, begin);
        take_load_chunk(fixture, &chunk);
        if (!is_disturbed || random_below(3) > 0)
            begin = chunk.end;
        load_chunk_free(&chunk);
    }
}

static void
check_entities(const struct fixture *fixture)
{
    for (int64_t id = 0; id < ENTITIES; id++)
        if (memcmp(&fixture->got[id], &fixture->wanted[id], sizeof fixture->got[id]) != 0)
            fail_msg("entity %" PRId64, id);
}

static void
test_chunks_say_what_the_files_hold(void **state)
{
    (void)state;
    for (uint32_t round = 0; random_round(6); round++) {
        struct fixture fixture;
        fixture_open(&fixture);
        make_entities(&fixture);
        write_files(&fixture, round % 2 == 1);
        fixture.request.batch_entities = 1 + (uint32_t)random_below(2000);
        struct csv_source *source = open_source(&fixture);
        read_all(&fixture, source, round % 3 == 2);
        check_entities(&fixture);
        struct csv_progress progress = csv_source_progress(source);
        assert_int_equal(progress.bytes, progress.file_bytes);
        assert_true(csv_source_last_id(source) < ENTITIES);
        assert_true(csv_source_last_id(source) > ENTITIES - 20);
        assert_false(csv_source_is_partial(source));
        assert_int_equal(progress.rejected_lines + progress.rejected_values, 0);
        csv_source_destroy(source);
        fixture_close(&fixture);
    }
}

static void
write_text(struct fixture *fixture, const char *path, const char *text)
{
    struct buffer content;
    buffer_init(&content);
    buffer_append_text(&content, text);
    write_file(fixture, path, &content);
    buffer_free(&content);
}

/* Appends the parts of partition 0 of the only chunk: "begin-end fields", * with existence, ! when
 * it is rejected. */
static void
show_parts(struct fixture *fixture, struct csv_source *source, struct buffer *out)
{
    struct load_chunk chunk;
    struct error err = {0};
    assert_int_equal(csv_source_read(source, 0, &chunk, &err), 0);
    take_load_chunk(fixture, &chunk);
    for (uint32_t i = 0; i < chunk.part_count; i++) {
        const struct chunk *part = &chunk.parts[i].chunks[0];
        buffer_append_format(out, "%" PRId64 "-", part->begin);
        if (part->end != CHUNK_NO_END)
            buffer_append_format(out, "%" PRId64, part->end);
        for (uint32_t j = 0; j < part->field_count; j++)
            buffer_append_format(out, " %.*s", TEXT_ARGS(part->fields[j]));
        buffer_append_format(out, "%s%s\n", part->states_alive ? "*" : "",
                             part->rejected.bytes > 0 ? "!" : "");
    }
    load_chunk_free(&chunk);
}

static void
check_parts(struct fixture *fixture, const char *parts, const char *rejects)
{
    struct buffer out;
    struct csv_source *source = open_source(fixture);
    buffer_init(&out);
    show_parts(fixture, source, &out);
    assert_string_equal(buffer_string(&out), parts);
    buffer_clear(&out);
    csv_source_append_rejects(source, &out);
    assert_string_equal(buffer_string(&out), rejects);
    buffer_free(&out);
    csv_source_destroy(source);
}

static void
test_L9_fields_with_rejects_are_not_covered(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    write_text(&fixture, "/csv/images.csv", "1,1,a,1\n5,2,b,2\n");
    write_text(&fixture, "/csv/tags.csv", "1,2\nx,5\n7,9\n");
    check_parts(&fixture,
                "0-10 level kind at tags*\n"
                "10-11 tags!\n"
                "11- level kind at tags*\n",
                "/csv/tags.csv.rejects (0 lines, 1 values)");
    assert_int_equal(fixture.got[9].tag_count, 1);
    fixture.request.allows_rejects = true;
    check_parts(&fixture, "0- level kind at tags*\n", "/csv/tags.csv.rejects (0 lines, 1 values)");
    fixture_close(&fixture);
}

static void
test_L9_existence_is_not_covered_without_all_lines(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    write_text(&fixture, "/csv/images.csv", "x,1,a,1\n");
    write_text(&fixture, "/csv/tags.csv", "");
    check_parts(&fixture,
                "0-1 level kind at tags*\n"
                "1-2 level kind at*!\n"
                "2- level kind at tags*\n",
                "/csv/images.csv.rejects (1 lines, 0 values)");
    fixture_close(&fixture);
}

static void
test_L9_a_limited_load_covers_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    write_text(&fixture, "/csv/images.csv", "1,1,a,1\n5,2,b,2\n");
    write_text(&fixture, "/csv/tags.csv", "1,2\n1,5\n7,9\n");
    fixture.request.entity_limit = 2;
    check_parts(&fixture,
                "0-3 level kind at tags*\n"
                "3-4 level kind at tags*!\n"
                "4- level kind at tags*\n",
                "");
    assert_true(fixture.got[1].alive && !fixture.got[5].alive);
    assert_int_equal(fixture.got[2].tag_count, 1);
    fixture_close(&fixture);
}

static void
test_the_plan_names_tables_fields_and_dumps(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    write_text(&fixture, "/csv/images.csv", "");
    write_text(&fixture, "/csv/tags.csv", "");
    struct csv_source *source = open_source(&fixture);
    const struct load_plan *plan = csv_source_plan(source);
    assert_int_equal(plan->range_count, 2);
    assert_int_equal(plan->field_count, 4);
    assert_true(plan->states_alive);
    assert_int_equal(plan->end, CHUNK_NO_END);
    assert_string_equal(plan->ranges[1].table, "public.Tag");
    assert_memory_equal(plan->ranges[1].dump_name, "public.Tag-", 11);
    assert_int_equal(strlen(plan->ranges[1].dump_name), 11 + 8);
    assert_true(text_is(plan->ranges[1].fields[0], "tags"));
    csv_source_destroy(source);
    fixture_close(&fixture);
}

static void
test_a_missing_file_and_a_missing_section_are_named(void **state)
{
    (void)state;
    struct fixture fixture;
    struct csv_source *source;
    struct error err = {0};
    fixture_open(&fixture);
    write_text(&fixture, "/csv/images.csv", "");
    assert_int_equal(csv_source_create(fixture.config, &fixture.options, &source, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, "dump phase tags: cannot read the CSV file"));
    fixture.config->dump_phase_count = 0;
    assert_int_equal(csv_source_create(fixture.config, &fixture.options, &source, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, "--csv needs dump_phases"));
    fixture_close(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_say_what_the_files_hold),
        cmocka_unit_test(test_L9_fields_with_rejects_are_not_covered),
        cmocka_unit_test(test_L9_existence_is_not_covered_without_all_lines),
        cmocka_unit_test(test_L9_a_limited_load_covers_nothing),
        cmocka_unit_test(test_the_plan_names_tables_fields_and_dumps),
        cmocka_unit_test(test_a_missing_file_and_a_missing_section_are_named),
    };
    return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
