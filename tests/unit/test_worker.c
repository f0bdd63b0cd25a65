/* A worker on the real file system whose feed follows a script. */
#include "tests/unit/unit_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/config/config_identity.h"
#include "common/event/event_codec.h"
#include "consumer/partition/resume.h"
#include "consumer/partition/worker.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/thread_limit.h"
#include "tests/unit/engine_fixture.h"

enum { MESSAGES = 10, BATCH_MESSAGES = 2, PATIENCE_S = 60 };

/* The broker, from the worker's point of view. */
struct script {
    struct feed feed; /* first */
    struct buffer message;
    struct buffer marks[MESSAGES]; /* by offset; empty: the message above */
    pthread_mutex_t lock;          /* for the fields after it */
    int64_t next;                  /* the next offset to read; -1 before reading begins */
    int64_t end;                   /* messages from this offset on have not arrived yet */
    int64_t removed;               /* the topic does not have the messages before this one */
    int64_t committed;
    char metadata[RESUME_METADATA_BYTES]; /* of it; "": an operator's reset, or nothing */
    int64_t low;    /* of the topic; the reader of a rebuild finds nothing before it */
    int64_t high;   /* of the topic, as script_extent() has it */
    int64_t reader; /* the next offset of that reader; -1: it is not open */
    int64_t limit;  /* it finds nothing from this offset on */
    bool is_silent; /* the broker answers no commit */
    uint32_t asked; /* how many commits the worker has waited for */
    int64_t durable;
};

static int
script_committed(struct feed *feed, int64_t *offset, struct buffer *metadata, struct error *err)
{
    struct script *script = (struct script *)feed;
    (void)err;
    *offset = script->committed;
    buffer_append_format(metadata, "%s", script->metadata);
    return 0;
}

/* Appends the message at `offset`. */
static void
add_message(struct script *script, int64_t offset, struct kafka_batch *batch)
{
    const struct buffer *mark = &script->marks[offset];
    const struct buffer *message = mark->bytes > 0 ? mark : &script->message;
    batch->messages[batch->count] = NULL;
    batch->records[batch->count++] = (struct kafka_record){
        .offset = offset,
        .value = message->data,
        .value_bytes = message->bytes,
    };
}

static int
script_extent(struct feed *feed, int64_t *low, int64_t *high, struct error *err)
{
    const struct script *script = (const struct script *)feed;
    (void)err;
    *low = script->low;
    *high = script->high;
    return 0;
}

static int
script_read(struct feed *feed, int wait_ms, uint32_t max_records, size_t max_bytes,
            struct kafka_batch *batch, struct error *err)
{
    struct script *script = (struct script *)feed;
    (void)wait_ms;
    (void)max_bytes;
    int rc = 0;
    kafka_batch_release(batch);
    pthread_mutex_lock(&script->lock);
    if (script->next >= 0 && script->next < script->removed)
        rc = error_set(err, ERR_DATA, "the topic does not have the offset");
    while (rc == 0 && script->next >= 0 && script->next < script->end && batch->count < max_records)
        add_message(script, script->next++, batch);
    pthread_mutex_unlock(&script->lock);
    if (batch->count == 0)
        clock_sleep_ms(1);
    return rc;
}

static int
script_durable(struct feed *feed, int64_t offset, const struct sequence *sequence,
               const char *metadata, bool now, struct error *err)
{
    struct script *script = (struct script *)feed;
    (void)sequence;
    pthread_mutex_lock(&script->lock);
    bool refused = now && script->is_silent;
    script->asked += now;
    if (!refused) {
        script->durable = script->committed = offset;
        snprintf(script->metadata, sizeof script->metadata, "%s", metadata);
    }
    pthread_mutex_unlock(&script->lock);
    return refused ? error_set(err, ERR_RETRY, "the broker is away") : 0;
}

static void
script_bounds(struct feed *feed, struct feed_bounds *bounds)
{
    (void)feed;
    *bounds = (struct feed_bounds){
        .low = ((struct script *)feed)->low, .high = MESSAGES, .committed = -1};
}

struct script_reader {
    struct feed_reader reader; /* first */
    struct script *script;
};

