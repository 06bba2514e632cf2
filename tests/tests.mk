# The test targets. Which library a unit test links follows from its folder; the runner is tests/run.

TEST_LIBS_core    = $(BUILD)/libn1.a
TEST_LIBS_sampler = $(BUILD)/libsampler.a $(BUILD)/libn1.a
TEST_LIBS_tui     = $(BUILD)/libtui.a $(BUILD)/libn1.a

$(BUILD)/unit/core/%: $(BUILD)/obj/tests/unit/core/%.o $(TEST_LIBS_core)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_TEST) $(LIBS_CORE) -o $@
$(BUILD)/unit/sampler/%: $(BUILD)/obj/tests/unit/sampler/%.o $(TEST_LIBS_sampler)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_TEST) $(LIBS_SAMPLER) $(LIBS_CORE) -o $@
$(BUILD)/unit/tui/%: $(BUILD)/obj/tests/unit/tui/%.o $(TEST_LIBS_tui)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_TEST) $(LIBS_TUI) $(LIBS_CORE) -o $@
$(BUILD)/screen/%: $(BUILD)/obj/tests/screen/%.o $(BUILD)/libn1.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_TEST) $(LIBS_SCREEN) $(LIBS_CORE) -o $@
# Fuzz entries, benchmarks and golden tests may use every folder; the linker takes what they name.
TEST_LIBS_all = $(BUILD)/libsampler.a $(BUILD)/libtui.a $(BUILD)/libn1.a
LIBS_ALL      = $(LIBS_SAMPLER) $(LIBS_TUI) $(LIBS_CORE)

FUZZ   = $(sort $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
REPLAY = $(addprefix $(BUILD)/fuzz/replay_,$(FUZZ))
GOLDEN = $(patsubst tests/golden/%.c,$(BUILD)/golden/%,$(sort $(wildcard tests/golden/test_*.c)))
BENCH  = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(sort $(wildcard tests/bench/bench_*.c))) $(BUILD)/bench/walker

$(BUILD)/fuzz/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(TEST_LIBS_all)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_ALL) -o $@
$(BUILD)/fuzz/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(TEST_LIBS_all)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer $^ $(LIBS_ALL) -o $@
$(BUILD)/golden/%: $(BUILD)/obj/tests/golden/%.o $(TEST_LIBS_tui)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_TEST) $(LIBS_TUI) $(LIBS_CORE) -o $@
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(TEST_LIBS_all)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_ALL) -o $@

# As many jobs as CPUs, unless the caller said how many.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
SUB  = $(MAKE) --no-print-directory

.PHONY: unit golden golden-update fuzz-replay
unit: $(UNIT) ## tests of single modules
	@tests/run unit $(BUILD) $(UNIT)
golden: $(GOLDEN) ## screens drawn from recorded models, compared with the stored ones
	@tests/run golden $(BUILD) $(GOLDEN)
golden-update: $(GOLDEN) ## store the screens as they are drawn now, and show what changed
	@N1_GOLDEN_UPDATE=1 tests/run golden $(BUILD) $(GOLDEN)
	@git --no-pager diff --stat -- tests/golden
fuzz-replay: $(REPLAY) ## the fuzzers' corpora, once through
	@tests/run fuzz $(BUILD) $(REPLAY)

# What each step needs is built before it, so a failure of one does not hide the others.
.PHONY: check check-build check-integration check-pythons check-screen
check-build: all $(UNIT) $(GOLDEN) $(REPLAY)
check: ## install what is missing, build, and run every test that needs no special rights
	@tools/deps --if-missing
	+@$(SUB) $(JOBS) check-build
	@failed=; for step in layers man-check unit golden fuzz-replay; do $(SUB) $$step || failed="$$failed $$step"; done; \
	[ -z "$$failed" ] || { echo "check: failed:$$failed"; exit 1; }; echo "check: ok"
check-integration: ## the real programs on real targets
	@tools/deps --if-missing
	+@$(SUB) $(JOBS) all targets
	@N1_TEST_LIMIT=600 tests/run integration $(BUILD) $(sort $(wildcard tests/integration/test_*.sh))
