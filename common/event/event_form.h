/* The forms of the control events: which field of a record of the schema is which member of which
 * struct. The encoder and the decoder follow the same tables, so that neither has code for each of
 * the fields.
 *
 * The fields of a form are in the order of the newest schema. Constant data; any thread.
 */
#ifndef COMMON_EVENT_EVENT_FORM_H
#define COMMON_EVENT_EVENT_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "common/event/event.h"

/* The Avro type of a field, and its members in the struct. */
enum form_kind {
    FORM_LONG,           /* long: int64_t or uint64_t */
    FORM_OPTIONAL_LONG,  /* null or long: the same, and a bool that says which */
    FORM_INT,            /* int: int32_t */
    FORM_BOOLEAN,        /* boolean: bool */
    FORM_ENUM,           /* an enum with the symbols in the order of the enum in C */
    FORM_TEXT,           /* string: struct text */
    FORM_TEXTS,          /* array of strings: const struct text *, and a uint32_t count */
    FORM_LONGS,          /* array of longs: const int64_t *, and a count */
    FORM_DOUBLES,        /* array of doubles: const double *, and a count */
    FORM_SLOTS,          /* array of longs, which are differences: const uint32_t *, and a count */
    FORM_OPTIONAL_SLOTS, /* null or FORM_SLOTS: the same, and a bool that says which */
    FORM_RECORDS,        /* array of records of the form `items`: a pointer and a count */
    FORM_FAN_OUTS,       /* array of QueryOpSet: struct ops */
};

struct form_field {
    const char *name;
    enum form_kind kind;
    uint16_t member; /* offsets in the struct */
    uint16_t count;
    uint16_t flag;
    const struct form *items; /* FORM_RECORDS */
};

enum form_id {
    FORM_ID_MARK,
    FORM_ID_CHUNK,
    FORM_ID_COLUMN,
    FORM_ID_PASS,
    FORM_ID_SUM,
    FORM_ID_SUM_FIELD,
    FORM_ID_SUM_POINT,
    FORM_ID_JOB,
    FORM_ID_JOB_DUMP,
    FORM_ID_VOIDED,
    FORM_IDS,
};

struct form {
    enum form_id id;
    uint32_t field_count;
    uint32_t required; /* the fields that every version of the record has; they come first */
    const struct form_field *fields;
    size_t bytes; /* of the struct */
};

/* A column as its record has it: integers and floats with counts of their own. */
struct form_column {
    struct text field;
    enum chunk_values kind;
    const uint32_t *slots;
    uint32_t slot_count;
    const int64_t *integers;
    uint32_t integer_count;
    const double *floats;
    uint32_t float_count;
    const struct text *strings;
    uint32_t string_count;
};

/* A chunk as its record has it. */
struct form_chunk {
    struct chunk chunk; /* without columns */
    const struct form_column *columns;
    uint32_t column_count;
};

/* The form of the body of a control event; a chunk has the struct form_chunk. NULL: the kind has no
 * form. */
const struct form *form_of_kind(enum event_kind kind);

#endif
