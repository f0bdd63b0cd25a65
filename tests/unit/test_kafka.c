#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/kafka/kafka_admin.h"
#include "common/kafka/kafka_conf.h"
#include "common/kafka/kafka_consumer.h"
#include "common/kafka/kafka_group_offsets.h"
#include "common/kafka/kafka_producer.h"
#include "common/kafka/kafka_queue.h"
#include "common/kafka/kafka_reader.h"
#include "tests/support/mock_cluster.h"

enum { SETTINGS_MAX = 8, PATIENCE_S = 60 };
enum {
    PRODUCE = 0,
    OFFSET_COMMIT = 8,
    OFFSET_FETCH = 9,
    HEARTBEAT = 12,
    SYNC_GROUP = 14
}; /* keys of requests in the protocol */

struct settings {
    struct config_kafka_setting items[SETTINGS_MAX];
    struct config_kafka config;
};

/* `pairs`: names and values of both sides' settings, ended by NULL. */
static struct config_kafka *
configure(struct settings *settings, const char *brokers, const char *const *pairs)
{
    uint32_t count = 0;
    settings->items[0] = (struct config_kafka_setting){"bootstrap.servers", brokers};
    for (; pairs[2 * count] != NULL; count++)
        settings->items[count + 1] =
            (struct config_kafka_setting){pairs[2 * count], pairs[2 * count + 1]};
    settings->config = (struct config_kafka){
        .present = true,
        .common = {settings->items, 1},
        .producer = {settings->items + 1, count},
        .consumer = {settings->items + 1, count},
    };
    return &settings->config;
}

#define CONFIGURE(...)                                         \
    configure(&(struct settings){0}, mock_cluster_bootstrap(), \
              (const char *const[]){__VA_ARGS__, NULL})
#define CONFIGURE_PLAIN() CONFIGURE(NULL)

static bool
is_late(int64_t start_us)
{
    return clock_monotonic_us() - start_us > (int64_t)PATIENCE_S * US_PER_S;
}

static void
must(int rc, const struct error *err)
{
    if (rc != 0)
        fail_msg("%d: %s", rc, err->message);
}

static const char *
topic_of(const char *name, int partitions)
{
    mock_cluster_create_topic(name, partitions);
    return name;
}

static struct kafka_producer *
producer_of(const struct config_kafka *config, const char *topic, int32_t partitions)
{
    struct error err;
    struct kafka_producer *producer = NULL;
    must(kafka_producer_create(config, topic, partitions, 0, &producer, &err), &err);
    return producer;
}

/* Message `number` has its number as key and as value. */
static int
send_numbers(struct kafka_producer *producer, int32_t partition, uint64_t first, uint32_t count,
             uint32_t *sent, struct error *err)
{
    uint64_t *numbers = malloc(count * sizeof *numbers);
    struct kafka_message *messages = malloc(count * sizeof *messages);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = first + i;
        messages[i] = (struct kafka_message){&numbers[i], 8, &numbers[i], 8};
    }
    int rc = kafka_producer_send(producer, partition, messages, count, sent, err);
    free(messages);
    free(numbers);
    return rc;
}

static void
poll_until_acked(struct kafka_producer *producer)
{
    struct error err;
    int64_t start_us = clock_monotonic_us();
    while (kafka_producer_outstanding(producer) > 0 && !is_late(start_us))
        must(kafka_producer_poll(producer, 100, &err), &err);
    assert_int_equal(kafka_producer_outstanding(producer), 0);
}

static void
send_all(struct kafka_producer *producer, int32_t partition, uint64_t first, uint32_t count)
{
    struct error err;
    uint32_t sent;
    must(send_numbers(producer, partition, first, count, &sent, &err), &err);
    assert_int_equal(sent, count);
    poll_until_acked(producer);
}

static void
check_records(const struct kafka_batch *batch, uint64_t first)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct kafka_record *record = &batch->records[i];
        uint64_t number;
        assert_int_equal(record->value_bytes, 8);
        assert_int_equal(record->key_bytes, 8);
        assert_memory_equal(record->key, record->value, 8);
        memcpy(&number, record->value, 8);
        assert_int_equal(number, first + i);
        assert_int_equal(record->offset, (int64_t)(first + i));
    }
}

