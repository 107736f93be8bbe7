#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace gpubroker {

enum class LogLevel { debug, info, warn, error, off };

using LogField = std::pair<std::string_view, std::string>;

/// Writes one event with fields: `launch.attempt workload=… kind=capacity ms=412`. The sink (a file or
/// standard error) is opened by open_log; before that nothing is written. Safe from any thread. Never a
/// secret, never a user's message.
void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);

/// Opens the process's log: `path` empty means standard error. Never fails: a log that cannot be opened is
/// dropped.
void open_log(const std::string& path, LogLevel level);

}  // namespace gpubroker
