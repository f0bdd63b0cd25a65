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

/* One reading of one file. */
struct config_reader {
    const char *file;    /* for messages */
    struct arena *arena; /* of the tree, and of what is read from it */
    struct error *err;
    struct config_node *root;
};

/* All return ERR_USAGE and fill reader->err with "FILE:LINE:COLUMN: PATH: message". */
int config_refuse(const struct config_reader *reader, const struct config_node *node,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));
/* At the key of the node instead of its value. */
int config_refuse_key(const struct config_reader *reader, const struct config_node *node,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));
/* `name` is missing in the map `node`. */
int config_refuse_missing(const struct config_reader *reader, const struct config_node *node,
                          const char *name);

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
