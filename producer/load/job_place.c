#include "producer/load/job_place.h"

#include <string.h>

#include "common/base/check.h"

/* A pause is bounded, so that one slow step does not stop a job for minutes. */
enum { PAUSE_MAX_US = 30 * 1000 * 1000 };

static const char *const stage_names[] = {
    [JOB_STAGE_BEGIN] = "begin",
    [JOB_STAGE_RANGES] = "ranges",
    [JOB_STAGE_PASSES] = "passes",
    [JOB_STAGE_END] = "end",
};

enum { STAGES = sizeof stage_names / sizeof stage_names[0] };

const char *
job_stage_name(enum job_stage stage)
{
    CHECK((size_t)stage < STAGES);
    return stage_names[stage];
}

bool
job_stage_find(const char *name, enum job_stage *stage)
{
    CHECK(name != NULL);
    for (int i = 0; i < STAGES; i++)
        if (strcmp(name, stage_names[i]) == 0) {
            *stage = (enum job_stage)i;
            return true;
        }
    return false;
}

static void
shape_check(const struct job_shape *shape)
{
    CHECK(shape->begin >= 0 && shape->begin < shape->end);
    CHECK(shape->passes >= 0);
    CHECK(shape->has_ranges || shape->passes > 0);
}

bool
job_place_is_valid(const struct job_place *place, const struct job_shape *shape)
{
    shape_check(shape);
    switch (place->stage) {
    case JOB_STAGE_BEGIN:
    case JOB_STAGE_END:
        return true;
    case JOB_STAGE_RANGES:
        return shape->has_ranges && place->next_id >= shape->begin && place->next_id < shape->end;
    case JOB_STAGE_PASSES:
        return place->next_pass >= 0 && place->next_pass < shape->passes;
    }
    CHECK(!"a stage");
    return false;
}

struct job_place
job_place_first(void)
{
    return (struct job_place){.stage = JOB_STAGE_BEGIN};
}

/* The place when the ranges are loaded. */
static void
place_after_ranges(struct job_place *place, const struct job_shape *shape)
{
    place->next_pass = 0;
    place->stage = shape->passes > 0 ? JOB_STAGE_PASSES : JOB_STAGE_END;
}

void
job_place_pass_begin(struct job_place *place, const struct job_shape *shape)
{
    shape_check(shape);
    CHECK(place->stage == JOB_STAGE_BEGIN);
    place->next_id = shape->begin;
    place->stage = JOB_STAGE_RANGES;
    if (!shape->has_ranges)
        place_after_ranges(place, shape);
}

void
job_place_pass_range(struct job_place *place, const struct job_shape *shape, int64_t end)
{
    CHECK(place->stage == JOB_STAGE_RANGES && job_place_is_valid(place, shape));
    CHECK(end > place->next_id && end <= shape->end);
    place->next_id = end;
    if (end == shape->end)
        place_after_ranges(place, shape);
}

void
job_place_pass_fan_outs(struct job_place *place, const struct job_shape *shape)
{
    CHECK(place->stage == JOB_STAGE_PASSES && job_place_is_valid(place, shape));
    place->next_pass++;
    if (place->next_pass == shape->passes)
        place->stage = JOB_STAGE_END;
}

void
job_place_give_up(struct job_place *place)
{
    CHECK((size_t)place->stage < STAGES);
    place->stage = JOB_STAGE_END;
}

int64_t
job_pause_us(int64_t work_us, double share)
{
    CHECK(work_us >= 0);
    CHECK(share > 0 && share <= 1);
    double pause_us = (double)work_us * (1 - share) / share;
    return pause_us < PAUSE_MAX_US ? (int64_t)pause_us : PAUSE_MAX_US;
}

double
job_place_ratio(const struct job_place *place, int64_t begin, int64_t end, int64_t last_id)
{
    CHECK(begin >= 0 && begin < end);
    if (place->stage == JOB_STAGE_BEGIN)
        return 0;
    int64_t last = last_id < end - 1 ? last_id : end - 1;
    if (place->stage != JOB_STAGE_RANGES || place->next_id > last)
        return 1;
    if (last < begin || place->next_id <= begin)
        return 0;
    return (double)(place->next_id - begin) / ((double)(last - begin) + 1);
}
