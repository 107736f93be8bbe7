#include "providers/notices.hpp"

#include <map>

#include "providers/aws/notice.hpp"
#include "providers/azure/notice.hpp"
#include "providers/gcp/notice.hpp"

namespace gpubroker {

NoticeMaker find_notice_maker(const std::string& provider) {
  // clang-format off
  static const std::map<std::string, NoticeMaker> makers = {
      {"aws", aws::make_notice_source},
      {"azure", azure::make_notice_source},
      {"gcp", gcp::make_notice_source},
  };
  // clang-format on
  const auto found = makers.find(provider);
  return found == makers.end() ? nullptr : found->second;
}

}  // namespace gpubroker
