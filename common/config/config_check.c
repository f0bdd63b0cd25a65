#include "common/config/config_check.h"

#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/config/config_fields.h"
#include "common/config/config_identity.h"
#include "common/config/config_kafka.h"
#include "common/config/config_phase.h"
#include "common/config/config_trigger.h"

/* Refuses at the place in the file from which `address`, in the configuration, was read. */
#define REFUSE(reader, address, ...) \
    config_refuse(reader, config_node_of(reader, address), __VA_ARGS__)

/* One field that a trigger or a dump phase writes. */
struct claim {
    const char *const *target; /* in the configuration */
    uint32_t owner;            /* index of the trigger or phase */
};

static const struct config_filter_field *
find_filter(const struct config_index *index, const char *name)
{
    CHECK(name != NULL);
    CHECK(index->filter_fields != NULL || index->filter_field_count == 0);
    for (uint32_t i = 0; i < index->filter_field_count; i++)
        if (strcmp(index->filter_fields[i].name, name) == 0)
            return &index->filter_fields[i];
    return NULL;
}

static const struct config_sort_field *
find_sort(const struct config_index *index, const char *name)
{
    CHECK(name != NULL);
    CHECK(index->sort_fields != NULL || index->sort_field_count == 0);
    for (uint32_t i = 0; i < index->sort_field_count; i++)
        if (strcmp(index->sort_fields[i].name, name) == 0)
            return &index->sort_fields[i];
    return NULL;
}

static bool
index_is_given(const struct config_index *index)
{
    return index->filter_field_count + index->sort_field_count > 0;
}

/* Was the setting given, and refused? */
static bool
was_refused(const struct config_reader *reader, const void *address)
{
    const struct config_node *node = config_node_of(reader, address);
    return node->target == address && config_node_is_broken(reader, node);
}

/* Is anything inside the section refused? */
static bool
section_is_broken(const struct config_reader *reader, const char *name)
{
    CHECK(reader->root != NULL);
    for (const struct config_node *node = reader->root->first; node != NULL; node = node->next)
        if (node->key != NULL && strcmp(node->key, name) == 0 &&
            config_node_is_broken(reader, node))
            return true;
    return false;
}

static void
check_kafka(const struct config_reader *reader, const struct config *config,
            enum config_program program)
{
    if (section_is_broken(reader, "kafka"))
        return;
    if (program == CONFIG_PRODUCER && !config->kafka.present)
        config_refuse_missing(reader, reader->root, "kafka");
    if (!config->kafka.present)
        return;
    if (!config_kafka_has_brokers(&config->kafka, program))
        config_refuse_missing(reader, config_node_of(reader, &config->kafka), "bootstrap.servers");
    const struct config_node *topic = config_node_of(reader, &config->topic.name);
    if (config->topic.name == NULL && !was_refused(reader, &config->topic.name))
        config_refuse_missing(reader, topic, topic == reader->root ? "topic" : "name");
}

static void
check_required(const struct config_reader *reader, const struct config *config,
               enum config_program program)
{
    CHECK(reader->root != NULL);
    if (program == CONFIG_PRODUCER && config->postgres == NULL &&
        !was_refused(reader, &config->postgres))
        config_refuse_missing(reader, reader->root, "postgres");
    check_kafka(reader, config, program);
    if (program == CONFIG_PRODUCER)
        return;
    if (!index_is_given(&config->index_config) && !section_is_broken(reader, "index_config"))
        config_refuse_missing(reader, reader->root, "index_config");
    const struct config_node *consumer = config_node_of(reader, &config->consumer.data_dir);
    if (config->consumer.data_dir == NULL && !section_is_broken(reader, "consumer"))
        config_refuse_missing(reader, consumer,
                              consumer == reader->root ? "consumer.data_dir" : "data_dir");
}

/* `greater` must be at least `less`; `what` says so. */
static void
check_bound(const struct config_reader *reader, const int64_t *greater, const int64_t *less,
            const char *what)
{
    CHECK(greater != less);
    if (*greater < *less && !was_refused(reader, greater) && !was_refused(reader, less))
        REFUSE(reader, greater, "%s", what);
}

static void
check_bounds(const struct config_reader *reader, const struct config *config)
{
    check_bound(reader, &config->producer.chunk_bytes, &config->producer.row_bytes,
                "chunk_bytes must be at least row_bytes");
    check_bound(reader, &config->consumer.bodies_bytes, &config->consumer.body_bytes,
                "bodies_bytes must be at least body_bytes");
    check_bound(reader, &config->consumer.wal_limit_bytes, &config->consumer.wal_segment_bytes,
                "wal_limit_bytes must be at least wal_segment_bytes");
}

