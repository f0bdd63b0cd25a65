/* A directory of its own for a test of the real file system: setup and teardown for cmocka, which
 * leave its path in `*state`.
 */
#ifndef TESTS_SUPPORT_TEMPORARY_DIRECTORY_H
#define TESTS_SUPPORT_TEMPORARY_DIRECTORY_H

int temporary_directory_setup(void **state);
int temporary_directory_teardown(void **state);

#endif
