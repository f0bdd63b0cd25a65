/* The record of owed requests, against a list of all rows that knows nothing of windows and limits.
 */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "producer/refresh/owed.h"
#include "producer/source/outbox.h"
#include "tests/unit/random_input.h"

enum { P = 3, ROWS_MAX = 4000, ITEMS_MAX = 64, XIDS = 10, TARGETS_MAX = 3 };

static struct request
entity(int64_t id)
{
    return (struct request){.kind = REQUEST_ENTITY, .entity_id = id};
}

static struct request
parent(const char *key)
{
    return (struct request){.kind = REQUEST_PARENT, .entry = 1, .key = text_of(key)};
}

static struct request
source(uint32_t entry)
{
    return (struct request){.kind = REQUEST_SOURCE, .entry = entry};
}

/* The snapshot at the begin of window `tick`: it sees the transactions of the windows before. */
static struct snapshot
begin_of(int64_t tick)
{
    uint64_t xmax = (uint64_t)tick * XIDS + 1;
    return (struct snapshot){.xmin = xmax, .xmax = xmax};
}

static void
add(struct owed *owed, int64_t tick, int64_t row_id, int32_t partition,
    const struct request *requests, uint32_t count)
{
    struct snapshot s1 = begin_of(tick);
    struct snapshot s2 = begin_of(tick + 1);
    const struct owed_place place = {.tick = tick, .s1 = &s1, .s2 = &s2, .now_us = tick * 100};
    const struct owed_entry entry = {row_id, partition, {requests, count}};
    owed_add(owed, &place, &entry);
}

static void
add_one(struct owed *owed, int64_t tick, int64_t row_id, struct request request)
{
    bool is_of_entity = request.kind != REQUEST_PARENT && request.kind != REQUEST_SOURCE;
    int32_t partition = !is_of_entity ? -1 : (int32_t)(request.entity_id % P);
    add(owed, tick, row_id, partition, &request, 1);
}

static uint32_t
list(struct owed *owed, struct owed_item *items)
{
    return owed_list(owed, 0, items, ITEMS_MAX);
}

/* Requests for one target are one item, the oldest first, and count where they are owed. */
static void
test_l10_many_requests_for_one_target_are_one(void **state)
{
    struct owed *owed = owed_create(P, 100);
    struct owed_item items[ITEMS_MAX];
    (void)state;
    assert_true(owed_is_empty(owed));
    assert_null(owed_answered(owed));
    add_one(owed, 4, 10, entity(7));
    add_one(owed, 4, 11, entity(8));
    add_one(owed, 5, 5, entity(7));
    add_one(owed, 5, 6, parent("9"));
    assert_int_equal(list(owed, items), 3);
    assert_int_equal(items[0].row_count, 2);
    assert_int_equal(items[0].rows[0], 10);
    assert_int_equal(items[0].rows[1], 5);
    assert_int_equal(items[1].request->entity_id, 8);
    assert_true(text_is(items[2].request->key, "9"));
    assert_int_equal(owed_count(owed, 0), 1);
    assert_int_equal(owed_count(owed, 1), 3);
    assert_int_equal(owed_count(owed, 2), 2);
    assert_int_equal(owed_count_all(owed), 4);
    assert_int_equal(owed_oldest_us(owed), 400);
    owed_destroy(owed);
}

/* What is answered of a window lets `answered` move on only when nothing before it is owed. */
static void
test_answered_is_the_begin_of_the_oldest_window_that_owes(void **state)
{
    struct owed *owed = owed_create(P, 100);
    struct owed_item items[ITEMS_MAX];
    (void)state;
    add_one(owed, 4, 10, entity(7));
    add_one(owed, 5, 11, entity(8));
    assert_int_equal(list(owed, items), 2);
    owed_answer(owed, items[1].target, 1, 0, 0);
    assert_int_equal(owed_answered(owed)->xmax, begin_of(4).xmax);
    add_one(owed, 6, 12, entity(7)); /* after the turn that is answered now */
    assert_int_equal(list(owed, items), 1);
    owed_answer(owed, items[0].target, 1, 0, 0);
    assert_int_equal(owed_answered(owed)->xmax, begin_of(6).xmax);
    assert_int_equal(list(owed, items), 1);
    assert_int_equal(items[0].rows[0], 12);
    owed_answer(owed, items[0].target, 1, 0, 0);
    assert_true(owed_is_empty(owed));
    owed_destroy(owed);
}

