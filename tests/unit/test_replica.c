/* A replica whose index configuration changes between two starts, with kills at every call of the
 * file system; and data directories that an older version has written. */
#include "tests/unit/unit_test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event/event_codec.h"
#include "consumer/partition/incomplete.h"
#include "consumer/partition/replica.h"
#include "tests/support/memory_files.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

#define GOLDEN SOURCE_DIRECTORY "/tests/golden/data_dir_version_1"

enum { MESSAGES_MAX = 64 };

/* --- configurations -------------------------------------------------------------------------- */

static const struct config_filter_field base_filters[] = {
    {.name = "level", .type = FIELD_SINGLE_VALUE}, {.name = "post", .type = FIELD_SINGLE_VALUE},
    {.name = "tags", .type = FIELD_MULTI_VALUE},   {.name = "flag", .type = FIELD_BOOLEAN},
    {.name = "kind", .type = FIELD_STRING},
};
static const char *const best_sources[] = {"rank", "seen"};
static const struct config_sort_field base_sorts[] = {
    {.name = "rank", .bits = 4},
    {.name = "seen", .bits = 4},
    {.name = "best",
     .bits = 4,
     .computed_op = COMPUTED_GREATEST,
     .source_fields = best_sources,
     .source_field_count = 2},
};
/* That of the golden directories. */
static const struct config_index base = {.filter_fields = base_filters,
                                         .filter_field_count = 5,
                                         .sort_fields = base_sorts,
                                         .sort_field_count = 3,
                                         .visible_from = NULL};

/* Without tags and post; kind is no string any more; seen is wider; level sorts, too. */
static const struct config_filter_field other_filters[] = {
    {.name = "flag", .type = FIELD_BOOLEAN},
    {.name = "kind", .type = FIELD_SINGLE_VALUE},
    {.name = "level", .type = FIELD_SINGLE_VALUE}};
static const struct config_sort_field other_sorts[] = {
    {.name = "seen", .bits = 8}, {.name = "level", .bits = 8}, {.name = "rank", .bits = 4}};
static const struct config_index other = {.filter_fields = other_filters,
                                          .filter_field_count = 3,
                                          .sort_fields = other_sorts,
                                          .sort_field_count = 3,
                                          .visible_from = NULL};

/* The fields of `base` in another order, and nothing else. */
static const struct config_filter_field turned_filters[] = {
    {.name = "kind", .type = FIELD_STRING},       {.name = "tags", .type = FIELD_MULTI_VALUE},
    {.name = "post", .type = FIELD_SINGLE_VALUE}, {.name = "level", .type = FIELD_SINGLE_VALUE},
    {.name = "flag", .type = FIELD_BOOLEAN},
};
static const struct config_sort_field turned_sorts[] = {
    {.name = "best",
     .bits = 4,
     .computed_op = COMPUTED_GREATEST,
     .source_fields = best_sources,
     .source_field_count = 2},
    {.name = "seen", .bits = 4},
    {.name = "rank", .bits = 4},
};
static const struct config_index turned = {.filter_fields = turned_filters,
                                           .filter_field_count = 5,
                                           .sort_fields = turned_sorts,
                                           .sort_field_count = 3,
                                           .visible_from = NULL};

/* Without tags, and without post, which the fan-out reads. */
static const struct config_filter_field less_filters[] = {
    {.name = "level", .type = FIELD_SINGLE_VALUE},
    {.name = "flag", .type = FIELD_BOOLEAN},
    {.name = "kind", .type = FIELD_STRING}};
static const struct config_index less = {.filter_fields = less_filters,
                                         .filter_field_count = 3,
                                         .sort_fields = base_sorts,
                                         .sort_field_count = 3,
                                         .visible_from = NULL};

/* Another computed field over the same sources. */
static const struct config_sort_field least_sorts[] = {
    {.name = "rank", .bits = 4},
    {.name = "seen", .bits = 4},
    {.name = "best",
     .bits = 4,
     .computed_op = COMPUTED_LEAST,
     .source_fields = best_sources,
     .source_field_count = 2},
};
static const struct config_index least = {.filter_fields = base_filters,
                                          .filter_field_count = 5,
                                          .sort_fields = least_sorts,
                                          .sort_field_count = 3,
                                          .visible_from = NULL};

/* --- a replica and its topic ----------------------------------------------------------------- */

