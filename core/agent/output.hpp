#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/wire/agent_wire.hpp"

namespace gpubroker {

/// A job's output as it comes: lines with their time, in at most two files named by where they begin
/// (OutputSpan), each at most half of `most`: the older one is removed when the newer one is full. On a full
/// disk lines are dropped and counted; the next line that finds room says how many.
class OutputLog {
 public:
  OutputLog(Files& files, Clock& clock, std::string folder, std::int64_t most);

  /// Takes what the job wrote under a tag ("out", "setup"); `on_line` sees each whole line, without time and
  /// tag.
  Status take(std::string_view tag, std::string_view bytes,
              const std::function<void(std::string_view)>& on_line);
  /// Writes an unfinished last line.
  Status finish(std::string_view tag, const std::function<void(std::string_view)>& on_line);
  /// Gives the older file's room back; false when there is none.
  bool drop_older();

  [[nodiscard]] const OutputSpan& span() const { return span_; }

 private:
  Status write(std::string_view lines);
  Status append(std::string_view lines);
  void turn_over();
  [[nodiscard]] std::string path(std::int64_t base) const { return folder_ + "/" + output_name(base); }

  Files& files_;
  Clock& clock_;
  std::string folder_;
  std::int64_t half_;
  OutputSpan span_ = {};
  std::int64_t dropped_ = 0;  // bytes that found no room on the disk
  std::string partial_ = {};
};

}  // namespace gpubroker
