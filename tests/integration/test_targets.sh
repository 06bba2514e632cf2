#!/bin/bash
# The targets are what they say: what every other test relies on.
. tests/integration/lib.sh

for name in split split-stripped split-static-pie split-fp split-debuglink split-minidebug; do
    target $name --for 0.5
    wait "$pid" || fail "$name ended with $?"
    json "$truth" 'all(abs(d["functions"][f] / sum(d["functions"].values()) - p) < 0.02 for f, p in (("hot_a", .5), ("hot_b", .3), ("hot_c", .2)))'
    json "$truth" '0.9 < sum(d["functions"].values()) / d["process_cpu_seconds"] <= 1.001'
done

# Variants differ in what they are meant to differ in.
check "split-stripped has a symbol table" sh -c "! nm $TARGETS/split-stripped 2> /dev/null | grep -q hot_a"
check "split-minidebug has no .gnu_debugdata" sh -c "readelf -SW $TARGETS/split-minidebug | grep -q gnu_debugdata"
check "split-minidebug has a symbol table" sh -c "! nm $TARGETS/split-minidebug 2> /dev/null | grep -q hot_a"
check "split-debuglink has no debug link" sh -c "readelf -SW $TARGETS/split-debuglink | grep -q gnu_debuglink"
check "split-static-pie needs an interpreter" sh -c "! readelf -lW $TARGETS/split-static-pie | grep -q INTERP"
check "split keeps frame pointers" sh -c "! objdump -d --no-show-raw-insn $TARGETS/split --disassemble=hot_a | grep -q 'mov .*%rsp,%rbp'"
check "split-fp has no frame pointers" sh -c "objdump -d --no-show-raw-insn $TARGETS/split-fp --disassemble=hot_a | grep -q 'mov .*%rsp,%rbp'"

target recursion
truth
json "$truth" 'd["counts"]["depth"] == 60 and d["functions"]["descend"] == d["functions"]["bottom"]'
stop

target threads16
check "threads16 has not 17 threads" [ "$(ls "/proc/$pid/task" | wc -l)" = 17 ]
check "no thread worker-16" sh -c "cat /proc/$pid/task/*/comm | grep -qx worker-16"
sleep 2
truth
json "$truth" 'abs(sum(d["threads"].values()) - sum(d["functions"].values())) < 0.05'
json "$truth" 'd["threads"]["worker-16"] > 5 * d["threads"]["worker-02"]'
stop

target cxx --for 1
wait "$pid"
json "$truth" 'all(abs(v / sum(d["functions"].values()) - .25) < 0.02 for v in d["functions"].values()) and len(d["functions"]) == 4'

target dlopen --for 1
wait "$pid"
json "$truth" 'd["counts"]["loads"] >= 10'

target churn --for 1
wait "$pid"
json "$truth" 'd["counts"]["threads"] >= 100'

target early 100
wait "$pid"
check "early did not end with 7" [ $? = 7 ]

target execs 300 -- "$TARGETS/split" --for 0.5
check "execs did not become split" wait_for 5 sh -c "grep -qx split /proc/$pid/comm"
stop

target forks 3 150 --for 1
check "no workers" wait_for 5 sh -c "[ \$(cat /proc/$pid/task/$pid/children | wc -w) -ge 2 ]"
wait "$pid"
json "$truth" 'd["counts"]["workers"] >= 6 and d["functions"]["worker_hot"] > 0'

target sleepers
for name in in-futex lock-waiter in-epoll in-poll in-pipe in-sleep; do
    wait_for 5 grep -lq "^State:.*S" $(grep -lx "$name" /proc/"$pid"/task/*/comm | sed 's/comm$/status/')
done

target memory 20
sleep 1
truth
json "$truth" 'd["counts"]["leaked_bytes"] > 10e6'
check "RSS did not grow" [ "$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")" -gt 10000 ]
stop

target fds 100
wait_for 5 sh -c "[ \$(ls /proc/$pid/fd | wc -l) -gt 50 ]"
stop
target threadgrow 50
wait_for 5 sh -c "[ \$(ls /proc/$pid/task | wc -l) -gt 20 ]"
stop

mkfifo "$work/commands"
exec 9<> "$work/commands"
stdin=$work/commands target episodes
printf 'cpu alpha 200\nnonsense\nmemory bravo 100 20\nthreads echo 100 5\nquit\n' >&9
wait "$pid"
check "episodes said something else" [ "$(sed 's/ [0-9]*$//' "$said" | tr '\n' ,)" = \
    "ready,start cpu culprit_alpha,end cpu culprit_alpha,error,start memory culprit_bravo,end memory culprit_bravo,start threads culprit_echo,end threads culprit_echo," ]
json "$truth" 'd["functions"]["culprit_alpha"] > 0.05 and d["functions"]["decoy_steady"] > 0'

target pingpong same --for 0.5
wait "$pid"
json "$truth" 'd["counts"]["rounds"] > 100'

target faults --for 0.5
wait "$pid"
json "$truth" 'd["counts"]["touch_heavy"] * 3 == d["counts"]["touch_light"] * 7 > 0'

target noisy
check "no thread is named with an escape" sh -c "cat /proc/$pid/task/*/comm | grep -q \$(printf '\033')"
check "no odd file is mapped" grep -q 'odd .*\[31m' "/proc/$pid/maps"
stop

target zombie
truth
check "there is no zombie" grep -q '^State:.*Z' "/proc/$(python3 -c "import json; print(json.load(open('$truth'))['counts']['zombie'])")/status"

target gaps --for 0.5
wait "$pid"
json "$truth" 'd["counts"]["gaps"] > 0'

# A target ends with its parent.
sh -c "$TARGETS/split > $work/orphan & echo \$!; sleep 0.3; kill -9 \$\$" > "$work/orphan.pid" 2> /dev/null
orphan=$(cat "$work/orphan.pid")
wait_for 5 sh -c "! [ -r /proc/$orphan/status ] || grep -q '^State:.*[ZX]' /proc/$orphan/status"
