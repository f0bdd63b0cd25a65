/* The tables of a record, for its bytes (unanswered_bytes.c). */
#ifndef CONSUMER_PARTITION_UNANSWERED_INTERNAL_H
#define CONSUMER_PARTITION_UNANSWERED_INTERNAL_H

#include "common/base/key_table.h"

/* In the word of a request, beside the entry of its parent. */
enum {
    UNANSWERED_SLOT = 1,
    UNANSWERED_HOLDS = 2,
    UNANSWERED_KEY = 4,
    UNANSWERED_FLAGS = 7,
};

struct unanswered {
    struct key_table requests;
    struct key_table letters;
    struct key_table held;
};

#endif
