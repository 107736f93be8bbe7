#pragma once
#include <cstdint>
#include <string>

#include "core/broker/broker.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"

namespace gpubroker {

/// The output of one node of one attempt as it is kept on this machine: "<path>" and, before it, "<path>.1".
/// When the first has half of what may be kept it takes the place of the second, so the newest lines are
/// always there and the disk is bounded. "<path>.offset" is what to add to the first one's size to get the
/// node's position; it is written only when the two differ, and after what makes them differ: a crash in
/// between fetches twice rather than never.
class KeptLog {
 public:
  KeptLog(Files& files, Clock& clock, std::string path, std::int64_t most = 128 << 20);

  [[nodiscard]] std::int64_t position();
  /// Lines beyond what the disk takes are dropped; the next look fetches them again.
  void keep(const SupervisorParts::OutputPiece& piece);

 private:
  [[nodiscard]] std::int64_t size();
  [[nodiscard]] std::int64_t offset();
  void set_offset(std::int64_t offset);

  Files& files_;
  Clock& clock_;
  std::string path_;
  std::int64_t half_;
};

}  // namespace gpubroker
