/* Configurations for tests: their beginnings, and loading from text. One thread. */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <stddef.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

/* The beginning of a configuration. A test's own lines begin with line 6. */
#define HEAD                                           \
    "index: demo\n"                                    \
    "postgres: dbname=demo\n"                          \
    "kafka: { bootstrap.servers: 'localhost:9092' }\n" \
    "topic: { name: demo }\n"                          \
    "consumer: { data_dir: /tmp/demo }\n"
/* The same with an index. A test's own lines begin with line 15. */
#define INDEXED                                             \
    HEAD                                                    \
        "index_config:\n"                                   \
        "  filter_fields:\n"                                \
        "    - { name: level, field_type: single_value }\n" \
        "    - { name: tags, field_type: multi_value }\n"   \
        "    - { name: meta, field_type: boolean }\n"       \
        "  sort_fields:\n"                                  \
        "    - { name: at, bits: 32 }\n"                    \
        "    - { name: level, bits: 8 }\n"                  \
        "    - { name: best, bits: 32, computed: { op: greatest, source_fields: [at, level] } }\n"

struct refusal {
    const char *yaml;
    const char *message; /* after "FILE:" */
};

#define CHECK_REFUSALS(refusals) \
    config_check_refusals(refusals, sizeof(refusals) / sizeof((refusals)[0]))

/* The file that texts are written into before they are loaded. */
extern char config_work_file[];
int config_fixture_setup(void **state);
int config_fixture_teardown(void **state);

void config_read_file(const char *path, struct buffer *out);
void config_write_file(const char *path, const void *data, size_t bytes);
int config_load_text(const char *yaml, enum config_program program, struct config **config,
                     struct error *err);
/* The test fails when it cannot be loaded. The caller destroys the result. */
struct config *config_load_valid(const char *yaml, enum config_program program);
/* The test fails when it is loaded, or refused with another message. */
void config_check_refused(const char *yaml, enum config_program program, const char *message);
void config_check_refusals(const struct refusal *refusals, size_t count);

#endif
