/* The steps of a job, and where it is: begin mark, chunks of the ranges, passes, end mark.
 *
 *     begin --> ranges --> passes --> end
 *
 * Each step follows a window of its own, and the place moves on only when what the step sent is
 * acknowledged. The place is saved, so that a job continues after a restart: a chunk that was sent
 * and not acknowledged is read again at a later snapshot, and a pass begins again with part 0. A
 * job without ranges or without passes skips that stage. Pure; any thread.
 */
#ifndef PRODUCER_LOAD_JOB_PLACE_H
#define PRODUCER_LOAD_JOB_PLACE_H

#include <stdbool.h>
#include <stdint.h>

enum job_stage {
    JOB_STAGE_BEGIN,  /* the begin mark is due */
    JOB_STAGE_RANGES, /* the next chunk begins at next_id */
    JOB_STAGE_PASSES, /* pass next_pass is due */
    JOB_STAGE_END,    /* the end mark is due */
};

struct job_place {
    enum job_stage stage;
    int64_t next_id;
    int32_t next_pass;
};

/* What a plan has for a job to do. */
struct job_shape {
    int64_t begin; /* begin <= id < end */
    int64_t end;
    bool has_ranges;
    int32_t passes;
};

const char *job_stage_name(enum job_stage stage);
/* False: there is no stage of that name. */
bool job_stage_find(const char *name, enum job_stage *stage);

/* The place is one that a job of this shape can have. A saved place may be that of another plan. */
bool job_place_is_valid(const struct job_place *place, const struct job_shape *shape);

/* The place of a job that has not begun. */
struct job_place job_place_first(void);
/* The place after the begin mark, after a chunk up to `end`, and after the last part of a pass. */
void job_place_pass_begin(struct job_place *place, const struct job_shape *shape);
void job_place_pass_range(struct job_place *place, const struct job_shape *shape, int64_t end);
void job_place_pass_fan_outs(struct job_place *place, const struct job_shape *shape);
/* A job that cannot continue only sends its end mark. */
void job_place_give_up(struct job_place *place);

/* How long a job pauses after a step that took `work_us`, so that its steps take `share` of the
 * time; 0 < share <= 1. */
int64_t job_pause_us(int64_t work_us, double share);

/* How much of the ranges is loaded, from 0 to 1, when the greatest entity id is `last_id`. */
double job_place_ratio(const struct job_place *place, int64_t begin, int64_t end, int64_t last_id);

#endif
