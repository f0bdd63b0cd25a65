/* A topic for the tests of the audit, as a producer writes it: windows, marks, answers, posted
 * events, crashes with takeovers, zombies, new epochs. And damage to it.
 *
 * Events are plain data: the CRC of a body is a random number. One thread.
 */
#ifndef TESTS_UNIT_AUDIT_TOPIC_H
#define TESTS_UNIT_AUDIT_TOPIC_H

#include "common/event/event.h"
#include "consumer/audit/auditor.h"

enum { AUDIT_TOPIC_PARTITIONS = 3, AUDIT_TOPIC_EVENTS = 4000 };

struct audit_message {
    struct event event;
    struct chunk chunk;
    int64_t answer; /* of the chunk */
    uint64_t key;
    bool has_key;
    bool is_broken; /* not an event */
};

struct audit_topic {
    struct audit_message *messages[AUDIT_TOPIC_PARTITIONS];
    int count[AUDIT_TOPIC_PARTITIONS];
    int64_t begin; /* the offset of the first message in each partition */
};

/* `steps`: of the producer. `mixed`: some of its generations are of schema version 1. The caller
 * frees it. */
void audit_topic_make(struct audit_topic *topic, int steps, bool mixed);
void audit_topic_free(struct audit_topic *topic);
/* The messages before the newest generation, or a part of them, are removed by retention. */
void audit_topic_cut(struct audit_topic *topic);

/* What an audit says of it; the caller owns the result. */
struct auditor *audit_topic_audit(const struct audit_topic *topic);

struct audit_damage {
    const char *name;
    /* Damages the message at `at` of the partition. False: that message cannot be damaged so. */
    bool (*apply)(struct audit_topic *topic, int partition, int at);
    bool consumers_find; /* every consumer finds it as well */
};
extern const struct audit_damage audit_damages[];
extern const int audit_damage_count;

#endif
