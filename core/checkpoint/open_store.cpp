#include "core/checkpoint/internals.hpp"
#include "core/checkpoint/s3_store.hpp"

namespace gpubroker {

Result<std::unique_ptr<ObjectStore>> open_object_store(const std::string& url, Files& files,
                                                       const StoreAccess& access) {
  constexpr std::string_view kFile = "file://";
  if (url.rfind(kFile, 0) == 0 && url.size() > kFile.size() && url[kFile.size()] == '/') {
    return checkpoint::make_directory_store(url.substr(kFile.size()), files);
  }
  if (url.rfind("s3://", 0) == 0) { return open_s3_store(url, access, files); }
  return Error{.kind = ErrorKind::invalid,
               .message = "no checkpoint store is known for " + url,
               .hint = "known: file:///absolute/folder, s3://bucket/prefix",
               .source = "checkpoint.store"};
}

}  // namespace gpubroker