/* A row that asks for two parents is owed until both are answered. */
static void
test_a_row_waits_for_all_its_targets(void **state)
{
    struct owed *owed = owed_create(P, 100);
    struct owed_item items[ITEMS_MAX];
    const struct request both[] = {parent("1"), parent("2"), parent("1")};
    (void)state;
    add(owed, 1, 10, -1, both, 3);
    assert_int_equal(list(owed, items), 2);
    assert_int_equal(owed_item_pending(&items[0], 0), 2);
    owed_answer(owed, items[0].target, 1, 0, 0);
    assert_int_equal(owed_count(owed, 2), 1);
    assert_int_equal(list(owed, items), 1);
    assert_int_equal(owed_item_pending(&items[0], 0), 1);
    owed_answer(owed, items[0].target, 1, 0, 0);
    assert_true(owed_is_empty(owed));
    owed_destroy(owed);
}

/* An expensive parent is read again after its pause, which costs others nothing. */
static void
test_a_pause_delays_one_target(void **state)
{
    struct owed *owed = owed_create(P, 100);
    struct owed_item items[ITEMS_MAX];
    (void)state;
    add_one(owed, 1, 10, parent("1"));
    assert_int_equal(list(owed, items), 1);
    owed_answer(owed, items[0].target, 1, 1000, 5000);
    assert_true(owed_is_empty(owed));
    add_one(owed, 2, 11, parent("1"));
    add_one(owed, 2, 12, parent("2"));
    assert_int_equal(owed_list(owed, 4999, items, ITEMS_MAX), 1);
    assert_true(text_is(items[0].request->key, "2"));
    assert_int_equal(owed_count_all(owed), 2);
    assert_int_equal(owed_list(owed, 5000, items, ITEMS_MAX), 2);
    assert_true(text_is(items[1].request->key, "1"));
    owed_destroy(owed);
}

/* Requests for whole sources wait for loads, outside of the list. */
static void
test_sources_wait_for_loads(void **state)
{
    struct owed *owed = owed_create(P, 100);
    struct owed_item item;
    struct owed_item items[ITEMS_MAX];
    (void)state;
    assert_false(owed_find_source(owed, REQUEST_UNKNOWN_ENTRY, &item));
    add_one(owed, 1, 10, source(REQUEST_UNKNOWN_ENTRY));
    add_one(owed, 1, 12, source(3));
    add_one(owed, 2, 11, source(REQUEST_UNKNOWN_ENTRY));
    assert_int_equal(list(owed, items), 0);
    assert_false(owed_find_source(owed, 2, &item));
    assert_true(owed_find_source(owed, 3, &item));
    assert_int_equal(item.row_count, 1);
    assert_false(owed_next_source(owed, &item));
    assert_int_equal(owed_count(owed, 0), 3);
    assert_true(owed_find_source(owed, REQUEST_UNKNOWN_ENTRY, &item));
    assert_int_equal(item.row_count, 2);
    assert_true(owed_next_source(owed, &item));
    owed_answer(owed, item.target, 1, 0, 0);
    assert_true(owed_find_source(owed, REQUEST_UNKNOWN_ENTRY, &item));
    owed_answer(owed, item.target, 1, 0, 0);
    assert_int_equal(owed_answered(owed)->xmax, begin_of(2).xmax);
    assert_true(owed_find_source(owed, REQUEST_UNKNOWN_ENTRY, &item));
    assert_int_equal(item.rows[0], 11);
    owed_answer(owed, item.target, 1, 0, 0);
    assert_false(owed_find_source(owed, REQUEST_UNKNOWN_ENTRY, &item));
    assert_true(owed_is_empty(owed));
    owed_destroy(owed);
}

