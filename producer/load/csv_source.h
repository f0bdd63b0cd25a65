/* Reads the CSV files of all dump phases as one source of chunks: the rows of the files, merged by
 * entity, so that every chunk has all fields. One thread.
 *
 * A file with rejects (csv_rejects.h) has not been loaded as it is. Unless that is allowed, its
 * fields are not covered: before the last chunk comes a rejected one that names them.
 */
#ifndef PRODUCER_LOAD_CSV_SOURCE_H
#define PRODUCER_LOAD_CSV_SOURCE_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/files/files.h"
#include "producer/load/load_chunk.h"
#include "producer/load/load_plan.h"

struct csv_source;

/* What a command asks for. */
struct csv_request {
    int64_t job; /* of bitdex_jobs */
    struct files *files;
    const char *directory; /* has NAME.csv for each phase */
    const char *sort_directory;
    int64_t entity_limit;    /* reads only so many entities, and covers no field; 0: all */
    uint32_t batch_entities; /* of one chunk; at least 1 */
    bool allows_rejects;     /* they do not keep fields from being covered */
};

struct csv_source_options {
    const struct csv_request *request;
    uint32_t event_bytes_max; /* of one encoded chunk event, header included */
    /* Called now and then. When it returns anything but 0, the call ends with that. May be NULL. */
    int (*heartbeat)(void *context);
    void *context;
};

/* How far the files were read. */
struct csv_progress {
    uint64_t bytes; /* that were read of all files */
    uint64_t file_bytes;
    uint64_t rows;
    uint64_t rejected_lines;
    uint64_t rejected_values;
};

/* Opens all files; `config`, which has dump phases and an index_config, and what the options point
 * to outlive the source. ERR_USAGE: a file is missing, or the configuration does not suffice. */
int csv_source_create(const struct config *config, const struct csv_source_options *options,
                      struct csv_source **source, struct error *err);
/* NULL does nothing. */
void csv_source_destroy(struct csv_source *source);

/* Reads through all files, and sorts those that need it. Once, before csv_source_read(). */
int csv_source_prepare(struct csv_source *source, struct error *err);

/* Reads the entities from `begin` on, as range_reader_read() does. Any `begin` of a chunk that was
 * read before may be read again. */
int csv_source_read(struct csv_source *source, int64_t begin, struct load_chunk *chunk,
                    struct error *err);

/* What the source reads: a range source for each phase, without an entry. Lives as long as the
 * source. */
const struct load_plan *csv_source_plan(const struct csv_source *source);

/* The greatest entity of all files; -1: they have none. After csv_source_prepare(). */
int64_t csv_source_last_id(const struct csv_source *source);

/* Reads what is left of the files, so that all rejects are known. */
int csv_source_settle(struct csv_source *source, struct error *err);

/* Are there fields that the files do not cover? After csv_source_settle(). */
bool csv_source_is_partial(const struct csv_source *source);

struct csv_progress csv_source_progress(const struct csv_source *source);

/* Describes the files with rejects: "FILE.rejects (3 lines, 1 values), ..."; empty: there are none.
 */
void csv_source_append_rejects(const struct csv_source *source, struct buffer *out);

#endif
