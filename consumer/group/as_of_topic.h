/* Finds where the partitions of the topic were at a moment of the source's clock (as_of_search.h).
 * Reads without a group and commits nothing. */
#ifndef CONSUMER_GROUP_AS_OF_TOPIC_H
#define CONSUMER_GROUP_AS_OF_TOPIC_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "consumer/partition/as_of_search.h"

struct as_of_found {
    int64_t low; /* the first offset that the topic has */
    struct as_of_search search;
};

/* `found`: for each partition. ERR_USAGE: the moment is later than the newest watermark of a
 * partition, or the topic does not exist; ERR_RETRY: the broker does not answer, or the process was
 * asked to stop. */
int as_of_topic_find(const struct config *config, int64_t time_us, struct as_of_found *found,
                     struct error *err);

#endif
