#include "producer/commands/checklist.h"

#include <stdio.h>

#include "common/base/check.h"

enum result { RESULT_OK, RESULT_NOTE, RESULT_WARNING, RESULT_PROBLEM };

static const char *const result_names[] = {
    [RESULT_OK] = "ok",
    [RESULT_NOTE] = "note",
    [RESULT_WARNING] = "warning",
    [RESULT_PROBLEM] = "problem",
};

/* A line of the list. Texts may be "". */
struct finding {
    enum result result;
    const char *name; /* of the check */
    const struct entry *entry;
    const char *object;
    const char *message;
    const char *remedy;
};

void
checklist_begin(struct checklist *list, bool has_json)
{
    *list = (struct checklist){.has_json = has_json};
    if (!has_json)
        return;
    json_writer_init(&list->json, &list->out);
    json_array_begin(&list->json);
}

void
checklist_end(struct checklist *list)
{
    if (!list->has_json)
        return;
    json_array_end(&list->json);
    CHECK(list->json.depth == 0);
    printf("%s\n", buffer_string(&list->out));
    buffer_free(&list->out);
}

static void
print_text(const struct finding *finding)
{
    printf("%-8s %s", result_names[finding->result], finding->name);
    if (finding->entry != NULL)
        printf(": triggers[%u] (line %u)", finding->entry->index,
               finding->entry->trigger->place.line);
    if (finding->object[0] != '\0')
        printf("%s%s", finding->entry != NULL ? ", " : ": ", finding->object);
    if (finding->message[0] != '\0')
        printf(": %s", finding->message);
    if (finding->remedy[0] != '\0')
        printf(": %s", finding->remedy);
    printf("\n");
}

static void
write_member(struct json_writer *json, const char *key, const char *value)
{
    json_key(json, key);
    json_string(json, value);
}

static void
write_json(struct json_writer *json, const struct finding *finding)
{
    json_object_begin(json);
    write_member(json, "check", finding->name);
    write_member(json, "result", result_names[finding->result]);
    if (finding->entry != NULL) {
        json_key(json, "entry");
        json_integer(json, finding->entry->index);
        json_key(json, "line");
        json_integer(json, finding->entry->trigger->place.line);
    }
    if (finding->object[0] != '\0')
        write_member(json, "object", finding->object);
    write_member(json, "message", finding->message);
    if (finding->remedy[0] != '\0')
        write_member(json, "remedy", finding->remedy);
    json_object_end(json);
}

static void
add(struct checklist *list, const struct finding *finding)
{
    CHECK(finding->result == RESULT_OK || finding->message[0] != '\0');
    list->warnings += finding->result == RESULT_WARNING;
    list->problems += finding->result == RESULT_PROBLEM;
    if (list->has_json)
        write_json(&list->json, finding);
    else
        print_text(finding);
}

/* About no entry. */
static void
add_plain(struct checklist *list, const char *name, enum result result, const char *message)
{
    const struct finding finding = {
        .result = result,
        .name = name,
        .object = "",
        .message = message,
        .remedy = "",
    };
    add(list, &finding);
}

void
checklist_add(struct checklist *list, const char *name, int rc, const struct error *err)
{
    CHECK(rc == 0 || rc == err->code);
    if (rc != 0)
        add_plain(list, name, RESULT_PROBLEM, err->message);
    else
        add_plain(list, name, RESULT_OK, "");
}

void
checklist_add_note(struct checklist *list, const char *name, const char *message)
{
    add_plain(list, name, RESULT_NOTE, message);
}

void
checklist_add_warning(struct checklist *list, const char *name, const char *message)
{
    add_plain(list, name, RESULT_WARNING, message);
}

static void
add_condition(struct checklist *list, const struct condition *condition)
{
    static const enum result results[] = {
        [CONDITION_NOTE] = RESULT_NOTE,
        [CONDITION_WARNING] = RESULT_WARNING,
        [CONDITION_PROBLEM] = RESULT_PROBLEM,
    };
    const struct finding finding = {
        .result = results[condition->severity],
        .name = condition_name(condition->kind),
        .entry = condition->entry,
        .object = condition->object,
        .message = condition->message,
        .remedy = condition->remedy,
    };
    add(list, &finding);
}

void
checklist_add_conditions(struct checklist *list, const struct condition_list *conditions)
{
    for (enum condition_kind kind = 0; kind < CONDITION_KINDS; kind++) {
        bool found = false;
        for (const struct condition *condition = conditions->first; condition != NULL;
             condition = condition->next)
            if (condition->kind == kind) {
                add_condition(list, condition);
                found = true;
            }
        if (!found)
            add_plain(list, condition_name(kind), RESULT_OK, "");
    }
}
