#!/bin/sh
# Every mutation and every weaker reading: how many schedules until the checker notices.
N=${1:-600}
m() { python3 run.py "$@" -n $N | head -3 | grep -v "{'ack" | cut -c1-200; }
for x in id_cursor no_xip txid_order seq_cache no_share late_save no_fence no_db_gen \
  no_gen_rule no_fence_mark app_retry commit_early \
 commit_early_hidden apply_early cross_fan fan_first trim_s2 sub_before_ack reset_ignored; do
  m core -m $x; done
for x in naive_reject reject_noseq; do m core -m $x -o versions=True; done
for x in keep_memory async_gen async_open; do m crash -m $x -w dbcrash=2; done
for x in jump_ok; do m trunc -m $x; done
for x in end_trusted last_flag; do m trunc -m $x -o jobs=True; done
for x in chunk_anywhere stale_chunk stale_only no_gen_rule no_fence_mark; do m live -m $x; done
for x in load_keeps hi_max; do m chunk -m $x; done
m pass -m pass_proved
m passfail -m pass_holes -s 1000
m fail -m epoch_complete
m fail -m no_epoch -o topic_check=none
m fail -o adopt=naive -o topic_check=none -w failover=1.5
m fail -o adopt=naive -w failover=1.5
m roll -o topic_check=none
m roll -o topic_check=mark
m crash -o cond=read
m crash -o cond=read -o newest=insert
m crash -o cond=read -o unique=False
m core -o tagrace=True
m core -o versions=True
m live -o load_delete=all
m live -o naive_complete=True
for x in ref_memory ref_trim ref_sub ref_late ref_early mark_owed ref_stays ref_direct \
  ref_nofan ref_nog stale_chunk name_all name_first spill_lost spill_mark; do
  m ref -m $x; done
for x in name_all spill_lost spill_mark spill_ref; do m own -m $x; done
m reftrunc -m ref_trust -o owes_max=0 -w truncate=2
python3 run.py all -m ref_trust -s 200046 -n 1 | grep -v "{.ack"
for x in sum_visible sum_late sum_open check_owed verdict_memory; do m sum -m $x; done
m sum -o dead=null -o sum_raw=True
m sum -o dead=keep -o pairs=False
for x in void_silent all_early; do m source -m $x; done
m field -m field_keep
m field -m field_join -w job=20 -w field=4 -o E=9
m skip -m skip_seq
for b in query rows; do
  for x in ask_insert ask_move ask_null ask_update ask_pinsert ask_pdelete; do
  m core -m $x -w txn=60 -o parents=refresh -o by=$b; done
done
for x in enum_alone enum_old; do m core -m $x -o parents=refresh -o by=rows; done
m core -m reset_again
for x in takeback_half serve_new; do m core -m $x -o forward=True -w reset=4; done
m loss -o lossless=lsn
for x in tick_ignored gen_ignored; do m loss -m $x; m split -m $x; m clone -m $x; done
m core -o rival=clock
m clone -o look=False
m clone -o look=False -o rival=
m core -o parents=refresh -o orphan=True
python3 run.py law6 -n 20000 -m cross_fan | cut -c1-200
python3 run.py law6 -n 20000 -m fan_first | cut -c1-200
python3 run.py law6 -n 20000 -m one_remove | cut -c1-200
