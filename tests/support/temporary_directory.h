/* A new directory for each test of the real file system: setup and teardown for cmocka. `*state` is
 * the directory's path during the test.
 */
#ifndef TESTS_SUPPORT_TEMPORARY_DIRECTORY_H
#define TESTS_SUPPORT_TEMPORARY_DIRECTORY_H

int temporary_directory_setup(void **state);
int temporary_directory_teardown(void **state);

#endif
