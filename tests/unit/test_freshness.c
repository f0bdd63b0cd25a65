/* The age of what a partition is proved to hold, in a model of source, producer, broker and
 * consumer whose clocks differ and step, and each of which stops now and then. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "consumer/partition/freshness.h"
#include "tests/unit/random_input.h"

enum { RECORDS = 4000, HOUR_S = 3600 };

/* A message of the partition; times are those of the model. */
struct record {
    int64_t appended_us;
    int64_t taken_us; /* of a mark: when its snapshot was taken; 0: a row */
    int64_t clock_us; /* what the source's clock showed then; 0: the mark owes something */
};

struct model {
    struct record records[RECORDS];
    uint32_t count;
    int64_t now_us;
    int64_t source_us;     /* by how much the source's clock is ahead */
    int64_t down_until_us; /* of the broker */
};

static int64_t
random_us(int64_t below_us)
{
    return (int64_t)random_below((uint64_t)below_us);
}

/* The broker takes a message, at once unless it is down. Returns when. */
static int64_t
model_append(struct model *model, int64_t taken_us, int64_t clock_us)
{
    int64_t at_us = model->now_us > model->down_until_us ? model->now_us : model->down_until_us;
    at_us += 1 + random_us(5 * US_PER_MS);
    if (model->count > 0 && at_us < model->records[model->count - 1].appended_us)
        at_us = model->records[model->count - 1].appended_us;
    model->records[model->count++] = (struct record){at_us, taken_us, clock_us};
    return at_us;
}

/* As producer/drain does: a window with rows is opened when all before it is acknowledged; an idle
 * producer sends a mark a second when nothing is outstanding. */
static void
model_produce(struct model *model, bool clock_steps)
{
    int64_t marked_us = 0, acked_us = 0;
    bool has_rows = false;
    model->now_us = 10 * US_PER_S;
    while (model->count < RECORDS - 10) {
        model->now_us += 1 + random_us(random_below(200) == 0 ? 100 * US_PER_S : 100 * US_PER_MS);
        if (random_below(500) == 0)
            model->down_until_us = model->now_us + random_us(100 * US_PER_S);
        if (clock_steps && random_below(500) == 0)
            model->source_us =
                random_us(2 * HOUR_S * (int64_t)US_PER_S) - HOUR_S * (int64_t)US_PER_S;
        int64_t taken_us = model->now_us;
        int64_t clock_us = taken_us + model->source_us + 10 * HOUR_S * (int64_t)US_PER_S;
        if (random_below(4) == 0) {
            if (model->now_us < acked_us)
                model->now_us = acked_us;
            for (uint64_t i = random_below(4); i > 0; i--)
                acked_us = model_append(model, 0, 0);
            has_rows = true;
        }
        bool is_due = has_rows ? model->now_us - marked_us >= 100 * US_PER_MS
                               : model->now_us - marked_us >= US_PER_S && acked_us <= model->now_us;
        if (!is_due)
            continue;
        acked_us = model_append(model, taken_us, random_below(5) == 0 ? 0 : clock_us);
        marked_us = model->now_us;
        has_rows = false;
    }
}

/* How many messages the partition has at a time. */
static uint32_t
model_count_at(const struct model *model, int64_t at_us)
{
    uint32_t count = 0;
    while (count < model->count && model->records[count].appended_us <= at_us)
        count++;
    return count;
}

struct reader {
    struct freshness freshness;
    int64_t now_us;
    int64_t wall_us;  /* by how much this host's clock is ahead */
    uint32_t next;    /* offset */
    int64_t taken_us; /* of the proved snapshot; 0: nothing is proved */
    uint32_t marks;   /* since the reader waits at the end */
};

static void
reader_check(const struct reader *reader)
{
    int64_t wall_us = reader->now_us + reader->wall_us + 10 * HOUR_S * (int64_t)US_PER_S;
    const struct freshness *freshness = &reader->freshness;
    int64_t age_us = freshness_age_us(freshness, reader->now_us, wall_us);
    if (reader->taken_us == 0) {
        assert_int_equal(age_us, -1);
        return;
    }
    assert_true(freshness->after_us <= reader->taken_us);
    assert_true(reader->taken_us <= freshness->before_us);
    assert_true(age_us >= reader->now_us - freshness->before_us);
    if (freshness->after_us != FRESHNESS_NO_BOUND)
        assert_true(age_us <= reader->now_us - freshness->after_us);
    int64_t of_us =
        freshness_age_of_us(freshness, freshness->clock_us - 7, reader->now_us, wall_us);
    assert_int_equal(of_us, age_us + 7);
}

