/* Bit slices against plain arrays, with many ties and more slots than in test_engine_model. It runs
 * in rounds (random_input.h). */
#include "tests/unit/unit_test.h"

#include "consumer/engine/store/slices.h"
#include "tests/unit/random_input.h"

enum { SLOTS = 6000 };

static int64_t numbers[SLOTS];
static struct slices_change changes[SLOTS];

/* The pages of the slots. */
enum { PAGE = 3, PAGES = 3 };

static uint32_t
slot_of(int i)
{
    return PAGE * PAGE_SLOTS + 20000 + (uint32_t)i * 20;
}

static bool
pages_have(const struct page_bits *pages, int i)
{
    uint32_t at = slot_of(i) % PAGE_SLOTS;
    return pages[slot_of(i) / PAGE_SLOTS - PAGE].words[at / WORD_SLOTS] >> at % WORD_SLOTS & 1;
}

static roaring_bitmap_t *
fill(struct slices *slices, uint32_t width, uint64_t distinct)
{
    int64_t max = (int64_t)((UINT64_C(1) << width) - 1);
    roaring_bitmap_t *all = roaring_bitmap_create();
    slices_init(slices, width);
    bool plain = random_below(2) == 0; /* no number is negative or has the highest bits */
    for (int i = 0; i < SLOTS; i++) {
        int64_t number = (int64_t)random_below(distinct) - (plain ? 0 : (int64_t)distinct / 2);
        number = number > max ? max : number < -max ? -max : number;
        bool extreme = !plain && random_below(20) == 0;
        numbers[i] = !extreme ? number : random_below(2) == 0 ? max : -max;
        slices_change(slices, slot_of(i), 0, random_below(2) == 0 ? max : -max);
        roaring_bitmap_add(all, slot_of(i));
    }
    slices_fill(slices, all, 1);
    bool together = random_below(2) == 0;
    for (int i = 0; i < SLOTS; i++) {
        changes[i] = (struct slices_change){slot_of(i), 1, numbers[i]};
        if (!together)
            slices_change(slices, slot_of(i), 1, numbers[i]);
    }
    if (together)
        slices_change_many(slices, changes, SLOTS);
    return all;
}

static void
check_part(const struct slices *slices, const roaring_bitmap_t *all, int64_t number)
{
    struct page_bits open[PAGES], above[PAGES];
    bool parted[PAGES];
    for (uint32_t i = 0; i < PAGES; i++) {
        bitmap_page_read(all, PAGE + i, &open[i]);
        parted[i] = slices_part(slices, PAGE + i, number, &open[i], &above[i]);
        assert_true(parted[i] || page_bits_count(&open[i]) <= SLICES_FEW);
    }
    for (int i = 0; i < SLOTS; i++) {
        bool is_open = pages_have(open, i);
        bool is_above = pages_have(above, i);
        assert_false(is_open && is_above);
        if (parted[slot_of(i) / PAGE_SLOTS - PAGE] || !is_open)
            assert_int_equal(is_open, numbers[i] == number);
        if (!is_open)
            assert_int_equal(is_above, numbers[i] > number);
    }
}

static bool
is_better(int a, int b, bool greatest)
{
    if (numbers[a] != numbers[b])
        return (numbers[a] > numbers[b]) == greatest;
    return (a > b) == greatest;
}

/* What slices_best() keeps of all pages, sorted again. */
static void
read_best(const struct slices *slices, const roaring_bitmap_t *all, uint64_t wanted, bool greatest,
          struct page_bits *best)
{
    uint32_t pages[PAGES];
    struct page_bits open[PAGES];
    for (uint32_t i = 0; i < PAGES; i++) {
        pages[i] = PAGE + (greatest ? PAGES - 1 - i : i);
        bitmap_page_read(all, pages[i], &open[i]);
    }
    slices_best(slices, pages, PAGES, wanted, greatest, open);
    for (uint32_t i = 0; i < PAGES; i++)
        best[pages[i] - PAGE] = open[i];
}

/* Checks that every number that is left out has at least `wanted` better ones before it. */
static void
check_best(const struct slices *slices, const roaring_bitmap_t *all, uint64_t wanted, bool greatest)
{
    struct page_bits best[PAGES];
    read_best(slices, all, wanted, greatest, best);
    int left_out = -1;
    uint64_t before = 0, left = 0;
    for (int i = 0; i < SLOTS; i++) {
        bool out = !pages_have(best, i);
        left += !out;
        if (out && (left_out < 0 || is_better(i, left_out, greatest)))
            left_out = i;
    }
    for (int i = 0; i < SLOTS && left_out >= 0; i++)
        before += is_better(i, left_out, greatest);
    assert_true(left_out < 0 || before >= wanted);
    assert_true(left <= wanted + SLICES_FEW);
}

static void
run_round(uint32_t width, uint64_t distinct)
{
    struct slices slices = {0};
    roaring_bitmap_t *all = fill(&slices, width, distinct);
    int64_t max = (int64_t)((UINT64_C(1) << width) - 1);
    check_part(&slices, all, max);
    check_part(&slices, all, -max);
    for (int i = 0; i < 5; i++)
        check_part(&slices, all, numbers[random_below(SLOTS)]);
    for (int i = 0; i < 5; i++)
        check_best(&slices, all, 1 + random_below(i < 3 ? 60 : SLOTS), random_below(2) == 0);
    slices_free(&slices);
    roaring_bitmap_free(all);
}

static void
test_slices_compare_and_find_the_best_as_arrays_do(void **state)
{
    (void)state;
    static const uint32_t widths[] = {1, 10, 32, 63};
    while (random_round(5)) {
        for (size_t i = 0; i < COUNT_OF(widths); i++) {
            run_round(widths[i], 3);
            run_round(widths[i], 1000000);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_compare_and_find_the_best_as_arrays_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