/* Texts count, so that long keys cannot take any amount of memory. */
static void
test_l10_long_keys_fill_the_record(void **state)
{
    struct owed *owed = owed_create(P, 1000);
    char key[20001];
    (void)state;
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    for (int64_t i = 0; i < 10; i++) {
        key[i] = 'x';
        add_one(owed, 1, 10 + i, parent(key));
    }
    assert_int_equal(owed_count_all(owed), 10);
    struct owed_item items[ITEMS_MAX];
    assert_int_equal(list(owed, items), 4);
    owed_destroy(owed);
}

/* While a part of a window is only counted, so is what follows: nothing is held twice. */
static void
test_l10_what_follows_a_rest_joins_it(void **state)
{
    struct owed *owed = owed_create(P, 1);
    struct owed_item items[ITEMS_MAX];
    (void)state;
    add_one(owed, 1, 10, entity(1));
    add_one(owed, 1, 11, entity(2));
    assert_int_equal(list(owed, items), 1);
    owed_answer(owed, items[0].target, 1, 0, 0);
    add_one(owed, 1, 12, entity(3));
    add_one(owed, 2, 3, entity(3));
    assert_int_equal(list(owed, items), 0);
    assert_int_equal(owed_count_all(owed), 3);
    assert_true(owed_wants_rest(owed));
    assert_int_equal(owed_rest(owed).after_id, 10);
    assert_int_equal(owed_rest(owed).s2->xmax, begin_of(2).xmax);
    owed_pass_rest(owed, 12, true);
    assert_int_equal(owed_rest(owed).after_id, OUTBOX_FIRST_ROW);
    assert_int_equal(owed_rest(owed).s2->xmax, begin_of(3).xmax);
    owed_destroy(owed);
}

/* --- the model --- */

struct row {
    int64_t id;
    int64_t tick;
    int32_t partition;
    struct request requests[TARGETS_MAX];
    uint32_t count;
    uint32_t answered; /* a bit for each of its requests */
};

struct model {
    struct owed *owed;
    int64_t requests_max;
    struct row rows[ROWS_MAX]; /* delivered, by (tick, id) */
    uint32_t count;
    int64_t tick;       /* of the next window */
    int64_t saved_tick; /* the window that is saved, up to sub_id */
    int64_t sub_id;
    uint64_t answered_xmax; /* as saved with it */
};

static const char *const keys[] = {"1", "2", "3", "4"};

static bool
is_owed(const struct row *row)
{
    return row->answered != (1U << row->count) - 1;
}

static void
fill_row(struct row *row)
{
    bool is_parent = random_below(3) == 0;
    row->answered = 0;
    row->count = is_parent ? 1 + (uint32_t)random_below(TARGETS_MAX) : 1;
    for (uint32_t i = 0; i < row->count; i++)
        row->requests[i] = is_parent ? parent(keys[random_below(COUNT_OF(keys))])
                                     : entity((int64_t)random_below(12));
    if (is_parent && random_below(8) == 0)
        row->requests[0] = source(random_below(2) == 0 ? REQUEST_UNKNOWN_ENTRY : 1);
    row->partition = is_parent ? -1 : (int32_t)(row->requests[0].entity_id % P);
}

static struct owed_entry
entry_of(const struct row *row)
{
    return (struct owed_entry){row->id, row->partition, {row->requests, row->count}};
}

static void
add_row(struct model *model, const struct row *row)
{
    struct snapshot s1 = begin_of(row->tick);
    struct snapshot s2 = begin_of(row->tick + 1);
    const struct owed_place place = {row->tick, &s1, &s2, 0};
    const struct owed_entry entry = entry_of(row);
    owed_add(model->owed, &place, &entry);
}