static int
script_reader_read(struct feed_reader *reader, int wait_ms, struct kafka_batch *batch,
                   struct error *err)
{
    struct script *script = ((struct script_reader *)reader)->script;
    (void)wait_ms;
    int rc = 0;
    kafka_batch_release(batch);
    pthread_mutex_lock(&script->lock);
    if (script->reader < script->low)
        rc = error_set(err, ERR_DATA, "the topic does not have the offset");
    else if (script->reader < script->limit && script->reader < MESSAGES)
        add_message(script, script->reader++, batch);
    pthread_mutex_unlock(&script->lock);
    if (batch->count == 0)
        clock_sleep_ms(1);
    return rc;
}

static void
script_reader_bounds(struct feed_reader *reader, int64_t *low, int64_t *high)
{
    *low = ((struct script_reader *)reader)->script->low;
    *high = MESSAGES;
}

static void
script_replace(struct feed *feed, bool is_moved)
{
    (void)feed;
    (void)is_moved;
}

static void
script_reader_destroy(struct feed_reader *reader)
{
    struct script *script = ((struct script_reader *)reader)->script;
    pthread_mutex_lock(&script->lock);
    script->reader = -1;
    pthread_mutex_unlock(&script->lock);
    free(reader);
}

static int
script_open_reader(struct feed *feed, int64_t offset, struct feed_reader **reader,
                   struct error *err)
{
    struct script *script = (struct script *)feed;
    struct script_reader *made = memory_zalloc(sizeof *made);
    (void)err;
    pthread_mutex_lock(&script->lock);
    assert_int_equal(script->reader, -1);
    script->reader = offset >= 0 ? offset : script->low;
    pthread_mutex_unlock(&script->lock);
    *made = (struct script_reader){
        {script_reader_read, script_reader_bounds, script_reader_destroy}, script};
    *reader = &made->reader;
    return 0;
}

static void
script_destroy(struct feed *feed)
{
    (void)feed;
}

static const struct feed script_calls = {
    .committed = script_committed,
    .read = script_read,
    .durable = script_durable,
    .bounds = script_bounds,
    .open_reader = script_open_reader,
    .replace = script_replace,
    .destroy = script_destroy,
};

struct fixture {
    struct config config;
    struct data_dir data_dir;
    struct stage_times times;
    struct script script;
    struct dump_registry *dumps; /* NULL: none */
    struct worker *worker;
};

static void
encode(const struct event *event, struct buffer *message)
{
    struct error err = {0};
    struct event_codec *codec;
    assert_int_equal(event_codec_create(&codec, &err), 0);
    if (event_encode(codec, event, message, &err) != 0)
        fail_msg("%s", err.message);
    event_codec_destroy(codec);
}

/* All messages but the marks are equal. */
static void
write_message(struct buffer *message)
{
    struct arena arena;
    enum ops_route route;
    struct event event = {
        .kind = EVENT_ROW, .source = TEXT("http"), .entity_id = fixture_entity(1)};
    arena_init(&arena);
    buffer_init(message);
    fixture_parse(&arena, "[{'op':'alive'}]", &event.ops, &route);
    encode(&event, message);
    arena_free(&arena);
}

/* Checkpoints are taken on request only. */
static void
begin(struct fixture *fixture, const char *directory)
{
    struct error err;
    *fixture = (struct fixture){
        .config =
            {
                .index = "test",
                .topic = {.partitions = FIXTURE_PARTITIONS, .max_slots = 1000},
                .consumer = {.data_dir = directory,
                             .batch_rows = BATCH_MESSAGES,
                             .batch_bytes = 1 << 20,
                             .wal_segment_bytes = 1 << 20,
                             .wal_limit_bytes = 1 << 30,
                             .checkpoint_bytes = INT64_MAX},
                .index_config = fixture_index,
            },
        .script = {.feed = script_calls, .limit = MESSAGES},
    };
    write_message(&fixture->script.message);
    pthread_mutex_init(&fixture->script.lock, NULL);
    assert_int_equal(data_dir_open(files_posix(), directory, &fixture->data_dir, &err), 0);
}

static void
end(struct fixture *fixture)
{
    data_dir_close(&fixture->data_dir);
    pthread_mutex_destroy(&fixture->script.lock);
    buffer_free(&fixture->script.message);
    for (int i = 0; i < MESSAGES; i++)
        buffer_free(&fixture->script.marks[i]);
}

