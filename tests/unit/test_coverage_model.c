/* Completeness by field: random histories of loads, losses, marks and changed configurations,
 * beside a naive model that searches the whole history for a proof. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>

#include "tests/unit/coverage_history.h"
#include "tests/unit/random_input.h"

/* --- the naive model ------------------------------------------------------------------------- */

static uint32_t model_complete(const struct history *history, int count);

static bool
names_any(const struct history *history, int count)
{
    for (int i = 0; i < count; i++)
        if (history->items[i].kind == ITEM_MARK && history->items[i].bits != 0)
            return true;
    return false;
}

/* The item from which on the field is configured without interruption. */
static int
configured_since(const struct history *history, int count, int field)
{
    for (int i = count - 1; i >= 0; i--)
        if (history->items[i].kind == ITEM_CHANGE && (history->items[i].bits & BIT(field)) == 0)
            return i;
    return -1;
}

static bool
is_named(const struct history *history, int from, int to, int field)
{
    for (int i = from; i < to; i++)
        if (history->items[i].kind == ITEM_MARK && history->items[i].bits & BIT(field))
            return true;
    return false;
}

static bool
has_kind(const struct history *history, int from, int to, enum item_kind kind)
{
    for (int i = from; i < to; i++)
        if (history->items[i].kind == kind)
            return true;
    return false;
}

/* After a change that adds a field it is assumed that triggers fill it, until the next mark. */
static bool
is_assumed(const struct history *history, int count, int field)
{
    int since = configured_since(history, count, field);
    return since >= 0 && names_any(history, since) && !has_kind(history, since, count, ITEM_MARK);
}

static bool
is_posted(const struct history *history, int count, int field)
{
    int since = configured_since(history, count, field);
    return names_any(history, count) && !is_named(history, since + 1, count, field) &&
           !is_assumed(history, count, field);
}

/* Does the mark say that triggers began or ceased to fill the field? */
static bool
changes_triggers(const struct history *history, int at, int field)
{
    int since = configured_since(history, at, field);
    bool named = (history->items[at].bits & BIT(field)) != 0;
    bool was_named = is_named(history, since + 1, at, field);
    if (is_assumed(history, at, field))
        return false;
    return named ? !was_named && has_kind(history, 0, at, ITEM_MARK) : was_named;
}

/* Whatever was proved of the field before this item does not hold after it. */
static bool
takes_proof(const struct history *history, int at, int field)
{
    const struct item *item = &history->items[at];
    switch (item->kind) {
    case ITEM_LOSS:
        return true;
    case ITEM_MARK:
        return item->flag || changes_triggers(history, at, field);
    case ITEM_VOID:
        return (item->bits & BIT(field)) != 0;
    case ITEM_CHANGE:
        return (item->bits & BIT(field)) == 0;
    default:
        return false;
    }
}

static bool
is_first_part(const struct item *item, int field)
{
    return item->kind == ITEM_PASS && item->begin == 0 && item->bits & BIT(field);
}

/* The first begin mark of the job from which on what it covers of the field counts at `at`; -1. */
static int
find_begin(const struct history *history, int at, int64_t job, int field)
{
    int begin = -1;
    for (int i = at - 1; i >= 0; i--) {
        const struct item *item = &history->items[i];
        if (takes_proof(history, i, field) || (item->kind == ITEM_END && item->job == job) ||
            (item->kind == ITEM_BEGIN && item->job != job) ||
            (item->kind == ITEM_MARK && item->flag) || (item->kind == ITEM_VOID && item->flag))
            break;
        bool existed =
            field == ALIVE || (history_configured[item->configuration] & BIT(field)) != 0;
        if (item->kind == ITEM_BEGIN && (item->bits & BIT(field)) != 0 && existed)
            begin = i;
    }
    return begin;
}

/* Is the chunk the last one of an unbroken chain? */
static bool
ends_chain(const struct history *history, int at, int field)
{
    const struct item *last = &history->items[at];
    int begin = find_begin(history, at, last->job, field), first = -1;
    int64_t covered = 0;
    for (int i = begin + 1; begin >= 0 && i <= at; i++)
        if (history->items[i].kind == ITEM_CHUNK && history->items[i].job == last->job &&
            history->items[i].begin == 0)
            first = i;
    for (int i = first; first >= 0 && i <= at; i++) {
        const struct item *item = &history->items[i];
        bool named = (item->bits & BIT(field)) != 0;
        if (item->kind != ITEM_CHUNK || item->job != last->job)
            continue;
        if (covered == CHUNK_NO_END)
            return false; /* it ended before */
        if (item->flag && named)
            return false;
        if (item->begin > covered || item->end <= covered)
            continue;
        if (!item->flag && !named)
            return false;
        covered = item->end;
    }
    return first >= 0 && covered == CHUNK_NO_END;
}