/* Ids of a window are ascending; those of another one may be below or between them. */
static void
deliver_window(struct model *model)
{
    uint32_t rows = (uint32_t)random_below(5);
    const struct snapshot *answered = owed_answered(model->owed);
    int64_t number = (model->tick - (int64_t)random_below(2)) * 10;
    model->answered_xmax = answered != NULL ? answered->xmax : begin_of(model->tick).xmax;
    model->saved_tick = model->tick;
    model->sub_id = 0;
    for (uint32_t i = 0; i < rows && model->count < ROWS_MAX; i++) {
        struct row *row = &model->rows[model->count++];
        number += 1 + (int64_t)random_below(3);
        row->id = number * 4 + (model->tick & 3); /* no other window near has it */
        row->tick = model->tick;
        fill_row(row);
        add_row(model, row);
        if (random_below(2) == 0)
            model->sub_id = row->id;
    }
    model->tick++;
}

static bool
is_in_rest(const struct row *row, const struct owed_rest *rest)
{
    uint64_t xid = (uint64_t)row->tick * XIDS + 1;
    return snapshot_sees(rest->s2, xid) && !snapshot_sees(rest->s1, xid) &&
           row->id > rest->after_id && row->id <= rest->up_to_id;
}

static const struct row *
next_in_rest(const struct model *model, const struct owed_rest *rest, int64_t after_id)
{
    const struct row *next = NULL;
    for (uint32_t i = 0; i < model->count; i++)
        if (is_in_rest(&model->rows[i], rest) && model->rows[i].id > after_id &&
            (next == NULL || model->rows[i].id < next->id))
            next = &model->rows[i];
    return next;
}

/* Reads a page of the oldest rest. */
static void
read_rest(struct model *model)
{
    if (!owed_wants_rest(model->owed))
        return;
    struct owed_rest rest = owed_rest(model->owed);
    int64_t last_id = rest.after_id;
    uint64_t limit = 1 + random_below(4);
    const struct row *row = NULL;
    for (uint64_t i = 0; i < limit; i++) {
        row = next_in_rest(model, &rest, last_id);
        if (row == NULL)
            break;
        const struct owed_entry entry = entry_of(row);
        if (!owed_take(model->owed, &entry))
            break;
        last_id = row->id;
    }
    if (row == NULL || last_id != rest.after_id)
        owed_pass_rest(model->owed, last_id, row == NULL);
}

static struct row *
find_row(struct model *model, int64_t id)
{
    for (uint32_t i = 0; i < model->count; i++)
        if (model->rows[i].id == id)
            return &model->rows[i];
    fail_msg("there is no row %lld", (long long)id);
    return NULL;
}

static void
answer(struct model *model, const struct owed_item *item, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct row *row = find_row(model, item->rows[i]);
        for (uint32_t j = 0; j < row->count; j++)
            if (request_equal(&row->requests[j], item->request))
                row->answered |= 1U << j;
    }
    owed_answer(model->owed, item->target, count, 0, 0);
}

