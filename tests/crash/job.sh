# The swept job: counts until $EVIDENCE.end is there, saves after each step, goes on from the last save, and writes what it does
# to $EVIDENCE, which is on no node's disk: who ran which step when, whatever the broker says.
mkdir -p "$GPUBROKER_CHECKPOINT_DIR" && cd "$GPUBROKER_CHECKPOINT_DIR" || exit 1
[ "$CRASH_SECRET" = open-sesame ] || exit 9
stop=0; trap 'stop=1' USR1
who="$GPUBROKER_ATTEMPT $GPUBROKER_NODE_RANK"
step=$(sed -n 's/.*"step": *\([0-9]*\).*/\1/p' LATEST.json 2>/dev/null); step=${step:-0}
echo "start $who $step" >> "$EVIDENCE"
while [ ! -e "$EVIDENCE.end" ]; do
  sleep 0.05; step=$((step + 1))
  echo "step $who $step" >> "$EVIDENCE"
  echo "{\"step\": $step}"
  echo "$step" > state.part && mv state.part state
  echo "{\"step\": $step, \"files\": [\"state\"]}" > .LATEST && mv .LATEST LATEST.json
  if [ "$stop" = 1 ] || [ -e "$GPUBROKER_CHECKPOINT_REQUEST" ]; then exit 75; fi
done
echo "done $who $step" >> "$EVIDENCE"
