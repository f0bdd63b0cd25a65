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
    int rc = config_yaml_parse(reader, yaml);
    if (rc == 0)
        rc = config_read_section(reader, &config_settings, reader->root, config);
    if (rc == 0)
        rc = config_check(reader, config, program);
    if (rc != 0)
        return rc;
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

int
config_load(const char *path, enum config_program program, struct config **config,
            struct error *err)
{
    CHECK(path != NULL);
    config_settings_check();
    struct config_owned *owned = memory_zalloc(sizeof *owned);
    arena_init(&owned->arena);
    struct config_reader reader = {.file = path, .arena = &owned->arena, .err = err};
    struct buffer yaml;
    buffer_init(&yaml);
    int rc = read_file(path, &yaml, err);
    if (rc == 0)
        rc = read_config(&reader, (struct text){(const char *)yaml.data, yaml.bytes}, program,
                         &owned->config);
    buffer_free(&yaml);
    CHECK((rc == 0) == (owned->config.path != NULL));
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
