/* The batch is read from its end to its beginning, as a compiler does that removes dead stores.
 * Times count the rows and fan-outs that were read, so a greater time is earlier in the batch;
 * `now` is the time of the current one.
 *
 * A table holds the places that are overwritten later in the batch, each with the time of the op
 * that overwrites it. A place is a field of a slot, or an element of a multi-value field of a slot.
 * For each field, the times when a query last read it and when an op last wrote it decide whether
 * an entry of the table still counts.
 *
 * The slots that a query matches are treated like one slot, known by the query's text: what a
 * fan-out writes to them is overwritten by a later fan-out only if that one matches the same slots.
 * A slot that is deleted between the two is not matched by the later one, but the delete has
 * removed what the first one wrote.
 */
#include "consumer/compact/compact.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/name_table.h"
#include "common/ops/filter.h"

enum {
    FIELD_ALIVE = 0, /* no configured field: whether the slot exists */
    PLACES_MIN = 64, /* of the table; a power of two */
};

struct compact_field {
    struct text name;
    bool elements; /* the field is a multi-value */
    const struct config_sort_field *sort;
    uint32_t read_at;    /* by a query; 0: not yet */
    uint32_t written_at; /* 0: not yet */
    bool has_places;     /* of the whole field, in the table */
};

enum place_kind { PLACE_EMPTY, PLACE_FIELD, PLACE_ELEMENT, PLACE_QUERY };

/* Whose ops are examined: a row's slot, or the slots that a query matches. */
struct owner {
    int64_t id;                        /* of the entity; -1 - n for the n-th query */
    uint32_t *deleted_at;              /* 0: not yet */
    const struct compact_query *query; /* NULL: a row */
};

struct place {
    int64_t owner; /* struct owner's id; PLACE_QUERY: the hash of the query's text */
    int64_t element;
    uint32_t field;
    enum place_kind kind;
    uint32_t at; /* time of the overwriting op, 0: none; PLACE_QUERY: the query's number, from 1 */
};

/* A slot that has rows in the batch. */
struct slot {
    int64_t entity_id;
    uint32_t rows; /* 0: an empty place of the table */
    uint32_t deleted_at;
};

struct compact_query {
    struct text text;
    uint32_t *fields; /* that the query reads */
    uint32_t field_count;
    uint32_t deleted_at;
};

struct compact {
    struct compact_field *fields; /* FIELD_ALIVE, then those of the index */
    uint32_t field_count;
    uint32_t field_capacity;
    struct name_table names; /* of `fields`, without FIELD_ALIVE */

    /* Of one run. */
    struct arena *arena;
    uint32_t now;
    uint32_t fan_out_deleted_at;
    struct place *places; /* hash table */
    uint32_t places_mask;
    uint32_t place_count;
    struct compact_query *queries;
    uint32_t query_count;
    uint32_t fan_out_count;
    struct slot *slots; /* hash table */
    uint32_t slots_mask;
    struct slot **slot_of; /* of each row; NULL: a fan-out */
};

/* --- fields ---------------------------------------------------------------------------------- */

static uint64_t
hash_number(uint64_t number)
{
    number *= UINT64_C(0x9e3779b97f4a7c15);
    return number ^ number >> 32;
}

static bool
compact_find_field(const struct compact *compact, struct text name, uint32_t *field)
{
    bool is_found = name_table_find(&compact->names, name, field);
    CHECK(!is_found || (*field != FIELD_ALIVE && *field < compact->field_count));
    return is_found;
}

static struct compact_field *
compact_add_field(struct compact *compact, const char *name)
{
    uint32_t field;
    if (!compact_find_field(compact, text_of(name), &field)) {
        CHECK(compact->field_count < compact->field_capacity);
        field = compact->field_count++;
        compact->fields[field].name = text_of(name);
        name_table_add(&compact->names, text_of(name), field);
    }
    return &compact->fields[field];
}

