#include "consumer/engine/store/case_index.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/store/case_fold.h"

enum { CAPACITY_MIN = 16 };

#define NO_CODE UINT32_MAX

void
case_index_free(struct case_index *index)
{
    CHECK(index->count <= index->capacity);
    dictionary_free(&index->folded);
    free(index->newest);
    free(index->older);
    *index = (struct case_index){0};
}

static void
case_index_reserve(struct case_index *index, uint32_t count)
{
    if (count <= index->capacity)
        return;
    uint32_t capacity = index->capacity > 0 ? 2 * index->capacity : CAPACITY_MIN;
    index->capacity = capacity > count ? capacity : count;
    index->newest = memory_realloc(index->newest, index->capacity * sizeof *index->newest);
    index->older = memory_realloc(index->older, index->capacity * sizeof *index->older);
}

/* The code is not in the index yet, and its text has this folded form. */
static void
case_index_link(struct case_index *index, uint32_t code, struct text folded)
{
    uint32_t before = index->folded.count;
    uint32_t at = dictionary_add(&index->folded, folded);
    CHECK(index->older[code] == NO_CODE);
    CHECK(at < index->capacity);
    index->older[code] = index->folded.count > before ? code : index->newest[at];
    index->newest[at] = code;
}

void
case_index_add(struct case_index *index, const struct dictionary *dictionary, uint32_t code)
{
    case_index_follow(index, dictionary);
    CHECK(code < index->count);
    if (index->older[code] != NO_CODE)
        return;
    struct buffer folded;
    buffer_init(&folded);
    case_fold(dictionary_text(dictionary, code), &folded);
    case_index_link(index, code, (struct text){(const char *)folded.data, folded.bytes});
    buffer_free(&folded);
}

void
case_index_follow(struct case_index *index, const struct dictionary *dictionary)
{
    CHECK(index->count <= dictionary->count);
    if (index->count == dictionary->count)
        return;
    struct buffer folded;
    buffer_init(&folded);
    case_index_reserve(index, dictionary->count);
    for (; index->count < dictionary->count; index->count++) {
        uint32_t code = index->count;
        index->older[code] = NO_CODE;
        if (!dictionary_has(dictionary, code))
            continue;
        case_fold(dictionary_text(dictionary, code), &folded);
        case_index_link(index, code, (struct text){(const char *)folded.data, folded.bytes});
    }
    buffer_free(&folded);
}

uint64_t
case_index_bytes(const struct case_index *index)
{
    return dictionary_bytes(&index->folded) +
           index->capacity * (sizeof *index->newest + sizeof *index->older);
}

bool
case_index_find(const struct case_index *index, struct text folded, uint32_t *code)
{
    uint32_t at;
    if (!dictionary_find(&index->folded, folded, &at))
        return false;
    CHECK(index->newest[at] < index->count);
    *code = index->newest[at];
    return true;
}

bool
case_index_next(const struct case_index *index, uint32_t *code)
{
    CHECK(*code < index->count);
    uint32_t older = index->older[*code];
    CHECK(older < index->count);
    bool more = older != *code;
    *code = older;
    return more;
}
