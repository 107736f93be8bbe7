#include "core/ports/machine_tags.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

/// FNV-1a, as in http://www.isthe.com/chongo/tech/comp/fnv: a name need not be secret.
std::string short_hash(std::string_view text) {
  std::uint32_t hash = 2'166'136'261U;
  for (const char c : text) { hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619U; }
  std::array<char, 9> hex{};
  std::snprintf(hex.data(), hex.size(), "%08x", hash);
  return hex.data();
}

std::string text_of(const std::map<std::string, std::string>& tags, const std::string& name) {
  const auto found = tags.find(name);
  return found == tags.end() ? std::string{} : found->second;
}

}  // namespace

std::map<std::string, std::string> machine_tags(const GangRequest& request, int rank) {
  const Tags& tags = request.tags;
  std::map<std::string, std::string> out = {{"workload", tags.workload.value},
                                            {"attempt", std::to_string(tags.attempt)},
                                            {"token", request.token.value},
                                            {"expires", format_utc(tags.expires)},
                                            {"market", std::string(to_string(request.offer.key.market))}};
  if (!tags.key.empty()) { out["key"] = tags.key; }
  if (!tags.owner.empty()) { out["owner"] = tags.owner; }
  if (rank >= 0) { out["rank"] = std::to_string(rank); }
  return out;
}

bool read_machine_tags(const std::map<std::string, std::string>& tags, NodeView& view) {
  const std::optional<std::int64_t> attempt = parse_int(text_of(tags, "attempt"));
  const std::string token = text_of(tags, "token");
  const std::string workload = text_of(tags, "workload");
  const Result<Instant> expires = parse_utc(text_of(tags, "expires"));
  if (!attempt || token.empty() || workload.empty()) { return false; }
  view.token = {token};
  view.tags = {.workload = {workload},
               .attempt = static_cast<int>(*attempt),
               .key = text_of(tags, "key"),
               .owner = text_of(tags, "owner"),
               .expires = expires.ok() ? expires.value() : Instant{}};
  if (const auto rank = parse_int(text_of(tags, "rank"))) { view.index = static_cast<int>(*rank); }
  if (const auto market = market_from(text_of(tags, "market"))) { view.offer.market = *market; }
  return true;
}

std::string gang_name(const Token& token) {
  constexpr std::size_t kMost = 54;  // a rank of five digits still fits into 60
  std::string name = "gb-";
  for (const char c : token.value) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    name += fits ? c : '-';
  }
  if (name.size() <= kMost && name == "gb-" + token.value) { return name; }
  return name.substr(0, std::min(name.size(), kMost - 9)) + "-" + short_hash(token.value);
}

std::string machine_name(const Token& token, int rank) {
  return gang_name(token) + "-" + std::to_string(rank);
}

}  // namespace gpubroker