check-pythons: ## CPython of every version that Debian's releases offer (fetched into a cache folder) and of this machine
	@tools/pythons fetch
	+@$(SUB) $(JOBS) all
	@N1_TEST_PYTHONS=0 N1_TEST_LIMIT=1200 tests/run integration $(BUILD) tests/integration/test_python.sh
check-real: ## three programs of Debian's as perf sees them; wants a quiet machine (five minutes)
	@tools/deps --if-missing
	+@$(SUB) $(JOBS) all targets
	@N1_TEST_LIMIT=900 tests/run integration $(BUILD) tests/integration/real_programs.sh
check-screen: ## the real screen in a pseudo-terminal
	@tools/deps --if-missing
	+@$(SUB) $(JOBS) all targets $(SCREEN_TESTS)
	@tests/run screen $(BUILD) $(SCREEN_TESTS) $(sort $(wildcard tests/screen/test_*.sh))

.PHONY: check-faults
check-faults: ## nothing is harmed: targets that keep books while the product is killed, stopped, starved (N1_FAULTS=long)
	@tools/deps --if-missing
	+@$(SUB) $(JOBS) all $(FAULTS)
	@tests/faults/run.py $(BUILD)

# Other flavours are the same Makefile with another build folder.
FUZZ_SECONDS ?= 20
.PHONY: asan tsan fuzz bench coverage
asan: ## unit, golden and corpus tests under AddressSanitizer and UndefinedBehaviorSanitizer
	+@$(SUB) $(JOBS) BUILD=build/asan SAN=address,undefined OPT='-O1 -g' flavour
tsan: ## unit tests of core and tui under ThreadSanitizer
	+@$(SUB) $(JOBS) BUILD=build/tsan SAN=thread OPT='-O1 -g' tsan-flavour
fuzz: ## fuzz each entry for FUZZ_SECONDS (20) with libFuzzer; finds stay under build/fuzz
	+@$(SUB) $(JOBS) BUILD=build/fuzz CC=clang WARN= SAN=fuzzer-no-link,address,undefined OPT='-O1 -g' fuzz-flavour
coverage: ## lines covered by unit, golden and corpus tests, a file a line
	+@$(SUB) $(JOBS) BUILD=build/coverage OPT='-O0 -g' CFLAGS='$(CFLAGS) --coverage' LDFLAGS='$(LDFLAGS) --coverage' flavour
	@tools/coverage build/coverage
bench: ## figures of this machine (no pass or fail)
	@tools/deps --if-missing
	+@$(SUB) $(JOBS) all targets $(BENCH)
	@tests/bench/run $(BUILD) $(BENCH) $(sort $(wildcard tests/bench/bench_*.sh))

.PHONY: flavour tsan-flavour fuzz-flavour
flavour: $(UNIT) $(GOLDEN) $(REPLAY)
	@tests/run unit $(BUILD) $(UNIT)
	@tests/run golden $(BUILD) $(GOLDEN)
	@tests/run fuzz $(BUILD) $(REPLAY)
# Tests of the sampler watch their own process, which ThreadSanitizer adds a thread and much memory to; what is shared
# between threads or processes is core's. Its shadow memory needs addresses that are not randomised widely. A day of
# quiet figures (test_rule_noise) is one thread's, and takes minutes so.
TSAN_UNIT = $(filter-out $(BUILD)/unit/sampler/% %/test_rule_noise,$(UNIT))
tsan-flavour: $(TSAN_UNIT)
	@N1_TEST_WRAP="setarch $(shell uname -m) -R" tests/run unit $(BUILD) $(TSAN_UNIT)
fuzz-flavour: $(addprefix $(BUILD)/fuzz/fuzz_,$(FUZZ))
	@tests/fuzz/run $(BUILD) $(FUZZ_SECONDS) $(FUZZ)

# Targets: programs with a known truth, of flags of their own (no sanitizer: they are measured, not tested).
TARGET_FLAGS   = -D_GNU_SOURCE -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls -Wall -Wextra -Werror -pthread
TARGET_DIR     = $(BUILD)/targets
TARGET_PLAIN   = split recursion threads16 dlopen churn early execs forks sleepers memory fds threadgrow episodes \
                 pingpong faults leak lines noisy zombie gaps hostile many waits deadlock pool