struct compact *
compact_create(const struct config_index *index)
{
    CHECK(index != NULL);
    struct compact *compact = memory_zalloc(sizeof *compact);
    uint32_t fields = 1 + index->filter_field_count + index->sort_field_count;
    compact->fields = memory_zalloc(fields * sizeof *compact->fields);
    compact->field_capacity = fields;
    name_table_init(&compact->names, fields);
    compact->field_count = FIELD_ALIVE + 1;
    for (uint32_t i = 0; i < index->filter_field_count; i++) {
        const struct config_filter_field *field = &index->filter_fields[i];
        compact_add_field(compact, field->name)->elements = field->type == FIELD_MULTI_VALUE;
    }
    for (uint32_t i = 0; i < index->sort_field_count; i++)
        compact_add_field(compact, index->sort_fields[i].name)->sort = &index->sort_fields[i];
    return compact;
}

void
compact_destroy(struct compact *compact)
{
    if (compact == NULL)
        return;
    CHECK(compact->field_count <= compact->field_capacity);
    free(compact->fields);
    name_table_free(&compact->names);
    free(compact);
}

/* --- places ---------------------------------------------------------------------------------- */

static bool
place_is(const struct place *place, const struct place *wanted)
{
    return place->owner == wanted->owner && place->element == wanted->element &&
           place->field == wanted->field && place->kind == wanted->kind;
}

/* The entry of the place, or the empty entry where it would be. */
static struct place *
compact_find_place(const struct compact *compact, const struct place *wanted)
{
    CHECK(compact->place_count <= compact->places_mask); /* one entry is empty */
    uint64_t at = hash_number((uint64_t)wanted->owner);
    at = hash_number(at + (uint64_t)wanted->element);
    at = hash_number(at + wanted->field * UINT64_C(8) + wanted->kind);
    struct place *place;
    do
        place = &compact->places[at++ & compact->places_mask];
    while (place->kind != PLACE_EMPTY && !place_is(place, wanted));
    return place;
}

static void
compact_grow_places(struct compact *compact)
{
    const struct place *old = compact->places;
    uint32_t old_count = old != NULL ? compact->places_mask + 1 : 0;
    uint32_t count = old != NULL ? 2 * old_count : compact->slots_mask + 1;
    if (count < PLACES_MIN)
        count = PLACES_MIN;
    compact->places = arena_alloc(compact->arena, count * sizeof *compact->places);
    compact->places_mask = count - 1;
    memset(compact->places, 0, count * sizeof *compact->places);
    uint32_t moved = 0;
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].kind == PLACE_EMPTY)
            continue;
        *compact_find_place(compact, &old[i]) = old[i];
        moved++;
    }
    CHECK(moved == compact->place_count);
}

/* Finds or adds the place. The pointer is valid until the next call. */
static struct place *
compact_place(struct compact *compact, const struct place *wanted)
{
    if (compact->places == NULL || compact->place_count > compact->places_mask / 2)
        compact_grow_places(compact);
    struct place *place = compact_find_place(compact, wanted);
    if (place->kind == PLACE_EMPTY) {
        *place = *wanted;
        compact->place_count++;
    }
    return place;
}

/* --- what is overridden ---------------------------------------------------------------------- */

/* Does the owner stand for the same slots now as at the time `at`? */
static bool
compact_is_same(const struct compact *compact, const struct owner *owner, uint32_t at)
{
    const struct compact_query *query = owner->query;
    CHECK(at > 0 && at <= compact->now);
    if (query == NULL)
        return true;
    bool same = compact->fan_out_deleted_at <= at;
    for (uint32_t i = 0; i < query->field_count; i++)
        same &= compact->fields[query->fields[i]].written_at <= at;
    return same;
}

static bool
compact_holds(const struct compact *compact, const struct owner *owner, const struct place *place)
{
    CHECK(place->at <= compact->now);
    return place->at > compact->fields[place->field].read_at &&
           compact_is_same(compact, owner, place->at);
}

