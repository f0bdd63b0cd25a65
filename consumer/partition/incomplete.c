#include "consumer/partition/incomplete.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"

enum { SUBJECT_BYTES = 128, COMMAND_BYTES = 160 };

/* The words of a message about one field. */
struct words {
    char subject[SUBJECT_BYTES]; /* "field tags", "existence" */
    char command[COMMAND_BYTES]; /* that loads it */
};

static struct words
words_of(const struct config_fields *fields, uint32_t number)
{
    struct words words;
    if (number == FIELD_ALIVE) {
        snprintf(words.subject, sizeof words.subject, "existence");
        snprintf(words.command, sizeof words.command, "bitdex-producer load");
        return words;
    }
    const char *name = config_fields_name(fields, number);
    snprintf(words.subject, sizeof words.subject, "field %s", name);
    snprintf(words.command, sizeof words.command, "bitdex-producer load --fields %s", name);
    return words;
}

struct field_set
incomplete_find_complete(const struct sequence *sequence, const struct config_fields *fields)
{
    const struct field_set written = coverage_complete(&sequence->coverage);
    struct field_set complete = written;
    const struct field_set *computed = &fields->computed;
    for (uint32_t i = field_set_next(computed, 0); i < FIELD_NUMBERS;
         i = field_set_next(computed, i + 1)) {
        const struct field_set sources = config_fields_sources(fields, i);
        if (field_set_includes(&written, &sources))
            field_set_add(&complete, i);
    }
    return complete;
}

static void
describe_posted(const struct sequence *sequence, const struct words *words, char *out, size_t bytes)
{
    const char *way_out = "reset the group's offset to the beginning of the topic, if the topic "
                          "still has all events";
    if (sequence->coverage.offsets_lost)
        snprintf(out, bytes, "no trigger fills %s, and events of the topic were skipped: %s",
                 words->subject, way_out);
    else
        snprintf(out, bytes, "no trigger fills %s, and it was added after the topic began: %s",
                 words->subject, way_out);
}

/* A field that was added to a stand-alone index: no numbered event was ever read. */
static void
describe_alone(const struct words *words, char *out, size_t bytes)
{
    snprintf(out, bytes,
             "%s was added or changed after events were posted: post all entities to a new index "
             "(another consumer.data_dir)",
             words->subject);
}

static void
describe_reason(const struct sequence *sequence, enum coverage_reason reason,
                const struct words *words, char *out, size_t bytes)
{
    const char *subject = words->subject, *command = words->command;
    const char *voided = sequence->coverage.voided_reason;
    switch (reason) {
    case COVERAGE_FIELD_ADDED:
        snprintf(out, bytes, "%s was added to index_config: %s", subject, command);
        break;
    case COVERAGE_FIELD_CHANGED:
        snprintf(out, bytes, "%s was changed in index_config: %s", subject, command);
        break;
    case COVERAGE_TRIGGERS_ADDED:
        snprintf(out, bytes, "triggers began to fill %s after the topic began: %s", subject,
                 command);
        break;
    case COVERAGE_TRIGGERS_GONE:
        snprintf(out, bytes,
                 "no trigger in place fills %s any more: bitdex-producer triggers apply, then %s",
                 subject, command);
        break;
    case COVERAGE_VOIDED:
        snprintf(out, bytes, "%s may differ from the source%s%s: wait for the load, or %s", subject,
                 voided[0] != '\0' ? ": " : "", voided, command);
        break;
    case COVERAGE_VOIDED_MISSED:
        snprintf(out, bytes,
                 "a guard of the producer did not hold, and its event was missed: "
                 "bitdex-producer load");
        break;
    case COVERAGE_PASS:
        snprintf(out, bytes, "a pass over %s has begun and not ended: wait for the load, or %s",
                 subject, command);
        break;
    default:
        CHECK(reason == COVERAGE_REJECTED);
        snprintf(out, bytes,
                 "the load could not send %s of all entities (bitdex-producer dead-letters list): "
                 "%s",
                 subject, command);
    }
}

static void
describe_written(const struct sequence *sequence, const struct config_fields *fields,
                 uint32_t number, char *out, size_t bytes)
{
    const struct coverage *coverage = &sequence->coverage;
    const struct words words = words_of(fields, number);
    enum coverage_reason reason = coverage->reasons[number];
    char proved[SEQUENCE_REASON_BYTES];
    if (coverage_is_posted(coverage, number))
        describe_posted(sequence, &words, out, bytes);
    else if (reason == COVERAGE_NOTHING_READ)
        snprintf(out, bytes, "no event of a producer was read yet: bitdex-producer run");
    else if (!coverage_is_from_rule(reason) && sequence->epoch == 0)
        describe_alone(&words, out, bytes);
    else if (!coverage_is_from_rule(reason))
        describe_reason(sequence, reason, &words, out, bytes);
    else {
        sequence_describe(sequence, reason, proved, sizeof proved);
        snprintf(out, bytes, "%s: bitdex-producer load", proved);
    }
}

void
incomplete_describe_field(const struct sequence *sequence, const struct config_fields *fields,
                          uint32_t number, char *out, size_t bytes)
{
    const struct field_set complete = coverage_complete(&sequence->coverage);
    const struct field_set sources = config_fields_sources(fields, number);
    CHECK(bytes >= INCOMPLETE_BYTES);
    out[0] = '\0';
    for (uint32_t i = 0; i < FIELD_NUMBERS && out[0] == '\0'; i++)
        if (field_set_has(&sources, i) && !field_set_has(&complete, i))
            describe_written(sequence, fields, i, out, bytes);
}

void
incomplete_describe(const struct sequence *sequence, const struct config_fields *fields, char *out,
                    size_t bytes)
{
    incomplete_describe_field(sequence, fields, FIELD_ALIVE, out, bytes);
    for (uint32_t i = 0; i < fields->count && out[0] == '\0'; i++)
        incomplete_describe_field(sequence, fields, i, out, bytes);
    CHECK((out[0] == '\0') == sequence_complete(sequence));
}

void
incomplete_describe_owed(const struct sequence *sequence, char *out, size_t bytes)
{
    const struct sequence_watermark *watermark = &sequence->watermark;
    CHECK(watermark->owed > 0);
    snprintf(out, bytes,
             "the producer has owed the answers to refreshes (%" PRId64 ") for %" PRId64
             " s, longer than consumer.owed_incomplete_s: bitdex-producer status",
             watermark->owed, (watermark->newest_us - watermark->owed_since_us) / US_PER_S);
}