/* Queries use the name for the entity's id. */
static int
check_name(const struct config_reader *reader, const char *const *name)
{
    if (strcmp(*name, CONFIG_FIELD_ID) != 0)
        return 0;
    return REFUSE(reader, name,
                  "no field can have the name %s: it is the entity's id, which every query can "
                  "filter and sort by",
                  *name);
}

/* The field has to hold one integer and must not be computed: visible_from and source_fields. */
static int
check_number(const struct config_reader *reader, const struct config_index *index,
             const char *const *name)
{
    CHECK(*name != NULL);
    const struct config_filter_field *filter = find_filter(index, *name);
    const struct config_sort_field *sort = find_sort(index, *name);
    if (filter == NULL && sort == NULL)
        return REFUSE(reader, name, "no field %s in index_config", *name);
    if (sort != NULL && sort->computed_op != COMPUTED_NONE)
        return REFUSE(reader, name, "field %s is a computed field", *name);
    if (sort == NULL && filter->type != FIELD_SINGLE_VALUE)
        return REFUSE(reader, name, "field %s is neither a sort field nor a single value", *name);
    return 0;
}

static int
check_sort_field(const struct config_reader *reader, const struct config_index *index,
                 const struct config_sort_field *field)
{
    const struct config_filter_field *filter = find_filter(index, field->name);
    check_name(reader, &field->name);
    if (find_sort(index, field->name) != field)
        return REFUSE(reader, &field->name, "duplicate sort field %s", field->name);
    if (filter != NULL && filter->type != FIELD_SINGLE_VALUE)
        return REFUSE(reader, &field->name, "filter field %s must be a single value to sort by it",
                      field->name);
    if (filter != NULL && field->computed_op != COMPUTED_NONE)
        return REFUSE(reader, &field->name, "field %s is computed: it cannot be a filter field",
                      field->name);
    for (uint32_t i = 0; i < field->source_field_count; i++)
        check_number(reader, index, &field->source_fields[i]);
    return 0;
}

/* The names of the fields, and the sources of computed ones, are in the header of each segment of a
 * log. */
static int
check_identity(const struct config_reader *reader, const struct config_index *index)
{
    struct buffer identity;
    buffer_init(&identity);
    config_index_identity(index, &identity);
    size_t bytes = identity.bytes;
    buffer_free(&identity);
    if (bytes <= CONFIG_IDENTITY_BYTES_MAX)
        return 0;
    return REFUSE(reader, &index->visible_from,
                  "the names of the fields and their sources take %zu bytes; at most %d are "
                  "possible",
                  bytes, CONFIG_IDENTITY_BYTES_MAX);
}

static int
check_field_count(const struct config_reader *reader, const struct config_index *index)
{
    uint32_t count = config_fields_count(index);
    if (count <= CONFIG_FIELDS_MAX)
        return 0;
    const struct config_node *at =
        index->sort_field_count > 0
            ? config_node_of(reader, &index->sort_fields[index->sort_field_count - 1].name)
            : config_node_of(reader, &index->filter_fields[index->filter_field_count - 1].name);
    return config_refuse(reader, at, "the index has %u fields; at most %d are possible", count,
                         CONFIG_FIELDS_MAX);
}

static void
check_filter_field(const struct config_reader *reader, const struct config_index *index,
                   const struct config_filter_field *field)
{
    check_name(reader, &field->name);
    if (find_filter(index, field->name) != field)
        REFUSE(reader, &field->name, "duplicate filter field %s", field->name);
    if (field->ignores_case && field->type != FIELD_STRING)
        REFUSE(reader, &field->ignores_case,
               "case_insensitive is for string fields, and %s is not one", field->name);
}

static void
check_index(const struct config_reader *reader, const struct config_index *index)
{
    uint32_t before = reader->problems->count;
    if (check_field_count(reader, index) != 0)
        return;
    for (uint32_t i = 0; i < index->filter_field_count; i++)
        check_filter_field(reader, index, &index->filter_fields[i]);
    for (uint32_t i = 0; i < index->sort_field_count; i++)
        check_sort_field(reader, index, &index->sort_fields[i]);
    if (index->visible_from != NULL)
        check_number(reader, index, &index->visible_from);
    if (reader->problems->count == before) /* each field is there once */
        check_identity(reader, index);
}

