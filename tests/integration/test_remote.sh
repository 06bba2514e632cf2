#!/bin/bash
# The screen over a real SSH line: a dropped line, what goes on without it, coming back, a second screen, a slow line.
# The sshd is this test's own: its own port, keys and configuration.
. tests/integration/lib.sh
need perf
for program in sshd ssh ssh-keygen tmux; do
    PATH=$PATH:/usr/sbin command -v "$program" > /dev/null || skip "$program is not there: tools/deps --real installs it"
done
export N1TOP_RUN=$work/sockets
user=$(id -un)
build_dir=$(cd "$build" && pwd)

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_sshd() {
    port=$(free_port)
    ssh-keygen -q -t ed25519 -N "" -f "$work/host"
    ssh-keygen -q -t ed25519 -N "" -f "$work/key"
    cp "$work/key.pub" "$work/authorized"
    cat > "$work/sshd_config" << CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $work/host
AuthorizedKeysFile $work/authorized
PidFile $work/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
CONFIG
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    "$(PATH=$PATH:/usr/sbin command -v sshd)" -D -e -f "$work/sshd_config" 2> "$work/sshd.log" &
    sshd=$!
    started+=("$sshd")
    wait_for 30 ssh_to "$port" true
}

ssh_command() {
    echo "ssh -q -p $1 -i $work/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null $user@127.0.0.1"
}
ssh_to() { $(ssh_command "$1") -n "$2" 2> /dev/null; }

# A screen is a pane of a tmux of this test's own, of the size that is left of 80x24 by the status line of tmux.
panes() { tmux -f /dev/null -S "$work/tmux" "$@"; }
screen_on() { # NAME COMMAND
    panes new-session -d -s "$1" -x 80 -y 23 "$2; echo ENDED \$?; sleep 600" || fail "no tmux"
}
shown() { panes capture-pane -p -t "$1" | grep -q -- "$2"; }
wait_shown() { # NAME TEXT
    for _ in $(seq 300); do
        shown "$1" "$2" && return 0
        sleep 0.1
    done
    panes capture-pane -p -t "$1"
    fail "\"$2\" does not come on the screen of $1"
}
keys() { local name=$1; shift; panes send-keys -t "$name" "$@"; }
net=
net_down() {
    [ -z "$net" ] || { ip link del "$net"; ip netns del "$net"; } 2> /dev/null
    net=
}
finish() {
    local rc=$?
    panes kill-server 2> /dev/null
    net_down
    (exit $rc)
    cleanup
}
trap finish EXIT

remote() { echo "$(ssh_command "${2:-$port}") -tt 'cd $(pwd) && env N1TOP_RUN=$N1TOP_RUN XDG_CONFIG_HOME=$XDG_CONFIG_HOME LC_ALL=C.UTF-8 $build_dir/n1top $1'"; }
sampler() { ls "$N1TOP_RUN" 2> /dev/null | sed -n 's/\.sock$//p'; }
company() { n1top status; grep -q "^ *$(sampler) .*$1" "$out"; }
screen_process() { pgrep -f "^$build_dir/n1top $1" | head -n 1; }
gone() { ! kill -0 "$1" 2> /dev/null; }

start_sshd
target many --limit 300

echo "a live screen over ssh, in 80x23"
screen_on first "$(remote "-p $pid")"
wait_shown first LIVE
wait_shown first work_
check "tmux has another size" [ "$(panes display -p -t first '#{pane_height}')" = 23 ]
wait_for 30 company "1 screen"
first_sampler=$(sampler)
check "one socket, of mode 0600" [ "$(stat -c %a "$N1TOP_RUN/$first_sampler.sock")" = 600 ]
check "the folder is open" [ "$(stat -c %a "$N1TOP_RUN")" = 700 ]

echo "the line drops: the client dies"
screen=$(screen_process "-p $pid")
check "no screen process" [ -n "$screen" ]
kill -KILL "$(pgrep -f "ssh -q -p $port .*n1top -p $pid" | head -n 1)"
wait_for 30 gone "$screen"
wait_for 30 company "lingers"
check "another sampler" [ "$(sampler)" = "$first_sampler" ]
check "it holds the terminal" [ -z "$(find "/proc/$first_sampler/fd" -lname '/dev/pts/*')" ]
check "it is in the session that went" [ "$(ps -o sid= -p "$first_sampler" | tr -d ' ')" = "$first_sampler" ]
panes kill-session -t first
dropped=$(date +%s.%N)
sleep 1

echo "back again, with what was before"
screen_on second "$(remote "--attach many")"
wait_shown second LIVE
wait_shown second work_
check "another sampler" [ "$(sampler)" = "$first_sampler" ]
mkdir -p "$XDG_CONFIG_HOME/n1top"
echo "{\"profiling\": {\"output_dir\": \"$work/saved\", \"linger\": 60}}" > "$XDG_CONFIG_HOME/n1top/config.json"
keys second q
wait_shown second "ENDED 0"
wait_for 30 gone "$first_sampler"
check "the socket is left" [ -z "$(sampler)" ]
panes kill-session -t second
untouched "$pid"

echo "the server's child dies; history is in a report saved after coming back"
screen_on third "$(remote "-p $pid")"
wait_shown third work_
sampler=$(sampler)
screen=$(screen_process "-p $pid")
sleep 1
before=$(date +%s)
kill -KILL "$(ps -o ppid= -p "$screen" | tr -d ' ')" 2> /dev/null # the shell that sshd started …
pkill -KILL -P "$sshd"                                             # … and sshd's child for the session
wait_for 30 gone "$screen"
wait_for 30 company "lingers"
screen_on fourth "$(remote "--attach $pid")"
wait_shown fourth work_
keys fourth d # everything
keys fourth w
wait_shown fourth "saved "
json "$(ls "$work"/saved/*.json)" "d['summary']['time_range']['start'] < $before and d['sampler']['samples'] > 50"

