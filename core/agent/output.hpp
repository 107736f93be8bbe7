#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"

namespace gpubroker {

/// A job's output as it comes: lines with their time, in one file that is set aside when it is half of what
/// may be kept, so that the disk never holds more than `most` bytes. "<file>.base" tells how many bytes were
/// set aside before the file's first one: a reader that counts bytes goes on over the change.
class OutputLog {
 public:
  OutputLog(Files& files, Clock& clock, std::string path, std::int64_t most);

  /// Takes what the job wrote under a tag ("out", "setup"); `on_line` sees each whole line, without time and
  /// tag.
  Status take(std::string_view tag, std::string_view bytes,
              const std::function<void(std::string_view)>& on_line);
  /// Writes an unfinished last line.
  Status finish(std::string_view tag, const std::function<void(std::string_view)>& on_line);

 private:
  Status write(const std::string& lines);

  Files& files_;
  Clock& clock_;
  std::string path_;
  std::int64_t most_;
  std::int64_t base_ = 0;
  std::int64_t size_ = 0;
  std::string partial_ = {};
};

}  // namespace gpubroker
