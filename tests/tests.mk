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

.PHONY: unit
unit: $(UNIT)
	@tests/run unit $(BUILD) $(UNIT)

# Targets: programs with a known truth, of flags of their own (no sanitizer: they are measured, not tested).
TARGET_FLAGS   = -D_GNU_SOURCE -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls -Wall -Wextra -Werror -pthread
TARGET_DIR     = $(BUILD)/targets
TARGET_PLAIN   = split recursion threads16 dlopen churn early execs forks sleepers memory fds threadgrow episodes \
                 pingpong faults noisy zombie gaps
TARGET_VARIANT = split-stripped split-static-pie split-fp split-debuglink split-minidebug plugin-a.so plugin-b.so cxx \
                 cxx-stripped
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

.PHONY: targets
targets: $(TARGETS) $(BUILD)/n1top-demo ## build the test targets and the demo program

$(BUILD)/n1top-demo: tests/targets/demo.c $(TARGET_DEPS)
	$(TARGET_C) $< tests/targets/target.c $(call pkg,libs,zlib) -lm -o $@
