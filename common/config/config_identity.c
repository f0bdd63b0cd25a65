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
