#include "tests/unit/coverage_history.h"

#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "consumer/partition/incomplete.h"
#include "consumer/partition/position.h"

const char *const history_names[MODEL_FIELDS] = {"a", "b", "c", "d", ""};

const uint32_t history_configured[CONFIGURATIONS] = {
    BIT(A) | BIT(B) | BIT(C), BITS_ALL - BIT(ALIVE), BIT(A) | BIT(C), BIT(A) | BIT(B) | BIT(D)};
static struct config_filter_field filters[CONFIGURATIONS][NAMES];
static struct config_index indexes[CONFIGURATIONS];
struct config_fields history_all_fields[CONFIGURATIONS];

void
history_setup(void)
{
    for (int i = 0; i < CONFIGURATIONS; i++) {
        uint32_t count = 0;
        for (int f = 0; f < NAMES; f++)
            if (history_configured[i] & BIT(f))
                filters[i][count++] = (struct config_filter_field){
                    .name = history_names[f],
                    .type = i == CONFIGURATIONS - 1 && f == B ? FIELD_STRING : FIELD_BOOLEAN};
        indexes[i] =
            (struct config_index){.filter_fields = filters[i], .filter_field_count = count};
        config_fields_init(&history_all_fields[i], &indexes[i]);
    }
}

void
history_teardown(void)
{
    for (int i = 0; i < CONFIGURATIONS; i++)
        config_fields_free(&history_all_fields[i]);
}

const struct config_fields *
history_fields(const struct history *history)
{
    return &history_all_fields[history->configuration];
}

void
history_begin(struct history *history)
{
    *history = (struct history){.count = 0};
    sequence_init(&history->sequence, history_fields(history));
}

static void
remember(struct history *history, struct item item)
{
    assert_true(history->count < HISTORY_MAX);
    item.configuration = history->configuration;
    history->items[history->count++] = item;
}

uint32_t
history_complete(const struct history *history)
{
    const struct field_set complete =
        incomplete_find_complete(&history->sequence, history_fields(history));
    uint32_t found = 0;
    for (int f = 0; f < MODEL_FIELDS; f++) {
        uint32_t number;
        if (config_fields_find(history_fields(history), text_of(history_names[f]), &number) &&
            field_set_has(&complete, number))
            found |= BIT(f);
    }
    return found;
}

static uint32_t
texts_of(uint32_t bits, struct text *out)
{
    uint32_t count = 0;
    for (int f = 0; f < MODEL_FIELDS; f++)
        if (bits & BIT(f))
            out[count++] = text_of(history_names[f]);
    return count;
}

enum sequence_verdict
history_take(struct history *history, struct event event)
{
    const struct sequence before = history->sequence;
    event.source = TEXT("main");
    event.tick = 1;
    if (event.generation == 0)
        event.generation = 1;
    if (event.epoch == 0)
        event.epoch = history->sequence.epoch;
    enum sequence_verdict verdict =
        sequence_take(&history->sequence, history_fields(history), &event);
    coverage_take_offset(&history->sequence.coverage, history->offset++);
    sequence_check_growth(&before, &history->sequence);
    return verdict;
}

/* The last seq and the digest stay what they are, so that no loss is proved. */
struct event
history_unnumbered(const struct history *history, enum event_kind kind)
{
    return (struct event){.kind = kind, .seq = history->sequence.seq};
}

void
history_mark(struct history *history, enum mark_kind kind, uint32_t fields, int64_t voided,
             bool is_empty)
{
    struct text texts[MODEL_FIELDS];
    struct event event = history_unnumbered(history, EVENT_MARK);
    int64_t known = history->sequence.coverage.voided;
    event.epoch = history->sequence.epoch == 0 ? 1 : history->sequence.epoch;
    event.mark = (struct mark){
        .kind = kind,
        .topic_id = TEXT("topic"),
        .digest = history->sequence.epoch == 0 ? EVENT_DIGEST_START : history->sequence.digest,
        .content_digest =
            history->sequence.epoch == 0 ? EVENT_DIGEST_START : history->sequence.content_digest,
        .source_empty = is_empty,
        .partitions = 1,
        .has_content = true,
        .fields = texts,
        .field_count = texts_of(fields, texts),
        .voided = voided,
    };
    if (history->sequence.epoch == 0)
        remember(history, (struct item){.kind = ITEM_OPEN, .bits = is_empty ? BITS_ALL : 0});
    assert_int_equal(history_take(history, event), SEQUENCE_CONTROL);
    remember(
        history,
        (struct item){.kind = ITEM_MARK, .bits = fields, .flag = known >= 0 && known != voided});
}

void
history_gap(struct history *history)
{
    struct event event = {.kind = EVENT_ROW, .seq = history->sequence.seq + 2, .row_id = 1};
    assert_int_equal(history_take(history, event), SEQUENCE_APPLY);
    remember(history, (struct item){.kind = ITEM_LOSS});
}

void
history_epoch(struct history *history)
{
    struct event event = {.kind = EVENT_ROW, .epoch = history->sequence.epoch + 1, .seq = 1};
    assert_int_equal(history_take(history, event), SEQUENCE_APPLY);
    remember(history, (struct item){.kind = ITEM_LOSS});
}

