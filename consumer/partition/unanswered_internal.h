/* The tables of a record, for its bytes (unanswered_bytes.c). */
#ifndef CONSUMER_PARTITION_UNANSWERED_INTERNAL_H
#define CONSUMER_PARTITION_UNANSWERED_INTERNAL_H

#include "consumer/partition/record_table.h"

/* In the word of a request, beside the entry of its parent. */
enum {
    UNANSWERED_SLOT = 1,
    UNANSWERED_HOLDS = 2,
    UNANSWERED_KEY = 4,
    UNANSWERED_FLAGS = 7,
};

struct unanswered {
    struct record_table requests;
    struct record_table letters;
    struct record_table held;
};

#endif
