/* Compares two identities: the one in a segment's header and the one that this program expects. An
 * identity is text with one property per line, "name: value"; no name occurs twice. The lines of
 * fields may differ (config_identity.h). Pure.
 */
#ifndef CONSUMER_WAL_WAL_IDENTITY_H
#define CONSUMER_WAL_WAL_IDENTITY_H

#include "common/base/error.h"
#include "common/base/memory.h"

/* ERR_FATAL when they differ in any byte, apart from the lines of fields. The message lists the
 * lines that differ: "partition: 0 of 4 in the log, 0 of 8 expected; tags: 1 in the log, absent
 * expected", up to 400 bytes of them, and counts the rest. */
int wal_identity_check(struct text expected, struct text found, struct error *err);

#endif
