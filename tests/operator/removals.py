"""The guards that are taken out of the code, one at a time, and what must find that each is gone:
tests of its own, acts of the random operator, or both. mutations.py does it."""

import dataclasses

SESSION = "producer/drain/session.c"
PG = "common/pg/pg.c"
GUARDS = "producer/source/guards_table.c"
SIGNATURE = "producer/source/outbox_signature.c"
SOURCE_SIGNATURE = "producer/source/source_signature.c"
OUTBOX = "producer/source/outbox.c"
WATCH = "producer/drain/guard_watch.c"
SEQUENCE = "consumer/partition/sequence.c"
COVERAGE = "consumer/partition/coverage.c"
FRESHNESS = "consumer/partition/freshness.c"
REPLAY = "consumer/partition/replay.c"
RESUME = "consumer/partition/resume.c"
PRODUCER = "common/kafka/kafka_producer.c"
STATUS = "producer/drain/status.c"


@dataclasses.dataclass
class Removal:
    """Each `old` occurs once in its file and becomes `new`. Every test (named as in
    docs/failures.md) has to fail, and the operator with `acts`."""

    what: str
    edits: tuple  # of (file, old, new)
    tests: tuple = ()
    acts: str = ""


def never(file, condition):
    """A condition that holds no more."""
    assert condition.endswith(")")
    return (file, condition, f"{condition[:-1]} && false)")


F119 = "integration/test_cursor.py::test_f69_f119_connection_pooler"
SIGTERM = "integration/test_outages.py::test_f57_sigterm_while_the_database_blocks"
TRIGGERS = "integration/test_guards.py::test_l13_f99_triggers"
KINDS = "integration/test_guards.py::test_l13_f99_f100_outbox"
RIVALS = "integration/test_rivals.py::test_f101_a_copy_of_a_quiet_database"
ORIGINAL = "integration/test_rivals.py::test_f101_a_copy_is_refused_while_the_original_runs"
RETENTION = "integration/test_topic_guards.py::test_f116_retention_differs_from_the_configuration"
LETTERS = "integration/test_dead_letters.py::test_f112_old_letters_are_removed"