struct store {
    struct config config;
    struct config_fields fields;
    struct memory_files *memory;
    struct worker_control control;
    struct stage_times times;
    struct event_codec *codec;
    struct replica *replica; /* NULL: stopped */
    struct buffer messages[MESSAGES_MAX];
    int64_t count;
    int64_t seq;
    uint64_t digest;
    struct buffer out;
};

static void
configure(struct store *store, const struct config_index *index)
{
    assert_null(store->replica);
    config_fields_free(&store->fields);
    store->config.index_config = *index;
    config_fields_init(&store->fields, &store->config.index_config);
}

static int
try_open(struct store *store, const char *directory, const struct replica_seed *seed,
         struct error *err)
{
    const struct replica_options options = {
        .config = &store->config,
        .files = memory_files_vtable(store->memory),
        .partition = FIXTURE_PARTITION,
        .directory = directory,
        .control = &store->control,
        .times = &store->times,
    };
    assert_int_equal(replica_create(&options, &store->replica, err), 0);
    int rc = replica_open(store->replica, seed, err);
    if (rc != 0) {
        replica_destroy(store->replica);
        store->replica = NULL;
    }
    return rc;
}

static int
try_start(struct store *store, struct error *err)
{
    static const struct replica_seed no_seed;
    return try_open(store, "wal", &no_seed, err);
}

static void
start(struct store *store)
{
    struct error err = {0};
    if (try_start(store, &err) != 0)
        fail_msg("%s", err.message);
}

static void
stop(struct store *store)
{
    replica_destroy(store->replica);
    store->replica = NULL;
}

static void
restart(struct store *store, const struct config_index *index)
{
    stop(store);
    memory_files_kill(store->memory);
    configure(store, index);
    start(store);
}

static void
store_begin(struct store *store, bool has_topic)
{
    struct error err;
    *store = (struct store){
        .config =
            {
                .index = "golden",
                .kafka = {.present = has_topic},
                .topic = {.name = "golden", .partitions = FIXTURE_PARTITIONS, .max_slots = 1000},
                .consumer = {.group = "golden",
                             .batch_rows = 1000,
                             .requests_max = 1000,
                             .batch_bytes = 1 << 20,
                             .wal_segment_bytes = 1 << 20,
                             .wal_limit_bytes = 1 << 30,
                             .checkpoint_bytes = 1 << 20},
            },
        .memory = memory_files_create(random_next()),
        .digest = EVENT_DIGEST_START,
    };
    configure(store, &base);
    worker_control_init(&store->control);
    assert_int_equal(event_codec_create(&store->codec, &err), 0);
}

static void
store_end(struct store *store)
{
    stop(store);
    for (int64_t i = 0; i < store->count; i++)
        buffer_free(&store->messages[i]);
    buffer_free(&store->out);
    config_fields_free(&store->fields);
    event_codec_destroy(store->codec);
    memory_files_destroy(store->memory);
}

static void
send(struct store *store, const struct event *event)
{
    struct error err;
    assert_true(store->count < MESSAGES_MAX);
    struct buffer *message = &store->messages[store->count++];
    buffer_init(message);
    assert_int_equal(event_encode(store->codec, event, message, &err), 0);
}

static void
send_row(struct store *store, int64_t slot, const char *json)
{
    struct arena arena;
    enum ops_route route;
    struct event event = {.source = TEXT("main"), .entity_id = fixture_entity(slot)};
    arena_init(&arena);
    if (store->config.kafka.present) {
        event.epoch = event.generation = event.tick = 1;
        event.seq = event.row_id = ++store->seq;
        store->digest = event_digest_next(store->digest, event.row_id);
    }
    fixture_parse(&arena, json, &event.ops, &route);
    event.kind = route == OPS_ROUTE_FAN_OUT ? EVENT_FAN_OUT : EVENT_ROW;
    send(store, &event);
    arena_free(&arena);
}

static void
send_mark(struct store *store, enum mark_kind kind)
{
    const struct event event = {
        .epoch = 1,
        .generation = 1,
        .tick = 1,
        .seq = store->seq,
        .source = TEXT("main"),
        .kind = EVENT_MARK,
        .mark = {.kind = kind,
                 .topic_id = TEXT("6f1c0d54-9c3e-4a55-8f0e-1f4a4dbb7a01"),
                 .digest = store->digest,
                 .clock_us = 1000000,
                 .snapshot = TEXT("700:700:"),
                 .source_empty = true,
                 .partitions = FIXTURE_PARTITIONS},
    };
    send(store, &event);
}