static void
answer_some(struct model *model)
{
    struct owed_item items[ITEMS_MAX];
    uint32_t count = owed_list(model->owed, 0, items, ITEMS_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (random_below(3) > 0)
            answer(model, &items[i], 1 + (uint32_t)random_below(items[i].row_count));
    uint32_t entry = random_below(2) == 0 ? REQUEST_UNKNOWN_ENTRY : 1;
    if (random_below(4) == 0 && owed_find_source(model->owed, entry, &items[0]))
        answer(model, &items[0], 1 + (uint32_t)random_below(items[0].row_count));
}

/* The cursor is what was saved with the last window. Later answers are forgotten. */
static void
restart(struct model *model)
{
    struct cursor_window window = {
        .tick = model->saved_tick,
        .s1 = begin_of(model->saved_tick),
        .s2 = begin_of(model->saved_tick + 1),
        .answered = {.xmin = model->answered_xmax, .xmax = model->answered_xmax},
        .sub_id = model->sub_id,
    };
    owed_destroy(model->owed);
    model->owed = owed_create(P, model->requests_max);
    owed_restore(model->owed, &window, 0);
    for (uint32_t i = 0; i < model->count; i++) {
        struct row *row = &model->rows[i];
        bool is_old = snapshot_sees(&window.answered, (uint64_t)row->tick * XIDS + 1);
        assert_false(is_old && is_owed(row)); /* `answered` would hide it */
        if (!is_old)
            row->answered = 0;
        if (row->tick == model->saved_tick && row->id > model->sub_id)
            add_row(model, row);
    }
}

static void
check(const struct model *model, bool is_exact)
{
    int64_t counts[P] = {0};
    int64_t all = 0;
    const struct snapshot *answered = owed_answered(model->owed);
    for (uint32_t i = 0; i < model->count; i++) {
        const struct row *row = &model->rows[i];
        if (!is_owed(row))
            continue;
        all++;
        for (int32_t p = 0; p < P; p++)
            counts[p] += row->partition < 0 || row->partition == p;
        assert_non_null(answered);
        assert_false(snapshot_sees(answered, (uint64_t)row->tick * XIDS + 1));
    }
    for (int32_t p = 0; p < P; p++) {
        if (is_exact)
            assert_int_equal(owed_count(model->owed, p), counts[p]);
        assert_true(counts[p] == 0 || owed_count(model->owed, p) > 0);
    }
    if (is_exact) {
        assert_int_equal(owed_count_all(model->owed), all);
        assert_true(all == 0 || !owed_is_empty(model->owed)); /* a rest may have no row left */
    }
}

/* Reads and answers until nothing is owed: every row was found. */
static void
settle(struct model *model)
{
    struct owed_item items[ITEMS_MAX];
    for (uint32_t i = 0; i < 10 * ROWS_MAX && !owed_is_empty(model->owed); i++) {
        read_rest(model);
        uint32_t count = owed_list(model->owed, 0, items, ITEMS_MAX);
        for (uint32_t j = 0; j < count; j++)
            answer(model, &items[j], items[j].row_count);
        for (items[0] = (struct owed_item){0}; owed_next_source(model->owed, &items[0]);
             items[0] = (struct owed_item){0})
            answer(model, &items[0], items[0].row_count);
    }
    check(model, true);
    assert_true(owed_is_empty(model->owed));
}

static void
play(struct model *model)
{
    bool is_exact = true; /* a rest that a restart has found was not counted */
    for (uint32_t i = 0; i < 300; i++) {
        uint64_t dice = random_below(20);
        if (dice < 8)
            deliver_window(model);
        else if (dice < 13)
            read_rest(model);
        else if (dice < 19)
            answer_some(model);
        else
            restart(model), is_exact = false;
        check(model, is_exact);
    }
    settle(model);
}

static void
test_random_requests_against_a_model(void **state)
{
    static struct model model;
    (void)state;
    while (random_round(20)) {
        model = (struct model){.requests_max = 1 + (int64_t)random_below(12), .tick = 1};
        model.answered_xmax = begin_of(0).xmax;
        model.owed = owed_create(P, model.requests_max);
        play(&model);
        owed_destroy(model.owed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_l10_many_requests_for_one_target_are_one),
        cmocka_unit_test(test_answered_is_the_begin_of_the_oldest_window_that_owes),
        cmocka_unit_test(test_a_row_waits_for_all_its_targets),
        cmocka_unit_test(test_a_pause_delays_one_target),
        cmocka_unit_test(test_sources_wait_for_loads),
        cmocka_unit_test(test_l10_long_keys_fill_the_record),
        cmocka_unit_test(test_l10_what_follows_a_rest_joins_it),
        cmocka_unit_test(test_random_requests_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
