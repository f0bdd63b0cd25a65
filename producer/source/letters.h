/* The dead letters of producers in the source database: the table bitdex_dead_letters.
 *
 * A letter is retried by rows of the outbox that request what it is about, in the transaction that
 * writes its number into the letter. It is resolved once the newest saved `answered` of its
 * producer sees that transaction, because then the answer is acknowledged; nobody updates it again.
 *
 * The functions use the caller's database session. One thread.
 */
#ifndef PRODUCER_SOURCE_LETTERS_H
#define PRODUCER_SOURCE_LETTERS_H

#include "common/base/error.h"
#include "common/pg/pg.h"

/* SQL: is the letter `d` resolved? */
#define LETTER_IS_RESOLVED                                                                    \
    "(d.retried_txid IS NOT NULL AND coalesce((SELECT pg_visible_in_snapshot(d.retried_txid," \
    " coalesce(w.answered, w.s1)) FROM bitdex_windows w WHERE w.name = d.name"                \
    " ORDER BY w.tick DESC, w.sub_id DESC LIMIT 1), false))"
/* SQL: "open", "retried" or "resolved" */
#define LETTER_STATE                                                                           \
    "CASE WHEN d.retried_txid IS NULL THEN 'open' WHEN " LETTER_IS_RESOLVED " THEN 'resolved'" \
    " ELSE 'retried' END"

/* How the reason of a row begins whose ops the database cannot give out as text. */
#define LETTER_UNREADABLE "the database cannot read its ops: "
/* Likewise of ops that it cannot even search: the letter has an empty list instead of them. */
#define LETTER_DAMAGED "the database cannot read its ops, which are damaged: "
/* SQL: the ops of the letter `d`. Of ops that cannot be read only whether they are a fan-out. */
#define LETTER_OPS                                                            \
    "CASE WHEN NOT starts_with(d.reason, '" LETTER_UNREADABLE "') THEN d.ops" \
    " WHEN d.ops @> '[{\"op\":\"queryOpSet\"}]' THEN '[{\"op\":\"queryOpSet\"}]' ELSE '[]' END"

/* One letter; texts belong to the caller. */
struct letter_key {
    const char *name; /* of the producer */
    const char *epoch;
    const char *row_id;
    const char *job;
    const char *place;
};

/* Counts the letters of a producer that are not resolved. */
int letters_count_open(struct pg *pg, const char *name, int64_t *count, struct error *err);

/* Removes up to `limit` letters of a producer that are older than `days`, and counts them. Those of
 * the newest saved window stay: a window that is resumed follows its verdicts (L9). */
int letters_remove_old(struct pg *pg, const char *name, int32_t days, int64_t limit, int64_t *count,
                       struct error *err);

/* Inserts rows with these ops, JSON arrays (NULL: none), for the entity, and marks the letter, in
 * one transaction. `*found`: the letter was there. */
int letters_retry(struct pg *pg, const struct letter_key *key, const char *entity_id,
                  const char *const *rows, int row_count, bool *found, struct error *err);

/* Appends the SQL that does the same, for a person who corrects the ops. */
void letters_append_retry(const struct letter_key *key, const char *entity_id,
                          const char *const *rows, int row_count, struct buffer *out);

#endif