/* Reads the messages that the replica has not read, each as a frame. Stops at an error. */
static int
try_read(struct store *store, struct error *err)
{
    struct batch batch;
    const struct batch_context context = {
        .config = &store->config,
        .partition = FIXTURE_PARTITION,
        .engine = replica_engine(store->replica),
        .codec = store->codec,
    };
    int64_t next = replica_next_offset(store->replica);
    int rc = 0;
    batch_init(&batch, &context);
    for (int64_t i = next < 0 ? 0 : next; i < store->count && rc == 0; i++) {
        const struct buffer *message = &store->messages[i];
        const struct kafka_record record = {
            .offset = i, .value = message->data, .value_bytes = message->bytes};
        batch_begin(&batch, &replica_position(store->replica)->sequence,
                    replica_record(store->replica));
        batch_set_proof(&batch, replica_proof(store->replica));
        assert_int_equal(batch_add(&batch, &record, err), 0);
        batch_close(&batch);
        rc = replica_advance(store->replica, &batch, err);
        if (rc == 0)
            rc = replica_save(store->replica, err);
    }
    batch_free(&batch);
    return rc;
}

static void
read_all(struct store *store)
{
    struct error err = {0};
    if (try_read(store, &err) != 0)
        fail_msg("%s", err.message);
}

static int
try_checkpoint(struct store *store, struct error *err)
{
    int rc = replica_checkpoint_begin(store->replica, err);
    return rc == 0 ? replica_checkpoint_end(store->replica, err) : rc;
}

static void
checkpoint(struct store *store)
{
    struct error err = {0};
    if (try_checkpoint(store, &err) != 0)
        fail_msg("%s", err.message);
}

/* What the messages of test_golden say. */
static void
send_first(struct store *store)
{
    if (store->config.kafka.present)
        send_mark(store, MARK_FENCE);
    send_row(store, 1,
             "[{'op':'alive'},{'op':'set','field':'level','value':4},"
             "{'op':'set','field':'post','value':70},{'op':'set','field':'tags','value':[7,9]},"
             "{'op':'set','field':'flag','value':true},{'op':'set','field':'kind','value':'image'},"
             "{'op':'set','field':'rank','value':3}]");
    send_row(store, 2,
             "[{'op':'alive'},{'op':'set','field':'post','value':71},"
             "{'op':'set','field':'rank','value':-5},{'op':'set','field':'seen','value':9},"
             "{'op':'add','field':'tags','value':9}]");
    send_row(store, 3,
             "[{'op':'alive'},{'op':'set','field':'post','value':70},"
             "{'op':'set','field':'kind','value':'video'}]");
    send_row(store, 0,
             "[{'op':'queryOpSet','query':'post eq 70',"
             "'ops':[{'op':'set','field':'seen','value':6}]}]");
}

static void
send_more(struct store *store)
{
    send_row(store, 3, "[{'op':'delete'}]");
    send_row(store, 4,
             "[{'op':'alive'},{'op':'set','field':'level','value':1},"
             "{'op':'set','field':'kind','value':'video'}]");
}

static void
assert_entity(struct store *store, int64_t slot, const char *wanted)
{
    assert_string_equal(
        fixture_entity_text(replica_engine(store->replica), fixture_entity(slot), &store->out),
        wanted);
}

/* The fields that are not complete, "alive" among them, in the order of the configuration. */
static void
assert_incomplete(struct store *store, const char *wanted)
{
    const struct sequence *sequence = &replica_position(store->replica)->sequence;
    const struct field_set complete = incomplete_find_complete(sequence, &store->fields);
    buffer_clear(&store->out);
    if (!field_set_has(&complete, FIELD_ALIVE))
        buffer_append_text(&store->out, "alive ");
    for (uint32_t i = 0; i < store->fields.count; i++)
        if (!field_set_has(&complete, i))
            buffer_append_format(&store->out, "%s ", store->fields.names[i]);
    assert_string_equal(buffer_string(&store->out), wanted);
}

/* --- comparisons with the source -------------------------------------------------------------- */

/* The sum of hashes of one value. */
static struct sum_field
sum_of(struct text field, int64_t slot, int64_t value)
{
    struct hash_sum sum = {0};
    const struct sum_seed seed = sum_hash_seed(value);
    hash_sum_add(&sum, sum_hash_int(&seed, fixture_entity(slot)));
    return (struct sum_field){field, (int64_t)sum.count, sum.high, sum.low};
}

