/* The queues of a stand-alone index, with the test in the role of the worker. */
#include "tests/unit/unit_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "consumer/group/feed_local.h"

enum { PARTITIONS = 3, PATIENCE_MS = 60000, WAIT_MS = 20 };

/* So long that it never passes in a test that succeeds. */
static struct config config = {
    .topic = {.partitions = PARTITIONS},
    .consumer = {.batch_bytes = 100, .post_timeout_ms = PATIENCE_MS},
};

static struct feed *
open_feed(struct feed_local *local, int32_t partition)
{
    struct feed_source *source = feed_local_source(local);
    return source->open(source, partition);
}

static void
start_feed(struct feed_local *local, int32_t partition, int64_t offset)
{
    struct feed_source *source = feed_local_source(local);
    source->start(source, partition, offset);
}

/* A post from a thread. */
struct http_source {
    pthread_t thread;
    struct ops_sink *sink;
    struct ops_post post;
    atomic_bool done;
    int rc;
    struct error err;
};

static void *
source_main(void *context)
{
    struct http_source *source = context;
    source->rc = source->sink->store(source->sink, &source->post, &source->err);
    atomic_store(&source->done, true);
    return NULL;
}

static void
source_add(struct http_source *source, const char *text, int32_t partition)
{
    size_t begin = source->post.bytes.bytes;
    buffer_append_text(&source->post.bytes, text);
    ops_post_add(&source->post, begin, 1, partition);
}

static void
source_start(struct http_source *source, struct feed_local *local)
{
    source->sink = feed_local_sink(local);
    assert_int_equal(pthread_create(&source->thread, NULL, source_main, source), 0);
}

static int
source_join(struct http_source *source)
{
    assert_int_equal(pthread_join(source->thread, NULL), 0);
    ops_post_free(&source->post);
    return source->rc;
}

/* Reads `count` records; `out` gets "offset=text " for each. */
static void
read_records(struct feed *feed, uint32_t count, char *out, size_t bytes)
{
    static struct kafka_batch batch;
    size_t at = 0;
    for (int tries = 0; count > 0; tries++) {
        assert_true(tries < PATIENCE_MS / WAIT_MS);
        assert_int_equal(feed->read(feed, WAIT_MS, 10, 1000, &batch, NULL), 0);
        for (uint32_t i = 0; i < batch.count; i++) {
            const struct kafka_record *record = &batch.records[i];
            at += (size_t)snprintf(out + at, bytes - at, "%lld=%.*s ", (long long)record->offset,
                                   (int)record->value_bytes, (const char *)record->value);
        }
        assert_true(batch.count <= count);
        count -= batch.count;
    }
    kafka_batch_release(&batch);
}

static void
end(struct feed_local *local, struct feed **feeds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        feeds[i]->destroy(feeds[i]);
    feed_local_sink(local)->destroy(feed_local_sink(local));
}

static void
test_a_post_is_done_when_it_is_durable_and_not_before(void **state)
{
    (void)state;
    char seen[100];
    struct feed_local *local = feed_local_create(&config);
    struct feed *feed = open_feed(local, 1);
    start_feed(local, 1, 40);
    struct http_source source = {0};
    source_add(&source, "a", 1);
    source_add(&source, "b", 1);
    source_start(&source, local);
    read_records(feed, 2, seen, sizeof seen);
    assert_string_equal(seen, "40=a 41=b ");
    feed->durable(feed, 41, NULL, "", false, NULL);
    clock_sleep_ms(WAIT_MS);
    assert_false(atomic_load(&source.done));
    feed->durable(feed, 42, NULL, "", false, NULL);
    assert_int_equal(source_join(&source), 0);
    end(local, &feed, 1);
}

static void
test_a_fan_out_goes_to_every_partition_and_waits_for_all(void **state)
{
    (void)state;
    struct feed *feeds[PARTITIONS];
    struct feed_local *local = feed_local_create(&config);
    struct http_source source = {0};
    source_add(&source, "row", 2);
    source_add(&source, "all", OPS_ALL_PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        feeds[i] = open_feed(local, i);
        start_feed(local, i, -1);
    }
    source_start(&source, local);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        char seen[100];
        assert_false(atomic_load(&source.done));
        read_records(feeds[i], i == 2 ? 2 : 1, seen, sizeof seen);
        assert_string_equal(seen, i == 2 ? "0=row 1=all " : "0=all ");
        feeds[i]->durable(feeds[i], i == 2 ? 2 : 1, NULL, "", false, NULL);
    }
    assert_int_equal(source_join(&source), 0);
    end(local, feeds, PARTITIONS);
}

