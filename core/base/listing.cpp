#include "core/base/listing.hpp"

#include <array>

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 6> kFabrics = {"unknown", "ethernet", "tcpx",
                                                      "roce",    "efa",      "infiniband"};
constexpr std::array<std::string_view, 6> kBases = {"list",  "market",    "computed",
                                                    "table", "bid_floor", "quote"};
constexpr std::array<std::string_view, 5> kKinds = {"unknown", "count", "level", "score", "quota"};

template <class Enum, std::size_t count>
std::optional<Enum> find_name(const std::array<std::string_view, count>& names, std::string_view name) {
  for (std::size_t i = 0; i < count; ++i) {
    if (names.at(i) == name) { return static_cast<Enum>(i); }
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Fabric fabric) {
  return kFabrics.at(static_cast<std::size_t>(fabric));
}

std::optional<Fabric> fabric_from(std::string_view name) {
  if (name == "ib") { return Fabric::infiniband; }
  return find_name<Fabric>(kFabrics, name);
}

std::string_view to_string(PriceBasis basis) {
  return kBases.at(static_cast<std::size_t>(basis));
}

std::optional<PriceBasis> price_basis_from(std::string_view name) {
  return find_name<PriceBasis>(kBases, name);
}

std::string_view to_string(AvailabilityKind kind) {
  return kKinds.at(static_cast<std::size_t>(kind));
}

std::optional<AvailabilityKind> availability_kind_from(std::string_view name) {
  return find_name<AvailabilityKind>(kKinds, name);
}

bool says_available(const Availability& availability, int machines) {
  switch (availability.kind) {
    case AvailabilityKind::count:
      return availability.value >= machines;
    case AvailabilityKind::level:
      return availability.value > 0;
    case AvailabilityKind::unknown:
    case AvailabilityKind::score:
    case AvailabilityKind::quota:
      return false;
  }
  return false;
}

}  // namespace gpubroker