/* Without index_config, which the producer does not require, the fields are unknown. */
static int
check_target(const struct config_reader *reader, const struct config_index *index,
             const char *const *target)
{
    CHECK(*target != NULL);
    const struct config_sort_field *sort = find_sort(index, *target);
    if (!index_is_given(index))
        return 0;
    if (sort == NULL && find_filter(index, *target) == NULL)
        return REFUSE(reader, target, "no field %s in index_config", *target);
    if (sort != NULL && sort->computed_op != COMPUTED_NONE)
        return REFUSE(reader, target, "field %s is computed by index_config", *target);
    return 0;
}

/* Checks the field and the operator of each condition. A query with placeholders cannot be parsed.
 * */
static int
check_query(const struct config_reader *reader, const struct config *config,
            const char *const *query)
{
    CHECK(*query != NULL);
    const char *at = *query;
    struct text field;
    struct text operator;
    while (config_query_next(&at, &field, &operator)) {
        if (operator.bytes != 2 ||(strncasecmp(operator.data, "eq", 2) != 0 &&
                                   strncasecmp(operator.data, "in", 2) != 0))
            return REFUSE(reader, query,
                          "must be \"field eq value\" or \"field in [value, ...]\", "
                          "joined by \" AND \"");
        const char *name = arena_strdup(reader->arena, field);
        const struct config_index *index = &config->index_config;
        if (index_is_given(index) && find_filter(index, name) == NULL &&
            find_sort(index, name) == NULL)
            return REFUSE(reader, query, "no field %s in index_config", name);
    }
    return 0;
}

static void
claim_add(struct claim *claims, uint32_t *count, const char *const *target, uint32_t owner)
{
    CHECK(*target != NULL);
    if (claims != NULL)
        claims[*count] = (struct claim){target, owner};
    ++*count;
}

/* Adds the fields that the trigger writes. With `claims` NULL they are only counted. */
static void
claim_trigger(const struct config *config, uint32_t owner, struct claim *claims, uint32_t *count)
{
    CHECK(owner < config->trigger_count);
    const struct config_trigger *trigger = &config->triggers[owner];
    bool is_join = trigger->kind == TRIGGER_JOIN;
    if (is_join)
        claim_add(claims, count, &trigger->field, owner);
    for (uint32_t i = 0; !is_join && i < trigger->track_field_count; i++)
        claim_add(claims, count, &trigger->track_fields[i].target, owner);
    for (uint32_t i = 0; i < trigger->computed_field_count; i++)
        claim_add(claims, count, &trigger->computed_fields[i].target, owner);
}

static void
claim_phase(const struct config *config, uint32_t owner, struct claim *claims, uint32_t *count)
{
    CHECK(owner < config->dump_phase_count);
    const struct config_dump_phase *phase = &config->dump_phases[owner];
    for (uint32_t i = 0; i < phase->field_count; i++)
        claim_add(claims, count, &phase->fields[i].target, owner);
    for (uint32_t i = 0; i < phase->computed_field_count; i++)
        claim_add(claims, count, &phase->computed_fields[i].target, owner);
}

static bool
same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Whether two triggers of one table write the same entities in the same way. */
static bool
same_way(const struct config_trigger *a, const struct config_trigger *b)
{
    return a->kind == b->kind && same_text(a->slot_field, b->slot_field) &&
           same_text(a->query, b->query) && same_text(a->query_source, b->query_source) &&
           config_trigger_same_links(a, b) && same_text(a->filter, b->filter);
}

typedef int (*claim_judge)(const struct config_reader *reader, const struct config *config,
                           const struct claim *first, const struct claim *second);

/* The triggers of one table write a field (L7). */
static int
judge_triggers(const struct config_reader *reader, const struct config *config,
               const struct claim *first, const struct claim *second)
{
    CHECK(first->owner <= second->owner); /* the later one is refused */
    CHECK(second->owner < config->trigger_count);
    const struct config_trigger *a = &config->triggers[first->owner];
    const struct config_trigger *b = &config->triggers[second->owner];
    if (!config_table_is(a->table, b->table))
        return REFUSE(reader, second->target,
                      "field %s has two owners: table %s writes it in triggers[%u], table %s here",
                      *second->target, a->table, first->owner, b->table);
    if (same_way(a, b))
        return REFUSE(reader, second->target, "duplicate: triggers[%u] writes field %s already",
                      first->owner, *second->target);
    return 0;
}

static int
judge_phases(const struct config_reader *reader, const struct config *config,
             const struct claim *first, const struct claim *second)
{
    CHECK(first->owner <= second->owner); /* the later one is refused */
    CHECK(second->owner < config->dump_phase_count);
    return REFUSE(reader, second->target, "duplicate: dump_phases[%u] loads field %s already",
                  first->owner, *second->target);
}

