#include "consumer/partition/resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ID_BYTES_MAX = 63 };

void
resume_describe(const struct position *position, const char *data_dir_id,
                char out[static RESUME_METADATA_BYTES])
{
    const struct sequence *sequence = &position->sequence;
    snprintf(out, RESUME_METADATA_BYTES, "bitdex1 %s %" PRId64 ".%" PRId64 " %" PRId64, data_dir_id,
             sequence->epoch, sequence->seq, position->replay);
}

/* False: not written by a member. */
static bool
offsets_parse(struct text metadata, char id[static ID_BYTES_MAX + 1], int64_t *replay)
{
    char text[RESUME_METADATA_BYTES];
    int64_t epoch, seq;
    int end = -1;
    if (metadata.bytes >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", TEXT_ARGS(metadata));
    int count = sscanf(text, "bitdex1 %63s %" SCNd64 ".%" SCNd64 " %" SCNd64 "%n", id, &epoch, &seq,
                       replay, &end);
    return count == 4 && end >= 0 && text[end] == '\0' && *replay >= 0;
}

struct resume_decision
resume_decide(int64_t held, int64_t replay, const char *data_dir_id, int64_t committed,
              struct text metadata, int64_t now_ms)
{
    struct resume_decision decision = {.verdict = RESUME_CONTINUE, .replay = replay};
    char id[ID_BYTES_MAX + 1];
    int64_t committed_replay;
    if (committed < 0)
        return decision;
    if (offsets_parse(metadata, id, &committed_replay)) {
        decision.lost_tail =
            strcmp(id, data_dir_id) == 0 && committed_replay == replay && committed > held;
        if (committed_replay > replay) {
            decision.replay = committed_replay;
            decision.verdict = held < 0 ? RESUME_CONTINUE : RESUME_REBUILD;
        }
        return decision;
    }
    decision.was_reset = true;
    if (held >= 0 && committed > held)
        decision.verdict = RESUME_SKIP;
    else if (held >= 0 && committed < held)
        decision.verdict = RESUME_REBUILD;
    if (held < 0 || decision.verdict == RESUME_REBUILD)
        decision.replay = now_ms > replay ? now_ms : replay + 1;
    return decision;
}
