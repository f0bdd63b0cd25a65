#include "consumer/partition/proof.h"

#include <inttypes.h>

#include "common/base/check.h"
#include "common/event/snapshot.h"

enum { NUMBERS = 3, NUMBER_BYTES = 8 };

void
proof_init(struct proof *proof)
{
    *proof = (struct proof){0};
    buffer_init(&proof->snapshot);
    buffer_string(&proof->snapshot);
    freshness_init(&proof->freshness);
}

void
proof_free(struct proof *proof)
{
    CHECK(proof->epoch >= 0);
    buffer_free(&proof->snapshot);
    *proof = (struct proof){0};
}

static void
proof_set_snapshot(struct proof *proof, struct text snapshot)
{
    buffer_clear(&proof->snapshot);
    buffer_append(&proof->snapshot, snapshot.data, snapshot.bytes);
    buffer_string(&proof->snapshot);
}

static struct text
proof_text(const struct proof *proof)
{
    return (struct text){(const char *)proof->snapshot.data, proof->snapshot.bytes};
}

void
proof_copy(struct proof *to, const struct proof *from)
{
    CHECK((from->epoch == 0) == (from->snapshot.bytes == 0));
    to->epoch = from->epoch;
    to->tick = from->tick;
    to->freshness = from->freshness;
    proof_set_snapshot(to, proof_text(from));
}

void
proof_clear(struct proof *proof)
{
    proof->epoch = 0;
    proof->tick = 0;
    proof_set_snapshot(proof, (struct text){"", 0});
    freshness_clear(&proof->freshness);
}

/* Replaces a snapshot that is too long. False: it is not a snapshot. */
static bool
proof_shorten(struct proof *proof)
{
    struct snapshot snapshot = {0};
    struct error ignored;
    if (snapshot_parse(&snapshot, (const char *)proof->snapshot.data, &ignored) != 0)
        return false;
    if (proof->snapshot.bytes > PROOF_SNAPSHOT_BYTES_MAX) {
        buffer_clear(&proof->snapshot);
        buffer_append_format(&proof->snapshot, "%" PRIu64 ":%" PRIu64 ":", snapshot.xmin,
                             snapshot.xmin);
        buffer_string(&proof->snapshot);
    }
    snapshot_free(&snapshot);
    return true;
}

void
proof_take_mark(struct proof *proof, const struct event *event, int64_t offset)
{
    const struct mark *mark = &event->mark;
    CHECK(event->kind == EVENT_MARK && mark->kind == MARK_WATERMARK);
    CHECK(event->epoch > 0);
    bool proves = mark->owed <= 0;
    /* A clock before 1970 is believed to be far in the past. */
    int64_t clock_us = mark->clock_us > 0 ? mark->clock_us : 1;
    if (proves) {
        proof_set_snapshot(proof, mark->snapshot);
        proof->epoch = event->epoch;
        proof->tick = event->tick;
        proves = proof_shorten(proof);
        if (!proves)
            proof_clear(proof);
    }
    freshness_take_mark(&proof->freshness, offset, proves ? clock_us : 0);
}

bool
proof_sees(const struct proof *proof, uint64_t xid)
{
    struct snapshot snapshot = {0};
    struct error ignored;
    if (proof->epoch == 0)
        return false;
    CHECK(snapshot_parse(&snapshot, (const char *)proof->snapshot.data, &ignored) == 0);
    bool sees = snapshot_sees(&snapshot, xid);
    snapshot_free(&snapshot);
    return sees;
}

bool
proof_is_older(const struct proof *proof, const struct proof *other)
{
    if (proof->epoch != other->epoch)
        return proof->epoch < other->epoch;
    if (proof->tick != other->tick)
        return proof->tick < other->tick;
    return proof->freshness.clock_us < other->freshness.clock_us;
}

static void
put_number(struct buffer *out, int64_t number)
{
    uint8_t bytes[NUMBER_BYTES];
    for (int i = 0; i < NUMBER_BYTES; i++)
        bytes[i] = (uint8_t)((uint64_t)number >> 8 * i);
    buffer_append(out, bytes, sizeof bytes);
}

static int64_t
get_number(const char *at)
{
    uint64_t number = 0;
    for (int i = 0; i < NUMBER_BYTES; i++)
        number |= (uint64_t)(uint8_t)at[i] << 8 * i;
    return (int64_t)number;
}

void
proof_encode(const struct proof *proof, struct buffer *out)
{
    CHECK(proof->snapshot.bytes <= PROOF_SNAPSHOT_BYTES_MAX);
    CHECK((proof->epoch == 0) == (proof->snapshot.bytes == 0));
    put_number(out, proof->epoch);
    put_number(out, proof->tick);
    put_number(out, proof->freshness.clock_us);
    buffer_append(out, proof->snapshot.data, proof->snapshot.bytes);
}

int
proof_decode(struct text bytes, int64_t now_us, struct proof *proof, struct error *err)
{
    const size_t head = (size_t)NUMBERS * NUMBER_BYTES;
    proof_clear(proof);
    if (bytes.bytes < head || bytes.bytes > PROOF_BYTES_MAX)
        return error_set(err, ERR_DATA, "a proof of %zu bytes", bytes.bytes);
    int64_t epoch = get_number(bytes.data);
    int64_t tick = get_number(bytes.data + NUMBER_BYTES);
    int64_t clock_us = get_number(bytes.data + 2 * (size_t)NUMBER_BYTES);
    if (epoch == 0 && bytes.bytes == head)
        return 0;
    proof_set_snapshot(proof, (struct text){bytes.data + head, bytes.bytes - head});
    if (epoch <= 0 || tick < 0 || clock_us <= 0 || !proof_shorten(proof)) {
        proof_clear(proof);
        return error_set(err, ERR_DATA, "a proof whose numbers or snapshot are invalid");
    }
    proof->epoch = epoch;
    proof->tick = tick;
    freshness_recover(&proof->freshness, clock_us, now_us);
    return 0;
}
