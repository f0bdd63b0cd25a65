/* The options that name what a command is about: --table, --fields and --range. Main thread. */
#ifndef PRODUCER_COMMANDS_SELECTION_H
#define PRODUCER_COMMANDS_SELECTION_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/cli/command_table.h"
#include "producer/load/load_plan.h"

/* The names of a list with commas between, in the order of their bytes, each once; in `arena`.
 * ERR_USAGE: it is no such list; the message names `option`. */
int selection_read_names(const char *option, const char *list, struct arena *arena,
                         const char *const **names, uint32_t *count, struct error *err);

/* Reads the three options, none of which is required, into an empty selection. What it points to is
 * in `arena` or of the command line. ERR_USAGE: an option has no meaning. */
int selection_read(const struct cli *cli, struct arena *arena, struct load_selection *selection,
                   struct error *err);

#endif
