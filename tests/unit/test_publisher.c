/* The publisher on librdkafka's mock cluster. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_reader.h"
#include "producer/sink/publisher.h"
#include "tests/support/mock_cluster.h"

enum { PARTITIONS = 3, MESSAGE_BYTES_MAX = 2000, WAIT_S = 60 };

static int topics_made;

struct fixture {
    char topic[32];
    struct config_kafka_setting setting;
    struct config config;
    struct publisher *publisher;
};

static void
fixture_begin(struct fixture *fixture)
{
    static const struct text fields[] = {{"", 0}, {"f", 1}};
    struct numbering numbering;
    const struct publisher_origin origin = {
        .source = "main",
        .epoch = 2,
        .generation = 3,
        .topic_id = "id",
        .start_name = "0123456789abcdef",
        .fields = fields,
        .field_count = 2,
        .voided = 7,
        .message_bytes_max = MESSAGE_BYTES_MAX,
        .event_bytes_max = MESSAGE_BYTES_MAX,
    };
    snprintf(fixture->topic, sizeof fixture->topic, "topic%d", topics_made++);
    mock_cluster_create_topic(fixture->topic, PARTITIONS);
    fixture->setting = (struct config_kafka_setting){"bootstrap.servers", mock_cluster_bootstrap()};
    fixture->config = (struct config){
        .kafka = {.common = {&fixture->setting, 1}},
        .topic = {.name = fixture->topic, .partitions = PARTITIONS},
    };
    numbering_init(&numbering, PARTITIONS);
    struct error err = {0};
    if (publisher_create(&fixture->config, &origin, &numbering, &fixture->publisher, &err) != 0)
        fail_msg("%s", err.message);
    numbering_free(&numbering);
}

static void
fixture_end(struct fixture *fixture)
{
    publisher_destroy(fixture->publisher);
}

static int
add_row(struct fixture *fixture, int64_t row_id, int64_t entity_id, const char *value,
        struct error *err)
{
    const struct op op = {.kind = OP_SET,
                          .field = TEXT("f"),
                          .value = {.kind = VALUE_STRING, .string = text_of(value)}};
    struct event event = {.tick = 9,
                          .kind = EVENT_ROW,
                          .txid = 700 + (uint64_t)row_id,
                          .row_id = row_id,
                          .entity_id = entity_id,
                          .ops = {&op, 1}};
    return publisher_add(fixture->publisher, numbering_partition(entity_id, PARTITIONS), &event,
                         err);
}

static void
flush_and_await(struct fixture *fixture)
{
    struct error err = {0};
    bool done;
    assert_int_equal(publisher_flush(fixture->publisher, &done, &err), 0);
    assert_true(done);
    int64_t until_us = clock_monotonic_us() + (int64_t)WAIT_S * US_PER_S;
    while (publisher_outstanding(fixture->publisher) > 0) {
        assert_int_equal(publisher_poll(fixture->publisher, 50, &err), 0);
        assert_true(clock_monotonic_us() < until_us);
    }
}

/* The event at `offset` of a partition, in `arena`; its key in `key`. */
static struct event
read_event(struct fixture *fixture, int32_t partition, int64_t offset, struct arena *arena,
           uint8_t *key)
{
    struct kafka_reader *reader;
    struct event_codec *codec;
    struct event event;
    struct kafka_batch *batch = memory_zalloc(sizeof *batch);
    assert_int_equal(kafka_reader_create(&fixture->config.kafka, fixture->topic, &reader, NULL), 0);
    assert_int_equal(kafka_reader_start(reader, partition, offset, NULL), 0);
    for (int i = 0; batch->count == 0; i++) {
        assert_true(i < WAIT_S);
        kafka_reader_read(reader, 1000, batch, NULL);
    }
    assert_int_equal(event_codec_create(&codec, NULL), 0);
    assert_int_equal(event_decode(codec, batch->records[0].value, batch->records[0].value_bytes,
                                  arena, &event, NULL),
                     0);
    if (key != NULL && batch->records[0].key_bytes == 8)
        memcpy(key, batch->records[0].key, 8);
    event_codec_destroy(codec);
    kafka_batch_release(batch);
    free(batch);
    kafka_reader_destroy(reader);
    return event;
}

