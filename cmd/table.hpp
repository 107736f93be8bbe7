#pragma once
// Rows of text as a person or a program reads them. Pure.
#include <functional>
#include <string>
#include <vector>

#include "core/base/time.hpp"

namespace gpubroker {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}

  /// Cells by column; control characters become spaces, so that a row stays a row.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  /// Adds colour to a cell that is already padded; `cell` is its text.
  using Paint = std::function<std::string(std::size_t column, const std::string& cell, std::string padded)>;

  /// Header and aligned columns, two spaces between, nothing after the last one.
  [[nodiscard]] std::string aligned(const std::string& indent = "", const Paint& paint = {}) const;
  /// One row a line, tab-separated, no header.
  [[nodiscard]] std::string tabbed() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_ = {};
};

/// The columns that a text takes on a terminal, one for each character of UTF-8.
std::size_t text_width(const std::string& text);

/// "5s ago", "2h ago", "now": the largest unit alone; "in 5m" for the future.
std::string relative_time(Instant at, Instant now);

/// The largest unit alone of a length: "36h" is "1d", "90s" is "1m".
std::string short_duration(Millis length);

/// A phase or an end of an attempt in its colour: green for what went well, red for failure, yellow for
/// waiting. The word says the same.
std::string paint_state(const std::string& state, std::string text);

}  // namespace gpubroker
