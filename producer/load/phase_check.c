/* The same load is planned with and without the phases, and the first chunk of each is written as a
 * sorted list of lines, one for each value. The lists are compared up to the end of the shorter
 * range.
 */
#include "producer/load/phase_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/number.h"
#include "common/config/config_trigger.h"
#include "producer/load/load_plan.h"
#include "producer/load/load_session.h"
#include "producer/load/range_reader.h"

enum { EVENT_BYTES_MAX_HERE = 1 << 20 };

/* One value. */
struct item {
    struct text field;
    int64_t id;
    const char *value;
};

struct items {
    struct item *list;
    uint32_t count;
    uint32_t capacity;
    int64_t end; /* entities below it were read */
};

static bool
replaces_triggers(const struct config *config, const struct config_dump_phase *phase)
{
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (phase->copy_query != NULL && config_table_is(config->triggers[i].table, phase->table))
            return true;
    return false;
}

bool
phase_check_is_needed(const struct config *config)
{
    CHECK(config->dump_phases != NULL || config->dump_phase_count == 0);
    for (uint32_t i = 0; i < config->dump_phase_count; i++)
        if (replaces_triggers(config, &config->dump_phases[i]))
            return true;
    return false;
}

/* The fields of these phases. */
static void
select_fields(const struct config *config, struct arena *arena, struct load_selection *selection)
{
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < config->dump_phase_count; i++)
        capacity +=
            config->dump_phases[i].field_count + config->dump_phases[i].computed_field_count;
    const char **fields = arena_alloc(arena, (capacity + 1) * sizeof *fields);
    for (uint32_t i = 0; i < config->dump_phase_count; i++) {
        const struct config_dump_phase *phase = &config->dump_phases[i];
        if (!replaces_triggers(config, phase))
            continue;
        for (uint32_t j = 0; j < phase->field_count; j++)
            fields[selection->field_count++] = phase->fields[j].target;
        for (uint32_t j = 0; j < phase->computed_field_count; j++)
            fields[selection->field_count++] = phase->computed_fields[j].target;
    }
    CHECK(selection->field_count <= capacity);
    selection->fields = fields;
    selection->end = CHUNK_NO_END;
}

static const char *
print_value(const struct chunk_column *column, uint32_t at, struct arena *arena)
{
    char number[NUMBER_TEXT_BYTES];
    struct buffer out = {0};
    switch (column->kind) {
    case CHUNK_INTEGERS:
        buffer_append_format(&out, "%" PRId64, column->integers[at]);
        break;
    case CHUNK_FLOATS:
        number_format(column->floats[at], number, sizeof number);
        buffer_append_text(&out, number);
        break;
    case CHUNK_BOOLEANS:
        buffer_append_text(&out, column->integers[at] != 0 ? "true" : "false");
        break;
    case CHUNK_STRINGS:
        buffer_append_format(&out, "'%.*s'", TEXT_ARGS(column->strings[column->integers[at]]));
        break;
    }
    const char *value = arena_strdup(arena, (struct text){(const char *)out.data, out.bytes});
    buffer_free(&out);
    return value;
}

static void
add_item(struct items *items, struct item item)
{
    if (items->count == items->capacity) {
        items->capacity = items->capacity == 0 ? 1024 : 2 * items->capacity;
        items->list = memory_realloc(items->list, items->capacity * sizeof *items->list);
    }
    CHECK(items->count < items->capacity);
    items->list[items->count++] = item;
}

static void
add_column(struct items *items, const struct chunk_column *column, int32_t partition,
           int32_t partitions, struct arena *arena)
{
    struct text field = arena_text(arena, column->field);
    CHECK(partition < partitions);
    for (uint32_t i = 0; i < column->count; i++)
        add_item(items, (struct item){
                            .field = field,
                            .id = (int64_t)column->slots[i] * partitions + partition,
                            .value = print_value(column, i, arena),
                        });
}

static int
compare_fields(const struct item *a, const struct item *b)
{
    size_t bytes = a->field.bytes < b->field.bytes ? a->field.bytes : b->field.bytes;
    int order = memcmp(a->field.data, b->field.data, bytes);
    return order != 0 ? order
                      : (a->field.bytes > b->field.bytes) - (a->field.bytes < b->field.bytes);
}

