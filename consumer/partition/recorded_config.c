#include "consumer/partition/recorded_config.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/config/config_identity.h"

int
recorded_config_create(const struct config *config, struct text identity,
                       struct recorded_config **recorded, struct error *err)
{
    struct recorded_config *made = memory_zalloc(sizeof *made);
    CHECK(identity.data != NULL || identity.bytes == 0);
    arena_init(&made->arena);
    made->config = *config;
    made->identity = arena_text(&made->arena, identity);
    int rc = config_identity_read(identity, &made->arena, &made->config.index_config, err);
    uint32_t count = rc == 0 ? config_fields_count(&made->config.index_config) : 0;
    if (rc == 0 && count > CONFIG_FIELDS_MAX)
        rc = error_set(err, ERR_DATA, "the index had %u fields; at most %d are possible", count,
                       CONFIG_FIELDS_MAX);
    if (rc != 0) {
        recorded_config_destroy(made);
        return error_wrap(err, ERR_FATAL, "identity of the log");
    }
    config_fields_init(&made->fields, &made->config.index_config);
    *recorded = made;
    return 0;
}

void
recorded_config_destroy(struct recorded_config *recorded)
{
    if (recorded == NULL)
        return;
    config_fields_free(&recorded->fields);
    arena_free(&recorded->arena);
    free(recorded);
}