static void
prepare(struct fixture *fixture, int64_t committed, bool is_silent)
{
    struct script *script = &fixture->script;
    script->next = -1;
    script->reader = -1;
    script->committed = committed;
    script->metadata[0] = '\0';
    script->is_silent = is_silent;
    script->asked = 0;
    script->durable = -1;
}

static int
launch(struct fixture *fixture, struct error *err)
{
    const struct worker_options options = {
        .config = &fixture->config,
        .data_dir = &fixture->data_dir,
        .feed = &fixture->script.feed,
        .times = &fixture->times,
        .dumps = fixture->dumps,
        .partition = FIXTURE_PARTITION,
    };
    return worker_start(&options, &fixture->worker, err);
}

static int
try_start(struct fixture *fixture, int64_t committed, bool is_silent, struct error *err)
{
    prepare(fixture, committed, is_silent);
    return launch(fixture, err);
}

/* After what the worker before has committed. */
static void
restart(struct fixture *fixture)
{
    struct error err;
    struct script *script = &fixture->script;
    char metadata[RESUME_METADATA_BYTES];
    assert_int_equal(worker_stop(fixture->worker, &err), 0);
    memcpy(metadata, script->metadata, sizeof metadata);
    prepare(fixture, script->committed, false);
    memcpy(script->metadata, metadata, sizeof metadata);
    assert_int_equal(launch(fixture, &err), 0);
}

static void
start(struct fixture *fixture, int64_t committed, bool is_silent)
{
    struct error err;
    assert_int_equal(try_start(fixture, committed, is_silent, &err), 0);
}

static void
stop(struct fixture *fixture)
{
    struct error err;
    assert_int_equal(worker_stop(fixture->worker, &err), 0);
}

typedef bool (*condition)(struct fixture *fixture);

static void
wait_until(struct fixture *fixture, condition holds)
{
    int64_t begin_us = clock_monotonic_us();
    while (!holds(fixture)) {
        assert_true(clock_monotonic_us() - begin_us < (int64_t)PATIENCE_S * US_PER_S);
        clock_sleep_ms(1);
    }
}

static bool
is_ready(struct fixture *fixture)
{
    int64_t offset;
    return worker_ready(fixture->worker, &offset);
}

static bool
is_asked(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->script.lock);
    bool asked = fixture->script.asked > 0;
    pthread_mutex_unlock(&fixture->script.lock);
    return asked;
}

static bool
is_done(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->script.lock);
    bool done = fixture->script.durable == fixture->script.end;
    pthread_mutex_unlock(&fixture->script.lock);
    return done;
}

static struct shard_status
status_of(struct fixture *fixture)
{
    struct shard_status status;
    shard_read_status(worker_shard(fixture->worker), &status);
    return status;
}

static bool
is_running(struct fixture *fixture)
{
    return is_ready(fixture) && status_of(fixture).state == SHARD_RUNNING;
}

static bool
is_rebuilding(struct fixture *fixture)
{
    return is_ready(fixture) && status_of(fixture).state == SHARD_REBUILDING;
}

/* The reader of a rebuild finds messages up to `limit`, and none before `low`. */
static void
let_rebuild(struct fixture *fixture, int64_t low, int64_t limit)
{
    pthread_mutex_lock(&fixture->script.lock);
    fixture->script.low = low;
    fixture->script.limit = limit;
    pthread_mutex_unlock(&fixture->script.lock);
}

/* Waits until the worker is ready to read; returns the offset that it begins at. */
static int64_t
start_offset(struct fixture *fixture)
{
    int64_t offset = 0;
    wait_until(fixture, is_ready);
    assert_true(worker_ready(fixture->worker, &offset));
    return offset;
}

/* Lets the worker read up to `end`, from its start offset, which is returned, or from where it is.
 */
static int64_t
begin_reading(struct fixture *fixture, int64_t end)
{
    struct script *script = &fixture->script;
    int64_t offset = start_offset(fixture);
    pthread_mutex_lock(&script->lock);
    if (script->next < 0)
        script->next = offset >= 0 ? offset : 0;
    script->end = end;
    pthread_mutex_unlock(&script->lock);
    return offset;
}

static void
read_up_to(struct fixture *fixture, int64_t end)
{
    begin_reading(fixture, end);
    wait_until(fixture, is_done);
}