static void
check_claims(const struct config_reader *reader, const struct config *config,
             const struct claim *claims, uint32_t count, claim_judge judge)
{
    for (uint32_t i = 0; i < count; i++) {
        CHECK(i == 0 || claims[i - 1].owner <= claims[i].owner);
        int rc = check_target(reader, &config->index_config, claims[i].target);
        for (uint32_t j = 0; rc == 0 && j < i; j++)
            if (strcmp(*claims[i].target, *claims[j].target) == 0)
                rc = judge(reader, config, &claims[j], &claims[i]);
    }
}

static int
check_link(const struct config_reader *reader, const struct config_link *link, bool is_first,
           bool is_last)
{
    CHECK(link->table != NULL); /* required, as foreign_key is */
    if (is_last && link->slot == NULL)
        return config_refuse_missing(reader, config_node_of(reader, &link->table)->parent, "slot");
    if (!is_last && link->slot != NULL)
        return REFUSE(reader, &link->slot,
                      "only the last link has the slots: remove it here, or end the path here");
    if (is_last && link->key != NULL)
        return REFUSE(reader, &link->key,
                      "has no meaning in the last link, because no other link refers to it");
    if (!is_first && link->parent_key != NULL)
        return REFUSE(reader, &link->parent_key,
                      "has a meaning in the first link only: write it as `key` of the link before");
    return 0;
}

static void
check_links(const struct config_reader *reader, const struct config_link *links, uint32_t count)
{
    CHECK(count <= CONFIG_LINKS_MAX);
    for (uint32_t i = 0; i < count; i++)
        check_link(reader, &links[i], i == 0, i + 1 == count);
}

/* A trigger that could not be read has no table, and claims nothing. */
static void
check_triggers(const struct config_reader *reader, const struct config *config)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const struct config_trigger *trigger = &config->triggers[i];
        check_links(reader, trigger->rows_from, trigger->rows_from_count);
        check_links(reader, trigger->children, trigger->children_count);
        if (trigger->kind == TRIGGER_FAN_OUT)
            check_query(reader, config, &trigger->query);
        claim_trigger(config, i, NULL, &count);
    }
    uint32_t counted = count;
    struct claim *claims = arena_alloc(reader->arena, (count + 1) * sizeof *claims);
    count = 0;
    for (uint32_t i = 0; i < config->trigger_count; i++)
        claim_trigger(config, i, claims, &count);
    CHECK(count == counted);
    check_claims(reader, config, claims, count, judge_triggers);
}

static int
check_column(const struct config_reader *reader, const struct config_dump_phase *phase,
             const char *const *column)
{
    CHECK(phase->column_count > 0); /* required */
    for (uint32_t i = 0; i < phase->column_count; i++)
        if (strcmp(phase->columns[i], *column) == 0)
            return 0;
    return REFUSE(reader, column, "no column %s in columns", *column);
}

/* False: its columns and expressions cannot be examined further. */
static bool
check_phase(const struct config_reader *reader, const struct config *config, uint32_t index)
{
    CHECK(index < config->dump_phase_count);
    const struct config_dump_phase *phase = &config->dump_phases[index];
    bool is_sound = phase->name != NULL;
    for (uint32_t i = 0; is_sound && i < index; i++)
        if (config->dump_phases[i].name != NULL &&
            strcmp(config->dump_phases[i].name, phase->name) == 0)
            REFUSE(reader, &phase->name, "duplicate: dump_phases[%u] has this name", i);
    if (!is_sound)
        return false;
    is_sound = check_column(reader, phase, &phase->slot_field) == 0;
    for (uint32_t i = 0; i < phase->field_count; i++)
        if (check_column(reader, phase, &phase->fields[i].column) != 0)
            is_sound = false;
    return is_sound;
}

/* The triggers of another table write a field of the phase (L7). */
static int
check_phase_owner(const struct config_reader *reader, const struct config *config,
                  const struct claim *phase, const struct claim *trigger)
{
    const char *owner = config->triggers[trigger->owner].table;
    const char *table = config->dump_phases[phase->owner].table;
    CHECK(*phase->target != NULL);
    if (strcmp(*phase->target, *trigger->target) != 0 || config_table_is(table, owner))
        return 0;
    return REFUSE(
        reader, phase->target,
        "field %s has two owners: table %s writes it in triggers[%u], table %s is loaded here",
        *phase->target, owner, trigger->owner, table);
}

static bool
has_triggers(const struct config *config, const char *table)
{
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (config->triggers[i].table != NULL && config_table_is(config->triggers[i].table, table))
            return true;
    return false;
}

