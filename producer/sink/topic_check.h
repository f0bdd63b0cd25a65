/* Checks that the topic is the one that the cursor belongs to.
 *
 * Before anything is sent: the topic must have the settings that the laws need. Before a generation
 * is taken, and again after its fence is acknowledged (L3): the content after the last saved offset
 * must come from earlier generations of this producer, with nothing later than what they saved.
 * Anything else proves that the database went back, that the topic is another one, or that a second
 * producer writes to it. (The first check keeps this producer from fencing another producer's
 * topic, which would stop that one.)
 *
 * Before an epoch is opened: a survey of the whole topic, so that the new epoch is above it.
 *
 * One thread; the calls block.
 */
#ifndef PRODUCER_SINK_TOPIC_CHECK_H
#define PRODUCER_SINK_TOPIC_CHECK_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/event/event.h"
#include "common/kafka/kafka_admin.h"
#include "producer/sink/rival.h"

/* A mark on the topic. */
struct topic_mark {
    int64_t clock_us; /* of its source; 0: no mark was read */
    char start_name[RIVAL_NAME_BYTES];
};

/* What the topic must agree with. */
struct topic_expectation {
    const char *source;
    const char *topic_id;   /* "": there is no cursor yet */
    const char *start_name; /* that our own fence carries */
    int64_t epoch;
    int64_t generation; /* events must be of earlier ones */
    int64_t tick;       /* of the newest saved window */
    bool whole;         /* nothing after the saved offsets may have been removed by retention */
    struct topic_mark *newest; /* NULL, or becomes the mark that was read with the latest clock */
};

/* Which offsets of a partition are checked. */
struct topic_range {
    int64_t next;
    int64_t end;     /* the first offset that is not read */
    bool skip_fence; /* our fence is in the range, because its offset is unknown */
};

/* The greatest numbers of the producer's events and marks on a topic. */
struct topic_survey {
    int64_t epoch;      /* 0: there are no events */
    int64_t generation; /* of any epoch */
    bool has_topic_id;  /* a mark carries the topic id of the cursor */
};

/* Checks existence, number of partitions and settings. ERR_FATAL says what to do. */
int topic_check_shape(const struct config_topic *config, const struct kafka_topic *topic,
                      struct error *err);

enum { TOPIC_DIFFERENCE_BYTES = 512 };
/* Says how the topic differs from the configuration in what topic_check_shape() does not
 * refuse, and what to do (F116). "": it does not. `bytes` >= TOPIC_DIFFERENCE_BYTES. Pure. */
void topic_check_difference(const struct config_topic *config, const struct kafka_topic *topic,
                            char *out, size_t bytes);

/* Checks one event that is before our fence. ERR_FATAL says what it proves and what to do. */
int topic_check_event(const struct topic_expectation *expected, const struct event *event,
                      struct error *err);

/* Determines what is checked of a partition that holds the offsets low <= offset < high. `offset`
 * is the last one that was acknowledged (-1: there was no acknowledgement), `fence` that of our
 * fence (-1: it is unknown; INT64_MAX: the partition is read to its end). Pure. ERR_FATAL when the
 * partition does not have what must be checked. */
int topic_check_range(const struct topic_expectation *expected, int64_t low, int64_t high,
                      int64_t offset, int64_t fence, struct topic_range *range, struct error *err);

/* Describes the topic and checks its shape. */
int topic_check_describe(const struct config *config, struct kafka_topic *topic, struct error *err);

/* Reads every partition after `offsets[p]` (-1: from its beginning), and advances `offsets` to the
 * last offset that was read. It reads up to our fence at `fences[p]` (-1: the broker did not report
 * its offset), or without `fences` (NULL) up to the end. `heartbeat` is called several times a
 * second; when it returns anything but 0, the reading ends with that. */
int topic_check_content(const struct config *config, const struct topic_expectation *expected,
                        int64_t *offsets, const int64_t *fences, int (*heartbeat)(void *context),
                        void *context, struct error *err);

/* Reads the whole topic. ERR_FATAL when it does not have the right shape, or has events of another
 * producer than `source`. Fills `ends` by partition with the last offset, -1 if there never was
 * one. */
int topic_survey_read(const struct config *config, const char *source, const char *topic_id,
                      struct topic_survey *survey, int64_t *ends, struct error *err);

#endif