static void
test_events_carry_their_numbers_and_marks_the_last_ones(void **state)
{
    (void)state;
    struct fixture fixture;
    struct arena arena = {0};
    uint8_t key[8] = {0};
    const struct mark mark = {.kind = MARK_WATERMARK, .snapshot = TEXT("1:1:"), .max_row_id = 99};
    fixture_begin(&fixture);
    assert_int_equal(add_row(&fixture, 10, 4, "x", NULL), 0);
    assert_int_equal(add_row(&fixture, 11, 7, "y", NULL), 0);
    const int64_t owed[] = {0, 3, 5, 7};
    assert_int_equal(publisher_add_marks(fixture.publisher, 9, &mark, owed, NULL), 0);
    flush_and_await(&fixture);
    assert_int_equal(publisher_acked_offset(fixture.publisher, 1), 2);
    assert_int_equal(publisher_acked_offset(fixture.publisher, 0), 0);

    struct event first = read_event(&fixture, 1, 0, &arena, NULL);
    struct event second = read_event(&fixture, 1, 1, &arena, key);
    assert_int_equal(second.txid, 711);
    assert_int_equal(second.seq, 2);
    assert_int_equal(second.epoch, 2);
    assert_int_equal(second.generation, 3);
    assert_int_equal(second.tick, 9);
    assert_true(text_is(second.source, "main"));
    assert_memory_equal(key, "\0\0\0\0\0\0\0\7", 8);
    struct event watermark = read_event(&fixture, 1, 2, &arena, NULL);
    assert_int_equal(watermark.kind, EVENT_MARK);
    assert_int_equal(watermark.mark.owed, 3);
    assert_int_equal(watermark.seq, 2);
    assert_true(watermark.mark.digest ==
                event_digest_next(event_digest_next(EVENT_DIGEST_START, 10), 11));
    assert_true(watermark.mark.has_content);
    uint64_t content = event_content_next(EVENT_DIGEST_START, 10, 710, first.body_crc);
    assert_true(watermark.mark.content_digest ==
                event_content_next(content, 11, 711, second.body_crc));
    assert_true(text_is(watermark.mark.start_name, "0123456789abcdef"));
    assert_int_equal(watermark.mark.field_count, 2);
    assert_true(text_is(watermark.mark.fields[1], "f"));
    assert_int_equal(watermark.mark.voided, 7);
    assert_int_equal(watermark.mark.last_row_id, 11);
    assert_int_equal(watermark.mark.partitions, PARTITIONS);
    assert_true(text_is(watermark.mark.topic_id, "id"));
    struct event untouched = read_event(&fixture, 0, 0, &arena, NULL);
    assert_int_equal(untouched.seq, 0);
    assert_true(untouched.mark.digest == EVENT_DIGEST_START);
    assert_true(untouched.mark.content_digest == EVENT_DIGEST_START);
    arena_free(&arena);
    fixture_end(&fixture);
}

static void
test_an_event_too_large_for_the_topic_takes_no_seq(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error err = {0};
    char large[MESSAGE_BYTES_MAX + 1];
    memset(large, 'x', MESSAGE_BYTES_MAX);
    large[MESSAGE_BYTES_MAX] = '\0';
    fixture_begin(&fixture);
    assert_int_equal(add_row(&fixture, 1, 3, "small", NULL), 0);
    assert_int_equal(add_row(&fixture, 2, 3, large, &err), ERR_DATA);
    assert_non_null(strstr(err.message, "max.message.bytes"));
    assert_int_equal(add_row(&fixture, 2, 3, "not text: \xff", &err), ERR_DATA);
    assert_int_equal(add_row(&fixture, 3, 3, "small", NULL), 0);
    assert_int_equal(publisher_numbering(fixture.publisher)->seq[0], 2);
    flush_and_await(&fixture);
    assert_int_equal(publisher_acked_offset(fixture.publisher, 0), 1);
    fixture_end(&fixture);
}

