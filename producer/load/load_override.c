#include "producer/load/load_override.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_trigger.h"
#include "producer/load/load_phase.h"
#include "producer/load/phase_dump.h"

static bool
is_of_entry(const struct config_dump_phase *phase, const struct entry *entry)
{
    CHECK(phase->table != NULL);
    return phase->copy_query != NULL && config_table_is(phase->table, entry->trigger->table);
}

/* The target of value `at`: the fields of a phase, then its computed fields (config_phase.h). */
static const char *
target_of(const struct config_dump_phase *phase, uint32_t at)
{
    CHECK(at < phase->field_count + phase->computed_field_count);
    return at < phase->field_count ? phase->fields[at].target
                                   : phase->computed_fields[at - phase->field_count].target;
}

static bool
has_target(const struct config_dump_phase *phase, const char *target)
{
    for (uint32_t i = 0; i < phase->field_count + phase->computed_field_count; i++)
        if (strcmp(target_of(phase, i), target) == 0)
            return true;
    return false;
}

/* Is the field among those that the source still has? */
static bool
source_has(const struct load_source *source, const char *target)
{
    for (uint32_t i = 0; i < source->value_count; i++)
        if (text_is(source->fields[i], target))
            return true;
    return false;
}

/* The values of the phase that the source has, and existence if both set it. */
static void
take_values(struct arena *arena, const struct load_source *source,
            const struct config_dump_phase *phase, struct load_source *taken)
{
    uint32_t count = phase->field_count + phase->computed_field_count;
    uint32_t *values = arena_alloc(arena, (count + 1) * sizeof *values);
    struct text *fields = arena_alloc(arena, (count + 1) * sizeof *fields);
    for (uint32_t i = 0; i < count; i++) {
        const char *target = target_of(phase, i);
        if (!source_has(source, target))
            continue;
        fields[taken->value_count] = text_of(target);
        values[taken->value_count++] = i;
    }
    taken->values = values;
    taken->fields = fields;
    taken->sets_alive = source->sets_alive && phase->sets_alive;
    taken->is_whole = source->is_whole && taken->value_count == count;
}

static void
leave_values(struct arena *arena, const struct config_dump_phase *phase, struct load_source *source)
{
    uint32_t *values = arena_alloc(arena, (source->value_count + 1) * sizeof *values);
    struct text *fields = arena_alloc(arena, (source->value_count + 1) * sizeof *fields);
    uint32_t count = 0;
    for (uint32_t i = 0; i < source->value_count; i++) {
        uint32_t value = source->values[i];
        CHECK(value < source->entry->value_count);
        if (has_target(phase, source->entry->values[value].target))
            continue;
        fields[count] = source->fields[i];
        values[count++] = value;
    }
    source->values = values;
    source->fields = fields;
    source->value_count = count;
    source->sets_alive = source->sets_alive && !phase->sets_alive;
}

int
load_override_split(struct pg *pg, struct arena *arena, const struct config *config,
                    struct load_source *source, struct load_source *phases, uint32_t *phase_count,
                    struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < config->dump_phase_count; i++) {
        const struct config_dump_phase *phase = &config->dump_phases[i];
        struct load_source taken = {.table = source->table, .entry = source->entry};
        if (!is_of_entry(phase, source->entry))
            continue;
        take_values(arena, source, phase, &taken);
        if (taken.value_count == 0 && !taken.sets_alive)
            continue;
        struct load_phase *read = arena_alloc(arena, sizeof *read);
        rc = load_phase_read(pg, arena, config, i, read, err);
        if (rc != 0)
            break;
        taken.phase = read;
        taken.dump_name = phase_dump_name(phase, source->table, arena);
        phases[(*phase_count)++] = taken;
        leave_values(arena, phase, source);
    }
    return rc;
}

int
load_override_check_pass(const struct config *config, const struct entry *entry, struct error *err)
{
    for (uint32_t i = 0; i < config->dump_phase_count; i++) {
        const struct config_dump_phase *phase = &config->dump_phases[i];
        if (!is_of_entry(phase, entry))
            continue;
        for (uint32_t j = 0; j < entry->value_count; j++)
            if (has_target(phase, entry->values[j].target))
                return entry_refuse(
                    entry, entry->trigger->place, "query", err,
                    "only the index knows which entities these fan-outs reach, so dump phase %s "
                    "cannot load field %s: leave the field out of the phase",
                    phase->name, entry->values[j].target);
    }
    return 0;
}
