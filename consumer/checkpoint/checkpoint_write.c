#include "consumer/checkpoint/checkpoint_write.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "common/files/crc32c.h"
#include "consumer/checkpoint/checkpoint_copy.h"
#include "consumer/checkpoint/checkpoint_format.h"

struct checkpoint_block {
    struct checkpoint_block *next;
    size_t bytes; /* of the state */
    uint8_t data[CHECKPOINT_BLOCK_HEAD_BYTES + CHECKPOINT_BLOCK_BYTES];
};

struct checkpoint_writer {
    const struct checkpoint_place *place;
    struct checkpoint_doomed doomed;
    struct checkpoint_copy copy;
    struct checkpoint_block *filled; /* the caller's, not handed over yet; NULL: none */
    bool closed;                     /* the caller's: checkpoint_take() was called */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t handed_over;
    struct checkpoint_block *first; /* handed over and not written yet, oldest first */
    struct checkpoint_block **end;  /* of that list */
    bool copied;                    /* the state comes from `copy`, which is the thread's */
    bool ended;                     /* there will be no more blocks */
    bool done;                      /* the thread has finished */

    /* The thread's, while it runs: */
    struct buffer header;
    char *path;
    char *temporary;
    int file; /* -1: not open */
    int64_t at;
    uint32_t crc;
    struct error failure;
};

/* Writes the next bytes of the file and continues the checksum. */
static void
writer_put(struct checkpoint_writer *writer, const void *data, size_t bytes)
{
    struct files *files = writer->place->files;
    CHECK(!writer->done);
    CHECK(bytes > 0);
    if (writer->failure.code != 0)
        return;
    CHECK(writer->file >= 0);
    writer->crc = crc32c(writer->crc, data, bytes);
    if (files->write_at(files, writer->file, data, bytes, writer->at, &writer->failure) == 0)
        writer->at += (int64_t)bytes;
}

static void
writer_put_block(struct checkpoint_writer *writer, struct checkpoint_block *block)
{
    CHECK(writer->at > 0 || writer->failure.code != 0); /* the header is written */
    checkpoint_block_encode(block->data, block->bytes, writer->crc);
    writer_put(writer, block->data, CHECKPOINT_BLOCK_HEAD_BYTES + block->bytes);
}

static void
writer_free(struct checkpoint_writer *writer)
{
    struct files *files = writer->place->files;
    CHECK(writer->filled == NULL);
    CHECK(writer->first == NULL);
    if (writer->file >= 0)
        files->close(files, writer->file);
    mutex_destroy(&writer->lock);
    condition_destroy(&writer->handed_over);
    buffer_free(&writer->header);
    free(writer->path);
    free(writer->temporary);
    free(writer);
}

/* --- the thread ------------------------------------------------------------------------------ */

static int
writer_create_file(struct checkpoint_writer *writer, struct error *err)
{
    struct files *files = writer->place->files;
    CHECK(writer->file < 0 && writer->at == 0);
    int rc = files->make_directory(files, writer->place->directory, err);
    if (rc == 0)
        rc = files->unlink(files, writer->temporary, err);
    if (rc == 0)
        rc = files->open(files, writer->temporary, FILES_CREATE, err);
    writer->file = rc;
    return rc < 0 ? rc : 0;
}

/* Waits for a block; NULL: there will be no more. */
static struct checkpoint_block *
writer_take_block(struct checkpoint_writer *writer)
{
    mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->ended)
        condition_wait(&writer->handed_over, &writer->lock);
    struct checkpoint_block *block = writer->first;
    CHECK(block == NULL || block->bytes > 0);
    if (block != NULL)
        writer->first = block->next;
    if (writer->first == NULL)
        writer->end = &writer->first;
    mutex_unlock(&writer->lock);
    return block;
}

static void
writer_put_blocks(struct checkpoint_writer *writer)
{
    struct checkpoint_block *block;
    while ((block = writer_take_block(writer)) != NULL) {
        writer_put_block(writer, block);
        free(block);
    }
}

/* The state that the copy of the process sends. */
static void
writer_put_copied(struct checkpoint_writer *writer)
{
    struct error failure = {0};
    struct checkpoint_block *block = memory_alloc(sizeof *block);
    CHECK(writer->ended);
    do {
        block->bytes = checkpoint_copy_read(
            &writer->copy, block->data + CHECKPOINT_BLOCK_HEAD_BYTES, CHECKPOINT_BLOCK_BYTES);
        if (block->bytes > 0)
            writer_put_block(writer, block);
    } while (block->bytes == CHECKPOINT_BLOCK_BYTES && writer->failure.code == 0);
    free(block);
    if (checkpoint_copy_end(&writer->copy, &failure) != 0 && writer->failure.code == 0)
        writer->failure = failure;
}

static int
writer_remove_doomed(struct checkpoint_writer *writer, struct error *err)
{
    const struct checkpoint_doomed *doomed = &writer->doomed;
    int rc = 0;
    CHECK(doomed->count <= CHECKPOINTS_MAX);
    for (int i = 0; rc == 0 && i < doomed->count; i++)
        rc = checkpoint_remove(writer->place, doomed->offsets[i], err);
    return rc;
}