echo "a second screen may only look"
screen_on fifth "$(remote "--attach")"
wait_shown fifth "READ-ONLY"
wait_shown fifth work_
wait_for 30 company "2 screens"
keys fifth D
wait_shown fifth "may only look"
echo "it takes over when the first one has gone"
keys fourth q
wait_shown fourth "ENDED 0"
wait_shown fifth "this one controls now"
check "still read-only" eval '! shown fifth READ-ONLY'
check "the sampler has gone with the first" [ "$(sampler)" = "$sampler" ]

echo "D: as long as asked"
keys fifth D
wait_shown fifth "sample on"
keys fifth 2h Enter
wait_shown fifth "n1top --attach $pid rejoins it"
wait_shown fifth "ENDED 0"
wait_for 30 company "lingers 7[12]"

echo "several: they are listed, none is chosen"
screen_on sixth "env N1TOP_RUN=$N1TOP_RUN $build_dir/n1top -p $pid"
wait_shown sixth LIVE
screen_on seventh "env N1TOP_RUN=$N1TOP_RUN $build_dir/n1top --attach many"
wait_shown seventh "several samplers fit 'many'"
wait_shown seventh "ENDED 2"
check "the list lacks one" shown seventh "$sampler"
keys sixth q
wait_shown sixth "ENDED 0"

echo "a sampler that is stopped holds up neither --attach nor status nor q"
screen_on eighth "env N1TOP_RUN=$N1TOP_RUN $build_dir/n1top --attach $pid"
wait_shown eighth work_
kill -STOP "$sampler"
started_at=$(date +%s%N)
n1top status
check "status waits for a stopped sampler" [ $(($(date +%s%N) - started_at)) -lt 5000000000 ]
check "status does not say so: $(cat "$out")" grep -q "no answer" "$out"
keys eighth q
wait_shown eighth "ENDED 0"
kill -CONT "$sampler"
wait_for 30 gone "$sampler"

echo "a crash of the sampler leaves a socket, which the next look removes"
screen_on ninth "env N1TOP_RUN=$N1TOP_RUN $build_dir/n1top -p $pid"
wait_shown ninth work_
kill -KILL "$(sampler)"
wait_shown ninth "SAMPLER DIED"
keys ninth q
check "no leftover to remove" [ -n "$(sampler)" ]
n1top status
check "the leftover stays" [ -z "$(sampler)" ]
untouched "$pid"

echo "a slow line: 2500 bytes a second, answers late by 700 ms each way"
slow=$(free_port)
python3 tests/integration/slow_line.py "$slow" "$port" 700 2500 > "$work/slow.out" &
started+=($!)
wait_for 30 grep -q ready "$work/slow.out"
screen_on slow "$(remote "-p $pid --linger 30" "$slow")"
wait_shown slow LIVE
wait_shown slow "LOW "
keys slow L
wait_shown slow "every figure again"
sampler=$(sampler)
kill -KILL "$(pgrep -f "ssh -q -p $slow .*n1top -p $pid" | head -n 1)"
wait_for 30 company "lingers"
kill "$sampler"
wait_for 30 gone "$sampler"

echo "delay and loss in a network namespace"
shape=${N1_TEST_SHAPE:-netem delay 300ms 50ms loss 3%}
net=n1-test-$$
net_up() {
    ip netns add "$net" && ip link add "$net" type veth peer name eth0 netns "$net" &&
        ip addr add 10.231.77.1/30 dev "$net" && ip link set "$net" up &&
        ip -n "$net" addr add 10.231.77.2/30 dev eth0 && ip -n "$net" link set eth0 up &&
        ip netns exec "$net" tc qdisc add dev eth0 root $shape && tc qdisc add dev "$net" root $shape
}
if [ "$(id -u)" != 0 ]; then
    echo "skipped: a network namespace needs root"
elif ! net_up > "$work/net.log" 2>&1; then
    echo "skipped: $(tail -n 1 "$work/net.log") (ip netns, veth, tc $shape)"
else
    "$(PATH=$PATH:/usr/sbin command -v sshd)" -D -e -f "$work/sshd_config" -o ListenAddress=10.231.77.1 -o PidFile=none 2>> "$work/sshd.log" &
    started+=($!)
    far=$(remote "-p $pid" | sed 's/@127.0.0.1/@10.231.77.1/')
    wait_for 30 ip netns exec "$net" $(ssh_command "$port" | sed 's/@127.0.0.1/@10.231.77.1/') -n true
    screen_on far "ip netns exec $net $far"
    wait_shown far work_
    sampler=$(sampler)
    keys far f
    wait_shown far "all 100"
    panes kill-session -t far # the client goes, and its last packets may be lost
    wait_for 60 company "lingers"
    screen_on farther "ip netns exec $net $(remote "--attach $pid" | sed 's/@127.0.0.1/@10.231.77.1/')"
    wait_shown farther work_
    check "another sampler" [ "$(sampler)" = "$sampler" ]
    keys farther q
    wait_shown farther "ENDED 0"
    wait_for 30 gone "$sampler"
fi
net_down

echo "it ends by itself when nobody comes back"
screen_on last "$(remote "-p $pid --linger 2")"
wait_shown last work_
sampler=$(sampler)
panes kill-session -t last
wait_for 30 gone "$sampler"
check "the socket is left" [ -z "$(sampler)" ]
untouched "$pid"