static void
send_compared(struct store *store, struct event event)
{
    event.epoch = event.generation = 1;
    event.tick = 7;
    event.seq = store->seq;
    event.source = TEXT("main");
    send(store, &event);
}

/* Only entity 5 is in the range. The source has another post than the index, and another string,
 * whose sum the event does not have. */
static void
send_sum(struct store *store, int64_t job)
{
    const struct sum_field fields[] = {sum_of(TEXT(""), 5, 1), sum_of(TEXT("level"), 5, 7),
                                       sum_of(TEXT("post"), 5, 9)};
    struct sum sum = {.job = job,
                      .begin = fixture_entity(5),
                      .end = fixture_entity(6),
                      .fields = fields,
                      .field_count = 3};
    send_compared(store, (struct event){.kind = EVENT_SUM, .sum = &sum});
}

static void
send_check(struct store *store)
{
    static const struct text fields[] = {TEXT("post")};
    const uint32_t slot = 5;
    const int64_t value = 9;
    const struct chunk_column column = {
        .field = fields[0], .count = 1, .slots = &slot, .integers = &value};
    struct chunk chunk = {.purpose = CHUNK_CHECK,
                          .job = 12,
                          .begin = fixture_entity(5),
                          .end = fixture_entity(6),
                          .fields = fields,
                          .field_count = 1,
                          .columns = &column,
                          .column_count = 1};
    send_compared(store, (struct event){.kind = EVENT_CHUNK, .chunk = &chunk});
}

static void
note_verdicts(void *context, const struct verdicts *verdicts)
{
    struct store *store = context;
    for (uint32_t i = 0; i < verdicts->count; i++) {
        const struct verdict *verdict = verdicts->items[i];
        buffer_append_format(&store->out, "job %lld tick %lld", (long long)verdict->job,
                             (long long)verdict->tick);
        for (uint32_t field = 0; field < FIELD_NUMBERS; field++) {
            bool differs = field_set_has(&verdict->differing, field);
            if (differs || field_set_has(&verdict->equal, field))
                buffer_append_format(&store->out, " %s%s", differs ? "!" : "",
                                     config_fields_name(&store->fields, field));
        }
        for (uint32_t k = 0; k < verdict->difference_count; k++)
            buffer_append_format(&store->out, " (%lld %s %s)",
                                 (long long)verdict->differences[k].entity_id,
                                 verdict->differences[k].source, verdict->differences[k].index);
        buffer_append_text(&store->out, "; ");
    }
}

/* As another thread reads them. */
static void
assert_verdicts(struct store *store, const char *wanted)
{
    buffer_clear(&store->out);
    struct shard *shard = shard_create(&store->fields);
    replica_serve(store->replica, shard);
    shard_read_verdicts(shard, note_verdicts, store);
    assert_string_equal(buffer_string(&store->out), wanted);
    stop(store);
    shard_destroy(shard);
    start(store);
}

static void
begin_compared(struct store *store)
{
    store_begin(store, true);
    start(store);
    send_mark(store, MARK_FENCE);
    send_row(store, 5,
             "[{'op':'alive'},{'op':'set','field':'level','value':7},"
             "{'op':'set','field':'post','value':8}]");
    send_sum(store, 11);
    send_row(store, 5, "[{'op':'set','field':'post','value':6}]");
    send_check(store);
    send_row(store, 5, "[{'op':'set','field':'post','value':9}]");
    read_all(store);
}

/* The comparison is made again from the log, at the same place: later rows do not matter. */
static void
test_verdicts_follow_from_the_log_and_from_checkpoints(void **state)
{
    (void)state;
    static const char wanted[] = "job 11 tick 7 level !post alive (16 9 6); ";
    struct store store;
    begin_compared(&store);
    assert_int_equal(replica_verdicts(store.replica)->ranges, 1);
    assert_int_equal(replica_verdicts(store.replica)->differing, 1);
    assert_verdicts(&store, wanted);
    assert_verdicts(&store, wanted);
    checkpoint(&store);
    restart(&store, &base);
    assert_verdicts(&store, wanted);
    assert_true(sequence_complete(&replica_position(store.replica)->sequence));
    store_end(&store);
}

static void
test_a_verdict_is_replaced_by_the_next_one(void **state)
{
    (void)state;
    struct store store;
    begin_compared(&store);
    send_sum(&store, 13);
    read_all(&store);
    assert_int_equal(replica_verdicts(store.replica)->differing, 0);
    assert_verdicts(&store, "job 13 tick 7 level post alive; ");
    store_end(&store);
}

