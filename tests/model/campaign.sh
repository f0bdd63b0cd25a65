#!/bin/sh
# One line per scenario. The first argument scales the numbers of schedules, in percent; 100 takes
# about 30 minutes on one core.
k=${1:-100}
r() { s=$1; n=$2; shift 2; python3 run.py $s -n $((n * k / 100)) "$@"; }
r ref 3000 -s 200001
r loss 3000 -s 200001
r sum 2000 -s 200001
r skip 2000 -s 200001
r split 2000 -s 200001
r clone 2000 -s 200001
r own 2000 -s 200001; r own 1000 -s 200001 -o by=query
for b in query rows; do
  r reftrunc 1000 -s 300001 -o parents=refresh -o by=$b -o owes_max=0; done
for m in 0 1; do r ref 500 -s 310001 -o owed_max=$m; r own 500 -s 310001 -o owed_max=$m; done
r reftrunc 2000 -s 200001; r field 500 -s 200001; r all 2000 -s 200001; r refjob 2000 -s 200001
r pass 2000 -s 200001; r passfail 2000 -s 200001
for s in core crash trunc chunk live fail roll; do r $s 1000 -s 200001; done
r skip 500 -s 230001 -w reset=3; r core 500 -s 231001 -o forward=True -w reset=4
r sum 500 -s 220001 -o dead=null
r ref 200 -s 210001 -k 3000 -o E=9
r ref 500 -s 240001 -o refresh_at=next
r loss 500 -s 250001 -o chain=body -o back=True; r split 500 -s 251001 -o chain=body -o back=True
r all 300 -s 50001 -k 3000 -o E=9; r live 300 -s 60001 -k 3000 -o E=9
r core 1000 -s 70001 -o versions=True -o reject_saved=True
r core 1000 -s 80001 -o tagrace=True -o delete_all=False
for b in query rows; do
  for s in core ref crash all loss reftrunc; do
  r $s 500 -s 950001 -o parents=refresh -o by=$b; done
done
for s in core ref crash all loss reftrunc; do
  r $s 300 -s 990001 -o parents=refresh -o orphan=True -o appear=True; done
python3 run.py law6 -n $((300000 * k / 100))
python3 directed.py
