#include "providers/ssh/memory.hpp"

namespace gpubroker::ssh {

Status Memory::remember(const std::string& machine, const std::optional<Claim>& claim) {
  const std::lock_guard<std::mutex> hold(mutex_);
  silent_.erase(machine);
  const std::string text = claim ? encode_claim(*claim) : std::string{};
  const auto known = written_.find(machine);
  if (known != written_.end() && known->second == text) { return Ok{}; }
  Status kept = text.empty() ? files_.remove_all(path_of(machine))
                             : files_.write_atomic(path_of(machine), text, 0600, /*durable=*/false);
  if (kept.ok()) { written_[machine] = text; }
  return kept;
}

std::optional<Claim> Memory::recall(const std::string& machine) {
  const std::lock_guard<std::mutex> hold(mutex_);
  const Result<std::string> text = files_.read(path_of(machine));
  if (!text.ok()) { return std::nullopt; }
  const Result<Claim> claim = parse_claim(text.value());
  return claim.ok() ? std::optional(claim.value()) : std::nullopt;
}

bool Memory::is_news(const std::string& machine) {
  const std::lock_guard<std::mutex> hold(mutex_);
  return silent_.insert(machine).second;
}

}  // namespace gpubroker::ssh
