#include "cmd/output.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kBlock = 256 << 10;

/// Whether this looks like "2026-11-24T12:00:00Z", as far as one has to look.
bool is_time(std::string_view word) {
  return word.size() >= std::string_view("2026-11-24T12:00:00Z").size() && word.back() == 'Z' &&
         word[4] == '-' && word[10] == 'T';
}

}  // namespace

OutputLine parse_output_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || !is_time(line.substr(0, first))) {
    return {.text = std::string(line)};
  }
  return {.at = std::string(line.substr(0, first)),
          .stream = std::string(line.substr(first + 1, second - first - 1)),
          .text = std::string(line.substr(second + 1))};
}

std::string format_output_line(const OutputLine& line, bool with_rank, bool with_time) {
  std::string out;
  if (with_time && !line.at.empty()) { out += line.at + " "; }
  if (with_rank) { out += "[" + std::to_string(line.rank) + "] "; }
  return out + line.text + "\n";
}

bool OutputReader::refill() {
  if (!placed_) {
    placed_ = true;
    in_former_ = files_.stat(former()).ok();
  }
  const Result<FileInfo> info = files_.stat(path_);
  // Turned over: what was read of this file goes on in the former one.
  if (!in_former_ && info.ok() && info.value().size < offset_) { in_former_ = true; }
  if (in_former_) {
    if (take(former())) { return true; }
    in_former_ = false;
    offset_ = 0;
  }
  return take(path_);
}

bool OutputReader::take(const std::string& path) {
  const Result<std::string> bytes = files_.read_at(path, offset_, kBlock);
  if (!bytes.ok() || bytes.value().empty()) { return false; }  // not there yet, or nothing new
  buffer_.erase(0, begin_);
  searched_ -= begin_;
  begin_ = 0;
  buffer_ += bytes.value();
  offset_ += static_cast<std::int64_t>(bytes.value().size());
  return true;
}

std::optional<std::string> OutputReader::next() {
  while (true) {
    const std::size_t end = buffer_.find('\n', std::max(begin_, searched_));
    if (end != std::string::npos) {
      std::string line = buffer_.substr(begin_, end - begin_);
      begin_ = end + 1;
      searched_ = begin_;
      return line;
    }
    searched_ = buffer_.size();
    if (!refill()) { return std::nullopt; }
  }
}

void OutputReader::seek_tail(std::int64_t lines) {
  placed_ = true;
  std::int64_t ends = -1;  // the last line's own end does not count
  for (const bool former : {false, true}) {
    in_former_ = former;
    if (seek_lines(former ? this->former() : path_, lines, ends)) { return; }
  }
  in_former_ = files_.stat(former()).ok();
}

bool OutputReader::seek_lines(const std::string& path, std::int64_t lines, std::int64_t& ends) {
  offset_ = 0;
  const Result<FileInfo> info = files_.stat(path);
  std::int64_t at = info.ok() ? info.value().size : 0;
  while (at > 0) {
    const std::int64_t from = std::max<std::int64_t>(at - kBlock, 0);
    const Result<std::string> block = files_.read_at(path, from, at - from);
    if (!block.ok()) { return false; }
    for (std::size_t i = block.value().size(); i-- > 0;) {
      if (block.value()[i] == '\n' && ++ends == lines) {
        offset_ = from + static_cast<std::int64_t>(i) + 1;
        return true;
      }
    }
    at = from;
  }
  return false;
}

void AttemptOutput::add(int rank, OutputReader reader) {
  nodes_.emplace(rank, Node{.reader = std::move(reader)});
}

std::optional<OutputLine> AttemptOutput::next() {
  Node* oldest = nullptr;
  for (auto& [rank, node] : nodes_) {
    if (!node.head) {
      const std::optional<std::string> line = node.reader.next();
      if (!line) { continue; }
      node.head = parse_output_line(*line);
      node.head->rank = rank;
      node.head->attempt = attempt_;
    }
    if (oldest == nullptr || node.head->at < oldest->head->at) { oldest = &node; }
  }
  if (oldest == nullptr) { return std::nullopt; }
  std::optional<OutputLine> line = std::move(oldest->head);
  oldest->head.reset();
  return line;
}

}  // namespace gpubroker
