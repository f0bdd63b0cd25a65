#include "consumer/checkpoint/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { NAME_BYTES = 32 }; /* 20 digits, ".checkpoint", 0 */

static void
format_name(int64_t next_offset, char name[static NAME_BYTES])
{
    CHECK(next_offset >= 0);
    int written = snprintf(name, NAME_BYTES, "%020" PRId64 ".checkpoint", next_offset);
    CHECK(written == NAME_BYTES - 1);
}

/* False: `name` is not the name of a checkpoint. */
static bool
parse_name(const char *name, int64_t *next_offset)
{
    char formatted[NAME_BYTES];
    *next_offset = strtoll(name, NULL, 10);
    if (*next_offset < 0)
        return false;
    format_name(*next_offset, formatted);
    return strcmp(name, formatted) == 0;
}

char *
checkpoint_path(const struct checkpoint_place *place, int64_t next_offset)
{
    char name[NAME_BYTES];
    format_name(next_offset, name);
    return memory_format("%s/%s", place->directory, name);
}

struct listing {
    int64_t *offsets; /* descending */
    int count;
};

/* Names come in ascending order; the newest CHECKPOINTS_MAX are kept. */
static int
note_name(void *context, const char *name)
{
    struct listing *listing = context;
    int64_t next_offset;
    if (!parse_name(name, &next_offset))
        return 0;
    CHECK(listing->count == 0 || listing->offsets[0] < next_offset);
    if (listing->count == CHECKPOINTS_MAX)
        listing->count--;
    CHECK(0 <= listing->count && listing->count < CHECKPOINTS_MAX);
    memmove(listing->offsets + 1, listing->offsets,
            (size_t)listing->count * sizeof *listing->offsets);
    listing->offsets[0] = next_offset;
    listing->count++;
    return 0;
}

int
checkpoint_list(const struct checkpoint_place *place, int64_t *offsets, struct error *err)
{
    struct listing listing = {offsets, 0};
    CHECK(offsets != NULL);
    int rc = place->files->make_directory(place->files, place->directory, err);
    if (rc == 0)
        rc = place->files->list(place->files, place->directory, note_name, &listing, err);
    CHECK(listing.count <= CHECKPOINTS_MAX);
    return rc < 0 ? rc : listing.count;
}

int
checkpoint_remove(const struct checkpoint_place *place, int64_t next_offset, struct error *err)
{
    char *path = checkpoint_path(place, next_offset);
    int rc = place->files->unlink(place->files, path, err);
    if (rc == 0)
        rc = place->files->sync_directory(place->files, place->directory, err);
    free(path);
    return rc;
}
