#include "consumer/commands/audit_certificate.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/json/json_write.h"

static bool
certificate_has(const struct audit_certificate *certificate, int32_t partition)
{
    CHECK(certificate->partition < certificate->partitions);
    return certificate->partition < 0 || certificate->partition == partition;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void
print_partition(const struct audit_partition *partition, int32_t number)
{
    const struct audit_counts *counts = &partition->counts;
    printf("partition %d: offsets %" PRId64 " to %" PRId64 ", %" PRId64 " messages", number,
           partition->begin, partition->end, counts->messages);
    if (partition->begin > 0)
        printf(" (retention has removed those before)");
    printf("\n    %" PRId64 " numbered, %" PRId64 " sent again, %" PRId64 " dropped after a fence, "
           "%" PRId64 " posted, %" PRId64 " marks, %" PRId64 " others\n",
           counts->numbered, counts->sent_again, counts->fenced, counts->posted, counts->marks,
           counts->controls);
    for (uint32_t i = 0; i < partition->epoch_count; i++) {
        const struct audit_epoch *epoch = &partition->epochs[i];
        printf("    epoch %" PRId64 ": generations %" PRId64 " to %" PRId64 " (%" PRId64
               "), seq %" PRId64 " to %" PRId64 ", marked up to %" PRId64,
               epoch->epoch, epoch->first_generation, epoch->last_generation, epoch->generations,
               epoch->first_seq, epoch->last_seq, epoch->marked_seq);
        if (epoch->chain.digest_known)
            printf(", digest %016" PRIx64, epoch->chain.digest);
        if (epoch->chain.content_known)
            printf(", content %016" PRIx64, epoch->chain.content);
        printf("\n");
    }
    printf("    %" PRId64 " digests and %" PRId64 " content digests of marks are right\n",
           counts->digests, counts->contents);
    if (counts->not_compared > 0)
        printf("    %" PRId64 " events that were sent again were not compared one by one\n",
               counts->not_compared);
}

static void
print_windows(const struct audit_certificate *certificate)
{
    struct audit_windows_counts windows;
    auditor_count_windows(certificate->auditor, &windows);
    if (certificate->partition >= 0 || certificate->partitions == 1)
        printf("windows: not compared, one partition was read\n");
    else if (windows.every > 1)
        printf("windows: one in %" PRId64 " was compared: %" PRId64 "\n", windows.every,
               windows.compared);
    else
        printf("windows: %" PRId64 " were compared\n", windows.compared);
}

void
audit_certificate_print(const struct audit_certificate *certificate)
{
    const struct audit_findings *findings = auditor_findings(certificate->auditor);
    printf("topic %s, %d partitions\n", certificate->topic, certificate->partitions);
    for (int32_t i = 0; i < certificate->partitions; i++)
        if (certificate_has(certificate, i))
            print_partition(auditor_partition(certificate->auditor, i), i);
    print_windows(certificate);
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct audit_finding *finding = &findings->items[i];
        printf("finding: partition %d, ", finding->partition);
        if (finding->offset != AUDIT_NO_OFFSET)
            printf("offset %" PRId64 ": ", finding->offset);
        printf("%s\n", finding->text);
    }
    if (findings->all > findings->count)
        printf("and %" PRId64 " findings more\n", findings->all - findings->count);
    if (findings->all == 0)
        printf("proved: nothing was found\n");
}

/* --- JSON ------------------------------------------------------------------------------------- */

struct named_number {
    const char *key;
    int64_t value;
};

static void
json_numbers(struct json_writer *json, const struct named_number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_key(json, numbers[i].key);
        json_integer(json, numbers[i].value);
    }
}

/* As 16 hexadecimal digits, because JSON's numbers are doubles for many readers. */
static void
json_digest(struct json_writer *json, const char *key, uint64_t digest, bool is_known)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, digest);
    json_key(json, key);
    if (is_known)
        json_string(json, text);
    else
        json_null(json);
}