/* Only what is complete is compared. */
static void
test_fields_that_are_not_complete_are_not_compared(void **state)
{
    (void)state;
    struct store store;
    begin_compared(&store);
    store.seq++; /* an event is lost */
    send_sum(&store, 13);
    read_all(&store);
    assert_verdicts(&store, "job 13 tick 7; ");
    store_end(&store);
}

static void
test_another_configuration_begins_without_verdicts(void **state)
{
    (void)state;
    struct store store;
    begin_compared(&store);
    restart(&store, &less);
    assert_int_equal(replica_verdicts(store.replica)->ranges, 0);
    send_sum(&store, 13);
    read_all(&store);
    assert_verdicts(&store, "job 13 tick 7 level alive; ");
    checkpoint(&store);
    restart(&store, &base);
    assert_int_equal(replica_verdicts(store.replica)->ranges, 0);
    store_end(&store);
}

/* --- golden directories ---------------------------------------------------------------------- */

static void
copy_file(struct store *store, const char *from, const char *to)
{
    struct error err;
    struct buffer content;
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    buffer_init(&content);
    size_t bytes;
    while ((bytes = fread(buffer_reserve(&content, 1 << 16), 1, 1 << 16, file)) > 0)
        content.bytes += bytes;
    fclose(file);
    assert_int_equal(
        files_replace(memory_files_vtable(store->memory), to, content.data, content.bytes, &err),
        0);
    buffer_free(&content);
}

static void
copy_directory(struct store *store, const char *from, const char *to)
{
    struct error err;
    struct files *files = memory_files_vtable(store->memory);
    DIR *directory = opendir(from);
    assert_non_null(directory);
    assert_int_equal(files->make_directory(files, to, &err), 0);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char *source = memory_format("%s/%s", from, entry->d_name);
        char *copy = memory_format("%s/%s", to, entry->d_name);
        if (strcmp(entry->d_name, "checkpoint") == 0)
            copy_directory(store, source, copy);
        else
            copy_file(store, source, copy);
        free(source);
        free(copy);
    }
    closedir(directory);
}

static void
begin_golden(struct store *store, const char *name, bool has_topic)
{
    char *path = memory_format(GOLDEN "/%s", name);
    store_begin(store, has_topic);
    copy_directory(store, path, "wal");
    free(path);
    start(store);
}

static void
assert_golden_entities(struct store *store)
{
    assert_entity(store, 1,
                  "\"level\":4,\"post\":70,\"tags\":[7,9],\"flag\":true,\"kind\":\"image\","
                  "\"rank\":3,\"seen\":6,\"best\":6");
    assert_entity(store, 2, "\"post\":71,\"tags\":[9],\"rank\":-5,\"seen\":9,\"best\":9");
    assert_entity(store, 3, "!alive ");
    assert_entity(store, 4, "\"level\":1,\"kind\":\"video\"");
}

static void
test_a_data_directory_of_the_version_before_keeps_what_it_proved(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool has_topic;
        bool is_complete;
        const char *reason; /* of existence */
        int64_t losses;
    } cases[] = {
        {"complete", true, true, "", 0},
        {"stand_alone", false, true, "", 0},
        {"not_empty", true, false,
         "the source had rows before the topic began: bitdex-producer load", 0},
        {"gap", true, false, "events 5 to 5 never came; 1 are missing in all: bitdex-producer load",
         1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct store store;
        char reason[INCOMPLETE_BYTES];
        begin_golden(&store, cases[i].name, cases[i].has_topic);
        for (int restarts = 0; restarts < 2; restarts++) {
            const struct sequence *sequence = &replica_position(store.replica)->sequence;
            assert_golden_entities(&store);
            assert_int_equal(sequence_complete(sequence), cases[i].is_complete);
            assert_int_equal(sequence->losses, cases[i].losses);
            incomplete_describe_field(sequence, &store.fields, FIELD_ALIVE, reason, sizeof reason);
            assert_string_equal(reason, cases[i].reason);
            assert_incomplete(&store, cases[i].is_complete
                                          ? ""
                                          : "alive level post tags flag kind rank seen best ");
            checkpoint(&store); /* of the present version */
            restart(&store, &base);
        }
        store_end(&store);
    }
}

