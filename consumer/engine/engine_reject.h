/* A value of a chunk that its field cannot hold, and who receives it. */
#ifndef CONSUMER_ENGINE_ENGINE_REJECT_H
#define CONSUMER_ENGINE_ENGINE_REJECT_H

#include <stdint.h>

#include "common/ops/op.h"

/* The pointers are valid during the call. */
struct engine_reject {
    int64_t entity_id;
    struct text field;
    struct value value;
    const char *reason;
};

struct engine_rejects {
    void (*take)(void *context, const struct engine_reject *reject);
    void *context;
};

#endif