static void
json_epoch(struct json_writer *json, const struct audit_epoch *epoch)
{
    const struct named_number numbers[] = {
        {"epoch", epoch->epoch},
        {"first_generation", epoch->first_generation},
        {"last_generation", epoch->last_generation},
        {"generations", epoch->generations},
        {"first_seq", epoch->first_seq},
        {"last_seq", epoch->last_seq},
        {"marked_seq", epoch->marked_seq},
    };
    json_object_begin(json);
    json_numbers(json, numbers, sizeof numbers / sizeof numbers[0]);
    json_digest(json, "digest", epoch->chain.digest, epoch->chain.digest_known);
    json_digest(json, "content_digest", epoch->chain.content, epoch->chain.content_known);
    json_object_end(json);
}

static void
json_partition(struct json_writer *json, const struct audit_partition *partition, int32_t number)
{
    const struct audit_counts *counts = &partition->counts;
    const struct named_number numbers[] = {
        {"partition", number},
        {"begin_offset", partition->begin},
        {"end_offset", partition->end},
        {"first_offset", partition->first_offset},
        {"last_offset", partition->last_offset},
        {"messages", counts->messages},
        {"numbered", counts->numbered},
        {"sent_again", counts->sent_again},
        {"sent_again_not_compared", counts->not_compared},
        {"fenced", counts->fenced},
        {"posted", counts->posted},
        {"marks", counts->marks},
        {"others", counts->controls},
        {"digests", counts->digests},
        {"content_digests", counts->contents},
        {"watermark_tick", partition->watermark_tick},
        {"watermark_clock_us", partition->clock_us},
    };
    json_object_begin(json);
    json_numbers(json, numbers, sizeof numbers / sizeof numbers[0]);
    json_key(json, "source");
    json_string(json, partition->source);
    json_key(json, "topic_id");
    json_string(json, partition->topic_id);
    json_key(json, "epochs");
    json_array_begin(json);
    for (uint32_t i = 0; i < partition->epoch_count; i++)
        json_epoch(json, &partition->epochs[i]);
    json_array_end(json);
    json_object_end(json);
}

static void
json_findings(struct json_writer *json, const struct audit_findings *findings)
{
    json_key(json, "finding_count");
    json_integer(json, findings->all);
    json_key(json, "findings");
    json_array_begin(json);
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct audit_finding *finding = &findings->items[i];
        json_object_begin(json);
        json_key(json, "partition");
        json_integer(json, finding->partition);
        json_key(json, "offset");
        if (finding->offset == AUDIT_NO_OFFSET)
            json_null(json);
        else
            json_integer(json, finding->offset);
        json_key(json, "finding");
        json_string(json, finding->text);
        json_object_end(json);
    }
    json_array_end(json);
}

void
audit_certificate_print_json(const struct audit_certificate *certificate)
{
    const struct audit_findings *findings = auditor_findings(certificate->auditor);
    struct audit_windows_counts windows;
    struct json_writer json;
    struct buffer out;
    auditor_count_windows(certificate->auditor, &windows);
    const struct named_number numbers[] = {{"windows_compared", windows.compared},
                                           {"windows_every", windows.every}};
    buffer_init(&out);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_key(&json, "topic");
    json_string(&json, certificate->topic);
    json_key(&json, "proved");
    json_boolean(&json, findings->all == 0);
    json_numbers(&json, numbers, sizeof numbers / sizeof numbers[0]);
    json_key(&json, "partitions");
    json_array_begin(&json);
    for (int32_t i = 0; i < certificate->partitions; i++)
        if (certificate_has(certificate, i))
            json_partition(&json, auditor_partition(certificate->auditor, i), i);
    json_array_end(&json);
    json_findings(&json, findings);
    json_object_end(&json);
    puts(buffer_string(&out));
    buffer_free(&out);
}
