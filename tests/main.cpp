// doctest's own main(). Its declarations came before, precompiled; so its implementation is asked for by both
// names.
#define DOCTEST_CONFIG_IMPLEMENT
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
