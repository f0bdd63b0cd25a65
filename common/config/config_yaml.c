/* One pass over the events of libyaml. What is refused of a key or a scalar does not end it; its
 * structure and its limits do.
 *
 * Happy path: one document; every value becomes a node with its place.
 *
 * Failure modes: a text that is not YAML; a second document; anchors, aliases and tags (aliases can
 * make a small file large); keys that are not words, or are repeated; more than the limits below;
 * an environment variable that is not set or is not UTF-8; a NUL.
 */
#include "common/config/config_yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/base/check.h"
#include "common/base/utf8.h"

#define KEY_ALPHABET "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

enum { DEPTH_MAX = 16, NODES_MAX = 16384, KEYS_MAX = 256, VARIABLE_BYTES_MAX = 100 };

struct yaml_input {
    struct config_reader *reader;
    yaml_parser_t parser;
    yaml_event_t event;
    struct text yaml;
    uint32_t nodes;
    size_t variable_bytes; /* of expanded variables so far */
};

/* Reads "{NAME}" at `at`, appends the value of the variable, and sets `*end` after the brace. */
static int
variable_append(struct yaml_input *input, struct config_node *node, const char *at,
                const char **end, struct buffer *out)
{
    CHECK(at[0] == '{');
    size_t bytes =
        strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (at[1 + bytes] != '}' || bytes == 0 || bytes > VARIABLE_BYTES_MAX)
        return config_refuse(input->reader, node,
                             "${ must be followed by a variable's name and } (write $${ for ${)");
    char name[VARIABLE_BYTES_MAX + 1];
    memcpy(name, at + 1, bytes);
    name[bytes] = '\0';
    const char *value = getenv(name);
    if (value == NULL)
        return config_refuse(input->reader, node, "environment variable %s is not set", name);
    if (!utf8_valid(value, strlen(value)))
        return config_refuse(input->reader, node, "environment variable %s is not UTF-8", name);
    input->variable_bytes += strlen(value);
    if (input->variable_bytes > CONFIG_FILE_BYTES_MAX)
        return config_refuse(input->reader, node, "environment variables are too large: %s", name);
    buffer_append_text(out, value);
    *end = at + 1 + bytes + 1;
    return 0;
}

/* Replaces ${NAME} and $${ in the text of the node. Values of variables are not expanded again. */
static void
scalar_expand(struct yaml_input *input, struct config_node *node, struct buffer *out)
{
    CHECK(node->kind != NODE_LIST && node->kind != NODE_MAP);
    const char *at = node->text;
    for (const char *dollar; (dollar = strchr(at, '$')) != NULL;) {
        buffer_append(out, at, (size_t)(dollar - at));
        if (strncmp(dollar, "$${", 3) == 0) {
            buffer_append_text(out, "${");
            at = dollar + 3;
        } else if (dollar[1] == '{') {
            if (variable_append(input, node, dollar + 1, &at, out) != 0)
                return; /* the text stays as it is in the file */
            node->is_plain = true;
        } else {
            buffer_append_text(out, "$");
            at = dollar + 1;
        }
    }
    buffer_append_text(out, at);
    node->text = arena_strdup(input->reader->arena, text_of(buffer_string(out)));
}

