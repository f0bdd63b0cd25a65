#include "consumer/partition/resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

enum { ID_BYTES_MAX = 63 };

/* The greatest name of a reset: a later one must be possible, whatever was committed. */
#define REPLAY_MAX (INT64_MAX / 2)

void
resume_describe(const struct sequence *sequence, int64_t replay, const char *data_dir_id,
                char out[static RESUME_METADATA_BYTES])
{
    CHECK(replay >= 0);
    int bytes = snprintf(out, RESUME_METADATA_BYTES, "bitdex1 %s %" PRId64 ".%" PRId64 " %" PRId64,
                         data_dir_id, sequence->epoch, sequence->seq, replay);
    CHECK(bytes > 0 && bytes < RESUME_METADATA_BYTES);
}

/* False: the metadata is not a member's. */
static bool
resume_parse(struct text metadata, char id[static ID_BYTES_MAX + 1], int64_t *replay)
{
    char text[RESUME_METADATA_BYTES];
    int64_t epoch, seq;
    int end = -1;
    if (metadata.bytes >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", TEXT_ARGS(metadata));
    int count = sscanf(text, "bitdex1 %63s %" SCNd64 ".%" SCNd64 " %" SCNd64 "%n", id, &epoch, &seq,
                       replay, &end);
    return count == 4 && end >= 0 && text[end] == '\0' && *replay >= 0 && *replay <= REPLAY_MAX;
}

/* Is the rebuild for the last reset that the group follows? One that no durable frame names was not
 * acknowledged, or begins at the topic's beginning as well as any. */
static bool
resume_keeps_rebuild(const struct resume_state *state, int64_t replay)
{
    return state->is_rebuilding && state->rebuilt_replay > state->replay &&
           state->rebuilt_replay == replay;
}

/* After a commit of a member. */
static void
resume_decide_commit(const struct resume_state *state, int64_t committed, const char *id,
                     int64_t replay, struct resume_decision *decision)
{
    CHECK(replay >= 0);
    decision->lost_tail = strcmp(id, state->data_dir_id) == 0 && committed > state->next_offset &&
                          replay == (state->is_rebuilding ? state->rebuilt_replay : state->replay);
    if (resume_keeps_rebuild(state, replay))
        return;
    decision->gives_up = state->is_rebuilding;
    if (replay <= state->replay)
        return;
    decision->replay = replay;
    decision->verdict = state->next_offset < 0 ? RESUME_CONTINUE : RESUME_REBUILD;
}

static int64_t
resume_name_replay(const struct resume_state *state, int64_t now_ms)
{
    int64_t last = state->replay;
    if (state->is_rebuilding && state->rebuilt_replay > last)
        last = state->rebuilt_replay;
    return now_ms > last ? now_ms : last + 1;
}

static void
resume_decide_reset(const struct resume_state *state, int64_t committed, int64_t now_ms,
                    struct resume_decision *decision)
{
    decision->was_reset = true;
    decision->gives_up = state->is_rebuilding;
    if (state->next_offset >= 0 && committed > state->next_offset)
        decision->verdict = RESUME_SKIP;
    else if (state->next_offset >= 0 && committed < state->next_offset)
        decision->verdict = RESUME_REBUILD;
    if (state->next_offset < 0 || decision->verdict == RESUME_REBUILD)
        decision->replay = resume_name_replay(state, now_ms);
}

struct resume_decision
resume_decide(const struct resume_state *state, int64_t committed, struct text metadata,
              int64_t now_ms)
{
    struct resume_decision decision = {.verdict = RESUME_CONTINUE, .replay = state->replay};
    char id[ID_BYTES_MAX + 1];
    int64_t replay;
    CHECK(state->next_offset >= -1);
    CHECK(state->replay >= 0);
    CHECK(state->rebuilt_replay >= 0);
    CHECK(committed >= -1);
    if (committed < 0)
        decision.gives_up = state->is_rebuilding && state->rebuilt_replay <= state->replay;
    else if (resume_parse(metadata, id, &replay))
        resume_decide_commit(state, committed, id, replay, &decision);
    else
        resume_decide_reset(state, committed, now_ms, &decision);
    CHECK(decision.replay >= state->replay);
    CHECK(decision.verdict != RESUME_SKIP || decision.replay == state->replay);
    CHECK(decision.verdict != RESUME_REBUILD || decision.replay > state->replay);
    CHECK(!decision.gives_up || state->is_rebuilding);
    return decision;
}
