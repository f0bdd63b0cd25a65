/* Reads what requests ask for, in the transaction whose snapshot is the end of a window.
 *
 * A call is a turn: it reads for about 0.3 s and 8 MB at most, the oldest requests first, and what
 * does not fit stays unanswered. Requests for the same sources are read together. A parent whose
 * entities do not fit the rest of a turn waits for one in which it is the first; if they do not fit
 * that either, they are read over several turns, and the reader keeps how far it has come. The
 * tables need no lock: a turn in which one of them was rewritten or truncated after the snapshot
 * answers nothing.
 *
 * One thread. A reader rests on the answers of earlier turns having been sent: after a delivery
 * that failed it is destroyed.
 */
#ifndef PRODUCER_REFRESH_REFRESH_READER_H
#define PRODUCER_REFRESH_REFRESH_READER_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/refresh/answers.h"
#include "producer/refresh/refresh_work.h"

struct refresh_reader;

/* Everything outlives the reader. */
struct refresh_reader_options {
    const struct config *config;
    uint32_t event_bytes_max; /* of an encoded event, header included */
    /* Called several times a second while the reader waits. When it returns anything but 0, the
     * turn ends with that. May be NULL. */
    int (*heartbeat)(void *context);
    void *context;
};

struct refresh_reader *refresh_reader_create(const struct refresh_reader_options *options);
/* NULL does nothing. */
void refresh_reader_destroy(struct refresh_reader *reader);

/* One turn for `work`, the oldest first. `pg` is in a transaction of isolation level REPEATABLE
 * READ, outside of a savepoint, and has the settings of load_session.h; it stays in it. The caller
 * owns `*answers` and frees it; on an error it holds nothing, and nothing is answered.
 *
 * What Postgres refuses (a table was dropped, say) stays unanswered and is tried again later:
 * refresh_reader_problem(). Errors are ERR_RETRY (the connection), and what the heartbeat
 * returned. */
int refresh_reader_read(struct refresh_reader *reader, struct pg *pg, struct refresh_work *work,
                        uint32_t count, struct answers *answers, struct error *err);

/* Why some requests cannot be answered at present, for the status; "" when all can. */
const char *refresh_reader_problem(const struct refresh_reader *reader);

#endif