/* Checks that the partition holds the numbers 0 to count - 1 and nothing else. */
static void
check_topic(const char *topic, int32_t partition, uint64_t count)
{
    struct error err;
    struct kafka_reader *reader = NULL;
    struct kafka_batch *batch = calloc(1, sizeof *batch);
    int64_t start_us = clock_monotonic_us();
    uint64_t read = 0;
    must(kafka_reader_create(CONFIGURE_PLAIN(), topic, &reader, &err), &err);
    must(kafka_reader_start(reader, partition, 0, &err), &err);
    while (read < count && !is_late(start_us)) {
        must(kafka_reader_read(reader, 100, batch, &err), &err);
        check_records(batch, read);
        read += batch->count;
    }
    must(kafka_reader_read(reader, 50, batch, &err), &err);
    assert_int_equal(read + batch->count, count);
    kafka_batch_release(batch);
    free(batch);
    kafka_reader_destroy(reader);
}

/* Every message is acknowledged, in order, and read back as it was sent. */
static void
test_messages_arrive_in_order(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    const char *topic = topic_of("in-order", 3);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 3);
    for (int32_t partition = 0; partition < 3; partition++)
        assert_int_equal(kafka_producer_acked_offset(producer, partition), -1);
    assert_false(kafka_producer_acked_offset_is_last(producer, 0));
    for (int32_t partition = 0; partition < 2; partition++)
        send_all(producer, partition, 0, COUNT);
    for (int32_t partition = 0; partition < 2; partition++) {
        assert_int_equal(kafka_producer_sent(producer, partition), COUNT);
        assert_int_equal(kafka_producer_acked(producer, partition), COUNT);
        assert_int_equal(kafka_producer_acked_offset(producer, partition), COUNT - 1);
        assert_true(kafka_producer_acked_offset_is_last(producer, partition));
        check_topic(topic, partition, COUNT);
    }
    assert_int_equal(kafka_producer_acked(producer, 2), 0);
    kafka_producer_destroy(producer);
}

/* What others append between the acknowledged offsets is a gap; several become one range. */
static void
test_F101_offsets_that_were_not_acknowledged_are_a_gap(void **state)
{
    (void)state;
    const char *topic = topic_of("gaps", 2);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 2);
    struct kafka_producer *other = producer_of(CONFIGURE_PLAIN(), topic, 2);
    int64_t first, end;
    send_all(other, 0, 0, 2); /* before our first message */
    send_all(producer, 0, 0, 3);
    assert_false(kafka_producer_take_gap(producer, 0, &first, &end));
    send_all(other, 0, 0, 4);
    send_all(producer, 0, 3, 2);
    send_all(other, 0, 0, 1);
    send_all(producer, 0, 5, 1);
    assert_true(kafka_producer_take_gap(producer, 0, &first, &end));
    assert_int_equal(first, 5);
    assert_int_equal(end, 12);
    assert_false(kafka_producer_take_gap(producer, 0, &first, &end));
    send_all(producer, 1, 0, 3);
    assert_false(kafka_producer_take_gap(producer, 1, &first, &end));
    kafka_producer_destroy(other);
    kafka_producer_destroy(producer);
}

/* A full queue takes a prefix of the messages, and the rest can be sent later. */
static void
test_F50_a_full_queue_takes_a_prefix(void **state)
{
    (void)state;
    const char *topic = topic_of("full", 1);
    struct kafka_producer *producer =
        producer_of(CONFIGURE("queue.buffering.max.messages", "100"), topic, 1);
    struct error err;
    uint32_t sent;
    rd_kafka_mock_broker_set_down(mock_cluster, -1);
    must(send_numbers(producer, 0, 0, 250, &sent, &err), &err);
    assert_int_equal(sent, 100);
    must(send_numbers(producer, 0, 100, 150, &sent, &err), &err);
    assert_int_equal(sent, 0);
    assert_int_equal(kafka_producer_outstanding(producer), 100);
    rd_kafka_mock_broker_set_up(mock_cluster, -1);
    poll_until_acked(producer);
    send_all(producer, 0, 100, 100);
    send_all(producer, 0, 200, 50);
    check_topic(topic, 0, 250);
    kafka_producer_destroy(producer);
}