/* The next messages of its topic continue what the old version has written. */
static void
test_a_data_directory_of_the_version_before_takes_further_frames(void **state)
{
    (void)state;
    struct store store;
    begin_golden(&store, "complete", true);
    assert_int_equal(replica_next_offset(store.replica), 9);
    send_first(&store);
    send_mark(&store, MARK_WATERMARK);
    send_more(&store);
    send_mark(&store, MARK_WATERMARK);
    send_row(&store, 5, "[{'op':'alive'},{'op':'set','field':'level','value':7}]");
    send_mark(&store, MARK_WATERMARK);
    read_all(&store);
    for (int i = 0; i < 2; i++) {
        restart(&store, &base); /* from frames, then from a checkpoint */
        assert_golden_entities(&store);
        assert_entity(&store, 5, "\"level\":7");
        assert_incomplete(&store, "");
        assert_int_equal(replica_proof(store.replica)->tick, 1);
        assert_true(proof_sees(replica_proof(store.replica), 699));
        checkpoint(&store);
    }
    store_end(&store);
}

/* --- changed configurations ------------------------------------------------------------------ */

/* `checkpoint_after`: after so many messages; -1: none. */
static void
begin_base(struct store *store, bool has_topic, int64_t checkpoint_after)
{
    store_begin(store, has_topic);
    start(store);
    send_first(store);
    if (checkpoint_after > 0) {
        read_all(store);
        checkpoint(store);
    }
    send_more(store);
    read_all(store);
}

static void
assert_other(struct store *store)
{
    assert_entity(store, 1, "\"flag\":true,\"rank\":3");
    assert_entity(store, 2, "\"rank\":-5");
    assert_entity(store, 3, "!alive ");
    assert_entity(store, 4, "");
    assert_incomplete(store, "kind level seen ");
}

static void
test_fields_that_stay_keep_their_values_and_their_proof(void **state)
{
    (void)state;
    for (int64_t after = -1; after <= 5; after += 6) {
        struct store store;
        begin_base(&store, true, after);
        restart(&store, &other);
        assert_other(&store);
        restart(&store, &other); /* no frame was written meanwhile */
        assert_other(&store);
        restart(&store, &base);
        assert_golden_entities(&store);
        assert_incomplete(&store, "");
        store_end(&store);
    }
}

static void
test_an_added_field_begins_empty_and_is_filled_by_what_follows(void **state)
{
    (void)state;
    for (int64_t after = -1; after <= 5; after += 6) {
        struct store store;
        begin_base(&store, true, after);
        restart(&store, &less);
        send_row(&store, 4, "[{'op':'set','field':'tags','value':[5]}]"); /* is not in the index */
        read_all(&store);
        restart(&store, &base);
        assert_incomplete(&store, "post tags ");
        assert_entity(&store, 1,
                      "\"level\":4,\"flag\":true,\"kind\":\"image\",\"rank\":3,\"seen\":6,"
                      "\"best\":6");
        send_row(&store, 4, "[{'op':'set','field':'post','value':9}]");
        send_row(&store, 0,
                 "[{'op':'queryOpSet','query':'post eq 9',"
                 "'ops':[{'op':'add','field':'tags','value':6}]}]");
        read_all(&store);
        assert_entity(&store, 4, "\"level\":1,\"post\":9,\"tags\":[6],\"kind\":\"video\"");
        restart(&store, &base);
        assert_entity(&store, 4, "\"level\":1,\"post\":9,\"tags\":[6],\"kind\":\"video\"");
        assert_incomplete(&store, "post tags ");
        checkpoint(&store);
        restart(&store, &base);
        assert_entity(&store, 4, "\"level\":1,\"post\":9,\"tags\":[6],\"kind\":\"video\"");
        assert_incomplete(&store, "post tags ");
        store_end(&store);
    }
}

/* With no frame between, too: the checkpoint is of the configuration without them. */
static void
test_a_checkpoint_forgets_removed_fields(void **state)
{
    (void)state;
    struct store store;
    begin_base(&store, true, -1);
    restart(&store, &less);
    checkpoint(&store);
    restart(&store, &base);
    assert_incomplete(&store, "post tags ");
    assert_entity(&store, 2, "\"rank\":-5,\"seen\":9,\"best\":9");
    store_end(&store);
}