REMOVALS = {
    # --- connections
    "pooler": Removal(
        "a pooler is not refused", (
            (PG, "    if (is_direct)\n", "    if (is_direct || true)\n"),
            ("producer/source/guards.c", "    if (direct)\n", "    if (direct || true)\n"),
        ), (F119, "unit/test_pg.c::test_F119_a_pooler_is_refused_before_the_first_setting"),
        "through_a_pooler"),
    "pooler_late": Removal(
        "a pooler is refused after the settings of the session", (
            (PG, "    if (is_direct)\n", "    if (is_direct || true)\n"),
        ), (F119,)),
    "standby": Removal(
        "a connection does not ask which server it has reached", (
            ("producer/source/source_connection.c", "    rc = ask(*pg, expected, err);",
             "    rc = false ? ask(*pg, expected, err) : 0;"),
        ), ("integration/test_failover.py::test_f05_f60_f80_f83_f99_failover_twice",),
        "through_a_balancer"),
    "cancel": Removal(
        "a shutdown does not cancel a statement", (
            (PG, "    if (!shutdown_requested() || pg->is_abandoned)\n",
             "    if (!shutdown_requested() || pg->is_abandoned || true)\n"),
        ), (SIGTERM,)),
    "abandon": Removal(
        "a shutdown does not give up a server that does not answer", (
            (PG, "    pg->is_abandoned = wait->is_cancelled || pg_cancel(pg, NULL) != 0;",
             "    pg->is_abandoned = (wait->is_cancelled || pg_cancel(pg, NULL) != 0) && false;"),
        ), (SIGTERM,)),
    "row_security": Removal(
        "rows that row security hides are left out in silence", (
            (PG, '"SET row_security = off;"', '"SET row_security = on;"'),
        ), ("integration/test_roles.py::test_f96_row_security_is_an_error_of_the_readers",)),
    # --- the outbox and its sequence
    "again": Removal(
        "guards of the source are asked once", (
            (SESSION, "        rc = session_ask_guards(session, err);",
             "        rc = false ? session_ask_guards(session, err) : 0;"),
        ), (KINDS,), "sequence_caches,outbox_is_unlogged"),
    "sequence": Removal(
        "a sequence that was altered for a moment is not noticed",
        (never(SIGNATURE, "    if (!signature->is_same_sequence)"),), (KINDS,)),
    "unlogged": Removal(
        "an unlogged outbox is not refused",
        ((GUARDS, " AND relpersistence = 'p' AND NOT relispartition)", ")"),), (KINDS,),
        "outbox_is_unlogged"),
    "partitioned": Removal(
        "an outbox with partitions is not refused", (
            (GUARDS, "\" AND relkind = 'r' AND relpersistence = 'p'",
             '" AND relpersistence = \'p\''),
            (GUARDS, "IN (inhparent, inhrelid))", "IN (inhparent, inhrelid) AND false)"),
        ), (KINDS,), "outbox_is_partitioned"),
    "inherited": Removal(
        "an outbox that other tables inherit is not refused", (
            (GUARDS, "IN (inhparent, inhrelid))", "IN (inhparent, inhrelid) AND false)"),
        ), ("integration/test_guards.py::test_f100_a_table_inherits_the_outbox",)),
    "hidden": Removal(
        "a table of the same name hides the outbox",
        ((GUARDS, "(current_schemas(false))) > 1", "(current_schemas(false))) > 1000"),), (KINDS,),
        "another_schema_has_the_table"),
    "truncated": Removal(
        "TRUNCATE of the outbox is not noticed",
        (never(SIGNATURE, "    if (!signature->is_same_table && !signature->has_row)"),),
        (KINDS, "integration/test_guards.py::test_f100_a_row_is_sent_after_truncate")),
    "truncated_busy": Removal(
        "a row that was sent later shows that the outbox was not truncated", (
            (SIGNATURE, "(b.signature->>'row')::bigint", "(now.signature->>'row')::bigint"),
        ), ("integration/test_guards.py::test_f100_a_row_is_sent_after_truncate",),
        "outbox_is_truncated"),
    "rewritten": Removal(
        "a read that waits for ALTER TABLE keeps its snapshot",
        ((OUTBOX, '"LOCK TABLE \\"BitdexOps\\" IN ACCESS SHARE MODE; "', '""'),),
        ("integration/test_windows.py::test_f100_the_outbox_is_rewritten_while_a_read_waits",)),
    "huge_id": Removal(
        "an explicit id is saved as if the sequence had given it",
        (("producer/source/cursor.c", "least($6::bigint,", "greatest($6::bigint,"),),
        ("integration/test_cursor.py::test_f06_an_id_that_no_sequence_has_given",)),
    # --- the rows of the outbox
    "unreadable": Removal(
        "a row that the database cannot print ends the reader", (
            (OUTBOX, "    if (rc == ERR_FATAL && outbox->mode != OUTBOX_NO_KIND &&",
             "    if (false && outbox->mode != OUTBOX_NO_KIND &&"),
        ), ("integration/test_bad_input.py::test_f103_bytes_outside_of_the_encoding",
            "integration/test_bad_input.py::test_f103_bytes_of_a_database_without_encoding")),
    "damaged": Removal(
        "a row whose ops cannot even be searched ends the reader", (
            (OUTBOX, "    if (rc == ERR_FATAL && outbox->mode != OUTBOX_NO_KIND &&",
             "    if (rc == ERR_FATAL && outbox->mode < OUTBOX_NO_OPS &&"),
        ), ("integration/test_bad_input.py::test_f103_ops_that_are_damaged",)),
    "long_list": Removal(
        "a long list of ids is one fan-out", (
            ("producer/load/pass_parser.c", "ops_limits_default.query_bytes, parser->arena,",
             "UINT32_MAX, parser->arena,"),
        ), ("unit/test_pass_parser.c",)),
    # --- triggers
    "triggers": Removal(
        "triggers are read once", (
            (WATCH, "watch->session->config->trigger_count > 0 ?",
             "watch->session->config == NULL ?"),
        ), (TRIGGERS,), "triggers_are_disabled,triggers_are_dropped"),
    "triggers_disabled": Removal(
        "a trigger that is disabled covers its fields", (
            ("producer/triggers/in_place.c", "tgenabled IN ('O', 'A')\"",
             "tgenabled IN ('O', 'A', 'D')\""),
        ), (TRIGGERS,)),
    "triggers_replaced": Removal(
        "a trigger with another function covers its fields", (
            ("producer/triggers/covered.c",
             "strcmp(trigger->mark, found->mark) != 0)\n        return false;",
             "strcmp(trigger->mark, found->mark) != 0 || true)\n        return false;"),
        ), (TRIGGERS, "unit/test_covered_fields.c::"
            "test_F99_a_trigger_whose_function_was_replaced_covers_nothing")),
    "triggers_unknown": Removal(
        "triggers that cannot be read for a moment cover nothing", (
            ("producer/drain/trigger_reading.h", "TRIGGER_READINGS_MAX = 3,",
             "TRIGGER_READINGS_MAX = 1,"),
        ), ("integration/test_guards.py::"
            "test_f99_triggers_that_cannot_be_read_for_a_moment",)),
    "triggers_altered": Removal(
        "triggers that were altered for a moment are not noticed", (
            (SOURCE_SIGNATURE, "    if (before == NULL || now == NULL)\n",
             "    if (before == NULL || now == NULL || true)\n"),
        ), (TRIGGERS,
            "unit/test_source_signature.c::test_f99_triggers_are_altered_or_not_ours",
            "unit/test_source_signature.c::test_f99_triggers_of_a_partition_are_altered")),
    "configured": Removal(
        "a configured field that marks do not name is complete",
        ((SEQUENCE, "        .configured = fields->triggered,\n", ""),),
        ("integration/test_guards.py::test_f99_a_field_without_triggers",)),
    # --- other producers and other topics
    "rival": Removal(
        "nobody looks for a rival, neither in the gaps nor by the ticks", (
            (SESSION, "if (topic_watch_find(session->watch, &rival))", "if (false)"),
            never(SEQUENCE, "    if (by != NULL && event->tick > by->tick)"),
        ), (RIVALS, "unit/test_sequence.c::"
            "test_F101_windows_after_the_fence_that_ended_their_generation_are_a_rivals"),
        "quiet_database_is_copied"),
    "rival_gap": Removal(
        "offsets that were not acknowledged to us are no gap", (
            never(PRODUCER,
                  "    if (partition->acked_offset >= 0 && offset > partition->acked_offset + 1)"),
        ), (RIVALS, "unit/test_kafka.c::test_F101_offsets_that_were_not_acknowledged_are_a_gap")),
    "rival_name": Removal(
        "another start with our generation is taken for ours", (
            ("producer/sink/rival.c", "return is_mark && is_ours &&",
             "return is_mark && is_ours && false &&"),
        ), ("unit/test_rival.c::"
            "test_F101_another_start_with_our_generation_or_a_later_one_is_a_rival",)),
    "original": Removal(
        "a copy of a quiet database starts while the original runs", (
            ("producer/drain/takeover.c", "    if (newest->clock_us <= since_us)",
             "    if (newest->clock_us <= since_us || true)"),
        ), (ORIGINAL,)),
    "other_topic": Removal(
        "topic id and source are looked at after epoch and generation", (
            (SEQUENCE, "    if (!sequence_is_name(sequence->source, event->source)) {",
             "    if (event->epoch == sequence->epoch &&"
             " event->generation >= sequence->generation &&"
             " !sequence_is_name(sequence->source, event->source)) {"),
            never(SEQUENCE, "    if (event->kind == EVENT_MARK)"),
        ), ("unit/test_sequence.c::"
            "test_F102_topic_id_and_source_are_looked_at_before_epoch_and_generation",)),
    "ahead": Removal(
        "what is on the topic is not compared with the cursor",
        (("producer/sink/topic_check.c", "    if (later)\n", "    if (later && false)\n"),),
        ("integration/test_failover.py::test_f76_rolled_back_on_the_same_timeline",),
        "disk_is_set_back"),
    "topic": Removal(
        "the topic is asked for once", (
            (SESSION, "return topic_watch_check(session->watch, err);", "return 0;"),
        ), ("integration/test_topic_guards.py::test_l13_the_topic_keeps_other_timestamps",)),
    "topic_again": Removal(
        "offsets that go back are acknowledged like others",
        (never(PRODUCER, "    if (offset <= partition->acked_offset)"),),
        ("integration/test_topic_guards.py::"
         "test_l13_the_topic_is_created_again_while_nothing_is_written",)),
    "difference": Removal(
        "`run` ignores a topic that differs from the configuration", (
            ("producer/sink/topic_watch.c", 'log_warn("drain", "%s", difference);', "{}"),
        ), (RETENTION,), "retention_is_lowered"),
    "difference_init": Removal(
        "`init` leaves the retention of a topic alone", (
            ("producer/commands/init.c", "|| present.retention_ms == retention_ms)",
             "|| present.retention_ms == retention_ms || true)"),
        ), (RETENTION,)),
    "difference_check": Removal(
        "`check` ignores a topic that differs from the configuration",
        (never("producer/commands/check.c", "        if (difference[0] != '\\0')"),),
        (RETENTION,)),
    # --- roles, broker, clock, retention
    "revoked": Removal(
        "a right that is revoked ends `run`",
        (never("producer/drain/drain.c", "        if (drain->has_drained)"),),
        ("integration/test_roles.py::test_rights_are_revoked_while_running",),
        "rights_are_revoked"),
    "reason": Removal(
        "the reason of a failed delivery is its payload", (
            (PRODUCER, '"delivery failed", rd_kafka_err2str(message->err)',
             '"delivery failed", rd_kafka_message_errstr(message)'),
        ), ("unit/test_kafka.c::test_a_failed_delivery_has_its_reason",)),
    "waiting": Removal(
        "a drain whose messages are not acknowledged is called draining",
        ((STATUS, "                 is_unmoved(view, &unmoved_us);",
          "                 is_unmoved(view, &unmoved_us) && false;"),),
        ("unit/test_producer_status.c::test_a_drain_without_a_broker_waits_for_it",
         "integration/test_outages.py::test_f50_f59_f64_broker_is_silent")),
    "wall_clock": Removal(
        "librdkafka waits for a point of the wall clock", (
            (PRODUCER, "    int served = rd_kafka_poll(producer->client, 0);",
             "    int served = rd_kafka_poll(producer->client, wait_ms);"),
        ), ("integration/test_outages.py::test_f121_the_wall_clock_is_set_back",)),
    "letters": Removal(
        "dead letters are never removed", (
            ("producer/drain/trimmer.c",
             "    if (rc == 0 && retention_due)\n        trimmer_remove_old_letters(trimmer);",
             "    if (rc == 0 && retention_due && false)\n"
             "        trimmer_remove_old_letters(trimmer);"),
        ), (LETTERS,)),
    "letters_resumed": Removal(
        "a verdict of a window that may be sent again is removed with the others", (
            ("producer/source/letters.c", "(d.epoch, d.tick) < (n.epoch, n.tick)",
             "(d.epoch, d.tick) <= (n.epoch, n.tick)"),
        ), (LETTERS,)),
    # --- what the consumer proves
    "skip": Removal(
        "messages that a reset skips are no loss", (
            (SEQUENCE, "    CHECK(first < next);\n    sequence_lose(sequence, COVERAGE_SKIPPED);",
             "    CHECK(first < next);\n    if (first < next)\n        return;\n"
             "    sequence_lose(sequence, COVERAGE_SKIPPED);"),
        ), ("unit/test_sequence.c::test_F106_a_reset_ahead_is_a_loss_whatever_follows",),
        "fences_are_skipped,posts_are_skipped,offsets_are_reset_ahead"),
    "posts": Removal(
        "offsets that were left out are no loss of what was posted", (
            (COVERAGE, "            coverage->reasons[i] = (uint8_t)reason;\n"
             "    coverage->offsets_lost = true;",
             "            coverage->reasons[i] = (uint8_t)reason;"),
            (COVERAGE, "    if (offset != coverage->next_offset && coverage->next_offset >= 0)",
             "    if (offset != coverage->next_offset && coverage->next_offset >= 0 && false)"),
        ), ("unit/test_sequence.c::test_F105_a_skip_before_the_first_epoch_is_kept",),
        "posts_are_skipped"),
    "message": Removal(
        "the last message is not compared with the one that was read", (
            (SEQUENCE, "    return sequence->last_message == 0 || offset !=",
             "    return true || sequence->last_message == 0 || offset !="),
        ), ("integration/test_resets.py::test_f102_the_last_message_shows_the_topic",),
        "the_topic_is_made_again_for_posts"),
    "older_epoch": Removal(
        "events of an older epoch are dropped before their topic id is looked at, and the last"
        " message, which shows the same, is not compared", (
            (SEQUENCE, "    if (event->kind == EVENT_MARK)\n        sequence_take_topic_id",
             "    if (event->kind == EVENT_MARK && event->epoch >= sequence->epoch)\n"
             "        sequence_take_topic_id"),
            (SEQUENCE, "    return sequence->last_message == 0 || offset !=",
             "    return true || sequence->last_message == 0 || offset !="),
        ), ("unit/test_sequence.c::"
            "test_F102_topic_id_and_source_are_looked_at_before_epoch_and_generation",),
        "the_topic_is_made_again_meanwhile,the_epochs_begin_again"),
    "rival_ticks": Removal(
        "ticks and names of starts show no rival to a consumer", (
            never(SEQUENCE, "    if (by != NULL && event->tick > by->tick)"),
            never(SEQUENCE, "    if (event->tick < sequence->tick)"),
            never(SEQUENCE, "    if (sequence->start != 0 && sequence->start != start)"),
        ), ("unit/test_sequence.c::"
            "test_F101_windows_after_the_fence_that_ended_their_generation_are_a_rivals",),
        "a_rival_writes"),
    "proof": Removal(
        "a rebuilt state that proves less takes the place of the serving one",
        (never(REPLAY, "    if (!view->accepts_loss && !replay_proves_as_much(view))"),),
        ("unit/test_replay.c::test_F107_F120_every_small_view",), "a_rebuild_proves_less"),
    "taken_back": Removal(
        "a reset to the serving position begins another replay", (
            (RESUME, "    else if (state->next_offset >= 0 && committed < state->next_offset)",
             "    else if (state->next_offset >= 0 && committed <= state->next_offset)"),
        ), ("unit/test_resume.c::"
            "test_F107_a_reset_is_compared_with_the_position_that_serves",),
        "a_reset_is_taken_back"),
    "replay_lost": Removal(
        "a replay whose messages retention has removed waits for them",
        (never(REPLAY, "    if (view->is_lost)"),),
        ("unit/test_replay.c::test_F107_F120_every_small_view",),
        "a_replay_loses_what_it_needs"),
    "clocks": Removal(
        "the age of a snapshot is a difference of two wall clocks", (
            never(FRESHNESS, "    if (freshness->after_us != FRESHNESS_NO_BOUND &&"
                  " age_us > now_us - freshness->after_us)"),
            never(FRESHNESS, "    if (age_us < now_us - freshness->before_us)"),
        ), ("unit/test_freshness.c::test_f121_bounds_hold",), "clocks_differ"),
}
