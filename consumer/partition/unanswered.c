#include "consumer/partition/unanswered.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/partition/unanswered_internal.h"

/* Entries of the tables:
 *
 *     requests    id: row; word: entry and flags; value: slot or key
 *     letters     id; word: field, 1 more for a fan-out; value: job
 *     held        id: slot; value: number of requests that hold it
 */

uint64_t
unanswered_hash(struct text name)
{
    return text_hash(name) & ~(uint64_t)UNANSWERED_FLAGS;
}

struct unanswered *
unanswered_create(void)
{
    struct unanswered *record = memory_zalloc(sizeof *record);
    record->letters.keyed_by_word = true;
    return record;
}

void
unanswered_destroy(struct unanswered *record)
{
    if (record == NULL)
        return;
    key_table_clear(&record->requests);
    key_table_clear(&record->letters);
    key_table_clear(&record->held);
    free(record);
}

uint32_t
unanswered_count(const struct unanswered *record)
{
    CHECK(record->held.count <= record->requests.count);
    return record->requests.count;
}

uint32_t
unanswered_letter_count(const struct unanswered *record)
{
    return record->letters.count;
}

/* --- entries ---------------------------------------------------------------------------------- */

static struct key_entry
entry_of_request(const struct unanswered_request *request)
{
    CHECK(!request->has_slot || !request->has_key);
    CHECK(!request->holds || request->has_slot);
    CHECK((request->entry & UNANSWERED_FLAGS) == 0);
    struct key_entry entry = {
        .id = request->row_id,
        .word = (request->has_slot ? UNANSWERED_SLOT : 0) |
                (request->holds ? UNANSWERED_HOLDS : 0) | (request->has_key ? UNANSWERED_KEY : 0),
        .value = request->has_slot ? request->slot : 0,
    };
    if (request->has_key) {
        entry.word |= request->entry;
        entry.value = (uint64_t)request->key;
    }
    return entry;
}

static struct unanswered_request
request_of_entry(const struct key_entry *entry)
{
    struct unanswered_request request = {
        .row_id = entry->id,
        .has_slot = (entry->word & UNANSWERED_SLOT) != 0,
        .holds = (entry->word & UNANSWERED_HOLDS) != 0,
        .has_key = (entry->word & UNANSWERED_KEY) != 0,
    };
    if (request.has_slot)
        request.slot = (uint32_t)entry->value;
    if (request.has_key) {
        request.entry = entry->word & ~(uint64_t)UNANSWERED_FLAGS;
        request.key = (int64_t)entry->value;
    }
    return request;
}

static struct key_entry
entry_of_letter(const struct unanswered_letter *letter)
{
    CHECK((letter->field & UNANSWERED_FLAGS) == 0);
    return (struct key_entry){
        .id = letter->id,
        .word = letter->field | letter->is_fan_out,
        .value = (uint64_t)letter->job,
    };
}

static struct unanswered_letter
letter_of_entry(const struct key_entry *entry)
{
    return (struct unanswered_letter){
        .id = entry->id,
        .field = entry->word & ~(uint64_t)UNANSWERED_FLAGS,
        .is_fan_out = (entry->word & 1) != 0,
        .job = (int64_t)entry->value,
    };
}

/* --- changes ---------------------------------------------------------------------------------- */

void
unanswered_changes_init(struct unanswered_changes *changes)
{
    *changes =
        (struct unanswered_changes){.closed.keyed_by_word = true, .opened.keyed_by_word = true};
}

void
unanswered_changes_free(struct unanswered_changes *changes)
{
    unanswered_changes_begin(changes, NULL);
}

void
unanswered_changes_begin(struct unanswered_changes *changes, const struct unanswered *base)
{
    CHECK(changes->closed.keyed_by_word && changes->opened.keyed_by_word);
    changes->base = base;
    changes->is_cleared = false;
    key_table_clear(&changes->removed);
    key_table_clear(&changes->added);
    key_table_clear(&changes->closed);
    key_table_clear(&changes->opened);
}

uint64_t
unanswered_changes_count(const struct unanswered_changes *changes)
{
    return (uint64_t)changes->removed.count + changes->added.count + changes->closed.count +
           changes->opened.count;
}

bool
unanswered_changes_are_none(const struct unanswered_changes *changes)
{
    return !changes->is_cleared && unanswered_changes_count(changes) == 0;
}

void
unanswered_clear(struct unanswered_changes *changes)
{
    changes->is_cleared = true;
    key_table_clear(&changes->removed);
    key_table_clear(&changes->added);
}

