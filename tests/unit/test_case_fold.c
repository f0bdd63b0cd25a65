#include "tests/unit/unit_test.h"

#include "consumer/engine/store/case_fold.h"
#include "consumer/engine/store/case_index.h"

static void
assert_folded(const char *text, const char *wanted)
{
    struct buffer folded;
    buffer_init(&folded);
    buffer_append_text(&folded, "what was there before");
    case_fold(text_of(text), &folded);
    assert_string_equal(buffer_string(&folded), wanted);
    buffer_free(&folded);
}

/* CaseFolding.txt of Unicode, status C and S. */
static void
test_simple_case_folding(void **state)
{
    (void)state;
    assert_folded("", "");
    assert_folded("SD 1.5 xL", "sd 1.5 xl");
    assert_folded("NAÏVE", "naïve");
    assert_folded("ẞ", "ß");            /* S; full folding has "ss" */
    assert_folded("ß", "ß");            /* only F */
    assert_folded("ﬁ", "ﬁ");            /* only F */
    assert_folded("ᾈ", "ᾀ");            /* S */
    assert_folded("\xe2\x84\xaa", "k"); /* the Kelvin sign: shorter */
    assert_folded("Ⱥ", "ⱥ");            /* longer */
    assert_folded("ΣΑΣ", "σασ");
    assert_folded("ς", "σ");
    assert_folded("ſ", "s");
    assert_folded("İıI", "İıi"); /* the Turkish mappings (T) are left out */
    assert_folded("𐐀", "𐐨");     /* beyond 16 bits */
    assert_folded("図🙂", "図🙂");
}

static void
test_bytes_that_are_not_utf8_stay(void **state)
{
    (void)state;
    assert_folded("A\xff"
                  "B\xc3",
                  "a\xff"
                  "b\xc3");
    assert_folded("\xed\xa0\x80X", "\xed\xa0\x80x");
}

static void
test_a_folded_text_finds_all_codes(void **state)
{
    (void)state;
    static const char *const texts[] = {"Image", "video", "IMAGE", "", "image", "VIDEO"};
    struct dictionary dictionary = {0};
    struct case_index index = {0};
    unsigned found = 0;
    uint32_t code = 0;
    case_index_follow(&index, &dictionary);
    assert_false(case_index_find(&index, TEXT("image"), &code));
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(dictionary_add(&dictionary, text_of(texts[i])), i);
        if (i != 2)
            case_index_follow(&index, &dictionary);
    }
    assert_false(case_index_find(&index, TEXT("Image"), &code));
    assert_true(case_index_find(&index, TEXT("image"), &code));
    do
        found |= 1U << code;
    while (case_index_next(&index, &code));
    assert_int_equal(found, 1 | 4 | 16);
    assert_true(case_index_find(&index, TEXT(""), &code));
    assert_int_equal(code, 3);
    assert_false(case_index_next(&index, &code));
    case_index_free(&index);
    dictionary_free(&dictionary);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple_case_folding),
        cmocka_unit_test(test_bytes_that_are_not_utf8_stay),
        cmocka_unit_test(test_a_folded_text_finds_all_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
