/* Loading: the file's text becomes a tree (config_yaml), the tree becomes the struct by the
 * settings tables (config_read), and then the sections are held against each other (config_check).
 */
#include "common/config/config.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/config/config_check.h"
#include "common/config/config_read.h"
#include "common/config/config_yaml.h"

/* What config_load() really gives out. */
struct config_owned {
    struct config config; /* first: a pointer to it is one to the whole */
    struct arena arena;   /* of everything that it points to */
};

static int
read_stream(FILE *stream, const char *path, struct buffer *out, struct error *err)
{
    size_t limit = CONFIG_FILE_BYTES_MAX + 1;
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
    config->path = arena_strdup(reader->arena, text_of(reader->file));
    if (rc == 0 && config->consumer.group == NULL)
        config->consumer.group = config->index;
    return rc;
}

int
config_load(const char *path, enum config_program program, struct config **config,
            struct error *err)
{
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