/* A message larger than the queue is refused together with all messages of the same call. */
static void
test_oversized_message_is_refused_before_any_is_queued(void **state)
{
    (void)state;
    const char *topic = topic_of("oversized", 1);
    struct kafka_producer *producer =
        producer_of(CONFIGURE("queue.buffering.max.kbytes", "1"), topic, 1);
    static const char value[2000];
    const struct kafka_message messages[] = {{NULL, 0, value, 10}, {NULL, 0, value, sizeof value}};
    struct error err;
    uint32_t sent;
    assert_int_equal(kafka_producer_send(producer, 0, messages, 2, &sent, &err), ERR_DATA);
    assert_int_equal(sent, 0);
    assert_int_equal(kafka_producer_sent(producer, 0), 0);
    assert_int_equal(kafka_producer_poll(producer, 0, &err), 0);
    kafka_producer_destroy(producer);
}

/* The client retries transient errors itself: no message is lost or duplicated, and no error is
 * returned. */
static void
test_F50_transient_errors_are_retried(void **state)
{
    (void)state;
    const char *topic = topic_of("passing", 1);
    struct kafka_producer *producer = producer_of(CONFIGURE("retry.backoff.ms", "10"), topic, 1);
    rd_kafka_mock_push_request_errors(
        mock_cluster, PRODUCE, 4, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    send_all(producer, 0, 0, 500);
    check_topic(topic, 0, 500);
    kafka_producer_destroy(producer);
}

static int
poll_until_error(struct kafka_producer *producer, struct error *err)
{
    int rc = 0;
    int64_t start_us = clock_monotonic_us();
    while (rc == 0 && !is_late(start_us))
        rc = kafka_producer_poll(producer, 100, err);
    return rc;
}

/* A refused message ends the producer, and no later message is delivered. */
static void
test_F51_F59_a_refused_message_ends_the_producer(void **state)
{
    (void)state;
    const char *topic = topic_of("refused", 2);
    struct config_kafka *config = CONFIGURE("max.in.flight", "1", "batch.num.messages", "1");
    struct kafka_producer *producer = producer_of(config, topic, 2);
    struct error err, again;
    uint32_t sent;
    send_all(producer, 0, 0, 3);
    rd_kafka_mock_push_request_errors(mock_cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    must(send_numbers(producer, 0, 3, 10, &sent, &err), &err);
    assert_int_equal(poll_until_error(producer, &err), ERR_RETRY);
    assert_non_null(strstr(err.message, "Broker: Topic authorization failed"));
    clock_sleep_ms(300);
    assert_int_equal(kafka_producer_poll(producer, 1000, &again), ERR_RETRY);
    assert_string_equal(again.message, err.message);
    assert_int_equal(send_numbers(producer, 1, 0, 1, &sent, &again), ERR_RETRY);
    assert_int_equal(sent, 0);
    assert_int_equal(kafka_producer_acked(producer, 0), 3);
    assert_int_equal(kafka_producer_outstanding(producer), 10);
    kafka_producer_destroy(producer);
    check_topic(topic, 0, 3);
}

/* A batch that is too large for the topic ends the producer like any other refusal. */
static void
test_F50_a_refused_batch_ends_the_producer(void **state)
{
    (void)state;
    const char *topic = topic_of("batch", 1);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 1);
    struct error err;
    uint32_t sent;
    rd_kafka_mock_push_request_errors(mock_cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    must(send_numbers(producer, 0, 0, 10, &sent, &err), &err);
    assert_int_equal(poll_until_error(producer, &err), ERR_RETRY);
    assert_non_null(strstr(err.message, "Broker: Message size too large"));
    kafka_producer_destroy(producer);
}

/* The client's text for a consumer's message would be the payload of a producer's. */
static void
test_a_failed_delivery_has_its_reason(void **state)
{
    (void)state;
    const char *topic = topic_of("denied", 1);
    rd_kafka_mock_topic_set_error(mock_cluster, topic,
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 1);
    struct error err;
    uint32_t sent;
    must(send_numbers(producer, 0, 0, 1, &sent, &err), &err);
    assert_int_equal(poll_until_error(producer, &err), ERR_RETRY);
    assert_true(strstr(err.message, "delivery failed: Local: ") != NULL ||
                strstr(err.message, "delivery failed: Broker: ") != NULL);
    kafka_producer_destroy(producer);
}

/* Without a broker the producer says what is wrong, and can be destroyed at once. */
static void
test_destroy_does_not_wait_for_a_broker(void **state)
{
    (void)state;
    struct settings settings;
    const char *const none[] = {NULL};
    struct kafka_producer *producer =
        producer_of(configure(&settings, "127.0.0.1:1", none), "nowhere", 1);
    struct error err;
    char last_error[200] = "";
    uint32_t sent;
    int64_t start_us = clock_monotonic_us();
    must(send_numbers(producer, 0, 0, 1000, &sent, &err), &err);
    assert_int_equal(sent, 1000);
    while (last_error[0] == '\0' && !is_late(start_us)) {
        must(kafka_producer_poll(producer, 50, &err), &err);
        kafka_producer_last_error(producer, last_error, sizeof last_error);
    }
    assert_non_null(strstr(last_error, "127.0.0.1:1"));
    start_us = clock_monotonic_us();
    kafka_producer_destroy(producer);
    assert_false(is_late(start_us));
}

/* The first acknowledgement clears the last error. */
static void
test_an_error_is_cleared_by_an_acknowledgement(void **state)
{
    (void)state;
    const char *topic = topic_of("last-error", 1);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 1);
    struct error err;
    char last_error[200] = "";
    int64_t start_us = clock_monotonic_us();
    send_all(producer, 0, 0, 1);
    rd_kafka_mock_broker_set_down(mock_cluster, -1);
    while (last_error[0] == '\0' && !is_late(start_us)) {
        must(kafka_producer_poll(producer, 50, &err), &err);
        kafka_producer_last_error(producer, last_error, sizeof last_error);
    }
    assert_string_not_equal(last_error, "");
    rd_kafka_mock_broker_set_up(mock_cluster, -1);
    send_all(producer, 0, 1, 1);
    kafka_producer_last_error(producer, last_error, sizeof last_error);
    assert_string_equal(last_error, "");
    kafka_producer_destroy(producer);
}

static void
check_refused(const struct config_kafka *config, const char *what)
{
    struct error err = {0};
    struct kafka_producer *producer;
    struct kafka_reader *reader;
    assert_int_equal(kafka_producer_create(config, "topic", 1, 0, &producer, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, what));
    assert_int_equal(kafka_reader_create(config, "topic", &reader, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, what));
}

/* The error names a setting that librdkafka refuses. */
static void
test_F56_a_refused_setting_is_named(void **state)
{
    (void)state;
    struct settings settings;
    const char *const none[] = {NULL};
    check_refused(CONFIGURE("linger.milliseconds", "1"), "\"linger.milliseconds\"");
    check_refused(CONFIGURE("linger.ms", "soon"), "\"linger.ms\"");
    check_refused(CONFIGURE("socket.timeout.ms", "-5"), "\"socket.timeout.ms\"");
    check_refused(configure(&settings, "", none), "\"bootstrap.servers\"");
}

/* A setting that a law fixes has its value whatever the configuration says. */
static void
test_L4_laws_override_settings(void **state)
{
    (void)state;
    static const struct {
        enum kafka_side side;
        const char *name, *wrong, *right;
    } cases[] = {
        {KAFKA_PRODUCER, "acks", "1", "-1"},
        {KAFKA_PRODUCER, "enable.idempotence", "false", "true"},
        {KAFKA_PRODUCER, "enable.gapless.guarantee", "false", "true"},
        {KAFKA_PRODUCER, "message.timeout.ms", "5000", "0"},
        {KAFKA_CONSUMER, "auto.offset.reset", "earliest", "error"},
        {KAFKA_CONSUMER, "enable.auto.commit", "true", "false"},
        {KAFKA_CONSUMER, "enable.auto.offset.store", "true", "false"},
        {KAFKA_CONSUMER, "partition.assignment.strategy", "range", "cooperative-sticky"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err;
        rd_kafka_conf_t *conf;
        char value[100];
        size_t bytes = sizeof value;
        must(
            kafka_conf_create(CONFIGURE(cases[i].name, cases[i].wrong), cases[i].side, &conf, &err),
            &err);
        assert_int_equal(rd_kafka_conf_get(conf, cases[i].name, value, &bytes), 0);
        assert_string_equal(value, cases[i].right);
        rd_kafka_conf_destroy(conf);
    }
}

/* Reads until there is a record or an error; returns the code. */
static int
read_something(struct kafka_reader *reader, struct kafka_batch *batch, struct error *err)
{
    int rc = 0;
    int64_t start_us = clock_monotonic_us();
    do
        rc = kafka_reader_read(reader, 100, batch, err);
    while (rc == 0 && batch->count == 0 && !is_late(start_us));
    return rc;
}

/* A reader begins at the given offset; an offset that the topic does not have is an error. */
static void
test_F46_a_reader_begins_at_the_given_offset(void **state)
{
    (void)state;
    const char *topic = topic_of("reader", 1);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 1);
    send_all(producer, 0, 0, 20);
    kafka_producer_destroy(producer);
    struct error err;
    struct kafka_reader *reader;
    struct kafka_batch *batch = calloc(1, sizeof *batch);
    must(kafka_reader_create(CONFIGURE_PLAIN(), topic, &reader, &err), &err);
    must(kafka_reader_start(reader, 0, 1000, &err), &err);
    assert_int_equal(read_something(reader, batch, &err), ERR_DATA);
    assert_int_equal(batch->count, 0);
    must(kafka_reader_start(reader, 0, 7, &err), &err);
    must(read_something(reader, batch, &err), &err);
    check_records(batch, 7);
    must(kafka_reader_start(reader, 0, 3, &err), &err);
    must(read_something(reader, batch, &err), &err);
    check_records(batch, 3);
    kafka_batch_release(batch);
    free(batch);
    kafka_reader_destroy(reader);
}

/* A queue returns no offset twice, even when the library fetches messages again. */
static void
test_F47_a_queue_returns_no_offset_twice(void **state)
{
    (void)state;
    const char *topic = topic_of("twice", 1);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 1);
    send_all(producer, 0, 0, 20);
    kafka_producer_destroy(producer);
    struct error err;
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    must(kafka_conf_create(CONFIGURE_PLAIN(), KAFKA_CONSUMER, &conf, &err), &err);
    must(kafka_client_create(RD_KAFKA_CONSUMER, conf, &client, &err), &err);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    struct kafka_queue queue = {.handle = rd_kafka_queue_new(client), .next_offset = 12};
    assert_int_equal(rd_kafka_consume_start_queue(handle, 0, 0, queue.handle), 0);
    struct kafka_batch *batch = calloc(1, sizeof *batch);
    uint32_t read = 0;
    int64_t start_us = clock_monotonic_us();
    while (read < 8 && !is_late(start_us)) {
        must(kafka_queue_read(&queue, 100, 100, 1 << 20, batch, &err), &err);
        check_records(batch, 12 + read);
        read += batch->count;
    }
    assert_int_equal(read, 8);
    kafka_batch_release(batch);
    free(batch);
    rd_kafka_consume_stop(handle, 0);
    rd_kafka_queue_destroy(queue.handle);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(client);
}

