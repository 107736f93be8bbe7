#include "core/wire/digest.hpp"

#include <vector>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/base/c_handle.hpp"
#include "core/wire/sha256.hpp"

namespace gpubroker {
namespace {

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string text_of(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

Error bad_key() {
  return {.kind = ErrorKind::auth,
          .message = "the private key cannot be read",
          .hint = "it must be an RSA key in PEM; an encrypted one needs its passphrase"};
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), raw(bytes),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string to_base64url(std::string_view bytes) {
  std::string text = to_base64(bytes);
  while (!text.empty() && text.back() == '=') { text.pop_back(); }
  for (char& c : text) { c = c == '+' ? '-' : c == '/' ? '_' : c; }
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  const Error bad{.kind = ErrorKind::invalid, .message = "not base64"};
  const std::size_t end = text.find_last_not_of('=') + 1;
  const std::size_t padding = text.size() - end;
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0 || padding > 2 || text.find_first_not_of(kAlphabet) < end) { return bad; }
  std::string bytes(text.size() / 4 * 3 + 1, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), raw(text),
                                   static_cast<int>(text.size()));
  if (size < 0) { return bad; }
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

std::string sha256(std::string_view bytes) {
  Sha256 sum;
  sum.add(bytes);
  return sum.bytes();
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  constexpr std::size_t kBlock = 64;  // RFC 2104, RFC 4231
  std::string inner = key.size() > kBlock ? sha256(key) : std::string(key);
  inner.resize(kBlock, '\0');
  std::string outer = inner;
  for (std::size_t i = 0; i < kBlock; ++i) {
    inner[i] = static_cast<char>(inner[i] ^ 0x36);
    outer[i] = static_cast<char>(outer[i] ^ 0x5c);
  }
  return sha256(outer += sha256(inner += bytes));
}

Result<std::string> sign_rs256(const Secret& private_key_pem, std::string_view bytes,
                               const Secret& passphrase) {
  const std::string& pem = private_key_pem.reveal();
  const CHandle<BIO, BIO_free_all> source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // With a text here, if an empty one, OpenSSL does not ask the terminal for a passphrase.
  std::string given = passphrase.reveal();
  const CHandle<EVP_PKEY, EVP_PKEY_free> key(
      PEM_read_bio_PrivateKey(source.get(), nullptr, nullptr, given.data()));
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) { return bad_key(); }
  const CHandle<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, raw(bytes), bytes.size()) != 1) {
    return bad_key();
  }
  std::vector<unsigned char> signature(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, raw(bytes), bytes.size()) != 1) {
    return bad_key();
  }
  return text_of(signature.data(), size);
}

}  // namespace gpubroker
