#pragma once
// How a bucket is reached, as the user has told AWS's tools. Source: "AWS SDKs and Tools Reference Guide",
// read 2026-11.
#include <string>

#include "core/checkpoint/checkpoint.hpp"
#include "core/wire/sigv4.hpp"

namespace gpubroker {

struct S3Settings {
  AwsKeys keys = {};
  std::string region = {};    // "us-east-1" when nobody says
  std::string endpoint = {};  // empty: AWS itself
};

/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, all from the first place that has the
/// first of them; AWS_REGION or AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL: each from the
/// first place that has it. What is still missing then from ~/.aws/credentials and ~/.aws/config (or
/// AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE), profile AWS_PROFILE or "default", if `access` allows files.
/// An empty variable is none. Errors: `auth` without a complete key, `invalid` for an endpoint that is no
/// URL.
Result<S3Settings> read_s3_settings(const StoreAccess& access, Files& files);

}  // namespace gpubroker
