#include "common/config/config_node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"

static void
node_append_path(struct buffer *out, const struct config_node *node)
{
    if (node->parent == NULL)
        return;
    node_append_path(out, node->parent);
    if (node->key != NULL)
        buffer_append_format(out, "%s%s", out->bytes > 0 ? "." : "", node->key);
    else
        buffer_append_format(out, "[%u]", node->index);
}

static void
add_problem(const struct config_reader *reader, const struct config_node *about, uint32_t line,
            uint32_t column, const char *message)
{
    struct config_problems *problems = reader->problems;
    if (config_problems_are_full(problems))
        return;
    struct config_problem *problem = arena_alloc(reader->arena, sizeof *problem);
    *problem = (struct config_problem){
        .message = arena_strdup(reader->arena, text_of(message)),
        .about = about,
        .line = line,
        .column = column,
    };
    struct config_problem **end = &problems->first;
    while (*end != NULL)
        end = &(*end)->next;
    *end = problem;
    problems->count++;
}

/* `about`: what later checks do not look at; NULL: nothing. */
static void
refuse_at(const struct config_reader *reader, const struct config_node *about,
          const struct config_node *node, uint32_t line, uint32_t column, const char *format,
          va_list args)
{
    CHECK(line > 0);
    CHECK(column > 0);
    struct buffer path;
    buffer_init(&path);
    node_append_path(&path, node);
    char message[ERROR_MESSAGE_BYTES];
    vsnprintf(message, sizeof message, format, args);
    char *text = memory_format("%s:%u:%u: %s%s%s", reader->file, line, column, buffer_string(&path),
                               path.bytes > 0 ? ": " : "", message);
    add_problem(reader, about, line, column, text);
    free(text);
    buffer_free(&path);
}

int
config_refuse(const struct config_reader *reader, const struct config_node *node,
              const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse_at(reader, node, node, node->line, node->column, format, args);
    va_end(args);
    return ERR_USAGE;
}

int
config_refuse_key(const struct config_reader *reader, const struct config_node *node,
                  const char *format, ...)
{
    CHECK(node->key != NULL);
    va_list args;
    va_start(args, format);
    refuse_at(reader, node, node, node->key_line, node->key_column, format, args);
    va_end(args);
    return ERR_USAGE;
}

void
config_refuse_extra(const struct config_reader *reader, const struct config_node *node,
                    const char *format, ...)
{
    CHECK(node->key != NULL);
    va_list args;
    va_start(args, format);
    refuse_at(reader, NULL, node, node->key_line, node->key_column, format, args);
    va_end(args);
}

bool
config_node_is_refused(const struct config_reader *reader, const struct config_node *node)
{
    CHECK(node != NULL);
    for (const struct config_problem *problem = reader->problems->first; problem != NULL;
         problem = problem->next)
        if (problem->about == node)
            return true;
    return false;
}

bool
config_node_is_broken(const struct config_reader *reader, const struct config_node *node)
{
    CHECK(node != NULL);
    for (const struct config_problem *problem = reader->problems->first; problem != NULL;
         problem = problem->next)
        for (const struct config_node *at = problem->about; at != NULL; at = at->parent)
            if (at == node)
                return true;
    return config_problems_are_full(reader->problems);
}

bool
config_problems_are_full(const struct config_problems *problems)
{
    CHECK(problems->count <= CONFIG_PROBLEMS_MAX);
    return problems->count == CONFIG_PROBLEMS_MAX;
}

static void
refuse_missing(const struct config_reader *reader, const struct config_node *node,
               const struct config_node *missing, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse_at(reader, node, missing, node->line, node->column, format, args);
    va_end(args);
}

int
config_refuse_missing(const struct config_reader *reader, const struct config_node *node,
                      const char *name)
{
    const struct config_node missing = {.parent = node, .key = name};
    CHECK(name[0] != '\0');
    refuse_missing(reader, node, &missing, "is missing");
    return ERR_USAGE;
}

static const char *
node_kind_name(enum config_node_kind kind)
{
    static const char *const names[] = {
        [NODE_NOTHING] = "nothing",
        [NODE_SCALAR] = "a single value",
        [NODE_LIST] = "a list",
        [NODE_MAP] = "a map",
    };
    CHECK(kind >= NODE_NOTHING && kind <= NODE_MAP);
    return names[kind];
}

int
config_node_expect(const struct config_reader *reader, const struct config_node *node,
                   enum config_node_kind kind, const char *what)
{
    if (node->kind == kind)
        return 0;
    return config_refuse(reader, node, "must be %s, not %s", what, node_kind_name(node->kind));
}

int
config_node_text(const struct config_reader *reader, const struct config_node *node,
                 const char **text)
{
    CHECK(node->kind != NODE_SCALAR || node->text != NULL);
    *text = node->text;
    return config_node_expect(reader, node, NODE_SCALAR, "a text");
}

void
config_node_bind(struct config_node *node, const void *target, size_t bytes)
{
    CHECK(target != NULL);
    CHECK(bytes > 0);
    node->target = target;
    node->target_bytes = bytes;
}

/* Replaces `*best` by a node that was read into fewer bytes around the address. */
static void
node_find(const struct config_node *node, uintptr_t address, const struct config_node **best)
{
    uintptr_t target = (uintptr_t)node->target;
    if (address >= target && address < target + node->target_bytes &&
        node->target_bytes <= (*best)->target_bytes)
        *best = node;
    for (const struct config_node *child = node->first; child != NULL; child = child->next)
        node_find(child, address, best);
}

const struct config_node *
config_node_of(const struct config_reader *reader, const void *address)
{
    const struct config_node *best = reader->root; /* its target is the whole configuration */
    CHECK(best->target_bytes > 0);
    node_find(reader->root, (uintptr_t)address, &best);
    return best;
}
