/* The steps of schemas/outbox.sql, as compiled into the program. Constant; any thread. */
#ifndef PRODUCER_SOURCE_OUTBOX_SQL_H
#define PRODUCER_SOURCE_OUTBOX_SQL_H

/* Terminated. */
extern const char outbox_sql_text[];

#endif
