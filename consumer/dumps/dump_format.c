#include "consumer/dumps/dump_format.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_write.h"

enum { VERSION = 1, DEPTH = 4 };

static const struct {
    const char *name;
    size_t offset; /* in struct dump */
} numbers[] = {
    {"ops_written", offsetof(struct dump, ops_written)},
    {"ops_processed", offsetof(struct dump, ops_processed)},
    {"created_at", offsetof(struct dump, created_at_s)},
    {"completed_at", offsetof(struct dump, completed_at_s)},
    {"epoch", offsetof(struct dump, epoch)},
    {"job", offsetof(struct dump, job)},
};

enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

/* --- writing --------------------------------------------------------------------------------- */

static void
write_number(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_integer(json, number);
}

static void
write_text(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

static void
encode_dump(struct json_writer *json, const struct dump *dump, int32_t partitions)
{
    CHECK((dump->status == DUMP_FAILED) == (dump->failed[0] != '\0'));
    json_object_begin(json);
    write_text(json, "name", dump->name);
    write_text(json, "status", dump_status_name(dump->status));
    write_text(json, "failed", dump->failed);
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t number;
        memcpy(&number, (const char *)dump + numbers[i].offset, sizeof number);
        write_number(json, numbers[i].name, number);
    }
    json_key(json, "offsets");
    json_array_begin(json);
    for (int32_t i = 0; i < partitions; i++)
        json_integer(json, dump->offsets[i]);
    json_array_end(json);
    json_object_end(json);
}

static void
encode_partition(struct json_writer *json, const struct dump_partition *partition)
{
    CHECK(partition->seen_offset >= -1);
    json_object_begin(json);
    write_number(json, "seen", partition->seen_offset);
    write_number(json, "ended_epoch", partition->ended_epoch);
    write_number(json, "ended_job", partition->ended_job);
    json_object_end(json);
}

void
dump_format_encode(const struct dump_list *list, struct buffer *out)
{
    struct json_writer json;
    CHECK(list->count <= DUMPS_MAX);
    json_writer_init(&json, out);
    json_object_begin(&json);
    write_number(&json, "version", VERSION);
    json_key(&json, "partitions");
    json_array_begin(&json);
    for (int32_t i = 0; i < list->partition_count; i++)
        encode_partition(&json, &list->partitions[i]);
    json_array_end(&json);
    json_key(&json, "dumps");
    json_array_begin(&json);
    for (uint32_t i = 0; i < list->count; i++)
        encode_dump(&json, &list->items[i], list->partition_count);
    json_array_end(&json);
    json_object_end(&json);
}

/* --- reading --------------------------------------------------------------------------------- */

static int
read_number(const struct json_value *object, const char *key, int64_t minimum, int64_t *number,
            struct error *err)
{
    const struct json_value *value = json_member(object, key);
    if (value == NULL || value->kind != JSON_INTEGER || value->integer < minimum)
        return error_set(err, ERR_DATA, "\"%s\" is not a valid number", key);
    *number = value->integer;
    return 0;
}

static int
read_text(const struct json_value *object, const char *key, char *out, size_t bytes,
          struct error *err)
{
    const struct json_value *value = json_member(object, key);
    if (value == NULL || value->kind != JSON_STRING || value->string.bytes >= bytes)
        return error_set(err, ERR_DATA, "\"%s\" is not a valid text", key);
    snprintf(out, bytes, "%s", value->string.data);
    return 0;
}

/* The list of `count` items at `key`, or NULL. */
static const struct json_value *
read_list(const struct json_value *object, const char *key, int64_t count, struct error *err)
{
    const struct json_value *value = json_member(object, key);
    if (value != NULL && value->kind == JSON_ARRAY && value->array.count == count)
        return value->array.items;
    error_set(err, ERR_DATA, "\"%s\" is not a list of %lld items", key, (long long)count);
    return NULL;
}

static int
decode_status(const struct json_value *json, struct dump *dump, struct error *err)
{
    char word[16];
    int rc = read_text(json, "status", word, sizeof word, err);
    if (rc == 0)
        rc = read_text(json, "failed", dump->failed, sizeof dump->failed, err);
    if (rc != 0)
        return rc;
    int status = 0;
    while (status < DUMP_STATUSES && strcmp(word, dump_status_name((enum dump_status)status)) != 0)
        status++;
    if (status == DUMP_STATUSES || (status == DUMP_FAILED) != (dump->failed[0] != '\0'))
        return error_set(err, ERR_DATA, "\"status\" is invalid");
    dump->status = (enum dump_status)status;
    return 0;
}

static int
decode_offsets(const struct json_value *json, struct dump *dump, int32_t partitions,
               struct error *err)
{
    const struct json_value *items = read_list(json, "offsets", partitions, err);
    if (items == NULL)
        return ERR_DATA;
    for (int32_t i = 0; i < partitions; i++) {
        if (items[i].kind != JSON_INTEGER)
            return error_set(err, ERR_DATA, "\"offsets\" has an invalid item");
        dump->offsets[i] = items[i].integer;
    }
    return 0;
}