/* By field and entity. */
static int
compare_places(const struct item *a, const struct item *b)
{
    int order = compare_fields(a, b);
    return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

static int
compare_items(const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;
    int order = compare_places(a, b);
    return order != 0 ? order : strcmp(a->value, b->value);
}

static void
add_chunk(struct items *items, const struct load_chunk *chunk, int32_t partitions,
          struct arena *arena)
{
    items->end = chunk->end;
    for (uint32_t i = 0; i < chunk->part_count; i++)
        for (int32_t p = 0; p < partitions; p++) {
            const struct chunk *part = &chunk->parts[i].chunks[p];
            for (uint32_t c = 0; c < part->column_count; c++)
                add_column(items, &part->columns[c], p, partitions, arena);
        }
    if (items->count > 0)
        qsort(items->list, items->count, sizeof *items->list, compare_items);
}

/* The first entities, as the plan reads them. */
static int
read_items(const struct load_plan *plan, struct pg *pg, struct arena *arena, struct items *items,
           struct error *err)
{
    const struct range_reader_options options = {.event_bytes_max = EVENT_BYTES_MAX_HERE};
    struct range_reader *reader;
    struct load_chunk chunk;
    int rc = range_reader_create(plan, &options, &reader, err);
    if (rc != 0)
        return rc;
    rc = range_reader_read(reader, pg, 0, &chunk, err);
    range_reader_destroy(reader);
    if (rc != 0)
        return rc;
    add_chunk(items, &chunk, plan->config->topic.partitions, arena);
    load_chunk_free(&chunk);
    return 0;
}

/* The next item of an entity below `end`; NULL: there are no more. */
static const struct item *
next_item(const struct items *items, uint32_t *at, int64_t end)
{
    while (*at < items->count && items->list[*at].id >= end)
        (*at)++;
    return *at < items->count ? &items->list[*at] : NULL;
}

static int
refuse(const struct config *config, const struct item *phase, const struct item *trigger,
       struct error *err)
{
    const struct item *either = phase != NULL ? phase : trigger;
    return error_set(
        err, ERR_USAGE,
        "%s: field %.*s of entity %" PRId64 " is %.80s by its dump phase, and %.80s by "
        "its triggers",
        config->path, TEXT_ARGS(either->field), either->id, phase != NULL ? phase->value : "null",
        trigger != NULL ? trigger->value : "null");
}

/* Both lists are sorted; the first item that is in only one of them is a difference. */
static int
compare(const struct config *config, const struct items *phases, const struct items *triggers,
        struct error *err)
{
    int64_t end = phases->end < triggers->end ? phases->end : triggers->end;
    uint32_t p = 0;
    uint32_t t = 0;
    for (;;) {
        const struct item *phase = next_item(phases, &p, end);
        const struct item *trigger = next_item(triggers, &t, end);
        if (phase == NULL && trigger == NULL)
            return 0;
        int places = phase == NULL ? 1 : trigger == NULL ? -1 : compare_places(phase, trigger);
        if (places != 0)
            return refuse(config, places < 0 ? phase : NULL, places > 0 ? trigger : NULL, err);
        if (strcmp(phase->value, trigger->value) != 0)
            return refuse(config, phase, trigger, err);
        p++;
        t++;
    }
}

struct plans {
    struct config without; /* the configuration without phases */
    struct load_plan *phases;
    struct load_plan *triggers;
};

static int
make_plans(const struct config *config, struct pg *pg, struct arena *arena, struct plans *plans,
           struct error *err)
{
    struct load_selection selection = {0};
    plans->without = *config;
    plans->without.dump_phases = NULL;
    plans->without.dump_phase_count = 0;
    select_fields(config, arena, &selection);
    int rc = load_plan_create(config, pg, &selection, arena, &plans->phases, err);
    return rc == 0 ? load_plan_create(&plans->without, pg, &selection, arena, &plans->triggers, err)
                   : rc;
}

/* In one snapshot. */
static int
compare_plans(const struct config *config, struct pg *pg, struct arena *arena,
              const struct plans *plans, struct error *err)
{
    struct items phases = {0};
    struct items triggers = {0};
    struct error ignored;
    int rc = pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    if (rc == 0)
        rc = load_session_prepare(pg, err);
    if (rc == 0)
        rc = read_items(plans->phases, pg, arena, &phases, err);
    if (rc == 0)
        rc = read_items(plans->triggers, pg, arena, &triggers, err);
    pg_exec(pg, "ROLLBACK", &ignored);
    if (rc == 0)
        rc = compare(config, &phases, &triggers, err);
    free(phases.list);
    free(triggers.list);
    return rc;
}

int
phase_check_run(const struct config *config, struct pg *pg, struct error *err)
{
    struct arena arena;
    struct plans plans;
    CHECK(phase_check_is_needed(config));
    arena_init(&arena);
    int rc = make_plans(config, pg, &arena, &plans, err);
    if (rc == 0)
        rc = compare_plans(config, pg, &arena, &plans, err);
    arena_free(&arena);
    return rc;
}
