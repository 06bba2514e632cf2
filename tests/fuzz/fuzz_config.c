/*
 * Fuzz entry of the configuration: any bytes give a config that can be freed, or N1_E_CONFIG with one safe
 * line.
 */
#include "n1/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct n1_config_rule_key rules[] = {{"cpu_spike", "enabled", true, 0, 1},
                                                      {"cpu_spike", "factor", false, 1, 100}};
    struct n1_config config;
    struct n1_error err = {0};
    int r = n1_config_parse(&config, (const char *)data, size, "fuzz", &err);
    if (r < 0) {
        if (r != N1_E_CONFIG || !err.what[0] || strpbrk(err.what, "\n\r\033"))
            abort();
        return 0;
    }
    n1_config_check_rules(&config, rules, 2, &err);
    if (n1_config_rule(&config, "cpu_spike", "factor", 1) !=
        n1_config_rule(&config, "cpu_spike", "factor", 1))
        abort();
    n1_config_finish(&config);
    return 0;
}
