#include "cmd/agent_program.hpp"

// The assembler takes the bytes from the file: as C++ text they would cost seconds.
#ifdef __APPLE__
#define GPUBROKER_RODATA ".const_data\n"
#define GPUBROKER_SYMBOL(name) "_" name
#else
#define GPUBROKER_RODATA ".section .rodata\n"
#define GPUBROKER_SYMBOL(name) name
#endif
__asm__(GPUBROKER_RODATA ".globl " GPUBROKER_SYMBOL("gpubroker_agent_begin") "\n"
        ".globl " GPUBROKER_SYMBOL("gpubroker_agent_end") "\n"
        GPUBROKER_SYMBOL("gpubroker_agent_begin") ":\n"
        ".incbin \"" GPUBROKER_AGENT_GZ "\"\n"
        GPUBROKER_SYMBOL("gpubroker_agent_end") ":\n"
        ".byte 0\n"
        ".text\n");

extern "C" const char gpubroker_agent_begin;
extern "C" const char gpubroker_agent_end;

namespace gpubroker {

std::string_view agent_program_gz() {
  return {&gpubroker_agent_begin, static_cast<std::size_t>(&gpubroker_agent_end - &gpubroker_agent_begin)};
}

}  // namespace gpubroker