void
unanswered_add(struct unanswered_changes *changes, const struct unanswered_request *request)
{
    const struct key_entry entry = entry_of_request(request);
    key_table_put(&changes->added, &entry);
}

/* The request of this row in the record that is changed; NULL: it is not there, or has left. */
static const struct key_entry *
changes_find_in_base(const struct unanswered_changes *changes, const struct key_entry *key)
{
    if (changes->base == NULL || changes->is_cleared ||
        key_table_find(&changes->removed, key) != NULL)
        return NULL;
    return key_table_find(&changes->base->requests, key);
}

bool
unanswered_remove(struct unanswered_changes *changes, int64_t row_id,
                  struct unanswered_request *request)
{
    const struct key_entry key = {.id = row_id};
    const struct key_entry *in_base = changes_find_in_base(changes, &key);
    const struct key_entry *added = key_table_find(&changes->added, &key);
    const struct key_entry *found = added != NULL ? added : in_base;
    if (found == NULL)
        return false;
    *request = request_of_entry(found);
    if (in_base != NULL)
        key_table_put(&changes->removed, &key);
    key_table_remove(&changes->added, &key);
    return true;
}

/* --- letters ---------------------------------------------------------------------------------- */

static uint32_t
changes_base_letters(const struct unanswered_changes *changes)
{
    return changes->base != NULL ? changes->base->letters.count : 0;
}

bool
unanswered_has_letters(const struct unanswered_changes *changes)
{
    CHECK(changes->closed.count <= changes_base_letters(changes));
    return changes->opened.count > 0 || changes->closed.count < changes_base_letters(changes);
}

void
unanswered_open(struct unanswered_changes *changes, const struct unanswered_letter *letter)
{
    const struct key_entry entry = entry_of_letter(letter);
    uint64_t count = (uint64_t)changes_base_letters(changes) + changes->opened.count;
    CHECK(changes->closed.count <= count);
    if (count - changes->closed.count < UNANSWERED_LETTERS_MAX)
        key_table_put(&changes->opened, &entry);
}

void
unanswered_close_letter(struct unanswered_changes *changes, const struct unanswered_letter *letter)
{
    const struct key_entry key = entry_of_letter(letter);
    key_table_remove(&changes->opened, &key);
    if (changes->base != NULL && key_table_find(&changes->base->letters, &key) != NULL)
        key_table_put(&changes->closed, &key);
}

struct letter_filter {
    bool (*is_closed)(void *context, const struct unanswered_letter *letter);
    void *context;
};

/* The letters of `table` that are to be closed; the caller clears it. */
static struct key_table
letters_to_close(const struct key_table *table, const struct letter_filter *filter)
{
    struct key_table found = {.keyed_by_word = true};
    uint32_t at = 0;
    const struct key_entry *entry;
    while ((entry = key_table_next(table, &at)) != NULL) {
        const struct unanswered_letter letter = letter_of_entry(entry);
        if (filter->is_closed(filter->context, &letter))
            key_table_put(&found, entry);
    }
    return found;
}

static void
changes_close_base(struct unanswered_changes *changes, const struct letter_filter *filter)
{
    uint32_t at = 0;
    const struct key_entry *entry;
    struct key_table found = letters_to_close(&changes->base->letters, filter);
    while ((entry = key_table_next(&found, &at)) != NULL)
        key_table_put(&changes->closed, entry);
    key_table_clear(&found);
}

void
unanswered_close(struct unanswered_changes *changes,
                 bool (*is_closed)(void *context, const struct unanswered_letter *letter),
                 void *context)
{
    const struct letter_filter filter = {is_closed, context};
    uint32_t at = 0;
    const struct key_entry *entry;
    struct key_table found = letters_to_close(&changes->opened, &filter);
    while ((entry = key_table_next(&found, &at)) != NULL)
        key_table_remove(&changes->opened, entry);
    key_table_clear(&found);
    if (changes->base != NULL)
        changes_close_base(changes, &filter);
}

/* --- one after the other ---------------------------------------------------------------------- */

/* Removes from `from`, and notes in `gone`, what `more` names. */
static void
changes_merge_gone(struct key_table *from, struct key_table *gone, const struct key_table *more)
{
    uint32_t at = 0;
    const struct key_entry *entry;
    while ((entry = key_table_next(more, &at)) != NULL) {
        key_table_remove(from, entry);
        key_table_put(gone, entry);
    }
}

static void
table_put_all(struct key_table *to, const struct key_table *more)
{
    uint32_t at = 0;
    const struct key_entry *entry;
    CHECK(to->keyed_by_word == more->keyed_by_word);
    while ((entry = key_table_next(more, &at)) != NULL)
        key_table_put(to, entry);
}

