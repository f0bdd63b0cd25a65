/* The version of this build, for --version, logs and manual pages. CMake writes version.c: the
 * project's version, and the commit when the source tree is a clone. Any thread; static text. */
#ifndef COMMON_BASE_VERSION_H
#define COMMON_BASE_VERSION_H

/* "0.2.0" */
const char *version_number(void);

/* "1a2b3c4d5e6f", with "-dirty" after it when tracked files were changed; "" without a clone. */
const char *version_commit(void);

/* The libraries that the build found, with their versions: "librdkafka 2.0.2, libpq 15.14, ..." */
const char *version_libraries(void);

#endif
