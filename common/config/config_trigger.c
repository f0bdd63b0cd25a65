#include "common/config/config_trigger.h"

#include <string.h>
#include <strings.h>

#include "common/base/check.h"

#define SPACE " \t\r\n"

const char *
config_trigger_next_unused(const struct config_trigger *trigger, uint32_t *cursor)
{
    bool direct = trigger->kind == TRIGGER_DIRECT;
    bool join = trigger->kind == TRIGGER_JOIN;
    bool fan_out = trigger->kind == TRIGGER_FAN_OUT;
    const struct {
        const char *name;
        bool is_unused;
    } settings[] = {
        {"slot_field", trigger->slot_field != NULL && !direct && !join},
        {"sets_alive", trigger->sets_alive && !direct},
        {"on_delete", trigger->on_delete != ON_DELETE_NOTHING && !direct},
        {"rows_from", trigger->rows_from_count > 0 && join},
        {"query", trigger->query != NULL && !fan_out},
        {"query_source", trigger->query_source != NULL && !fan_out},
        {"children", trigger->children_count > 0 && !fan_out},
        {"track_fields", trigger->track_field_count > 0 && join},
    };
    CHECK(*cursor <= sizeof settings / sizeof settings[0]);
    while (*cursor < sizeof settings / sizeof settings[0]) {
        uint32_t i = (*cursor)++;
        if (settings[i].is_unused)
            return settings[i].name;
    }
    return NULL;
}

const struct config_link *
config_trigger_child(const struct config_trigger *trigger)
{
    CHECK(trigger->links != NULL || trigger->link_count == 0);
    CHECK(trigger->link_count <= CONFIG_LINKS_MAX);
    return trigger->link_count > 0 ? &trigger->links[trigger->link_count - 1] : NULL;
}

static bool
same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
config_trigger_same_links(const struct config_trigger *a, const struct config_trigger *b)
{
    bool same = a->link_count == b->link_count;
    for (uint32_t i = 0; same && i < a->link_count; i++) {
        const struct config_link *one = &a->links[i];
        const struct config_link *other = &b->links[i];
        same = config_table_is(one->table, other->table) &&
               same_text(one->foreign_key, other->foreign_key) &&
               same_text(one->parent_key, other->parent_key) && same_text(one->key, other->key) &&
               same_text(one->slot, other->slot);
    }
    return same;
}

const char *
config_trigger_kind_name(enum config_trigger_kind kind)
{
    static const char *const names[] = {"direct", "join", "fan-out", "fan-out per row"};
    CHECK(kind >= TRIGGER_DIRECT && kind <= TRIGGER_FAN_OUT_PER_ROW);
    return names[kind];
}

void
config_trigger_prefix(const char *table, struct buffer *out)
{
    enum { BYTES_MAX = 40 }; /* of 63: "bitdex_", "_ops_", 8 digits and "_t" leave 41 */
    const char *dot = strrchr(table, '.');
    const char *name = dot != NULL ? dot + 1 : table;
    size_t bytes = strlen(name);
    if (bytes > BYTES_MAX)
        for (bytes = BYTES_MAX; ((unsigned char)name[bytes] & 0xc0) == 0x80;)
            bytes--; /* to the beginning of a character of UTF-8 */
    CHECK(bytes > 0 && bytes <= BYTES_MAX);
    buffer_append_format(out, "bitdex_%.*s_", (int)bytes, name);
}

static bool
is_blank(char byte)
{
    return byte != '\0' && strchr(SPACE, byte) != NULL;
}

/* Returns the end of the next AND, in any case, that is not in quotes; or the end of the text. */
static const char *
query_after_and(const char *at)
{
    char quote = '\0';
    for (; *at != '\0'; at++) {
        if (quote == '\0' && is_blank(*at) && strncasecmp(at + 1, "and", 3) == 0 && is_blank(at[4]))
            return at + 5;
        if (quote == '\0' && (*at == '"' || *at == '\''))
            quote = *at;
        else if (*at == quote)
            quote = '\0';
    }
    return at;
}

bool
config_query_next(const char **at, struct text *field, struct text *operator)
{
    CHECK(*at != NULL);
    if (**at == '\0')
        return false;
    const char *word = *at + strspn(*at, SPACE);
    *field = (struct text){word, strcspn(word, SPACE)};
    word += field->bytes;
    word += strspn(word, SPACE);
    *operator=(struct text){word, strcspn(word, SPACE "[{")};
    *at = query_after_and(word);
    return true;
}

const char *
config_table_bare(const char *table)
{
    CHECK(table != NULL);
    return strncmp(table, "public.", 7) == 0 ? table + 7 : table;
}

bool
config_table_is(const char *table, const char *other)
{
    return strcmp(config_table_bare(table), config_table_bare(other)) == 0;
}
