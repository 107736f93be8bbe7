#include "core/ports/price_feed.hpp"

namespace gpubroker {

void add_remark(Harvest& harvest, const std::string& what, const std::string& detail) {
  for (Remark& remark : harvest.remarks) {
    if (remark.what == what) {
      ++remark.count;
      return;
    }
  }
  harvest.remarks.push_back({.what = what, .detail = detail});
}

Error no_credentials(const std::string& cloud, const std::string& needs) {
  return {.kind = ErrorKind::auth,
          .message = "no credentials for " + cloud,
          .hint = "it needs " + needs,
          .source = cloud,
          .code = "no_credentials",
          .scope = ErrorScope::account};
}

}  // namespace gpubroker