/* A field of a table with triggers has to be theirs, or it would not follow changes. */
static int
check_phase_field(const struct config_reader *reader, const struct config *config,
                  const struct claim *phase, const struct claim *triggers, uint32_t count)
{
    const char *table = config->dump_phases[phase->owner].table;
    for (uint32_t i = 0; i < count; i++) {
        int rc = check_phase_owner(reader, config, phase, &triggers[i]);
        if (rc != 0 || strcmp(*phase->target, *triggers[i].target) == 0)
            return rc;
    }
    CHECK(*phase->target != NULL);
    if (!has_triggers(config, table))
        return 0;
    return REFUSE(reader, phase->target,
                  "no trigger of table %s sets field %s, so it would not follow changes", table,
                  *phase->target);
}

/* Nothing is said of the owners when a trigger could not be read, which may be one of them. */
static void
check_phase_owners(const struct config_reader *reader, const struct config *config,
                   const struct claim *phases, uint32_t phase_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        if (config->triggers[i].table == NULL)
            return;
        claim_trigger(config, i, NULL, &count);
    }
    struct claim *triggers = arena_alloc(reader->arena, (count + 1) * sizeof *triggers);
    count = 0;
    for (uint32_t i = 0; i < config->trigger_count; i++)
        claim_trigger(config, i, triggers, &count);
    for (uint32_t i = 0; i < phase_count; i++)
        check_phase_field(reader, config, &phases[i], triggers, count);
}

/* The computed field whose setting is at `address`; the count: none. */
static uint32_t
find_computed(const struct config_dump_phase *phase, const void *address)
{
    uintptr_t begin = (uintptr_t)phase->computed_fields;
    uintptr_t at = (uintptr_t)address;
    uint32_t count = phase->computed_field_count;
    CHECK(address != NULL);
    if (count == 0 || at < begin || at >= begin + count * sizeof *phase->computed_fields)
        return count;
    return (uint32_t)((at - begin) / sizeof *phase->computed_fields);
}

/* Compiles what is left of the phase, and takes what is refused out of it. False: nothing is left
 * to compile. */
static bool
check_rest(const struct config_reader *reader, const struct config *config,
           const struct config_dump_phase *phase, struct config_dump_phase *rest)
{
    struct phase_program program;
    const void *refused = NULL;
    struct error err = {0};
    if (config_phase_compile(config, rest, NULL, reader->arena, &program, &refused, &err) == 0)
        return false;
    CHECK(refused != NULL);
    if (refused == &rest->filter) {
        REFUSE(reader, &phase->filter, "%s", err.message);
        rest->filter = NULL;
        return true;
    }
    uint32_t number = find_computed(rest, refused);
    REFUSE(reader, refused == &rest->slot_field ? &phase->slot_field : refused, "%s", err.message);
    if (number == rest->computed_field_count)
        return false;
    rest->computed_fields += number + 1;
    rest->computed_field_count -= number + 1;
    return true;
}

/* The expressions, and the types that they and the fields demand of the columns. */
static void
check_program(const struct config_reader *reader, const struct config *config,
              const struct config_dump_phase *phase)
{
    struct config_dump_phase rest = *phase;
    while (!config_problems_are_full(reader->problems) && check_rest(reader, config, phase, &rest))
        CHECK(rest.computed_field_count <= phase->computed_field_count);
}

static void
check_dump_phases(const struct config_reader *reader, const struct config *config)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->dump_phase_count; i++)
        claim_phase(config, i, NULL, &count);
    uint32_t counted = count;
    struct claim *claims = arena_alloc(reader->arena, (count + 1) * sizeof *claims);
    count = 0;
    for (uint32_t i = 0; i < config->dump_phase_count; i++)
        claim_phase(config, i, claims, &count);
    CHECK(count == counted);
    check_claims(reader, config, claims, count, judge_phases);
    check_phase_owners(reader, config, claims, count);
    for (uint32_t i = 0; i < config->dump_phase_count; i++)
        if (check_phase(reader, config, i))
            check_program(reader, config, &config->dump_phases[i]);
}

void
config_check(const struct config_reader *reader, const struct config *config,
             enum config_program program)
{
    CHECK(program == CONFIG_PRODUCER || program == CONFIG_CONSUMER);
    CHECK(reader->root != NULL);
    if (config_problems_are_full(reader->problems))
        return; /* what is broken is not recorded any more */
    check_required(reader, config, program);
    check_bounds(reader, config);
    struct config view = *config;
    if (section_is_broken(reader, "index_config"))
        view.index_config = (struct config_index){0}; /* as if the fields were unknown */
    else
        check_index(reader, &config->index_config);
    check_triggers(reader, &view);
    check_dump_phases(reader, &view);
}