/* Renames the file, if it is whole, and makes it durable. */
static void
writer_publish(struct checkpoint_writer *writer)
{
    struct files *files = writer->place->files;
    struct error *failure = &writer->failure;
    CHECK(writer->first == NULL && writer->ended);
    int rc = failure->code;
    if (rc == 0)
        rc = files->sync(files, writer->file, failure);
    if (rc == 0)
        rc = files->rename(files, writer->temporary, writer->path, failure);
    if (rc == 0)
        rc = files->sync_directory(files, writer->place->directory, failure);
    if (rc == 0)
        writer_remove_doomed(writer, failure);
    else
        files->unlink(files, writer->temporary, NULL); /* it takes space, possibly the last */
}

/* Is the state in a copy of the process? Waits until that is known. */
static bool
writer_is_copied(struct checkpoint_writer *writer)
{
    mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->ended)
        condition_wait(&writer->handed_over, &writer->lock);
    bool copied = writer->copied;
    mutex_unlock(&writer->lock);
    return copied;
}

static void *
writer_main(void *context)
{
    struct checkpoint_writer *writer = context;
    struct checkpoint_block *last = memory_zalloc(sizeof *last);
    if (writer_create_file(writer, &writer->failure) == 0)
        writer_put(writer, writer->header.data, writer->header.bytes);
    if (writer_is_copied(writer))
        writer_put_copied(writer);
    else
        writer_put_blocks(writer);
    writer_put_block(writer, last); /* it is empty */
    free(last);
    writer_publish(writer);
    mutex_lock(&writer->lock);
    CHECK(!writer->done);
    writer->done = true;
    mutex_unlock(&writer->lock);
    return NULL;
}

/* --- the caller ------------------------------------------------------------------------------ */

int
checkpoint_begin(const struct checkpoint_place *place, int64_t next_offset, struct text position,
                 const struct checkpoint_doomed *doomed, struct checkpoint_writer **writer,
                 struct error *err)
{
    struct checkpoint_writer *made = memory_zalloc(sizeof *made);
    made->place = place;
    made->doomed = *doomed;
    made->path = checkpoint_path(place, next_offset);
    made->temporary = memory_format("%s/new", place->directory);
    made->end = &made->first;
    made->file = -1;
    mutex_init(&made->lock);
    condition_init(&made->handed_over);
    checkpoint_header_encode(place->identity, position, next_offset, &made->header);
    int rc = thread_start(&made->thread, "checkpoint", writer_main, made, err);
    if (rc != 0)
        writer_free(made);
    else
        *writer = made;
    return rc;
}

static void
writer_hand_over(struct checkpoint_writer *writer, bool ended)
{
    mutex_lock(&writer->lock);
    CHECK(*writer->end == NULL);
    CHECK(!writer->ended);
    if (writer->filled != NULL) {
        *writer->end = writer->filled;
        writer->end = &writer->filled->next;
    }
    writer->ended = ended;
    condition_signal(&writer->handed_over);
    mutex_unlock(&writer->lock);
    writer->filled = NULL;
}

static struct checkpoint_block *
writer_fill_block(struct checkpoint_writer *writer)
{
    if (writer->filled == NULL) {
        writer->filled = memory_alloc(sizeof *writer->filled);
        writer->filled->next = NULL;
        writer->filled->bytes = 0;
    }
    CHECK(writer->filled->bytes < CHECKPOINT_BLOCK_BYTES);
    return writer->filled;
}

static void
writer_fill(struct checkpoint_writer *writer, const uint8_t *from, size_t bytes)
{
    while (bytes > 0) {
        struct checkpoint_block *block = writer_fill_block(writer);
        size_t room = CHECKPOINT_BLOCK_BYTES - block->bytes;
        size_t part = bytes < room ? bytes : room;
        memcpy(block->data + CHECKPOINT_BLOCK_HEAD_BYTES + block->bytes, from, part);
        block->bytes += part;
        from += part;
        bytes -= part;
        if (part == room)
            writer_hand_over(writer, false);
    }
}

void
checkpoint_write(struct checkpoint_writer *writer, const void *data, size_t bytes)
{
    CHECK(!writer->closed);
    if (writer->copied)
        checkpoint_copy_write(&writer->copy, data, bytes);
    else
        writer_fill(writer, data, bytes);
}

struct state {
    struct checkpoint_writer *writer;
    checkpoint_save save;
    void *context;
};

/* In the copy of the process. */
static void
state_send(void *context)
{
    const struct state *state = context;
    state->writer->copied = true;
    state->save(state->context, state->writer);
}

void
checkpoint_take(struct checkpoint_writer *writer, checkpoint_save save, void *context)
{
    struct state state = {writer, save, context};
    CHECK(!writer->closed);
    bool copied = checkpoint_copy_begin(&writer->copy, state_send, &state);
    if (!copied)
        save(context, writer);
    mutex_lock(&writer->lock);
    writer->copied = copied;
    mutex_unlock(&writer->lock);
    writer->closed = true;
    writer_hand_over(writer, true);
}

bool
checkpoint_is_done(struct checkpoint_writer *writer)
{
    mutex_lock(&writer->lock);
    bool done = writer->done;
    CHECK(!done || writer->ended);
    mutex_unlock(&writer->lock);
    return done;
}

int
checkpoint_finish(struct checkpoint_writer *writer, int64_t *bytes, struct error *err)
{
    CHECK(writer->closed);
    thread_join(writer->thread);
    CHECK(writer->done);
    int rc = writer->failure.code;
    if (rc != 0)
        *err = writer->failure;
    CHECK(rc != 0 || writer->at > 0);
    *bytes = writer->at;
    writer_free(writer);
    return rc;
}
