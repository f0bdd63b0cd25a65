#include "common/event/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/search.h"

static bool
snapshot_is_valid(const struct snapshot *snapshot)
{
    uint64_t least = snapshot->xmin;
    if (snapshot->xmin == 0 || snapshot->xmin > snapshot->xmax)
        return false;
    for (uint32_t i = 0; i < snapshot->xip_count; i++) {
        if (snapshot->xip[i] < least || snapshot->xip[i] >= snapshot->xmax)
            return false;
        least = snapshot->xip[i] + 1;
    }
    return true;
}

void
snapshot_free(struct snapshot *snapshot)
{
    CHECK(snapshot->xip != NULL || snapshot->xip_count == 0);
    free(snapshot->xip);
    *snapshot = (struct snapshot){0};
}

/* Takes the number at `*at`; false without digits, and if it is too large. */
static bool
snapshot_take_xid(const char **at, uint64_t *xid)
{
    uint64_t value = 0;
    const char *digit = *at;
    for (; *digit >= '0' && *digit <= '9'; digit++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*digit - '0'), &value))
            return false;
    bool found = digit != *at;
    *at = digit;
    *xid = value;
    return found;
}

static uint32_t
snapshot_count_xids(const char *list)
{
    uint32_t count = *list != '\0';
    for (; *list != '\0'; list++)
        count += *list == ',';
    return count;
}

static bool
snapshot_take_list(struct snapshot *snapshot, const char *at)
{
    uint32_t count = snapshot_count_xids(at);
    uint64_t next = snapshot->xmin;
    CHECK(snapshot->xip == NULL);
    snapshot->xip = memory_alloc((count + 1) * sizeof *snapshot->xip);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t *xid = &snapshot->xip[i];
        if ((i > 0 && *at++ != ',') || !snapshot_take_xid(&at, xid))
            return false;
        if (*xid < next || *xid >= snapshot->xmax)
            return false;
        next = *xid + 1;
    }
    snapshot->xip_count = count;
    return *at == '\0';
}

int
snapshot_parse(struct snapshot *snapshot, const char *text, struct error *err)
{
    struct snapshot parsed = {0};
    const char *at = text;
    bool valid = snapshot_take_xid(&at, &parsed.xmin) && *at++ == ':' &&
                 snapshot_take_xid(&at, &parsed.xmax) && *at++ == ':' && parsed.xmin > 0 &&
                 parsed.xmin <= parsed.xmax && snapshot_take_list(&parsed, at);
    if (!valid) {
        snapshot_free(&parsed);
        return error_set(err, ERR_FATAL, "\"%.80s\" is not a Postgres snapshot", text);
    }
    CHECK(snapshot_is_valid(&parsed));
    snapshot_free(snapshot);
    *snapshot = parsed;
    return 0;
}

void
snapshot_copy(struct snapshot *to, const struct snapshot *from)
{
    struct snapshot copy = *from;
    size_t bytes = from->xip_count * sizeof *from->xip;
    CHECK(from->xmin > 0 && from->xmin <= from->xmax);
    copy.xip = memory_alloc(bytes + 1);
    if (bytes > 0)
        memcpy(copy.xip, from->xip, bytes);
    snapshot_free(to);
    *to = copy;
}

void
snapshot_print(const struct snapshot *snapshot, struct buffer *out)
{
    CHECK(snapshot_is_valid(snapshot));
    buffer_append_format(out, "%" PRIu64 ":%" PRIu64 ":", snapshot->xmin, snapshot->xmax);
    for (uint32_t i = 0; i < snapshot->xip_count; i++)
        buffer_append_format(out, "%s%" PRIu64, i > 0 ? "," : "", snapshot->xip[i]);
}

void
snapshot_narrow(struct snapshot *snapshot, const struct snapshot *other)
{
    struct snapshot both = {
        .xmin = snapshot->xmin < other->xmin ? snapshot->xmin : other->xmin,
        .xmax = snapshot->xmax < other->xmax ? snapshot->xmax : other->xmax,
    };
    uint32_t here = 0;
    uint32_t there = 0;
    uint32_t capacity = snapshot->xip_count + other->xip_count;
    CHECK(snapshot_is_valid(snapshot));
    CHECK(snapshot_is_valid(other));
    both.xip = memory_alloc((capacity + 1) * sizeof *both.xip);
    for (;;) {
        uint64_t one = here < snapshot->xip_count ? snapshot->xip[here] : both.xmax;
        uint64_t two = there < other->xip_count ? other->xip[there] : both.xmax;
        uint64_t next = one < two ? one : two;
        if (next >= both.xmax)
            break;
        CHECK(both.xip_count < capacity);
        both.xip[both.xip_count++] = next;
        here += one == next;
        there += two == next;
    }
    CHECK(snapshot_is_valid(&both));
    snapshot_free(snapshot);
    *snapshot = both;
}

struct xip_search {
    const struct snapshot *snapshot;
    uint64_t xid;
};

static bool
xip_is_below(const void *context, uint32_t at)
{
    const struct xip_search *search = context;
    return search->snapshot->xip[at] < search->xid;
}

bool
snapshot_sees(const struct snapshot *snapshot, uint64_t xid)
{
    CHECK(xid > 0 && snapshot->xmin > 0);
    if (xid < snapshot->xmin || xid >= snapshot->xmax)
        return xid < snapshot->xmin;
    const struct xip_search search = {snapshot, xid};
    uint32_t at = search_first(snapshot->xip_count, xip_is_below, &search);
    return at == snapshot->xip_count || snapshot->xip[at] != xid;
}
