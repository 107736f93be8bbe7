#pragma once
#include "core/ports/node_channel.hpp"

namespace gpubroker::ssh {

/// SSH to claimed machines: what is started there carries its claim's cookie, so that the claim's end finds
/// it.
class ClaimChannel final : public NodeChannel {
 public:
  /// Borrowed.
  explicit ClaimChannel(NodeChannel& below) : below_(below) {}

  Status put(const NodeAddress& node, const std::string& path, std::string_view bytes, int mode) override {
    return below_.put(node, path, bytes, mode);
  }
  Status put_file(const NodeAddress& node, const std::string& path, const std::string& local_path) override {
    return below_.put_file(node, path, local_path);
  }
  Result<std::string> get(const NodeAddress& node, const std::string& path, std::int64_t offset,
                          std::int64_t max) override {
    return below_.get(node, path, offset, max);
  }
  Result<CommandResult> run(const NodeAddress& node, const Command& command, Millis timeout) override;
  Status start(const NodeAddress& node, const Command& command, const std::string& output_path) override;
  Status put_and_start(const NodeAddress& node, const std::vector<NodeFile>& files, const Command& command,
                       const std::string& output_path) override;
  std::string first_host_key(const NodeAddress& node) override { return below_.first_host_key(node); }
  void forget(const NodeAddress& node) override { below_.forget(node); }

 private:
  NodeChannel& below_;
};

}  // namespace gpubroker::ssh
