/* Random histories of a database (naive transactions, row locks, ids from a sequence) and the
 * windows between its snapshots. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "producer/source/window.h"
#include "tests/unit/random_input.h"

enum { HISTORIES = 300, STEPS = 600, ROWS_MAX = STEPS, RUNNING_MAX = 12, LOCKS = 6 };

enum outcome { RUNNING, COMMITTED, ROLLED_BACK };

struct row {
    int64_t id;
    uint64_t xid;
    int lock;          /* the application's row whose change it describes */
    int64_t committed; /* place in the order of commits; 0: never */
    int delivered;
    int64_t place; /* in the order of delivery */
};

struct transaction {
    uint64_t xid; /* 0 until it writes */
    bool open;
    bool locks[LOCKS];
};

struct history {
    uint64_t next_xid;
    int64_t next_id;
    int64_t commits;
    int64_t deliveries;
    struct row rows[ROWS_MAX];
    int row_count;
    struct transaction transactions[RUNNING_MAX];
    enum outcome outcomes[2 * STEPS]; /* by xid */
};

static int
roll(int sides)
{
    return (int)random_below((uint64_t)sides);
}

static bool
is_locked(const struct history *history, int lock)
{
    for (int i = 0; i < RUNNING_MAX; i++)
        if (history->transactions[i].open && history->transactions[i].locks[lock])
            return true;
    return false;
}

/* As a trigger does: it runs under the row's lock, and takes the id then. */
static void
write_row(struct history *history, struct transaction *transaction)
{
    int lock = roll(LOCKS);
    if (!transaction->locks[lock] && is_locked(history, lock))
        return; /* would wait */
    transaction->locks[lock] = true;
    if (transaction->xid == 0)
        transaction->xid = history->next_xid++;
    history->rows[history->row_count++] = (struct row){
        .id = history->next_id++,
        .xid = transaction->xid,
        .lock = lock,
    };
}

static void
end_transaction(struct history *history, struct transaction *transaction, bool commit)
{
    if (transaction->xid != 0) {
        history->outcomes[transaction->xid] = commit ? COMMITTED : ROLLED_BACK;
        history->commits++;
        for (int i = 0; commit && i < history->row_count; i++)
            if (history->rows[i].xid == transaction->xid)
                history->rows[i].committed = history->commits;
    }
    *transaction = (struct transaction){0};
}