static void
test_admin_returns_the_offsets_of_a_partition(void **state)
{
    (void)state;
    const char *topic = topic_of("offsets", 1);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 1);
    send_all(producer, 0, 0, 20);
    kafka_producer_destroy(producer);
    struct error err;
    struct kafka_admin *admin;
    int64_t low, high;
    must(kafka_admin_create(CONFIGURE_PLAIN(), &admin, &err), &err);
    must(kafka_admin_offsets(admin, topic, 0, &low, &high, &err), &err);
    assert_int_equal(low, 0);
    assert_int_equal(high, 20);
    kafka_admin_destroy(admin);
}

enum { MEMBER_PARTITIONS = 2 };

/* One member of a group, from the application's point of view. */
struct member {
    struct kafka_consumer *consumer;
    bool owned[MEMBER_PARTITIONS];
    bool lost;
    struct kafka_partition *open[MEMBER_PARTITIONS];
};

static void
member_assigned(void *context, const int32_t *partitions, uint32_t count)
{
    struct member *member = context;
    for (uint32_t i = 0; i < count; i++) {
        assert_false(member->owned[partitions[i]]);
        member->owned[partitions[i]] = true;
    }
}

static void
member_revoked(void *context, const int32_t *partitions, uint32_t count, bool lost)
{
    struct member *member = context;
    member->lost = lost;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(member->owned[partitions[i]]);
        member->owned[partitions[i]] = false;
        kafka_partition_close(member->open[partitions[i]]);
        member->open[partitions[i]] = NULL;
    }
}

