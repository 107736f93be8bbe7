#pragma once
// How every command tells that it failed: prose on standard error, and with --json an object on standard
// output.
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {

/// Prints the error, and what refused (offers with the reason each was not taken), as `json` says. Returns
/// the exit code of its kind.
int show_error(const Error& error, bool json, const std::vector<Judged>& refused = {});

/// {"schema":1,"error":{…}} on one line. Pure.
std::string error_json(const Error& error, const std::vector<Judged>& refused);

/// "error: …", rows of what refused, "hint: …". Pure.
std::string error_prose(const Error& error, const std::vector<Judged>& refused);

}  // namespace gpubroker