static void
test_the_order_of_the_fields_in_the_configuration_does_not_matter(void **state)
{
    (void)state;
    for (int64_t after = -1; after <= 5; after += 6) {
        struct store store;
        begin_base(&store, true, after);
        restart(&store, &turned);
        assert_incomplete(&store, "");
        assert_entity(&store, 1,
                      "\"kind\":\"image\",\"tags\":[7,9],\"post\":70,\"level\":4,\"flag\":true,"
                      "\"best\":6,\"seen\":6,\"rank\":3");
        store_end(&store);
    }
}

static void
test_a_computed_field_follows_its_definition_and_its_sources(void **state)
{
    (void)state;
    struct store store;
    begin_base(&store, true, 5);
    restart(&store, &least);
    assert_incomplete(&store, "");
    assert_entity(&store, 2, "\"post\":71,\"tags\":[9],\"rank\":-5,\"seen\":9,\"best\":-5");
    send_row(&store, 2, "[{'op':'set','field':'rank','value':-7}]");
    read_all(&store);
    restart(&store, &least);
    assert_entity(&store, 2, "\"post\":71,\"tags\":[9],\"rank\":-7,\"seen\":9,\"best\":-7");
    restart(&store, &other);
    restart(&store, &base);
    assert_entity(&store, 2, "\"post\":71,\"tags\":[9],\"rank\":-7,\"seen\":9,\"best\":9");
    store_end(&store);
}

static void
test_a_stand_alone_index_keeps_its_fields_too(void **state)
{
    (void)state;
    struct store store;
    begin_base(&store, false, 4);
    restart(&store, &other);
    assert_other(&store);
    send_row(&store, 1, "[{'op':'set','field':'kind','value':3}]");
    read_all(&store);
    restart(&store, &other);
    assert_entity(&store, 1, "\"flag\":true,\"kind\":3,\"rank\":3");
    assert_incomplete(&store, "kind level seen ");
    store_end(&store);
}

static void
test_a_rebuild_begins_from_a_checkpoint_of_another_configuration(void **state)
{
    (void)state;
    static const struct replica_seed seed = {"wal", 100};
    struct store store;
    struct error err = {0};
    begin_base(&store, true, 5);
    stop(&store);
    memory_files_kill(store.memory);
    configure(&store, &other);
    assert_int_equal(try_open(&store, "rebuilt", &seed, &err), 0);
    assert_int_equal(replica_next_offset(store.replica), 5);
    assert_entity(&store, 1, "\"flag\":true,\"rank\":3");
    assert_incomplete(&store, "kind level seen ");
    checkpoint(&store);
    stop(&store);
    memory_files_kill(store.memory);
    assert_int_equal(try_open(&store, "rebuilt", &(struct replica_seed){0}, &err), 0);
    assert_incomplete(&store, "kind level seen ");
    send_row(&store, 5, "[{'op':'alive'},{'op':'set','field':'seen','value':200}]");
    read_all(&store);
    assert_entity(&store, 5, "\"seen\":200");
    assert_entity(&store, 3, "!alive ");
    store_end(&store);
}

/* Of another index, topic or partition, nothing is used. */
static void
test_F45_the_log_of_another_index_is_refused(void **state)
{
    (void)state;
    struct store store;
    struct error err = {0};
    begin_base(&store, true, 5);
    stop(&store);
    memory_files_kill(store.memory);
    store.config.index = "another";
    assert_int_equal(try_start(&store, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, "index: golden in the log, another expected"));
    store_end(&store);
}

static void
test_F39_a_kill_at_any_call_leaves_one_of_both_configurations(void **state)
{
    (void)state;
    for (int64_t call = 1;; call++) {
        struct store store;
        struct error err = {0};
        begin_base(&store, true, 5);
        stop(&store);
        memory_files_kill(store.memory);
        configure(&store, &less);
        send_row(&store, 4, "[{'op':'set','field':'rank','value':2}]");
        memory_files_fail(store.memory, call, MEMORY_DEAD);
        int rc = try_start(&store, &err);
        if (rc == 0)
            rc = try_read(&store, &err);
        if (rc == 0)
            rc = try_checkpoint(&store, &err);
        bool failed = memory_files_failed(store.memory);
        assert_true(failed || rc == 0);
        if (store.replica != NULL)
            stop(&store);
        memory_files_crash(store.memory);
        start(&store);
        assert_incomplete(&store, "");
        read_all(&store);
        assert_entity(&store, 1,
                      "\"level\":4,\"flag\":true,\"kind\":\"image\",\"rank\":3,\"seen\":6,"
                      "\"best\":6");
        assert_entity(&store, 4, "\"level\":1,\"kind\":\"video\",\"rank\":2,\"best\":2");
        restart(&store, &base);
        assert_incomplete(&store, "post tags ");
        assert_entity(&store, 2, "\"rank\":-5,\"seen\":9,\"best\":9");
        store_end(&store);
        if (!failed)
            return;
    }
}

