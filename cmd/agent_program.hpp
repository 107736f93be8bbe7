#pragma once
#include <string_view>

namespace gpubroker {

/// The program that nodes are given (cmd/agent/main.cpp, for Linux), compressed by gzip: every node can
/// unpack that.
std::string_view agent_program_gz();

}  // namespace gpubroker
