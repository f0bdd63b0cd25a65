#include "consumer/query/query_fields.h"

#include <string.h>

#include "common/base/check.h"

/* The recursion is as deep as the filter, which the request limits. */
static void
fields_add_filter(const struct config_fields *fields, const struct filter *filter,
                  struct field_set *used)
{
    if (!filter_has_children(filter)) {
        config_fields_add(fields, &filter->field, 1, used);
        return;
    }
    uint32_t count = filter->kind == FILTER_NOT ? 1 : filter->count;
    CHECK(filter->children != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++)
        fields_add_filter(fields, &filter->children[i], used);
}

struct field_set
query_fields(const struct engine_query *query, const struct config_fields *fields)
{
    struct field_set used = {{0}};
    const char *visible_from = fields->index->visible_from;
    field_set_add(&used, FIELD_ALIVE);
    if (visible_from != NULL)
        config_fields_add(fields, &(struct text){visible_from, strlen(visible_from)}, 1, &used);
    if (query->filter != NULL)
        fields_add_filter(fields, query->filter, &used);
    if (query->sort_field.bytes > 0)
        config_fields_add(fields, &query->sort_field, 1, &used);
    return used;
}
