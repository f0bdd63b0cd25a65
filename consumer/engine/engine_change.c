/* Another index configuration. A field keeps its values when both configurations describe it in the
 * same way: its structures move from one engine to the other. The bounds count too, because a
 * computed field narrows those of its sources. Computed fields are computed again unless they and
 * all their sources were kept.
 */
#include "consumer/engine/engine.h"

#include "common/base/check.h"
#include "consumer/engine/engine_compute.h"
#include "consumer/engine/engine_time.h"

static bool
fields_are_alike(const struct field *a, const struct field *b)
{
    if (field_shape(a) != field_shape(b) || a->min != b->min || a->max != b->max ||
        a->computed_op != b->computed_op || a->source_count != b->source_count)
        return false;
    for (uint32_t i = 0; i < a->source_count; i++)
        if (!text_equal(a->sources[i]->name, b->sources[i]->name))
            return false;
    return true;
}

/* Exchanges the values of the fields, and leaves the descriptions. */
static void
field_exchange(struct field *a, struct field *b)
{
    struct field before = *a;
    CHECK(!a->defers && !b->defers);
    CHECK(a->deferred.count == 0 && b->deferred.count == 0);
    a->present = b->present;
    a->has_column = b->has_column;
    a->column = b->column;
    a->sets = b->sets;
    a->postings = b->postings;
    a->slices = b->slices;
    a->dictionary = b->dictionary;
    b->present = before.present;
    b->has_column = before.has_column;
    b->column = before.column;
    b->sets = before.sets;
    b->postings = before.postings;
    b->slices = before.slices;
    b->dictionary = before.dictionary;
    case_index_free(&a->cases); /* they follow the descriptions, which stay */
    case_index_free(&b->cases);
    field_index_cases(a);
    field_index_cases(b);
}

/* Were all sources of the computed field kept? */
static bool
sources_are_kept(const struct engine *engine, const struct field *field,
                 const struct field_set *kept)
{
    for (uint32_t i = 0; i < field->source_count; i++)
        if (!field_set_has(kept, (uint32_t)(field->sources[i] - engine->fields)))
            return false;
    return true;
}

static void
change_compute(struct field *field)
{
    roaring_bitmap_t *scope = bitmap_create();
    CHECK(roaring_bitmap_is_empty(field->present));
    for (uint32_t i = 0; i < field->source_count; i++)
        roaring_bitmap_or_inplace(scope, field->sources[i]->present);
    engine_compute_scope(field, scope);
    roaring_bitmap_free(scope);
}

/* Those that are not computed come first, because the others depend on them. */
static void
change_fields(struct engine *to, struct engine *from, bool computed, struct field_set *kept)
{
    for (uint32_t i = 0; i < to->field_count; i++) {
        struct field *field = &to->fields[i];
        struct field *old = engine_find_field(from, field->name);
        if ((field->computed_op != COMPUTED_NONE) != computed)
            continue;
        bool keeps =
            old != NULL && fields_are_alike(field, old) && sources_are_kept(to, field, kept);
        if (keeps) {
            field_exchange(field, old);
            field_set_add(kept, i);
        } else if (computed) {
            change_compute(field);
        }
    }
}

static void
bitmap_exchange(roaring_bitmap_t **a, roaring_bitmap_t **b)
{
    roaring_bitmap_t *before = *a;
    *a = *b;
    *b = before;
}

void
engine_change(struct engine *to, struct engine *from, struct field_set *kept)
{
    CHECK(to->partition == from->partition && to->partitions == from->partitions);
    CHECK(roaring_bitmap_is_empty(to->alive));
    CHECK(to->watches == NULL && from->watches == NULL);
    CHECK(!to->in_rows && !from->in_rows);
    *kept = (struct field_set){{0}};
    engine_sweep(from);
    bitmap_exchange(&to->alive, &from->alive);
    to->unknown_field_ops = from->unknown_field_ops;
    change_fields(to, from, false, kept);
    change_fields(to, from, true, kept);
    engine_show_slots(to, to->alive);
    engine_check_state(to);
}
