#pragma once
#include <memory>
#include <string>

#include "core/checkpoint/checkpoint.hpp"
#include "core/checkpoint/s3_codec.hpp"
#include "core/checkpoint/s3_settings.hpp"

namespace gpubroker {

struct S3Options {
  std::size_t most_single = std::size_t{64} << 20U;  // bytes of a put by one request
  std::size_t part = std::size_t{16} << 20U;         // bytes of each part of a larger one
};

/// Objects of a bucket below a prefix (no slash at its ends, may be empty). Every request is signed; lengths
/// are compared, an ETag is never taken for a digest. What passes (503, a lost connection) is repeated by the
/// Http given, not here.
///
/// put_new relies on If-None-Match (AWS, radosgw, MinIO, R2): of several at once one wins. Where the store
/// answers that it does not know it (Swift), and where it ignores it without a word, the key is looked at
/// before, put, and its writer read back: two at the very same moment may then both believe they won.
/// It is one PUT, so at most 5 GiB.
class S3Store final : public ObjectStore {
 public:
  /// The network is borrowed and must outlive this.
  S3Store(StoreNetwork network, S3Settings settings, const std::string& bucket, std::string prefix,
          S3Options options = {});

  Status put(const std::string& key, std::string_view bytes) override;
  Result<bool> put_new(const std::string& key, std::string_view bytes) override;
  Result<std::string> get(const std::string& key) override;
  Result<ObjectInfo> head(const std::string& key) override;
  Result<std::vector<ObjectInfo>> list(const std::string& prefix) override;
  Status remove(const std::string& key) override;

 private:
  Result<HttpResponse> call(const HttpRequest& request, const std::string& source);
  [[nodiscard]] Result<std::string> full_key(const std::string& key) const;
  [[nodiscard]] std::string source_of(const std::string& verb, const std::string& key) const;
  std::string make_writer();
  /// Who wrote the object; nothing when there is none.
  Result<std::optional<std::string>> writer_of(const std::string& full);
  Result<bool> settle_put_new(const std::string& full, const std::string& writer, const Error& error);
  Status put_parts(const std::string& full, std::string_view bytes);
  Result<std::vector<std::string>> send_parts(const std::string& full, const std::string& upload,
                                              std::string_view bytes);
  Status complete(const std::string& full, const std::string& upload, const std::vector<std::string>& tags,
                  const std::string& writer);

  StoreNetwork network_;
  S3Settings settings_;
  S3Place place_;
  std::string prefix_;
  S3Options options_;
};

/// "s3://bucket/prefix". `invalid` for what is none; errors of read_s3_settings; `invalid` without a network.
Result<std::unique_ptr<ObjectStore>> open_s3_store(const std::string& url, const StoreAccess& access,
                                                   Files& files);

}  // namespace gpubroker
