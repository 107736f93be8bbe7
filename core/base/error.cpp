#include <array>
#include <stdexcept>

#include "core/base/result.hpp"

namespace gpubroker {
namespace {

struct KindRow {
  ErrorKind kind;
  std::string_view name;
  int exit;
};
constexpr std::array<KindRow, 9> kKinds = {{
    {ErrorKind::capacity, "capacity", 5},
    {ErrorKind::quota, "quota", 4},
    {ErrorKind::auth, "auth", 3},
    {ErrorKind::throttled, "throttled", 7},
    {ErrorKind::invalid, "invalid", 2},
    {ErrorKind::not_found, "not_found", 2},
    {ErrorKind::conflict, "conflict", 7},
    {ErrorKind::network, "network", 7},
    {ErrorKind::internal, "internal", 8},
}};

constexpr std::array<std::string_view, 5> kScopes = {"request", "offer", "zone", "region", "account"};

const KindRow& row_of(ErrorKind kind) {
  for (const KindRow& row : kKinds) {
    if (row.kind == kind) { return row; }
  }
  return kKinds.back();
}

}  // namespace

std::string_view to_string(ErrorKind kind) {
  return row_of(kind).name;
}

std::string_view to_string(ErrorScope scope) {
  return kScopes.at(static_cast<std::size_t>(scope));
}

std::optional<ErrorKind> error_kind_from(std::string_view name) {
  for (const KindRow& row : kKinds) {
    if (row.name == name) { return row.kind; }
  }
  return std::nullopt;
}

std::optional<ErrorScope> error_scope_from(std::string_view name) {
  for (std::size_t i = 0; i < kScopes.size(); ++i) {
    if (kScopes.at(i) == name) { return static_cast<ErrorScope>(i); }
  }
  return std::nullopt;
}

int exit_code(ErrorKind kind) {
  return row_of(kind).exit;
}

void misuse_result(const Error* error) {
  throw std::logic_error(error != nullptr ? "value() of a failed Result: " + error->message
                                          : std::string("error() of a Result that holds a value"));
}

}  // namespace gpubroker
