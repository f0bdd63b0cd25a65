bitdex_unit_test(test_config ROOMS common_config)
target_compile_definitions(test_config PRIVATE SOURCE_DIRECTORY="${PROJECT_SOURCE_DIR}")

add_custom_target(docs
  COMMAND test_config --reference ${PROJECT_SOURCE_DIR}/docs/configuration.md
  COMMENT "Writing docs/configuration.md from the settings tables")
