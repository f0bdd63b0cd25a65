#include "common/base/check.h"
#include "consumer/partition/unanswered.h"
#include "consumer/partition/unanswered_internal.h"

enum { LEB_BYTES_MAX = 10, WORD_BYTES = 8 };

/* The lists of the format, in its order. */
enum record_list { LIST_REMOVED, LIST_ADDED, LIST_CLOSED, LIST_OPENED, LISTS };

/* --- to bytes --------------------------------------------------------------------------------- */

static void
put_number(struct buffer *out, uint64_t number)
{
    uint8_t bytes[LEB_BYTES_MAX];
    size_t count = 0;
    do {
        bytes[count] = (uint8_t)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
        count++;
    } while (number > 0);
    CHECK(count <= LEB_BYTES_MAX);
    buffer_append(out, bytes, count);
}

static void
put_word(struct buffer *out, uint64_t word)
{
    uint8_t bytes[WORD_BYTES];
    for (int i = 0; i < WORD_BYTES; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
    buffer_append(out, bytes, sizeof bytes);
}

static uint64_t
zigzag(int64_t difference)
{
    uint64_t word = (uint64_t)difference;
    return word << 1 ^ (difference < 0 ? UINT64_MAX : 0);
}

static void
put_request(struct buffer *out, const struct key_entry *entry)
{
    put_number(out, entry->word & UNANSWERED_FLAGS);
    put_number(out, entry->value);
    if ((entry->word & UNANSWERED_KEY) != 0)
        put_word(out, entry->word & ~(uint64_t)UNANSWERED_FLAGS);
}

static void
put_list(struct buffer *out, const struct key_table *table, enum record_list list)
{
    static const struct key_table none;
    const struct key_entry *entry;
    uint64_t before = 0;
    uint32_t at = 0;
    table = table != NULL ? table : &none;
    put_number(out, table->count);
    while ((entry = key_table_next(table, &at)) != NULL) {
        put_number(out, zigzag((int64_t)((uint64_t)entry->id - before)));
        before = (uint64_t)entry->id;
        if (list == LIST_ADDED)
            put_request(out, entry);
        if (list == LIST_CLOSED || list == LIST_OPENED)
            put_word(out, entry->word);
        if (list == LIST_OPENED)
            put_number(out, entry->value);
    }
}

void
unanswered_changes_encode(const struct unanswered_changes *changes, struct buffer *out)
{
    const uint8_t is_cleared = changes->is_cleared;
    buffer_append(out, &is_cleared, 1);
    put_list(out, &changes->removed, LIST_REMOVED);
    put_list(out, &changes->added, LIST_ADDED);
    put_list(out, &changes->closed, LIST_CLOSED);
    put_list(out, &changes->opened, LIST_OPENED);
}

void
unanswered_encode(const struct unanswered *record, struct buffer *out)
{
    const uint8_t is_cleared = true;
    buffer_append(out, &is_cleared, 1);
    put_list(out, NULL, LIST_REMOVED);
    put_list(out, &record->requests, LIST_ADDED);
    put_list(out, NULL, LIST_CLOSED);
    put_list(out, &record->letters, LIST_OPENED);
}

/* --- back ------------------------------------------------------------------------------------- */

/* What is left to read; `data` is NULL after something was missing or wrong. */
static uint8_t
take_byte(struct text *rest)
{
    if (rest->data == NULL || rest->bytes == 0) {
        rest->data = NULL;
        return 0;
    }
    rest->bytes--;
    return (uint8_t)*rest->data++;
}

static uint64_t
take_number(struct text *rest)
{
    uint64_t number = 0;
    for (int i = 0; i < LEB_BYTES_MAX; i++) {
        uint8_t byte = take_byte(rest);
        if (i == LEB_BYTES_MAX - 1 && byte > 1)
            break;
        number |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80)
            return number;
    }
    rest->data = NULL; /* more than 64 bits */
    return 0;
}

static uint64_t
take_word(struct text *rest)
{
    uint64_t word = 0;
    for (int i = 0; i < WORD_BYTES; i++)
        word |= (uint64_t)take_byte(rest) << 8 * i;
    return word;
}

static int64_t
unzigzag(uint64_t number)
{
    return (int64_t)(number >> 1 ^ ((number & 1) != 0 ? UINT64_MAX : 0));
}

static void
take_request(struct text *rest, struct key_entry *entry)
{
    uint64_t flags = take_number(rest);
    bool has_slot = (flags & UNANSWERED_SLOT) != 0, has_key = (flags & UNANSWERED_KEY) != 0;
    bool holds = (flags & UNANSWERED_HOLDS) != 0;
    entry->value = take_number(rest);
    entry->word = flags;
    if (has_key)
        entry->word |= take_word(rest) & ~(uint64_t)UNANSWERED_FLAGS;
    if (flags > UNANSWERED_FLAGS || (has_slot && has_key) || (holds && !has_slot) ||
        (has_slot && entry->value > UINT32_MAX))
        rest->data = NULL;
}

static void
take_list(struct text *rest, struct key_table *table, enum record_list list)
{
    uint64_t count = take_number(rest), before = 0;
    if (count > rest->bytes) /* an entry has at least one byte */
        rest->data = NULL;
    for (; count > 0 && rest->data != NULL; count--) {
        before += (uint64_t)unzigzag(take_number(rest));
        struct key_entry entry = {.id = (int64_t)before};
        if (list == LIST_ADDED)
            take_request(rest, &entry);
        if (list == LIST_CLOSED || list == LIST_OPENED)
            entry.word = take_word(rest);
        if (list == LIST_OPENED)
            entry.value = take_number(rest);
        if (rest->data != NULL)
            key_table_put(table, &entry);
    }
}

int
unanswered_changes_decode(struct text bytes, struct unanswered_changes *changes, struct error *err)
{
    struct text rest = bytes;
    unanswered_changes_begin(changes, NULL);
    uint8_t is_cleared = take_byte(&rest);
    changes->is_cleared = is_cleared == 1;
    take_list(&rest, &changes->removed, LIST_REMOVED);
    take_list(&rest, &changes->added, LIST_ADDED);
    take_list(&rest, &changes->closed, LIST_CLOSED);
    take_list(&rest, &changes->opened, LIST_OPENED);
    if (rest.data != NULL && rest.bytes == 0 && is_cleared <= 1)
        return 0;
    unanswered_changes_begin(changes, NULL);
    return error_set(err, ERR_DATA, "the record of requests has the wrong length or content");
}
