/* Whose log it is: what a segment's header says about it, and what the program expects. An identity
 * is text for people, a line for each thing, "name: value"; no name comes twice. Pure.
 */
#ifndef CONSUMER_WAL_WAL_IDENTITY_H
#define CONSUMER_WAL_WAL_IDENTITY_H

#include "common/base/error.h"
#include "common/base/memory.h"

/* ERR_FATAL when they differ in a byte, with the lines that do: "partition: 0 of 4 there, 0 of 8
 * here; tags: 1 there, absent here". As many as 400 bytes hold; the others are counted. */
int wal_identity_check(struct text ours, struct text theirs, struct error *err);

#endif
