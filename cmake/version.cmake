# Writes version.c, at each build and only when it changes:
#   cmake -D SOURCE=tree -D OUTPUT=version.c -D VERSION=1.2.3 [-D COMMIT=id] \
#     -D "LIBRARIES=a 1.2, b 3.4" -P version.cmake
if(NOT COMMIT AND EXISTS ${SOURCE}/.git)
  execute_process(
    COMMAND git -C ${SOURCE} describe --always --abbrev=12 --exclude=* --dirty
    OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "common/base/version.h"

const char *
version_number(void)
{
    return "@VERSION@";
}

const char *
version_commit(void)
{
    return "@COMMIT@";
}

const char *
version_libraries(void)
{
    return "@LIBRARIES@";
}
]])