/* Reads once: waits for a message, and takes some. False: there are no more. */
static bool
reader_read(struct reader *reader, const struct model *model)
{
    int64_t begin_us = reader->now_us;
    if (reader->next == model->count)
        return false;
    if (model->records[reader->next].appended_us > reader->now_us) {
        reader->now_us = model->records[reader->next].appended_us;
        reader_check(reader);
    }
    uint32_t high = model_count_at(model, reader->now_us);
    uint32_t end = reader->next + 1 + (uint32_t)random_below(8);
    end = end < high ? end : high;
    freshness_take_end(&reader->freshness, reader->next, high, begin_us, reader->now_us);
    for (; reader->next < end; reader->next++) {
        const struct record *record = &model->records[reader->next];
        if (record->taken_us == 0)
            continue;
        freshness_take_mark(&reader->freshness, reader->next, record->clock_us);
        reader->taken_us = record->clock_us != 0 ? record->taken_us : reader->taken_us;
    }
    reader_check(reader);
    return true;
}

static void
read_all(struct reader *reader, const struct model *model, bool clocks_agree)
{
    freshness_init(&reader->freshness);
    while (reader_read(reader, model)) {
        reader->now_us += random_us(random_below(50) == 0 ? 50 * US_PER_S : 50 * US_PER_MS);
        reader_check(reader);
        int64_t wall_us = reader->now_us + 10 * HOUR_S * (int64_t)US_PER_S;
        if (clocks_agree && reader->taken_us != 0)
            assert_int_equal(freshness_age_us(&reader->freshness, reader->now_us, wall_us),
                             reader->now_us - reader->taken_us);
    }
}

/* The snapshot is always between the bounds, whatever clocks do and whatever stops, so that an age
 * is never less than the time since the mark was received; clocks that agree show the exact age. */
static void
test_f121_bounds_hold(void **state)
{
    (void)state;
    while (random_round(20)) {
        bool clocks_agree = random_below(2) == 0;
        struct model *model = memory_zalloc(sizeof *model);
        struct reader reader = {.now_us = US_PER_S};
        if (!clocks_agree)
            reader.wall_us = random_us(2 * HOUR_S * (int64_t)US_PER_S) - HOUR_S * (int64_t)US_PER_S;
        model_produce(model, !clocks_agree);
        reader.now_us += random_us(random_below(2) == 0 ? 200 * US_PER_S : US_PER_S);
        read_all(&reader, model, clocks_agree);
        free(model);
    }
}

/* A producer that sends a mark a second, and a reader at the end. */
static void
test_f121_an_hour_invents_no_outage(void **state)
{
    (void)state;
    for (int64_t hours = -1; hours <= 1; hours++) {
        struct freshness freshness;
        int64_t wall_us = hours * HOUR_S * US_PER_S;
        int64_t now_us = 100 * (int64_t)US_PER_S;
        freshness_init(&freshness);
        for (int64_t i = 0; i < 10; i++, now_us += US_PER_S) {
            int64_t clock_us = now_us + HOUR_S * (int64_t)US_PER_S;
            freshness_take_end(&freshness, i, i + 1, now_us - US_PER_S / 10, now_us);
            freshness_take_mark(&freshness, i, clock_us);
            int64_t age_us =
                freshness_age_us(&freshness, now_us, now_us + HOUR_S * (int64_t)US_PER_S + wall_us);
            assert_true(i < 3 || age_us <= 4 * US_PER_S);
            assert_true(hours > 0 || age_us == 0);
        }
        now_us += 60 * (int64_t)US_PER_S; /* the producer has stopped */
        int64_t age_us =
            freshness_age_us(&freshness, now_us, now_us + HOUR_S * (int64_t)US_PER_S + wall_us);
        assert_in_range(age_us, 61 * (int64_t)US_PER_S, 65 * (int64_t)US_PER_S);
    }
}

/* What an earlier run has proved: the clocks are believed, and an outage shows all the same. */
static void
test_f121_a_recovered_proof(void **state)
{
    (void)state;
    struct freshness freshness;
    freshness_init(&freshness);
    assert_int_equal(freshness_age_us(&freshness, 5, 7), -1);
    assert_int_equal(freshness_age_of_us(&freshness, 3, 5, 7), -1);
    freshness_recover(&freshness, 1000, 500);
    assert_int_equal(freshness_age_us(&freshness, 500, 3000), 2000);
    assert_int_equal(freshness_age_us(&freshness, 600, 900), 100);
    freshness_clear(&freshness);
    assert_int_equal(freshness_age_us(&freshness, 600, 900), -1);
}

int
main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f121_bounds_hold),
        cmocka_unit_test(test_f121_an_hour_invents_no_outage),
        cmocka_unit_test(test_f121_a_recovered_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
