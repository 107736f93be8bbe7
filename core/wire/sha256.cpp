// The older functions of OpenSSL, deprecated since 3.0 for their lack of choice among implementations: what
// EVP brings along for it is half of the program that every node is sent.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/wire/sha256.hpp"

#include <array>

#include <openssl/sha.h>

#include "core/wire/digest.hpp"

namespace gpubroker {

struct Sha256::Impl {
  SHA256_CTX context = {};
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  SHA256_Init(&impl_->context);
}

Sha256::~Sha256() = default;

void Sha256::add(std::string_view bytes) {
  SHA256_Update(&impl_->context, bytes.data(), bytes.size());
}

std::string Sha256::bytes() {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256_Final(digest.data(), &impl_->context);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string Sha256::hex() {
  return to_hex(bytes());
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 sum;
  sum.add(bytes);
  return sum.hex();
}

}  // namespace gpubroker
