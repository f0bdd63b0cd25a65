/* Entities like those of the gallery, for the benches of the engine: the id of an entity determines
 * its values. And the processor's time.
 */
#ifndef BENCH_ENTITIES_H
#define BENCH_ENTITIES_H

#include "common/config/config.h"
#include "consumer/engine/engine.h"

enum { TAGS = 200000, VERSIONS = 100000, SETS_MAX = 64, NOW_S = 1700000000 };

enum {
    LEVEL,
    USER,
    POST,
    TYPE,
    BASE_MODEL,
    AVAILABILITY,
    HAS_META,
    POI,
    TAG_IDS,
    TOOL_IDS,
    VERSION_IDS,
    EXISTED_AT,
    PUBLISHED_AT,
    SORT_AT,
    FIELDS
};

extern const struct config_index index_config;
extern uint64_t entities; /* how many there are */

double cpu_us(void);
/* splitmix64 */
uint64_t mix(uint64_t seed);
/* A number from 1 to count, by Zipf's law: lower numbers are more frequent. */
int64_t skewed(uint64_t random, uint64_t count);

const char *field_name(int field);
/* The values of one field of one entity, and their number. A text is its place in a list. */
uint32_t entity_values(int field, uint64_t id, int64_t values[SETS_MAX]);
/* The number of texts in that list; 0: the field takes no texts. */
uint32_t text_count(int field);
struct value value_of(int field, int64_t number);
struct op set_op(int field, int64_t number);

/* The caller owns it. */
struct engine *engine_open(const struct config_index *index);
/* The ops that create an entity, in `arena`. */
void make_entity(uint64_t id, struct arena *arena, struct ops *ops);
/* Applies an entity as one row of ops. */
void load_entity(struct engine *engine, uint64_t id);

#endif
