/* A shard that reads events of a topic, for tests of completeness, and the history of what it has
 * read. The universe is small: fields a, b, c and d in four index configurations, and existence;
 * sets of them are bits.
 */
#ifndef TESTS_UNIT_COVERAGE_HISTORY_H
#define TESTS_UNIT_COVERAGE_HISTORY_H

#include "consumer/partition/sequence.h"

enum { NAMES = 4, A = 0, B, C, D, ALIVE, MODEL_FIELDS, CONFIGURATIONS = 4, HISTORY_MAX = 400 };

/* Sets of the model: uint32_t of A, B, C, D and ALIVE. */
#define BIT(field) (1u << (field))
#define BITS_ALL (BIT(MODEL_FIELDS) - 1)

extern const char *const history_names[MODEL_FIELDS];

/* Of each configuration: the fields that it has. In the last one, b has another type. */
extern const uint32_t history_configured[CONFIGURATIONS];
extern struct config_fields history_all_fields[CONFIGURATIONS];

void history_setup(void);
void history_teardown(void);

enum item_kind {
    ITEM_OPEN,  /* the first epoch begins; `bits`: the fields that it proves complete */
    ITEM_LOSS,  /* a proven loss, or a later epoch */
    ITEM_MARK,  /* `bits`: named; `flag`: the shard has missed a voided event */
    ITEM_VOID,  /* `bits` */
    ITEM_BEGIN, /* of `job` over `bits` */
    ITEM_END,
    ITEM_CHUNK,  /* `flag`: rejected */
    ITEM_PASS,   /* part `begin` of entry `end`, over `bits`; `flag`: the last one */
    ITEM_HOLE,   /* an offset is skipped */
    ITEM_CHANGE, /* `bits` have kept their values */
    ITEM_NOTHING
};

struct item {
    enum item_kind kind;
    int64_t job, begin, end;
    uint32_t bits, reads;
    bool flag;
    int configuration; /* from here on */
};

struct history {
    struct sequence sequence;
    int configuration;
    int64_t offset;
    struct item items[HISTORY_MAX];
    int count;
};

const struct config_fields *history_fields(const struct history *history);

/* Nothing was read; the first configuration. */
void history_begin(struct history *history);

/* The fields that are complete. */
uint32_t history_complete(const struct history *history);

/* Reads an event of the producer, which is not remembered as an item. Epoch and generation may be
 * left out. */
enum sequence_verdict history_take(struct history *history, struct event event);
/* An event that takes no seq, after the last event. */
struct event history_unnumbered(const struct history *history, enum event_kind kind);

/* Each of these reads one event and remembers it. The first event is a fence. */
void history_mark(struct history *history, enum mark_kind kind, uint32_t fields, int64_t voided,
                  bool is_empty);
void history_gap(struct history *history);
void history_epoch(struct history *history);
void history_voided(struct history *history, int64_t number, uint32_t fields);
void history_job(struct history *history, enum job_mark_kind kind, int64_t job, uint32_t fields);
void history_chunk(struct history *history, int64_t job, int64_t begin, int64_t end,
                   uint32_t fields, bool rejected);
void history_pass(struct history *history, int64_t job, int entry, int part, bool is_last,
                  uint32_t fields, uint32_t reads);
/* An offset of the topic is skipped. */
void history_skip_offset(struct history *history);
/* The index configuration changes; fields that both have with one type keep their values. */
void history_change(struct history *history, int to);
/* The position is written and read. */
void history_restart(struct history *history);

#endif
