/* The configuration under which a part of a log was written. It differs from the present one in the
 * fields of the index, which the identity of the part declares (config_identity.h).
 *
 * Immutable; any thread.
 */
#ifndef CONSUMER_PARTITION_RECORDED_CONFIG_H
#define CONSUMER_PARTITION_RECORDED_CONFIG_H

#include "common/base/error.h"
#include "common/config/config_fields.h"

struct recorded_config {
    struct arena arena;
    struct text identity;
    struct config config; /* without visible_from */
    struct config_fields fields;
};

/* Of the identity, which is that of the same log as the present configuration's. ERR_FATAL: it
 * declares fields that this program cannot hold. The caller owns `*recorded`; `config` must outlive
 * it. */
int recorded_config_create(const struct config *config, struct text identity,
                           struct recorded_config **recorded, struct error *err);
/* NULL is allowed. */
void recorded_config_destroy(struct recorded_config *recorded);

#endif
