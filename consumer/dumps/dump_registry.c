/* Happy path: a call changes the list under the lock, and writes the file if its content changed.
 *
 * Failure: when the file cannot be written, the list is read again from what was written last. A
 * crash leaves the file before or after the change (files_replace).
 */
#include "consumer/dumps/dump_registry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "consumer/dumps/dump_format.h"

static const char *const area = "dumps";

struct dump_registry {
    struct files *files;
    char *path;
    pthread_mutex_t lock; /* guards what follows */
    struct dump_list list;
    struct buffer saved; /* the content of the file */
};

static int64_t
registry_now_s(void)
{
    return clock_realtime_us() / US_PER_S;
}

/* --- the file -------------------------------------------------------------------------------- */

static int
registry_is_file(void *context, const char *name)
{
    return strcmp(name, context) == 0;
}

/* Reads the whole file into `saved`; it stays empty when there is no such file. */
static int
registry_read(struct dump_registry *registry, const char *directory, struct error *err)
{
    struct files *files = registry->files;
    char *name = registry->path + strlen(directory) + 1;
    int found = files->list(files, directory, registry_is_file, name, err);
    if (found <= 0)
        return found;
    int file = files->open(files, registry->path, FILES_READ, err);
    if (file < 0)
        return file;
    int64_t bytes = files->size(files, file, err);
    int64_t count = bytes;
    if (bytes > 0)
        count = files->read_at(files, file, buffer_reserve(&registry->saved, (size_t)bytes),
                               (size_t)bytes, 0, err);
    files->close(files, file);
    if (count < 0)
        return (int)count;
    registry->saved.bytes = (size_t)count;
    return 0;
}

static int
registry_decode(struct dump_registry *registry, struct error *err)
{
    const struct text text = {(const char *)registry->saved.data, registry->saved.bytes};
    dump_list_clear(&registry->list);
    if (text.bytes == 0)
        return 0;
    if (dump_format_decode(text, &registry->list, err) == 0)
        return 0;
    return error_wrap(err, ERR_FATAL,
                      "\"%s\" is damaged; when it is removed, no dump is registered until the next "
                      "load",
                      registry->path);
}

/* Under the lock, after a change. */
static int
registry_save(struct dump_registry *registry, struct error *err)
{
    struct buffer content;
    buffer_init(&content);
    dump_format_encode(&registry->list, &content);
    CHECK(content.bytes > 0);
    const struct text now = {(const char *)content.data, content.bytes};
    const struct text saved = {(const char *)registry->saved.data, registry->saved.bytes};
    int rc = 0;
    if (!text_equal(now, saved))
        rc = files_replace(registry->files, registry->path, content.data, content.bytes, err);
    if (rc != 0) {
        buffer_free(&content);
        CHECK(registry_decode(registry, NULL) == 0); /* it was decoded or encoded before */
        return rc;
    }
    buffer_free(&registry->saved);
    registry->saved = content;
    return 0;
}

int
dump_registry_open(struct files *files, const char *directory, const char *name, int32_t partitions,
                   struct dump_registry **registry, struct error *err)
{
    CHECK(name[0] != '\0');
    struct dump_registry *made = memory_zalloc(sizeof *made);
    made->files = files;
    made->path = memory_format("%s/%s.dumps", directory, name);
    mutex_init(&made->lock);
    dump_list_init(&made->list, partitions);
    int rc = registry_read(made, directory, err);
    if (rc == 0)
        rc = registry_decode(made, err);
    if (rc != 0) {
        dump_registry_close(made);
        return rc;
    }
    *registry = made;
    return 0;
}

void
dump_registry_close(struct dump_registry *registry)
{
    if (registry == NULL)
        return;
    dump_list_free(&registry->list);
    buffer_free(&registry->saved);
    mutex_destroy(&registry->lock);
    free(registry->path);
    free(registry);
}

/* --- requests -------------------------------------------------------------------------------- */

void
dump_registry_answer(struct dump_registry *registry, struct buffer *out)
{
    mutex_lock(&registry->lock);
    dump_format_answer(&registry->list, out);
    mutex_unlock(&registry->lock);
}