static struct shard_checkpoint
await_checkpoint(struct fixture *fixture, int64_t request)
{
    struct shard_checkpoint answer;
    int64_t begin_us = clock_monotonic_us();
    while (!worker_checkpoint_answer(fixture->worker, request, &answer)) {
        assert_true(clock_monotonic_us() - begin_us < (int64_t)PATIENCE_S * US_PER_S);
        clock_sleep_ms(1);
    }
    return answer;
}

static struct shard_checkpoint
take_checkpoint(struct fixture *fixture)
{
    return await_checkpoint(fixture, worker_request_checkpoint(fixture->worker));
}

enum { CHECKPOINT = MESSAGES - BATCH_MESSAGES, RESET = MESSAGES - 1 };

/* Leaves a checkpoint before the last batch. A reset to the offset RESET comes after it. */
static void
begin_reset(struct fixture *fixture, const char *directory)
{
    begin(fixture, directory);
    start(fixture, -1, false);
    read_up_to(fixture, CHECKPOINT);
    assert_int_equal(take_checkpoint(fixture).offset, CHECKPOINT);
    read_up_to(fixture, MESSAGES);
    stop(fixture);
}

/* A worker that loses its partition before its commit for a reset is acknowledged follows the reset
 * again, and does not skip the messages between the checkpoint and the reset's offset. */
static void
test_F66_F81_a_reset_is_followed_until_it_is_acknowledged(void **state)
{
    struct fixture fixture;
    begin_reset(&fixture, *state);
    start(&fixture, RESET, true);
    wait_until(&fixture, is_asked);
    worker_lose(fixture.worker);
    wait_until(&fixture, is_ready);
    stop(&fixture);
    let_rebuild(&fixture, 0, CHECKPOINT);
    start(&fixture, RESET, false);
    assert_int_equal(start_offset(&fixture), MESSAGES);
    wait_until(&fixture, is_rebuilding);
    assert_int_equal(status_of(&fixture).rebuild_offset, CHECKPOINT);
    let_rebuild(&fixture, 0, MESSAGES);
    wait_until(&fixture, is_running);
    stop(&fixture);
    end(&fixture);
}

/* A start reads the last message again, if the topic has it. A topic that ends before the position
 * has lost messages that were read: reading begins at the position, which it does not have. */
static void
test_F102_a_topic_that_ends_before_the_position_is_read_there(void **state)
{
    static const struct {
        int64_t low, high, begin;
    } cases[] = {
        {0, MESSAGES, MESSAGES - 1},    {MESSAGES - 1, MESSAGES + 1, MESSAGES - 1},
        {MESSAGES, MESSAGES, MESSAGES}, /* retention has removed it */
        {0, MESSAGES - 1, MESSAGES},    {0, 0, MESSAGES},
    };
    struct fixture fixture;
    begin(&fixture, *state);
    start(&fixture, -1, false);
    read_up_to(&fixture, MESSAGES);
    fixture.script.feed.extent = script_extent;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture.script.low = cases[i].low;
        fixture.script.high = cases[i].high;
        restart(&fixture);
        assert_int_equal(start_offset(&fixture), cases[i].begin);
    }
    stop(&fixture);
    end(&fixture);
}

static bool
is_ready_again(struct fixture *fixture)
{
    int64_t offset;
    return worker_ready(fixture->worker, &offset) == 2;
}

static bool
is_stalled(struct fixture *fixture)
{
    return status_of(fixture).state == SHARD_STALLED;
}

/* Retention removes the last message just before it is read again: reading begins after it. When
 * the next one is gone as well, events are lost. */
static void
test_F102_retention_may_remove_the_last_message_meanwhile(void **state)
{
    struct fixture fixture;
    struct script *script = &fixture.script;
    begin(&fixture, *state);
    start(&fixture, -1, false);
    read_up_to(&fixture, MESSAGES - 1);
    script->feed.extent = script_extent;
    script->high = MESSAGES;
    for (int lost = 1; lost >= 0; lost--) {
        restart(&fixture);
        script->removed = MESSAGES - 1 + lost;
        assert_int_equal(begin_reading(&fixture, MESSAGES - 1), MESSAGES - 2);
        wait_until(&fixture, is_ready_again);
        assert_int_equal(start_offset(&fixture), MESSAGES - 1);
        assert_int_equal(status_of(&fixture).state, SHARD_RUNNING);
        pthread_mutex_lock(&script->lock);
        script->next = MESSAGES - 1;
        script->end = MESSAGES;
        pthread_mutex_unlock(&script->lock);
        worker_begin_reading(fixture.worker, 2);
        wait_until(&fixture, lost ? is_stalled : is_done);
    }
    stop(&fixture);
    end(&fixture);
}

