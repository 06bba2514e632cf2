# n1top: two programs and one library. `make help` prints the targets.
# Objects of one flavour lie under $(BUILD); a sanitizer or coverage build is the same Makefile with another $(BUILD).

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?=
CC      ?= gcc
VERSION := 0.1.0

PKGS_CORE    := libcjson
PKGS_SAMPLER := libunwind-generic libdw libelf liblzma zlib
PKGS_TUI     := ncursesw libutf8proc
PKGS_TEST    := cmocka
PKGS_SCREEN  := vterm

# Optional parts: `make CAPSTONE=` builds without the instruction view.
CAPSTONE := $(shell pkg-config --exists capstone && echo yes)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wno-missing-field-initializers
OPT  ?= -O2 -g
CFLAGS_ALL  = -std=c17 -D_GNU_SOURCE -DN1_VERSION='"$(VERSION)"' $(OPT) $(WARN) $(if $(CAPSTONE),-DN1_HAVE_CAPSTONE) -fno-common -fno-strict-aliasing \
              -fstack-protector-strong -fno-omit-frame-pointer -I include -I . $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=undefined) $(CFLAGS)
LDFLAGS_ALL = $(if $(SAN),-fsanitize=$(SAN),-Wl,-z,relro,-z,now) $(LDFLAGS)

pkg = $(shell pkg-config --$(1) $(2) 2>/dev/null)
LIBS_CORE    = $(call pkg,libs,$(PKGS_CORE)) -lm
LIBS_SAMPLER = $(call pkg,libs,$(PKGS_SAMPLER)) -liberty -lcap -lseccomp -lunwind-x86_64
LIBS_TUI     = $(call pkg,libs,$(PKGS_TUI) $(if $(CAPSTONE),capstone)) -lcap -ltinfo
LIBS_TEST    = $(call pkg,libs,$(PKGS_TEST)) -lpthread
LIBS_SCREEN  = $(call pkg,libs,$(PKGS_SCREEN)) -lutil

find_c      = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))
obj         = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE_OBJ    = $(call obj,$(call find_c,core))
SAMPLER_OBJ = $(call obj,$(filter-out sampler/main.c,$(call find_c,sampler)))
TUI_OBJ     = $(call obj,$(filter-out tui/main.c,$(call find_c,tui)))
UNIT        = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(shell find tests/unit -name 'test_*.c' 2>/dev/null)))
SCREEN_TESTS = $(patsubst tests/screen/%.c,$(BUILD)/screen/%,$(sort $(wildcard tests/screen/test_*.c)))

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
include tests/tests.mk

.PHONY: help
help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

.PHONY: all
all: $(BUILD)/n1top $(BUILD)/n1top-sampler ## build both programs

.PHONY: deps
deps: ## install the packages that the build and the tests need (Debian)
	@tools/deps

.PHONY: ensure-deps
ensure-deps:
	@tools/deps --if-missing

.PHONY: demo
demo: ## install what is missing, build, and watch a bundled demo program (without a terminal: a text report)
	@tools/deps --if-missing
	@$(MAKE) --no-print-directory -j$(shell nproc) all $(BUILD)/n1top-demo >/dev/null
	@tools/demo $(BUILD)

# Flags are a dependency: a change of compiler or flags rebuilds, so `make clean` is never folklore.
FLAGS_NOW = $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' "$$FLAGS_TEXT" | cmp -s - $@ || printf '%s\n' "$$FLAGS_TEXT" > $@
$(BUILD)/flags: export FLAGS_TEXT = $(FLAGS_NOW)
.PHONY: FORCE
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/obj/tui/theme_builtin.o: themes/default-dark.json # put into the program by the assembler

$(BUILD)/libn1.a: $(CORE_OBJ)
$(BUILD)/libsampler.a: $(SAMPLER_OBJ)
$(BUILD)/libtui.a: $(TUI_OBJ)
$(BUILD)/%.a:
	@rm -f $@; ar rcs $@ $^

$(BUILD)/n1top-sampler: $(BUILD)/obj/sampler/main.o $(BUILD)/libsampler.a $(BUILD)/libn1.a
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_SAMPLER) $(LIBS_CORE) -o $@
$(BUILD)/n1top: $(BUILD)/obj/tui/main.o $(BUILD)/libtui.a $(BUILD)/libn1.a
	$(CC) $(LDFLAGS_ALL) $^ $(LIBS_TUI) $(LIBS_CORE) -o $@

.PHONY: install uninstall
install: all ## install under $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/n1top $(DESTDIR)$(PREFIX)/share/n1top/themes $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0755 $(BUILD)/n1top $(DESTDIR)$(PREFIX)/bin/n1top
	install -m 0755 $(BUILD)/n1top-sampler $(DESTDIR)$(PREFIX)/libexec/n1top/n1top-sampler
	install -m 0644 themes/*.json $(DESTDIR)$(PREFIX)/share/n1top/themes/
	install -m 0644 config.json $(DESTDIR)$(PREFIX)/share/n1top/config.json
	install -m 0644 tui/n1top.1 $(DESTDIR)$(PREFIX)/share/man/man1/n1top.1
uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/n1top $(DESTDIR)$(PREFIX)/share/man/man1/n1top.1
	rm -rf $(DESTDIR)$(PREFIX)/libexec/n1top $(DESTDIR)$(PREFIX)/share/n1top

.PHONY: man man-check
man: $(BUILD)/n1top ## write the manual page anew from the tables of keys and commands
	$(BUILD)/n1top --manual > tui/n1top.1
man-check: $(BUILD)/n1top
	@$(BUILD)/n1top --manual | cmp -s - tui/n1top.1 && echo "man-check: ok" || { echo "man-check: tui/n1top.1 is old: make man" >&2; exit 1; }

.PHONY: dist
dist: ## source archive of the committed tree under build/
	@mkdir -p $(BUILD)
	git archive --prefix=n1top-$(VERSION)/ -o $(BUILD)/n1top-$(VERSION).tar.gz HEAD
	@echo $(BUILD)/n1top-$(VERSION).tar.gz

C_FILES = $(shell git ls-files '*.c' '*.h')
.PHONY: format format-check tidy layers compile_commands.json clean vars
format: ## clang-format every source file
	clang-format -i $(C_FILES)
format-check: ## fail when a file is not formatted
	clang-format --dry-run -Werror $(C_FILES)
tidy: ## clang-tidy over the sources
	clang-tidy --quiet $(filter %.c,$(C_FILES)) -- -std=c17 -D_GNU_SOURCE -DN1_VERSION='"$(VERSION)"' -I include -I .
layers: ## prove that the folders include and link only what they may
	@tools/layers $(BUILD)
compile_commands.json: ## for clangd
	bear -- $(MAKE) -B all
clean: ## remove what was built
	rm -rf $(BUILD)
vars: ## print the flags in use
	@echo 'CC=$(CC)'; echo 'CFLAGS=$(CFLAGS_ALL)'; echo 'LDFLAGS=$(LDFLAGS_ALL)'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