/* Ends a request under the lock that was taken at its begin. */
static int
registry_end(struct dump_registry *registry, struct error *err)
{
    int rc = registry_save(registry, err);
    mutex_unlock(&registry->lock);
    return rc;
}

int
dump_registry_put(struct dump_registry *registry, struct text name, enum dump_outcome *outcome,
                  struct error *err)
{
    mutex_lock(&registry->lock);
    *outcome = dump_list_put(&registry->list, name, registry_now_s());
    return registry_end(registry, err);
}

int
dump_registry_loaded(struct dump_registry *registry, struct text name, int64_t ops_written,
                     enum dump_outcome *outcome, struct error *err)
{
    mutex_lock(&registry->lock);
    *outcome = dump_list_loaded(&registry->list, name, ops_written, registry_now_s());
    return registry_end(registry, err);
}

int
dump_registry_remove(struct dump_registry *registry, struct text name, enum dump_outcome *outcome,
                     struct error *err)
{
    mutex_lock(&registry->lock);
    *outcome = dump_list_remove(&registry->list, name);
    return registry_end(registry, err);
}

int
dump_registry_clear(struct dump_registry *registry, struct error *err)
{
    mutex_lock(&registry->lock);
    dump_list_clear(&registry->list);
    return registry_end(registry, err);
}

bool
dump_registry_counts(struct dump_registry *registry, struct text name)
{
    mutex_lock(&registry->lock);
    bool counts = dump_list_counts(&registry->list, name);
    mutex_unlock(&registry->lock);
    return counts;
}

int
dump_registry_post(struct dump_registry *registry, struct text name, uint64_t entries,
                   const int64_t *offsets, struct error *err)
{
    mutex_lock(&registry->lock);
    dump_list_post(&registry->list, name, entries, offsets, registry_now_s());
    return registry_end(registry, err);
}

/* --- partitions ------------------------------------------------------------------------------ */

void
dump_registry_own(struct dump_registry *registry, int32_t partition, bool is_owned)
{
    mutex_lock(&registry->lock);
    dump_list_own(&registry->list, partition, is_owned);
    mutex_unlock(&registry->lock);
}

int
dump_registry_assigned(struct dump_registry *registry, bool is_known, struct error *err)
{
    mutex_lock(&registry->lock);
    dump_list_assigned(&registry->list, is_known, registry_now_s());
    return registry_end(registry, err);
}

int
dump_registry_recovered(struct dump_registry *registry, int32_t partition, int64_t durable_offset,
                        struct error *err)
{
    mutex_lock(&registry->lock);
    dump_list_recovered(&registry->list, partition, durable_offset, registry_now_s());
    return registry_end(registry, err);
}

static void
registry_mark(struct dump_registry *registry, int32_t partition, const struct dump_mark *mark)
{
    const struct job_mark *job = mark->job;
    log_info(area, "partition %d: job %" PRId64 " %s, %u dumps", partition, job->job,
             job->kind == JOB_BEGIN ? "begins" : "has ended", job->dump_count);
    uint32_t ignored = dump_list_mark(&registry->list, partition, mark, registry_now_s());
    CHECK(ignored <= job->dump_count);
    if (ignored > 0)
        log_warn(area,
                 "partition %d: %u of %u dumps of job %" PRId64 " are not registered: there are "
                 "%d dumps that have not ended, or a name is too long",
                 partition, ignored, job->dump_count, job->job, DUMPS_MAX);
}

int
dump_registry_mark(struct dump_registry *registry, int32_t partition, const struct dump_mark *marks,
                   uint32_t count, struct error *err)
{
    mutex_lock(&registry->lock);
    for (uint32_t i = 0; i < count; i++)
        registry_mark(registry, partition, &marks[i]);
    return registry_end(registry, err);
}

/* Called after each batch: writes nothing unless a dump has changed. */
int
dump_registry_durable(struct dump_registry *registry, int32_t partition, int64_t durable_offset,
                      struct error *err)
{
    int rc = 0;
    mutex_lock(&registry->lock);
    if (dump_list_durable(&registry->list, partition, durable_offset, registry_now_s()))
        rc = registry_save(registry, err);
    mutex_unlock(&registry->lock);
    return rc;
}