static void
test_a_checkpoint_is_acknowledged_when_all_partitions_are(void **state)
{
    (void)state;
    struct fixture fixture;
    bool done;
    fixture_begin(&fixture);
    assert_null(publisher_acked_checkpoint(fixture.publisher));
    assert_int_equal(add_row(&fixture, 1, 0, "x", NULL), 0);
    assert_int_equal(publisher_flush(fixture.publisher, &done, NULL), 0);
    publisher_keep_checkpoint(fixture.publisher, 1);
    assert_int_equal(add_row(&fixture, 2, 1, "x", NULL), 0);
    assert_int_equal(publisher_flush(fixture.publisher, &done, NULL), 0);
    publisher_keep_checkpoint(fixture.publisher, 2);
    assert_null(publisher_acked_checkpoint(fixture.publisher)); /* no poll, no acknowledgement */
    flush_and_await(&fixture);
    const struct publisher_checkpoint *newest = publisher_acked_checkpoint(fixture.publisher);
    assert_non_null(newest);
    assert_int_equal(newest->row_id, 2);
    assert_int_equal(newest->numbering.seq[0], 1);
    assert_int_equal(newest->numbering.seq[1], 1);
    assert_null(publisher_acked_checkpoint(fixture.publisher)); /* returned once */
    fixture_end(&fixture);
}

static void
test_a_checkpoint_does_not_cover_later_events(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    assert_int_equal(add_row(&fixture, 1, 0, "x", NULL), 0);
    flush_and_await(&fixture);
    publisher_keep_checkpoint(fixture.publisher, 1);
    assert_int_equal(add_row(&fixture, 2, 0, "x", NULL), 0);
    const struct publisher_checkpoint *newest = publisher_acked_checkpoint(fixture.publisher);
    assert_non_null(newest);
    assert_int_equal(newest->numbering.seq[0], 1);
    bool done;
    assert_int_equal(publisher_flush(fixture.publisher, &done, NULL), 0);
    publisher_keep_checkpoint(fixture.publisher, 2);
    publisher_forget_checkpoints(fixture.publisher);
    flush_and_await(&fixture);
    assert_null(publisher_acked_checkpoint(fixture.publisher));
    fixture_end(&fixture);
}

static void
test_events_without_a_seq_carry_the_last_one(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error err = {0};
    struct arena arena = {0};
    struct text field = TEXT("f");
    char reason[MESSAGE_BYTES_MAX + 1];
    struct chunk chunk = {.job = 5, .begin = 0, .end = 30, .fields = &field, .field_count = 1};
    struct event event = {.tick = 9, .kind = EVENT_CHUNK, .chunk = &chunk};
    fixture_begin(&fixture);
    assert_int_equal(add_row(&fixture, 10, 4, "x", NULL), 0);
    assert_int_equal(publisher_add_control(fixture.publisher, 1, &event, NULL), 0);
    memset(reason, 'x', MESSAGE_BYTES_MAX);
    reason[MESSAGE_BYTES_MAX] = '\0';
    chunk.rejected = text_of(reason);
    assert_int_equal(publisher_add_control(fixture.publisher, 1, &event, &err), ERR_DATA);
    assert_non_null(strstr(err.message, "max.message.bytes"));
    assert_int_equal(add_row(&fixture, 11, 7, "y", NULL), 0);
    flush_and_await(&fixture);
    assert_int_equal(publisher_acked_offset(fixture.publisher, 1), 2);

    struct event read = read_event(&fixture, 1, 1, &arena, NULL);
    assert_int_equal(read.kind, EVENT_CHUNK);
    assert_int_equal(read.seq, 1);
    assert_int_equal(read.tick, 9);
    assert_int_equal(read.generation, 3);
    assert_int_equal(read.chunk->job, 5);
    assert_int_equal(read_event(&fixture, 1, 2, &arena, NULL).seq, 2);
    arena_free(&arena);
    fixture_end(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_carry_their_numbers_and_marks_the_last_ones),
        cmocka_unit_test(test_an_event_too_large_for_the_topic_takes_no_seq),
        cmocka_unit_test(test_a_checkpoint_is_acknowledged_when_all_partitions_are),
        cmocka_unit_test(test_a_checkpoint_does_not_cover_later_events),
        cmocka_unit_test(test_events_without_a_seq_carry_the_last_one),
    };
    return cmocka_run_group_tests(tests, mock_cluster_setup, mock_cluster_teardown);
}
