#include "tests/sim/planted.hpp"

namespace gpubroker::sim {

Result<std::vector<NodeView>> BuggyProvider::ensure_gang(const GangRequest& request) {
  GangRequest changed = request;
  const int time = ++asked_[request.token];
  if (plant_ == Plant::double_create && time > 1) { changed.token.value += "-" + std::to_string(time); }
  return inner_.provisioner().ensure_gang(changed);
}

Status BuggyProvider::terminate(const std::vector<NodeId>& nodes) {
  std::vector<NodeId> some = nodes;
  if (plant_ == Plant::lost_terminate && !some.empty()) { some.pop_back(); }
  return inner_.provisioner().terminate(some);
}

Result<std::vector<Leftover>> BuggyProvider::leftovers() {
  if (plant_ == Plant::unswept) { return std::vector<Leftover>{}; }
  return inner_.attachments()->leftovers();
}

Status BuggyProvider::remove(const std::vector<Leftover>& leftovers) {
  return inner_.attachments()->remove(leftovers);
}

Status BuggyProvider::sweep(const Token& token, const OfferKey& offer) {
  if (plant_ == Plant::unswept) { return Ok{}; }
  return inner_.attachments()->sweep(token, offer);
}

void tamper_with(JournalBatch& batch, Plant plant) {
  if (plant == Plant::missing_intent) {
    std::erase_if(batch.rows, [](const JournalRow& row) {
      return row.kind == "intent" && row.token.find("/create") != std::string::npos;
    });
  }
  if (plant == Plant::dropped_charge && !batch.charges.empty()) { batch.charges.pop_back(); }
}

}  // namespace gpubroker::sim