static void
member_join(struct member *member, const char *topic, const char *client_id)
{
    struct error err;
    struct kafka_rebalance rebalance = {member_assigned, member_revoked, member};
    must(kafka_consumer_create(
             CONFIGURE("heartbeat.interval.ms", "100", "session.timeout.ms", "6000"), topic, topic,
             client_id, &rebalance, &member->consumer, &err),
         &err);
}

static uint32_t
member_count(const struct member *member)
{
    return (uint32_t)member->owned[0] + (uint32_t)member->owned[1];
}

static void
member_answer(struct member *member, int32_t partition, int64_t offset)
{
    struct error err;
    member->open[partition] = kafka_partition_open(member->consumer, partition);
    must(kafka_consumer_assign(member->consumer, &partition, &offset, 1, &err), &err);
}

/* Polls both members, or the one, until each owns the given number of partitions. */
static void
poll_until_owned(struct member *first, uint32_t first_count, struct member *second,
                 uint32_t second_count)
{
    struct error err;
    int64_t start_us = clock_monotonic_us();
    while (!is_late(start_us)) {
        must(kafka_consumer_poll(first->consumer, 20, &err), &err);
        if (second != NULL)
            must(kafka_consumer_poll(second->consumer, 20, &err), &err);
        if (member_count(first) == first_count &&
            (second == NULL || member_count(second) == second_count))
            return;
    }
    fail_msg("the group does not settle");
}

