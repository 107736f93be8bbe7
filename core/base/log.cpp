#include "core/base/log.hpp"

// Header-only, so that the program starts without libspdlog.so and libfmt.so (README, "Figures"). This is the
// one file that pays for these headers.
#include <algorithm>
#include <atomic>
#include <memory>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace gpubroker {
namespace {

// The one global of the project: a log must be reachable from everywhere, and nothing is ever decided from
// it. NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): see above.
std::atomic<std::shared_ptr<spdlog::logger>> open_logger;

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
}

bool is_plain(const std::string& value) {
  return !value.empty() && std::none_of(value.begin(), value.end(), [](char c) {
    return c == '"' || c == '\\' || c == '=' || c == ' ' || is_control(c);
  });
}

/// Values with spaces or quotes are quoted and stay on one line, so that each line is one event.
void append_value(std::string& line, const std::string& value) {
  if (is_plain(value)) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') { line += '\\'; }
    if (c == '\n') {
      line += "\\n";
    } else {
      line += is_control(c) ? ' ' : c;
    }
  }
  line += '"';
}

}  // namespace

void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  const std::shared_ptr<spdlog::logger> logger = open_logger.load();
  if (!logger || !logger->should_log(to_spdlog(level))) { return; }
  std::string line(event);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.first;
    line += '=';
    append_value(line, field.second);
  }
  logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

void open_log(const std::string& path, LogLevel level) {
  if (level == LogLevel::off) {
    open_logger.store(nullptr);
    return;
  }
  try {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (path.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    }
    auto logger = std::make_shared<spdlog::logger>("gpubroker", std::move(sink));
    logger->set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                                                                      spdlog::pattern_time_type::utc));
    logger->set_level(to_spdlog(level));
    logger->flush_on(spdlog::level::debug);  // a line that a crash swallowed would be the interesting one
    logger->set_error_handler(
        [](const std::string& /*why*/) {});  // a full disk must not spoil standard error
    open_logger.store(std::move(logger));
  } catch (const spdlog::spdlog_ex&) {
    open_logger.store(nullptr);  // a log that cannot be opened is dropped: the work goes on
  }
}

}  // namespace gpubroker
