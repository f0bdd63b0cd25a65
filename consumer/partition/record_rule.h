/* What the events of a partition do to its record (unanswered.h): which requests and dead letters
 * enter it and leave it. Pure.
 */
#ifndef CONSUMER_PARTITION_RECORD_RULE_H
#define CONSUMER_PARTITION_RECORD_RULE_H

#include "common/config/config_fields.h"
#include "common/event/event.h"
#include "consumer/partition/event_check.h"
#include "consumer/partition/sequence.h"
#include "consumer/partition/unanswered.h"

/* All of it must outlive its use. */
struct record_rule {
    const struct config *config;
    const struct config_fields *fields;
    int32_t partition;
};

/* What the rule has to know of the sequence before the event. */
struct record_before {
    int64_t epoch;
    int64_t losses;
    int64_t job;
};

struct record_before record_rule_before(const struct sequence *sequence);

/* After sequence_take() of the event, which had this verdict, and before event_check(). */
void record_rule_take(const struct record_rule *rule, const struct record_before *before,
                      enum sequence_verdict verdict, const struct event *event,
                      struct sequence *sequence, struct unanswered_changes *changes);

/* What was taken out of the event becomes open letters. */
void record_rule_refuse(const struct record_rule *rule, const struct sequence *sequence,
                        const struct event *event, const struct event_refused *refused,
                        struct unanswered_changes *changes);

#endif