static void
test_L10_a_full_queue_makes_posts_wait(void **state)
{
    (void)state;
    char seen[300], text[61];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct feed_bounds bounds;
    struct feed_local *local = feed_local_create(&config);
    struct feed *feed = open_feed(local, 0);
    start_feed(local, 0, 0);
    struct http_source source = {0};
    source_add(&source, text, 0);
    source_add(&source, text, 0);
    source_start(&source, local);
    do
        feed->bounds(feed, &bounds);
    while (bounds.high < 1);
    clock_sleep_ms(WAIT_MS);
    feed->bounds(feed, &bounds);
    assert_int_equal(bounds.high, 1); /* the second one has no room */
    read_records(feed, 2, seen, sizeof seen);
    feed->durable(feed, 2, NULL, "", false, NULL);
    assert_int_equal(source_join(&source), 0);
    end(local, &feed, 1);
}

static void
test_L10_an_event_larger_than_the_queue_goes_alone(void **state)
{
    (void)state;
    char seen[300], text[201];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct feed_local *local = feed_local_create(&config);
    struct feed *feed = open_feed(local, 0);
    start_feed(local, 0, 0);
    struct http_source source = {0};
    source_add(&source, text, 0);
    source_start(&source, local);
    read_records(feed, 1, seen, sizeof seen);
    assert_int_equal(strlen(seen), strlen("0= ") + strlen(text));
    feed->durable(feed, 1, NULL, "", false, NULL);
    assert_int_equal(source_join(&source), 0);
    end(local, &feed, 1);
}

static void
check_fails(struct http_source *source, const char *reason)
{
    assert_int_equal(source_join(source), ERR_RETRY);
    assert_string_equal(source->err.message, reason);
}

static void
test_F42_posts_to_a_stuck_worker_end_in_time_and_say_what_was_stored(void **state)
{
    (void)state;
    struct config hasty = config;
    hasty.consumer.post_timeout_ms = WAIT_MS;
    struct feed_local *local = feed_local_create(&hasty);
    struct feed *feed = open_feed(local, 0);
    struct http_source recovering = {0}, stuck = {0};
    source_add(&recovering, "a", 0);
    source_start(&recovering, local);
    check_fails(&recovering, "nothing was stored: partition 0 is recovering");
    start_feed(local, 0, 0);
    source_add(&stuck, "b", 0);
    source_start(&stuck, local);
    check_fails(&stuck,
                "it is not known what was stored, send it again: partition 0 has not stored "
                "the ops in time");
    end(local, &feed, 1);
}

static void
test_posts_end_when_the_worker_ends(void **state)
{
    (void)state;
    char seen[100];
    struct feed_local *local = feed_local_create(&config);
    struct feed *feed = open_feed(local, 0);
    start_feed(local, 0, 0);
    struct http_source source = {0}, late = {0};
    source_add(&source, "a", 0);
    source_start(&source, local);
    read_records(feed, 1, seen, sizeof seen);
    feed->destroy(feed);
    check_fails(&source, "it is not known what was stored, send it again: partition 0 stops");
    source_add(&late, "b", 0);
    source_start(&late, local);
    check_fails(&late, "nothing was stored: partition 0 stops");
    end(local, NULL, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_post_is_done_when_it_is_durable_and_not_before),
        cmocka_unit_test(test_a_fan_out_goes_to_every_partition_and_waits_for_all),
        cmocka_unit_test(test_L10_a_full_queue_makes_posts_wait),
        cmocka_unit_test(test_L10_an_event_larger_than_the_queue_goes_alone),
        cmocka_unit_test(test_F42_posts_to_a_stuck_worker_end_in_time_and_say_what_was_stored),
        cmocka_unit_test(test_posts_end_when_the_worker_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
