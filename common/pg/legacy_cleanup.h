/* The legacy cleanup trigger that older installations have on bitdex_cursors. When a consumer
 * writes its position, the trigger deletes the ops rows up to that id, even those that no producer
 * has sent (F08). While it exists, the producer refuses to drain the outbox and consumers do not
 * write to bitdex_cursors.
 */
#ifndef COMMON_PG_LEGACY_CLEANUP_H
#define COMMON_PG_LEGACY_CLEANUP_H

/* An SQL condition: the trigger exists. */
#define LEGACY_CLEANUP_EXISTS                                                               \
    "EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('bitdex_cursors')::oid AND" \
    " tgname = 'trg_cleanup_bitdex_ops')"

#define LEGACY_CLEANUP_MESSAGE                                                           \
    "the trigger trg_cleanup_bitdex_ops on bitdex_cursors deletes outbox rows that were" \
    " never sent; remove it with bitdex-producer init --remove-legacy-cleanup, "         \
    "or: " LEGACY_CLEANUP_DROP

#define LEGACY_CLEANUP_DROP "DROP TRIGGER trg_cleanup_bitdex_ops ON bitdex_cursors"

#endif
