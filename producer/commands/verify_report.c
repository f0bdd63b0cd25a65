#include "producer/commands/verify_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/json/json_write.h"

enum { LINES_MAX = 100 }; /* of differences; --json has all that the shards have kept */

static const char *
plural(uint32_t count)
{
    return count == 1 ? "" : "s";
}

static void
append_range(struct buffer *out, const struct job_range *range)
{
    buffer_append_format(out, "%" PRId64 ":", range->begin);
    if (range->end != CHUNK_NO_END)
        buffer_append_format(out, "%" PRId64, range->end);
}

static void
append_value(struct buffer *out, const struct json_value *value)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_tree(&json, value);
}

/* --- lines ----------------------------------------------------------------------------------- */

static void
print_fields(const struct comparison *comparison)
{
    printf("%-32s %10s %10s %15s\n", "field", "ranges", "differing", "not comparable");
    for (uint32_t i = 0; i < comparison->field_count; i++) {
        const struct compared_field *field = &comparison->fields[i];
        printf("%-32.*s %10" PRIu32 " %10" PRIu32 " %15" PRIu32 "\n",
               TEXT_ARGS(verdict_field_name(field->name)), comparison->range_count,
               field->differing, field->not_comparable);
    }
}

static void
print_not_comparable(const struct verify_pass *pass, const struct verify_left_out *left_out)
{
    for (uint32_t i = 0; i < left_out->count; i++)
        printf("not comparable: %.*s: %.*s\n", TEXT_ARGS(verdict_field_name(left_out->fields[i])),
               TEXT_ARGS(left_out->reasons[i]));
    for (uint32_t i = 0; i < pass->comparison.field_count; i++) {
        const struct compared_field *field = &pass->comparison.fields[i];
        if (field->not_comparable > 0)
            printf("not comparable: %.*s: %.*s\n", TEXT_ARGS(verdict_field_name(field->name)),
                   TEXT_ARGS(field->reason));
    }
    for (uint32_t i = 0; i < pass->groups.not_comparable_count; i++)
        printf("not comparable: %.*s: not all of the groups have this field\n",
               TEXT_ARGS(verdict_field_name(pass->groups.not_comparable[i])));
}

static void
print_exempt(const struct exempt_fields *exempt)
{
    for (uint32_t i = 0; i < exempt->count; i++)
        printf("not guaranteed: %s: %s\n", exempt->items[i].name, exempt->items[i].reason);
}

static void
print_ranges(const struct comparison *comparison)
{
    struct buffer line = {0};
    for (uint32_t i = 0; i < comparison->differing_count && i < LINES_MAX; i++) {
        const struct compared_range *range = &comparison->differing[i];
        buffer_clear(&line);
        for (uint32_t j = 0; j < range->field_count; j++)
            buffer_append_format(&line, "%s%.*s", j == 0 ? "" : ", ",
                                 TEXT_ARGS(verdict_field_name(range->fields[j])));
        buffer_append_text(&line, " in range ");
        append_range(&line, &range->range);
        printf("differs: %s\n", buffer_string(&line));
    }
    if (comparison->differing_count > LINES_MAX)
        printf("... and %" PRIu32 " more ranges\n", comparison->differing_count - LINES_MAX);
    buffer_free(&line);
}

static void
print_difference(const struct found_difference *found, struct buffer *line)
{
    const struct verdict_difference *difference = found->difference;
    buffer_clear(line);
    append_value(line, difference->source);
    buffer_append_format(line, " in Postgres, ");
    append_value(line, difference->index);
    printf("entity %" PRId64 ", %.*s: %s in group %s\n", difference->entity_id,
           TEXT_ARGS(verdict_field_name(difference->field)), buffer_string(line), found->group);
}

static void
print_differences(const struct verify_pass *pass)
{
    const struct found_differences *found = &pass->differences;
    struct buffer line = {0};
    uint32_t shown = found->count < LINES_MAX ? found->count : LINES_MAX;
    for (uint32_t i = 0; i < shown; i++)
        print_difference(&found->items[i], &line);
    if (found->total > shown)
        printf("... and %" PRId64 " more values\n", found->total - shown);
    if (pass->check_job != 0 && found->total == 0)
        printf("no value differs where the rows were compared: it was written again since, or a row"
               " of a join table has no entity although a foreign key requires one\n");
    if (found->unchecked > 0)
        printf("the entities of %" PRIu32 " verdicts that differ are not known: verify these ranges"
               " again\n",
               found->unchecked);
    buffer_free(&line);
}