/* Another message than the last one that was read is at its offset. */
static void
replace_last_message(struct fixture *fixture)
{
    struct arena arena;
    enum ops_route route;
    struct event event = {
        .kind = EVENT_ROW, .source = TEXT("http"), .entity_id = fixture_entity(2)};
    arena_init(&arena);
    fixture_parse(&arena, "[{'op':'alive'}]", &event.ops, &route);
    encode(&event, &fixture->script.marks[MESSAGES - 1]);
    arena_free(&arena);
}

static bool
has_lost(struct fixture *fixture)
{
    return status_of(fixture).sequence.losses == 1;
}

/* A topic that was made again and ends where the old one was read up to is another one at once,
 * not from the next message on. Each start finds it again. */
static void
test_F102_a_topic_that_ends_at_the_position_is_another_one(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    start(&fixture, -1, false);
    read_up_to(&fixture, MESSAGES);
    fixture.script.feed.extent = script_extent;
    fixture.script.high = MESSAGES;
    replace_last_message(&fixture);
    for (int i = 0; i < 2; i++) {
        restart(&fixture);
        assert_int_equal(begin_reading(&fixture, MESSAGES), MESSAGES - 1);
        wait_until(&fixture, has_lost);
    }
    stop(&fixture);
    end(&fixture);
}

/* The checkpoint that answers a request is at or after the position at the time of the request. */
static void
test_a_checkpoint_answers_every_earlier_request(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    start(&fixture, -1, false);
    assert_int_equal(take_checkpoint(&fixture).offset, -1); /* an empty shard has none */
    for (int64_t offset = BATCH_MESSAGES; offset <= MESSAGES; offset += BATCH_MESSAGES) {
        read_up_to(&fixture, offset);
        int64_t first = worker_request_checkpoint(fixture.worker);
        int64_t second = worker_request_checkpoint(fixture.worker);
        for (int64_t request = first; request <= second; request++) {
            const struct shard_checkpoint answer = await_checkpoint(&fixture, request);
            assert_string_equal(answer.error, "");
            assert_int_equal(answer.offset, offset);
        }
    }
    stop(&fixture);
    end(&fixture);
}

static void
test_L9_a_checkpoint_that_may_not_be_taken_is_refused(void **state)
{
    struct fixture fixture;
    begin_reset(&fixture, *state);
    start(&fixture, RESET, true);
    wait_until(&fixture, is_asked);
    assert_string_equal(take_checkpoint(&fixture).error, "the broker is away");
    worker_lose(fixture.worker);
    wait_until(&fixture, is_ready);
    assert_non_null(strstr(take_checkpoint(&fixture).error, "lost its place in the group"));
    stop(&fixture);
    let_rebuild(&fixture, 0, CHECKPOINT);
    start(&fixture, RESET, false);
    wait_until(&fixture, is_rebuilding);
    assert_string_equal(take_checkpoint(&fixture).error, "");
    let_rebuild(&fixture, 0, MESSAGES);
    wait_until(&fixture, is_running);
    assert_string_equal(take_checkpoint(&fixture).error, "");
    stop(&fixture);
    end(&fixture);
}

/* Puts a file into the directory of checkpoints that has the name of one. */
static void
put_file(struct fixture *fixture, int64_t offset)
{
    const struct config *config = &fixture->config;
    char *path = data_dir_partition_path(config->consumer.data_dir, config_log_name(config),
                                         FIXTURE_PARTITION);
    char *file = memory_format("%s/wal/checkpoint/%020lld.checkpoint", path, (long long)offset);
    assert_int_equal(files_replace(files_posix(), file, "x", 1, NULL), 0);
    free(file);
    free(path);
}

