/* The auditor: an honest topic has no finding, and each kind of damage has one. Every consumer
 * finds what would reach its index. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "consumer/partition/sequence.h"
#include "tests/unit/audit_topic.h"
#include "tests/unit/random_input.h"

enum { TOPICS = 200, STEPS = 60, TRIES = 400 };

static const struct config_index index_config = {0};
static struct config_fields fields;

static void
assert_proved(const struct auditor *auditor, int round)
{
    const struct audit_findings *findings = auditor_findings(auditor);
    if (findings->all > 0)
        fail_msg("topic %d: partition %d, offset %lld: %s", round,
                 (int)findings->items[0].partition, (long long)findings->items[0].offset,
                 findings->items[0].text);
}

static void
test_an_honest_topic_has_no_finding(void **state)
{
    (void)state;
    struct audit_counts all = {0};
    int64_t compared = 0;
    random_seed();
    for (int round = 0; round < TOPICS; round++) {
        struct audit_topic topic;
        struct audit_windows_counts windows;
        audit_topic_make(&topic, STEPS, round % 2 == 1);
        if (round % 3 == 2)
            audit_topic_cut(&topic);
        struct auditor *auditor = audit_topic_audit(&topic);
        assert_proved(auditor, round);
        for (int p = 0; p < AUDIT_TOPIC_PARTITIONS; p++) {
            const struct audit_partition *partition = auditor_partition(auditor, p);
            assert_int_equal(partition->counts.messages, topic.count[p]);
            all.sent_again += partition->counts.sent_again;
            all.fenced += partition->counts.fenced;
            all.posted += partition->counts.posted;
            all.contents += partition->counts.contents;
        }
        auditor_count_windows(auditor, &windows);
        compared += windows.compared;
        auditor_destroy(auditor);
        audit_topic_free(&topic);
    }
    assert_true(all.sent_again > TOPICS && all.fenced > TOPICS && all.posted > TOPICS);
    assert_true(all.contents > 10 * TOPICS && compared > 10 * TOPICS);
}

/* Does a consumer of the partition that was damaged find it? */
static bool
consumer_finds(const struct audit_topic *topic, int partition)
{
    struct sequence sequence;
    sequence_init(&sequence, &fields);
    for (int i = 0; i < topic->count[partition]; i++) {
        struct audit_message *message = &topic->messages[partition][i];
        message->event.chunk = &message->chunk;
        sequence_take(&sequence, &fields, &message->event);
    }
    return sequence.losses > 0 || sequence.reason == COVERAGE_NO_BEGINNING;
}

static bool
damage_once(const struct audit_damage *damage, bool *consumer)
{
    struct audit_topic topic;
    audit_topic_make(&topic, STEPS, false);
    for (int try = 0; try < TRIES; try++) {
        int partition = (int)random_below(AUDIT_TOPIC_PARTITIONS);
        int at = (int)random_below((uint64_t)topic.count[partition]);
        if (damage->consumers_find && consumer_finds(&topic, partition))
            break; /* an epoch of its own */
        if (!damage->apply(&topic, partition, at))
            continue;
        struct auditor *auditor = audit_topic_audit(&topic);
        if (auditor_findings(auditor)->all == 0)
            fail_msg("%s: partition %d, offset %d: not found", damage->name, partition, at);
        *consumer = consumer_finds(&topic, partition);
        auditor_destroy(auditor);
        audit_topic_free(&topic);
        return true;
    }
    audit_topic_free(&topic);
    return false;
}

static void
test_F76_every_kind_of_damage_is_found(void **state)
{
    (void)state;
    random_seed();
    for (int kind = 0; kind < audit_damage_count; kind++) {
        const struct audit_damage *damage = &audit_damages[kind];
        int applied = 0;
        for (int round = 0; round < 20; round++) {
            bool consumer;
            if (!damage_once(damage, &consumer))
                continue;
            applied++;
            if (damage->consumers_find && !consumer)
                fail_msg("%s: a consumer does not find it", damage->name);
        }
        if (applied < 3)
            fail_msg("%s: applied to %d topics only", damage->name, applied);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_honest_topic_has_no_finding),
        cmocka_unit_test(test_F76_every_kind_of_damage_is_found),
    };
    setenv("BITDEX_SEED", "20", 0); /* the same topics in every run */
    config_fields_init(&fields, &index_config);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_fields_free(&fields);
    return failed;
}