static bool
compact_is_deleted(const struct compact *compact, const struct owner *owner)
{
    CHECK(*owner->deleted_at <= compact->now);
    return *owner->deleted_at > 0 && compact_is_same(compact, owner, *owner->deleted_at);
}

static struct place *
compact_element(struct compact *compact, const struct owner *owner, uint32_t field, int64_t element)
{
    const struct place wanted = {owner->id, element, field, PLACE_ELEMENT, 0};
    return compact_place(compact, &wanted);
}

/* The same as compact_drops_op(), for an op on single elements of a multi-value. */
static bool
compact_drops_elements_op(struct compact *compact, const struct owner *owner, uint32_t field,
                          const struct value *value)
{
    CHECK(compact->fields[field].elements);
    CHECK(value->kind == VALUE_NULL || value->kind == VALUE_INTEGER || value->kind == VALUE_FLOAT ||
          value->kind == VALUE_INTEGERS);
    int64_t one = value->kind == VALUE_FLOAT ? (int64_t)value->real : value->integer;
    bool array = value->kind == VALUE_INTEGERS;
    const int64_t *items = array ? value->integers.items : &one;
    uint32_t count = array ? value->integers.count : value->kind != VALUE_NULL;
    bool drops = true;
    if (count == 1) {
        struct place *place = compact_element(compact, owner, field, items[0]);
        drops = compact_holds(compact, owner, place);
        place->at = drops ? place->at : compact->now;
        return drops;
    }
    for (uint32_t i = 0; i < count && drops; i++)
        drops = compact_holds(compact, owner, compact_element(compact, owner, field, items[i]));
    for (uint32_t i = 0; i < count && !drops; i++)
        compact_element(compact, owner, field, items[i])->at = compact->now;
    return drops;
}

static bool
compact_drops_field_op(struct compact *compact, const struct owner *owner, uint32_t field,
                       const struct op *op)
{
    CHECK(field < compact->field_count);
    const struct place wanted = {owner->id, 0, field, PLACE_FIELD, 0};
    struct compact_field *about = &compact->fields[field];
    enum value_kind value = op->value.kind;
    if (about->has_places && compact_holds(compact, owner, compact_find_place(compact, &wanted)))
        return true;
    if (about->elements && (op->kind != OP_SET || (value != VALUE_INTEGERS && value != VALUE_NULL)))
        return compact_drops_elements_op(compact, owner, field, &op->value);
    if (op->kind == OP_REMOVE)
        return false;
    about->has_places = true;
    compact_place(compact, &wanted)->at = compact->now;
    return false;
}

/* True: the op is overridden. False: it is kept, and what it overrides is recorded. */
static bool
compact_drops_op(struct compact *compact, const struct owner *owner, const struct op *op)
{
    uint32_t field = FIELD_ALIVE;
    CHECK(op->kind <= OP_DELETE); /* requests were left out before */
    if (op->kind != OP_ALIVE && op->kind != OP_DELETE &&
        !compact_find_field(compact, op->field, &field))
        return false;
    if (compact_is_deleted(compact, owner))
        return true;
    if (op->kind != OP_DELETE)
        return compact_drops_field_op(compact, owner, field, op);
    *owner->deleted_at = compact->now;
    return false;
}

static void
compact_note_writes(struct compact *compact, const struct ops *ops)
{
    CHECK(compact->now > 0);
    for (uint32_t i = 0; i < ops->count; i++) {
        uint32_t field;
        if (compact_find_field(compact, ops->items[i].field, &field))
            compact->fields[field].written_at = compact->now;
    }
}

/* --- rows ------------------------------------------------------------------------------------ */

/* The entry of the slot, or the empty entry where it would be. */
static struct slot *
compact_find_slot(const struct compact *compact, int64_t entity_id)
{
    uint64_t at = hash_number((uint64_t)entity_id);
    struct slot *slot;
    do
        slot = &compact->slots[at++ & compact->slots_mask];
    while (slot->rows > 0 && slot->entity_id != entity_id);
    return slot;
}

