#include "producer/source/source_empty.h"

#include "common/base/check.h"
#include "common/config/config_trigger.h"
#include "common/pg/pg.h"

static void
append_table_empty(const char *table, struct buffer *out)
{
    CHECK(out->bytes > 0); /* after a first condition */
    buffer_append_text(out, " AND NOT EXISTS (SELECT FROM ");
    pg_append_identifier(out, table);
    buffer_append_text(out, ")");
}

/* Triggers fire for INSERT, UPDATE and DELETE of rows: bits 4, 16 and 8 of pg_trigger.tgtype. Over
 * no triggers at all, bit_or() is null, and the answer has to be false (F115). */
static void
append_triggers_enabled(const char *table, struct buffer *out)
{
    struct buffer text = {0};
    CHECK(table != NULL);
    buffer_append_text(out,
                       " AND (SELECT coalesce(bit_or(tgtype) & 28::smallint, 0) FROM pg_trigger"
                       " WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgrelid = ");
    pg_append_identifier(&text, table);
    pg_append_literal(out, buffer_string(&text));
    buffer_clear(&text);
    config_trigger_prefix(table, &text);
    buffer_append_text(out, "::regclass::oid AND starts_with(tgname::text, ");
    pg_append_literal(out, buffer_string(&text));
    buffer_append_text(out, ")) = 28");
    buffer_free(&text);
}

static bool
has_triggers(const struct config *config, const char *table)
{
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (config_table_is(config->triggers[i].table, table))
            return true;
    return false;
}

/* The rows of a table without a query and without triggers are in a CSV file, if anywhere. */
static bool
has_csv_only(const struct config *config)
{
    for (uint32_t i = 0; i < config->dump_phase_count; i++) {
        const struct config_dump_phase *phase = &config->dump_phases[i];
        if (phase->copy_query == NULL && !has_triggers(config, phase->table))
            return true;
    }
    return false;
}

void
source_empty_append(const struct config *config, struct buffer *out)
{
    CHECK(config->triggers != NULL || config->trigger_count == 0);
    CHECK(config->dump_phases != NULL || config->dump_phase_count == 0);
    bool has_tables = config->trigger_count > 0 || config->dump_phase_count > 0;
    if (!has_tables || has_csv_only(config)) {
        buffer_append_text(out, "false");
        return;
    }
    buffer_append_text(out, "NOT EXISTS (SELECT FROM \"BitdexOps\")");
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        append_table_empty(config->triggers[i].table, out);
        append_triggers_enabled(config->triggers[i].table, out);
    }
    for (uint32_t i = 0; i < config->dump_phase_count; i++)
        if (config->dump_phases[i].copy_query != NULL)
            append_table_empty(config->dump_phases[i].table, out);
}
