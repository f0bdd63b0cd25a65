#include "tests/unit/config_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/config_load.h"
#include "tests/unit/unit_test.h"

char config_work_file[] = "/tmp/bitdex-test-config-XXXXXX";

int
config_fixture_setup(void **state)
{
    (void)state;
    int file = mkstemp(config_work_file);
    return file < 0 ? -1 : close(file);
}

int
config_fixture_teardown(void **state)
{
    (void)state;
    return unlink(config_work_file);
}

void
config_write_file(const char *path, const void *data, size_t bytes)
{
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_int_equal(fwrite(data, 1, bytes, stream), bytes);
    assert_int_equal(fclose(stream), 0);
}

void
config_read_file(const char *path, struct buffer *out)
{
    FILE *stream = fopen(path, "r");
    if (stream == NULL)
        fail_msg("cannot open %s", path);
    size_t bytes;
    do {
        bytes = fread(buffer_reserve(out, 65536), 1, 65536, stream);
        out->bytes += bytes;
    } while (bytes > 0);
    fclose(stream);
}

int
config_load_text(const char *yaml, enum config_program program, struct config **config,
                 struct error *err)
{
    config_write_file(config_work_file, yaml, strlen(yaml));
    return config_load(config_work_file, program, config, NULL, err);
}

struct config *
config_load_valid(const char *yaml, enum config_program program)
{
    struct error err = {0};
    struct config *config = NULL;
    if (config_load_text(yaml, program, &config, &err) != 0)
        fail_msg("%s\nin:\n%s", err.message, yaml);
    return config;
}

void
config_check_refused(const char *yaml, enum config_program program, const char *message)
{
    struct error err = {0};
    struct config *config = NULL;
    int rc = config_load_text(yaml, program, &config, &err);
    assert_null(config);
    assert_int_equal(rc, ERR_USAGE);
    assert_memory_equal(err.message, config_work_file, strlen(config_work_file));
    const char *got = err.message + strlen(config_work_file) + 1;
    if (strcmp(got, message) != 0)
        fail_msg("got:    %s\nwanted: %s\nin:\n%s", got, message, yaml);
}

void
config_check_refusals(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        config_check_refused(refusals[i].yaml, CONFIG_PRODUCER, refusals[i].message);
}