TARGET_VARIANT = split-stripped split-static-pie split-fp split-debuglink split-minidebug plugin-a.so plugin-b.so cxx \
                 cxx-stripped hostile-static
TARGETS        = $(addprefix $(TARGET_DIR)/,$(TARGET_PLAIN) $(TARGET_VARIANT))
TARGET_DEPS    = tests/targets/target.c tests/targets/target.h tests/tests.mk | $(TARGET_DIR)/.folder
TARGET_C       = $(CC) -std=c17 $(TARGET_FLAGS)

$(TARGET_DIR)/.folder:
	@mkdir -p $(@D); touch $@
$(addprefix $(TARGET_DIR)/,$(TARGET_PLAIN)): $(TARGET_DIR)/%: tests/targets/%.c $(TARGET_DEPS)
	$(TARGET_C) $< tests/targets/target.c -ldl -o $@
$(TARGET_DIR)/target.o: $(TARGET_DEPS)
	$(TARGET_C) -c $< -o $@
$(TARGET_DIR)/cxx: tests/targets/cxx.cpp $(TARGET_DIR)/target.o
	$(CXX) -std=c++17 $(TARGET_FLAGS) $^ -o $@
$(TARGET_DIR)/split-static-pie: tests/targets/split.c $(TARGET_DEPS)
	$(TARGET_C) -static-pie -fPIE $< tests/targets/target.c -o $@
$(TARGET_DIR)/hostile-static: tests/targets/hostile.c $(TARGET_DEPS)
	$(TARGET_C) -static-pie -fPIE $< tests/targets/target.c -o $@
$(TARGET_DIR)/split-fp: tests/targets/split.c $(TARGET_DEPS)
	$(TARGET_C) -fno-omit-frame-pointer $< tests/targets/target.c -o $@
$(TARGET_DIR)/%-stripped: $(TARGET_DIR)/%
	strip -o $@ $<
$(TARGET_DIR)/split-debuglink: $(TARGET_DIR)/split
	objcopy --only-keep-debug $< $@.debug
	strip -o $@ $<
	cd $(@D) && objcopy --add-gnu-debuglink=$(@F).debug $(@F)
$(TARGET_DIR)/split-minidebug: $(TARGET_DIR)/split
	objcopy --only-keep-debug $< $@.full && strip -g -o $@.mini $@.full && xz -f $@.mini
	strip -o $@ $< && objcopy --add-section .gnu_debugdata=$@.mini.xz $@
	@rm -f $@.full $@.mini.xz
$(TARGET_DIR)/plugin-%.so: tests/targets/plugin.c tests/tests.mk | $(TARGET_DIR)/.folder
	$(TARGET_C) -shared -fPIC -DPLUGIN_FUNCTION=plugin_hot_$* $< -o $@


# The faults suite's own: a target that keeps books on itself, and samplers that do harm.
FAULTS = $(addprefix $(BUILD)/faults/,account harmful refuse freeze.so)
$(BUILD)/faults/account: $(wildcard tests/faults/targets/account*.[ch]) $(TARGET_DEPS)
	@mkdir -p $(@D)
	$(TARGET_C) -I . $(filter %.c,$^) -o $@
$(BUILD)/faults/freeze.so: tests/faults/targets/freeze.c tests/tests.mk
	@mkdir -p $(@D)
	$(TARGET_C) -shared -fPIC $< -ldl -o $@
$(BUILD)/faults/%: tests/faults/targets/%.c tests/tests.mk
	@mkdir -p $(@D)
	$(TARGET_C) -I include $< -lseccomp -o $@

.PHONY: targets
targets: $(TARGETS) $(BUILD)/n1top-demo ## build the test targets and the demo program

$(BUILD)/n1top-demo: tests/targets/demo.c $(TARGET_DEPS)
	$(TARGET_C) $< tests/targets/target.c $(call pkg,libs,zlib) -lm -o $@
