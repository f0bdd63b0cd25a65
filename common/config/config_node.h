/* The tree of a configuration file: nodes that have their place in the file, and errors that name
 * it. For this room only.
 */
#ifndef COMMON_CONFIG_CONFIG_NODE_H
#define COMMON_CONFIG_CONFIG_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

enum config_node_kind { NODE_NOTHING, NODE_SCALAR, NODE_LIST, NODE_MAP };

struct config_node {
    enum config_node_kind kind;
    bool is_plain;    /* a scalar without quotes, or from the environment: may be a number */
    const char *text; /* of a scalar; UTF-8, terminated */
    const struct config_node *parent;
    const char *key; /* in a map */
    uint32_t index;  /* in a list */
    uint32_t line;   /* lines and columns begin at 1 */
    uint32_t column;
    uint32_t key_line;
    uint32_t key_column;
    struct config_node *first;
    struct config_node *next;
    uint32_t count;      /* of children */
    const void *target;  /* what the node was read into (config_node_bind) */
    size_t target_bytes; /* 0: nothing */
};

enum { CONFIG_PROBLEMS_MAX = 50 };

struct config_problem {
    const char *message;             /* "FILE:LINE:COLUMN: PATH: reason" */
    const struct config_node *about; /* has no valid value; NULL: a part that nothing reads */
    uint32_t line;
    uint32_t column;
    struct config_problem *next;
};

/* In the order in which they were found; those above the limit are left out. */
struct config_problems {
    struct config_problem *first;
    uint32_t count;
};

bool config_problems_are_full(const struct config_problems *problems);

/* One reading of one file. */
struct config_reader {
    const char *file;    /* for messages */
    struct arena *arena; /* of the tree, and of what is read from it */
    struct config_problems *problems;
    struct config_node *root;
};

/* All add a problem, "FILE:LINE:COLUMN: PATH: message", and return ERR_USAGE. The caller continues
 * with what does not depend on the value. */
int config_refuse(const struct config_reader *reader, const struct config_node *node,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));
/* At the key of the node instead of its value. */
int config_refuse_key(const struct config_reader *reader, const struct config_node *node,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));
/* `name` is missing in the map `node`. */
int config_refuse_missing(const struct config_reader *reader, const struct config_node *node,
                          const char *name);
/* A key that is one too many: the rest of its map is valid without it. */
void config_refuse_extra(const struct config_reader *reader, const struct config_node *node,
                         const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Whether the node itself was refused; whether it or anything inside it was, so that its value must
 * not be relied on. */
bool config_node_is_refused(const struct config_reader *reader, const struct config_node *node);
bool config_node_is_broken(const struct config_reader *reader, const struct config_node *node);

/* 0, or ERR_USAGE "must be <what>, not ..." when the node is of another kind. */
int config_node_expect(const struct config_reader *reader, const struct config_node *node,
                       enum config_node_kind kind, const char *what);

/* The text of a scalar; ERR_USAGE when the node is something else. */
int config_node_text(const struct config_reader *reader, const struct config_node *node,
                     const char **text);

/* Records that the node was read into `bytes` at `target`, so that later checks, which only have
 * the structs, can name the place in the file. */
void config_node_bind(struct config_node *node, const void *target, size_t bytes);

/* The innermost node that was read into memory that contains `address`; else the root. */
const struct config_node *config_node_of(const struct config_reader *reader, const void *address);

#endif
