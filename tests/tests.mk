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
