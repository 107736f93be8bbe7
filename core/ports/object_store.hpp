#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace gpubroker {

struct ObjectInfo {
  std::string key = {};
  std::int64_t size = 0;
};

/// Immutable objects by key ("a/b/c", no leading slash). Errors: `not_found`, `auth`, `network`, `capacity`
/// (full).
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  /// The object is whole and durable when this returns, and absent or as before when it fails. Replaces.
  virtual Status put(const std::string& key, std::string_view bytes) = 0;
  /// As put, but only when the key is free: false when it is taken. Of several at once, one wins.
  virtual Result<bool> put_new(const std::string& key, std::string_view bytes) = 0;
  virtual Result<std::string> get(const std::string& key) = 0;
  virtual Result<ObjectInfo> head(const std::string& key) = 0;
  /// All keys that begin with `prefix`, sorted.
  virtual Result<std::vector<ObjectInfo>> list(const std::string& prefix) = 0;
  virtual Status remove(const std::string& key) = 0;  // the gone succeeds
};

}  // namespace gpubroker
