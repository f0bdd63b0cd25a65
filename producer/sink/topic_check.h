/* Is this the topic that the cursor belongs to? Questions to the broker.
 *
 * Before anything is sent: has the topic the shape that the laws need. And, before a generation is
 * taken and again behind our own fence (L3): has somebody written to it what our cursor knows
 * nothing of. Behind the last saved offset only our own earlier generations may have written,
 * nothing later than what they saved; anything else proves that the database went back, that the
 * topic is another one, or that a second producer feeds it. (The first look spares another
 * producer's topic our fence, which would stop that one.)
 *
 * Before an epoch is opened: what is on the topic altogether, for the new one to be above it.
 *
 * One thread; the calls block.
 */
#ifndef PRODUCER_SINK_TOPIC_CHECK_H
#define PRODUCER_SINK_TOPIC_CHECK_H

#include "common/config/config.h"
#include "common/event/event.h"
#include "common/kafka/kafka_admin.h"

/* What the cursor knows. */
struct topic_expectation {
    const char *source;
    const char *topic_id; /* "": none yet */
    int64_t epoch;
    int64_t generation; /* events are of earlier ones */
    int64_t tick;       /* the newest saved one */
};

/* What numbered events and marks are on a topic. */
struct topic_survey {
    int64_t epoch;      /* the greatest; 0: none */
    int64_t generation; /* the greatest of any epoch */
    bool has_topic_id;  /* one of the marks carries the cursor's topic id */
};

/* ERR_FATAL names the way out. */
int topic_check_shape(const struct config_topic *config, const struct kafka_topic *topic,
                      struct error *err);

/* One event before our fence, of this or another history. Pure. ERR_FATAL explains. */
int topic_check_event(const struct topic_expectation *expected, const struct event *event,
                      struct error *err);

/* Reads every partition behind `offsets[p]` (-1: from its beginning) and moves `offsets` to where
 * it has looked: up to `fences[p]`, where our fence is (-1: the broker did not say); without
 * `fences`, up to the end. `alive` is called now and then and ends the reading with what it
 * returns, unless that is 0. */
int topic_check_content(const struct config *config, const struct topic_expectation *expected,
                        int64_t *offsets, const int64_t *fences, int (*alive)(void *context),
                        void *context, struct error *err);

/* Reads the whole topic, which must have the right shape and no other producer than `source`.
 * Fills `ends` by partition with the last offset there is, -1 if there never was one. */
int topic_survey_read(const struct config *config, const char *source, const char *topic_id,
                      struct topic_survey *survey, int64_t *ends, struct error *err);

#endif
