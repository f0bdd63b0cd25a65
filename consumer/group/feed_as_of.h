/* The feeds of an index as of a moment: each partition of the topic from where the frozen log ends
 * up to the moment (as_of.h). They join no group and commit nothing. A partition that has arrived
 * reads nothing any more. */
#ifndef CONSUMER_GROUP_FEED_AS_OF_H
#define CONSUMER_GROUP_FEED_AS_OF_H

#include "common/config/config.h"
#include "consumer/group/as_of_topic.h"
#include "consumer/group/feed_source.h"
#include "consumer/partition/as_of.h"

struct feed_as_of;

/* Finds the moment in the topic, and freezes the data of all partitions. `config` and `frozen` must
 * outlive the feeds. Errors: those of as_of_topic_find() and as_of_freeze(). */
int feed_as_of_create(const struct config *config, int64_t time_us, struct frozen_files *frozen,
                      struct feed_as_of **feeds, struct error *err);
/* All feeds must be destroyed. NULL is allowed. */
void feed_as_of_destroy(struct feed_as_of *feeds);

struct feed_source *feed_as_of_source(struct feed_as_of *feeds);

#endif
