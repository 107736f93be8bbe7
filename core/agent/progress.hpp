#pragma once
#include <string>
#include <string_view>

#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/wire/agent_wire.hpp"

namespace gpubroker {

/// How far the job is, as it tells: by lines like {"step": 12, …} of its output, or by the file that
/// GPUBROKER_PROGRESS names, once that exists. What cannot be read is no news. Times between steps are
/// measured with the clock that never jumps: a hang is judged from them.
class Progress {
 public:
  Progress(Files& files, Clock& clock, std::string path);

  void read_line(std::string_view line);
  void read_file();
  /// Where nothing was read of what an agent before us has told.
  void go_on_from(const AgentReport& report) { told_ = report; }
  [[nodiscard]] std::int64_t step() const { return told_.step; }
  /// Puts what is known into the report; the time since the last progress only `with_age`.
  void tell(AgentReport& report, bool with_age);

 private:
  void set_step(std::int64_t step);

  Files& files_;
  Clock& clock_;
  std::string path_;
  bool has_file_ = false;
  AgentReport told_ = {};  // the fields about steps
  Millis step_at_{0};
  Millis progress_at_{0};
  std::string committed_ = {};
};

}  // namespace gpubroker
