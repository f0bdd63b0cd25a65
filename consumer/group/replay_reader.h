/* Reads a partition for a rebuild (feed.h), with a client of its own outside of the group, which
 * fetches as much ahead as a partition of the group does (prefetch.h). */
#ifndef CONSUMER_GROUP_REPLAY_READER_H
#define CONSUMER_GROUP_REPLAY_READER_H

#include "common/config/config.h"
#include "consumer/partition/feed.h"

/* The caller owns `*reader`. Does not wait for the broker. */
int replay_reader_open(const struct config *config, int32_t partition, int64_t offset,
                       struct feed_reader **reader, struct error *err);

#endif