static bool
scalar_is_nothing(const char *text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static void
parse_scalar(struct yaml_input *input, struct config_node *node)
{
    const char *value = (const char *)input->event.data.scalar.value;
    struct text text = {value, input->event.data.scalar.length};
    CHECK(input->event.type == YAML_SCALAR_EVENT);
    if (memchr(value, '\0', text.bytes) != NULL) {
        config_refuse(input->reader, node, "must not hold a NUL");
        text.bytes = strlen(value);
    }
    node->text = arena_strdup(input->reader->arena, text);
    node->is_plain = input->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->kind = node->is_plain && scalar_is_nothing(node->text) ? NODE_NOTHING : NODE_SCALAR;
    if (strstr(node->text, "${") == NULL)
        return;
    struct buffer out;
    buffer_init(&out);
    scalar_expand(input, node, &out);
    buffer_free(&out);
}

/* Reports the error of libyaml. When the bytes are not UTF-8, it has an offset instead of a line.
 * */
static int
parse_problem(const struct yaml_input *input)
{
    const yaml_parser_t *parser = &input->parser;
    CHECK(parser->error != YAML_NO_ERROR);
    struct config_node place = {.line = (uint32_t)parser->problem_mark.line + 1,
                                .column = (uint32_t)parser->problem_mark.column + 1};
    if (parser->error == YAML_READER_ERROR) {
        place.line = place.column = 1;
        for (size_t i = 0; i < parser->problem_offset && i < input->yaml.bytes; i++) {
            bool is_break = input->yaml.data[i] == '\n';
            place.line += is_break;
            place.column = is_break ? 1 : place.column + 1;
        }
    }
    return config_refuse(input->reader, &place, "not YAML: %s%s%s",
                         parser->context != NULL ? parser->context : "",
                         parser->context != NULL ? ", " : "",
                         parser->problem != NULL ? parser->problem : "cannot be read");
}

static int
next_event(struct yaml_input *input)
{
    yaml_event_delete(&input->event);
    return yaml_parser_parse(&input->parser, &input->event) ? 0 : parse_problem(input);
}

static void
node_place(const struct yaml_input *input, uint32_t *line, uint32_t *column)
{
    *line = (uint32_t)input->event.start_mark.line + 1;
    *column = (uint32_t)input->event.start_mark.column + 1;
}

static struct config_node *
node_add(struct yaml_input *input, struct config_node *parent, struct config_node **last)
{
    struct config_node *node = arena_alloc(input->reader->arena, sizeof *node);
    *node = (struct config_node){.parent = parent};
    input->nodes++;
    if (parent == NULL)
        return node;
    node->index = parent->count++;
    CHECK((*last == NULL) == (parent->first == NULL));
    if (*last == NULL)
        parent->first = node;
    else
        (*last)->next = node;
    *last = node;
    return node;
}

static int parse_node(struct yaml_input *input, struct config_node *node, int depth);

static int
parse_list(struct yaml_input *input, struct config_node *list, int depth)
{
    struct config_node *last = NULL;
    CHECK(list->kind == NODE_LIST);
    CHECK(depth <= DEPTH_MAX);
    for (;;) {
        int rc = next_event(input);
        if (rc != 0 || input->event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        rc = parse_node(input, node_add(input, list, &last), depth + 1);
        if (rc != 0)
            return rc;
    }
}

static int
parse_key(struct yaml_input *input, const struct config_node *map, struct config_node *node)
{
    const yaml_event_t *event = &input->event;
    CHECK(node->parent == map);
    node_place(input, &node->key_line, &node->key_column);
    node->key = "";
    if (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor == NULL &&
        event->data.scalar.tag == NULL)
        node->key = (const char *)event->data.scalar.value;
    if (*node->key == '\0' || strspn(node->key, KEY_ALPHABET) != event->data.scalar.length) {
        node->key = "?";
        config_refuse_key(input->reader, node,
                          "a key must be a word of letters, digits, '.', '_' and '-'");
        return event->type == YAML_SCALAR_EVENT ? 0 : ERR_USAGE;
    }
    node->key = arena_strdup(input->reader->arena, text_of(node->key));
    if (map->count > KEYS_MAX)
        return config_refuse_key(input->reader, node, "more than %d keys in one map", KEYS_MAX);
    for (const struct config_node *other = map->first; other != node; other = other->next)
        if (strcmp(other->key, node->key) == 0) {
            config_refuse_key(input->reader, node, "duplicate key, first on line %u",
                              other->key_line);
            break;
        }
    return 0;
}

static int
parse_map(struct yaml_input *input, struct config_node *map, int depth)
{
    struct config_node *last = NULL;
    CHECK(map->kind == NODE_MAP);
    CHECK(depth <= DEPTH_MAX);
    for (;;) {
        int rc = next_event(input);
        if (rc != 0 || input->event.type == YAML_MAPPING_END_EVENT)
            return rc;
        struct config_node *node = node_add(input, map, &last);
        rc = parse_key(input, map, node);
        if (rc == 0)
            rc = next_event(input);
        if (rc == 0)
            rc = parse_node(input, node, depth + 1);
        if (rc != 0)
            return rc;
    }
}

static bool
event_has_anchor_or_tag(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL;
    default:
        return event->type == YAML_ALIAS_EVENT;
    }
}

/* Reads the node that begins with the current event. Afterwards the current event is its last. */
static int
parse_node(struct yaml_input *input, struct config_node *node, int depth)
{
    node_place(input, &node->line, &node->column);
    if (event_has_anchor_or_tag(&input->event))
        config_refuse(input->reader, node, "anchors, aliases and tags are not accepted");
    if (depth > DEPTH_MAX)
        return config_refuse(input->reader, node, "nested too deeply");
    if (input->nodes > NODES_MAX)
        return config_refuse(input->reader, node, "more than %d values", NODES_MAX);
    switch (input->event.type) {
    case YAML_ALIAS_EVENT: /* refused above */
        return 0;
    case YAML_SCALAR_EVENT:
        parse_scalar(input, node);
        return 0;
    case YAML_SEQUENCE_START_EVENT:
        node->kind = NODE_LIST;
        return parse_list(input, node, depth);
    case YAML_MAPPING_START_EVENT:
        node->kind = NODE_MAP;
        return parse_map(input, node, depth);
    default: /* the stream ended before a document */
        return config_refuse(input->reader, node, "the file is empty");
    }
}

static int
parse_document(struct yaml_input *input)
{
    CHECK(input->nodes == 0);
    struct config_node *root = node_add(input, NULL, NULL);
    input->reader->root = root;
    int rc = 0;
    do
        rc = next_event(input);
    while (rc == 0 && (input->event.type == YAML_STREAM_START_EVENT ||
                       input->event.type == YAML_DOCUMENT_START_EVENT));
    if (rc == 0)
        rc = parse_node(input, root, 0);
    if (rc == 0)
        rc = next_event(input); /* the end of the document */
    if (rc == 0)
        rc = next_event(input);
    if (rc != 0 || input->event.type == YAML_STREAM_END_EVENT)
        return rc;
    struct config_node second = {0};
    node_place(input, &second.line, &second.column);
    return config_refuse(input->reader, &second, "a second document");
}

/* Depth is bounded by DEPTH_MAX. */
static void
node_check(const struct config_node *node)
{
    uint32_t count = 0;
    CHECK(node->line > 0);
    CHECK(node->column > 0);
    CHECK(node->kind != NODE_SCALAR || node->text != NULL);
    CHECK(node->first == NULL || node->kind == NODE_LIST || node->kind == NODE_MAP);
    for (const struct config_node *child = node->first; child != NULL; child = child->next) {
        CHECK(child->parent == node);
        CHECK(child->index == count++);
        CHECK((child->key != NULL) == (node->kind == NODE_MAP));
        node_check(child);
    }
    CHECK(count == node->count);
}

int
config_yaml_parse(struct config_reader *reader, struct text yaml)
{
    CHECK(reader->root == NULL);
    struct yaml_input input = {.reader = reader, .yaml = yaml};
    if (yaml_parser_initialize(&input.parser) == 0)
        return config_refuse(reader, &(struct config_node){.line = 1, .column = 1},
                             "out of memory");
    yaml_parser_set_input_string(&input.parser, (const unsigned char *)yaml.data, yaml.bytes);
    int rc = parse_document(&input);
    if (rc == 0)
        node_check(reader->root);
    yaml_event_delete(&input.event);
    yaml_parser_delete(&input.parser);
    return rc;
}
