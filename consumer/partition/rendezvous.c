#include "consumer/partition/rendezvous.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/mutex.h"

enum { TURN_US = 100 * US_PER_MS };

struct member {
    bool is_present; /* its worker has visited since queries want one tick */
    bool is_held;
    struct rendezvous_place place;
    int64_t held_us; /* since when */
    int64_t rest_us; /* it is not held before */
};

struct rendezvous {
    int32_t partitions;
    int64_t hold_us;
    atomic_int wanted;    /* queries between begin and end */
    atomic_int watching;  /* queries that wait for changes */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t workers;
    pthread_cond_t queries;
    uint64_t changes;
    uint64_t departures; /* ends of holds */
    struct member members[];
};

struct rendezvous *
rendezvous_create(int32_t partitions, int64_t hold_ms)
{
    CHECK(partitions > 0);
    CHECK(hold_ms >= 0);
    struct rendezvous *made =
        memory_zalloc(sizeof *made + (size_t)partitions * sizeof made->members[0]);
    made->partitions = partitions;
    made->hold_us = hold_ms * US_PER_MS;
    mutex_init(&made->lock);
    condition_init(&made->workers);
    condition_init(&made->queries);
    return made;
}

void
rendezvous_destroy(struct rendezvous *rendezvous)
{
    if (rendezvous == NULL)
        return;
    CHECK(atomic_load(&rendezvous->wanted) == 0);
    CHECK(atomic_load(&rendezvous->watching) == 0);
    condition_destroy(&rendezvous->workers);
    condition_destroy(&rendezvous->queries);
    mutex_destroy(&rendezvous->lock);
    free(rendezvous);
}

static bool
place_is_further(const struct rendezvous_place *place, const struct rendezvous_place *other)
{
    if (place->epoch != other->epoch)
        return place->epoch > other->epoch;
    return place->tick > other->tick;
}

static bool
place_is_same(const struct rendezvous_place *place, const struct rendezvous_place *other)
{
    return place->epoch == other->epoch && place->tick == other->tick;
}

/* --- workers --------------------------------------------------------------------------------- */

bool
rendezvous_is_wanted(const struct rendezvous *rendezvous)
{
    return atomic_load(&rendezvous->wanted) > 0;
}

/* Is no partition further? */
static bool
member_is_furthest(const struct rendezvous *rendezvous, const struct member *member)
{
    for (int32_t i = 0; i < rendezvous->partitions; i++) {
        const struct member *other = &rendezvous->members[i];
        if (other->is_present && place_is_further(&other->place, &member->place))
            return false;
    }
    return true;
}

/* Called and returns with the lock, which it gives up meanwhile. */
static void
member_hold(struct rendezvous *rendezvous, struct member *member, bool (*may_wait)(void *context),
            void *context)
{
    int64_t now_us = clock_monotonic_us();
    int64_t until_us = now_us + rendezvous->hold_us;
    CHECK(member->place.is_exact && !member->is_held);
    member->is_held = true;
    member->held_us = now_us;
    condition_broadcast(&rendezvous->queries);
    while (now_us < until_us && rendezvous_is_wanted(rendezvous) &&
           member_is_furthest(rendezvous, member) && may_wait(context)) {
        int64_t turn_us = now_us + TURN_US < until_us ? now_us + TURN_US : until_us;
        condition_wait_until(&rendezvous->workers, &rendezvous->lock, turn_us);
        now_us = clock_monotonic_us();
    }
    member->is_held = false;
    member->rest_us = now_us + (now_us - member->held_us);
    rendezvous->departures++;
}

void
rendezvous_visit(struct rendezvous *rendezvous, int32_t partition,
                 const struct rendezvous_place *place, bool (*may_wait)(void *context),
                 void *context)
{
    struct member *member = &rendezvous->members[partition];
    CHECK(0 <= partition && partition < rendezvous->partitions);
    if (!rendezvous_is_wanted(rendezvous))
        return;
    mutex_lock(&rendezvous->lock);
    bool has_moved = !member->is_present || !place_is_same(&member->place, place);
    member->is_present = true;
    member->place = *place;
    if (has_moved)
        condition_broadcast(&rendezvous->workers);
    if (place->is_exact && member_is_furthest(rendezvous, member) &&
        clock_monotonic_us() >= member->rest_us)
        member_hold(rendezvous, member, may_wait, context);
    mutex_unlock(&rendezvous->lock);
}