void
history_voided(struct history *history, int64_t number, uint32_t fields)
{
    struct text texts[MODEL_FIELDS];
    struct voided voided = {.number = number,
                            .all = fields == BITS_ALL,
                            .fields = texts,
                            .field_count = texts_of(fields, texts),
                            .reason = TEXT("a table was altered")};
    struct event event = history_unnumbered(history, EVENT_VOIDED);
    int64_t known = history->sequence.coverage.voided;
    event.voided = &voided;
    assert_int_equal(history_take(history, event), SEQUENCE_CONTROL);
    bool missed = known >= 0 && number > known + 1;
    remember(history, (struct item){.kind = number > known ? ITEM_VOID : ITEM_NOTHING,
                                    .bits = missed ? BITS_ALL : fields,
                                    .flag = missed});
}

void
history_job(struct history *history, enum job_mark_kind kind, int64_t job, uint32_t fields)
{
    struct text texts[MODEL_FIELDS];
    struct job_mark mark = {.kind = kind,
                            .job = job,
                            .end = CHUNK_NO_END,
                            .states_alive = (fields & BIT(ALIVE)) != 0,
                            .fields = texts,
                            .field_count = texts_of(fields & ~BIT(ALIVE), texts)};
    struct event event = history_unnumbered(history, EVENT_JOB);
    event.job = &mark;
    assert_int_equal(history_take(history, event), SEQUENCE_CONTROL);
    remember(history, (struct item){.kind = kind == JOB_BEGIN ? ITEM_BEGIN : ITEM_END,
                                    .job = job,
                                    .bits = fields});
}

void
history_chunk(struct history *history, int64_t job, int64_t begin, int64_t end, uint32_t fields,
              bool rejected)
{
    struct text texts[MODEL_FIELDS];
    struct chunk chunk = {.purpose = CHUNK_LOAD,
                          .job = job,
                          .begin = begin,
                          .end = end,
                          .fields = texts,
                          .field_count = texts_of(fields & ~BIT(ALIVE), texts),
                          .states_alive = (fields & BIT(ALIVE)) != 0,
                          .rejected = rejected ? TEXT("too large") : TEXT("")};
    struct event event = history_unnumbered(history, EVENT_CHUNK);
    event.chunk = &chunk;
    assert_int_equal(history_take(history, event), SEQUENCE_APPLY);
    remember(history, (struct item){.kind = ITEM_CHUNK,
                                    .job = job,
                                    .begin = begin,
                                    .end = end,
                                    .bits = fields,
                                    .flag = rejected});
}

void
history_pass(struct history *history, int64_t job, int entry, int part, bool is_last,
             uint32_t fields, uint32_t reads)
{
    static const char *const entries[] = {"first", "second"};
    struct text set[MODEL_FIELDS], read[MODEL_FIELDS];
    struct pass pass = {.job = job,
                        .entry = text_of(entries[entry]),
                        .part = part,
                        .is_last = is_last,
                        .fields = set,
                        .field_count = texts_of(fields, set),
                        .reads = read,
                        .read_count = texts_of(reads, read)};
    struct event event = history_unnumbered(history, EVENT_PASS);
    event.pass = &pass;
    assert_int_equal(history_take(history, event), SEQUENCE_APPLY);
    remember(history, (struct item){.kind = ITEM_PASS,
                                    .job = job,
                                    .begin = part,
                                    .end = entry,
                                    .bits = fields,
                                    .reads = reads,
                                    .flag = is_last});
}

void
history_skip_offset(struct history *history)
{
    history->offset++;
    assert_int_equal(history_take(history, (struct event){.kind = EVENT_ROW}), SEQUENCE_APPLY);
    remember(history, (struct item){.kind = ITEM_HOLE});
}

void
history_change(struct history *history, int to)
{
    struct coverage_change change = {.old = history_fields(history),
                                     .now = &history_all_fields[to],
                                     .has_epoch = history->sequence.epoch > 0};
    uint32_t kept = BIT(ALIVE);
    if (to == history->configuration)
        return;
    for (int f = 0; f < NAMES; f++) {
        bool is_kept =
            (history_configured[to] & history_configured[history->configuration] & BIT(f)) != 0 &&
            (f != B ||
             (to == CONFIGURATIONS - 1) == (history->configuration == CONFIGURATIONS - 1));
        uint32_t number;
        if (!is_kept)
            continue;
        kept |= BIT(f);
        assert_true(
            config_fields_find(&history_all_fields[to], text_of(history_names[f]), &number));
        field_set_add(&change.kept, number);
    }
    struct coverage changed;
    coverage_change(&history->sequence.coverage, &change, &changed);
    history->sequence.coverage = changed;
    history->configuration = to;
    remember(history, (struct item){.kind = ITEM_CHANGE, .bits = kept});
}

void
history_restart(struct history *history)
{
    struct position position = {.sequence = history->sequence}, read;
    struct error err;
    struct buffer bytes;
    buffer_init(&bytes);
    position_encode(&position, history_fields(history), &bytes);
    const struct text text = {(const char *)bytes.data, bytes.bytes};
    assert_int_equal(position_decode(text, history_fields(history), &read, NULL, &err), 0);
    assert_memory_equal(&read, &position, sizeof read);
    history->sequence = read.sequence;
    buffer_free(&bytes);
}
