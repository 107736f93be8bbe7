#pragma once
// Hashes, keyed hashes and signatures, and the texts they are written in. Over OpenSSL's libcrypto.
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/secret.hpp"

namespace gpubroker {

std::string to_hex(std::string_view bytes);  // lower case
std::string to_base64(std::string_view bytes);
std::string to_base64url(std::string_view bytes);  // without padding, as JWT wants it
/// Fails with `invalid` on any character that does not belong, and on wrong padding.
Result<std::string> from_base64(std::string_view text);

std::string sha256(std::string_view bytes);                             // 32 raw bytes
std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 raw bytes

/// RSASSA-PKCS1-v1_5 with SHA-256 under a PEM private key (PKCS#1 or PKCS#8): raw bytes. `auth` when the key
/// cannot be read. An encrypted key is opened with `passphrase`; nobody is asked for one.
Result<std::string> sign_rs256(const Secret& private_key_pem, std::string_view bytes,
                               const Secret& passphrase = {});

}  // namespace gpubroker
