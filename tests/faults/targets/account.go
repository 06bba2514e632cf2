// A Go program that keeps books on itself, as account.c does: goroutines that sum, sleep, and pass events, signals
// that must arrive, and children that must end as they were told. "ready" on standard output; SIGTERM ends it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	table  [8192]uint32
	counts = map[string]*int64{}
	ending int32
	group  sync.WaitGroup
)

func count(name string) *int64 {
	if counts[name] == nil {
		counts[name] = new(int64)
	}
	return counts[name]
}

func sum() uint64 {
	s := uint64(0x9e3779b97f4a7c15)
	for _, v := range table {
		s = (s^uint64(v))*0x100000001b3 + s>>29
	}
	return s
}

func runs() bool { return atomic.LoadInt32(&ending) == 0 }

func scene(body func()) {
	group.Add(1)
	go func() { defer group.Done(); body() }()
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "--child" {
		os.Exit(7)
	}
	file := ""
	for i, a := range os.Args {
		if a == "--truth" && i+1 < len(os.Args) {
			file = os.Args[i+1]
		}
	}
	x := uint32(1)
	for i := range table {
		x = x*1664525 + 1013904223
		table[i] = x
	}
	right := sum()
	sums, bad := count("sums"), count("sums_bad")
	sent, received := count("signals_sent"), count("signals_received")
	events, missing := count("loop_events"), count("loop_missing")
	children, childrenBad := count("children"), count("children_bad")
	for i := 0; i < 4; i++ {
		scene(func() {
			for runs() {
				if sum() != right {
					atomic.AddInt64(bad, 1)
				}
				atomic.AddInt64(sums, 1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	channel := make(chan int64, 16)
	scene(func() {
		for n := int64(1); runs(); n++ {
			channel <- n
			time.Sleep(time.Millisecond)
		}
		close(channel)
	})
	scene(func() {
		last := int64(0)
		for n := range channel {
			last++
			if n != last {
				atomic.AddInt64(missing, 1)
			}
			atomic.AddInt64(events, 1)
		}
	})
	// Ordinary signals merge while one is pending, so the next is sent when the last has been taken.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR2)
	scene(func() {
		for runs() {
			syscall.Kill(os.Getpid(), syscall.SIGUSR2)
			*sent++
			select {
			case <-caught:
				*received++
			case <-time.After(10 * time.Second):
			}
			time.Sleep(time.Millisecond)
		}
	})
	scene(func() {
		for runs() {
			err := exec.Command("/proc/self/exe", "--child", "7").Run()
			exit, ok := err.(*exec.ExitError)
			if !ok || exit.ExitCode() != 7 {
				fmt.Fprintln(os.Stderr, "child:", err)
				*childrenBad++
			}
			*children++
			time.Sleep(20 * time.Millisecond)
		}
	})
	scene(func() { // garbage, so that the collector stops the world
		for runs() {
			garbage := make([][]byte, 64)
			for i := range garbage {
				garbage[i] = make([]byte, 16384)
			}
			runtime.KeepAlive(garbage)
			time.Sleep(5 * time.Millisecond)
		}
	})
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	fmt.Println("ready")
	<-end
	atomic.StoreInt32(&ending, 1)
	group.Wait()
	out, _ := json.Marshal(map[string]interface{}{"target": "go", "counts": counts})
	if err := os.WriteFile(file, out, 0600); err != nil {
		panic(err)
	}
}