void
unanswered_changes_merge(struct unanswered_changes *to, const struct unanswered_changes *more)
{
    CHECK(to->base == NULL);
    if (more->is_cleared)
        unanswered_clear(to);
    changes_merge_gone(&to->added, &to->removed, &more->removed);
    table_put_all(&to->added, &more->added);
    changes_merge_gone(&to->opened, &to->closed, &more->closed);
    table_put_all(&to->opened, &more->opened);
}

/* --- the record ------------------------------------------------------------------------------- */

/* Whoever is to hear of held slots. */
struct hold_target {
    unanswered_hold hold; /* NULL: nobody */
    void *context;
};

static void
record_hold(struct unanswered *record, const struct key_entry *request, bool begins,
            const struct hold_target *target)
{
    struct key_entry held = {.id = (int64_t)request->value};
    if ((request->word & UNANSWERED_HOLDS) == 0)
        return;
    const struct key_entry *before = key_table_find(&record->held, &held);
    CHECK(begins || (before != NULL && before->value > 0));
    held.value = (before != NULL ? before->value : 0) + (begins ? 1 : -UINT64_C(1));
    if (held.value > 0)
        key_table_put(&record->held, &held);
    else
        key_table_remove(&record->held, &held);
    if (target->hold != NULL && held.value == (begins ? 1 : 0))
        target->hold(target->context, (uint32_t)held.id, begins);
}

static void
record_remove(struct unanswered *record, const struct key_entry *key,
              const struct hold_target *target)
{
    const struct key_entry *found = key_table_find(&record->requests, key);
    if (found == NULL)
        return;
    const struct key_entry gone = *found;
    key_table_remove(&record->requests, &gone);
    record_hold(record, &gone, false, target);
}

static void
record_clear(struct unanswered *record, const struct hold_target *target)
{
    if (target->hold != NULL) {
        uint32_t at = 0;
        const struct key_entry *held;
        while ((held = key_table_next(&record->held, &at)) != NULL)
            target->hold(target->context, (uint32_t)held->id, false);
    }
    key_table_clear(&record->held);
    key_table_clear(&record->requests);
}

void
unanswered_apply(struct unanswered *record, const struct unanswered_changes *changes,
                 unanswered_hold hold, void *context)
{
    const struct hold_target target = {hold, context};
    const struct key_entry *entry;
    uint32_t at = 0;
    CHECK(changes->base == NULL || changes->base == record);
    if (changes->is_cleared)
        record_clear(record, &target);
    while ((entry = key_table_next(&changes->removed, &at)) != NULL)
        record_remove(record, entry, &target);
    at = 0;
    while ((entry = key_table_next(&changes->added, &at)) != NULL) {
        record_remove(record, entry, &target);
        key_table_put(&record->requests, entry);
        record_hold(record, entry, true, &target);
    }
    at = 0;
    while ((entry = key_table_next(&changes->closed, &at)) != NULL)
        key_table_remove(&record->letters, entry);
    table_put_all(&record->letters, &changes->opened);
    CHECK(record->held.count <= record->requests.count);
}

void
unanswered_changes_visit_held(const struct unanswered_changes *changes, unanswered_hold hold,
                              void *context)
{
    uint32_t at = 0;
    const struct key_entry *entry;
    while ((entry = key_table_next(&changes->added, &at)) != NULL)
        if ((entry->word & UNANSWERED_HOLDS) != 0)
            hold(context, (uint32_t)entry->value, true);
}

void
unanswered_visit_held(const struct unanswered *record, unanswered_hold hold, void *context)
{
    uint32_t at = 0;
    const struct key_entry *held;
    while ((held = key_table_next(&record->held, &at)) != NULL)
        hold(context, (uint32_t)held->id, true);
}

struct kept_fields {
    const uint64_t *fields;
    uint32_t count;
};

static bool
letter_is_of_no_field(void *context, const struct unanswered_letter *letter)
{
    const struct kept_fields *kept = context;
    for (uint32_t i = 0; i < kept->count; i++)
        if (kept->fields[i] == letter->field)
            return false;
    return true;
}

void
unanswered_keep_fields(struct unanswered *record, const uint64_t *fields, uint32_t count)
{
    struct unanswered_changes changes;
    struct kept_fields kept = {fields, count};
    unanswered_changes_init(&changes);
    unanswered_changes_begin(&changes, record);
    unanswered_close(&changes, letter_is_of_no_field, &kept);
    unanswered_apply(record, &changes, NULL, NULL);
    unanswered_changes_free(&changes);
}