/* Whatever is in the directory is input: before a start and while the worker runs. */
static void
test_F113_other_files_among_the_checkpoints_stop_nothing(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    start(&fixture, -1, false);
    read_up_to(&fixture, BATCH_MESSAGES);
    assert_string_equal(take_checkpoint(&fixture).error, "");
    stop(&fixture);
    put_file(&fixture, 0);
    put_file(&fixture, MESSAGES + 1);
    start(&fixture, -1, false);
    assert_int_equal(start_offset(&fixture), BATCH_MESSAGES);
    for (int64_t offset = 2 * BATCH_MESSAGES; offset <= MESSAGES; offset += BATCH_MESSAGES) {
        put_file(&fixture, 0);
        put_file(&fixture, 1);
        put_file(&fixture, MESSAGES + offset);
        read_up_to(&fixture, offset);
        assert_string_equal(take_checkpoint(&fixture).error, "");
    }
    stop(&fixture);
    end(&fixture);
}

/* The partition was revoked and assigned again after the request: its new worker has no record of
 * the request. */
static void
test_a_request_of_an_earlier_worker_is_refused(void **state)
{
    struct fixture fixture;
    struct shard_checkpoint answer;
    begin(&fixture, *state);
    start(&fixture, -1, false);
    assert_true(worker_checkpoint_answer(fixture.worker, 1, &answer));
    assert_string_equal(answer.error, "the partition was revoked and assigned again");
    stop(&fixture);
    end(&fixture);
}

/* The worker releases what it holds, so that it can be started again. */
static void
test_F113_a_limit_on_threads_is_an_error(void **state)
{
    struct fixture fixture;
    struct error err;
    begin(&fixture, *state);
    thread_limit_set();
    assert_int_equal(try_start(&fixture, -1, false, &err), ERR_FATAL);
    thread_limit_clear();
    assert_non_null(strstr(err.message, "could not start thread \"partition "));
    start(&fixture, -1, false);
    stop(&fixture);
    end(&fixture);
}

/* --- replays --------------------------------------------------------------------------------- */

static bool
has_rebuilt_log(struct fixture *fixture)
{
    const struct config *config = &fixture->config;
    char *path = data_dir_partition_path(config->consumer.data_dir, config_log_name(config),
                                         FIXTURE_PARTITION);
    char *log = memory_format("%s/wal.new", path);
    bool has_log = access(log, F_OK) == 0;
    free(log);
    free(path);
    return has_log;
}

/* An interrupted replay whose reset is taken back: the half-built state never serves. */
static void
test_F107_a_reset_at_the_serving_position_takes_a_replay_back(void **state)
{
    struct fixture fixture;
    begin_reset(&fixture, *state);
    let_rebuild(&fixture, 0, CHECKPOINT);
    start(&fixture, RESET, false);
    wait_until(&fixture, is_rebuilding);
    stop(&fixture);
    assert_true(has_rebuilt_log(&fixture));
    start(&fixture, MESSAGES, false);
    assert_int_equal(start_offset(&fixture), MESSAGES);
    wait_until(&fixture, is_running);
    assert_int_equal(status_of(&fixture).offset, MESSAGES);
    assert_int_equal(status_of(&fixture).rebuild_offset, -1);
    assert_false(has_rebuilt_log(&fixture));
    stop(&fixture);
    end(&fixture);
}

static struct replay_answer
ask(struct fixture *fixture, const struct replay_request *request)
{
    struct replay_answer answer;
    int64_t number = worker_request_replay(fixture->worker, request);
    int64_t begin_us = clock_monotonic_us();
    assert_true(number > 0);
    while (!worker_replay_answer(fixture->worker, number, &answer)) {
        assert_true(clock_monotonic_us() - begin_us < (int64_t)PATIENCE_S * US_PER_S);
        clock_sleep_ms(1);
    }
    return answer;
}

static struct replay_answer
ask_replay(struct fixture *fixture, enum replay_from from, int64_t value)
{
    const struct replay_request request = {.action = REPLAY_BEGIN, .from = from, .value = value};
    return ask(fixture, &request);
}

static struct replay_answer
ask_abort(struct fixture *fixture)
{
    return ask(fixture, &(struct replay_request){.action = REPLAY_ABORT});
}

enum { FIRST = 4, SECOND = 6, THIRD = 8 };

/* Leaves a worker that has a checkpoint at FIRST, has read up to SECOND, and rebuilds from the
 * checkpoint. */