/* The new dump has its offsets already, which the list frees. */
static int
decode_dump(const struct json_value *json, struct dump_list *list, struct error *err)
{
    struct dump *dump = &list->items[list->count];
    int64_t *offsets = memory_zalloc((size_t)list->partition_count * sizeof *offsets);
    *dump = (struct dump){.offsets = offsets};
    int rc = read_text(json, "name", dump->name, sizeof dump->name, err);
    bool is_known = rc == 0 && dump_list_find(list, text_of(dump->name)) != NULL;
    list->count++;
    if (rc == 0 && (is_known || dump->name[0] == '\0'))
        rc = error_set(err, ERR_DATA, "a name is empty or repeated");
    if (rc == 0)
        rc = decode_status(json, dump, err);
    for (size_t i = 0; rc == 0 && i < NUMBERS; i++) {
        int64_t number = 0;
        rc = read_number(json, numbers[i].name, 0, &number, err);
        memcpy((char *)dump + numbers[i].offset, &number, sizeof number);
    }
    return rc == 0 ? decode_offsets(json, dump, list->partition_count, err) : rc;
}

static int
decode_dumps(const struct json_value *root, struct dump_list *list, struct error *err)
{
    const struct json_value *dumps = json_member(root, "dumps");
    if (dumps == NULL || dumps->kind != JSON_ARRAY || dumps->array.count > DUMPS_MAX)
        return error_set(err, ERR_DATA, "\"dumps\" is not a list of at most %d items", DUMPS_MAX);
    for (uint32_t i = 0; i < dumps->array.count; i++) {
        int rc = decode_dump(&dumps->array.items[i], list, err);
        if (rc != 0)
            return error_wrap(err, rc, "dumps[%u]", i);
    }
    return 0;
}

static int
decode_partitions(const struct json_value *root, struct dump_list *list, struct error *err)
{
    const struct json_value *items = read_list(root, "partitions", list->partition_count, err);
    int rc = items == NULL ? ERR_DATA : 0;
    for (int32_t i = 0; rc == 0 && i < list->partition_count; i++) {
        struct dump_partition *partition = &list->partitions[i];
        rc = read_number(&items[i], "seen", -1, &partition->seen_offset, err);
        if (rc == 0)
            rc = read_number(&items[i], "ended_epoch", 0, &partition->ended_epoch, err);
        if (rc == 0)
            rc = read_number(&items[i], "ended_job", 0, &partition->ended_job, err);
        if (rc != 0)
            error_wrap(err, rc, "partitions[%d]", i);
    }
    return rc;
}

int
dump_format_decode(struct text text, struct dump_list *list, struct error *err)
{
    struct arena arena;
    const struct json_value *root;
    int64_t version = 0;
    CHECK(list->count == 0);
    arena_init(&arena);
    int rc = json_parse(text, DEPTH, &arena, &root, err);
    if (rc == 0)
        rc = read_number(root, "version", 1, &version, err);
    if (rc == 0 && version != VERSION)
        rc = error_set(err, ERR_DATA, "version %lld is not known", (long long)version);
    if (rc == 0)
        rc = decode_partitions(root, list, err);
    if (rc == 0)
        rc = decode_dumps(root, list, err);
    arena_free(&arena);
    return rc;
}

/* --- the answer ------------------------------------------------------------------------------ */

static void
answer_status(struct json_writer *json, const struct dump *dump)
{
    const char *name = dump_status_name(dump->status);
    json_key(json, "status");
    if (dump->status != DUMP_FAILED) {
        json_string(json, name);
        return;
    }
    json_object_begin(json);
    write_text(json, name, dump->failed);
    json_object_end(json);
}

static void
answer_dump(struct json_writer *json, const struct dump *dump)
{
    json_key(json, dump->name);
    json_object_begin(json);
    write_text(json, "name", dump->name);
    answer_status(json, dump);
    write_number(json, "ops_written", dump->ops_written);
    write_number(json, "ops_processed", dump->ops_processed);
    write_number(json, "created_at", dump->created_at_s);
    json_key(json, "completed_at");
    if (dump->status == DUMP_COMPLETE)
        json_integer(json, dump->completed_at_s);
    else
        json_null(json);
    json_object_end(json);
}

void
dump_format_answer(const struct dump_list *list, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, "dumps");
    json_object_begin(&json);
    for (uint32_t i = 0; i < list->count; i++)
        answer_dump(&json, &list->items[i]);
    json_object_end(&json);
    json_key(&json, "all_complete");
    json_boolean(&json, dump_list_all_complete(list));
    json_object_end(&json);
}
