#include "cmd/agent_program.hpp"

// The assembler takes the bytes from the file: as C++ text they would cost seconds.
#ifdef __APPLE__
#define GPUBROKER_RODATA ".const_data\n"
#define GPUBROKER_SYMBOL(name) "_" name
#else
#define GPUBROKER_RODATA ".section .rodata\n"
#define GPUBROKER_SYMBOL(name) name
#endif
#define GPUBROKER_EMBED(name, file) \
  __asm__(GPUBROKER_RODATA ".globl " GPUBROKER_SYMBOL(name "_begin") "\n"                    \
          ".globl " GPUBROKER_SYMBOL(name "_end") "\n" GPUBROKER_SYMBOL(name "_begin") ":\n" \
          ".incbin \"" file "\"\n" GPUBROKER_SYMBOL(name "_end") ":\n"                       \
          ".byte 0\n"                                                                        \
          ".text\n")

// NOLINTBEGIN(readability-identifier-naming): symbols of the assembler.
extern "C" {
#ifdef GPUBROKER_AGENT_X86_64_GZ
GPUBROKER_EMBED("gpubroker_agent_x86_64", GPUBROKER_AGENT_X86_64_GZ);
extern const char gpubroker_agent_x86_64_begin;
extern const char gpubroker_agent_x86_64_end;
#endif
#ifdef GPUBROKER_AGENT_ARM64_GZ
GPUBROKER_EMBED("gpubroker_agent_arm64", GPUBROKER_AGENT_ARM64_GZ);
extern const char gpubroker_agent_arm64_begin;
extern const char gpubroker_agent_arm64_end;
#endif
}
// NOLINTEND(readability-identifier-naming)

namespace gpubroker {
namespace {

std::string_view between(const char& begin, const char& end) {
  return {&begin, static_cast<std::size_t>(&end - &begin)};
}

}  // namespace

std::vector<NodeProgram> agent_programs() {
  std::vector<NodeProgram> programs;
#ifdef GPUBROKER_AGENT_X86_64_GZ
  programs.push_back({"x86_64", between(gpubroker_agent_x86_64_begin, gpubroker_agent_x86_64_end)});
#endif
#ifdef GPUBROKER_AGENT_ARM64_GZ
  programs.push_back({"arm64", between(gpubroker_agent_arm64_begin, gpubroker_agent_arm64_end)});
#endif
  return programs;
}

std::vector<std::string> agent_cpus() {
  std::vector<std::string> cpus;
  for (const NodeProgram& program : agent_programs()) { cpus.push_back(program.cpu); }
  return cpus;
}

}  // namespace gpubroker
