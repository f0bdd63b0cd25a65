/* A YAML text as a tree of nodes that know where they stand. Owner of libyaml.
 *
 * The tree belongs to the reader's arena. Bounded whatever the text holds: depth, nodes, keys of a
 * map; no anchors, aliases or tags. Environment variables are put in here.
 */
#ifndef COMMON_CONFIG_CONFIG_YAML_H
#define COMMON_CONFIG_CONFIG_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

enum { CONFIG_FILE_BYTES_MAX = 1024 * 1024 };

enum config_node_kind { NODE_NOTHING, NODE_SCALAR, NODE_LIST, NODE_MAP };

struct config_node {
    enum config_node_kind kind;
    bool is_plain;    /* a scalar without quotes, or from the environment: may be a number */
    const char *text; /* of a scalar; UTF-8, terminated */
    const struct config_node *parent;
    const char *key; /* within a map */
    uint32_t index;  /* within a list */
    uint32_t line;   /* from 1, like columns */
    uint32_t column;
    uint32_t key_line;
    uint32_t key_column;
    struct config_node *first;
    struct config_node *next;
    uint32_t count;      /* of children */
    const void *target;  /* what it was read into: filled by config_read.c */
    size_t target_bytes; /* 0: nothing */
};

/* One reading of one file; what every step of it shares. */
struct config_reader {
    const char *file; /* for messages */
    struct arena *arena;
    struct error *err;
    struct config_node *root;
};

/* Fills reader->root; its kind may be anything. ERR_USAGE. */
int config_yaml_parse(struct config_reader *reader, struct text yaml);

/* All return ERR_USAGE and fill reader->err with "FILE:LINE:COLUMN: PATH: message". */
int config_refuse(const struct config_reader *reader, const struct config_node *node,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));
/* At the node's key instead of its value. */
int config_refuse_key(const struct config_reader *reader, const struct config_node *node,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));
/* `name` is missing within `node`. */
int config_refuse_missing(const struct config_reader *reader, const struct config_node *node,
                          const char *name);

/* The bytes of the UTF-8 sequence that begins at `at`, with its code point; 0: ill-formed. */
uint32_t config_utf8_decode(const char *at, uint32_t *code_point);

#endif