static struct ops
compact_row(struct compact *compact, const struct event *event, struct slot *slot)
{
    const struct ops *ops = &event->ops;
    const struct owner owner = {event->entity_id, &slot->deleted_at, NULL};
    CHECK(event->kind == EVENT_ROW);
    CHECK(slot->rows > 0 && slot->entity_id == event->entity_id);
    compact->now++;
    if (compact->fan_out_count > 1)
        compact_note_writes(compact, ops);
    bool drops = slot->rows > 1;
    for (uint32_t i = ops->count; i-- > 0 && slot->rows > 1;)
        drops &= compact_drops_op(compact, &owner, &ops->items[i]);
    return drops ? (struct ops){NULL, 0} : *ops;
}

/* --- fan-outs -------------------------------------------------------------------------------- */

static void
query_add_field(struct compact *compact, struct compact_query *query, uint32_t field)
{
    CHECK(field != FIELD_ALIVE && field < compact->field_count);
    for (uint32_t i = 0; i < query->field_count; i++) {
        if (query->fields[i] == field)
            return;
    }
    CHECK(query->field_count < compact->field_count);
    query->fields[query->field_count++] = field;
    /* To read a computed field is to read its sources, which are not computed themselves. */
    const struct config_sort_field *sort = compact->fields[field].sort;
    for (uint32_t i = 0; sort != NULL && i < sort->source_field_count; i++) {
        uint32_t source;
        CHECK(compact_find_field(compact, text_of(sort->source_fields[i]), &source));
        query_add_field(compact, query, source);
    }
}

static void
query_add_filter(struct compact *compact, struct compact_query *query, const struct filter *filter)
{
    if (!filter_has_children(filter)) {
        CHECK(filter->field_number < compact->field_count);
        CHECK(text_equal(compact->fields[filter->field_number].name, filter->field));
        query_add_field(compact, query, filter->field_number);
        return;
    }
    CHECK(filter->kind == FILTER_AND);
    for (uint32_t i = 0; i < filter->count; i++)
        query_add_filter(compact, query, &filter->children[i]);
}

/* The query of a fan-out: the same one for the same text. Of two texts with the same hash, the
 * first is not found again and becomes another query, which only keeps more ops. */
static struct compact_query *
compact_query(struct compact *compact, const struct op *op)
{
    const struct place wanted = {.owner = (int64_t)text_hash(op->query), .kind = PLACE_QUERY};
    struct place *place = compact_place(compact, &wanted);
    CHECK(op->filter != NULL);
    if (place->at > 0 && text_equal(compact->queries[place->at - 1].text, op->query))
        return &compact->queries[place->at - 1];
    CHECK(compact->query_count < compact->fan_out_count);
    struct compact_query *query = &compact->queries[compact->query_count++];
    place->at = compact->query_count;
    query->text = op->query;
    query->fields = arena_alloc(compact->arena, compact->field_count * sizeof *query->fields);
    query->field_count = 0;
    query->deleted_at = 0;
    query_add_filter(compact, query, op->filter);
    return query;
}

/* The ops of a fan-out that are kept: the list itself when none is dropped. */
static struct ops
compact_nested(struct compact *compact, const struct owner *owner, struct ops ops)
{
    struct op *kept = arena_alloc(compact->arena, ops.count * sizeof *kept);
    uint32_t begin = ops.count;
    CHECK(owner->query != NULL);
    compact_note_writes(compact, &ops);
    for (uint32_t i = 0; i < ops.count; i++) {
        if (ops.items[i].kind == OP_DELETE)
            compact->fan_out_deleted_at = compact->now;
    }
    for (uint32_t i = ops.count; i-- > 0;) {
        if (!compact_drops_op(compact, owner, &ops.items[i]))
            kept[--begin] = ops.items[i];
    }
    return begin == 0 ? ops : (struct ops){kept + begin, ops.count - begin};
}