static void
print_groups(const struct verify_pass *pass)
{
    struct buffer line = {0};
    for (uint32_t i = 0; i < pass->groups.differing_count && i < LINES_MAX; i++) {
        const struct group_difference *difference = &pass->groups.differing[i];
        buffer_clear(&line);
        append_range(&line, &difference->range);
        printf("groups %s and %s differ: %.*s in partition %" PRId32 ", range %s\n",
               difference->groups[0], difference->groups[1],
               TEXT_ARGS(verdict_field_name(difference->field)), difference->partition,
               buffer_string(&line));
    }
    if (pass->groups.differing_count > LINES_MAX)
        printf("... and %" PRIu32 " more\n", pass->groups.differing_count - LINES_MAX);
    buffer_free(&line);
}

static void
print_unknown(const struct verify_unknown *unknown, uint32_t count)
{
    for (uint32_t i = 0; i < count && i < LINES_MAX; i++)
        printf("unknown: group %s: %s\n", unknown[i].group, unknown[i].reason);
    if (count > LINES_MAX)
        printf("... and %" PRIu32 " more\n", count - LINES_MAX);
}

void
verify_report_print(const struct verify_pass *pass, const struct verify_left_out *left_out)
{
    printf("job %" PRId64 ": %" PRIu32 " range%s, %" PRIu32 " shard%s of group%s", pass->job,
           pass->comparison.range_count, plural(pass->comparison.range_count),
           pass->list.shard_count, plural(pass->list.shard_count),
           plural(pass->request.group_count));
    for (uint32_t i = 0; i < pass->request.group_count; i++)
        printf("%s%s", i == 0 ? " " : ", ", pass->request.groups[i]);
    printf("\n");
    print_fields(&pass->comparison);
    print_not_comparable(pass, left_out);
    print_exempt(left_out->exempt);
    print_ranges(&pass->comparison);
    print_differences(pass);
    print_groups(pass);
    print_unknown(pass->list.unknown, pass->list.unknown_count);
    print_unknown(pass->groups.unknown, pass->groups.unknown_count);
}

uint32_t
verify_report_not_comparable(const struct verify_pass *pass, const struct verify_left_out *left_out)
{
    uint32_t count = left_out->count + pass->groups.not_comparable_count;
    for (uint32_t i = 0; i < pass->comparison.field_count; i++)
        count += pass->comparison.fields[i].not_comparable > 0;
    return count;
}

static void
append_part(struct buffer *out, uint32_t count, const char *what)
{
    if (count > 0)
        buffer_append_format(out, "%s%" PRIu32 " %s", out->bytes > 0 ? "; " : "", count, what);
}

void
verify_report_append_result(const struct verify_pass *pass, struct buffer *out)
{
    const struct comparison *comparison = &pass->comparison;
    CHECK(comparison->differing_count <= comparison->range_count);
    if (comparison->differing_count > 0)
        buffer_append_format(out, "%" PRIu32 " of %" PRIu32 " ranges differ%s",
                             comparison->differing_count, comparison->range_count,
                             comparison->differing_count == 1 ? "s" : "");
    append_part(out, pass->groups.differing_count, "sums of groups that differ from each other");
    append_part(out, pass->list.unknown_count + pass->groups.unknown_count,
                "reasons why a verdict is unknown");
}

/* --- JSON ------------------------------------------------------------------------------------ */

static void
write_number(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_integer(json, number);
}

/* The members of a range, of an object that is open. */
static void
write_range(struct json_writer *json, const struct job_range *range)
{
    write_number(json, "begin", range->begin);
    json_key(json, "end");
    if (range->end == CHUNK_NO_END)
        json_null(json);
    else
        json_integer(json, range->end);
}

static void
write_names(struct json_writer *json, const char *key, const struct text *names, uint32_t count)
{
    json_key(json, key);
    json_array_begin(json);
    for (uint32_t i = 0; i < count; i++)
        json_text(json, names[i]);
    json_array_end(json);
}

