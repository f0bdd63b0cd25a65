/* The scenarios of the original system's tests, under their names: ops go through a batch and its
 * frame in the log, and a restart applies them to an index. In JSON, ' stands for ". */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "consumer/partition/batch.h"
#include "consumer/partition/position.h"
#include "consumer/wal/wal.h"
#include "tests/support/memory_files.h"
#include "tests/unit/engine_fixture.h"

enum { MESSAGES_MAX = 8, FRAME_BYTES = 1 << 20 };

/* A topic, and a consumer that can be restarted. */
struct fixture {
    struct config config;
    struct batch_context context;
    struct memory_files *memory;
    struct wal *wal;
    struct engine *engine;
    struct batch batch;
    struct position position;
    struct buffer messages[MESSAGES_MAX];
    uint32_t message_count;
    int64_t offset;
    uint32_t replayed_frames;
    struct buffer payload; /* of the last frame that was replayed */
};

static int
replay(void *context, const struct wal_frame *frame, struct error *err)
{
    struct fixture *fixture = context;
    struct arena arena;
    arena_init(&arena);
    fixture->replayed_frames++;
    buffer_clear(&fixture->payload);
    buffer_append(&fixture->payload, frame->payload, frame->payload_bytes);
    const struct text payload = {frame->payload, frame->payload_bytes};
    const struct text position = {frame->position, frame->position_bytes};
    int rc = position_decode(position, &fixture->batch.fields, &fixture->position, NULL, err);
    if (rc == 0)
        rc = batch_replay(&fixture->context, fixture->engine, payload, &arena, NULL, err);
    arena_free(&arena);
    return rc;
}

/* Starts the consumer, which replays the log. */
static void
start(struct fixture *fixture)
{
    struct error err;
    static const struct wal_options options = {
        "wal", "test_continuity", FRAME_BYTES, FRAME_BYTES, 0, NULL};
    fixture->engine = fixture_engine();
    fixture->context.engine = fixture->engine;
    fixture->replayed_frames = 0;
    batch_init(&fixture->batch, &fixture->context);
    position_init(&fixture->position, &fixture->batch.fields);
    assert_int_equal(wal_open(memory_files_vtable(fixture->memory), &options, replay, fixture,
                              &fixture->wal, &err),
                     0);
}

static void
stop(struct fixture *fixture)
{
    wal_close(fixture->wal);
    batch_free(&fixture->batch);
    engine_destroy(fixture->engine);
}

static void
restart(struct fixture *fixture)
{
    stop(fixture);
    memory_files_crash(fixture->memory);
    start(fixture);
}

static void
begin(struct fixture *fixture)
{
    struct error err;
    *fixture = (struct fixture){
        .config = {.topic = {.partitions = FIXTURE_PARTITIONS, .max_slots = 1000},
                   .index_config = fixture_index},
        .memory = memory_files_create(1),
    };
    fixture->context.config = &fixture->config;
    fixture->context.partition = FIXTURE_PARTITION;
    assert_int_equal(event_codec_create(&fixture->context.codec, &err), 0);
    start(fixture);
}

static void
end(struct fixture *fixture)
{
    stop(fixture);
    memory_files_destroy(fixture->memory);
    event_codec_destroy(fixture->context.codec);
    for (uint32_t i = 0; i < fixture->message_count; i++)
        buffer_free(&fixture->messages[i]);
    buffer_free(&fixture->payload);
}

/* The next message of the topic. */
static void
produce(struct fixture *fixture, int64_t slot, const char *json)
{
    struct error err;
    struct arena arena;
    enum ops_route route;
    struct event event = {
        .epoch = 1, .generation = 1, .source = TEXT("main"), .entity_id = fixture_entity(slot)};
    arena_init(&arena);
    fixture_parse(&arena, json, &event.ops, &route);
    event.kind = route == OPS_ROUTE_FAN_OUT ? EVENT_FAN_OUT : EVENT_ROW;
    struct buffer *message = &fixture->messages[fixture->message_count++];
    event.seq = fixture->message_count;
    assert_int_equal(event_encode(fixture->context.codec, &event, message, &err), 0);
    arena_free(&arena);
}

/* Writes all messages from `first` on as one batch to the log. They are applied by the restart. */
static void
consume(struct fixture *fixture, uint32_t first)
{
    struct error err = {0};
    struct batch *batch = &fixture->batch;
    struct buffer bytes;
    buffer_init(&bytes);
    batch_begin(batch, &fixture->position.sequence, NULL);
    for (uint32_t i = first; i < fixture->message_count; i++) {
        const struct buffer *message = &fixture->messages[i];
        const struct kafka_record record = {.offset = fixture->offset++,
                                            .value = (char *)message->data,
                                            .value_bytes = message->bytes};
        assert_int_equal(batch_add(batch, &record, &err), 0);
    }
    batch_close(batch);
    fixture->position.sequence = batch->sequence;
    position_encode(&fixture->position, &batch->fields, &bytes);
    const struct wal_frame frame = {
        .first_offset = batch->first_offset,
        .next_offset = batch->next_offset,
        .position = bytes.data,
        .position_bytes = bytes.bytes,
        .payload = batch->payload.data,
        .payload_bytes = batch->payload.bytes,
    };
    assert_int_equal(wal_append(fixture->wal, &frame, &err), 0);
    assert_int_equal(wal_sync(fixture->wal, &err), 0);
    buffer_free(&bytes);
}

/* Checks that the last frame holds that message as it was received, and nothing else. */
static void
check_only_message(const struct fixture *fixture, uint32_t number)
{
    const struct buffer *message = &fixture->messages[number];
    assert_int_equal(fixture->payload.bytes, 4 + message->bytes);
    assert_memory_equal(fixture->payload.data + 4, message->data, message->bytes);
}