static struct ops
compact_fan_out(struct compact *compact, const struct op *op)
{
    struct compact_query *query = compact_query(compact, op);
    const struct owner owner = {-1 - (query - compact->queries), &query->deleted_at, query};
    compact->now++;
    const struct ops left =
        compact_nested(compact, &owner, (struct ops){op->nested, op->nested_count});
    CHECK(left.count <= op->nested_count);
    for (uint32_t i = 0; i < query->field_count; i++)
        compact->fields[query->fields[i]].read_at = compact->now;
    return left;
}

static struct ops
compact_fan_outs(struct compact *compact, struct ops ops)
{
    struct op *kept = arena_alloc(compact->arena, ops.count * sizeof *kept);
    uint32_t begin = ops.count;
    bool changed = false;
    CHECK(ops.count <= compact->fan_out_count);
    for (uint32_t i = ops.count; i-- > 0;) {
        const struct ops nested = compact_fan_out(compact, &ops.items[i]);
        changed |= nested.items != ops.items[i].nested;
        if (nested.count == 0)
            continue;
        kept[--begin] = ops.items[i];
        kept[begin].nested = nested.items;
        kept[begin].nested_count = nested.count;
    }
    return changed ? (struct ops){kept + begin, ops.count - begin} : ops;
}

/* --- a run ----------------------------------------------------------------------------------- */

/* Counts the rows of each slot. Most slots have one, and compaction does nothing else for them. */
static void
compact_count(struct compact *compact, const struct event *events, uint32_t count)
{
    uint32_t slots = 1;
    while (slots < 2 * (uint64_t)count)
        slots *= 2;
    compact->slots = arena_alloc(compact->arena, slots * sizeof *compact->slots);
    compact->slots_mask = slots - 1;
    memset(compact->slots, 0, slots * sizeof *compact->slots);
    compact->slot_of = arena_alloc(compact->arena, count * sizeof(struct slot *));
    compact->fan_out_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        compact->slot_of[i] = NULL;
        if (events[i].kind == EVENT_FAN_OUT) {
            compact->fan_out_count += events[i].ops.count;
            continue;
        }
        CHECK(events[i].kind == EVENT_ROW);
        struct slot *slot = compact_find_slot(compact, events[i].entity_id);
        slot->entity_id = events[i].entity_id;
        slot->rows++;
        compact->slot_of[i] = slot;
    }
    compact->queries =
        arena_alloc(compact->arena, compact->fan_out_count * sizeof *compact->queries);
}

static void
compact_begin(struct compact *compact, struct arena *arena)
{
    compact->arena = arena;
    compact->now = 0;
    compact->fan_out_deleted_at = 0;
    compact->places = NULL;
    compact->place_count = 0;
    compact->query_count = 0;
    for (uint32_t i = 0; i < compact->field_count; i++) {
        compact->fields[i].read_at = compact->fields[i].written_at = 0;
        compact->fields[i].has_places = false;
    }
}

const struct ops *
compact_run(struct compact *compact, const struct event *events, uint32_t count,
            struct arena *arena)
{
    bool changed = false;
    CHECK(count <= UINT32_MAX / 4); /* the sizes of tables */
    compact_begin(compact, arena);
    compact_count(compact, events, count);
    struct ops *left = arena_alloc(arena, count * sizeof *left);
    for (uint32_t i = count; i-- > 0;) {
        const struct event *event = &events[i];
        left[i] = event->kind == EVENT_FAN_OUT ? compact_fan_outs(compact, event->ops)
                                               : compact_row(compact, event, compact->slot_of[i]);
        changed |= left[i].items != event->ops.items;
        CHECK(left[i].count <= event->ops.count);
    }
    CHECK(compact->query_count <= compact->fan_out_count);
    return changed ? left : NULL;
}
