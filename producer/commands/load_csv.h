/* `load --csv DIR`: loads the CSV files of the dump phases, before anything else is sent. Main
 * thread.
 */
#ifndef PRODUCER_COMMANDS_LOAD_CSV_H
#define PRODUCER_COMMANDS_LOAD_CSV_H

#include "common/base/error.h"
#include "common/cli/cli.h"

/* ERR_USAGE: a file is missing, other options exclude --csv, a producer runs, or it has sent rows.
 * ERR_FATAL: as for `load`, and when lines or values were rejected. */
int load_csv(const struct cli *cli, struct error *err);

#endif