void
rendezvous_leave(struct rendezvous *rendezvous, int32_t partition)
{
    CHECK(0 <= partition && partition < rendezvous->partitions);
    mutex_lock(&rendezvous->lock);
    CHECK(!rendezvous->members[partition].is_held);
    rendezvous->members[partition] = (struct member){0};
    condition_broadcast(&rendezvous->workers);
    mutex_unlock(&rendezvous->lock);
}

void
rendezvous_announce(struct rendezvous *rendezvous)
{
    if (atomic_load(&rendezvous->watching) == 0)
        return;
    mutex_lock(&rendezvous->lock);
    rendezvous->changes++;
    condition_broadcast(&rendezvous->queries);
    mutex_unlock(&rendezvous->lock);
}

/* --- queries --------------------------------------------------------------------------------- */

void
rendezvous_watch_begin(struct rendezvous *rendezvous)
{
    atomic_fetch_add(&rendezvous->watching, 1);
}

void
rendezvous_watch_end(struct rendezvous *rendezvous)
{
    int before = atomic_fetch_sub(&rendezvous->watching, 1);
    CHECK(before > 0);
}

uint64_t
rendezvous_changes(struct rendezvous *rendezvous)
{
    CHECK(atomic_load(&rendezvous->watching) > 0);
    mutex_lock(&rendezvous->lock);
    uint64_t changes = rendezvous->changes;
    mutex_unlock(&rendezvous->lock);
    return changes;
}

void
rendezvous_await_change(struct rendezvous *rendezvous, uint64_t changes, int64_t until_us)
{
    CHECK(atomic_load(&rendezvous->watching) > 0);
    mutex_lock(&rendezvous->lock);
    while (rendezvous->changes == changes &&
           condition_wait_until(&rendezvous->queries, &rendezvous->lock, until_us))
        ;
    mutex_unlock(&rendezvous->lock);
}

/* Are all partitions that are asked held at one place? `*until_us` becomes the end of the hold. */
static bool
rendezvous_is_complete(const struct rendezvous *rendezvous, const bool *asked, int64_t *until_us)
{
    const struct member *first = NULL;
    *until_us = INT64_MAX;
    for (int32_t i = 0; i < rendezvous->partitions; i++) {
        const struct member *member = &rendezvous->members[i];
        if (!asked[i])
            continue;
        if (!member->is_held || (first != NULL && !place_is_same(&member->place, &first->place)))
            return false;
        first = member;
        if (member->held_us + rendezvous->hold_us < *until_us)
            *until_us = member->held_us + rendezvous->hold_us;
    }
    return true;
}

/* Which partitions have not come to the place of the rendezvous. */
static int
rendezvous_describe(const struct rendezvous *rendezvous, const bool *asked, struct error *err)
{
    int32_t least = -1;
    int64_t furthest = 0;
    for (int32_t i = 0; i < rendezvous->partitions; i++) {
        const struct member *member = &rendezvous->members[i];
        if (!asked[i])
            continue;
        if (!member->is_present)
            return error_set(err, ERR_RETRY, "partition %" PRId32 " is not read", i);
        if (least < 0 || place_is_further(&rendezvous->members[least].place, &member->place))
            least = i;
        furthest = member->place.tick > furthest ? member->place.tick : furthest;
    }
    CHECK(least >= 0);
    return error_set(err, ERR_RETRY,
                     "partition %" PRId32 " was at tick %" PRId64
                     ", and the furthest one at %" PRId64,
                     least, rendezvous->members[least].place.tick, furthest);
}

int
rendezvous_begin(struct rendezvous *rendezvous, const bool *asked, int64_t until_us,
                 struct rendezvous_hold *hold, struct error *err)
{
    int rc = 0;
    mutex_lock(&rendezvous->lock);
    atomic_fetch_add(&rendezvous->wanted, 1);
    while (rc == 0 && !rendezvous_is_complete(rendezvous, asked, &hold->until_us))
        if (!condition_wait_until(&rendezvous->queries, &rendezvous->lock, until_us))
            rc = rendezvous_describe(rendezvous, asked, err);
    hold->departures = rendezvous->departures;
    if (rc != 0 && atomic_fetch_sub(&rendezvous->wanted, 1) == 1)
        condition_broadcast(&rendezvous->workers);
    mutex_unlock(&rendezvous->lock);
    return rc;
}

bool
rendezvous_end(struct rendezvous *rendezvous, const struct rendezvous_hold *hold)
{
    mutex_lock(&rendezvous->lock);
    bool were_held = rendezvous->departures == hold->departures;
    int before = atomic_fetch_sub(&rendezvous->wanted, 1);
    CHECK(before > 0);
    if (before == 1)
        condition_broadcast(&rendezvous->workers);
    mutex_unlock(&rendezvous->lock);
    return were_held;
}
