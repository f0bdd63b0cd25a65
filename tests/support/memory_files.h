/* An in-memory `struct files` for tests: it fails on demand, and a crash loses what was not synced.
 *
 * It is stricter than any real file system: in a crash every unsynced block of a file, its size,
 * and every unsynced creation, removal and renaming is kept or lost independently, in any order
 * and even when the file itself was synced. Directories are durable at once, as the contract says.
 *
 * Setup errors and unknown paths trip a CHECK. One thread.
 */
#ifndef TESTS_SUPPORT_MEMORY_FILES_H
#define TESTS_SUPPORT_MEMORY_FILES_H

#include <stdint.h>

#include "common/base/memory.h"
#include "common/files/files.h"

struct memory_files;

struct memory_files *memory_files_create(uint64_t seed);
void memory_files_destroy(struct memory_files *memory);
/* Lives as long as `memory`. */
struct files *memory_files_vtable(struct memory_files *memory);

enum memory_fault {
    MEMORY_EIO,
    MEMORY_ENOSPC,
    MEMORY_SHORT_WRITE, /* a write leaves a part of itself; any other call fails with EIO */
    MEMORY_DEAD,        /* as MEMORY_SHORT_WRITE, and all later calls fail too */
};

/* Makes the `call`-th call from now fail (1: the next one; 0: none). close() does not count. */
void memory_files_fail(struct memory_files *memory, int64_t call, enum memory_fault fault);
/* Calls made so far. */
int64_t memory_files_calls(const struct memory_files *memory);
/* Whether the requested fault has happened. */
bool memory_files_failed(const struct memory_files *memory);

/* The process is killed: handles, locks and faults are gone, everything written stays. */
void memory_files_kill(struct memory_files *memory);
/* The power fails: in addition, whatever was not synced is lost or kept at random. */
void memory_files_crash(struct memory_files *memory);

/* The content of a file, which a test may change; NULL when there is no such file. */
struct buffer *memory_files_content(struct memory_files *memory, const char *path);

/* SplitMix64: the next number after `*state`. Any value is a valid seed. */
uint64_t memory_files_random(uint64_t *state);

#endif
