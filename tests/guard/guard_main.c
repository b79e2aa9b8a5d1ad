/* What all workloads have in common. */
#include "tests/guard/guard.h"

int main(void)
{
    guard_prepare();
    guard_measured();
    guard_finish();
    return 0;
}
