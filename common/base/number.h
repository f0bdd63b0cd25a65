/* Numbers as text. Pure; any thread. */
#ifndef COMMON_BASE_NUMBER_H
#define COMMON_BASE_NUMBER_H

#include <stddef.h>

enum { NUMBER_TEXT_BYTES = 32 };

/* Writes the finite `value` with the fewest significant digits that read back as the same number,
 * as printf's %g does; `bytes` >= NUMBER_TEXT_BYTES. */
void number_format(double value, char *out, size_t bytes);

#endif
