#include "common/config/config_identity.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

static int
line_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *
filter_type_name(enum config_field_type type)
{
    static const char *const names[] = {"single_value", "multi_value", "boolean", "string"};
    CHECK(type >= FIELD_SINGLE_VALUE && type <= FIELD_STRING);
    return names[type];
}

static char *
filter_line(const struct config_filter_field *field)
{
    return memory_format("filter field \"%s\": %s\n", field->name, filter_type_name(field->type));
}

static char *
sort_line(const struct config_sort_field *field)
{
    CHECK((field->computed_op == COMPUTED_NONE) == (field->source_field_count == 0));
    struct buffer line;
    buffer_init(&line);
    buffer_append_format(&line, "sort field \"%s\": bits %u", field->name, field->bits);
    if (field->computed_op != COMPUTED_NONE)
        buffer_append_text(&line, field->computed_op == COMPUTED_LEAST ? " least" : " greatest");
    for (uint32_t i = 0; i < field->source_field_count; i++)
        buffer_append_format(&line, " %s", field->source_fields[i]);
    buffer_append_text(&line, "\n");
    char *copy = memory_strdup(buffer_string(&line));
    buffer_free(&line);
    return copy;
}

void
config_index_identity(const struct config_index *index, struct buffer *out)
{
    uint32_t count = index->filter_field_count + index->sort_field_count;
    char **lines = memory_alloc((count + 1) * sizeof *lines);
    for (uint32_t i = 0; i < index->filter_field_count; i++)
        lines[i] = filter_line(&index->filter_fields[i]);
    for (uint32_t i = 0; i < index->sort_field_count; i++)
        lines[index->filter_field_count + i] = sort_line(&index->sort_fields[i]);
    qsort(lines, count, sizeof *lines, line_compare);
    for (uint32_t i = 0; i < count; i++) {
        buffer_append_text(out, lines[i]);
        CHECK(i + 1 == count || strcmp(lines[i], lines[i + 1]) != 0);
        free(lines[i]);
    }
    free(lines);
}

/* --- reading back ---------------------------------------------------------------------------- */

#define FILTER_FIELD TEXT("filter field \"")
#define SORT_FIELD TEXT("sort field \"")

static bool
begins_with(struct text text, struct text prefix)
{
    return text.bytes >= prefix.bytes && memcmp(text.data, prefix.data, prefix.bytes) == 0;
}

/* Removes the first line from `rest`; false: `rest` is empty. */
static bool
take_line(struct text *rest, struct text *line)
{
    if (rest->bytes == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->bytes);
    size_t bytes = end != NULL ? (size_t)(end - rest->data) : rest->bytes;
    size_t taken = bytes + (end != NULL ? 1 : 0);
    *line = (struct text){rest->data, bytes};
    *rest = (struct text){rest->data + taken, rest->bytes - taken};
    return true;
}

/* Removes the bytes up to `end`, which is a single byte, or up to the end. */
static struct text
take_until(struct text *rest, char end)
{
    const char *found = rest->bytes > 0 ? memchr(rest->data, end, rest->bytes) : NULL;
    size_t bytes = found != NULL ? (size_t)(found - rest->data) : rest->bytes;
    size_t taken = bytes + (found != NULL ? 1 : 0);
    struct text part = {rest->data, bytes};
    *rest = (struct text){rest->data + taken, rest->bytes - taken};
    return part;
}

bool
config_identity_is_field(struct text line)
{
    return begins_with(line, FILTER_FIELD) || begins_with(line, SORT_FIELD);
}

/* Takes the name from a line of a field; the value is left. "": the line is malformed. */
static const char *
take_name(struct text *line, struct text prefix, struct arena *arena)
{
    CHECK(begins_with(*line, prefix));
    *line = (struct text){line->data + prefix.bytes, line->bytes - prefix.bytes};
    const char *name = arena_strdup(arena, take_until(line, '"'));
    if (!begins_with(*line, TEXT(": ")))
        return "";
    *line = (struct text){line->data + 2, line->bytes - 2};
    return name;
}

