/* Engines, ops and queries for tests, written as users write them. In their JSON and queries, '
 * stands for ", which makes the literals readable. */
#ifndef TESTS_UNIT_ENGINE_FIXTURE_H
#define TESTS_UNIT_ENGINE_FIXTURE_H

#include "common/base/memory.h"
#include "common/ops/ops_json.h"
#include "consumer/engine/engine.h"

enum { FIXTURE_PARTITION = 1, FIXTURE_PARTITIONS = 3, FIXTURE_RANK_MAX = 1023 };

extern const struct config_index fixture_index;

/* nsfwLevel single_value and nullable, postId single_value and sort, tagIds multi_value, hasMeta
 * boolean, type string without case, score single_value and nullable, rank sort of 10 bits,
 * existedAt and publishedAt sort of 32 bits, sortAt the greatest of those two, firstAt (33 bits)
 * the least of existedAt and score; visible from publishedAt; partition 1 of 3, 2^32 slots. The
 * caller owns it. */
struct engine *fixture_engine(void);

/* The id of the entity in `slot`. */
int64_t fixture_entity(int64_t slot);

/* Parses an ops row into `arena`. A refusal fails the test. */
int fixture_parse(struct arena *arena, const char *json, struct ops *ops, enum ops_route *route);

/* The ops, checked and prepared for this engine, in `arena`; the test fails if one is refused. */
struct ops fixture_prepare(const struct engine *engine, struct arena *arena, const struct ops *ops);
/* Parses, checks and applies an ops row: `[{'op':'set',...}]`. A refusal fails the test. */
void fixture_apply(struct engine *engine, int64_t entity_id, const char *json);
/* Parses and checks only; 0 or the first refusal. */
int fixture_check(const struct engine *engine, const char *json, struct error *err);

/* The engine's image, which replaces the content of `bytes`; and a new engine from an image, which
 * must consume all of it. */
void fixture_save(const struct engine *engine, struct buffer *bytes);
int fixture_load(struct engine *engine, struct text bytes, struct error *err);

/* Runs a query body; the ids of the page, then the total: "7,4/2". A refusal gives its message. */
const char *fixture_query(const struct engine *engine, const char *json, struct buffer *out);

/* The entity's members, e.g. `!alive "postId":7`. */
const char *fixture_entity_text(const struct engine *engine, int64_t entity_id, struct buffer *out);

/* The state of a test: one engine, and one buffer for its answers. WORLD_TEST(test) provides it. */
struct world {
    struct engine *engine;
    struct buffer out;
};
int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

/* Applies ops to the entity in `slot`. */
void world_apply(struct world *world, int64_t slot, const char *json);
/* Replaces the engine by one that is loaded from its image. */
void world_restart(struct world *world, int64_t now_s);
void assert_query(struct world *world, const char *json, const char *wanted);

#endif
