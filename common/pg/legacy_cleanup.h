/* The trigger that older installations have on bitdex_cursors: whenever a consumer writes how far
 * it is, outbox rows up to that id are deleted, whatever producers have sent (F08). While it
 * stands, nobody drains that outbox, and nobody writes that table.
 */
#ifndef COMMON_PG_LEGACY_CLEANUP_H
#define COMMON_PG_LEGACY_CLEANUP_H

/* An SQL condition. */
#define LEGACY_CLEANUP_STANDS                                                          \
    "EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('bitdex_cursors') AND" \
    " tgname = 'trg_cleanup_bitdex_ops')"

#define LEGACY_CLEANUP_MESSAGE                                                           \
    "the trigger trg_cleanup_bitdex_ops on bitdex_cursors deletes outbox rows that were" \
    " never sent: DROP TRIGGER trg_cleanup_bitdex_ops ON bitdex_cursors"

#endif
