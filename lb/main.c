#include <stdio.h>

int main(void)
{
    puts("flotilla-lb " FLOTILLA_VERSION);
    return 0;
}