static void
check_entity(const struct fixture *fixture, int64_t slot, const char *wanted)
{
    struct buffer text;
    buffer_init(&text);
    assert_string_equal(fixture_entity_text(fixture->engine, fixture_entity(slot), &text), wanted);
    buffer_free(&text);
}

static void
test_ops_wal_roundtrip_with_dedup(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    produce(&fixture, 1, "[{'op':'alive'}]");
    consume(&fixture, 0);
    produce(&fixture, 1, "[{'op':'set','field':'nsfwLevel','value':1}]");
    produce(&fixture, 1, "[{'op':'set','field':'nsfwLevel','value':8}]");
    produce(&fixture, 1, "[{'op':'set','field':'nsfwLevel','value':16}]");
    consume(&fixture, 1);
    assert_int_equal(fixture.batch.counts.compacted, 2);
    restart(&fixture);
    check_only_message(&fixture, 3);
    check_entity(&fixture, 1, "\"nsfwLevel\":16");
    end(&fixture);
}

static void
test_delete_absorbs_prior_ops_through_wal(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    produce(&fixture, 1, "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':1}]");
    produce(&fixture, 1, "[{'op':'add','field':'tagIds','value':7}]");
    produce(&fixture, 1, "[{'op':'delete'}]");
    consume(&fixture, 0);
    restart(&fixture);
    check_only_message(&fixture, 2);
    check_entity(&fixture, 1, "!alive ");
    end(&fixture);
}

/* F24: the index may have the tag from before, so the remove has to be kept. */
static void
test_add_remove_cancellation_through_wal(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    produce(&fixture, 1, "[{'op':'alive'},{'op':'add','field':'tagIds','value':7}]");
    consume(&fixture, 0);
    produce(&fixture, 1, "[{'op':'add','field':'tagIds','value':7}]");
    produce(&fixture, 1, "[{'op':'remove','field':'tagIds','value':7}]");
    consume(&fixture, 1);
    restart(&fixture);
    check_only_message(&fixture, 2);
    check_entity(&fixture, 1, "");
    end(&fixture);
}

static void
test_query_op_set_through_wal(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    produce(&fixture, 1, "[{'op':'alive'},{'op':'set','field':'postId','value':5}]");
    produce(&fixture, 2, "[{'op':'alive'},{'op':'set','field':'postId','value':6}]");
    consume(&fixture, 0);
    produce(
        &fixture, 5,
        "[{'op':'queryOpSet','query':'postId eq 5','ops':["
        "{'op':'set','field':'type','value':'SDXL'},{'op':'add','field':'tagIds','value':3}]}]");
    consume(&fixture, 2);
    restart(&fixture);
    check_only_message(&fixture, 2);
    check_entity(&fixture, 1, "\"postId\":5,\"tagIds\":[3],\"type\":\"SDXL\"");
    check_entity(&fixture, 2, "\"postId\":6");
    end(&fixture);
}

static void
test_wal_cursor_resume_across_appends(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    produce(&fixture, 1, "[{'op':'alive'}]");
    produce(&fixture, 1, "[{'op':'set','field':'postId','value':5}]");
    consume(&fixture, 0);
    restart(&fixture);
    assert_int_equal(fixture.replayed_frames, 1);
    assert_int_equal(wal_durable_offset(fixture.wal), 2);
    produce(&fixture, 1, "[{'op':'set','field':'rank','value':9}]");
    consume(&fixture, 0); /* the first two come again */
    assert_int_equal(fixture.batch.counts.duplicates, 2);
    restart(&fixture);
    assert_int_equal(fixture.replayed_frames, 2);
    check_only_message(&fixture, 2);
    check_entity(&fixture, 1, "\"postId\":5,\"rank\":9");
    end(&fixture);
}

static void
check_visible(const struct fixture *fixture, int64_t slot, bool wanted)
{
    assert_int_equal(engine_is_visible(fixture->engine, fixture_entity(slot)), wanted);
}

/* The last schedule of a batch is kept in the log, whatever the time is at the restart. */
static void
test_F33_a_schedule_that_moves_in_one_batch_survives_restarts(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    produce(&fixture, 1, "[{'op':'alive'},{'op':'set','field':'publishedAt','value':300}]");
    produce(&fixture, 2, "[{'op':'alive'},{'op':'set','field':'publishedAt','value':100}]");
    produce(&fixture, 3, "[{'op':'alive'},{'op':'set','field':'publishedAt','value':100}]");
    produce(&fixture, 1, "[{'op':'set','field':'publishedAt','value':100}]");
    produce(&fixture, 2, "[{'op':'set','field':'publishedAt','value':300}]");
    produce(&fixture, 3, "[{'op':'delete'}]");
    consume(&fixture, 0);
    assert_int_equal(fixture.batch.counts.compacted, 2);
    for (int64_t now_s = 99; now_s <= 300; now_s += now_s < 101 ? 1 : 199) {
        restart(&fixture);
        engine_advance(fixture.engine, now_s);
        check_visible(&fixture, 1, now_s >= 100);
        check_visible(&fixture, 2, now_s >= 300);
        check_visible(&fixture, 3, false);
    }
    end(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ops_wal_roundtrip_with_dedup),
        cmocka_unit_test(test_delete_absorbs_prior_ops_through_wal),
        cmocka_unit_test(test_add_remove_cancellation_through_wal),
        cmocka_unit_test(test_query_op_set_through_wal),
        cmocka_unit_test(test_wal_cursor_resume_across_appends),
        cmocka_unit_test(test_F33_a_schedule_that_moves_in_one_batch_survives_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