/* Reads `count` numbers from `first` on, and polls meanwhile. */
static void
member_read(struct member *member, int32_t partition, uint64_t first, uint32_t count,
            uint32_t max_records)
{
    struct error err;
    struct kafka_batch *batch = calloc(1, sizeof *batch);
    int64_t start_us = clock_monotonic_us();
    uint32_t read = 0;
    while (read < count && !is_late(start_us)) {
        must(kafka_consumer_poll(member->consumer, 0, &err), &err);
        must(kafka_partition_read(member->open[partition], 20, max_records, 1 << 20, batch, &err),
             &err);
        assert_true(batch->count <= max_records);
        check_records(batch, first + read);
        read += batch->count;
    }
    assert_int_equal(read, count);
    kafka_batch_release(batch);
    free(batch);
}

/* A member answers an assignment late, reads its own queue, commits, and returns all partitions at
 * the end. */
static void
test_a_member_may_answer_an_assignment_late(void **state)
{
    (void)state;
    const char *topic = topic_of("member", 2);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 2);
    send_all(producer, 0, 0, 1000);
    send_all(producer, 1, 0, 10);
    kafka_producer_destroy(producer);
    struct member member = {0};
    struct error err;
    int64_t low, high, offset;
    struct buffer metadata;
    buffer_init(&metadata);
    member_join(&member, topic, "one:1");
    kafka_consumer_watermarks(member.consumer, 0, &low, &high);
    assert_int_equal(low, -1);
    assert_int_equal(high, -1);
    poll_until_owned(&member, 2, NULL, 0);
    must(kafka_consumer_committed(member.consumer, 0, &offset, &metadata, &err), &err);
    assert_int_equal(offset, -1);
    assert_int_equal(metadata.bytes, 0);
    member_answer(&member, 0, 100);
    member_read(&member, 0, 100, 900, 64);
    member_answer(&member, 1, KAFKA_OFFSET_BEGINNING);
    member_read(&member, 1, 0, 10, KAFKA_BATCH_RECORDS_MAX);
    kafka_consumer_watermarks(member.consumer, 0, &low, &high);
    assert_int_equal(low, 0);
    assert_int_equal(high, 1000);
    must(kafka_consumer_commit(member.consumer, 0, 1000, "member one", true, &err), &err);
    must(kafka_consumer_committed(member.consumer, 0, &offset, &metadata, &err), &err);
    assert_int_equal(offset, 1000);
    assert_string_equal(buffer_string(&metadata), "member one");
    buffer_free(&metadata);
    kafka_consumer_destroy(member.consumer);
    assert_int_equal(member_count(&member), 0);
    assert_false(member.lost);
}