static void
write_fields(struct json_writer *json, const struct comparison *comparison)
{
    json_key(json, "fields");
    json_array_begin(json);
    for (uint32_t i = 0; i < comparison->field_count; i++) {
        const struct compared_field *field = &comparison->fields[i];
        json_object_begin(json);
        json_key(json, "field");
        json_text(json, field->name);
        write_number(json, "differing", field->differing);
        write_number(json, "not_comparable", field->not_comparable);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
write_reason(struct json_writer *json, struct text field, struct text reason)
{
    json_object_begin(json);
    json_key(json, "field");
    json_text(json, field);
    json_key(json, "reason");
    json_text(json, reason);
    json_object_end(json);
}

static void
write_not_comparable(struct json_writer *json, const struct verify_pass *pass,
                     const struct verify_left_out *left_out)
{
    json_key(json, "not_comparable");
    json_array_begin(json);
    for (uint32_t i = 0; i < left_out->count; i++)
        write_reason(json, left_out->fields[i], left_out->reasons[i]);
    for (uint32_t i = 0; i < pass->comparison.field_count; i++)
        if (pass->comparison.fields[i].not_comparable > 0)
            write_reason(json, pass->comparison.fields[i].name, pass->comparison.fields[i].reason);
    for (uint32_t i = 0; i < pass->groups.not_comparable_count; i++)
        write_reason(json, pass->groups.not_comparable[i],
                     TEXT("not all of the groups have this field"));
    json_array_end(json);
}

static void
write_exempt(struct json_writer *json, const struct exempt_fields *exempt)
{
    json_key(json, "not_guaranteed");
    json_array_begin(json);
    for (uint32_t i = 0; i < exempt->count; i++)
        write_reason(json, text_of(exempt->items[i].name), text_of(exempt->items[i].reason));
    json_array_end(json);
}

static void
write_differing(struct json_writer *json, const struct comparison *comparison)
{
    json_key(json, "differing");
    json_array_begin(json);
    for (uint32_t i = 0; i < comparison->differing_count; i++) {
        const struct compared_range *range = &comparison->differing[i];
        json_object_begin(json);
        write_range(json, &range->range);
        write_names(json, "fields", range->fields, range->field_count);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
write_differences(struct json_writer *json, const struct found_differences *found)
{
    json_key(json, "differences");
    json_array_begin(json);
    for (uint32_t i = 0; i < found->count; i++) {
        const struct verdict_difference *difference = found->items[i].difference;
        json_object_begin(json);
        json_key(json, "group");
        json_string(json, found->items[i].group);
        json_key(json, "field");
        json_text(json, difference->field);
        write_number(json, "id", difference->entity_id);
        json_key(json, "source");
        json_tree(json, difference->source);
        json_key(json, "index");
        json_tree(json, difference->index);
        json_object_end(json);
    }
    json_array_end(json);
    write_number(json, "differences_total", found->total);
}

static void
write_group_differences(struct json_writer *json, const struct group_comparison *groups)
{
    json_key(json, "groups_differing");
    json_array_begin(json);
    for (uint32_t i = 0; i < groups->differing_count; i++) {
        const struct group_difference *difference = &groups->differing[i];
        json_object_begin(json);
        json_key(json, "groups");
        json_array_begin(json);
        json_string(json, difference->groups[0]);
        json_string(json, difference->groups[1]);
        json_array_end(json);
        write_number(json, "partition", difference->partition);
        write_range(json, &difference->range);
        json_key(json, "field");
        json_text(json, difference->field);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
write_unknown(struct json_writer *json, const struct verify_unknown *unknown, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        json_object_begin(json);
        json_key(json, "group");
        json_string(json, unknown[i].group);
        json_key(json, "reason");
        json_string(json, unknown[i].reason);
        json_object_end(json);
    }
}

static void
write_pass(struct json_writer *json, const struct verify_pass *pass,
           const struct verify_left_out *left_out)
{
    json_object_begin(json);
    write_number(json, "job", pass->job);
    json_key(json, "equal");
    json_boolean(json, verify_pass_is_equal(pass));
    json_key(json, "groups");
    json_array_begin(json);
    for (uint32_t i = 0; i < pass->request.group_count; i++)
        json_string(json, pass->request.groups[i]);
    json_array_end(json);
    write_number(json, "shards", pass->list.shard_count);
    write_number(json, "ranges", pass->comparison.range_count);
    write_fields(json, &pass->comparison);
    write_not_comparable(json, pass, left_out);
    write_exempt(json, left_out->exempt);
    write_differing(json, &pass->comparison);
    write_differences(json, &pass->differences);
    write_group_differences(json, &pass->groups);
    json_key(json, "unknown");
    json_array_begin(json);
    write_unknown(json, pass->list.unknown, pass->list.unknown_count);
    write_unknown(json, pass->groups.unknown, pass->groups.unknown_count);
    json_array_end(json);
    json_object_end(json);
}

void
verify_report_print_json(const struct verify_pass *passes, uint32_t count,
                         const struct verify_left_out *left_out, uint32_t repaired)
{
    struct buffer out = {0};
    struct json_writer json;
    CHECK(count > 0);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_key(&json, "equal");
    json_boolean(&json, verify_pass_is_equal(&passes[count - 1]));
    write_number(&json, "repaired", repaired);
    json_key(&json, "passes");
    json_array_begin(&json);
    for (uint32_t i = 0; i < count; i++)
        write_pass(&json, &passes[i], left_out);
    json_array_end(&json);
    json_object_end(&json);
    printf("%s\n", buffer_string(&out));
    buffer_free(&out);
}
