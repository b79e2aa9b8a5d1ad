/*
 * flotilla-passwd: reads the command line, changes a password file.
 */
#include <stdio.h>

#include "broker/passwd/passwd_commands.h"
#include "broker/passwd/passwd_options.h"

int main(int argc, char **argv)
{
    struct passwd_options options;
    const char *wrong = passwd_options_parse(argc, argv, &options);
    if (wrong == NULL)
        return passwd_commands_run(&options);
    fprintf(stderr, "flotilla-passwd: %s\n%s", wrong, passwd_usage);
    return 1;
}
