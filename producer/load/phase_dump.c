#include "producer/load/phase_dump.h"

#include "common/base/check.h"
#include "producer/triggers/digest.h"

enum { DUMP_HASH_DIGITS = 8 };

/* A setting and its value. No value contains a NUL, so that the list is unambiguous. */
static void
append(struct buffer *out, const char *setting, const char *value)
{
    CHECK(setting != NULL);
    buffer_append_format(out, "%s%s%s", setting, value != NULL ? "=" : "",
                         value != NULL ? value : "");
    buffer_append(out, "", 1);
}

static void
append_phase(struct buffer *out, const struct config_dump_phase *phase)
{
    append(out, "copy_query", phase->copy_query);
    append(out, "filter", phase->filter);
    append(out, "slot_field", phase->slot_field);
    append(out, "sets_alive", phase->sets_alive ? "true" : "false");
    for (uint32_t i = 0; i < phase->column_count; i++)
        append(out, "column", phase->columns[i]);
    for (uint32_t i = 0; i < phase->field_count; i++) {
        append(out, "field", phase->fields[i].column);
        append(out, "target", phase->fields[i].target);
    }
    for (uint32_t i = 0; i < phase->computed_field_count; i++) {
        append(out, "computed", phase->computed_fields[i].target);
        append(out, "expression", phase->computed_fields[i].expression);
        append(out, "filter", phase->computed_fields[i].filter);
        append(out, "value", phase->computed_fields[i].value);
    }
}

const char *
phase_dump_name(const struct config_dump_phase *phase, const char *table, struct arena *arena)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text;
    CHECK(table != NULL);
    buffer_init(&text);
    append_phase(&text, phase);
    digest_sha256((struct text){(const char *)text.data, text.bytes}, hash);
    buffer_clear(&text);
    buffer_append_format(&text, "%s-%.*s", table, DUMP_HASH_DIGITS, hash);
    const char *name = arena_strdup(arena, (struct text){(const char *)text.data, text.bytes});
    buffer_free(&text);
    return name;
}
