#include "cmd/agent/interrupts.hpp"

#include <csignal>
#include <unistd.h>

namespace gpubroker {
namespace {

constexpr int kExitInterrupted = 130;

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): the only things a signal handler may
// touch.
volatile std::sig_atomic_t g_interrupted = 0;
volatile std::sig_atomic_t g_leave_at_second = 0;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

void note_signal(int /*number*/) {
  if (g_interrupted != 0 && g_leave_at_second != 0) { ::_exit(kExitInterrupted); }
  g_interrupted = 1;
}

}  // namespace

void watch_interrupts(SecondSignal second) {
  g_leave_at_second = second == SecondSignal::leaves_at_once ? 1 : 0;
  (void)std::signal(SIGINT, note_signal);
  (void)std::signal(SIGTERM, note_signal);
}

bool was_interrupted() {
  return g_interrupted != 0;
}

}  // namespace gpubroker