static bool
ends_pass(const struct history *history, int at, int field)
{
    const struct item *last = &history->items[at];
    int first = at, next = 0;
    if (!last->flag || find_begin(history, at, last->job, field) < 0)
        return false;
    while (first >= 0 &&
           !(history->items[first].kind == ITEM_PASS && history->items[first].begin == 0))
        first--;
    if (first < 0 || first < find_begin(history, at, last->job, field))
        return false;
    for (int i = first; i <= at; i++) {
        const struct item *item = &history->items[i];
        if (item->kind != ITEM_PASS || item->job != last->job || item->end != last->end)
            continue;
        if (item->begin < next && i < at)
            continue; /* sent again */
        uint32_t held = model_complete(history, i);
        for (int f = 0; item->begin == 0 && f < MODEL_FIELDS; f++)
            if (item->bits & BIT(f) && !is_posted(history, i, f))
                held &= ~BIT(f);
        if (item->begin != next || (item->reads & ~held) != 0 || (item->bits & BIT(field)) == 0 ||
            (i < at && item->flag))
            return false;
        next++;
    }
    return next == (int)last->begin + 1 && history->items[first].job == last->job &&
           history->items[first].end == last->end;
}

static bool
gives_proof(const struct history *history, int at, int field)
{
    const struct item *item = &history->items[at];
    switch (item->kind) {
    case ITEM_OPEN:
        return item->bits != 0;
    case ITEM_CHUNK:
        return ends_chain(history, at, field);
    case ITEM_PASS:
        return ends_pass(history, at, field);
    default:
        return false;
    }
}

static bool
model_field(const struct history *history, int count, int configuration, int field)
{
    if (field != ALIVE && (history_configured[configuration] & BIT(field)) == 0)
        return false;
    if (is_posted(history, count, field))
        return configured_since(history, count, field) < 0 &&
               !has_kind(history, 0, count, ITEM_HOLE);
    for (int i = count - 1; i >= 0; i--) {
        if (gives_proof(history, i, field))
            return true;
        if (takes_proof(history, i, field) || is_first_part(&history->items[i], field))
            return false;
    }
    return false;
}

/* The fields that are complete after the first `count` items. */
static uint32_t
model_complete(const struct history *history, int count)
{
    int configuration = count > 0 ? history->items[count - 1].configuration : 0;
    uint32_t complete = 0;
    for (int f = 0; f < MODEL_FIELDS; f++)
        if (model_field(history, count, configuration, f))
            complete |= BIT(f);
    return complete;
}

/* --- random histories ------------------------------------------------------------------------ */

enum { HISTORIES = 300, STEPS = 60 };

/* The producer of a history. */
struct sender {
    int64_t job;
    int64_t next; /* of the range; CHUNK_NO_END: the range is done */
    int part;
    int entry;
    uint32_t fields; /* of the job */
    uint32_t named;  /* by its marks */
    int64_t voided;
};

static uint32_t
random_bits(uint32_t of)
{
    return random_below(3) == 0 ? of : (uint32_t)random_next() & of;
}

static void
send_chunk(struct history *history, struct sender *sender)
{
    int64_t begin = sender->next == CHUNK_NO_END ? 90 : sender->next;
    if (random_below(8) == 0)
        begin = 10 * (int64_t)random_below(4); /* a restart, or a part that was lost */
    int64_t end = random_below(4) == 0 ? CHUNK_NO_END : begin + 10;
    bool rejected = random_below(25) == 0;
    uint32_t fields = random_below(8) == 0 ? random_bits(sender->fields) : sender->fields;
    int64_t job = random_below(30) == 0 ? sender->job + 1 : sender->job;
    history_chunk(history, job, begin, end, fields, rejected);
    sender->next = end;
}

