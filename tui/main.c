/* n1top: a command when its first argument is one, else the live screen. */
#include "tui/commands/command.h"
#include "tui/live_options.h"
#include "tui/rights.h"

#include <locale.h>

int main(int argc, char **argv)
{
    struct n1_error err = {0};
    if (n1_rights_check_own(&err) < 0)
        return n1_error_print(&err);
    setlocale(LC_CTYPE, ""); /* only characters: numbers keep their dots */
    const struct n1_command *command = argc > 1 ? n1_command_find(argv[1]) : NULL;
    if (command != NULL)
        return n1_command_main(command, argc - 1, argv + 1);
    return n1_live_main(argc, argv);
}
