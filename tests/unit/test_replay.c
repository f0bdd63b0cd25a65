/* When a rebuilt state serves: all small views against the rules as sentences, and random lives of
 * a partition with resets, crashes, retention and operators, in which both decisions (resume.h,
 * replay.h) are followed as a worker follows them. */
#include "tests/unit/unit_test.h"

#include "consumer/partition/replay.h"
#include "consumer/partition/resume.h"
#include "tests/unit/random_input.h"

static struct field_set
set_of(unsigned bits)
{
    struct field_set set = {{0}};
    for (uint32_t i = 0; i < 2; i++)
        if ((bits >> i & 1) != 0)
            field_set_add(&set, i);
    return set;
}

/* --- every small view ------------------------------------------------------------------------ */

static bool
is_at_end(const struct replay_view *view)
{
    bool is_empty = view->rebuilt.next_offset < 0 && view->low == view->high;
    return view->is_idle && (view->rebuilt.next_offset >= view->high || is_empty);
}

static bool
is_as_far(const struct replay_view *view)
{
    return view->rebuilt.next_offset >= 0 && view->rebuilt.next_offset >= view->serving.next_offset;
}

static void
check_view(const struct replay_view *view)
{
    enum replay_step step = replay_decide(view);
    const struct field_set lacking = replay_find_lacking(view);
    bool proves_less = view->rebuilt.next_offset < 0 || !field_set_is_empty(&lacking);
    bool may_serve = is_as_far(view) || is_at_end(view);
    if (view->is_lost) {
        assert_int_equal(step, REPLAY_END);
        return;
    }
    assert_int_not_equal(step, REPLAY_END);
    assert_true(step != REPLAY_SWAP || may_serve);
    assert_true(step != REPLAY_SWAP || view->accepts_loss || !proves_less);
    assert_true(!may_serve || step == REPLAY_SWAP || step == REPLAY_WAIT);
    assert_true(step != REPLAY_WAIT || (proves_less && !view->accepts_loss));
    assert_true(step != REPLAY_CLOSE || (!view->is_stuck && !view->is_idle));
}

static void
check_flags(struct replay_view view)
{
    for (unsigned flags = 0; flags < 16; flags++) {
        view.is_idle = (flags & 1) != 0;
        view.is_stuck = (flags & 2) != 0;
        view.is_lost = (flags & 4) != 0;
        view.accepts_loss = (flags & 8) != 0;
        if (!view.is_idle || (!view.is_stuck && !view.is_lost))
            check_view(&view);
    }
}

static void
test_F107_F120_every_small_view(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 6 * 6 * 4 * 4 * 16; code++) {
        unsigned rest = code;
        struct replay_view view = {0};
        view.serving.next_offset = (int)(rest % 6) - 1;
        rest /= 6;
        view.rebuilt.next_offset = (int)(rest % 6) - 1;
        rest /= 6;
        view.serving.complete = set_of(rest % 4);
        rest /= 4;
        view.rebuilt.complete = set_of(rest % 4);
        rest /= 4;
        view.low = rest % 4;
        view.high = view.low + rest / 4;
        check_flags(view);
    }
}

static void
test_the_serving_state_pauses_only_near_the_end(void **state)
{
    (void)state;
    struct replay_view view = {.serving.next_offset = 1000000, .low = 0, .high = 1000000};
    view.rebuilt.next_offset = 10;
    assert_int_equal(replay_decide(&view), REPLAY_READ);
    view.rebuilt.next_offset = 999999;
    assert_int_equal(replay_decide(&view), REPLAY_CLOSE);
    view.is_stuck = true;
    assert_int_equal(replay_decide(&view), REPLAY_READ);
}

/* --- random lives ---------------------------------------------------------------------------- */

/* A state proves what the fence at the topic's beginning and a load say: it has read that. */
struct life_state {
    int64_t next; /* -1: nothing was read */
    unsigned proof;
    int64_t replay;
};

enum { LOAD_PROVES = 1, FENCE_PROVES = 2 };

struct life {
    int64_t low, high, load; /* the topic, and where it has a load; -1: nowhere */
    struct life_state serving, rebuilt;
    bool is_rebuilding, accepts_loss;
    int64_t committed, followed; /* of the group; `followed` -1: a reset */
    int64_t now_ms;
    struct life_state last; /* the serving state at the last look */
    bool has_accepted;      /* since then */
    bool has_skipped;
};

static void
life_read(struct life *life, struct life_state *state, int64_t count)
{
    int64_t first = state->next < life->low ? life->low : state->next;
    int64_t end = first + count < life->high ? first + count : life->high;
    if (first >= end || (state->next >= 0 && state->next < life->low))
        return;
    if (first == 0)
        state->proof |= FENCE_PROVES;
    if (first <= life->load && life->load < end)
        state->proof |= LOAD_PROVES;
    state->next = end;
}

static void
life_commit(struct life *life)
{
    if (life->serving.next < 0)
        return;
    life->committed = life->serving.next;
    life->followed = life->is_rebuilding ? life->rebuilt.replay : life->serving.replay;
}