/* A member that commits an offset below the group's does not take the old one for acknowledged. */
static void
test_L5_the_offset_of_an_earlier_owner_is_not_acknowledged(void **state)
{
    (void)state;
    const char *topic = topic_of("earlier", 1);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 1);
    send_all(producer, 0, 0, 10);
    kafka_producer_destroy(producer);
    struct member member = {0};
    struct error err;
    member_join(&member, topic, "one:1");
    poll_until_owned(&member, 1, NULL, 0);
    member_answer(&member, 0, 0);
    must(kafka_consumer_commit(member.consumer, 0, 8, "earlier", true, &err), &err);
    assert_int_equal(kafka_consumer_acknowledged(member.consumer, 0), 8);
    must(kafka_consumer_commit(member.consumer, 0, 5, "member one", false, &err), &err);
    assert_int_equal(kafka_consumer_acknowledged(member.consumer, 0), -1);
    for (int i = 0; i < 1000 && kafka_consumer_acknowledged(member.consumer, 0) < 0; i++)
        kafka_consumer_poll(member.consumer, 10, &err);
    assert_int_equal(kafka_consumer_acknowledged(member.consumer, 0), 5);
    kafka_consumer_destroy(member.consumer);
}

/* An offset that the topic does not have is an error of that queue; the queue does not jump. */
static void
test_F46_an_offset_out_of_range_is_an_error_of_its_queue(void **state)
{
    (void)state;
    const char *topic = topic_of("range", 2);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 2);
    send_all(producer, 0, 0, 10);
    kafka_producer_destroy(producer);
    struct member member = {0};
    struct error err = {0};
    struct kafka_batch *batch = calloc(1, sizeof *batch);
    int rc = 0;
    member_join(&member, topic, "one:1");
    poll_until_owned(&member, 2, NULL, 0);
    member_answer(&member, 0, 5000);
    for (int64_t start_us = clock_monotonic_us(); rc == 0 && !is_late(start_us);) {
        must(kafka_consumer_poll(member.consumer, 0, &err), &err);
        rc = kafka_partition_read(member.open[0], 20, 100, 1000, batch, &err);
        assert_int_equal(batch->count, 0);
    }
    assert_int_equal(rc, ERR_DATA);
    assert_non_null(strstr(err.message, "partition 0"));
    free(batch);
    kafka_consumer_destroy(member.consumer);
}

/* A second member gets its partition although the first one has not answered its assignment yet. */
static void
test_F47_recovery_does_not_delay_the_group(void **state)
{
    (void)state;
    const char *topic = topic_of("recovery", 2);
    struct kafka_producer *producer = producer_of(CONFIGURE_PLAIN(), topic, 2);
    send_all(producer, 0, 0, 10);
    send_all(producer, 1, 0, 10);
    kafka_producer_destroy(producer);
    struct member first = {0}, second = {0};
    member_join(&first, topic, "one:1");
    poll_until_owned(&first, 2, NULL, 0);
    member_join(&second, topic, "two:2");
    poll_until_owned(&first, 1, &second, 1);
    int32_t of_first = first.owned[0] ? 0 : 1;
    assert_true(second.owned[1 - of_first]);
    member_answer(&first, of_first, 0);
    member_answer(&second, 1 - of_first, 0);
    member_read(&first, of_first, 0, 10, 100);
    member_read(&second, 1 - of_first, 0, 10, 100);
    kafka_consumer_destroy(second.consumer);
    kafka_consumer_destroy(first.consumer);
}

