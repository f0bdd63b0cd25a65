/* The bytes of bitmaps in an image, against CRoaring's. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "consumer/engine/store/bitmap.h"
#include "consumer/engine/store/image.h"
#include "tests/unit/random_input.h"

static void
take(void *context, const void *data, size_t bytes)
{
    buffer_append(context, data, bytes);
}

/* Some slots of a page, which becomes an array, words or runs. */
static void
add_page(roaring_bitmap_t *bitmap, uint32_t page)
{
    uint32_t first = page << PAGE_BITS, kind = (uint32_t)random_below(3);
    uint32_t count = 1 + (uint32_t)random_below(kind == 0 ? 4096 : PAGE_SLOTS / 2);
    if (kind == 2)
        roaring_bitmap_add_range(bitmap, first, first + count);
    else
        for (uint32_t i = 0; i < count; i++)
            roaring_bitmap_add(bitmap, first | (uint32_t)random_below(PAGE_SLOTS));
    if (random_below(2) == 0)
        roaring_bitmap_run_optimize(bitmap);
}

static void
assert_same(const roaring_bitmap_t *bitmap)
{
    struct buffer image = {0};
    const struct image_sink sink = {&image, take};
    struct image_writer writer;
    uint64_t bytes = roaring_bitmap_portable_size_in_bytes(bitmap);
    char *wanted = memory_alloc(bytes);
    roaring_bitmap_portable_serialize(bitmap, wanted);
    image_begin(&writer, &sink);
    image_put_bitmap(&writer, bitmap);
    image_finish(&writer);
    assert_int_equal(image.bytes, sizeof bytes + bytes);
    assert_memory_equal(image.data, &bytes, sizeof bytes);
    assert_memory_equal(image.data + sizeof bytes, wanted, bytes);
    free(wanted);
    buffer_free(&image);
}

static void
test_bitmaps_have_the_bytes_of_croaring(void **state)
{
    (void)state;
    random_seed();
    while (random_round(30)) {
        roaring_bitmap_t *bitmap = bitmap_create();
        for (uint64_t pages = random_below(20); pages > 0; pages--)
            add_page(bitmap, (uint32_t)random_below(40));
        assert_same(bitmap);
        roaring_bitmap_free(bitmap);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bitmaps_have_the_bytes_of_croaring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
