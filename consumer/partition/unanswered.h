/* The record of a partition: the requests that it has seen and not yet seen answered, and its open
 * dead letters. It is part of the partition position.
 *
 * A request enters with the numbered row that asks, and leaves when a chunk names that row; a
 * proven loss and a new epoch empty the requests (sequence.h). A request `holds` its slot when the
 * answer may change visible_from: the slot is invisible until no request holds it.
 *
 * A dead letter is open while the index has null where the source has something else: of a slot and
 * a field, or of a fan-out and a field. It leaves when a load or an answer has stated the field.
 *
 * The record may be large, so a frame carries only the changes since the frame before it:
 *
 *     batch      collects the changes of its messages over the record       unanswered_changes
 *     replica    collects those of several batches until the next frame     the same, merged
 *     frame      has them as bytes; recovery applies them in order
 *     checkpoint has the whole record as one change of an empty one
 *
 * The bytes: 1 byte, 1: all requests leave; then four lists, each a count and its entries: the
 * requests that leave, those that enter, the letters that leave, and those that are open now.
 * Numbers are unsigned LEB128; an id is the zigzag difference to the one before it in its list.
 *
 *     request that leaves    id
 *     request that enters    id, flags (1 slot, 2 holds, 4 key), slot or key, with a key: 8 bytes
 *                            entry, little-endian
 *     letter                 id, 8 bytes field; of one that is open: job
 *
 * Pure. A record belongs to one thread.
 */
#ifndef CONSUMER_PARTITION_UNANSWERED_H
#define CONSUMER_PARTITION_UNANSWERED_H

#include "common/base/error.h"
#include "common/base/key_table.h"
#include "common/base/memory.h"

/* The requests of one outbox row. */
struct unanswered_request {
    int64_t row_id;
    bool has_slot; /* an entity or a child: `slot`, else parents or an entity that has no slot */
    bool holds;
    uint32_t slot;
    bool has_key;   /* one parent with an integer as key: `entry`, `key` */
    uint64_t entry; /* unanswered_hash() of the name of its entry */
    int64_t key;
};

/* An open dead letter. */
struct unanswered_letter {
    int64_t id;     /* the slot, or the entity id of a fan-out */
    uint64_t field; /* unanswered_hash() of its name */
    bool is_fan_out;
    int64_t job; /* the load that was running when it was written; 0: none */
};

enum {
    UNANSWERED_LETTERS_MAX = 64 * 1024, /* more are not counted */
    UNANSWERED_REQUEST_BYTES_MAX = 32,  /* of the longest entry of the format */
    UNANSWERED_LETTER_BYTES_MAX = 32,
};

struct unanswered;

/* Of a name: text_hash() without the lowest 3 bits. */
uint64_t unanswered_hash(struct text name);

struct unanswered *unanswered_create(void);
void unanswered_destroy(struct unanswered *record); /* NULL is allowed */

uint32_t unanswered_count(const struct unanswered *record);
uint32_t unanswered_letter_count(const struct unanswered *record);

/* --- changes ---------------------------------------------------------------------------------- */

/* They apply in this order: all requests leave, some leave, some enter. */
struct unanswered_changes {
    const struct unanswered *base; /* what they change; NULL: an empty record */
    bool is_cleared;
    struct key_table removed; /* requests, and `added` likewise */
    struct key_table added;
    struct key_table closed; /* letters, and `opened` likewise */
    struct key_table opened;
};

void unanswered_changes_init(struct unanswered_changes *changes);
void unanswered_changes_free(struct unanswered_changes *changes);
/* Without any, over `base`, which must not change while they are added to; NULL: an empty record.
 */
void unanswered_changes_begin(struct unanswered_changes *changes, const struct unanswered *base);
bool unanswered_changes_are_none(const struct unanswered_changes *changes);
/* How many entries they name. */
uint64_t unanswered_changes_count(const struct unanswered_changes *changes);

/* All requests leave. */
void unanswered_clear(struct unanswered_changes *changes);
void unanswered_add(struct unanswered_changes *changes, const struct unanswered_request *request);
/* The request of this row leaves, and is in `request`. False: it is not in the record. */
bool unanswered_remove(struct unanswered_changes *changes, int64_t row_id,
                       struct unanswered_request *request);

/* Does nothing when there are UNANSWERED_LETTERS_MAX of them. */
void unanswered_open(struct unanswered_changes *changes, const struct unanswered_letter *letter);
/* Are letters open? A quick way out of what follows. */
bool unanswered_has_letters(const struct unanswered_changes *changes);
/* Closes the letter of this id and field, if it is open. */
void unanswered_close_letter(struct unanswered_changes *changes,
                             const struct unanswered_letter *letter);
/* Closes the letters for which `is_closed` says so. */
void unanswered_close(struct unanswered_changes *changes,
                      bool (*is_closed)(void *context, const struct unanswered_letter *letter),
                      void *context);

/* `to`, whose base is NULL, becomes what both do one after the other. */
void unanswered_changes_merge(struct unanswered_changes *to, const struct unanswered_changes *more);

/* --- the record ------------------------------------------------------------------------------- */

/* Called for a slot that is held, or not any more. */
typedef void (*unanswered_hold)(void *context, uint32_t slot, bool is_held);

/* Changes the record. `hold`: NULL, or called whenever a slot begins to be held, and when it ends:
 * the last call for a slot counts. */
void unanswered_apply(struct unanswered *record, const struct unanswered_changes *changes,
                      unanswered_hold hold, void *context);
/* Calls `hold` for the slots that the requests among the changes hold. */
void unanswered_changes_visit_held(const struct unanswered_changes *changes, unanswered_hold hold,
                                   void *context);
/* The same for all held slots of the record. */
void unanswered_visit_held(const struct unanswered *record, unanswered_hold hold, void *context);
/* Closes the letters of all fields but these (unanswered_hash of their names). */
void unanswered_keep_fields(struct unanswered *record, const uint64_t *fields, uint32_t count);

/* --- as bytes --------------------------------------------------------------------------------- */

/* Appends. */
void unanswered_changes_encode(const struct unanswered_changes *changes, struct buffer *out);
/* The whole record, as the changes of an empty one. */
void unanswered_encode(const struct unanswered *record, struct buffer *out);
/* Sets `changes`, which is initialised. ERR_DATA: the bytes are not changes of a record. */
int unanswered_changes_decode(struct text bytes, struct unanswered_changes *changes,
                              struct error *err);

#endif