static int
compare_xids(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one;
    uint64_t b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

static void
take_snapshot(const struct history *history, struct snapshot *snapshot)
{
    struct snapshot taken = {.xmin = history->next_xid, .xmax = history->next_xid};
    taken.xip = memory_alloc(RUNNING_MAX * sizeof *taken.xip);
    for (int i = 0; i < RUNNING_MAX; i++)
        if (history->transactions[i].xid != 0)
            taken.xip[taken.xip_count++] = history->transactions[i].xid;
    qsort(taken.xip, taken.xip_count, sizeof *taken.xip, compare_xids);
    if (taken.xip_count > 0)
        taken.xmin = taken.xip[0];
    snapshot_free(snapshot);
    *snapshot = taken;
}

/* The condition of window_append_condition(), evaluated for a row of the table. */
static bool
window_has(const struct history *history, const struct snapshot *s1, const struct snapshot *s2,
           const struct row *row)
{
    uint64_t late[RUNNING_MAX];
    uint32_t late_count = window_late_xids(s1, s2, late);
    bool selected = row->xid >= s1->xmax && row->xid < s2->xmax;
    for (uint32_t i = 0; i < late_count; i++)
        selected = selected || late[i] == row->xid;
    return selected && snapshot_sees(s2, row->xid) && history->outcomes[row->xid] == COMMITTED;
}

static void
deliver_window(struct history *history, const struct snapshot *s1, const struct snapshot *s2)
{
    bool any = false;
    for (int i = 0; i < history->row_count; i++) { /* in the order of ids */
        struct row *row = &history->rows[i];
        if (!window_has(history, s1, s2, row))
            continue;
        any = true;
        row->delivered++;
        row->place = ++history->deliveries;
    }
    if (any)
        assert_true(window_may_hold_rows(s1, s2));
}

static void
check_delivery(const struct history *history)
{
    for (int i = 0; i < history->row_count; i++) {
        const struct row *row = &history->rows[i];
        assert_int_equal(row->delivered, row->committed > 0);
        for (int j = 0; j < i; j++) {
            const struct row *before = &history->rows[j];
            if (before->lock == row->lock && before->committed > 0 && row->committed > 0)
                assert_true(before->place < row->place && before->committed <= row->committed);
        }
    }
}

static void
run_history(void)
{
    struct history *history = memory_zalloc(sizeof *history);
    struct snapshot s1 = {0};
    struct snapshot s2 = {0};
    history->next_xid = 1 + (uint64_t)roll(5);
    history->next_id = 1;
    assert_int_equal(snapshot_parse(&s1, SNAPSHOT_EMPTY, NULL), 0);
    for (int step = 0; step < STEPS; step++) {
        struct transaction *transaction = &history->transactions[roll(RUNNING_MAX)];
        int what = roll(10);
        transaction->open = true;
        if (what < 6)
            write_row(history, transaction);
        else if (what < 9)
            end_transaction(history, transaction, what < 8);
        else {
            take_snapshot(history, &s2);
            deliver_window(history, &s1, &s2);
            snapshot_copy(&s1, &s2);
        }
    }
    for (int i = 0; i < RUNNING_MAX; i++)
        end_transaction(history, &history->transactions[i], true);
    take_snapshot(history, &s2);
    deliver_window(history, &s1, &s2);
    check_delivery(history);
    snapshot_free(&s1);
    snapshot_free(&s2);
    free(history);
}

static void
test_L1_windows_deliver_each_committed_row_once_and_changes_of_a_row_in_order(void **state)
{
    (void)state;
    random_seed();
    for (int i = 0; i < HISTORIES; i++)
        run_history();
}

static bool
may_hold(const char *one, const char *other)
{
    struct snapshot s1 = {0};
    struct snapshot s2 = {0};
    assert_int_equal(snapshot_parse(&s1, one, NULL), 0);
    assert_int_equal(snapshot_parse(&s2, other, NULL), 0);
    bool may = window_may_hold_rows(&s1, &s2);
    snapshot_free(&s1);
    snapshot_free(&s2);
    return may;
}

static void
test_a_window_in_which_nothing_ended_is_known_to_be_empty(void **state)
{
    (void)state;
    assert_false(may_hold(SNAPSHOT_EMPTY, SNAPSHOT_EMPTY));
    assert_false(may_hold("10:20:10,13", "10:20:10,13"));
    assert_true(may_hold("10:20:10,13", "10:20:10"));
    assert_true(may_hold("10:20:10", "10:21:10"));
}

static void
check_condition(const char *one, const char *other, const char *expected)
{
    struct snapshot s1 = {0};
    struct snapshot s2 = {0};
    struct buffer sql = {0};
    assert_int_equal(snapshot_parse(&s1, one, NULL), 0);
    assert_int_equal(snapshot_parse(&s2, other, NULL), 0);
    window_append_condition(&s1, &s2, &sql);
    assert_string_equal(buffer_string(&sql), expected);
    buffer_free(&sql);
    snapshot_free(&s1);
    snapshot_free(&s2);
}

static void
test_F61_the_condition_names_only_transactions_that_have_ended(void **state)
{
    (void)state;
    check_condition(SNAPSHOT_EMPTY, "12:20:12,15",
                    "(txid >= '1'::xid8 AND txid < '20'::xid8) AND"
                    " pg_visible_in_snapshot(txid, '12:20:12,15'::pg_snapshot)");
    check_condition("12:20:12,15,17", "15:30:15",
                    "(txid >= '20'::xid8 AND txid < '30'::xid8 OR"
                    " txid IN ('12'::xid8, '17'::xid8)) AND"
                    " pg_visible_in_snapshot(txid, '15:30:15'::pg_snapshot)");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_L1_windows_deliver_each_committed_row_once_and_changes_of_a_row_in_order),
        cmocka_unit_test(test_a_window_in_which_nothing_ended_is_known_to_be_empty),
        cmocka_unit_test(test_F61_the_condition_names_only_transactions_that_have_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