static void
send_pass(struct history *history, struct sender *sender)
{
    if (random_below(8) == 0) {
        sender->part = (int)random_below(3);
        sender->entry = (int)random_below(2);
    }
    bool is_last = random_below(3) == 0;
    uint32_t fields = (random_below(3) > 0 ? BIT(C) : random_bits(BIT(C) | BIT(B))) & ~BIT(ALIVE);
    uint32_t reads = random_below(3) > 0 ? BIT(A) : random_bits(BIT(A) | BIT(B) | BIT(D));
    history_pass(history, sender->job, sender->entry, sender->part, is_last, fields, reads);
    sender->part = is_last ? 0 : sender->part + 1;
}

static void
send_job(struct history *history, struct sender *sender)
{
    if (random_below(3) == 0) {
        history_job(history, JOB_END, sender->job, sender->fields);
        return;
    }
    sender->job += random_below(5) > 0;
    sender->fields = random_below(2) == 0 ? BITS_ALL : random_bits(BITS_ALL) | BIT(A);
    if (sender->named != 0)
        sender->fields &= sender->named;
    sender->next = 0;
    sender->part = 0;
    history_job(history, JOB_BEGIN, sender->job, sender->fields);
}

static void
send_mark(struct history *history, struct sender *sender)
{
    if (random_below(4) == 0)
        sender->named = random_bits(BITS_ALL);
    if (random_below(20) == 0)
        sender->voided++; /* a voided event that is missed */
    history_mark(history, MARK_WATERMARK, sender->named, sender->voided, false);
}

static void
send_voided(struct history *history, struct sender *sender)
{
    sender->voided += (int64_t)random_below(4) > 0;
    if (sender->voided > 0)
        history_voided(history, sender->voided, random_bits(BITS_ALL));
}

static void
step(struct history *history, struct sender *sender)
{
    uint64_t choice = random_below(100);
    if (choice < 45)
        send_chunk(history, sender);
    else if (choice < 65)
        send_pass(history, sender);
    else if (choice < 80)
        send_job(history, sender);
    else if (choice < 86)
        send_mark(history, sender);
    else if (choice < 88)
        send_voided(history, sender);
    else if (choice < 90)
        history_change(history, (int)random_below(CONFIGURATIONS));
    else if (choice == 90)
        history_skip_offset(history);
    else if (choice == 91)
        history_gap(history);
    else if (choice == 92) {
        history_epoch(history);
        history_mark(history, MARK_WATERMARK, sender->named, sender->voided, false);
    } else
        history_restart(history);
}

static void
print_history(const struct history *history)
{
    static const char *const kinds[] = {"open",  "loss", "mark", "void",   "begin",  "end",
                                        "chunk", "pass", "hole", "change", "nothing"};
    for (int i = 0; i < history->count; i++) {
        const struct item *item = &history->items[i];
        print_message("%d: %s job %d, %d to %d, fields %x, reads %x, flag %d, configuration %d\n",
                      i, kinds[item->kind], (int)item->job, (int)item->begin,
                      item->end == CHUNK_NO_END ? -1 : (int)item->end, item->bits, item->reads,
                      item->flag, item->configuration);
    }
}

static void
assert_as_the_model(const struct history *history)
{
    uint32_t found = history_complete(history), wanted = model_complete(history, history->count);
    if (found == wanted)
        return;
    print_history(history);
    fail_msg("complete is %x, by the model %x", found, wanted);
}

static void
check_history(struct history *history, uint64_t *completed)
{
    struct sender sender = {.job = 1, .named = random_below(2) == 0 ? 0 : BITS_ALL};
    history_begin(history);
    assert_as_the_model(history);
    history_mark(history, MARK_FENCE, sender.named, 0, random_below(2) == 0);
    for (int i = 0; i < STEPS; i++) {
        assert_as_the_model(history);
        step(history, &sender);
        *completed += sequence_complete(&history->sequence);
    }
    assert_as_the_model(history);
}

static void
test_random_histories_are_complete_as_the_naive_model_says(void **state)
{
    (void)state;
    struct history *history = memory_alloc(sizeof *history);
    uint64_t completed = 0;
    while (random_round(4))
        for (int i = 0; i < HISTORIES; i++)
            check_history(history, &completed);
    assert_true(completed > 0);
    free(history);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_histories_are_complete_as_the_naive_model_says),
    };
    random_seed();
    history_setup();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    history_teardown();
    return failed;
}