static void
member_fence(struct member *member)
{
    struct error err = {0};
    int rc = 0;
    rd_kafka_mock_push_request_errors(mock_cluster, OFFSET_COMMIT, 1,
                                      RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    must(kafka_consumer_commit(member->consumer, 0, 1, "late", false, &err), &err);
    for (int64_t start_us = clock_monotonic_us(); rc == 0 && !is_late(start_us);)
        rc = kafka_consumer_poll(member->consumer, 20, &err);
    assert_int_equal(rc, ERR_FATAL);
}

/* A member that has lost its session before it is fenced has met its own late commit, and may join
 * again. For a member that has lost nothing, another process uses its identity. */
static void
test_F47_F50_a_fenced_member_may_join_again_after_a_loss(void **state)
{
    (void)state;
    const char *topic = topic_of("fenced", 2);
    struct member late = {0}, duplicate = {0};
    member_join(&late, topic, "one:1");
    poll_until_owned(&late, 2, NULL, 0);
    rd_kafka_mock_push_request_errors(mock_cluster, HEARTBEAT, 1,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    poll_until_owned(&late, 0, NULL, 0);
    assert_true(late.lost);
    poll_until_owned(&late, 2, NULL, 0);
    assert_false(kafka_consumer_may_join_again(late.consumer));
    member_fence(&late);
    assert_true(kafka_consumer_may_join_again(late.consumer));
    kafka_consumer_destroy(late.consumer);
    member_join(&duplicate, topic, "one:1");
    poll_until_owned(&duplicate, 2, NULL, 0);
    member_fence(&duplicate);
    assert_false(kafka_consumer_may_join_again(duplicate.consumer));
    kafka_consumer_destroy(duplicate.consumer);
}

/* A coordinator that is no longer one ends no program (the mock cluster knows no offsets). */
static void
test_the_topics_of_a_group_whose_coordinator_moves_are_unknown(void **state)
{
    (void)state;
    enum { REQUEST_MS = PATIENCE_S * MS_PER_S / 2 };
    struct kafka_group_offsets *offsets;
    struct error err;
    must(kafka_group_offsets_create(CONFIGURE_PLAIN(), "moved", REQUEST_MS, &offsets, &err), &err);
    for (int i = 0; i < 2; i++) {
        rd_kafka_mock_push_request_errors(mock_cluster, OFFSET_FETCH, 1,
                                          RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
        assert_int_equal(kafka_group_offsets_find(offsets, "moved", "topic"), KAFKA_GROUP_UNKNOWN);
    }
    kafka_group_offsets_destroy(offsets);
}

/* A member leaves while the group has no assignment, because its leader was killed. */
static void
test_F57_a_member_may_leave_before_its_first_assignment(void **state)
{
    (void)state;
    enum { BROKER = 1, ANSWER_MS = PATIENCE_S * MS_PER_S };
    const char *topic = topic_of("leaving", 2);
    struct member member = {0};
    struct error err;
    size_t pending = 1;
    assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(mock_cluster, BROKER, SYNC_GROUP,
                                                                  1, 0, ANSWER_MS),
                     0);
    member_join(&member, topic, "one:1");
    for (int64_t start_us = clock_monotonic_us(); pending > 0 && !is_late(start_us);) {
        must(kafka_consumer_poll(member.consumer, 20, &err), &err);
        rd_kafka_mock_broker_error_stack_cnt(mock_cluster, BROKER, SYNC_GROUP, &pending);
    }
    assert_int_equal(pending, 0);
    kafka_consumer_destroy(member.consumer);
    assert_int_equal(member_count(&member), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_arrive_in_order),
        cmocka_unit_test(test_F101_offsets_that_were_not_acknowledged_are_a_gap),
        cmocka_unit_test(test_F50_a_full_queue_takes_a_prefix),
        cmocka_unit_test(test_oversized_message_is_refused_before_any_is_queued),
        cmocka_unit_test(test_F50_transient_errors_are_retried),
        cmocka_unit_test(test_F51_F59_a_refused_message_ends_the_producer),
        cmocka_unit_test(test_F50_a_refused_batch_ends_the_producer),
        cmocka_unit_test(test_a_failed_delivery_has_its_reason),
        cmocka_unit_test(test_destroy_does_not_wait_for_a_broker),
        cmocka_unit_test(test_an_error_is_cleared_by_an_acknowledgement),
        cmocka_unit_test(test_F56_a_refused_setting_is_named),
        cmocka_unit_test(test_L4_laws_override_settings),
        cmocka_unit_test(test_F46_a_reader_begins_at_the_given_offset),
        cmocka_unit_test(test_F47_a_queue_returns_no_offset_twice),
        cmocka_unit_test(test_admin_returns_the_offsets_of_a_partition),
        cmocka_unit_test(test_a_member_may_answer_an_assignment_late),
        cmocka_unit_test(test_L5_the_offset_of_an_earlier_owner_is_not_acknowledged),
        cmocka_unit_test(test_F46_an_offset_out_of_range_is_an_error_of_its_queue),
        cmocka_unit_test(test_F47_recovery_does_not_delay_the_group),
        cmocka_unit_test(test_F47_F50_a_fenced_member_may_join_again_after_a_loss),
        cmocka_unit_test(test_the_topics_of_a_group_whose_coordinator_moves_are_unknown),
        cmocka_unit_test(test_F57_a_member_may_leave_before_its_first_assignment),
    };
    return cmocka_run_group_tests(tests, mock_cluster_setup, mock_cluster_teardown);
}