static bool
read_filter(struct text line, struct arena *arena, struct config_filter_field *field)
{
    *field = (struct config_filter_field){.name = take_name(&line, FILTER_FIELD, arena)};
    for (int type = FIELD_SINGLE_VALUE; type <= (int)FIELD_STRING; type++) {
        field->type = (enum config_field_type)type;
        if (text_is(line, filter_type_name(field->type)))
            return field->name[0] != '\0';
    }
    return false;
}

static bool
read_bits(struct text word, uint32_t *bits)
{
    *bits = 0;
    for (size_t i = 0; i < word.bytes; i++) {
        if (word.data[i] < '0' || word.data[i] > '9' || *bits > 1000)
            return false;
        *bits = 10 * *bits + (uint32_t)(word.data[i] - '0');
    }
    return *bits > 0;
}

static void
read_sources(struct text words, struct arena *arena, struct config_sort_field *field)
{
    const char **names = arena_alloc(arena, (words.bytes + 1) * sizeof *names);
    while (words.bytes > 0)
        names[field->source_field_count++] = arena_strdup(arena, take_until(&words, ' '));
    field->source_fields = names;
}

static bool
read_sort(struct text line, struct arena *arena, struct config_sort_field *field)
{
    *field = (struct config_sort_field){.name = take_name(&line, SORT_FIELD, arena)};
    if (!text_is(take_until(&line, ' '), "bits") ||
        !read_bits(take_until(&line, ' '), &field->bits))
        return false;
    if (line.bytes > 0) {
        struct text word = take_until(&line, ' ');
        field->computed_op = text_is(word, "greatest") ? COMPUTED_GREATEST
                             : text_is(word, "least")  ? COMPUTED_LEAST
                                                       : COMPUTED_NONE;
        read_sources(line, arena, field);
    }
    return field->name[0] != '\0' &&
           (field->computed_op == COMPUTED_NONE) == (field->source_field_count == 0);
}

int
config_identity_read(struct text identity, struct arena *arena, struct config_index *index,
                     struct error *err)
{
    struct text line;
    uint32_t count = 0;
    for (struct text rest = identity; take_line(&rest, &line);)
        count += config_identity_is_field(line);
    struct config_filter_field *filters = arena_alloc(arena, (count + 1) * sizeof *filters);
    struct config_sort_field *sorts = arena_alloc(arena, (count + 1) * sizeof *sorts);
    *index = (struct config_index){.filter_fields = filters, .sort_fields = sorts};
    for (struct text rest = identity; take_line(&rest, &line);) {
        bool is_filter = begins_with(line, FILTER_FIELD);
        if (!config_identity_is_field(line))
            continue;
        bool is_read = is_filter ? read_filter(line, arena, &filters[index->filter_field_count++])
                                 : read_sort(line, arena, &sorts[index->sort_field_count++]);
        if (!is_read)
            return error_set(err, ERR_DATA, "the field of the line \"%.*s\" cannot be read",
                             TEXT_ARGS(line));
    }
    CHECK(index->filter_field_count + index->sort_field_count == count);
    return 0;
}

/* The next line that is not the line of a field; false: there are no more. */
static bool
take_line_of_log(struct text *rest, struct text *line)
{
    while (take_line(rest, line))
        if (!config_identity_is_field(*line))
            return true;
    return false;
}

bool
config_identity_same_log(struct text a, struct text b)
{
    struct text line_a, line_b;
    for (;;) {
        bool more_a = take_line_of_log(&a, &line_a), more_b = take_line_of_log(&b, &line_b);
        if (!more_a || !more_b)
            return more_a == more_b;
        if (!text_equal(line_a, line_b))
            return false;
    }
}

const char *
config_log_name(const struct config *config)
{
    const char *name = config->kafka.present ? config->topic.name : config->index;
    CHECK(name != NULL);
    CHECK(name[0] != '\0');
    return name;
}

void
config_partition_identity(const struct config *config, int32_t partition, struct buffer *out)
{
    CHECK(partition >= 0);
    buffer_append_format(out, "format: 1\nindex: %s\n%s: %s\npartition: %d of %d\n", config->index,
                         config->kafka.present ? "topic" : "stand-alone", config_log_name(config),
                         partition, config->topic.partitions);
    config_index_identity(&config->index_config, out);
}
