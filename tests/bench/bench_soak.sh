#!/bin/bash
# Whether sampler and screen grow: memory, descriptors and threads of both over N1_SOAK_SECONDS (60; a soak is 1200) on
# a target whose threads, libraries and children come and go, while keys open one pane after the other. A series a
# tenth of the time, then the growth from the third to the last tenth: the stores fill before.
build=${BUILD:-build}
seconds=${N1_SOAK_SECONDS:-60}
command -v tmux > /dev/null || { echo "tmux is not installed"; exit 0; }
work=$(mktemp -d)
export N1TOP_RUN=$work/run XDG_CONFIG_HOME=$work
mkdir -m 700 "$work/run"
tmux() { command tmux -S "$work/tmux" "$@"; }
trap 'tmux kill-server 2> /dev/null; kill "$target" "$churn" 2> /dev/null; wait 2> /dev/null; rm -rf "$work"' EXIT
# One process that spawns another, which makes and ends threads; both are watched.
cat > "$work/target" << END
"$build/n1top-demo" --limit $((seconds + 120)) > /dev/null &
demo=\$!
trap 'kill \$demo' EXIT
while kill -0 \$demo; do /bin/true; sleep 0.2; done
END
bash "$work/target" &
target=$!
"$build/targets/churn" --limit $((seconds + 120)) > /dev/null 2>&1 &
churn=$!
sleep 1
tmux new-session -d -s soak -x 120 -y 40 "$build/n1top -p $target -p $churn --children -r 29 --linger 0"
screen= sampler=
for _ in $(seq 100); do
    screen=$(tmux list-panes -t soak -F '#{pane_pid}' 2> /dev/null)
    sampler=$(pgrep -P "${screen:-0}" n1top-sampler) && break
    sleep 0.1
done
[ -n "$sampler" ] || { echo "the screen did not start: $(tmux capture-pane -p -t soak | head -3)"; exit 1; }
figures() { # PID: KiB resident without the shared model, descriptors, threads
    printf '%8d %5d %4d' "$(awk '/^Rss(Anon)/ {print $2}' "/proc/$1/status")" "$(ls "/proc/$1/fd" | wc -l)" \
        "$(ls "/proc/$1/task" | wc -l)"
}
printf '%6s  %8s %5s %4s   %8s %5s %4s\n' s 'sampler' fds thr 'screen' fds thr
keys=(f M t W l c Escape d x j k G g '?' Escape , , 0 C C m m L L)
begun=$(date +%s) at=0
for tenth in $(seq 0 10); do
    until [ $(($(date +%s) - begun)) -ge $((seconds * tenth / 10)) ]; do
        tmux send-keys -t soak "${keys[at++ % ${#keys[@]}]}"
        sleep 0.5
    done
    row="$(figures "$sampler")   $(figures "$screen")"
    printf '%6d  %s\n' "$(($(date +%s) - begun))" "$row"
    [ "$tenth" = 3 ] && third=$row
done
read -r a1 b1 c1 d1 e1 f1 <<< "$third"
read -r a2 b2 c2 d2 e2 f2 <<< "$row"
echo "growth since the third tenth: sampler $((a2 - a1)) KiB, $((b2 - b1)) descriptors, $((c2 - c1)) threads;" \
    "screen $((d2 - d1)) KiB, $((e2 - e1)) descriptors, $((f2 - f1)) threads"
