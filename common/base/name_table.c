#include "common/base/name_table.h"

#include <stdlib.h>

#include "common/base/check.h"

enum { PLACES_PER_NAME = 4 };

void
name_table_init(struct name_table *table, uint32_t capacity)
{
    uint64_t places = PLACES_PER_NAME;
    while (places < PLACES_PER_NAME * (uint64_t)capacity)
        places *= 2;
    *table = (struct name_table){.mask = places - 1, .capacity = capacity};
    table->places = memory_zalloc(places * sizeof *table->places);
}

void
name_table_free(struct name_table *table)
{
    CHECK(table->count <= table->capacity);
    free(table->places);
    *table = (struct name_table){0};
}

void
name_table_add(struct name_table *table, struct text name, uint32_t number)
{
    uint32_t found;
    CHECK(name.data != NULL);
    CHECK(table->count < table->capacity);
    CHECK(!name_table_find(table, name, &found));
    uint64_t at = name_table_hash(name);
    while (table->places[at & table->mask].name.data != NULL)
        at++;
    table->places[at & table->mask] = (struct name_place){name, number};
    table->count++;
}