static void
begin_replay(struct fixture *fixture, const char *directory)
{
    begin(fixture, directory);
    start(fixture, -1, false);
    read_up_to(fixture, FIRST);
    assert_int_equal(take_checkpoint(fixture).offset, FIRST);
    read_up_to(fixture, SECOND);
    let_rebuild(fixture, 0, FIRST);
    const struct replay_answer answer = ask_replay(fixture, REPLAY_FROM_LAST, 1);
    assert_string_equal(answer.error, "");
    assert_string_equal(answer.result, "begun");
    assert_int_equal(answer.offset, FIRST);
}

static void
test_F107_the_serving_state_reads_on_and_a_restart_keeps_both(void **state)
{
    struct fixture fixture;
    begin_replay(&fixture, *state);
    read_up_to(&fixture, THIRD);
    for (int turn = 0; turn < 2; turn++) {
        wait_until(&fixture, is_rebuilding);
        assert_int_equal(status_of(&fixture).offset, THIRD);
        assert_int_equal(status_of(&fixture).rebuild_offset, FIRST);
        restart(&fixture);
    }
    let_rebuild(&fixture, 0, MESSAGES);
    wait_until(&fixture, is_running);
    assert_true(status_of(&fixture).offset >= THIRD);
    assert_false(has_rebuilt_log(&fixture));
    stop(&fixture);
    end(&fixture);
}

static void
test_F107_a_replay_is_taken_back_by_command(void **state)
{
    struct fixture fixture;
    begin_replay(&fixture, *state);
    assert_string_equal(ask_abort(&fixture).result, "taken back");
    assert_int_equal(status_of(&fixture).state, SHARD_RUNNING);
    assert_false(has_rebuilt_log(&fixture));
    assert_string_equal(ask_abort(&fixture).result, "none");
    restart(&fixture);
    wait_until(&fixture, is_running);
    assert_int_equal(status_of(&fixture).offset, SECOND);
    const struct replay_answer late = ask_replay(&fixture, REPLAY_FROM_OFFSET, SECOND);
    assert_string_equal(late.result, "refused");
    assert_non_null(strstr(late.error, "is not before the serving position"));
    stop(&fixture);
    end(&fixture);
}

static bool
has_ended(struct fixture *fixture)
{
    return strstr(status_of(fixture).replay, "the replay has ended") != NULL && is_running(fixture);
}

/* Retention removes what the replay needs next. */
static void
test_F107_a_replay_ends_when_the_topic_loses_what_it_needs(void **state)
{
    struct fixture fixture;
    begin_replay(&fixture, *state);
    let_rebuild(&fixture, SECOND, MESSAGES);
    wait_until(&fixture, has_ended);
    assert_int_equal(status_of(&fixture).offset, SECOND);
    assert_false(has_rebuilt_log(&fixture));
    restart(&fixture);
    wait_until(&fixture, is_running);
    read_up_to(&fixture, MESSAGES);
    stop(&fixture);
    end(&fixture);
}

/* --- dumps ----------------------------------------------------------------------------------- */

/* The mark of a load of one dump without fields. */
static void
put_mark(struct fixture *fixture, int64_t offset, enum job_mark_kind kind)
{
    static const struct job_dump dump = {
        .name = TEXT("Image-1"), .table = TEXT("Image"), .rows = 3, .ops_written = 5};
    struct job_mark mark = {
        .kind = kind, .job = 7, .end = CHUNK_NO_END, .dumps = &dump, .dump_count = 1};
    const struct event event = {
        .kind = EVENT_JOB, .source = TEXT("default"), .epoch = 1, .generation = 1, .job = &mark};
    encode(&event, &fixture->script.marks[offset]);
}

static void
open_dumps(struct fixture *fixture, const char *directory)
{
    struct error err = {0};
    assert_int_equal(dump_registry_open(files_posix(), directory, "t", FIXTURE_PARTITIONS,
                                        &fixture->dumps, &err),
                     0);
    dump_registry_own(fixture->dumps, FIXTURE_PARTITION, true);
    assert_int_equal(dump_registry_assigned(fixture->dumps, true, &err), 0);
}

static bool
dumps_contain(struct fixture *fixture, const char *part)
{
    struct buffer answer;
    buffer_init(&answer);
    dump_registry_answer(fixture->dumps, &answer);
    bool contains = strstr(buffer_string(&answer), part) != NULL;
    buffer_free(&answer);
    return contains;
}

static bool
is_complete(struct fixture *fixture)
{
    return dumps_contain(fixture, "\"all_complete\":true");
}

