#pragma once
// The output of jobs as it is kept on this machine: a file for each node of each attempt.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/ports/files.hpp"

namespace gpubroker {

struct OutputLine {
  std::string at = {};      // RFC 3339, as the agent wrote it; empty when it is not of that form
  std::string stream = {};  // "out", "err", "setup", …
  std::string text = {};
  int attempt = 0;
  int rank = 0;
};

/// "2026-11-24T12:00:00.123Z out text".
OutputLine parse_output_line(std::string_view line);

/// The line for a person: time and rank when asked for.
std::string format_output_line(const OutputLine& line, bool with_rank, bool with_time);

/// Reads one kept log line by line, as far as it is written; later more. The log is "<path>.1", when there is
/// one, and then "<path>"; it may be turned over while it is read (cmd/kept_log.hpp).
class OutputReader {
 public:
  OutputReader(Files& files, std::string path) : files_(files), path_(std::move(path)) {}

  /// The next whole line; nothing when there is none yet.
  std::optional<std::string> next();
  /// Goes to the beginning of the last `lines` lines.
  void seek_tail(std::int64_t lines);

 private:
  bool refill();
  bool take(const std::string& path);
  /// Goes behind the `lines`-th end of line from the end of the file; false when there are fewer, with `ends`
  /// so far.
  bool seek_lines(const std::string& path, std::int64_t lines, std::int64_t& ends);
  [[nodiscard]] std::string former() const { return path_ + ".1"; }

  Files& files_;
  std::string path_;
  std::string buffer_ = {};
  std::size_t begin_ = 0;     // of what is not given out yet, in buffer_
  std::size_t searched_ = 0;  // no end of line before this
  std::int64_t offset_ = 0;   // of the end of buffer_, in the file
  bool placed_ = false;       // where reading begins is known
  bool in_former_ = false;    // the file is "<path>.1"
};

/// The output of several nodes of one attempt, merged by time.
class AttemptOutput {
 public:
  explicit AttemptOutput(int attempt) : attempt_(attempt) {}

  void add(int rank, OutputReader reader);
  [[nodiscard]] bool has(int rank) const { return nodes_.count(rank) != 0; }
  /// The oldest line of those that are there.
  std::optional<OutputLine> next();

 private:
  struct Node {
    OutputReader reader;
    std::optional<OutputLine> head = {};
  };
  int attempt_;
  std::map<int, Node> nodes_ = {};
};

}  // namespace gpubroker
