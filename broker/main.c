#include <stdio.h>

int main(void)
{
    puts("flotilla-broker " FLOTILLA_VERSION);
    return 0;
}
