/* Which texts of a dictionary are equal without regard to case: folded text -> codes.
 *
 * Any number of readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_STORE_CASE_INDEX_H
#define CONSUMER_ENGINE_STORE_CASE_INDEX_H

#include "consumer/engine/store/dictionary.h"

struct case_index {
    struct dictionary folded; /* the folded texts */
    uint32_t *newest;         /* by the code of a folded text: the last code of its texts */
    uint32_t *older;          /* by code: the one before of the same folded text, or itself;
                                 UINT32_MAX: the code has no text */
    uint32_t count;           /* of codes; the dictionary's */
    uint32_t capacity;        /* of both lists */
};

/* A zeroed struct is empty. Leaves it empty. */
void case_index_free(struct case_index *index);
/* Adds the texts with new codes that joined the dictionary since the last call; always the same
 * dictionary. After dictionary_drop() the index has to be freed first. */
void case_index_follow(struct case_index *index, const struct dictionary *dictionary);
/* Adds the text of `code`, new or reused, unless the index has it. */
void case_index_add(struct case_index *index, const struct dictionary *dictionary, uint32_t code);
uint64_t case_index_bytes(const struct case_index *index);

/* One of the codes whose texts have this folded form; false: no text has it. */
bool case_index_find(const struct case_index *index, struct text folded, uint32_t *code);
/* The next of these codes; false: `*code` was the last. */
bool case_index_next(const struct case_index *index, uint32_t *code);

#endif
