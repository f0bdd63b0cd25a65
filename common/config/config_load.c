/* config_yaml makes a tree of the text of the file, config_read makes the struct of the tree by the
 * settings tables, and config_check checks the rules between sections.
 */
#include "common/config/config_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/config/config_check.h"
#include "common/config/config_invariants.h"
#include "common/config/config_read.h"
#include "common/config/config_settings.h"
#include "common/config/config_yaml.h"

/* The object that config_load() allocates. */
struct config_owned {
    struct config config; /* first: its address is the address of the object */
    struct arena arena;   /* of everything that the configuration points to */
};

static int
read_stream(FILE *stream, const char *path, struct buffer *out, struct error *err)
{
    size_t limit = CONFIG_FILE_BYTES_MAX + 1;
    CHECK(out->bytes == 0);
    out->bytes = fread(buffer_reserve(out, limit), 1, limit, stream);
    if (ferror(stream) != 0)
        return error_set_errno(err, ERR_USAGE, "could not read \"%s\"", path);
    if (out->bytes == limit)
        return error_set(err, ERR_USAGE, "could not read \"%s\": larger than %d bytes", path,
                         CONFIG_FILE_BYTES_MAX);
    return 0;
}

static int
read_file(const char *path, struct buffer *out, struct error *err)
{
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL)
        return error_set_errno(err, ERR_USAGE, "could not open \"%s\"", path);
    int rc = read_stream(stream, path, out, err);
    fclose(stream);
    return rc;
}

static int
read_config(struct config_reader *reader, struct text yaml, enum config_program program,
            struct config *config)
{
    if (config_yaml_parse(reader, yaml) == 0) {
        config_read_section(reader, &config_settings, reader->root, config);
        config_check(reader, config, program);
    }
    if (reader->problems->count > 0)
        return ERR_USAGE;
    CHECK(config->path == NULL); /* no setting */
    CHECK(config->index != NULL);
    config->path = arena_strdup(reader->arena, text_of(reader->file));
    if (config->consumer.group == NULL)
        config->consumer.group = config->index;
    if (config->consumer.advertise == NULL)
        config->consumer.advertise = config->consumer.listen;
    config_invariants_check(config, program);
    return 0;
}

static int
compare_places(const void *a, const void *b)
{
    const struct config_problem *x = *(const struct config_problem *const *)a;
    const struct config_problem *y = *(const struct config_problem *const *)b;
    int line = (x->line > y->line) - (x->line < y->line);
    return line != 0 ? line : (x->column > y->column) - (x->column < y->column);
}

/* The problems in the order of the file, one on each line. */
static void
list_problems(const struct config_reader *reader, struct buffer *list)
{
    const struct config_problem *sorted[CONFIG_PROBLEMS_MAX];
    const struct config_problem *problem = reader->problems->first;
    uint32_t count = 0;
    for (; problem != NULL; problem = problem->next)
        sorted[count++] = problem;
    CHECK(count == reader->problems->count);
    qsort(sorted, count, sizeof *sorted, compare_places);
    for (uint32_t i = 0; i < count; i++)
        buffer_append_format(list, "%s\n", sorted[i]->message);
    if (config_problems_are_full(reader->problems))
        buffer_append_format(list, "%s: more than %u problems: the others are not listed\n",
                             reader->file, count);
}

int
config_load(const char *path, enum config_program program, struct config **config,
            struct buffer *list, struct error *err)
{
    CHECK(path != NULL);
    config_settings_check();
    struct config_owned *owned = memory_zalloc(sizeof *owned);
    arena_init(&owned->arena);
    struct config_problems problems = {0};
    struct config_reader reader = {.file = path, .arena = &owned->arena, .problems = &problems};
    struct buffer yaml;
    buffer_init(&yaml);
    int rc = read_file(path, &yaml, err);
    if (rc == 0)
        rc = read_config(&reader, (struct text){(const char *)yaml.data, yaml.bytes}, program,
                         &owned->config);
    buffer_free(&yaml);
    CHECK((rc == 0) == (owned->config.path != NULL));
    if (problems.count > 0)
        error_set(err, rc, "%s", problems.first->message);
    if (problems.count > 1 && list != NULL)
        list_problems(&reader, list);
    if (rc != 0)
        config_destroy(&owned->config);
    else
        *config = &owned->config;
    return rc;
}

void
config_destroy(struct config *config)
{
    struct config_owned *owned = (struct config_owned *)config;
    if (owned == NULL)
        return;
    arena_free(&owned->arena);
    free(owned);
}