static void
life_begin(struct life *life, int64_t replay)
{
    life->rebuilt = (struct life_state){.next = -1, .replay = replay};
    life->is_rebuilding = true;
    life->accepts_loss = false;
}

/* After a crash; nothing that was read is lost, as the log is durable. */
static void
life_start(struct life *life)
{
    char text[RESUME_METADATA_BYTES] = "";
    const struct sequence sequence = {.epoch = 1};
    const struct resume_state held = {
        .next_offset = life->serving.next,
        .replay = life->serving.replay,
        .is_rebuilding = life->is_rebuilding,
        .rebuilt_replay = life->is_rebuilding && life->rebuilt.next >= 0 ? life->rebuilt.replay : 0,
        .data_dir_id = "us",
    };
    if (life->followed >= 0)
        resume_describe(&sequence, life->followed, "us", text);
    const struct resume_decision decision =
        resume_decide(&held, life->committed, text_of(text), life->now_ms);
    if (decision.was_reset && life->serving.next >= 0)
        assert_int_equal(decision.verdict == RESUME_REBUILD, life->committed < life->serving.next);
    if (decision.gives_up)
        life->is_rebuilding = life->accepts_loss = false;
    if (decision.verdict == RESUME_REBUILD)
        life_begin(life, decision.replay);
    else
        life->serving.replay = decision.replay;
    if (decision.verdict == RESUME_SKIP) {
        life->serving.next = life->committed;
        life->serving.proof = 0;
        life->has_skipped = true;
    }
    if (decision.was_reset && random_below(4) > 0) /* else a crash before the acknowledgement */
        life_commit(life);
}

static void
life_decide(struct life *life)
{
    if (!life->is_rebuilding)
        return;
    int64_t next = life->rebuilt.next;
    bool is_idle = next >= life->high || (next < 0 && life->low == life->high);
    const struct replay_view view = {
        .serving = {life->serving.next, set_of(life->serving.proof)},
        .rebuilt = {next, set_of(life->rebuilt.proof)},
        .low = life->low,
        .high = life->high,
        .is_idle = is_idle,
        .is_lost = !is_idle && next >= 0 && next < life->low,
        .accepts_loss = life->accepts_loss,
    };
    enum replay_step step = replay_decide(&view);
    if (step == REPLAY_SWAP)
        life->serving = life->rebuilt;
    if (step == REPLAY_SWAP || step == REPLAY_END)
        life->is_rebuilding = life->accepts_loss = false;
    life_commit(life);
}

static void
life_operate(struct life *life)
{
    switch (random_below(6)) {
    case 0: /* a reset, anywhere */
        life->committed = (int64_t)random_below((uint64_t)life->high + 3);
        life->followed = -1;
        life_start(life);
        break;
    case 1:
        if (life->serving.next > 0)
            life_begin(life, ++life->now_ms);
        break;
    case 2:
        life->is_rebuilding = life->accepts_loss = false;
        break;
    case 3:
        life->accepts_loss = life->is_rebuilding;
        break;
    case 4:
        life->load = life->high++;
        break;
    default: /* retention */
        life->low += (int64_t)random_below((uint64_t)(life->high - life->low) + 1);
        break;
    }
    life->has_accepted = life->has_accepted || life->accepts_loss;
}

static void
life_step(struct life *life)
{
    life->now_ms++;
    switch (random_below(8)) {
    case 0:
        life_start(life);
        break;
    case 1:
        life_operate(life);
        break;
    case 2:
        life_commit(life);
        break;
    case 3:
    case 4:
        life->high += (int64_t)random_below(3);
        break;
    default:
        life_read(life, &life->serving, (int64_t)random_below(3));
        if (life->is_rebuilding)
            life_read(life, &life->rebuilt, (int64_t)random_below(4));
        life_decide(life);
        break;
    }
}

/* What serves never goes back, unless a reset has moved it beyond the topic's end, and loses proof
 * by a skip or by an operator's word alone. */
static void
life_check(struct life *life)
{
    assert_true(life->serving.next >= life->last.next || life->has_accepted ||
                life->last.next > life->high);
    assert_true((life->last.proof & ~life->serving.proof) == 0 || life->has_accepted ||
                life->has_skipped);
    assert_true(!life->is_rebuilding || life->rebuilt.replay > life->serving.replay);
    life->last = life->serving;
    life->has_accepted = life->accepts_loss;
    life->has_skipped = false;
}

static void
test_F107_F120_random_lives_of_a_partition(void **state)
{
    (void)state;
    while (random_round(200)) {
        struct life life = {
            .high = (int64_t)random_below(4),
            .load = -1,
            .serving.next = -1,
            .committed = -1,
            .last.next = -1,
            .now_ms = 1000,
        };
        life_start(&life);
        for (int i = 0; i < 400; i++) {
            life_step(&life);
            life_check(&life);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F107_F120_every_small_view),
        cmocka_unit_test(test_the_serving_state_pauses_only_near_the_end),
        cmocka_unit_test(test_F107_F120_random_lives_of_a_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