/* The requests stay, with a letter of a field that stays; that of tags goes with its field. */
static void
test_the_record_stays_when_the_configuration_changes(void **state)
{
    (void)state;
    struct store store;
    store_begin(&store, true);
    start(&store);
    send_mark(&store, MARK_FENCE);
    send_row(&store, 5, "[{'op':'alive'},{'op':'refresh'}]");
    send_row(&store, 6,
             "[{'op':'refresh','entry':'Post.post'},{'op':'set','field':'level','value':'high'},"
             "{'op':'set','field':'tags','value':'many'}]");
    read_all(&store);
    for (int i = 0; i < 4; i++) {
        bool has_tags = i == 0;
        if (i == 1)
            checkpoint(&store);
        if (i > 0)
            restart(&store, i % 2 == 1 ? &less : &base);
        assert_int_equal(unanswered_count(replica_record(store.replica)), 2);
        assert_int_equal(unanswered_letter_count(replica_record(store.replica)), 1 + has_tags);
        if (i == 1) { /* the log continues under the new configuration */
            send_row(&store, 7, "[{'op':'alive'}]");
            read_all(&store);
        }
    }
    send_mark(&store, MARK_WATERMARK); /* it owes nothing */
    read_all(&store);
    assert_int_equal(unanswered_count(replica_record(store.replica)), 0);
    assert_int_equal(replica_position(store.replica)->sequence.reason, COVERAGE_ANSWER_LOST);
    store_end(&store);
}

/* Nothing is read after the skip: it is in the log by itself. */
static void
test_F106_a_skip_is_a_durable_loss_and_empties_the_record(void **state)
{
    (void)state;
    struct store store;
    struct error err = {0};
    store_begin(&store, true);
    start(&store);
    send_mark(&store, MARK_FENCE);
    send_row(&store, 5, "[{'op':'alive'},{'op':'refresh'}]");
    read_all(&store);
    assert_true(sequence_complete(&replica_position(store.replica)->sequence));
    assert_int_equal(replica_skip(store.replica, 7, &err), 0);
    for (int i = 0; i < 3; i++) {
        const struct sequence *sequence = &replica_position(store.replica)->sequence;
        assert_int_equal(sequence->reason, COVERAGE_SKIPPED);
        assert_int_equal(sequence->skip_first, 2);
        assert_int_equal(sequence->skip_next, 7);
        assert_false(sequence_complete(sequence));
        assert_int_equal(replica_next_offset(store.replica), 7);
        assert_int_equal(unanswered_count(replica_record(store.replica)), 0);
        if (i == 1)
            checkpoint(&store);
        restart(&store, &base);
    }
    store_end(&store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_data_directory_of_the_version_before_keeps_what_it_proved),
        cmocka_unit_test(test_a_data_directory_of_the_version_before_takes_further_frames),
        cmocka_unit_test(test_fields_that_stay_keep_their_values_and_their_proof),
        cmocka_unit_test(test_an_added_field_begins_empty_and_is_filled_by_what_follows),
        cmocka_unit_test(test_a_checkpoint_forgets_removed_fields),
        cmocka_unit_test(test_the_order_of_the_fields_in_the_configuration_does_not_matter),
        cmocka_unit_test(test_a_computed_field_follows_its_definition_and_its_sources),
        cmocka_unit_test(test_a_stand_alone_index_keeps_its_fields_too),
        cmocka_unit_test(test_a_rebuild_begins_from_a_checkpoint_of_another_configuration),
        cmocka_unit_test(test_F45_the_log_of_another_index_is_refused),
        cmocka_unit_test(test_F39_a_kill_at_any_call_leaves_one_of_both_configurations),
        cmocka_unit_test(test_the_record_stays_when_the_configuration_changes),
        cmocka_unit_test(test_F106_a_skip_is_a_durable_loss_and_empties_the_record),
        cmocka_unit_test(test_verdicts_follow_from_the_log_and_from_checkpoints),
        cmocka_unit_test(test_a_verdict_is_replaced_by_the_next_one),
        cmocka_unit_test(test_fields_that_are_not_complete_are_not_compared),
        cmocka_unit_test(test_another_configuration_begins_without_verdicts),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