/* The worker hands the marks of a load to the registry. A dump is complete when the frame after its
 * end mark is durable, also when the process ends before it could be said. */
static void
test_F12_marks_of_a_load_reach_the_registry_and_count_when_they_are_durable(void **state)
{
    struct fixture fixture;
    enum { BEGIN = 2, END = 7 };
    begin(&fixture, *state);
    put_mark(&fixture, BEGIN, JOB_BEGIN);
    put_mark(&fixture, END, JOB_END);
    open_dumps(&fixture, *state);
    start(&fixture, -1, false);
    read_up_to(&fixture, END);
    assert_true(dumps_contain(&fixture, "\"status\":\"Writing\""));
    read_up_to(&fixture, MESSAGES);
    wait_until(&fixture, is_complete);
    assert_true(dumps_contain(&fixture, "\"ops_written\":5,\"ops_processed\":5"));
    stop(&fixture);
    dump_registry_close(fixture.dumps);
    open_dumps(&fixture, *state);
    assert_true(is_complete(&fixture));
    start(&fixture, RESET, false); /* a rebuild reads the marks again */
    wait_until(&fixture, is_running);
    assert_true(is_complete(&fixture));
    stop(&fixture);
    dump_registry_close(fixture.dumps);
    end(&fixture);
}

/* What a crash between the registry's file and the log leaves: the mark is read again. */
static void
test_F12_a_mark_that_was_registered_and_is_not_durable_does_not_count(void **state)
{
    struct fixture fixture;
    struct error err = {0};
    begin(&fixture, *state);
    open_dumps(&fixture, *state);
    const struct job_dump dump = {.name = TEXT("Image-1"), .ops_written = 5};
    struct job_mark mark = {.kind = JOB_BEGIN, .job = 7, .dumps = &dump, .dump_count = 1};
    struct dump_mark one = {.epoch = 1, .offset = 2, .job = &mark, .incomplete = ""};
    assert_int_equal(dump_registry_mark(fixture.dumps, FIXTURE_PARTITION, &one, 1, &err), 0);
    mark.kind = JOB_END;
    one.offset = 7;
    assert_int_equal(dump_registry_mark(fixture.dumps, FIXTURE_PARTITION, &one, 1, &err), 0);
    start(&fixture, -1, false);
    wait_until(&fixture, is_ready);
    assert_true(dumps_contain(&fixture, "\"status\":\"Loading\""));
    put_mark(&fixture, 2, JOB_BEGIN);
    put_mark(&fixture, 7, JOB_END);
    read_up_to(&fixture, 7);
    assert_true(dumps_contain(&fixture, "\"status\":\"Loading\""));
    read_up_to(&fixture, MESSAGES);
    wait_until(&fixture, is_complete);
    stop(&fixture);
    dump_registry_close(fixture.dumps);
    end(&fixture);
}

#define WORKER_TEST(test) \
    cmocka_unit_test_setup_teardown(test, temporary_directory_setup, temporary_directory_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(test_F66_F81_a_reset_is_followed_until_it_is_acknowledged),
        WORKER_TEST(test_F102_a_topic_that_ends_before_the_position_is_read_there),
        WORKER_TEST(test_F102_a_topic_that_ends_at_the_position_is_another_one),
        WORKER_TEST(test_F102_retention_may_remove_the_last_message_meanwhile),
        WORKER_TEST(test_a_checkpoint_answers_every_earlier_request),
        WORKER_TEST(test_L9_a_checkpoint_that_may_not_be_taken_is_refused),
        WORKER_TEST(test_F113_other_files_among_the_checkpoints_stop_nothing),
        WORKER_TEST(test_a_request_of_an_earlier_worker_is_refused),
        WORKER_TEST(test_F113_a_limit_on_threads_is_an_error),
        WORKER_TEST(test_F107_a_reset_at_the_serving_position_takes_a_replay_back),
        WORKER_TEST(test_F107_the_serving_state_reads_on_and_a_restart_keeps_both),
        WORKER_TEST(test_F107_a_replay_is_taken_back_by_command),
        WORKER_TEST(test_F107_a_replay_ends_when_the_topic_loses_what_it_needs),
        WORKER_TEST(test_F12_marks_of_a_load_reach_the_registry_and_count_when_they_are_durable),
        WORKER_TEST(test_F12_a_mark_that_was_registered_and_is_not_durable_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
