#include "producer/commands/selection.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/cli/cli.h"

enum { NAMES_MAX = 1000 };

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
selection_read_names(const char *option, const char *list, struct arena *arena,
                     const char *const **names, uint32_t *count, struct error *err)
{
    const char **items = arena_alloc(arena, NAMES_MAX * sizeof *items);
    uint32_t read = 0;
    for (const char *at = list; *at != '\0'; at += *at == ',') {
        size_t bytes = strcspn(at, ",");
        if (bytes == 0 || read == NAMES_MAX)
            return error_set(err, ERR_USAGE, "%s needs at most %d names with commas between",
                             option, NAMES_MAX);
        items[read++] = arena_strdup(arena, (struct text){at, bytes});
        at += bytes;
    }
    if (read == 0)
        return error_set(err, ERR_USAGE, "%s has no name", option);
    qsort(items, read, sizeof *items, compare_names);
    *count = 1;
    for (uint32_t i = 1; i < read; i++)
        if (strcmp(items[i], items[*count - 1]) != 0)
            items[(*count)++] = items[i];
    *names = items;
    CHECK(*count <= read);
    return 0;
}

static int
read_bound(const char *from, size_t bytes, int64_t otherwise, int64_t *id, struct error *err)
{
    char text[24];
    *id = otherwise;
    if (bytes == 0)
        return 0;
    if (bytes >= sizeof text)
        return error_set(err, ERR_USAGE, "--range has a number that is too large");
    memcpy(text, from, bytes);
    text[bytes] = '\0';
    return cli_read_number(text, 0, INT64_MAX, id, err);
}

static int
read_range(const char *range, struct load_selection *selection, struct error *err)
{
    const char *colon = strchr(range, ':');
    if (colon == NULL)
        return error_set(err, ERR_USAGE, "--range needs BEGIN:END");
    int rc = read_bound(range, (size_t)(colon - range), 0, &selection->begin, err);
    if (rc == 0)
        rc = read_bound(colon + 1, strlen(colon + 1), CHUNK_NO_END, &selection->end, err);
    if (rc == 0 && selection->begin >= selection->end)
        rc = error_set(err, ERR_USAGE, "--range %s holds no entity: END is not part of it", range);
    selection->has_range = selection->begin > 0 || selection->end != CHUNK_NO_END;
    return rc;
}

int
selection_read(const struct cli *cli, struct arena *arena, struct load_selection *selection,
               struct error *err)
{
    const char *fields = cli_find_option(cli, "--fields");
    const char *range = cli_find_option(cli, "--range");
    int rc = 0;
    *selection =
        (struct load_selection){.table = cli_find_option(cli, "--table"), .end = CHUNK_NO_END};
    if (fields != NULL)
        rc = selection_read_names("--fields", fields, arena, &selection->fields,
                                  &selection->field_count, err);
    return rc == 0 && range != NULL ? read_range(range, selection, err) : rc;
}
